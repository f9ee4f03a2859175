"""
What clients of BTCTurk got wrong, tried with ours at its simulator (facts: exchanges.md §4).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from spark.clock import SystemClock
from spark.errors import VenueUnavailable
from spark.events import CancelAccepted, CancelRejected, OrderAcked, OrderRejected
from spark.exchanges.btcturk.client import BtcturkAccount, BtcturkPublic
from spark.exchanges.btcturk.wire_market import Span
from spark.exchanges.port import Answer, Outcome, Question, SignedRequest, VenueCannotError
from spark.names import OrderType, Side, Symbol, Venue
from tests.contract.venue_scenes import (
    PATIENCE_S,
    QUANTITY,
    REPLY_MS_MAX,
    SYMBOL,
    TAKES,
    Scene,
    playing,
)
from tests.venues import about

#: Says two decimals, and takes none.
ETHTRY: Final = Symbol("ETHTRY")
_MS_PER_S: Final = 1_000


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with playing(Venue.BTCTURK, tmp_path) as made:
        yield made


@pytest.fixture
async def public(scene: Scene) -> AsyncIterator[BtcturkPublic]:
    url = scene.simulator.url
    made = BtcturkPublic(url, url, SystemClock(), reply_ms_max=REPLY_MS_MAX)
    yield made
    await made.close()


@pytest.fixture
def account(scene: Scene) -> BtcturkAccount:
    assert isinstance(scene.account_venue, BtcturkAccount)
    return scene.account_venue


def code_of(outcome: Outcome) -> str:
    """Give the token of a refusal."""
    (found,) = outcome.evidence
    assert isinstance(found, OrderRejected | CancelRejected)
    return found.code


def acked(outcome: Outcome) -> OrderAcked:
    found = outcome.evidence[0]
    assert isinstance(found, OrderAcked)
    return found


async def test_a_repeated_stamp_is_refused_and_a_later_one_is_not(scene: Scene) -> None:
    """
    Trap 1: a stamp is used once; that of another process on the same key would be late.

    Fault S1.
    """
    order = scene.order()
    request = scene.signed(order)
    first = await scene.orders.place(request, about(order), lambda: True)
    assert first.answer is Answer.DEFINITE
    assert code_of(await scene.orders.place(request, about(order), lambda: True)) == (
        "INVALID_NONCE"
    )
    assert (await scene.place(scene.order("two"))).answer is Answer.DEFINITE


async def test_a_market_buy_is_not_signed_and_a_market_sale_is_in_base(scene: Scene) -> None:
    """Trap 4: a market buy would spend its quantity in quote currency."""
    market = {"order_type": OrderType.MARKET, "price": None, "time_in_force": None}
    with pytest.raises(VenueCannotError):
        scene.signed(scene.order(**market))
    await scene.place(scene.order("sale", side=Side.SELL, **market))
    fills = await scene.entries("fill")
    assert sum(Decimal(one["quantity"]) for one in fills if one["side"] == "sell") >= QUANTITY


async def test_a_price_has_the_decimals_that_the_venue_really_takes(
    scene: Scene, public: BtcturkPublic
) -> None:
    """Trap 5: the scale says two decimals, the venue takes none, and our rules say so."""
    (rules,) = await public.instruments((ETHTRY,))
    assert rules.tick_size == 1
    await scene.move_funds("TRY", "1000000")
    wrong = scene.order("wrong", symbol=ETHTRY, price=Decimal("80000.01"))
    assert code_of(await scene.place(wrong)) == "FAILED_INVALID_PRICE_SCALE"
    # Zeros behind the point would be counted as decimals.
    right = scene.order("right", symbol=ETHTRY, price=Decimal("80000.00"))
    assert (await scene.place(right)).answer is Answer.DEFINITE


async def test_orders_are_asked_in_seconds(scene: Scene, account: BtcturkAccount) -> None:
    """Trap 6: milliseconds are refused as a time to come; ours find the order."""
    placed = acked(await scene.place(scene.order()))
    asked = scene.ask(Question.ORDERS, symbol=SYMBOL, since_ns=placed.exchange_ns)
    (seen,) = await account.orders(asked)
    assert seen.exchange_order_id == placed.exchange_order_id
    in_ms = scene.ask(Question.ORDERS, symbol=SYMBOL, since_ns=placed.exchange_ns * _MS_PER_S)
    with pytest.raises(VenueUnavailable, match="START_TIME_IN_FUTURE"):
        await account.orders(in_ms)


async def test_candles_have_a_range_in_seconds(public: BtcturkPublic) -> None:
    """Trap 7: every question for candles says from when to when."""
    to_s = SystemClock().wall_ns() // 10**9
    span = Span(to_s - 7_200, to_s)
    candles = await public.klines(SYMBOL, "60", span)
    assert all(span.from_s - 3_600 <= one.at_s <= span.to_s for one in candles)
    assert all(one.low <= one.open <= one.high for one in candles)
    days = await public.ohlcs(SYMBOL, Span(to_s - 3 * 86_400, to_s))
    assert all(one.low <= one.close <= one.high for one in days)


async def test_books_and_trades_are_asked_for(scene: Scene, public: BtcturkPublic) -> None:
    """A book's code may be the word SUCCESS; it has no number, so it begins no chain."""
    await scene.place(scene.order(price=TAKES))
    book = await public.order_book(SYMBOL)
    assert Decimal(book.bids[0][0]) < Decimal(book.asks[0][0])
    newest = max(await public.trades(SYMBOL), key=lambda one: one.at_ms)
    assert newest.symbol == SYMBOL
    with pytest.raises(VenueUnavailable, match="HTTP 400"):
        await public.order_book(Symbol("NOPETRY"))


