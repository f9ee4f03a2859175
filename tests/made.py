"""
Events for tests: of every type at random, and those of one order's life.
"""

import types
from dataclasses import fields, is_dataclass
from decimal import Decimal
from enum import Enum
from typing import Any, Final, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from hypothesis import strategies as st

from spark.events import (
    EVENT_TYPES,
    CancelOrder,
    CancelRejected,
    ClockMeasured,
    Event,
    InstrumentPublished,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    Origin,
    OutcomeUnknown,
    PlaceOrder,
    Refusal,
    RequestNotSent,
)
from spark.ids import client_order_id, intent_id
from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    IntentId,
    OrderType,
    Reason,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
    Venue,
)

_T = TypeVar("_T")

NOW_NS: Final = 1_763_700_000_000_000_000
SECOND_NS: Final = 1_000_000_000
ACCOUNT: Final = AccountId("binance:main")
STRATEGY: Final = StrategyId("strategy-demo")
SYMBOL: Final = Symbol("BTCUSDT")
#: The gateway's epoch in the events below.
EPOCH: Final = 7

#: Any decimal that may stand on a topic.
DECIMALS: Final = st.decimals(
    min_value=Decimal("-1e28"), max_value=Decimal("1e28"), allow_nan=False, allow_infinity=False
).filter(lambda value: value == 0 or abs(value.adjusted()) <= 30)


def events_of(kind: type[_T]) -> st.SearchStrategy[_T]:
    """Make events of a type, or of any part of one, with anything its fields allow."""
    hints = get_type_hints(kind)
    made = {one.name: _values(hints[one.name]) for one in fields(cast("Any", kind))}
    return st.builds(kind, **made)


