"""
Paper and shadow from the intent to the end: nothing of them reaches the exchange (A10, B1, S5).
"""

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from itertools import count

import orjson
import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import (
    BooksChanged,
    Event,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
    RequestNotSent,
    RequestSealed,
    TradesReceived,
)
from spark.exchanges.binance.auth import API_KEY_HEADER
from spark.exchanges.port import SignedRequest
from spark.names import OrderState, Reason, Role, Side, Symbol, TradingMode, Venue
from spark.ops.order_view import OrderRow, OrderView
from spark.signing import bound_to
from tests import keyed
from tests.order_path import OrderPath, in_memory
from tests.order_stages import BTC
from tests.persons import demoted
from tests.simulated_venue import FULL

_UNKNOWN_KEY, _INVALID_SIGNATURE = -2015, -1022
_NOT_SENT = (TradingMode.PAPER, TradingMode.SHADOW)
Levels = dict[str, str]


@dataclass
class Market:
    """Tells the market's topics what a test wants."""

    writer: Writer
    ids: "count[int]"

    async def book(self, bids: Levels, asks: Levels, symbol: Symbol = BTC) -> None:
        """Show a full book."""
        now_ns = SystemClock().wall_ns()
        row = (now_ns, 0, 0, next(self.ids), tuple(bids.items()), tuple(asks.items()))
        event = BooksChanged(venue=Venue.BINANCE, symbol=symbol, rows=(row,))
        await self._write(topics.BINANCE_BOOKS, event)

    async def trade(self, price: str, quantity: str, *, is_bid_hit: bool) -> None:
        """Let the public trade."""
        now_ns = SystemClock().wall_ns()
        row = (now_ns, now_ns, next(self.ids), price, quantity, int(is_bid_hit))
        event = TradesReceived(venue=Venue.BINANCE, symbol=BTC, rows=(row,))
        await self._write(topics.BINANCE_TRADES, event)

    async def _write(self, topic: str, event: Event) -> None:
        await self.writer.write([Outgoing(Partition(topic, 0), b"BTCUSDT", encode(event))])


@asynccontextmanager
async def paper_path(
    mode: TradingMode = TradingMode.PAPER,
) -> AsyncIterator[tuple[OrderPath, Market]]:
    """Open an order path in a mode, with a market that stands still until told."""
    async with in_memory(mode=mode) as path:
        bus = path.bus_of("broker")
        writer = await bus.writer([topics.BINANCE_BOOKS, topics.BINANCE_TRADES])
        try:
            market = Market(writer, count(1))
            await market.book(BIDS, ASKS)
            await path.up()
            yield path, market
        finally:
            await writer.close()
            await bus.close()


@asynccontextmanager
async def unsent(
    mode: TradingMode = TradingMode.PAPER,
) -> AsyncIterator[tuple[OrderPath, Market]]:
    """The same; at the end the exchange's own ledger must know of nothing."""
    async with paper_path(mode) as (path, market):
        yield path, market
        assert await at_the_exchange(path) == []


BIDS = {"99999": "1", "99998": "2"}
ASKS = {"100001": "0.004", "100002": "3"}


async def at_the_exchange(path: OrderPath) -> list[object]:
    """List what the exchange's ledger knows of orders: asked, sent or standing."""
    return [
        entry
        for entry in await path.ledger()
        if entry["kind"] == "order" or entry.get("path") == "/api/v3/order"
    ]


def row_of(path: OrderPath, intent_id: str) -> OrderRow:
    view = OrderView()
    for topic in (topics.INTENTS, topics.DECISIONS, topics.SIGNED, topics.EVENTS):
        for record, event in path.tape.records[topic]:
            if event is not None:
                at_ns = record.timestamp_ms * 1_000_000
                view.see(event, topic=topic, offset=record.offset, appended_ns=at_ns)
    return view.rows[intent_id]


