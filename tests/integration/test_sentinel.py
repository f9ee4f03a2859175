"""The sentinel: a log in memory, a clock that the test moves."""

import asyncio
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.codec import decode, encode
from spark.consumers.sentinel_keep import UNKEPT_MAX
from spark.errors import FencedError, WriteError
from spark.events import PartitionFenced, TradingDemoted, TradingHalted
from spark.ledger.equity import DAY_NS
from spark.names import Book, HaltSource, Role, TradingMode
from tests.faring import Told, fence
from tests.made import ACCOUNT, SECOND_NS, STRATEGY
from tests.no_halts import NoHaltsBus
from tests.persons import LOCAL, set_mode, signed
from tests.watched import Watched, bought
from tests.worlds import crashing

_D = Decimal
_MINUTE: Final = 60 * SECOND_NS


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_an_account_that_never_traded_is_marked_from_the_start(watched: Watched) -> None:
    """B5: the first order finds an equity: the capital."""
    async with watched.watching():
        marked = await watched.equity("10000")

    assert (marked.account, marked.book) == (ACCOUNT, Book.LIVE)
    assert marked.total.peak_usd == marked.total.capital_usd == 10_000
    first = decode(watched.world.values(topics.RISK_EQUITY)[0])
    assert isinstance(first, PartitionFenced)
    assert first.role == Role.SENTINEL


async def test_equity_follows_fills_and_prices_and_the_peak_stays(watched: Watched) -> None:
    """B5: capital + realised + unrealised, the highest of the day beside it."""
    async with watched.watching():
        await watched.instruments()
        await watched.price("60000")
        await watched.say(topics.EVENTS, bought("one", "0.1", "60000"))
        await watched.price("70000")
        await watched.equity("11000.0005")
        await watched.price("50000")
        marked = await watched.equity("9000.0005")

    assert marked.total.peak_usd == _D("11000.0005")
    assert marked.strategies[STRATEGY] == marked.total
    sample = watched.metrics.registry.get_sample_value
    labels = {"account": ACCOUNT, "book": "live", "strategy": ""}
    assert sample("spark_equity_usd", labels) == pytest.approx(9_000)
    assert sample("spark_drawdown_ratio", labels) == pytest.approx(2_000 / 11_000)


async def test_without_a_fresh_price_there_is_no_sample(watched: Watched) -> None:
    """
    B5, S8: a stale price, or one principal's alone, marks nothing; the metric says so.

    Fault M1.
    """
    labels = {"account": ACCOUNT, "book": "live"}
    async with watched.watching():
        await watched.instruments()
        await watched.price("60000")
        await watched.say(topics.EVENTS, bought("one", "0.1", "60000"))
        await watched.equity("10000.0005")
        watched.world.clock.advance(10 * SECOND_NS)
        await watched.price("61000", topics.BINANCE_MARKS)
        read = watched.metrics.registry.get_sample_value
        async with asyncio.timeout(20):
            while not read("spark_equity_missing", labels):  # noqa: ASYNC110  (a gauge)
                await asyncio.sleep(0.005)
        count = len(watched.equities())
        await watched.price("61000")
        await watched.equity("10100.0005")

    assert all(one.total.equity_usd != _D("10100.0005") for one in watched.equities()[:count])


async def test_books_are_marked_apart(watched: Watched) -> None:
    """A10: paper fills move the paper book alone; it is marked as long as it holds anything."""
    async with watched.watching():
        await watched.instruments()
        await watched.price("60000")
        paper = bought("one", "0.1", "50000", mode=TradingMode.PAPER)
        await watched.say(topics.EVENTS, paper)
        await watched.equity("11000.0005", Book.PAPER)
        await watched.samples(2)

    assert {(one.book, one.total.equity_usd) for one in watched.equities()[-2:]} == {
        (Book.LIVE, _D(10_000)),
        (Book.PAPER, _D("11000.0005")),
    }


async def test_the_book_of_the_mode_in_force_is_marked(watched: Watched) -> None:
    """B1, B5: people put the account on paper: its first paper order finds an equity."""
    async with watched.watching():
        await watched.equity("10000")
        word = set_mode(TradingMode.PAPER, expires_ns=watched.now_ns + _MINUTE)
        await watched.say(topics.CONTROL, signed(word, LOCAL))
        await watched.equity("10000", Book.PAPER)


