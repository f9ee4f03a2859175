"""
Faults on demand: each is armed for a number of requests and used up in order.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spark.errors import RefusedError

ARMED_MAX: Final = 1_000
COUNT_MAX: Final = 1_000_000
MS_MAX: Final = 600_000
#: The request that a fault hits unless it says otherwise.
DEFAULT_ROUTE: Final = "POST /api/v3/order"
#: Hits every request.
ANY_ROUTE: Final = "*"


class FaultKind(StrEnum):
    """What goes wrong."""

    #: Wait, then check and execute, as on a slow way in.
    DELAY_BEFORE = "delay_before"
    #: Execute, then wait with the reply.
    DELAY_AFTER = "delay_after"
    #: Close the connection without executing or replying.
    DROP_REQUEST = "drop_request"
    #: Execute, then close the connection without a reply.
    DROP_REPLY = "drop_reply"
    #: Answer 5xx without executing.
    ERROR_5XX_BEFORE = "error_5xx_before"
    #: Execute, then answer 5xx.
    ERROR_5XX_AFTER = "error_5xx_after"
    #: Execute, then answer bytes that are not JSON.
    GARBLE = "garble"
    #: Execute, then send half of the reply and close.
    TRUNCATE = "truncate"
    #: Answer 429 without executing; `ms` becomes `Retry-After`.
    REJECT_429 = "reject_429"
    #: Leave market sockets open but silent for `ms`, for ever when 0.
    MUTE_SOCKET = "mute_socket"
    #: Cut market sockets without a close frame.
    DISCONNECT = "disconnect"


#: Faults of market sockets; all others are faults of requests.
STREAM_FAULTS: Final = frozenset({FaultKind.MUTE_SOCKET, FaultKind.DISCONNECT})
#: Request faults after which the request has not been executed.
NOT_EXECUTED: Final = frozenset(
    {FaultKind.DROP_REQUEST, FaultKind.ERROR_5XX_BEFORE, FaultKind.REJECT_429}
)


@dataclass(slots=True)
class Fault:
    """One armed fault."""

    kind: FaultKind
    #: How many more requests it hits.
    count: int = 1
    ms: int = 0
    #: `METHOD /path`, or `*`.
    route: str = DEFAULT_ROUTE

    def as_json(self) -> dict[str, object]:
        """Return the fault as the judges' port shows it."""
        return {"kind": self.kind, "count": self.count, "ms": self.ms, "route": self.route}


def parse(body: object) -> Fault:
    """
    Read a fault from a judge's JSON.

    Raises:
        RefusedError: not an object of kind, count, ms and route, or out of range.
    """
    if not isinstance(body, dict) or set(body) - {"kind", "count", "ms", "route"}:
        raise RefusedError("a fault is an object of kind, count, ms and route")
    kind = body.get("kind")
    if not isinstance(kind, str) or kind not in set(FaultKind):
        raise RefusedError(f"kind is one of {', '.join(FaultKind)}")
    route = body.get("route", DEFAULT_ROUTE)
    if not isinstance(route, str):
        raise RefusedError("route is `METHOD /path` or `*`")
    return Fault(
        kind=FaultKind(kind),
        count=_within(body.get("count", 1), "count", low=1, high=COUNT_MAX),
        ms=_within(body.get("ms", 0), "ms", low=0, high=MS_MAX),
        route=route,
    )


def _within(value: object, name: str, *, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RefusedError(f"{name} is a whole number from {low} to {high}")
    return value


class Faults:
    """The armed faults, first armed first used."""

    def __init__(self) -> None:
        self.armed: list[Fault] = []

    def arm(self, fault: Fault) -> None:
        """
        Arm a fault.

        Raises:
            RefusedError: too many are armed.
        """
        if len(self.armed) >= ARMED_MAX:
            raise RefusedError(f"at most {ARMED_MAX} faults are armed at a time")
        self.armed.append(fault)

    def clear(self) -> int:
        """Disarm everything; return how many were armed."""
        count = len(self.armed)
        self.armed.clear()
        return count

    def take(self, route: str) -> Fault | None:
        """Use up one hit of the first fault armed for `route`, if there is one."""
        if not self.armed:
            return None
        for fault in self.armed:
            if fault.kind not in STREAM_FAULTS and fault.route in (route, ANY_ROUTE):
                return self._use(fault)
        return None

    def take_stream(self) -> Fault | None:
        """Use up one hit of the first fault armed for market sockets."""
        for fault in self.armed:
            if fault.kind in STREAM_FAULTS:
                return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Fault:
        fault.count -= 1
        if fault.count == 0:
            self.armed.remove(fault)
        return fault
