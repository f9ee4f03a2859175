"""
Fills: nothing appears or vanishes, nothing is better than the market, nothing past the limit.
"""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.fills import (
    ZERO,
    Ending,
    Meeting,
    Offer,
    Print,
    Resting,
    Wanted,
    crosses,
    fee,
    meet,
    opposite,
    pressed,
    printed,
)
from spark.names import Side, TimeInForce

STEP = Decimal("0.001")
BUY, SELL = Side.BUY, Side.SELL

_PRICES = st.integers(95, 105).map(Decimal)
_QUANTITIES = st.integers(1, 5_000).map(lambda steps: steps * STEP)
_SIDES = st.sampled_from([BUY, SELL])
_LEVELS = st.dictionaries(_PRICES, _QUANTITIES, max_size=8)


def side_of(levels: dict[Decimal, Decimal], side: Side) -> list[Offer[int]]:
    """Sort levels as one side of a book, best first."""
    prices = sorted(levels, reverse=side is BUY)
    return [Offer(price, levels[price], number) for number, price in enumerate(prices)]


@st.composite
def wishes(draw: st.DrawFn) -> Wanted:
    """Any order that may reach a book."""
    is_quote = draw(st.booleans())
    return Wanted(
        side=draw(_SIDES),
        price=None if is_quote else draw(st.none() | _PRICES),
        quantity=None if is_quote else draw(_QUANTITIES),
        quote_quantity=draw(_QUANTITIES) * 100 if is_quote else None,
        time_in_force=draw(st.sampled_from(TimeInForce)),
    )


def limit(side: Side, price: int, quantity: int, in_force: TimeInForce = TimeInForce.GTC) -> Wanted:
    return Wanted(
        side=side, price=Decimal(price), quantity=Decimal(quantity), time_in_force=in_force
    )


def resting(side: Side, price: int, left: int, ahead: int) -> Resting:
    return Resting(side=side, price=Decimal(price), left=Decimal(left), ahead=Decimal(ahead))


def trade(price: int, quantity: int, *, is_bid_hit: bool) -> Print:
    return Print(Decimal(price), Decimal(quantity), is_bid_hit)


@given(wishes(), _LEVELS)
def test_a_meeting_takes_the_best_there_is_and_no_more(
    wanted: Wanted, levels: dict[Decimal, Decimal]
) -> None:
    """Quantity and cash are conserved; never better than the book, never past the limit."""
    offers = side_of(levels, opposite(wanted.side))
    met = meet(wanted, offers, step=STEP)
    for part, offer in zip(met.parts, offers, strict=False):
        # From the best on, at the price that stood there, never more than stood there.
        assert (part.price, part.maker) == (offer.price, offer.maker)
        assert ZERO < part.quantity <= offer.quantity
        if wanted.price is not None:
            assert part.price <= wanted.price if wanted.side is BUY else part.price >= wanted.price
    assert met.executed == sum((part.quantity for part in met.parts), ZERO) <= met.quantity
    for part, offer in list(zip(met.parts, offers, strict=False))[:-1]:
        assert part.quantity == offer.quantity, "a worse price was taken before a better one"
    if wanted.quantity is not None:
        assert met.quantity == wanted.quantity
    else:
        assert wanted.quote_quantity is not None
        spent = sum((part.price * part.quantity for part in met.parts), ZERO)
        assert spent <= wanted.quote_quantity
        assert met.executed % STEP == 0


@given(wishes(), _LEVELS)
def test_an_order_ends_as_its_time_in_force_says(
    wanted: Wanted, levels: dict[Decimal, Decimal]
) -> None:
    """FOK is all or nothing, IOC and market never rest, what rests does not cross."""
    offers = side_of(levels, opposite(wanted.side))
    met = meet(wanted, offers, step=STEP)
    is_whole = met.executed == met.quantity and met.executed > ZERO
    assert (met.ending is Ending.FILLED) is is_whole
    if wanted.quantity is not None and wanted.time_in_force is TimeInForce.FOK:
        assert is_whole or met.parts == ()
        assert met.ending is not Ending.RESTS
    if wanted.price is None or wanted.time_in_force is TimeInForce.IOC:
        assert met.ending is not Ending.RESTS
    if met.ending is Ending.RESTS:
        taken = {part.price: part.quantity for part in met.parts}
        left = [one for one in offers if one.quantity > taken.get(one.price, ZERO)]
        assert not left or not crosses(wanted, left[0].price)


@pytest.mark.parametrize(
    ("in_force", "quantity", "parts", "ending"),
    [
        (TimeInForce.GTC, 2, [(100, 1), (101, 1)], Ending.FILLED),
        (TimeInForce.GTC, 4, [(100, 1), (101, 2)], Ending.RESTS),
        (TimeInForce.IOC, 4, [(100, 1), (101, 2)], Ending.EXPIRED),
        (TimeInForce.FOK, 3, [(100, 1), (101, 2)], Ending.FILLED),
        (TimeInForce.FOK, 4, [], Ending.EXPIRED),
    ],
)
def test_a_buy_walks_the_asks_to_its_limit(
    in_force: TimeInForce, quantity: int, parts: list[tuple[int, int]], ending: Ending
) -> None:
    """Each part at the price that stood there; the offer above the limit is left alone."""
    asks = side_of({Decimal(100 + n): Decimal(1 + n) for n in range(3)}, SELL)
    met: Meeting[int] = meet(limit(BUY, 101, quantity, in_force), asks)
    assert [(int(part.price), int(part.quantity)) for part in met.parts] == parts
    assert met.ending is ending


