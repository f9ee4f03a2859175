"""
/healthz and /metrics of each process, on loopback or on a Unix socket.

The signer opens no TCP port at all (S12). `/healthz` is one word; a request whose
`Host` is not loopback is turned away, so that no web page can be rebound to it.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from spark.metrics import Metrics
from spark.worker.listener import listening

_LOOPBACK: Final = "127.0.0.1"
_HOSTS: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_LAG_PERIOD_S: Final = 1.0


@asynccontextmanager
async def served(
    metrics: Metrics, run_dir: Path, *, port: int, is_ready: Callable[[], bool], over_socket: bool
) -> AsyncIterator[None]:
    """
    Serve while the body runs, and leave the address in `<run_dir>/<role>.json`.

    Args:
        run_dir: where the command line looks for running processes.
        port: 0 lets the system pick.
        is_ready: what /healthz answers 200 by.
        over_socket: listen on `<run_dir>/<role>.sock` instead of a port.

    """
    app = web.Application(middlewares=[_only_loopback_hosts])
    pages = _Pages(metrics, is_ready)
    app.router.add_get("/healthz", pages.healthz)
    app.router.add_get("/metrics", pages.metrics_page)
    socket = run_dir / f"{metrics.role}.sock"
    if over_socket:
        socket.unlink(missing_ok=True)
    async with listening(app, socket if over_socket else (_LOOPBACK, port)) as bound:
        address = {"ops_socket": str(socket)} if over_socket else {"ops_port": bound}
        metrics.up.labels(metrics.role).set(1)
        lag = asyncio.create_task(_watch_loop(metrics))
        path = run_dir / f"{metrics.role}.json"
        _write(path, {"pid": os.getpid(), "started_ns": time.time_ns(), **address})
        try:
            yield
        finally:
            lag.cancel()
            path.unlink(missing_ok=True)


@web.middleware
async def _only_loopback_hosts(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    host = request.host.rsplit(":", 1)[0] if request.host else ""
    is_from_network = request.transport is not None and request.transport.get_extra_info("peername")
    if is_from_network and host not in _HOSTS:
        return web.Response(status=421, text="misdirected")
    return await handler(request)


@dataclass(frozen=True, slots=True)
class _Pages:
    metrics: Metrics
    is_ready: Callable[[], bool]

    async def healthz(self, _: web.Request) -> web.Response:
        is_ready = self.is_ready()
        text = "ok" if is_ready else "starting"
        return web.Response(status=200 if is_ready else 503, text=text)

    async def metrics_page(self, _: web.Request) -> web.Response:
        body = generate_latest(self.metrics.registry)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _watch_loop(metrics: Metrics) -> None:
    while True:
        before = time.monotonic()
        await asyncio.sleep(_LAG_PERIOD_S)
        metrics.loop_lag.set(max(0.0, time.monotonic() - before - _LAG_PERIOD_S))


def _write(path: Path, value: dict[str, object]) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps(value))
    part.replace(path)