def unsealed(sealed: RequestSealed) -> SignedRequest:
    """Open a request with the gateway's key."""
    bound = bound_to(
        sealed.seal_kid,
        sealed.decision.encode(),
        bytes.fromhex(sealed.decision_tag),
        src_offset=sealed.stamp.src_offset,
        log_epoch=keyed.LOG_EPOCH,
        not_after_ns=sealed.not_after_ns,
    )
    nonce, secret = base64.b64decode(sealed.nonce), base64.b64decode(sealed.sealed)
    return SignedRequest(**orjson.loads(keyed.seal().open(nonce, secret, bound)))


async def end_of(path: OrderPath, order: PlaceOrder) -> OrderAcked | RequestNotSent:
    """Wait until an order is acknowledged or not sent."""

    def ends() -> list[OrderAcked | RequestNotSent]:
        tape = path.tape
        return [*tape.about(order, OrderAcked), *tape.about(order, RequestNotSent)]

    return (await path.tape.until(ends))[0]


def is_on_paper(event: Event | None) -> bool:
    return isinstance(event, OrderAcked) and event.exchange_order_id.startswith("paper-")


def measured(path: OrderPath, metric: str, mode: TradingMode) -> float | None:
    registry = path.stage(Role.GATEWAY).metrics.registry
    return registry.get_sample_value(f"{metric}_count", {"mode": mode.value})


async def test_a10_an_order_on_paper_is_filled_from_the_live_book() -> None:
    """
    A10: guarded, signed, claimed, filled by depth; the same events, marked; nothing is sent.

    Fault O4.
    """
    async with unsent() as (path, _):
        order = path.order(price="100002")
        await path.ask(order)
        await path.tape.until(lambda: len(path.tape.about(order, OrderFilled)) > 1)
        fills = path.tape.about(order, OrderFilled)
        assert [(one.price, one.quantity) for one in fills] == [
            (Decimal(100_001), Decimal("0.004")),
            (Decimal(100_002), Decimal("0.006")),
        ]
        assert {one.mode for one in fills} == {TradingMode.PAPER}
        assert [one.commission for one in fills] == [Decimal("0.000004"), Decimal("0.000006")]
        (claim,) = path.tape.about(order, OrderClaimed)
        assert claim.mode is TradingMode.PAPER
        row = row_of(path, order.intent_id)
        assert (row.state, row.mode) == (OrderState.FILLED, "paper")
        assert measured(path, "spark_place_ack_duration_seconds", TradingMode.PAPER) == 1
        assert measured(path, "spark_place_ack_duration_seconds", TradingMode.LIVE) is None


async def test_a10_what_rests_on_paper_outlives_the_gateway() -> None:
    """A10: refolded from the log, filled later by the market, cancelled as any order."""
    async with unsent() as (path, market):
        order, other = path.order(price="99990"), path.order(price="99980")
        await path.ask(order, other)
        await path.hear(order, OrderAcked)
        await path.hear(other, OrderAcked)
        await path.restart(Role.GATEWAY)
        await market.book(BIDS, ASKS)
        # The gateway listens when it has answered something.
        probe = path.order(price="100002")
        await path.ask(probe)
        await path.hear(probe, OrderFilled)
        await market.trade("99985", "0.004", is_bid_hit=True)
        filled = await path.hear(order, OrderFilled)
        assert (filled.price, filled.quantity) == (Decimal(99_990), Decimal("0.004"))
        drop = path.cancel(order)
        await path.ask(drop)
        ended = await path.hear(order, OrderCancelled)
        assert (ended.filled, ended.cancel_intent_id) == (Decimal("0.004"), drop.intent_id)
        assert path.tape.about(other, OrderFilled) == []


async def test_a10_without_a_book_there_is_a_refusal_with_a_code() -> None:
    """A10: a symbol that the feed does not have; the order ends, and no symbol is blocked."""
    async with unsent() as (path, _):
        order = path.order(Symbol("ETHUSDT"))
        await path.ask(order)
        rejected = await path.hear(order, OrderRejected)
        assert rejected.code == "paper_no_book"
        assert row_of(path, order.intent_id).state is OrderState.REJECTED


