"""
Public questions to an exchange: what is the same whichever it is.
"""

from collections.abc import Callable
from typing import Final, TypeVar

from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.exchanges.http import HttpLink
from spark.exchanges.port import ClockReading

_T = TypeVar("_T")
_NS_PER_MS: Final = 1_000_000


def usable(what: str, read: Callable[[], _T]) -> _T:
    """
    Read a body.

    Args:
        what: whose it is and what it should be, for the error.

    Raises:
        VenueUnavailable: it is something else.

    """
    try:
        return read()
    except WireError as error:
        raise VenueUnavailable(f"{what}: {error}") from None


async def compare_clocks(
    link: HttpLink, path: str, clock: Clock, *, read: Callable[[bytes], int]
) -> ClockReading:
    """
    Compare clocks: the reply's time belongs to the middle of the round trip.

    Args:
        read: takes the reply, gives the exchange's time in ms since 1970.

    Raises:
        VenueUnavailable: no usable answer.

    """
    before_ns = clock.wall_ns()
    body = await link.get(path)
    after_ns = clock.wall_ns()
    exchange_ns = usable(f"{link.venue}'s time", lambda: read(body)) * _NS_PER_MS
    half_ns = (after_ns - before_ns) // 2
    return ClockReading(
        offset_ns=exchange_ns - (before_ns + half_ns),
        # The reply counts whole milliseconds.
        uncertainty_ns=half_ns + _NS_PER_MS,
    )
