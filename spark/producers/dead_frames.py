"""
Frames that cannot be used, as letters with the reason and the bytes.
"""

from typing import Final

from spark.bus.port import Outgoing, Partition
from spark.metrics import Metrics
from spark.names import Reason, Role, Venue
from spark.worker.contract import Fault
from spark.worker.quarantine import Quarantine

#: Of a frame, so many bytes go with its letter.
_BYTES_MAX: Final = 64 * 1024


class DeadFrames:
    """Letters of one feed that wait for the next produce."""

    def __init__(self, role: Role, venue: Venue, metrics: Metrics) -> None:
        self._quarantine = Quarantine(role)
        #: Where letters say that frames come from; no topic can be called so.
        self._place = Partition(f"{venue} stream", 0)
        self._metrics = metrics
        self._waiting: list[Outgoing] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    def bury(self, number: int, frame: bytes, *, detail: str, now_ns: int) -> None:
        """Write the letter of the frame with that number, unless there were too many."""
        fault = Fault(reason=Reason.MALFORMED, detail=detail)
        self._metrics.dead_letters.labels(fault.reason).inc()
        letter = self._quarantine.letter(self._place, number, frame, fault=fault, now_ns=now_ns)
        if letter is None:
            self._metrics.dead_letters_muted.inc()
            return
        # No topic holds the bytes of a frame, so they go with the letter.
        self._waiting.append(letter._replace(headers=(("frame", frame[:_BYTES_MAX]),)))

    def take(self) -> list[Outgoing]:
        """Hand over the letters that wait."""
        taken, self._waiting = self._waiting, []
        return taken
