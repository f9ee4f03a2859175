"""
What every venue's wiring hands to the server: the venue, its wire, and what runs beside.
"""

from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass

from aiohttp import web

from spark.exchanges.simulator.accounts import Accounts
from spark.exchanges.simulator.admin import Desk
from spark.exchanges.simulator.clock import VenueClock
from spark.exchanges.simulator.faults import Faults
from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.venue import Venue

#: Something that runs beside the wire, for ever or to its end.
Activity = Callable[[], Coroutine[None, None, None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Front:
    """One venue, wired, before anything listens."""

    venue: Venue
    accounts: Accounts
    ledger: Ledger
    clock: VenueClock
    faults: Faults
    #: On offer.
    symbols: tuple[str, ...]
    #: The request that a fault hits unless it says otherwise.
    place_route: str
    #: Serves every connection to the venue's port.
    handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    desk: Desk
    activities: dict[str, Activity]
    #: Says goodbye to the open sockets.
    close: Callable[[], Coroutine[None, None, None]]