async def test_a8_an_order_on_paper_that_a_crash_swallowed_never_was() -> None:
    """A8: claimed and lost is unknown after the restart, and settled by the venue on paper."""
    async with unsent() as (path, market):
        # It waits for a book that does not come, and the gateway dies before it gives up.
        lost = path.order(Symbol("ETHUSDT"))
        await path.ask(lost)
        await path.hear(lost, OrderClaimed)
        await path.restart(Role.GATEWAY)
        unknown = await path.hear(lost, OutcomeUnknown)
        assert unknown.cause == "restart"
        resolved = await path.hear(lost, OrderResolved)
        assert resolved.outcome == "not_found"
        await market.book({"1": "1"}, {"2": "1"}, Symbol("ETHUSDT"))
        order = path.order(Symbol("ETHUSDT"), price="2500")
        await path.ask(order)
        await path.hear(order, OrderFilled)


async def test_b1_a_demotion_keeps_each_order_on_its_way() -> None:
    """
    B1: from then on orders are on paper; what rests at the exchange is cancelled there.

    Fault O4.
    """
    async with paper_path(TradingMode.LIVE) as (path, market):
        live = path.order()
        await path.ask(live)
        assert not is_on_paper(await path.hear(live, OrderAcked))
        stricter = encode(demoted())
        await path.write(Outgoing(Partition(topics.CONTROL_HALT, 0), None, stricter))
        # Until all three have read it an order may still go out, or end where they differ.
        end, paper = None, live
        while not is_on_paper(end):
            await market.book(BIDS, ASKS)
            paper = path.order(price="99990")
            await path.ask(paper)
            end = await end_of(path, paper)
        arrived = await path.requests()
        for order in (live, paper):
            drop = path.cancel(order)
            await path.ask(drop)
            assert (await path.hear(order, OrderCancelled)).cancel_intent_id == drop.intent_id
        assert await path.requests() == arrived
        (dropped,) = await path.requests("DELETE")
        assert dropped["status"] == 200


async def test_b1_a_shadow_order_goes_all_the_way_but_the_last_step() -> None:
    """B1, H1: sealed, opened, measured; ended as cancelled before the send."""
    async with unsent(TradingMode.SHADOW) as (path, _):
        order = path.order(price="100002")
        await path.ask(order)
        ended = await path.hear(order, RequestNotSent)
        assert [one.code for one in ended.reasons] == [Reason.SHADOW_MODE]
        assert path.tape.about(order, RequestSealed, topics.SIGNED)
        row = row_of(path, order.intent_id)
        assert (row.state, row.mode) == (OrderState.CANCELLED, "shadow")
        for metric in ("spark_place_sealed_duration_seconds", "spark_place_ack_duration_seconds"):
            assert measured(path, metric, TradingMode.SHADOW) == 1
        drop = path.cancel(order)
        await path.ask(drop)
        assert [one.code for one in (await path.ended(drop)).reasons] == [Reason.SHADOW_MODE]


@pytest.mark.parametrize("mode", _NOT_SENT)
async def test_s5_nothing_that_was_sealed_is_worth_anything(mode: TradingMode) -> None:
    """
    S5: each request, opened and sent by somebody with everything the gateway has, is refused.

    Fault S1.
    """
    async with paper_path(mode) as (path, _):
        orders = [path.order(), path.order(side=Side.SELL, price="100050")]
        drop = path.cancel(orders[0])
        await path.ask(*orders)
        for order in orders:
            await path.hear(order, OrderAcked if mode is TradingMode.PAPER else RequestNotSent)
        await path.ask(drop)
        await path.hear(drop, RequestSealed, topics.SIGNED)
        sealed = path.tape.on(topics.SIGNED, RequestSealed)
        assert len(sealed) == 3
        codes = []
        for request in map(unsealed, sealed):
            for key in (request.headers[API_KEY_HEADER], FULL[0]):
                client = path.judge.with_key((key, ""))
                reply = await client.raw(request.method, request.path, request.query)
                codes.append(reply.code)
        assert codes == [_UNKNOWN_KEY, _INVALID_SIGNATURE] * 3
        entries = await path.ledger()
        assert [entry for entry in entries if entry["kind"] == "order"] == []
