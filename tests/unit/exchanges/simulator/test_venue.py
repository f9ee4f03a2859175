"""
The matching engine: who trades with whom, and that nothing is made or lost.
"""

from decimal import Decimal
from typing import TypeAlias

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.orders import ZERO, Kind, Order, Status
from spark.exchanges.simulator.venue import EngineRefusal, Refused, Venue
from spark.names import Side, TimeInForce
from tests.unit.exchanges.simulator.trading import (
    STEP,
    Listener,
    exact,
    limit,
    market,
    new_account,
    new_venue,
)


def test_at_one_price_the_first_to_come_trades_first() -> None:
    """Price comes before time, time before size."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    late_better = venue.place(maker, limit(Side.SELL, 101, 1, "first-at-101"))
    venue.place(maker, limit(Side.SELL, 101, 5, "second-at-101"))
    best = venue.place(maker, limit(Side.SELL, 100, 1, "at-100"))
    order = venue.place(taker, limit(Side.BUY, 101, 3, "taker"))
    assert [(fill.price, fill.quantity) for fill in order.fills] == [
        exact(100, 1),
        exact(101, 1),
        exact(101, 1),
    ]
    assert (best.status, late_better.status) == (Status.FILLED, Status.FILLED)
    assert venue.books["BTCUSDT"].top(Side.SELL) == exact(101, 4)


def test_a_trade_is_at_the_resting_price_and_the_rest_is_freed() -> None:
    """A buyer who would have paid more gets the difference back at once."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    venue.place(maker, limit(Side.SELL, 100, 1, "maker"))
    order = venue.place(taker, limit(Side.BUY, 110, 1, "taker"))
    assert order.status is Status.FILLED
    assert taker.balance("USDT").free == 100_000 - 100
    assert taker.balance("USDT").locked == 0
    assert taker.balance("BTC").free == 101 - Decimal("0.001")
    assert maker.balance("USDT").free == 100_000 + 100 - Decimal("0.1")
    assert venue.clearing.earned == {"BTC": Decimal("0.001"), "USDT": Decimal("0.1")}


def test_a_partial_fill_rests_with_what_is_left() -> None:
    """What did not trade locks its worth at its own price."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    venue.place(maker, limit(Side.SELL, 100, 1, "maker"))
    order = venue.place(taker, limit(Side.BUY, 110, 3, "taker"))
    assert (order.status, order.executed) == (Status.PARTLY_FILLED, Decimal(1))
    assert (taker.balance("USDT").locked, order.locked) == exact(220, 220)
    venue.cancel(taker, order)
    assert (order.status, order.executed) == (Status.CANCELLED, Decimal(1))
    assert taker.balance("USDT").locked == 0


@pytest.mark.parametrize(
    ("in_force", "quantity", "status", "executed"),
    [
        (TimeInForce.IOC, 1, Status.FILLED, 1),
        (TimeInForce.IOC, 3, Status.EXPIRED, 2),
        (TimeInForce.FOK, 2, Status.FILLED, 2),
        (TimeInForce.FOK, 3, Status.EXPIRED, 0),
    ],
)
def test_time_in_force(in_force: TimeInForce, quantity: int, status: Status, executed: int) -> None:
    """IOC takes what there is, FOK all or nothing; neither rests, both free their lock."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    venue.place(maker, limit(Side.SELL, 100, 2, "maker"))
    order = venue.place(taker, limit(Side.BUY, 100, quantity, "taker", in_force=in_force))
    assert (order.status, order.executed) == (status, Decimal(executed))
    assert taker.balance("USDT").locked == 0
    assert not taker.open_by_client_id


def test_a_post_only_order_never_takes() -> None:
    """It is refused when it would, and rests when it would not."""
    venue, maker = new_venue(), new_account("maker")
    venue.place(maker, limit(Side.SELL, 100, 1, "sell"))
    with pytest.raises(EngineRefusal) as refusal:
        venue.place(maker, limit(Side.BUY, 100, 1, "buy", kind=Kind.MAKER))
    assert refusal.value.reason is Refused.WOULD_TRADE
    assert venue.place(maker, limit(Side.BUY, 99, 1, "buy", kind=Kind.MAKER)).is_alive


def test_a_market_order_ends_with_the_book() -> None:
    """What no one sells expires."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    venue.place(maker, limit(Side.SELL, 100, 1, "maker"))
    order = venue.place(taker, market(Side.BUY, 3))
    assert (order.status, order.executed) == (Status.EXPIRED, Decimal(1))
    assert venue.place(taker, market(Side.BUY, 3)).status is Status.EXPIRED


def test_a_quote_quantity_buys_whole_steps_within_it() -> None:
    """It never spends more than was said, and buys in the symbol's steps."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    venue.place(maker, limit(Side.SELL, 300, "0.1", "maker"))
    venue.place(maker, limit(Side.SELL, 333, 5, "maker-2"))
    order = venue.place(taker, market(Side.BUY, quote=100))
    assert order.status is Status.FILLED
    assert order.executed == Decimal("0.310")
    assert order.executed_quote == Decimal("0.1") * 300 + Decimal("0.210") * 333
    with pytest.raises(EngineRefusal) as refusal:
        venue.place(taker, market(Side.BUY, quote="0.1"))
    assert refusal.value.reason is Refused.NOTHING_TO_TRADE


