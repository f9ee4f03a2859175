"""
Gives a reader its cases: none may crash it, hang it, or make it grow.

A case is made of the seed, the reader's name and its number alone, so a failure names what
repeats it. The watch over a case counts the processor time of this process: a machine that
stalls does not run it down.
"""

import gc
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType
from typing import Any, Final, NoReturn

CASES_DEFAULT: Final = 20_000
#: Processor time that one case may take.
_CASE_CPU_S_MAX: Final = 20.0
#: Python objects that a reader may keep more at its end than at its half, for its caches.
_BLOCKS_SLACK: Final = 6_000
_RSS_SLACK_BYTES: Final = 96 << 20
_SHOWN_MAX: Final = 2_000


class HangError(BaseException):
    """A case took more processor time than any may; not to be caught by a reader."""


@dataclass(frozen=True, slots=True)
class Harness:
    """A reader set up: what makes a case, and what reads it."""

    case: Callable[[Random], Any]
    #: Says whether the case was accepted; raises for a broken rule.
    read: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader."""

    name: str
    open: Callable[[], AbstractContextManager[Harness]]
    #: Its share of the cases, against the others'.
    weight: float = 1.0
    #: Errors that are the documented way to refuse, each with its reason in words.
    refusals: tuple[type[Exception], ...] = ()
    #: Cases after which it is set up anew, where it keeps what it accepted; 0 for never.
    fresh_every: int = 0


@dataclass(slots=True)
class Count:
    """What came of one reader's cases."""

    name: str
    cases: int = 0
    accepted: int = 0
    refused: int = 0


@dataclass(slots=True)
class Tally:
    """What came of all of them; the terminal's last lines."""

    counts: list[Count] = field(default_factory=list)

    def lines(self) -> list[str]:
        """Write the table."""
        if not self.counts:
            return []
        rows = [*self.counts, self._sum()]
        width = max(len(row.name) for row in rows)
        head = f"{'reader':<{width}} {'cases':>9} {'refused':>9} {'accepted':>9}"
        return [head] + [
            f"{row.name:<{width}} {row.cases:>9} {row.refused:>9} {row.accepted:>9}" for row in rows
        ]

    def _sum(self) -> Count:
        total = Count("all")
        for row in self.counts:
            total.cases += row.cases
            total.accepted += row.accepted
            total.refused += row.refused
        return total


TALLY: Final = Tally()


def cases_in_all() -> int:
    """Give how many cases all readers get together."""
    return int(os.environ.get("SPARK_FUZZ_CASES", str(CASES_DEFAULT)))


def seed() -> str:
    """Give the seed of all cases."""
    return os.environ.get("SPARK_FUZZ_SEED", "1")


def random_of(name: str, number: int) -> Random:
    """Give one case's chance."""
    return Random(f"{seed()} {name} {number}")


def run(reader: Reader, cases: int) -> Count:
    """
    Give a reader its cases.

    Raises:
        AssertionError: it crashed, hung or grew; the text names what repeats it.

    """
    count = Count(reader.name)
    TALLY.counts.append(count)
    every = reader.fresh_every or cases
    grown = _Growth()
    for first in range(0, cases, every):
        with reader.open() as harness:
            for number in range(first, min(first + every, cases)):
                _one(reader, harness, count, number=number)
                if number == cases // 2 and not reader.fresh_every:
                    grown.begin()
        if reader.fresh_every and first < cases // 2 <= first + every:
            grown.begin()
        elif not reader.fresh_every:
            break
    grown.check(reader.name, cases)
    return count


def _one(reader: Reader, harness: Harness, count: Count, *, number: int) -> None:
    case = harness.case(random_of(reader.name, number))
    count.cases += 1
    try:
        with _watched():
            is_accepted = harness.read(case)
    except reader.refusals as refusal:
        text = str(refusal)
        _check_reason(reader, case, text, number=number)
        is_accepted = False
    except (Exception, HangError) as error:  # noqa: BLE001  (any of them is what is looked for)
        _fail(reader, case, number, why=f"{type(error).__name__}: {error}", cause=error)
    count.accepted += is_accepted
    count.refused += not is_accepted


def _check_reason(reader: Reader, case: object, text: str, *, number: int) -> None:
    """A refusal is a reason in words: one line that a terminal may print, and not too long."""
    if not text.strip():
        _fail(reader, case, number, why="refused without a reason")
    if len(text) > _SHOWN_MAX:
        _fail(reader, case, number, why=f"a reason of {len(text)} characters")
    if "\x1b" in text or "\x00" in text:
        _fail(reader, case, number, why="a reason with control characters")


def _fail(
    reader: Reader, case: object, number: int, *, why: str, cause: BaseException | None = None
) -> NoReturn:
    shown = repr(case)
    if len(shown) > _SHOWN_MAX:
        shown = f"{shown[:_SHOWN_MAX]}… ({len(shown)} characters)"
    raise AssertionError(
        f"{reader.name}, case {number}: {why}\n"
        f"repeat: SPARK_FUZZ_SEED={seed()} SPARK_FUZZ_CASES={cases_in_all()} "
        f"python -m pytest tests/fuzz -k {reader.name}\ncase: {shown}"
    ) from cause


@contextmanager
def _watched() -> Iterator[None]:
    signal.setitimer(signal.ITIMER_PROF, _CASE_CPU_S_MAX)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def _hung(number: int, frame: FrameType | None) -> NoReturn:
    raise HangError(f"more than {_CASE_CPU_S_MAX:.0f} s of processor time")


@contextmanager
def watching() -> Iterator[None]:
    """Let the watch end a case that hangs, while the body runs."""
    before = signal.signal(signal.SIGPROF, _hung)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


class _Growth:
    """What a reader's second half of cases left behind."""

    def __init__(self) -> None:
        self._blocks = 0
        self._rss = 0

    def begin(self) -> None:
        gc.collect()
        self._blocks, self._rss = sys.getallocatedblocks(), _rss_bytes()

    def check(self, name: str, cases: int) -> None:
        if not self._blocks:
            return
        gc.collect()
        blocks, rss = sys.getallocatedblocks() - self._blocks, _rss_bytes() - self._rss
        assert blocks <= _BLOCKS_SLACK + cases // 10, f"{name} kept {blocks} objects more"
        assert rss <= _RSS_SLACK_BYTES, f"{name} grew by {rss >> 20} MiB"


def _rss_bytes() -> int:
    try:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
    except OSError:
        return 0
