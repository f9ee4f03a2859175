"""The sentinel: a log in memory, a clock that the test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import pytest

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.codec import decode, encode
from spark.consumers.sentinel import Sentinel, SentinelWiring
from spark.consumers.sentinel_state import Rules
from spark.errors import FencedError
from spark.events import EquityMarked, Event, PartitionFenced, TradingDemoted, TradingHalted
from spark.ledger.equity import DAY_NS
from spark.ledger.prices import PriceRules
from spark.ledger.protection import Thresholds
from spark.metrics import Metrics
from spark.names import Book, HaltSource, Role, Symbol, TradingMode
from tests.faring import Told, fence
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, STRATEGY, Life, instrument
from tests.marks import prices_marked
from tests.persons import LOCAL, SECOND, resume, set_mode, signed
from tests.worlds import World, crashing, running

_D = Decimal
_MINUTE: Final = 60 * SECOND_NS
_BTC: Final = Symbol("BTCUSDT")
SENTINEL_RULES: Final = Rules(
    accounts=frozenset({ACCOUNT}),
    mode=TradingMode.LIVE,
    capital_usd=_D(10_000),
    prices=PriceRules(
        age_ns_max=2 * SECOND_NS,
        check_age_ns_max=5 * SECOND_NS,
        apart_pct_max=_D(1),
        collar_pct=_D(5),
    ),
    thresholds=Thresholds(nonce_part_max=_D("0.01"), limited_per_s_max=_D("0.05")),
)


class Watched:
    """A world with a sentinel in it."""

    def __init__(self, files: Path) -> None:
        self.world = World(files)
        # On a whole minute, so that tests may speak of minutes.
        self.world.clock.advance(_MINUTE - NOW_NS % _MINUTE)
        self.metrics = Metrics(Role.SENTINEL)
        self.latch = files / "kill.d"

    @property
    def now_ns(self) -> int:
        return self.world.clock.wall_ns()

    def sentinel(self, *, is_kept: bool = True) -> tuple[Sentinel, asyncio.Event]:
        ready = asyncio.Event()
        self.metrics = Metrics(Role.SENTINEL)
        wiring = SentinelWiring(
            bus=self.world.bus,
            clock=self.world.clock,
            metrics=self.metrics,
            halts=self.world.halts(),
            latch_dir=self.latch,
            rules=SENTINEL_RULES,
            instance="here",
            ready=ready,
            state_dir=self.world.states if is_kept else None,
            period_s=0.005,
        )
        return Sentinel(wiring), ready

    @asynccontextmanager
    async def watching(self, *, is_kept: bool = True) -> AsyncIterator[None]:
        sentinel, ready = self.sentinel(is_kept=is_kept)
        async with running(sentinel.run, ready):
            yield

    async def price(self, mid: str, *topics_: str) -> None:
        """Let both principals mark a price now, or one of them."""
        body = encode(prices_marked({_BTC: _D(mid)}, self.now_ns))
        await self.world.append(
            *(
                Outgoing(Partition(topic, 0), b"binance", body)
                for topic in topics_ or (topics.VENUE_MARKS, topics.BINANCE_MARKS)
            )
        )

    async def instruments(self) -> None:
        """Say what the symbol is made of."""
        await self.world.append(
            Outgoing(Partition(topics.VENUE_STATE, 0), b"binance", encode(instrument()))
        )

    async def say(self, topic: str, *events: Event) -> None:
        await self.world.append(
            *(Outgoing(Partition(topic, 0), ACCOUNT.encode(), encode(one)) for one in events)
        )

    async def tell(self, told: Told) -> None:
        """Append what was told, each at its own time; the clock ends at the last."""
        for topic, event, at_ns in sorted(told.records, key=lambda one: one[2]):
            self.world.clock.advance(max(0, at_ns - self.now_ns))
            await self.say(topic, event)
        told.records.clear()

    def equities(self) -> list[EquityMarked]:
        found = [decode(one.value or b"") for one in self.world.log(topics.RISK_EQUITY)]
        return [one for one in found if isinstance(one, EquityMarked)]

    async def equity(self, worth: str, book: Book = Book.LIVE) -> EquityMarked:
        """Wait until the account is worth so much."""
        log = self.world.log(topics.RISK_EQUITY)

        def found() -> bool:
            last = decode(log[-1].value or b"") if log else None
            if not isinstance(last, EquityMarked) or last.book is not book:
                return False
            return last.total.equity_usd == _D(worth)

        await self.world.broker.wait(found, 20_000)
        assert found(), self.equities()[-3:]
        return self.equities()[-1]

    async def samples(self, count: int = 3) -> None:
        """Wait for so many more samples: so often it has looked at everything."""
        log = self.world.log(topics.RISK_EQUITY)
        due = len(log) + count
        await self.world.broker.wait(lambda: len(log) >= due, 20_000)

    def halts(self) -> list[TradingHalted | TradingDemoted]:
        found = [decode(one.value or b"") for one in self.world.log(topics.CONTROL_HALT)]
        return [one for one in found if isinstance(one, TradingHalted | TradingDemoted)]

    async def halted(self, count: int) -> list[TradingHalted | TradingDemoted]:
        """Wait for so many words on control.halt."""
        await self.world.has(topics.CONTROL_HALT, count)
        return self.halts()

    async def resumed(self) -> None:
        """Let two persons resume after everything that was said."""
        names = [(one.halt, offset) for offset, one in enumerate(self.halts())]
        proposal = resume(*names, expires_ns=self.now_ns + _MINUTE)
        await self.say(topics.CONTROL, signed(proposal, LOCAL), signed(proposal, SECOND))


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


def bought(text: str, quantity: str, price: str, **changes: Any) -> Event:  # noqa: ANN401
    """Execute a whole order."""
    filled = Life(text, quantity=_D(quantity)).filled(quantity, quantity, text)
    return replace(filled, price=_D(price), **changes)


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
    """B5, S8: a stale price, or one principal's alone, marks nothing; the metric says so."""
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
    """B10: one order a minute; still refused after five minutes: kill and paper, with a file."""
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
    """B10: what is in force stands on the log; people resume, and only what is new counts."""
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


async def test_a_crash_between_file_and_log_leaves_a_kill(watched: Watched) -> None:
    """B2, B10: the file alone kills; the next start says it on the log."""
    await watched.say(topics.EVENTS, fence())
    told = Told()
    life = told.refused(watched.now_ns, "INSUFFICIENT_BALANCE")
    told.ends(life, life.filled("1", "1", "t"), watched.now_ns)
    await watched.tell(told)
    sentinel, ready = watched.sentinel()
    async with crashing(sentinel.run, ready):
        kill, paper = await watched.halted(2)

    assert kill.evidence["found"].endswith("rejected:full_fill")
    assert paper.halt == f"{kill.halt}-paper"
    assert (watched.latch / kill.halt).read_text().startswith("sentinel: the exchange filled")


async def test_a_latch_that_cannot_be_pulled_does_not_keep_the_log_from_killing(
    watched: Watched,
) -> None:
    """B10: one of the two is enough."""
    await watched.say(topics.EVENTS, fence())
    watched.latch = watched.latch / "missing"
    told = Told()
    life = told.refused(watched.now_ns, "INSUFFICIENT_BALANCE")
    told.ends(life, life.filled("1", "1", "t"), watched.now_ns)
    await watched.tell(told)
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
