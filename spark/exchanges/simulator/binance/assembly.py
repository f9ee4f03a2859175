"""
Wires the Binance spot simulator.
"""

import contextlib
from functools import partial

from spark.clock import SystemClock
from spark.exchanges.simulator import accounts, market
from spark.exchanges.simulator.binance import catalogue, private, public, replay
from spark.exchanges.simulator.binance.api import Api
from spark.exchanges.simulator.binance.habits import Habits
from spark.exchanges.simulator.binance.limits import Limits
from spark.exchanges.simulator.binance.rest import Rest
from spark.exchanges.simulator.binance.streams import Streams
from spark.exchanges.simulator.binance.user_streams import UserStreams
from spark.exchanges.simulator.binance.ws_api import WsApi
from spark.exchanges.simulator.clock import VenueClock
from spark.exchanges.simulator.faults import DEFAULT_ROUTE, Faults
from spark.exchanges.simulator.front import Activity, Front
from spark.exchanges.simulator.habits import read_habits
from spark.exchanges.simulator.ledger import Ledger
from spark.exchanges.simulator.options import Options
from spark.exchanges.simulator.restore import restore
from spark.exchanges.simulator.venue import Venue


def assemble(options: Options, stack: contextlib.AsyncExitStack) -> Front:
    """
    Wire one simulator; the stack is given what has to be closed.

    Raises:
        SettingError: an option cannot be met.

    """
    clock = VenueClock(SystemClock())
    symbols = options.symbols or catalogue.DEFAULT_SYMBOLS
    rules = catalogue.choose(symbols, is_limited=options.is_limited)
    recordings = [replay.open_recording(path) for path in options.replay]
    known = accounts.load(options.keys_file)
    ledger = Ledger(options.ledger_file)
    stack.callback(ledger.close)
    venue = Venue([one.pair for one in rules.values()], clock=clock)
    restore(venue, known, ledger)
    limits = Limits(is_enforced=options.is_limited)
    venue.order_listeners += [ledger, limits]
    venue.funds_listeners += [ledger]
    api = Api(
        venue,
        accounts=known,
        rules=rules,
        limits=limits,
        ledger=ledger,
        routes={**public.ROUTES, **private.ROUTES},
        habits=read_habits(Habits, options.habits),
    )
    for recording in recordings:
        replay.take_over(recording, api)
    recorded = {recording.symbol for recording in recordings}
    participants = [
        market.Participant(venue, one.character, options.seed)
        for one in rules.values()
        if one.symbol not in recorded
    ]
    faults = Faults()
    streams = Streams(venue, faults, recorded=recorded, is_limited=options.is_limited)
    venue.market_listeners.append(streams)
    private_sockets = _private_sockets(api, faults)
    activities: dict[str, Activity] = {"depth": streams.run}
    if options.market_steps_per_s > 0 and participants:
        pace = options.market_steps_per_s
        activities["market"] = partial(market.run, participants, ledger, steps_per_s=pace)
    for number, one in enumerate(recordings, start=1):
        activities[f"replay {number}"] = partial(replay.play, one, streams, speed=options.speed)
    return Front(
        venue=venue,
        accounts=known,
        ledger=ledger,
        clock=clock,
        faults=faults,
        symbols=symbols,
        place_route=DEFAULT_ROUTE,
        handler=Rest(api, faults, streams=streams, ws_api=private_sockets),
        desk=replay.Desk(streams, private_sockets, recordings),
        activities=activities,
        close=partial(_close, streams, private_sockets),
    )


def _private_sockets(api: Api, faults: Faults) -> WsApi:
    streams = UserStreams(api.venue)
    api.venue.order_listeners.append(streams)
    api.venue.funds_listeners.append(streams)
    api.on_rejected = streams.rejected
    return WsApi(api, streams, faults)


async def _close(streams: Streams, private_sockets: WsApi) -> None:
    await streams.close()
    await private_sockets.close()
