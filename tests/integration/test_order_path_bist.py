"""
A BIST order through the real stages: it gets its refusal, and nothing leaves (B7).
"""

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.clock import SystemClock
from spark.codec import encode
from spark.events import IntentRefused, Session, SessionsPublished, SigningSkipped
from spark.exchanges.bist.days import day_of
from spark.names import AccountId, OrderState, Reason, Symbol, TradingMode, Venue
from spark.ops.order_view import OrderView
from tests.made import SECOND_NS
from tests.order_path import OrderPath, in_memory

HOUR_NS = 3600 * SECOND_NS
BIST = AccountId("bist:main")
ABOUT_SESSIONS = frozenset({Reason.MARKET_CLOSED, Reason.VENUE_NOT_TRADABLE})


async def say_sessions(path: OrderPath, *hours: tuple[int, int]) -> None:
    """Publish sessions as the venue watch does, each from and to so many hours from now."""
    now_ns = SystemClock().wall_ns()
    said = SessionsPublished(
        venue=Venue.BIST,
        sessions=tuple(
            Session(
                day=day_of(now_ns), opens_ns=now_ns + a * HOUR_NS, closes_ns=now_ns + b * HOUR_NS
            )
            for a, b in hours
        ),
        first_day=day_of(now_ns - 24 * HOUR_NS),
        last_day=day_of(now_ns + 24 * HOUR_NS),
        published_ns=now_ns,
    )
    await path.write(Outgoing(Partition(topics.VENUE_STATE, 0), b"bist", encode(said)))


@pytest.mark.parametrize(
    ("hours", "mode", "code"),
    [
        (None, TradingMode.LIVE, Reason.MARKET_CLOSED),
        (((-2, -1), (1, 2)), TradingMode.LIVE, Reason.MARKET_CLOSED),
        (((-1, 1),), TradingMode.LIVE, Reason.VENUE_NOT_TRADABLE),
        (((-1, 1),), TradingMode.SHADOW, Reason.VENUE_NOT_TRADABLE),
        (((-1, 1),), TradingMode.PAPER, None),
        (((-2, -1),), TradingMode.PAPER, Reason.MARKET_CLOSED),
    ],
    ids=["never said", "between two", "open", "open, shadow", "open, paper", "closed, paper"],
)
async def test_b7_a_bist_order_gets_its_refusal(
    hours: tuple[tuple[int, int], ...] | None, mode: TradingMode, code: Reason | None
) -> None:
    """B7, R15: sessions reach the guardrail as records; outside closed, inside paper alone."""
    async with in_memory(mode=mode) as path:
        if hours is not None:
            await say_sessions(path, *hours)
        await path.up()
        order = path.order(Symbol("THYAO"), account=BIST, quantity="1", price="300")
        (offset,) = await path.ask(order)
        refused = await path.hear(order, IntentRefused, topics.DECISIONS)
        skipped = await path.hear(order, SigningSkipped, topics.SIGNED)
        found = {one.code for one in refused.reasons}
        assert found & ABOUT_SESSIONS == ({code} if code else set())
        # No instrument of BIST is published yet: on paper, too, nothing is approved.
        assert Reason.INSTRUMENT_UNKNOWN in found
        assert {one.code for one in skipped.reasons} == found | {Reason.UPSTREAM_REFUSED}
        assert await path.requests() == []
        view = OrderView()
        for topic, event in ((topics.INTENTS, order), (topics.DECISIONS, refused)):
            view.see(event, topic=topic, offset=offset, appended_ns=1)
        row = view.rows[order.intent_id]
        assert row.is_settled
        assert row.state is OrderState.REJECTED