async def test_each_refusal_has_its_own_token(scene: Scene) -> None:
    """Trap 8: a total that is too small, funds that are missing and a wild price differ."""
    few = scene.order("few", quantity=Decimal("0.0001"))
    assert code_of(await scene.place(few)) == "FAILED_MIN_TOTAL_AMOUNT"
    short = scene.order("short", side=Side.SELL, quantity=Decimal(20), price=TAKES)
    assert code_of(await scene.place(short)) == "BALANCE_NOT_ENOUGH"
    wild = scene.order("wild", price=Decimal(10_000_000))
    assert code_of(await scene.place(wild)) == "PRICE_MUST_BE_LESS_THAN_MAXPRICE"
    fine = scene.order("fine", quantity=Decimal("0.000000001"))
    assert code_of(await scene.place(fine)) == "FAILED_INVALID_QUANTITY_SCALE"


async def test_the_same_client_id_is_taken_twice(scene: Scene) -> None:
    """Trap 9: the venue does not tell a repetition from an order, so nobody here repeats."""
    for _ in range(2):
        assert (await scene.place(scene.order())).answer is Answer.DEFINITE
    assert len(await scene.placed()) == 2
    with pytest.raises(VenueUnavailable):
        await scene.orders.query(scene.signed(scene.order()), about(scene.order()))


async def test_an_order_whose_reply_was_lost_is_found_by_its_client_id(
    scene: Scene, account: BtcturkAccount
) -> None:
    """Trap 9: the lists carry our id, whatever became of the reply."""
    await scene.arm("drop_reply", route=scene.place_route)
    order = scene.order()
    assert (await scene.place(order)).answer is Answer.UNKNOWN
    for question in (Question.OPEN_ORDERS, Question.ORDERS):
        (seen,) = await account.orders(scene.ask(question, symbol=SYMBOL))
        assert seen.client_order_id == order.client_order_id


async def test_a_cancel_that_was_taken_may_come_too_late(scene: Scene) -> None:
    """
    Trap 21: 200 on a cancel is `cancel_accepted`; a second one of a cancelled order too.

    Fault V5.
    """
    placed = acked(await scene.place(scene.order()))
    for text in ("first", "second"):
        outcome = await scene.cancel(scene.order(), placed.exchange_order_id)
        (found,) = outcome.evidence
        assert isinstance(found, CancelAccepted), text
    filled = acked(await scene.place(scene.order("filled", price=TAKES)))
    late = await scene.cancel(scene.order("filled"), filled.exchange_order_id)
    assert code_of(late) == "ORDER_COULD_NOT_BE_CANCELED"


async def test_what_a_fill_brought_is_not_there_at_once(scene: Scene) -> None:
    """Trap 22: 1122 just after a fill is a refusal with its own token, and passes."""
    await scene.move_funds("BTC", "-10")
    await scene.place(scene.order("buy", price=TAKES))
    sale = {"side": Side.SELL, "price": Decimal(70_000), "quantity": Decimal("0.0099")}
    refused = await scene.place(scene.order("early", **sale))
    assert code_of(refused) == "FAILED_ORDER_WITH_OPEN_ORDERS"
    async with asyncio.timeout(PATIENCE_S):
        number = 0
        while (await scene.place(scene.order(f"later{number}", **sale))).answer is not (
            Answer.DEFINITE
        ):
            number += 1
            await asyncio.sleep(0.02)


async def test_a_login_with_another_nonce_is_refused(scene: Scene) -> None:
    """Trap 24: the simulator refuses a nonce as text; ours is the integer, and is taken."""
    good = scene.ask(Question.LOGIN)
    wrong = SignedRequest(
        method="",
        path="",
        query="",
        headers={},
        body=good.body.replace('"nonce":3000', '"nonce":"3000"'),
        stamp_ns=good.stamp_ns,
        final_after_ns=0,
    )

    async def as_text() -> SignedRequest:
        return wrong

    async with asyncio.timeout(PATIENCE_S):
        async with aclosing(scene.stream.news(as_text)) as refused:  # type: ignore[type-var]
            with pytest.raises(VenueUnavailable, match="INVALID_REQUEST"):
                await anext(refused)
        async with aclosing(scene.stream.news(scene.log_in)) as taken:  # type: ignore[type-var]
            assert await anext(taken) == ()
