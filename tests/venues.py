"""
What an exchange's adapters are tried with: approvals as the guardrail would write them.
"""

from decimal import Decimal
from typing import Any, Final

from spark.events import CancelApproved, OrderApproved
from spark.events.orders import Basis, Proof
from spark.events.parts import Stamp
from spark.exchanges.port import About
from spark.ids import client_order_id
from spark.names import (
    AccountId,
    Endpoint,
    OrderType,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
)
from tests.made import NOW_NS, named

STRATEGY: Final = StrategyId("strategy-demo")
_STAMP: Final = Stamp(epoch=0, seq=0, src_offset=0, src_epoch=-1, src_digest="0" * 16)
_PROOF: Final = Proof(body="", kid="", tag="")
_BASIS: Final = Basis(
    decided_ns=NOW_NS,
    appended_ns=NOW_NS,
    seen={},
    halts=(),
    mode=TradingMode.LIVE,
    prices={},
    limits_version=0,
    policy="",
)


def approved(account: AccountId, text: str = "one", /, **changes: object) -> OrderApproved:
    """Approve an order, an ordinary one but for the changes."""
    intent = named(text)
    fields: dict[str, Any] = {
        "stamp": _STAMP,
        "account": account,
        "strategy": STRATEGY,
        "intent_id": intent,
        "client_order_id": client_order_id(account, STRATEGY, intent),
        "endpoint": Endpoint.SIM,
        "mode": TradingMode.LIVE,
        "symbol": Symbol("BTCUSDT"),
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.01"),
        "price": Decimal(60_000),
        "worth_usd": Decimal(600),
        "worth_try": Decimal(0),
        "proof": _PROOF,
        "basis": _BASIS,
        "gateway_epoch": 0,
        "resume_offset": -1,
        "expires_ns": NOW_NS,
        **changes,
    }
    return OrderApproved(**fields)


def cancelling(order: OrderApproved, text: str = "cancel") -> CancelApproved:
    """Approve the cancel of an order."""
    return CancelApproved(
        stamp=_STAMP,
        account=order.account,
        strategy=order.strategy,
        intent_id=named(text),
        target_intent_id=order.intent_id,
        target_strategy=order.strategy,
        client_order_id=order.client_order_id,
        endpoint=order.endpoint,
        mode=order.mode,
        symbol=order.symbol,
        proof=_PROOF,
        basis=_BASIS,
        expires_ns=NOW_NS,
    )


def about(order: OrderApproved, *, cancel: CancelApproved | None = None) -> About:
    """Say what a request concerns, as the gateway does."""
    return About(
        account=order.account,
        strategy=order.strategy,
        intent_id=order.intent_id,
        client_order_id=order.client_order_id,
        symbol=order.symbol,
        side=order.side if cancel is None else None,
        quantity=order.quantity if cancel is None else None,
        mode=order.mode,
        order_type=order.order_type,
        time_in_force=order.time_in_force,
        price=order.price,
        cancel_intent_id="" if cancel is None else cancel.intent_id,
    )
