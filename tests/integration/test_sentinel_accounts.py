"""The sentinel and the account feed: evidence from two topics, and what the two disagree in."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from spark import topics
from spark.events import PartitionFenced, TradingHalted
from spark.names import DifferenceKind, DifferenceRule, Role
from tests.faring import Told, fence
from tests.made import NOW_NS
from tests.unit.ledger.test_disagreement import difference
from tests.watched import Watched, bought

_FENCE = PartitionFenced(
    role=Role.ACCOUNT_FEED, instance="test", topic_ids={}, settings={}, fenced_ns=NOW_NS
)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_a_fill_on_both_topics_counts_once(watched: Watched) -> None:
    """R4, S9: gateway and account feed tell of the same trade; equity moves once."""
    async with watched.watching():
        await watched.instruments()
        await watched.price("60000")
        fill = bought("one", "0.1", "60000")
        await watched.say(topics.EVENTS, fill)
        await watched.say(topics.ACCOUNT_EVENTS, _FENCE, fill)
        await watched.price("70000")
        marked = await watched.equity("11000.0005")

    assert marked.total.equity_usd == Decimal("11000.0005")


async def test_a_fill_that_only_the_account_feed_told_counts(watched: Watched) -> None:
    """R5, A9: what reconciliation took over is a position like any other."""
    async with watched.watching():
        await watched.instruments()
        await watched.price("60000")
        await watched.say(topics.ACCOUNT_EVENTS, _FENCE, bought("one", "0.1", "60000"))
        await watched.price("70000")
        await watched.equity("11000.0005")


async def test_a_fill_that_the_exchange_does_not_have_kills(watched: Watched) -> None:
    """S9, fault V5: the disagreement stops every account, with both sides' words in the kill."""
    async with watched.watching():
        found = difference(DifferenceKind.FILL_UNPROVEN, DifferenceRule.HALTED)
        await watched.say(
            topics.ACCOUNT_EVENTS, _FENCE, replace(found, epoch=0, at_ns=watched.now_ns)
        )
        kill, paper = await watched.halted(2)

    assert isinstance(kill, TradingHalted)
    assert (kill.account, kill.evidence["theirs"]) == ("", "no such trade")
    assert [file.name for file in watched.latch.iterdir()] == [kill.halt]
    assert paper.halt == f"{kill.halt}-paper"


async def test_the_word_of_a_replaced_feed_kills_nobody(watched: Watched) -> None:
    """R4: differences are opinions, and count in the epoch in force alone."""
    async with watched.watching():
        found = difference(DifferenceKind.FILL_UNPROVEN, DifferenceRule.HALTED)
        await watched.say(
            topics.ACCOUNT_EVENTS, _FENCE, _FENCE, replace(found, epoch=0, at_ns=watched.now_ns)
        )
        await watched.samples()

    assert watched.halts() == []


async def test_an_overfill_that_only_the_account_feed_told_kills(watched: Watched) -> None:
    """Fault V5: of an order that rests, the account feed alone tells the fills."""
    async with watched.watching():
        told = Told()
        life = told.acked(watched.now_ns)
        await watched.say(topics.EVENTS, fence())
        await watched.tell(told)
        await watched.samples()
        fills = (life.filled("1", "1", "t1"), life.filled("0.5", "1.5", "t2"))
        await watched.say(topics.ACCOUNT_EVENTS, _FENCE, *fills)
        kill, _ = await watched.halted(2)
        # The gateway's question tells the same again.
        await watched.say(topics.EVENTS, life.filled("1.5", "1.5"))
        await watched.samples()

    assert kill.evidence["found"] == f"1, the last: {life.client_order_id} overfill 1.5 of 1"
    assert len(watched.halts()) == 2
