"""
Orders on paper: the evidence of an exchange, filled from the live market, of the log alone.
"""

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.events import (
    CancelRejected,
    OrderAcked,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderRejected,
)
from spark.exchanges.port import About, Answer, NotSentError, Outcome
from spark.names import OrderState, Side, Symbol, TimeInForce, TradingMode
from tests.paper import BOOK_AGE_NS_MAX, PaperDesk, about_of, request

BIDS = {"99": "5", "98": "5"}
ASKS = {"101": "1", "102": "2", "103": "5"}


@pytest.fixture
def desk() -> PaperDesk:
    """An account with a book."""
    made = PaperDesk()
    made.full(BIDS, ASKS)
    return made


def kinds(outcome: Outcome) -> list[str]:
    return [one.type for one in outcome.evidence]


def exact(*parts: tuple[str, str]) -> list[tuple[Decimal, Decimal]]:
    return [(Decimal(price), Decimal(quantity)) for price, quantity in parts]


async def test_a10_a_market_order_walks_the_depth_and_pays_its_fee(desk: PaperDesk) -> None:
    """A10: the prices and quantities that stand there; evidence marked as paper; own ids."""
    outcome = await desk.place(price=None, quantity="2.5")
    assert kinds(outcome) == ["order_acked", "order_filled", "order_filled"]
    assert desk.fills() == exact(("101", "1"), ("102", "1.5"))
    fills = [one for one in outcome.evidence if isinstance(one, OrderFilled)]
    assert {one.mode for one in fills} == {TradingMode.PAPER}
    assert [one.cumulative for one in fills] == [Decimal(1), Decimal("2.5")]
    assert [(one.commission, one.commission_asset) for one in fills] == [
        (Decimal("0.001"), "BTC"),
        (Decimal("0.0015"), "BTC"),
    ]
    assert len({one.trade_id for one in fills}) == 2
    assert all(one.exchange_order_id.startswith("paper-") for one in fills)
    assert desk.order().state is OrderState.FILLED


async def test_a10_what_the_book_does_not_offer_expires_or_rests(desk: PaperDesk) -> None:
    """A10: a market order and IOC end with the book, FOK trades nothing, GTC waits."""
    ioc = await desk.place("ioc", price="101", quantity="4", time_in_force=TimeInForce.IOC)
    assert kinds(ioc) == ["order_acked", "order_filled", "order_expired"]
    fok = await desk.place("fok", price="103", quantity="99", time_in_force=TimeInForce.FOK)
    assert kinds(fok) == ["order_acked", "order_expired"]
    gtc = await desk.place("gtc", price="102", quantity="4")
    assert kinds(gtc) == ["order_acked", "order_filled"]
    assert desk.fills("gtc") == exact(("102", "2"))
    assert desk.order("gtc").state is OrderState.PARTIALLY_FILLED
    market = await desk.place("all", price=None, quantity="99")
    assert isinstance(market.evidence[-1], OrderExpired)
    assert market.evidence[-1].filled == Decimal(5)


async def test_a10_what_one_order_took_the_next_does_not_find(desk: PaperDesk) -> None:
    """A10: until the exchange tells the level again; orders on paper do not share an offer."""
    await desk.place("one", price="101", quantity="1")
    await desk.place("two", price="102", quantity="1")
    assert desk.fills("two") == exact(("102", "1"))
    desk.moves({}, {"101": "1"})
    await desk.place("three", price="102", quantity="1")
    assert desk.fills("three") == exact(("101", "1"))


async def test_a10_a_resting_order_waits_behind_what_stood_there(desk: PaperDesk) -> None:
    """A10: 5 stand before it at 99; only what trades beyond them fills it, at its price."""
    await desk.place(price="99")
    desk.trades("99", "3", is_bid_hit=True)
    desk.trades("99", "3", is_bid_hit=False)
    assert desk.fills() == []
    desk.trades("99", "3", is_bid_hit=True)
    assert desk.fills() == exact(("99", "1"))
    desk.trades("98", "2", is_bid_hit=True)
    desk.trades("97", "9", is_bid_hit=True)
    assert desk.fills() == exact(("99", "1"), ("99", "2"), ("99", "1"))
    assert desk.order().state is OrderState.FILLED
    desk.trades("97", "9", is_bid_hit=True)
    assert len(desk.fills()) == 3


async def test_a10_a_book_that_moves_through_the_price_fills(desk: PaperDesk) -> None:
    """A10: strictly through, as much as is offered, each offer once."""
    await desk.place("low", price="99", quantity="2")
    await desk.place("high", price="100", quantity="2")
    desk.moves({"99": "0"}, {"100": "7"})
    assert desk.fills("high") == desk.fills("low") == []
    desk.moves({}, {"98.5": "3"})
    assert desk.fills("high") == exact(("100", "2"))
    assert desk.fills("low") == exact(("99", "1"))
    desk.moves({"97": "1"}, {})
    assert desk.fills("low") == exact(("99", "1"))
    desk.moves({}, {"98.5": "9"})
    assert desk.order("low").state is OrderState.FILLED


