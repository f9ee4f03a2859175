"""
The simulator process: one venue behind two loopback ports.

Reads   the keys file, recorded frames
Writes  the ready file, the ledger file
Owns    the venue's port and the judges' port
Fails   at start, in one line; it binds nothing but loopback

Started on the ledger file of an earlier run, the venue goes on where that one
stopped: its orders, fills and balances are what a real exchange would still have.
"""

import asyncio
import contextlib
import gc
import ipaddress
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
import uvloop
from aiohttp import web

from spark import names
from spark.errors import SettingError
from spark.exchanges.simulator import handover
from spark.exchanges.simulator.admin import Admin
from spark.exchanges.simulator.binance import assembly as binance
from spark.exchanges.simulator.btcturk import assembly as btcturk
from spark.exchanges.simulator.front import Front
from spark.exchanges.simulator.options import Options
from spark.exchanges.simulator.venue import Venue
from spark.quoting import shown
from spark.worker.listener import listening

__all__ = ["VENUES", "Options", "Running", "running", "serve"]

#: What open connections get to finish once the process is told to stop.
STOP_S_MAX: Final = 0.3
#: Young objects are collected as ever, the oldest generation practically never.
_GC_THRESHOLDS: Final = (5_000, 2, 1_000_000)
_ASSEMBLE: Final[Mapping[names.Venue, Callable[[Options, contextlib.AsyncExitStack], Front]]] = {
    names.Venue.BINANCE: binance.assemble,
    names.Venue.BTCTURK: btcturk.assemble,
}
#: Exchanges that there is a simulator of.
VENUES: Final = tuple(_ASSEMBLE)


def serve(options: Options) -> int:
    """
    Run a simulator until SIGTERM or SIGINT; one line on stdout says where it listens.

    Returns:
        The process's exit code.
    """
    try:
        return uvloop.run(_serve(options))
    except SettingError as error:
        sys.stderr.write(f"simulator: {error}\n")
        return error.exit_code


@dataclass(frozen=True, slots=True)
class Running:
    """A running simulator: where it listens, and what runs beside it."""

    host: str
    port: int
    admin_port: int
    admin_token: str
    venue: Venue
    #: On offer.
    symbols: tuple[str, ...]
    #: Side tasks; one that raises ends the process.
    tasks: tuple[asyncio.Task[None], ...]

    @property
    def url(self) -> str:
        """Base of the REST paths."""
        return f"http://{_bracketed(self.host)}:{self.port}"

    @property
    def stream_url(self) -> str:
        """Base of the market streams."""
        return f"ws://{_bracketed(self.host)}:{self.port}"

    @property
    def admin_url(self) -> str:
        """Base of the judges' paths."""
        return f"http://{_bracketed(self.host)}:{self.admin_port}"


async def _serve(options: Options) -> int:
    # Orders live long and form no cycles; a full collection over all of them would
    # hold every connection up for as long as a slow exchange.
    gc.set_threshold(*_GC_THRESHOLDS)
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    async with running(options) as simulator:
        sys.stdout.write(f"simulator: {simulator.url}, judges at {simulator.admin_url}\n")
        sys.stdout.flush()
        stop = asyncio.create_task(stopped.wait(), name="stop")
        watched = {stop, *simulator.tasks}
        while not stop.done():
            done, watched = await asyncio.wait(watched, return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stop}:
                # A recording that is over returns; any other end is a failure.
                task.result()
    return 0


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Running]:
    """
    Run a simulator inside the caller's event loop, as tests do.

    Raises:
        SettingError: an option cannot be met.
    """
    host = _loopback(options.host)
    async with contextlib.AsyncExitStack() as stack:
        front = _ASSEMBLE[options.venue](options, stack)
        token, token_file = handover.judges_token(options.admin_token_file, options.ready_file)
        admin = Admin(
            front.venue,
            accounts=front.accounts,
            ledger=front.ledger,
            armed=front.faults,
            clock=front.clock,
            desk=front.desk,
            token=token,
            place_route=front.place_route,
        )
        wire = web.Server(front.handler)
        front_runner = web.ServerRunner(wire, access_log=None, shutdown_timeout=STOP_S_MAX)
        port = await _listen(stack, front_runner, (host, options.port))
        back = listening(admin.app(), (host, options.admin_port), stop_s_max=STOP_S_MAX)
        try:
            admin_port = await stack.enter_async_context(back)
        except OSError as error:
            raise SettingError(f"port {options.admin_port}: {error.strerror}") from None
        stack.push_async_callback(front.close)
        simulator = Running(
            host=host,
            port=port,
            admin_port=admin_port,
            admin_token=token,
            venue=front.venue,
            symbols=front.symbols,
            tasks=_start(stack, front),
        )
        if options.ready_file is not None:
            handover.write_atomically(options.ready_file, _ready(simulator, options, token_file))
        yield simulator


def _start(stack: contextlib.AsyncExitStack, front: Front) -> tuple[asyncio.Task[None], ...]:
    tasks = tuple(asyncio.create_task(one(), name=name) for name, one in front.activities.items())
    for task in tasks:
        stack.callback(task.cancel)
    return tasks


async def _listen(
    stack: contextlib.AsyncExitStack, runner: web.BaseRunner, where: tuple[str, int]
) -> int:
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    try:
        await web.TCPSite(runner, *where).start()
    except OSError as error:
        raise SettingError(f"port {where[1]}: {error.strerror}") from None
    bound: int = runner.addresses[0][1]
    return bound


def _loopback(host: str) -> str:
    """
    Return the address to bind.

    Raises:
        SettingError: not a loopback address; a simulator is never offered to a network.
    """
    if host == "localhost":
        # Not resolved: a hosts file could name any address.
        return "127.0.0.1"
    try:
        is_loopback = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_loopback = False
    if not is_loopback:
        raise SettingError(
            f"host {shown(host)}: a simulator binds loopback only, such as 127.0.0.1"
        )
    return host


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _ready(simulator: Running, options: Options, token_file: Path | None) -> bytes:
    return orjson.dumps(
        {
            "venue": options.venue,
            "pid": os.getpid(),
            "host": simulator.host,
            "port": simulator.port,
            "admin_port": simulator.admin_port,
            "url": simulator.url,
            "stream_url": simulator.stream_url,
            "admin_url": simulator.admin_url,
            "admin_token_file": None if token_file is None else str(token_file),
            "limits": "real" if options.is_limited else "off",
            "seed": options.seed,
            "symbols": list(simulator.symbols),
            "replay": [str(path) for path in options.replay],
        },
        option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE,
    )