def test_what_a_quote_quantity_leaves_over_takes_no_worse_price() -> None:
    """A sell for 4.8: 48 steps at 98, and not one more at 95 for the rest."""
    wanted = Wanted(side=SELL, price=None, quantity=None, quote_quantity=Decimal("4.8"))
    bids = side_of({Decimal(95): STEP, Decimal(98): 49 * STEP}, BUY)
    met = meet(wanted, bids, step=STEP)
    assert [(part.price, part.quantity) for part in met.parts] == [(Decimal(98), 48 * STEP)]
    assert met.ending is Ending.FILLED


def test_an_empty_book_fills_nothing() -> None:
    """A market order expires, a limit rests."""
    none: list[Offer[int]] = []
    market = Wanted(side=BUY, price=None, quantity=Decimal(1))
    assert meet(market, none).ending is Ending.EXPIRED
    assert meet(limit(BUY, 100, 1), none) == Meeting(Decimal(1), (), Ending.RESTS)
    assert not crosses(limit(BUY, 100, 1), None)


#: What stands at 100 with 5 before it, the trade, what is filled and what stands before it then.
QUEUE = [
    (BUY, trade(100, 3, is_bid_hit=True), 0, 2),
    (BUY, trade(100, 5, is_bid_hit=True), 0, 0),
    (BUY, trade(100, 6, is_bid_hit=True), 1, 0),
    (BUY, trade(100, 99, is_bid_hit=True), 4, 0),
    # A buyer who took an ask at our price took nothing of the bids.
    (BUY, trade(100, 99, is_bid_hit=False), 0, 5),
    (BUY, trade(101, 99, is_bid_hit=True), 0, 5),
    # Through the price: whoever stood before it had to trade first.
    (BUY, trade(99, 1, is_bid_hit=True), 1, 0),
    (BUY, trade(99, 99, is_bid_hit=False), 4, 0),
    (SELL, trade(100, 6, is_bid_hit=False), 1, 0),
    (SELL, trade(100, 6, is_bid_hit=True), 0, 5),
    (SELL, trade(99, 6, is_bid_hit=False), 0, 5),
    (SELL, trade(101, 2, is_bid_hit=False), 2, 0),
]


@pytest.mark.parametrize(("side", "seen", "filled", "ahead"), QUEUE)
def test_what_rests_waits_for_its_turn(side: Side, seen: Print, filled: int, ahead: int) -> None:
    """A10: at its price only after what stood before it; through its price at most the trade."""
    after, found = printed(resting(side, 100, 4, 5), seen)
    assert tuple(map(int, (found, after.left, after.ahead))) == (filled, 4 - filled, ahead)


@pytest.mark.parametrize(
    ("side", "levels", "used"),
    [
        (BUY, {101: 9}, []),
        # An offer at our very price would trade with the others first.
        (BUY, {100: 9}, []),
        (BUY, {99: 1, 100: 9}, [(99, 1)]),
        (BUY, {98: 1, 99: 2, 101: 9}, [(98, 1), (99, 2)]),
        (BUY, {98: 9}, [(98, 4)]),
        (SELL, {99: 9}, []),
        (SELL, {100: 9}, []),
        (SELL, {101: 3, 102: 3}, [(102, 3), (101, 1)]),
    ],
)
def test_what_rests_is_filled_when_the_book_moves_through_it(
    side: Side, levels: dict[int, int], used: list[tuple[int, int]]
) -> None:
    """A10: strictly through its price, and no more than is offered there."""
    offers = side_of({Decimal(p): Decimal(q) for p, q in levels.items()}, opposite(side))
    after, parts = pressed(resting(side, 100, 4, 5), offers)
    assert [(int(part.price), int(part.quantity)) for part in parts] == used
    assert after.left == 4 - sum(quantity for _, quantity in used)
    assert after.ahead == (0 if used else 5)


@given(_SIDES, _PRICES, _QUANTITIES, _QUANTITIES, st.lists(st.tuples(_PRICES, _QUANTITIES)))
def test_what_rests_gets_no_more_than_the_market_traded(
    side: Side,
    price: Decimal,
    left: Decimal,
    ahead: Decimal,
    trades: list[tuple[Decimal, Decimal]],
) -> None:
    """Fills conserve quantity: never more than was left, nor than the trades left over for it."""
    waiting, filled, could = Resting(side=side, price=price, left=left, ahead=ahead), ZERO, ZERO
    for at, quantity in trades:
        waiting, part = printed(waiting, Print(at, quantity, is_bid_hit=side is BUY))
        filled += part
        could += quantity if (at <= price if side is BUY else at >= price) else ZERO
        assert ZERO <= part <= quantity
        assert waiting.ahead >= ZERO
    assert filled + waiting.left == left
    assert filled <= could


@pytest.mark.parametrize(
    ("side", "rate", "expected"),
    [(BUY, "0.001", "0.00002"), (SELL, "0.001", "1.20000000"), (SELL, "0", "0")],
)
def test_a_fee_is_taken_from_what_is_received(side: Side, rate: str, expected: str) -> None:
    """A buyer pays in the base asset, a seller in the quote asset, rounded down as venues do."""
    found = fee(side, Decimal(60_000), Decimal("0.02"), rate=Decimal(rate))
    assert found == Decimal(expected)
    assert fee(side, Decimal("0.00000001"), Decimal("0.1"), rate=Decimal("0.001")) >= 0
