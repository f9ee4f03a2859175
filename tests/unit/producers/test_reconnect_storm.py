"""
However badly connections fare, a feed does not connect more often than its exchange allows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import cycle
from typing import Any

import pytest

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.clock import ManualClock
from spark.errors import VenueUnavailable
from spark.metrics import Metrics
from spark.names import Symbol
from spark.producers import market_feed
from spark.producers.binance_feed import BinanceFeed
from spark.producers.btcturk_feed import BtcturkFeed
from spark.producers.market_feed import MarketFeed
from tests.made import NOW_NS, SECOND_NS

#: How connections end: refused, dropped at once, after seconds of work.
_REFUSED, _DROPPED, _SHORT, _ALMOST, _HELD = -1.0, 0.0, 10.0, 29.9, 30.0
_CONNECTS = 400


class _OverError(Exception):
    """Enough was seen."""


@dataclass
class _Exchange:
    """Ends connections as told, again and again, and writes down when somebody connects."""

    clock: ManualClock
    ends: Sequence[float]
    connects_s: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ends = cycle(self.ends)

    async def open(self, symbols: tuple[Symbol, ...]) -> "_Socket":
        del symbols
        if len(self.connects_s) == _CONNECTS:
            raise _OverError
        self.connects_s.append(self.clock.monotonic_ns() / SECOND_NS)
        holds_s = next(self._ends)
        if holds_s == _REFUSED:
            raise VenueUnavailable("refused")
        return _Socket(self.clock, holds_s)

    async def close(self) -> None:
        pass

    def most_within(self, window_s: float) -> int:
        """Count the connects of the window that has most of them."""
        times = self.connects_s
        return max(sum(start <= one < start + window_s for one in times) for start in times)


@dataclass
class _Socket:
    clock: ManualClock
    holds_s: float

    async def receive(self) -> bytes | None:
        self.clock.advance(int(self.holds_s * SECOND_NS))
        raise VenueUnavailable("dropped")

    async def ping(self) -> None:
        pass

    async def close(self) -> None:
        pass


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> ManualClock:
    """Time passes where the feed pauses, and at once; chance never adds to a pause."""
    made = ManualClock(NOW_NS, SECOND_NS)

    async def pass_by(pause_s: float) -> None:
        made.advance(int(pause_s * SECOND_NS))

    monkeypatch.setattr(asyncio, "sleep", pass_by)
    monkeypatch.setattr(market_feed, "draw", lambda: 0.0)
    return made


async def _connects(kind: type[MarketFeed], clock: ManualClock, ends: Sequence[float]) -> _Exchange:
    exchange = _Exchange(clock, ends)
    ways: dict[str, Any] = {"streams": exchange}
    if kind is BinanceFeed:
        ways["depths"] = exchange
    feed = kind(
        bus=MemoryBus(MemoryBroker({})),
        clock=clock,
        metrics=Metrics("feed"),
        symbols=(Symbol("BTCUSDT"),),
        instance="test",
        ready=asyncio.Event(),
        **ways,
    )
    with pytest.raises(_OverError):
        await feed._listen()
    return exchange


@pytest.mark.parametrize(
    "ends",
    [
        (_REFUSED,),
        (_DROPPED,),
        (_SHORT,),
        (_ALMOST,),
        (_HELD,),
        (_REFUSED, _SHORT),
        (_REFUSED, _HELD),
        (_REFUSED, _DROPPED, _SHORT),
        (_REFUSED, _DROPPED, _HELD),
        (_DROPPED, _DROPPED, _DROPPED, _HELD),
        (_DROPPED, _REFUSED, _REFUSED, _REFUSED, _HELD),
    ],
)
@pytest.mark.parametrize(
    ("kind", "window_s", "connects_max"), [(BinanceFeed, 300, 300), (BtcturkFeed, 60, 15)]
)
async def test_c5_a_storm_of_ends_is_no_storm_of_connects(
    kind: type[MarketFeed],
    window_s: float,
    connects_max: int,
    ends: Sequence[float],
    clock: ManualClock,
) -> None:
    """Fault M3: 300 connects in five minutes at Binance, 15 a minute at BTCTurk."""
    exchange = await _connects(kind, clock, ends)
    assert exchange.most_within(window_s) < connects_max


async def test_c5_those_who_lost_it_together_do_not_come_back_together(
    clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fault M3: chance parts two feeds whose connections held and ended at one moment."""
    times = []
    for chance in (0.1, 0.9):
        monkeypatch.setattr(market_feed, "draw", lambda chance=chance: chance)
        exchange = await _connects(BinanceFeed, clock, (_HELD,))
        times.append(
            [b - a for a, b in zip(exchange.connects_s, exchange.connects_s[1:], strict=False)]
        )
    assert min(times[1]) > max(times[0]) > _HELD
