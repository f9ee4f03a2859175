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

from aiohttp import web

from spark.exchanges.simulator.binance.api import Api, Call, Reply
from spark.exchanges.simulator.faults import NOT_EXECUTED, Fault, FaultKind, Faults

_JSON: Final = "application/json;charset=UTF-8"
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
_TOO_MANY: Final = (
    b'{"code":-1003,"msg":"Too much request weight used; current limit is 6000 request weight '
    b'per 1 MINUTE. Please use WebSocket Streams for live updates to avoid polling the API."}'
)


#: Serves every path outside `/api/`.
StreamHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Rest:
    """The handler of every connection to the venue's port."""

    def __init__(self, api: Api, faults: Faults, streams: StreamHandler) -> None:
        self._api = api
        self._faults = faults
        self._streams = streams

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        path, _, query = request.raw_path.partition("?")
        if not path.startswith("/api/"):
            return await self._streams(request)
        at_ns = self._api.venue.clock.wall_ns()
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        call = Call(
            at_ns,
            request.method,
            path,
            query,
            body,
            request.headers.get("X-MBX-APIKEY"),
            request.remote or "",
        )
        fault = self._faults.take(f"{request.method} {path}")
        if fault is not None:
            return await self._spoil(request, call, fault)
        return _response(self._api.answer(call))

    async def _spoil(
        self, request: web.BaseRequest, call: Call, fault: Fault
    ) -> web.StreamResponse:
        kind = fault.kind
        if kind in NOT_EXECUTED:
            return self._withhold(request, call, fault)
        if kind is FaultKind.DELAY_BEFORE:
            await asyncio.sleep(fault.ms / 1_000)
        reply = self._api.answer(call, kind)
        if kind is FaultKind.DELAY_AFTER:
            await asyncio.sleep(fault.ms / 1_000)
        elif kind is FaultKind.DROP_REPLY:
            return _hang_up(request)
        elif kind is FaultKind.ERROR_5XX_AFTER:
            return _response(_TIMED_OUT)
        elif kind is FaultKind.GARBLE:
            # Every byte inverted: the length is right, nothing else is.
            return _response(reply._replace(body=bytes(byte ^ 0xFF for byte in reply.body)))
        elif kind is FaultKind.TRUNCATE:
            return await _send_half(request, reply)
        return _response(reply)

    def _withhold(self, request: web.BaseRequest, call: Call, fault: Fault) -> web.StreamResponse:
        if fault.kind is FaultKind.DROP_REQUEST:
            self._api.note_unexecuted(call, 0, fault.kind)
            return _hang_up(request)
        if fault.kind is FaultKind.ERROR_5XX_BEFORE:
            self._api.note_unexecuted(call, _BAD_GATEWAY.status, fault.kind)
            return _response(_BAD_GATEWAY)
        self._api.note_unexecuted(call, 429, fault.kind)
        wait_s = max(1, -(-fault.ms // 1_000))
        return _response(Reply(429, _TOO_MANY, {"Content-Type": _JSON, "Retry-After": str(wait_s)}))


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


def _hang_up(request: web.BaseRequest) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    # Never reaches anyone; the handler has to return something.
    return web.Response()


async def _send_half(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    await response.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return response