@pytest.mark.parametrize("is_kept", [True, False], ids=["kept state", "log alone"])
async def test_a_restart_knows_what_was(watched: Watched, *, is_kept: bool) -> None:
    """R8, R15: positions and peak come from the log; a kept state is only a cache."""
    async with watched.watching(is_kept=is_kept):
        await watched.instruments()
        await watched.say(topics.EVENTS, bought("one", "0.1", "60000"))
        await watched.price("70000")
        await watched.equity("11000.0005")
    await watched.say(topics.EVENTS, bought("two", "0.1", "60000"))
    watched.world.clock.advance(_MINUTE)
    await watched.price("60000")
    async with watched.watching(is_kept=is_kept):
        marked = await watched.equity("10000.001")

    assert marked.total.peak_usd == _D("11000.0005")
    state = watched.world.states / "sentinel.state"
    assert state.exists() is is_kept


async def test_a_crash_goes_on_from_an_older_kept_state(watched: Watched) -> None:
    """R8: what came after the state was kept is folded again from the log, once."""
    state = watched.world.states / "sentinel.state"
    sentinel, ready = watched.sentinel()
    async with crashing(sentinel.run, ready):
        await watched.instruments()
        await watched.say(topics.EVENTS, bought("one", "0.1", "60000"))
        await watched.price("70000")
        await watched.equity("11000.0005")
        await watched.samples(UNKEPT_MAX + 1)
        assert state.exists()
        await watched.say(topics.EVENTS, bought("two", "0.1", "60000"))
        await watched.equity("12000.001")
    async with watched.watching():
        await watched.price("60000")
        marked = await watched.equity("10000.001")

    assert marked.total.peak_usd == _D("12000.001")


async def test_the_first_sample_keeps_what_the_start_folded(watched: Watched) -> None:
    """R8: or one that ends again and again would fold more each time."""
    sentinel, ready = watched.sentinel()
    async with crashing(sentinel.run, ready):
        await watched.samples(2)
    assert (watched.world.states / "sentinel.state").exists()


async def test_a_peak_of_yesterday_is_over_after_a_restart(watched: Watched) -> None:
    """B5: the window is a day, whoever reads it."""
    async with watched.watching(is_kept=False):
        await watched.instruments()
        await watched.say(topics.EVENTS, bought("one", "0.1", "60000"))
        await watched.price("70000")
        await watched.equity("11000.0005")
    watched.world.clock.advance(DAY_NS + _MINUTE)
    await watched.price("60000")
    async with watched.watching(is_kept=False):
        marked = await watched.equity("10000.0005")

    assert marked.total.peak_usd == _D("10000.0005")


async def test_a_second_sentinel_ends_the_first(watched: Watched) -> None:
    """F4: one writer of risk.equity; the one that lost it says nothing more."""
    sentinel, ready = watched.sentinel(is_kept=False)
    task = asyncio.create_task(sentinel.run(asyncio.Event()))
    await asyncio.wait_for(ready.wait(), 20)
    async with watched.watching(is_kept=False):
        await asyncio.wait({task}, timeout=20)
        error = task.exception()
        await watched.samples(2)

    assert isinstance(error, ExceptionGroup)
    assert isinstance(error.exceptions[0], FencedError)


def nonce_refused(now_ns: int, epoch: int = 0) -> Told:
    told = Told(epoch=epoch)
    told.many(10, now_ns)
    told.refused(now_ns, "-1021")
    told.refused(now_ns, "-1021")
    return told


async def test_refused_nonces_slow_the_account_and_then_kill(watched: Watched) -> None:
    """
    B10: one order a minute; still refused after five minutes: kill and paper, with a file.

    Fault O2.
    """
    await watched.say(topics.EVENTS, fence())
    told = nonce_refused(watched.now_ns)
    async with watched.watching():
        await watched.tell(told)
        (slowed,) = await watched.halted(1)
        watched.world.clock.advance(4 * _MINUTE)
        told.refused(watched.now_ns, "-1021")
        await watched.tell(told)
        await watched.samples()
        assert len(watched.halts()) == 1
        watched.world.clock.advance(_MINUTE)
        _, kill, paper = await watched.halted(3)
        await watched.samples()

    assert isinstance(slowed, TradingDemoted)
    assert slowed.orders_per_minute_max == 1
    assert slowed.evidence["found"] == "2 of 12 requests, 16.67%"
    assert isinstance(kill, TradingHalted)
    assert (kill.account, kill.by, kill.source) == ("", "sentinel", HaltSource.SENTINEL)
    assert isinstance(paper, TradingDemoted)
    assert (paper.account, paper.mode) == (ACCOUNT, TradingMode.PAPER)
    assert [file.name for file in watched.latch.iterdir()] == [kill.halt]
    assert len(watched.halts()) == 3


