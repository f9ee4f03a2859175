"""A sentinel in a small world: a log in memory, and a clock that a test moves."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.codec import decode, encode
from spark.consumers.sentinel import Sentinel, SentinelWiring
from spark.consumers.sentinel_state import Rules
from spark.events import EquityMarked, Event, TradingDemoted, TradingHalted
from spark.ledger.prices import PriceRules
from spark.ledger.protection_case import Thresholds
from spark.metrics import Metrics
from spark.names import Book, Role, Symbol, TradingMode
from tests.faring import Told
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, Life, instrument
from tests.marks import prices_marked
from tests.persons import LOCAL, SECOND, resume, signed
from tests.worlds import World, running

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


def bought(text: str, quantity: str, price: str, **changes: Any) -> Event:  # noqa: ANN401
    """Execute a whole order."""
    filled = Life(text, quantity=_D(quantity)).filled(quantity, quantity, text)
    return replace(filled, price=_D(price), **changes)
