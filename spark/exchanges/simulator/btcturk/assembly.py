"""
Wires the BTCTurk simulator.
"""

import contextlib
from dataclasses import dataclass
from functools import partial
from typing import Final

from spark.clock import SystemClock
from spark.errors import SettingError
from spark.exchanges.simulator import accounts, market
from spark.exchanges.simulator.btcturk import catalogue, private, public
from spark.exchanges.simulator.btcturk.api import Api, Parts
from spark.exchanges.simulator.btcturk.cancels import Cancels
from spark.exchanges.simulator.btcturk.credentials import Stamps, secret_bytes
from spark.exchanges.simulator.btcturk.funds import Funds
from spark.exchanges.simulator.btcturk.habits import Habits
from spark.exchanges.simulator.btcturk.limits import Limits
from spark.exchanges.simulator.btcturk.rest import Rest
from spark.exchanges.simulator.btcturk.streams import Streams
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.btcturk.tape import Tape
from spark.exchanges.simulator.btcturk.tariff import OfTheQuote
from spark.exchanges.simulator.btcturk.users import Users
from spark.exchanges.simulator.clock import VenueClock
from spark.exchanges.simulator.faults import Faults
from spark.exchanges.simulator.front import Activity, Front
from spark.exchanges.simulator.habits import read_habits
from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.options import Options
from spark.exchanges.simulator.restore import restore
from spark.exchanges.simulator.venue import Venue

PLACE_ROUTE: Final = "POST /api/v1/order"


@dataclass(frozen=True, slots=True)
class Desk:
    """What judges may ask of the sockets; nothing is replayed here."""

    streams: Streams

    def apply_faults(self) -> None:
        """Apply armed faults of sockets to those open now."""
        self.streams.apply_faults()

    def heal(self) -> None:
        """Let sockets speak again that a fault muted."""
        self.streams.heal()

    def replay_status(self) -> dict[str, object]:
        """Tell that there are no recordings."""
        return {"done": False, "sent": {}, "recordings": []}


def assemble(options: Options, stack: contextlib.AsyncExitStack) -> Front:
    """
    Wire one simulator.

    Args:
        options: what it is started with.
        stack: is given what has to be closed.

    Raises:
        SettingError: an option cannot be met.
    """
    if options.replay:
        raise SettingError("replay: only Binance has recordings that can be played")
    clock, habits = VenueClock(SystemClock()), read_habits(Habits, options.habits)
    symbols = options.symbols or catalogue.DEFAULT_SYMBOLS
    rules = catalogue.choose(symbols)
    known = accounts.load(options.keys_file, secret_bytes=secret_bytes)
    ledger = Ledger(options.ledger_file)
    stack.callback(ledger.close)
    venue = Venue(
        [one.pair for one in rules.values()],
        clock=clock,
        tariff=OfTheQuote(),
        is_client_id_unique=False,
    )
    restore(venue, known, ledger)
    parts = _parts(
        venue, rules, habits, accounts=known, ledger=ledger, is_limited=options.is_limited
    )
    stack.callback(parts.cancels.close)
    faults = Faults()
    streams = Streams(parts, faults)
    users = Users(streams, rules, habits)
    venue.order_listeners += [ledger, parts.funds, users]
    venue.funds_listeners += [ledger, users]
    venue.market_listeners += [parts.tape, streams]
    participants = [
        market.Participant(venue, one.character, options.seed) for one in rules.values()
    ]
    activities: dict[str, Activity] = {"books": streams.run}
    if options.market_steps_per_s > 0:
        activities["market"] = partial(
            market.run, participants, ledger, steps_per_s=options.market_steps_per_s
        )
    return Front(
        venue=venue,
        accounts=known,
        ledger=ledger,
        clock=clock,
        faults=faults,
        symbols=symbols,
        place_route=PLACE_ROUTE,
        handler=Rest(Api(parts, {**public.ROUTES, **private.ROUTES}), faults, streams),
        desk=Desk(streams),
        activities=activities,
        close=streams.close,
    )


def _parts(
    venue: Venue,
    rules: dict[str, Rules],
    habits: Habits,
    *,
    accounts: accounts.Accounts,
    ledger: Ledger,
    is_limited: bool,
) -> Parts:
    return Parts(
        venue=venue,
        accounts=accounts,
        rules=rules,
        limits=Limits(is_enforced=is_limited),
        ledger=ledger,
        stamps=Stamps(is_strict=habits.is_stamp_strict),
        tape=Tape({one.symbol: one.start_price for one in rules.values()}),
        funds=Funds(venue.clearing, lag_ms=habits.fill_lag_ms),
        cancels=Cancels(venue, ledger, after_ms=habits.cancel_ms),
        habits=habits,
    )
