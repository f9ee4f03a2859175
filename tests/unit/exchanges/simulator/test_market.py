"""
The self-made market: two sides at all times, a price that moves and comes back.
"""

from decimal import Decimal

import pytest

from spark.clock import ManualClock
from spark.exchanges.simulator.accounts import Account, Balance
from spark.exchanges.simulator.binance.catalogue import CATALOGUE
from spark.exchanges.simulator.market import GAP, LEVELS, Participant
from spark.exchanges.simulator.orders import Kind, Status, Terms
from spark.exchanges.simulator.venue import Venue
from spark.names import Side, TimeInForce


def opened(symbol: str, seed: int = 42) -> tuple[Venue, Participant]:
    rules = CATALOGUE[symbol]
    venue = Venue([rules.pair], clock=ManualClock(1_700_000_000_000_000_000))
    return venue, Participant(venue, rules.character, seed)


@pytest.mark.parametrize("symbol", sorted(CATALOGUE))
def test_the_market_keeps_both_sides_and_moves(symbol: str) -> None:
    """After each act both sides are deep, on the tick, and not crossed."""
    rules = CATALOGUE[symbol]
    venue, participant = opened(symbol)
    book = venue.books[symbol]
    middles: set[Decimal] = set()
    # A tick that is a large part of the price moves seldom.
    is_fine = rules.tick / rules.start_price < GAP
    for _ in range(600):
        participant.step()
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is not None
        assert ask is not None
        assert bid < ask
        assert len(book.bids) >= LEVELS // 2
        assert len(book.asks) >= LEVELS // 2
        assert bid % rules.tick == 0
        middles.add((bid + ask) / 2)
    assert len(middles) > (10 if is_fine else 0)
    assert all(abs(middle / rules.start_price - 1) < Decimal("0.05") for middle in middles)
    assert venue.last_price


def test_a_resting_order_is_reached_by_the_market() -> None:
    """A client's order at the touch is traded with, like anyone's."""
    venue, participant = opened("BTCUSDT")
    account = Account("main", {"USDT": Balance(free=Decimal(10_000_000))})
    price, _ = venue.books["BTCUSDT"].top(Side.BUY)
    order = venue.place(
        account,
        Terms(
            symbol="BTCUSDT",
            side=Side.BUY,
            kind=Kind.LIMIT,
            time_in_force=TimeInForce.GTC,
            client_id="a-1",
            quantity=Decimal("0.5"),
            price=price,
        ),
    )
    for _ in range(5_000):
        if order.status is Status.FILLED:
            break
        participant.step()
    assert order.status is Status.FILLED
    assert all(fill.is_maker and fill.price == price for fill in order.fills)


@pytest.mark.parametrize("symbol", ["BTCUSDT", "USDTTRY"])
def test_the_price_does_not_leap(symbol: str) -> None:
    """From one second to the next less than 1 %, or two who look at it would disagree (S8)."""
    venue, participant = opened(symbol)
    book = venue.books[symbol]
    before: Decimal | None = None
    for _ in range(300):
        for _ in range(20):
            participant.step()
        bid, ask = book.bids.best(), book.asks.best()
        assert bid is not None
        assert ask is not None
        middle = (bid + ask) / 2
        assert before is None or abs(middle - before) * 100 < middle
        before = middle


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_a_market_that_was_emptied_comes_back(side: Side) -> None:
    """Even after a client bought or sold everything there was."""
    venue, participant = opened("BTCUSDT")
    whale = Account(
        "whale",
        {"USDT": Balance(free=Decimal(10**12)), "BTC": Balance(free=Decimal(10**6))},
    )
    venue.place(
        whale,
        Terms(
            symbol="BTCUSDT",
            side=side,
            kind=Kind.MARKET,
            time_in_force=TimeInForce.GTC,
            client_id="all",
            quantity=Decimal(100_000),
            price=None,
        ),
    )
    participant.step()
    book = venue.books["BTCUSDT"]
    assert len(book.bids) >= LEVELS // 2
    assert len(book.asks) >= LEVELS // 2
