"""
Ids derived from their inputs, so that a retry and a replay repeat them.
"""

import hashlib
import re
from typing import Final

from spark.events import CancelOrder
from spark.names import OPERATOR_PREFIX, AccountId, ClientOrderId, IntentId, StrategyId

_INTENT_ID: Final = re.compile(r"[0-9a-f]{11}-[0-9a-z]{8,24}")
_MS_DIGITS: Final = 11
_NS_PER_MS: Final = 1_000_000
#: Our namespace at every exchange; reconciliation never calls it foreign (R14).
CLIENT_ORDER_PREFIX: Final = "spk"
_CLIENT_ORDER_HEX: Final = 29
_CLIENT_ORDER_ID: Final = re.compile(rf"{CLIENT_ORDER_PREFIX}[0-9a-f]{{{_CLIENT_ORDER_HEX}}}")


def intent_id(created_ns: int, entropy: str) -> IntentId:
    """
    Compose an intent id that carries its creation time.

    Args:
        created_ns: UTC; what guards measure the intent's age by.
        entropy: 8 to 24 of `0-9a-z`, unique within the strategy and millisecond.

    Raises:
        ValueError: the entropy does not fit the form.

    """
    made = f"{created_ns // _NS_PER_MS:0{_MS_DIGITS}x}-{entropy}"
    if not _INTENT_ID.fullmatch(made):
        raise ValueError("an intent id needs 8 to 24 of 0-9a-z after its time")
    return IntentId(made)


def created_ms(intent: IntentId) -> int | None:
    """Read the creation time, in ms, that an intent id carries; None where the form is wrong."""
    if not _INTENT_ID.fullmatch(intent):
        return None
    return int(intent[:_MS_DIGITS], 16)


def client_order_id(account: AccountId, strategy: StrategyId, intent: IntentId) -> ClientOrderId:
    """
    Derive the id that the exchange sees.

    Returns: 32 of `[a-z0-9]`, within Binance's 36 and BTCTurk's 50 characters.
    """
    digest = hashlib.sha256(f"{account}\n{strategy}\n{intent}".encode()).hexdigest()
    return ClientOrderId(CLIENT_ORDER_PREFIX + digest[:_CLIENT_ORDER_HEX])


def may_cancel(cancel: CancelOrder) -> bool:
    """Tell whether its writer may cancel that order: its own, or anybody's for an operator."""
    return cancel.target_strategy == cancel.strategy or cancel.strategy.startswith(OPERATOR_PREFIX)


def is_ours(order: str) -> bool:
    """Tell whether an id has the form of those that we derive."""
    return _CLIENT_ORDER_ID.fullmatch(order) is not None
