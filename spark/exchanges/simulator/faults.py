"""
Faults on demand: each is armed for a number of hits, or for a time, and used up in order.

A venue's layers ask three questions: `take` for each request, `take_socket` for each
open socket when faults are armed and when a socket comes, and a `Line` for each message
on its way to a socket. What they do about a hit is written beside each kind.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Generic, NamedTuple, TypeVar

from spark.errors import RefusedError

ARMED_MAX: Final = 1_000
COUNT_MAX: Final = 1_000_000
MS_MAX: Final = 600_000
#: The request that a fault hits unless it says otherwise.
DEFAULT_ROUTE: Final = "POST /api/v3/order"
#: Hits every request, or every socket.
ANY_ROUTE: Final = "*"
_NS_PER_MS: Final = 1_000_000
_TOO_MANY: Final = 429
_BANNED: Final = 418

M = TypeVar("M")


class Channel(StrEnum):
    """What a socket carries; the route of a fault of sockets or their messages."""

    MARKET = "market"
    #: An account's own stream, or the logged-in part of a socket that carries both.
    PRIVATE = "private"


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
    #: Execute, then send the reply a byte at a time, `ms` apart.
    SLOW_LORIS = "slow_loris"
    #: Answer 429 without executing; `ms` becomes `Retry-After`.
    REJECT_429 = "reject_429"
    #: For `ms`, answer 429 without executing, with what is left of it as `Retry-After`;
    #: who still asks after `count` of them gets 418.
    STORM_429 = "storm_429"
    #: Answer as to a stamp that the venue does not take, without executing.
    INVALID_NONCE = "invalid_nonce"
    #: Answer 503 as in maintenance, for `ms`, or for `count` requests when 0.
    MAINTENANCE = "maintenance"
    #: Leave sockets open but silent for `ms`, for ever when 0.
    MUTE_SOCKET = "mute_socket"
    #: Cut sockets without a close frame.
    DISCONNECT = "disconnect"
    #: Send a message twice.
    DUPLICATE_MESSAGE = "duplicate_message"
    #: Send a message after the next one.
    REORDER_MESSAGES = "reorder_messages"
    #: Leave a message out.
    DROP_MESSAGE = "drop_message"
    #: Leave a difference of a book out, so that its numbers have a gap.
    SEQUENCE_GAP = "sequence_gap"


#: Faults of whole sockets.
SOCKET_FAULTS: Final = frozenset({FaultKind.MUTE_SOCKET, FaultKind.DISCONNECT})
#: Faults of single messages on a socket.
MESSAGE_FAULTS: Final = frozenset(
    {
        FaultKind.DUPLICATE_MESSAGE,
        FaultKind.REORDER_MESSAGES,
        FaultKind.DROP_MESSAGE,
        FaultKind.SEQUENCE_GAP,
    }
)
STREAM_FAULTS: Final = SOCKET_FAULTS | MESSAGE_FAULTS
REQUEST_FAULTS: Final = frozenset(FaultKind) - STREAM_FAULTS
#: Request faults after which the request has not been executed.
NOT_EXECUTED: Final = frozenset(
    {
        FaultKind.DROP_REQUEST,
        FaultKind.ERROR_5XX_BEFORE,
        FaultKind.REJECT_429,
        FaultKind.STORM_429,
        FaultKind.INVALID_NONCE,
        FaultKind.MAINTENANCE,
    }
)
#: Faults of the whole venue: they hit every request unless they name one.
_OF_THE_VENUE: Final = frozenset({FaultKind.STORM_429, FaultKind.MAINTENANCE})


class Hit(NamedTuple):
    """What a request, a socket or a message is in for."""

    kind: FaultKind
    #: As armed; of a storm what is left of it.
    ms: int
    #: 429 or 418 where the fault is a rate limit, else 0.
    status: int = 0

    @property
    def retry_after_s(self) -> int:
        """Whole seconds, for `Retry-After`."""
        return max(1, -(-self.ms // 1_000))


@dataclass(slots=True)
class Fault:
    """One armed fault."""

    kind: FaultKind
    #: How many more hits it has.
    count: int = 1
    ms: int = 0
    #: `METHOD /path`, a channel for a fault of sockets, or `*`.
    route: str = DEFAULT_ROUTE
    #: Where it lasts for a time; 0 where it lasts for its count.
    until_ns: int = 0

    def as_json(self) -> dict[str, object]:
        """Return the fault as the judges' port shows it."""
        return {"kind": self.kind, "count": self.count, "ms": self.ms, "route": self.route}

    def fits(self, where: str) -> bool:
        """Tell whether it hits this route or channel."""
        return self.route in (where, ANY_ROUTE)


