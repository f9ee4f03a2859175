"""
How a feed's streams are: their ages as metrics, their gaps told, the dead one found.
"""

from typing import Final

from spark.clock import Clock
from spark.log import logger
from spark.metrics import Metrics, at_scrape
from spark.names import Venue
from spark.producers.feed_lanes import KINDS, Lanes, Stream
from spark.producers.feed_watch import Freshness, Watchdog, freshness

_NS_PER_S: Final = 1e9


class Health:
    """One feed's."""

    def __init__(
        self, venue: Venue, lanes: Lanes, watchdog: Watchdog, *, clock: Clock, metrics: Metrics
    ) -> None:
        self._venue = venue
        self._lanes = lanes
        self._watchdog = watchdog
        self._clock = clock
        self._metrics = metrics
        self._began_ns = clock.wall_ns()
        self._classes = dict.fromkeys(KINDS, Freshness.PRIME)

    def expose(self) -> None:
        """Let the ages be computed when they are read: silence must show."""
        for kind in KINDS:

            def age_s(kind: str = kind) -> float:
                return self.staleness_s(kind)

            at_scrape(self._metrics.ws_staleness, age_s, self._venue, kind)

    def staleness_s(self, kind: str) -> float:
        """Give the age of a kind's last row, whatever its symbol; since the start without one."""
        self._lanes.note()
        heard = (at_ns for stream, at_ns in self._lanes.heard.items() if stream.kind == kind)
        newest_ns = max(heard, default=self._began_ns)
        return max(0, self._clock.wall_ns() - newest_ns) / _NS_PER_S

    def begin(self, now_ns: int) -> None:
        """Begin with a new connection."""
        self._watchdog.begin(now_ns)

    def look(self, *, is_listening: bool) -> Stream | None:
        """
        Tell what is new.

        Args:
            is_listening: whether the connection is open and read.

        Returns: a stream that says nothing while its connection does.

        """
        for gap in self._lanes.take_gaps():
            self._metrics.feed_gaps.labels(self._venue, gap.kind, gap.cause).inc()
            logger().info("feed_gapped", symbol=gap.symbol, kind=gap.kind, cause=gap.cause)
        for kind, before in self._classes.items():
            found = self._classes[kind] = freshness(self.staleness_s(kind))
            if found is not before:
                logger().warning("stream_freshness", stream=kind, now=found, before=before)
        if not is_listening:
            return None
        return self._watchdog.mute(self._lanes.heard, self._clock.wall_ns())