@pytest.mark.parametrize(
    ("side", "price", "quantity"),
    [(Side.BUY, 100, "1000.001"), (Side.SELL, 100, "100.001"), (Side.BUY, None, "1000.1")],
)
def test_an_order_that_cannot_be_paid_changes_nothing(
    side: Side, price: int | None, quantity: str
) -> None:
    """A refusal comes before anything is locked or traded."""
    venue, maker, poor = new_venue(), new_account("maker", btc=2_000), new_account("poor")
    venue.place(maker, limit(Side.SELL, 100, 1_500, "maker"))
    order = market(side, quantity) if price is None else limit(side, price, quantity)
    with pytest.raises(EngineRefusal) as refusal:
        venue.place(poor, order)
    assert refusal.value.reason is Refused.INSUFFICIENT_BALANCE
    assert (poor.balance("USDT").free, poor.balance("BTC").free) == exact(100_000, 100)
    assert venue.books["BTCUSDT"].top(Side.SELL) == exact(100, 1_500)


def test_listeners_hear_each_change_once_and_in_order() -> None:
    """Accepted, then its trades, then where it stands; the maker's after the taker's."""
    venue, maker, taker = new_venue(), new_account("maker"), new_account("taker")
    listener = Listener()
    venue.order_listeners.append(listener)
    venue.place(maker, limit(Side.SELL, 100, 3, "maker"))
    venue.place(taker, limit(Side.BUY, 100, 1, "taker"))
    assert listener.changes == [
        ("maker", "open"),
        ("taker", "open"),
        ("taker", "fill of 1"),
        ("maker", "fill of 1"),
        ("maker", "partly_filled"),
        ("taker", "filled"),
    ]


#: Who, what, side, price, quantity.
_Action: TypeAlias = tuple[str, str, Side, int, Decimal]
_PRICES = st.integers(95, 105)
_QUANTITIES = st.integers(1, 5_000).map(lambda steps: steps * STEP)
_ACTIONS = st.lists(
    st.tuples(
        st.sampled_from(["one", "two", "house"]),
        st.sampled_from(["limit", "ioc", "fok", "maker", "market", "quote", "cancel"]),
        st.sampled_from([Side.BUY, Side.SELL]),
        _PRICES,
        _QUANTITIES,
    ),
    max_size=60,
)


def _act(venue: Venue, account: Account, action: _Action, *, name: str) -> Order | None:
    _, what, side, price, quantity = action
    if what == "cancel":
        alive = list(account.open_by_client_id.values())
        return venue.cancel(account, alive[price % len(alive)]) if alive else None
    if what == "market":
        return venue.place(account, market(side, quantity, client_id=name))
    if what == "quote":
        return venue.place(account, market(side, quote=quantity * 100, client_id=name))
    kind = Kind.MAKER if what == "maker" else Kind.LIMIT
    in_force = TimeInForce(what) if what in ("ioc", "fok") else TimeInForce.GTC
    return venue.place(account, limit(side, price, quantity, name, kind=kind, in_force=in_force))


@given(_ACTIONS)
def test_matching_conserves_quantity_and_cash(actions: list[_Action]) -> None:
    """Whatever is done: nothing appears or vanishes, locks equal what rests, books never cross."""
    venue = new_venue()
    accounts = {name: new_account(name, usdt=5_000, btc=50) for name in ("one", "two")}
    everyone = [*accounts.values(), venue.house]
    placed: list[Order] = []
    for number, action in enumerate(actions):
        account = accounts.get(action[0], venue.house)
        if account is venue.house and action[1] == "cancel":
            continue
        try:
            order = _act(venue, account, action, name=f"o{number}")
        except EngineRefusal:
            order = None
        if order is not None and action[1] != "cancel":
            placed.append(order)
        _check(venue, everyone, placed)


def _check(venue: Venue, everyone: list[Account], placed: list[Order]) -> None:
    for asset, at_first in (("BTC", 100), ("USDT", 10_000)):
        held = sum((one.balance(asset).free + one.balance(asset).locked for one in everyone), ZERO)
        assert held + venue.clearing.earned.get(asset, ZERO) == at_first
    for account in everyone:
        resting = [one for one in placed if one.account is account and one.is_alive]
        for asset, side in (("BTC", Side.SELL), ("USDT", Side.BUY)):
            locked = sum((one.locked for one in resting if one.terms.side is side), ZERO)
            assert account.balance(asset).locked == locked
            assert account.may_owe or account.balance(asset).free >= 0
        if account is not venue.house:
            assert list(account.open_by_client_id.values()) == resting
            assert account.open_count("BTCUSDT") == len(resting)
    for order in placed:
        if order.account is not venue.house:
            assert sum((fill.quantity for fill in order.fills), ZERO) == order.executed
            assert sum((fill.quote for fill in order.fills), ZERO) == order.executed_quote
        assert order.executed <= order.quantity
        if order.terms.side is Side.BUY and order.is_alive and order.terms.price is not None:
            assert order.locked == order.terms.price * order.remaining
    book = venue.books["BTCUSDT"]
    for side in (Side.BUY, Side.SELL):
        for price, level in book.side(side).walk():
            assert level.orders
            assert level.total == sum(one.remaining for one in level.orders.values())
            assert all(one.is_alive and one.terms.price == price for one in level.orders.values())
    bid, ask = book.bids.best(), book.asks.best()
    assert bid is None or ask is None or bid < ask