async def test_a_reaction_comes_once_over_restarts_and_again_after_a_resume(
    watched: Watched,
) -> None:
    """
    B10: what is in force stands on the log; people resume, and only what is new counts.

    Fault O3.
    """
    await watched.say(topics.EVENTS, fence())
    told = nonce_refused(watched.now_ns)
    async with watched.watching():
        await watched.tell(told)
        await watched.halted(1)
    for is_kept in (True, False):
        async with watched.watching(is_kept=is_kept):
            await watched.samples()
    assert len(watched.halts()) == 1
    watched.world.clock.advance(_MINUTE)
    await watched.resumed()
    async with watched.watching():
        await watched.samples()
        assert len(watched.halts()) == 1
        watched.world.clock.advance(_MINUTE)
        for _ in range(2):
            told.refused(watched.now_ns, "-1021")
        await watched.tell(told)
        _, again = await watched.halted(2)

    assert again.evidence["found"] == "2 of 2 requests, 100.00%"
    rule = {"rule": "nonce"}
    assert watched.metrics.registry.get_sample_value("spark_protections_total", rule) == 1


async def late_fill(watched: Watched) -> None:
    """Let the exchange fill an order that it has refused."""
    await watched.say(topics.EVENTS, fence())
    told = Told()
    life = told.refused(watched.now_ns, "INSUFFICIENT_BALANCE")
    told.ends(life, life.filled("1", "1", "t"), watched.now_ns)
    await watched.tell(told)


async def test_a_fill_after_the_end_kills_by_file_and_record(watched: Watched) -> None:
    """R5, B10, fault V5: the file says why, too."""
    await late_fill(watched)
    async with watched.watching():
        kill, paper = await watched.halted(2)

    assert kill.evidence["found"].endswith("rejected:full_fill")
    assert paper.halt == f"{kill.halt}-paper"
    assert (watched.latch / kill.halt).read_text().startswith("sentinel: the exchange filled")


async def test_more_filled_than_ordered_kills_with_both_numbers(watched: Watched) -> None:
    """Fault V5: one of one, then a half more; record and file say so, and positions count it."""
    async with watched.watching():
        await watched.instruments()
        await watched.price("10")
        await watched.say(topics.EVENTS, fence())
        told = Told()
        life = told.acked(watched.now_ns)
        told.ends(life, life.filled("1", "1", "t1"), watched.now_ns)
        told.ends(life, life.filled("0.5", "1.5", "t2"), watched.now_ns)
        await watched.tell(told)
        kill, paper = await watched.halted(2)
        await watched.price("20")

        def is_counted() -> bool:
            return Decimal("10015.0075") in {one.total.equity_usd for one in watched.equities()}

        await watched.world.broker.wait(is_counted, 20_000)
        assert is_counted()

    assert kill.evidence["found"] == f"1, the last: {life.client_order_id} overfill 1.5 of 1"
    assert paper.halt == f"{kill.halt}-paper"
    assert (watched.latch / kill.halt).read_text().startswith("sentinel: the exchange filled more")


async def test_without_the_log_the_file_kills_and_the_next_start_says_it(watched: Watched) -> None:
    """
    B2, B10: the file comes first; what the broker did not take is said after a restart.

    Fault P7.
    """
    await late_fill(watched)
    usual, watched.world.bus = watched.world.bus, NoHaltsBus(watched.world.broker)
    sentinel, _ = watched.sentinel()
    with pytest.raises(ExceptionGroup) as failed:
        await asyncio.wait_for(sentinel.run(asyncio.Event()), 20)
    assert isinstance(failed.value.exceptions[0], WriteError)
    (first,) = watched.latch.iterdir()
    assert watched.halts() == []
    watched.world.bus = usual
    watched.world.clock.advance(SECOND_NS)
    async with watched.watching():
        kill, _ = await watched.halted(2)

    assert {path.name for path in watched.latch.iterdir()} == {first.name, kill.halt}


async def test_a_latch_that_cannot_be_pulled_does_not_keep_the_log_from_killing(
    watched: Watched,
) -> None:
    """B10: one of the two is enough."""
    watched.latch = watched.latch / "missing"
    await late_fill(watched)
    async with watched.watching():
        kill, _ = await watched.halted(2)

    assert isinstance(kill, TradingHalted)


async def test_rubbish_on_the_log_ends_nobody(watched: Watched) -> None:
    """H5: bytes that nobody can read, a tombstone, and an absurd fill."""
    partition = Partition(topics.EVENTS, 0)
    absurd = bought("one", "0." + "1" * 50, "1")
    await watched.world.append(
        Outgoing(partition, None, b"\xff"),
        Outgoing(partition, None, b"{}"),
        Outgoing(partition, None, encode(absurd)),
        Outgoing(Partition(topics.CONTROL_HALT, 0), None, b"rubbish"),
    )
    async with watched.watching():
        await watched.equity("10000")
