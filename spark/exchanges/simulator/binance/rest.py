"""
HTTP around the endpoints: reads a request, applies an armed fault, writes the reply.

Reads   HTTP/1.1 with keep-alive
Writes  what `Api` answers, or what the fault makes of it
Owns    nothing
Fails   with the connection
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import orjson
from aiohttp import web

from spark.exchanges.simulator import spoiling
from spark.exchanges.simulator.binance import refusals
from spark.exchanges.simulator.binance.api import Api, Call, Reply
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.faults import NOT_EXECUTED, FaultKind, Faults, Hit

_JSON: Final = "application/json;charset=UTF-8"
_NS_PER_MS: Final = 1_000_000
_WS_API: Final = "/ws-api/v3"
_TIMED_OUT: Final = Reply(
    504,
    b'{"code":-1007,"msg":"Timeout waiting for response from backend server. '
    b'Send status unknown; execution status unknown."}',
    {"Content-Type": _JSON},
)
_BAD_GATEWAY: Final = Reply(
    502,
    b"<html><head><title>502 Bad Gateway</title></head><body>502 Bad Gateway</body></html>",
    {"Content-Type": "text/html"},
)

#: Serves a path outside `/api/`.
StreamHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Rest:
    """The handler of every connection to the venue's port."""

    def __init__(
        self, api: Api, faults: Faults, *, streams: StreamHandler, ws_api: StreamHandler
    ) -> None:
        self._api = api
        self._faults = faults
        self._streams = streams
        self._ws_api = ws_api

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        if path == _WS_API:
            hit = self._faults.take(f"GET {path}", only=NOT_EXECUTED)
            if hit is None:
                return await self._ws_api(request)
            return self._withhold(request, await self._call(request, path, query), hit)
        if not path.startswith("/api/"):
            return await self._streams(request)
        call = await self._call(request, path, query)
        hit = self._faults.take(f"{request.method} {path}")
        if hit is not None:
            return await self._spoil(request, call, hit)
        return spoiling.response(self._api.answer(call))

    async def _call(self, request: web.BaseRequest, path: str, query: str) -> Call:
        at_ns = self._api.venue.clock.wall_ns()
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        return Call(
            at_ns,
            request.method,
            path,
            query,
            body,
            request.headers.get("X-MBX-APIKEY"),
            request.remote or "",
        )

    async def _spoil(self, request: web.BaseRequest, call: Call, hit: Hit) -> web.StreamResponse:
        kind = hit.kind
        if kind in NOT_EXECUTED:
            return self._withhold(request, call, hit)
        if kind is FaultKind.DELAY_BEFORE:
            await asyncio.sleep(hit.ms / 1_000)
        reply = self._api.answer(call, kind)
        if kind is FaultKind.ERROR_5XX_AFTER:
            return spoiling.response(_TIMED_OUT)
        return await spoiling.spoiled(request, reply, hit)

    def _withhold(self, request: web.BaseRequest, call: Call, hit: Hit) -> web.StreamResponse:
        if hit.kind is FaultKind.DROP_REQUEST:
            self._api.note_unexecuted(call, 0, hit.kind)
            return spoiling.hang_up(request)
        reply = _BAD_GATEWAY
        if hit.kind is not FaultKind.ERROR_5XX_BEFORE:
            reply = _refused(refusals.of_fault(hit, call.at_ns // _NS_PER_MS))
        self._api.note_unexecuted(call, reply.status, hit.kind)
        return spoiling.response(reply)


def _refused(refusal: Refusal) -> Reply:
    headers = {"Content-Type": _JSON}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    body = orjson.dumps({"code": refusal.code, "msg": refusal.message})
    return Reply(refusal.status, body, headers)
