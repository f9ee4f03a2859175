"""
Where the gateway hears that the guardrail lives: its tagged pulses, read as they come (S9).

They stand among everybody's on `control.pulse`. Whoever may write there may copy one: the
tag tells whose it is, its number that it is heard once.
"""

from collections.abc import Sequence
from typing import Final

from spark.bus.port import Bus, Pace, Partition, Record
from spark.clock import Clock
from spark.codec import decode_as, type_name
from spark.errors import MalformedError, TagError
from spark.events import ProcessPulsed
from spark.ledger.lease import Lease
from spark.metrics import Metrics
from spark.names import TAG_PREFIX, Role
from spark.signing import TagChecker
from spark.topics import CONTROL_PULSE
from spark.worker.resume import place_of
from spark.worker.sides import follow
from spark.worker.spans import read_through

_PULSES: Final = Partition(CONTROL_PULSE, 0)
_HEADER: Final = TAG_PREFIX + Role.GATEWAY
_TYPE: Final = type_name(ProcessPulsed)
#: Far more than all processes say while a pulse is good.
_TAIL_RECORDS: Final = 300


class LeaseEar:
    """
    Hands the guardrail's pulses to the leases of a gateway's accounts.

    Args:
        checker: verifies the guardrail's tags and nobody else's.

    """

    def __init__(self, checker: TagChecker, *, clock: Clock, metrics: Metrics) -> None:
        self._checker = checker
        self._clock = clock
        self._metrics = metrics
        self._leases: Sequence[Lease] = ()
        self._positions: dict[Partition, int] = {}

    async def open(self, bus: Bus, leases: Sequence[Lease]) -> None:
        """Hear what was said lately, so that the first order need not wait for a pulse."""
        self._leases = leases
        starts, ends = await bus.starts([_PULSES]), await bus.ends([_PULSES])
        end = ends[_PULSES]
        first = max(starts[_PULSES], end - _TAIL_RECORDS)
        await read_through(bus, {_PULSES: (first, end)}, self.take)
        self._positions = ends

    async def follow(self, bus: Bus) -> None:
        """Hear what comes; runs until cancelled."""
        # HOT costs no more than SIDE here, where so little comes so regularly; and a guardrail
        # that is back is heard before the first order that it approves.
        await follow(bus, self._positions, self.take, partitions=[_PULSES], pace=Pace.HOT)

    def take(self, record: Record) -> None:
        """Take one record of `control.pulse`; most are not for us."""
        if all(name != _HEADER for name, _ in record.headers):
            return
        body = record.value or b""
        try:
            self._checker.writer_of(CONTROL_PULSE, _TYPE, body, headers=record.headers)
            pulse = decode_as(ProcessPulsed, body)
        except (TagError, MalformedError):
            self._metrics.lease_refused.inc()
            return
        at_ns = place_of(record).appended_ns
        wall_ns, monotonic_ns = self._clock.wall_ns(), self._clock.monotonic_ns()
        heard = [
            lease.hear(pulse, at_ns, wall_ns=wall_ns, monotonic_ns=monotonic_ns)
            for lease in self._leases
        ]
        if not any(heard):
            self._metrics.lease_refused.inc()
