"""
`spark bench book`: differences a second that a local book takes on one core. Pure; no servers.

A difference is one level that changed. Each venue's book gets differences as they come
on its stream: so many to a message, around a price that walks, some of them levels that
go; after each message its best prices are looked at, as the feed does. The last figures
are those of messages of a single level, where the message costs more than the level.
"""

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Final, NamedTuple, Protocol

import orjson

from spark.events.market import BookRow
from spark.exchanges.binance.local_book import LocalBook as BinanceBook
from spark.exchanges.btcturk.local_book import LocalBook as BtcturkBook
from spark.names import Venue

_START_CENTS: Final = 6_000_000
#: Of 100 differences.
_GONE_PCT: Final = 30


class _Book(Protocol):
    @property
    def is_crossed(self) -> bool: ...

    def apply(self, row: BookRow) -> None: ...


class _Shape(NamedTuple):
    """What a venue's book and messages look like."""

    make: Callable[[], _Book]
    #: Of a full book, a side.
    levels: int
    #: Levels of a message; their mean, with many at times.
    differences: int


#: As recorded at Binance, and seen at BTCTurk, whose books end at the hundredth level.
_SHAPES: Final = {
    Venue.BINANCE: _Shape(BinanceBook, 1000, 36),
    Venue.BTCTURK: _Shape(BtcturkBook, 100, 9),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BookBench:
    """One benchmark's parameters."""

    #: In each run.
    differences: int
    runs: int
    seed: int = 42


def bench_book(bench: BookBench, say: Callable[[str], None]) -> dict[str, object]:
    """Measure; medians over the runs."""
    found: dict[str, object] = {"differences": bench.differences, "runs": bench.runs}
    for venue, shape in _SHAPES.items():
        venue_found: dict[str, dict[str, int]] = {}
        for name, one in (("usual", shape), ("single", shape._replace(differences=1))):
            rows = orjson.dumps(_rows(one, bench))
            # Decoded anew for each run, as every message is: a text that was looked at before
            # is looked up faster.
            rates = [_run(one, orjson.loads(rows)) for _ in range(bench.runs)]
            say(f"{venue} {name}: {', '.join(f'{rate.differences:,.0f}' for rate in rates)}")
            venue_found[name] = {
                "differences_per_s": round(median(rate.differences for rate in rates)),
                "messages_per_s": round(median(rate.messages for rate in rates)),
            }
        found[venue.value] = {**venue_found["usual"], "single": venue_found["single"]}
    return found


class _Rate(NamedTuple):
    """Of one run, a second."""

    differences: float
    messages: float


def _run(shape: _Shape, rows: list[BookRow]) -> _Rate:
    book = shape.make()
    book.apply(rows[0])
    messages = rows[1:]
    crossed = 0
    began = time.perf_counter()
    for row in messages:
        book.apply(row)
        crossed += book.is_crossed
    took_s = time.perf_counter() - began
    assert not crossed, "the self-made market never crosses"
    differences = sum(len(row[4]) + len(row[5]) for row in messages)
    return _Rate(differences / took_s, len(messages) / took_s)


def _rows(shape: _Shape, bench: BookBench) -> list[BookRow]:
    """Make a full book and the messages after it; the same seed makes the same ones."""
    chance = random.Random(bench.seed)  # noqa: S311  (repeatable on purpose)
    depth = range(1, shape.levels + 1)
    bids, asks = (
        tuple((_price(_START_CENTS + step * n), "1.00000000") for n in depth) for step in (-1, 1)
    )
    rows: list[BookRow] = [(1, 0, 0, 1, bids, asks)]
    left = bench.differences
    while left > 0:
        count = min(left, max(1, int(chance.expovariate(1 / shape.differences))))
        count = 1 if shape.differences == 1 else count
        changes = [_change(chance, shape.levels) for _ in range(count)]
        number = len(rows) + 1
        bids, asks = (tuple(level for step, level in changes if step == side) for side in (-1, 1))
        rows.append((number, number, number, number, bids, asks))
        left -= count
    return rows


def _change(chance: random.Random, levels: int) -> tuple[int, tuple[str, str]]:
    """Change a level of either side; near the middle more often than far from it."""
    step = chance.choice((-1, 1))
    away = 1 + min(levels, int(chance.expovariate(8 / levels)))
    is_gone = chance.randrange(100) < _GONE_PCT
    amount = f"{chance.randrange(20)}.{chance.randrange(1, 10**5):05}000"
    return step, (_price(_START_CENTS + step * away), "0.00000000" if is_gone else amount)


def _price(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}000000"