async def test_a10_one_trade_fills_no_two_orders(desk: PaperDesk) -> None:
    """A10: the better price first, then the older; what is left of the trade for the next."""
    for text, price in (("old", "99.5"), ("new", "99.5"), ("best", "100")):
        await desk.place(text, price=price, quantity="2")
    desk.trades("99.5", "5", is_bid_hit=True)
    assert [sum(q for _, q in desk.fills(one)) for one in ("best", "old", "new")] == [2, 2, 1]


async def test_a10_sells_mirror_buys(desk: PaperDesk) -> None:
    """A10: a seller waits at the ask, is paid in the quote asset, less its fee there."""
    await desk.place(side=Side.SELL, price="101", quantity="1")
    desk.trades("101", "1.5", is_bid_hit=False)
    assert desk.fills() == exact(("101", "0.5"))
    filled = desk.log[-1]
    assert isinstance(filled, OrderFilled)
    assert (filled.commission, filled.commission_asset) == (Decimal("0.0505"), "USDT")


async def test_a10_the_past_fills_nothing(desk: PaperDesk) -> None:
    """A10: a trade that was received before the order was there is not its own."""
    before_ns = desk.clock.wall_ns()
    await desk.place(price="100")
    desk.trades("98", "9", is_bid_hit=True, at_ns=before_ns)
    assert desk.fills() == []


async def test_without_a_fresh_book_an_order_is_rejected(desk: PaperDesk) -> None:
    """A10, fault M2: too old, hurt, or of another symbol: a documented code, no guess."""
    desk.clock.advance(BOOK_AGE_NS_MAX + 1)
    for outcome in (await desk.place("old"), await desk.place("two", symbol=Symbol("ETHUSDT"))):
        (rejected,) = outcome.evidence
        assert outcome.answer is Answer.REJECTED
        assert isinstance(rejected, OrderRejected)
        assert rejected.code == "paper_no_book"
    desk.full(BIDS, ASKS)
    desk.market.instruments.clear()
    (rejected,) = (await desk.place("three")).evidence
    assert isinstance(rejected, OrderRejected)
    assert rejected.code == "paper_no_instrument"


async def test_a_place_waits_a_moment_for_a_market_that_is_only_beginning() -> None:
    """The first order after a demotion asks for the market, and takes it when it comes."""
    desk = PaperDesk()
    assert not desk.market.wanted.is_set()

    async def tell() -> None:
        await desk.market.wanted.wait()
        desk.full(BIDS, ASKS)

    telling = asyncio.create_task(tell())
    outcome = await desk.place(price=None, quantity="1")
    await telling
    assert kinds(outcome) == ["order_acked", "order_filled"]


async def test_r10_the_last_check_holds_on_paper_too(desk: PaperDesk) -> None:
    """R10, A11: killed or late is not carried out, whoever would have done it."""
    with pytest.raises(NotSentError):
        await desk.venue.place(request(), about_of(), lambda: False)
    await desk.place(price="99")
    with pytest.raises(NotSentError):
        await desk.venue.cancel(request(), about_of(), lambda: False)
    desk.trades("97", "9", is_bid_hit=True)
    assert desk.order().state is OrderState.FILLED


async def test_a_cancel_ends_what_rests_and_nothing_else(desk: PaperDesk) -> None:
    """A10: with what was filled; afterwards there is nothing to cancel, or to fill."""
    await desk.place(price="99")
    desk.trades("98", "1", is_bid_hit=True)
    (cancelled,) = (await desk.cancel()).evidence
    assert isinstance(cancelled, OrderCancelled)
    assert cancelled.filled == Decimal(1)
    desk.trades("97", "9", is_bid_hit=True)
    assert len(desk.fills()) == 1
    (refused,) = (await desk.cancel()).evidence
    assert isinstance(refused, CancelRejected)
    assert refused.code == "paper_unknown_order"


async def test_a_restart_keeps_resting_orders_and_forgets_their_place(desk: PaperDesk) -> None:
    """A10: refolded from the log; behind everything that stands there when it looks again."""
    await desk.place("rest", price="99")
    desk.trades("98", "1", is_bid_hit=True)
    await desk.place("done", price=None, quantity="1")
    again = desk.restarted()
    assert again.market.wanted.is_set()
    again.trades("98", "1", is_bid_hit=True)
    assert len(again.fills("rest")) == 1, "without a book nobody knows what stood before it"
    again.full({"99": "2"}, ASKS)
    again.trades("99", "3", is_bid_hit=True)
    assert again.fills("rest") == exact(("99", "1"), ("99", "1"))
    assert len({one.trade_id for one in again.log if isinstance(one, OrderFilled)}) == 3
    assert (await again.cancel("rest")).answer is Answer.DEFINITE


