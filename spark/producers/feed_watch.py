"""
Which stream of an open connection is dead, and how fresh each is (spec C5). Pure.

A connection may live and answer pings while one of its streams says nothing more. Best
prices and the book of a symbol change all the time, so each is watched alone; trades may
well keep away from one symbol, so they are watched together. A stream that is merely
quiet is replaced for nothing, once: each time in a row it gets twice as long.
"""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final

from spark.producers.feed_lanes import TRADES, Stream

#: Ages below which a stream is prime, and degraded, seconds.
PRIME_S_MAX: Final = 30.0
DEGRADED_S_MAX: Final = 120.0
#: However often it was quiet, a stream is not left alone for longer.
_PATIENCE_NS_MAX: Final = 3_600_000_000_000


class Freshness(StrEnum):
    """What an age means."""

    PRIME = "prime"
    DEGRADED = "degraded"
    STALE = "stale"


def freshness(age_s: float) -> Freshness:
    """Give the class of an age."""
    if age_s < PRIME_S_MAX:
        return Freshness.PRIME
    return Freshness.DEGRADED if age_s < DEGRADED_S_MAX else Freshness.STALE


class Watchdog:
    """
    Watches the streams of one connection at a time.

    Args:
        limit_ns: silence after which a stream is taken for dead.

    """

    def __init__(self, streams: Sequence[Stream], *, limit_ns: int) -> None:
        self._watched = dict.fromkeys(map(_together, streams), limit_ns)
        self._limit_ns = limit_ns
        self._began_ns = 0

    def begin(self, now_ns: int) -> None:
        """Begin with a new connection."""
        self._began_ns = now_ns

    def mute(self, heard: Mapping[Stream, int], now_ns: int) -> Stream | None:
        """
        Find a stream that is to be replaced with its connection.

        Args:
            heard: stream -> when it said something last.
            now_ns: by the same clock.

        """
        newest: dict[Stream, int] = {}
        for stream, heard_ns in heard.items():
            watched = _together(stream)
            newest[watched] = max(newest.get(watched, 0), heard_ns)
        for watched, patience_ns in self._watched.items():
            heard_ns = newest.get(watched, 0)
            wait_ns = self._limit_ns if heard_ns > self._began_ns else patience_ns
            is_dead = now_ns - max(heard_ns, self._began_ns) > wait_ns
            self._watched[watched] = min(2 * wait_ns, _PATIENCE_NS_MAX) if is_dead else wait_ns
            if is_dead:
                return watched
        return None


def _together(stream: Stream) -> Stream:
    return Stream(TRADES, b"") if stream.kind == TRADES else stream
