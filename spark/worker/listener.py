"""
How a process of ours listens for HTTP: what clients may take of it is bounded (X2).

A process has one event loop and so many file descriptors. Who sends a request byte by byte,
or opens connections and says nothing, must not keep out the one request that kills.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from aiohttp import web

#: For the head of a request, from the connection or the answer before it on, again for its
#: body, and for the rest of a body that nobody asked for. More than the 15 s for which
#: aiohttp's own client keeps an idle connection, so that a client of ours lets go first and
#: never writes into an end.
REQUEST_S_MAX: Final = 20.0
#: Of one listener at a time, beside those of one wake-up: a process may open 1,024 files at
#: least. Its clients are a handful (a sender of alerts, Prometheus, the command line), and
#: the more there may be, the longer a flood takes to push out one that has just come.
CONNECTIONS_MAX: Final = 256
#: How long the end waits for answers that are under way.
_STOP_S_MAX: Final = 60.0


@asynccontextmanager
async def listening(
    app: web.Application, where: tuple[str, int] | Path, *, stop_s_max: float = _STOP_S_MAX
) -> AsyncIterator[int]:
    """
    Listen while the body runs.

    Args:
        where: host and port, where port 0 lets the system pick, or a Unix socket.

    Yields: the port; 0 with a socket.

    Raises:
        OSError: the address cannot be taken.

    """
    runner = web.AppRunner(
        app,
        access_log=None,
        keepalive_timeout=REQUEST_S_MAX,
        lingering_time=REQUEST_S_MAX,
        shutdown_timeout=stop_s_max,
    )
    await runner.setup()
    assert runner.server is not None, "it is set up"
    admit, loop = partial(_admit, runner.server), asyncio.get_running_loop()
    try:
        if isinstance(where, Path):
            listener = await loop.create_unix_server(admit, str(where), backlog=CONNECTIONS_MAX)
            port = 0
        else:
            listener = await loop.create_server(admit, *where, backlog=CONNECTIONS_MAX)
            port = listener.sockets[0].getsockname()[1]
        try:
            yield port
        finally:
            listener.close()
    finally:
        await runner.cleanup()


async def body_of(request: web.Request) -> bytes:
    """
    Read a request's body.

    Raises:
        HTTPRequestTimeout: it did not come in time; aiohttp answers with it.
        HTTPRequestEntityTooLarge: likewise.

    """
    try:
        async with asyncio.timeout(REQUEST_S_MAX):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout from None


def _admit(server: web.Server) -> web.RequestHandler:
    """Make room for a connection at the cost of the oldest, which had the most time to speak."""
    found = [one for one in server.connections if _is_open(one)]
    for one in found[: max(0, len(found) - CONNECTIONS_MAX + 1)]:
        # A request that came whole is carried to its end even so; its answer is lost.
        one.force_close()
    return server()


def _is_open(connection: web.RequestHandler) -> bool:
    return connection.transport is not None and not connection.transport.is_closing()