async def test_a8_a_question_is_answered_from_the_log(desk: PaperDesk) -> None:
    """A8: acknowledged is there; claimed and lost with a crash was never there."""
    await desk.place(price="99")
    asked = await desk.venue.query(request(), about_of())
    assert asked.answer is Answer.DEFINITE
    (acked,) = asked.evidence
    assert isinstance(acked, OrderAcked)
    assert (acked.sent_ns, acked.answered_ns) == (0, 0)
    lost = PaperDesk(log=[one for one in desk.log if not isinstance(one, OrderAcked)])
    assert (await lost.venue.query(request(), about_of())).answer is Answer.ABSENT


async def test_a_closed_venue_hears_nothing(desk: PaperDesk) -> None:
    """Closing is idempotent, and a market that goes on fills nobody."""
    await desk.place(price="99")
    await desk.venue.close()
    await desk.venue.close()
    desk.trades("97", "9", is_bid_hit=True)
    assert desk.fills() == []


_PRICE = st.integers(97, 104).map(str)
_QUANTITY = st.integers(1, 6).map(str)
_ACTS = st.lists(
    st.one_of(
        st.tuples(
            st.just("place"), _PRICE, _QUANTITY, st.sampled_from(Side), st.sampled_from(TimeInForce)
        ),
        st.tuples(st.just("market"), _QUANTITY, st.sampled_from(Side)),
        st.tuples(st.just("move"), _PRICE, st.integers(0, 6).map(str), st.sampled_from(Side)),
        st.tuples(st.just("trade"), _PRICE, _QUANTITY, st.booleans()),
        st.tuples(st.just("cancel"), st.integers(0, 20)),
        st.tuples(st.just("restart")),
    ),
    max_size=25,
)


@settings(max_examples=150)
@given(_ACTS)
def test_a10_whatever_the_market_does_nothing_is_made_up(acts: list[tuple[Any, ...]]) -> None:
    """A10: quantity conserved, no price past a limit, one trade shared, ids never twice."""
    asyncio.run(_live_through(acts))


async def _live_through(acts: list[tuple[Any, ...]]) -> None:
    desk = PaperDesk()
    desk.full(BIDS, ASKS)
    wanted: dict[str, About] = {}
    for number, (act, *more) in enumerate(acts):
        text, before = f"o{number}", _traded(desk)
        if act == "place":
            price, quantity, side, in_force = more
            order = {"price": price, "quantity": quantity, "side": side, "time_in_force": in_force}
            wanted[text] = about_of(text, **order)
            await desk.place(text, **order)
        elif act == "market":
            quantity, side = more
            wanted[text] = about_of(text, price=None, quantity=quantity, side=side)
            await desk.place(text, price=None, quantity=quantity, side=side)
        elif act == "move":
            price, quantity, side = more
            level = {price: quantity}
            desk.moves(level if side is Side.BUY else {}, level if side is Side.SELL else {})
        elif act == "trade":
            price, quantity, is_bid_hit = more
            desk.trades(price, quantity, is_bid_hit=is_bid_hit)
            assert _traded(desk) - before <= Decimal(quantity), "a trade filled more than itself"
        elif act == "cancel" and wanted:
            await desk.cancel(list(wanted)[more[0] % len(wanted)])
        elif act == "restart":
            desk = desk.restarted()
            desk.full(BIDS, ASKS)
        _check(desk, wanted)


def _traded(desk: PaperDesk) -> Decimal:
    return sum((one.quantity for one in desk.log if isinstance(one, OrderFilled)), Decimal(0))


def _check(desk: PaperDesk, wanted: dict[str, About]) -> None:
    fills = [one for one in desk.log if isinstance(one, OrderFilled)]
    assert len({one.trade_id for one in fills}) == len(fills)
    for text, about in wanted.items():
        order, own = desk.order(text), desk.fills(text)
        assert about.quantity is not None
        assert sum((quantity for _, quantity in own), Decimal(0)) == order.filled <= about.quantity
        assert (order.state is OrderState.FILLED) is (order.filled == about.quantity)
        for price, _ in own:
            if about.price is not None:
                assert price <= about.price if about.side is Side.BUY else price >= about.price
        if about.time_in_force is TimeInForce.FOK:
            assert order.filled in {Decimal(0), about.quantity}
        if about.time_in_force is not TimeInForce.GTC:
            assert order.state in {OrderState.FILLED, OrderState.EXPIRED}
        assert order.odd == (), "the table did not foresee it"