def parse(body: object, *, place_route: str = DEFAULT_ROUTE) -> Fault:
    """
    Read a fault from a judge's JSON.

    Args:
        body: decoded.
        place_route: of the venue; what a fault of requests hits unless it says otherwise.

    Raises:
        RefusedError: not an object of kind, count, ms and route, or out of range.

    """
    if not isinstance(body, dict) or set(body) - {"kind", "count", "ms", "route"}:
        raise RefusedError("a fault is an object of kind, count, ms and route")
    word = body.get("kind")
    if not isinstance(word, str) or word not in set(FaultKind):
        raise RefusedError(f"kind is one of {', '.join(FaultKind)}")
    kind = FaultKind(word)
    least_ms = 1 if kind is FaultKind.STORM_429 else 0
    return Fault(
        kind=kind,
        count=_within(body.get("count", 1), "count", low=1, high=COUNT_MAX),
        ms=_within(body.get("ms", 0), "ms", low=least_ms, high=MS_MAX),
        route=_route(kind, body.get("route"), place_route),
    )


def _route(kind: FaultKind, given: object, place_route: str) -> str:
    channels = (*Channel, ANY_ROUTE)
    if given is None:
        if kind in STREAM_FAULTS:
            return Channel.MARKET
        return ANY_ROUTE if kind in _OF_THE_VENUE else place_route
    if not isinstance(given, str):
        raise RefusedError(f"route is `METHOD /path`, or of a stream's fault {', '.join(channels)}")
    if kind in STREAM_FAULTS and given not in channels:
        raise RefusedError(f"the route of a stream's fault is one of {', '.join(channels)}")
    return given


def _within(value: object, name: str, *, low: int, high: int) -> int:
    if type(value) is not int or not low <= value <= high:
        raise RefusedError(f"{name} is a whole number from {low} to {high}")
    return value


class Faults:
    """The armed faults, first armed first used."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._armed: list[Fault] = []
        self._now_ns = now_ns

    @property
    def armed(self) -> list[Fault]:
        """Give what is armed; what lasted for a time that is over is not."""
        if self._armed and any(fault.until_ns for fault in self._armed):
            now_ns = self._now_ns()
            self._armed = [one for one in self._armed if not 0 < one.until_ns <= now_ns]
        return self._armed

    def arm(self, fault: Fault) -> None:
        """
        Arm a fault; one that lasts for a time lasts from now on.

        Raises:
            RefusedError: too many are armed.

        """
        if len(self.armed) >= ARMED_MAX:
            raise RefusedError(f"at most {ARMED_MAX} faults are armed at a time")
        if fault.kind in _OF_THE_VENUE and fault.ms:
            fault.until_ns = self._now_ns() + fault.ms * _NS_PER_MS
        self._armed.append(fault)

    def clear(self) -> int:
        """Disarm everything; return how many were armed."""
        count = len(self.armed)
        self._armed.clear()
        return count

    def take(self, route: str, *, only: frozenset[FaultKind] = REQUEST_FAULTS) -> Hit | None:
        """
        Use up one hit of the first fault armed for requests of `route`, if there is one.

        Args:
            route: `METHOD /path`.
            only: the kinds that can be done to it.

        """
        if not self._armed:
            return None
        for fault in self.armed:
            if fault.kind in only and fault.fits(route):
                return self._use(fault)
        return None

    def take_socket(self, channel: Channel) -> Hit | None:
        """Use up one hit of the first fault armed for sockets of `channel`, if there is one."""
        for fault in self._armed:
            if fault.kind in SOCKET_FAULTS and fault.fits(channel):
                return self._use(fault)
        return None

    def take_message(self, channel: Channel, *, is_sequenced: bool) -> FaultKind | None:
        """Use up one hit of the first fault armed for messages of `channel`, if there is one."""
        for fault in self._armed:
            is_meant = is_sequenced or fault.kind is not FaultKind.SEQUENCE_GAP
            if fault.kind in MESSAGE_FAULTS and is_meant and fault.fits(channel):
                return self._use(fault).kind
        return None

    def _use(self, fault: Fault) -> Hit:
        fault.count -= 1
        if not fault.until_ns:
            if fault.count == 0:
                self._armed.remove(fault)
            status = _TOO_MANY if fault.kind is FaultKind.REJECT_429 else 0
            return Hit(fault.kind, fault.ms, status)
        left_ms = max(1, -(-(fault.until_ns - self._now_ns()) // _NS_PER_MS))
        is_limit = fault.kind is FaultKind.STORM_429
        gone_on = _BANNED if fault.count < 0 else _TOO_MANY
        return Hit(fault.kind, left_ms, gone_on if is_limit else 0)


class Line(Generic[M]):
    """One socket's messages of one channel, on their way out through the armed faults."""

    def __init__(self, faults: Faults, channel: Channel) -> None:
        self._faults = faults
        self._channel = channel
        #: Waits for its successor.
        self._held: list[M] = []

    def pass_on(self, message: M, *, is_sequenced: bool = False) -> list[M]:
        """
        Give what goes out in place of a message.

        Args:
            message: the next one.
            is_sequenced: whether it is a difference of a book.

        """
        if not self._held and not self._faults.armed:
            return [message]
        if self._held:
            held, self._held = self._held, []
            return [message, *held]
        match self._faults.take_message(self._channel, is_sequenced=is_sequenced):
            case FaultKind.DUPLICATE_MESSAGE:
                return [message, message]
            case FaultKind.REORDER_MESSAGES:
                self._held.append(message)
                return []
            case FaultKind.DROP_MESSAGE | FaultKind.SEQUENCE_GAP:
                return []
        return [message]
