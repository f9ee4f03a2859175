"""
Makes events of every type at random, of values that meet each other again.

Names, ids and times come from small pools, so that what is folded is about the same few
orders and accounts; every now and then a value is as far out as its type allows.
"""

import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from functools import cache
from random import Random
from typing import Any, Final, Literal, Union, cast, get_args, get_origin, get_type_hints

from spark.codec import type_name
from spark.events import EVENT_TYPES, Event
from spark.ids import client_order_id, intent_id
from spark.names import StrategyId
from spark.topics import ACCOUNT_PARTITION
from tests.made import NOW_NS, SECOND_NS

#: Event type by its wire name.
KINDS: Final[Mapping[str, type[Event]]] = {type_name(kind): kind for kind in EVENT_TYPES}
_ACCOUNTS: Final = (*ACCOUNT_PARTITION, "", "binance:nobody", "nobody")
_STRATEGIES: Final = ("strategy-demo", "op-local", "strategy-other")
_INTENTS: Final = tuple(intent_id(NOW_NS, f"{number:08d}") for number in range(4))
_ORDERS: Final = tuple(
    client_order_id(account, StrategyId(strategy), intent)
    for account in list(ACCOUNT_PARTITION)[:2]
    for strategy in _STRATEGIES[:1]
    for intent in _INTENTS
)
#: What fields of these names are mostly made of.
_POOLS: Final[Mapping[str, Sequence[str]]] = {
    "account": _ACCOUNTS,
    "strategy": _STRATEGIES,
    "target_strategy": _STRATEGIES,
    "intent_id": _INTENTS,
    "target_intent_id": _INTENTS,
    "cancel_intent_id": ("", *_INTENTS),
    "client_order_id": _ORDERS,
    "symbol": ("BTCUSDT", "ETHUSDT", "BTCTRY", "USDTTRY", "GARAN"),
    "base_asset": ("BTC", "ETH", "USDT"),
    "quote_asset": ("USDT", "TRY", "BTC"),
    "commission_asset": ("BNB", "USDT", "TRY", "BTC", ""),
    "asset": ("BTC", "USDT", "TRY", "ETH"),
    "trade_id": ("", "1", "2", "3", "n"),
    "exchange_order_id": ("77", "78", ""),
    "halt": ("kill-1", "kill-2", "latch:a@1"),
    "role": ("auditor", "guardrail", "gateway", "signer", "nobody"),
    "person": ("op-local", "op-second", "nobody"),
    "difference": ("d1", "d2"),
}
_TEXTS: Final = ("", "x", "é₺", "\x00", "\u2028", '"\\', "a" * 300, "x" * 6_000, "\x01" * 900)
_DECIMALS: Final = tuple(
    Decimal(text)
    for text in (
        "0", "1", "-1", "0.5", "10", "60000", "0.01", "0.00000001", "1e28", "-1e28", "1e-28",
        "1e30", "9.99999999999999999999999999999999e29", "0.3333333333333333333333333333333333",
        "123456789.123456789", "-0.000000000000000000000000000001",
    )
)  # fmt: skip
_INTS: Final = (
    0, 1, -1, 2, 3, 7, 100, NOW_NS, NOW_NS - SECOND_NS, NOW_NS + SECOND_NS,
    NOW_NS - 3_600 * SECOND_NS, 2**31, 2**53 + 1, 2**63 - 1, -(2**63), 2**63, 2**64 - 1,
)  # fmt: skip
_NEAR_INTS: Final = (0, 0, 0, 1, 2, 3, NOW_NS, NOW_NS, NOW_NS + 1, NOW_NS - SECOND_NS)
_FAR: Final = 0.06

_Make = Callable[[Random], Any]


class EventMaker:
    """Makes events of some types."""

    def __init__(self, kinds: Sequence[type[Event]] = EVENT_TYPES) -> None:
        self._kinds = tuple(kinds)

    def event(self, random: Random) -> Event:
        """Make one."""
        made: Event = _maker(cast("type", random.choice(self._kinds)))(random)
        return made


@cache
def _maker(kind: type) -> _Make:
    hints = get_type_hints(kind)
    makes = {one.name: _of(hints[one.name], one.name) for one in fields(cast("Any", kind))}

    def make(random: Random) -> Any:  # noqa: ANN401
        return kind(**{name: one(random) for name, one in makes.items()})

    return make


def _of(hint: Any, name: str) -> _Make:  # noqa: ANN401, PLR0911  (types are values here)
    origin, arguments = get_origin(hint), get_args(hint)
    if hasattr(hint, "__supertype__"):
        return _of(hint.__supertype__, name)
    if origin is Literal:
        return lambda random: random.choice(arguments)
    if origin in {Union, types.UnionType}:
        choices = [_of(one, name) for one in arguments]
        return lambda random: random.choice(choices)(random)
    if origin is tuple and arguments[-1] is ...:
        item = _of(arguments[0], name)
        return lambda random: tuple(item(random) for _ in range(random.choice((0, 1, 1, 2, 5))))
    if origin is tuple:
        items = [_of(one, name) for one in arguments]
        return lambda random: tuple(item(random) for item in items)
    if origin is dict:
        key, value = _of(arguments[0], "symbol"), _of(arguments[1], name)
        return lambda random: {key(random): value(random) for _ in range(random.randrange(3))}
    if is_dataclass(hint):
        return _maker(cast("type", hint))
    if isinstance(hint, type) and issubclass(hint, Enum):
        members = list(hint)
        return lambda random: random.choice(members)
    return _plain(hint, name)


def _none(_random: Random) -> None:
    return None


def _plain(hint: type, name: str) -> _Make:
    if hint is bool:
        return lambda random: random.random() < 0.5
    if hint is int:
        return lambda random: random.choice(_INTS if random.random() < _FAR else _NEAR_INTS)
    if hint is Decimal:
        return lambda random: random.choice(_DECIMALS[:6] if random.random() > _FAR else _DECIMALS)
    if hint is types.NoneType:
        return _none
    assert hint is str, hint
    pool = _POOLS.get(name, ("a", "b"))
    return lambda random: random.choice(_TEXTS if random.random() < _FAR else pool)