def _values(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401, PLR0911  (types are values here)
    origin, arguments = get_origin(hint), get_args(hint)
    if hasattr(hint, "__supertype__"):
        return _values(hint.__supertype__)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin in {Union, types.UnionType}:
        return st.one_of([_values(one) for one in arguments])
    if origin is tuple and arguments[-1] is ...:
        return st.lists(_values(arguments[0]), max_size=3).map(tuple)
    if origin is tuple:
        return st.tuples(*[_values(one) for one in arguments])
    if origin is dict:
        return st.dictionaries(st.text(max_size=8), _values(arguments[1]), max_size=3)
    if is_dataclass(hint):
        return events_of(cast("type[Any]", hint))
    if issubclass(hint, Enum):
        return st.sampled_from(list(hint))
    return {
        bool: st.booleans(),
        int: st.integers(-(2**63), 2**63 - 1),
        str: st.text(max_size=12),
        Decimal: DECIMALS,
        types.NoneType: st.none(),
    }[hint]


def named(text: str, at_ns: int = NOW_NS) -> IntentId:
    """Make an intent id that ends in a readable name."""
    return intent_id(at_ns, text.rjust(8, "0"))


def place(text: str = "one", **changes: object) -> PlaceOrder:
    """Ask for one order, an ordinary one but for the changes."""
    fields_: dict[str, Any] = {
        "intent_id": named(text),
        "account": ACCOUNT,
        "strategy": STRATEGY,
        "symbol": SYMBOL,
        "side": Side.BUY,
        "order_type": OrderType.LIMIT,
        "time_in_force": TimeInForce.GTC,
        "quantity": Decimal("0.01"),
        "price": Decimal(60_000),
        "created_ns": NOW_NS,
        "ttl_ns": 5 * SECOND_NS,
        **changes,
    }
    return PlaceOrder(**fields_)


def cancel(of: PlaceOrder, text: str = "cancel", **changes: object) -> CancelOrder:
    """Ask to cancel an order."""
    fields_: dict[str, Any] = {
        "intent_id": named(text),
        "account": of.account,
        "strategy": of.strategy,
        "symbol": of.symbol,
        "target_intent_id": of.intent_id,
        "target_strategy": of.strategy,
        "created_ns": NOW_NS,
        "ttl_ns": 5 * SECOND_NS,
        **changes,
    }
    return CancelOrder(**fields_)


def instrument(**changes: object) -> InstrumentPublished:
    """Publish an ordinary symbol's rules."""
    fields_: dict[str, Any] = {
        "venue": Venue.BINANCE,
        "symbol": SYMBOL,
        "base_asset": "BTC",
        "quote_asset": "USDT",
        "is_trading": True,
        "tick_size": Decimal("0.01"),
        "price_min": Decimal("0.01"),
        "price_max": Decimal(1_000_000),
        "step_size": Decimal("0.00001"),
        "quantity_min": Decimal("0.00001"),
        "quantity_max": Decimal(9_000),
        "notional_min": Decimal(5),
        "published_ns": NOW_NS,
        **changes,
    }
    return InstrumentPublished(**fields_)


class Life:
    """The events of one order, as the gateway writes them."""

    def __init__(
        self, text: str = "one", *, quantity: Decimal = Decimal(1), symbol: Symbol = SYMBOL
    ) -> None:
        self.intent_id = named(text)
        self.client_order_id: ClientOrderId = client_order_id(ACCOUNT, STRATEGY, self.intent_id)
        self.quantity = quantity
        self.symbol = symbol
        self._about: dict[str, Any] = {
            "account": ACCOUNT,
            "strategy": STRATEGY,
            "intent_id": self.intent_id,
            "client_order_id": self.client_order_id,
        }

    def claimed(self, epoch: int = EPOCH, *, cancel_of: str = "") -> OrderClaimed:
        """Claim the place, or a cancel under an id of its own."""
        is_place = not cancel_of
        return OrderClaimed(
            **(self._about | ({} if is_place else {"intent_id": named(cancel_of)})),
            epoch=epoch,
            origin=origin(0),
            action=Action.PLACE if is_place else Action.CANCEL,
            symbol=self.symbol,
            mode=TradingMode.LIVE,
            side=Side.BUY if is_place else None,
            order_type=OrderType.LIMIT if is_place else None,
            quantity=self.quantity if is_place else None,
            price=Decimal(10) if is_place else None,
            final_after_ns=NOW_NS + SECOND_NS,
            claimed_ns=NOW_NS,
        )

    def not_sent(self, *codes: Reason, epoch: int = EPOCH) -> RequestNotSent:
        """End the place before a byte was sent."""
        return RequestNotSent(
            **self._about,
            epoch=epoch,
            origin=origin(0),
            action=Action.PLACE,
            reasons=tuple(Refusal(code=code) for code in codes),
            at_ns=NOW_NS,
        )

    def unknown(self, epoch: int = EPOCH, *, cancel_of: str = "") -> OutcomeUnknown:
        """Say that there was no definite answer."""
        return OutcomeUnknown(
            **(self._about | ({"intent_id": named(cancel_of)} if cancel_of else {})),
            epoch=epoch,
            action=Action.CANCEL if cancel_of else Action.PLACE,
            symbol=self.symbol,
            cause="timeout",
            at_ns=NOW_NS,
        )

    def denied(self, epoch: int = EPOCH) -> OrderResolved:
        """Say that the exchange denies it, finally."""
        return OrderResolved(
            **self._about,
            epoch=epoch,
            symbol=self.symbol,
            outcome="not_found",
            asked_ns=NOW_NS,
            final_after_ns=NOW_NS,
            at_ns=NOW_NS,
        )

    def acked(self) -> OrderAcked:
        """Show that the exchange has it."""
        return OrderAcked(
            **self._about,
            symbol=self.symbol,
            exchange_order_id="77",
            exchange_ns=NOW_NS,
            sent_ns=NOW_NS,
            answered_ns=NOW_NS,
        )

    def rejected(self) -> OrderRejected:
        """Show that the exchange refused it."""
        return OrderRejected(
            **self._about,
            symbol=self.symbol,
            code="INSUFFICIENT_BALANCE",
            http_status=400,
            sent_ns=NOW_NS,
            answered_ns=NOW_NS,
        )

    def filled(
        self, quantity: str, cumulative: str, trade_id: str = "", *, side: Side = Side.BUY
    ) -> OrderFilled:
        """Show one execution."""
        return OrderFilled(
            **self._about,
            symbol=self.symbol,
            exchange_order_id="77",
            mode=TradingMode.LIVE,
            trade_id=trade_id,
            side=side,
            quantity=Decimal(quantity),
            price=Decimal(10),
            cumulative=Decimal(cumulative),
            order_quantity=self.quantity,
            commission=Decimal(0),
            commission_asset="BNB",
            exchange_ns=NOW_NS,
        )

    def cancelled(self, filled: str = "0", *, by: str = "") -> OrderCancelled:
        """Show that it rests no longer."""
        return OrderCancelled(
            **self._about,
            symbol=self.symbol,
            cancel_intent_id=named(by) if by else "",
            filled=Decimal(filled),
            exchange_ns=NOW_NS,
            sent_ns=NOW_NS,
            answered_ns=NOW_NS,
        )

    def expired(self, filled: str = "0") -> OrderExpired:
        """Show that the exchange ended it."""
        return OrderExpired(
            **self._about, symbol=self.symbol, filled=Decimal(filled), exchange_ns=NOW_NS
        )

    def cancel_rejected(self, by: str) -> CancelRejected:
        """Show that the exchange did not cancel."""
        return CancelRejected(
            **(self._about | {"intent_id": named(by)}),
            symbol=self.symbol,
            code="UNKNOWN_ORDER",
            http_status=400,
            sent_ns=NOW_NS,
            answered_ns=NOW_NS,
        )


def clock(**changes: object) -> ClockMeasured:
    """Measure the exchange's clock."""
    fields_: dict[str, Any] = {
        "venue": Venue.BINANCE,
        "offset_ns": 0,
        "uncertainty_ns": 1_000_000,
        "measured_ns": NOW_NS,
        **changes,
    }
    return ClockMeasured(**fields_)


def life_of(order: OrderApproved) -> Life:
    """Tell the life of an approved order."""
    life = Life("unused", quantity=order.quantity, symbol=order.symbol)
    life.intent_id, life.client_order_id = order.intent_id, order.client_order_id
    life._about |= {"intent_id": order.intent_id, "client_order_id": order.client_order_id}
    return life


def origin(offset: int) -> Origin:
    """Point at a signed record with nothing open below it."""
    return Origin(offset=offset, done_below=offset + 1, done_epoch=0, done_seq=offset)


#: Any event of any type.
ANY_EVENT: Final[st.SearchStrategy[Event]] = st.one_of([events_of(kind) for kind in EVENT_TYPES])
