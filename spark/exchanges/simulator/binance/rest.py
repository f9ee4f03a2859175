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

from spark.exchanges.simulator.binance import refusals
from spark.exchanges.simulator.binance.api import Api, Call, Reply
from spark.exchanges.simulator.binance.limits import WEIGHT_PER_MINUTE_MAX
from spark.exchanges.simulator.binance.refusals import Refusal
from spark.exchanges.simulator.faults import NOT_EXECUTED, FaultKind, Faults, Hit

_JSON: Final = "application/json;charset=UTF-8"
_BANNED: Final = 418
_NS_PER_MS: Final = 1_000_000
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
        hit = self._faults.take(f"{request.method} {path}")
        if hit is not None:
            return await self._spoil(request, call, hit)
        return _response(self._api.answer(call))

    async def _spoil(self, request: web.BaseRequest, call: Call, hit: Hit) -> web.StreamResponse:
        kind = hit.kind
        if kind in NOT_EXECUTED:
            return self._withhold(request, call, hit)
        if kind is FaultKind.DELAY_BEFORE:
            await asyncio.sleep(hit.ms / 1_000)
        reply = self._api.answer(call, kind)
        if kind is FaultKind.DELAY_AFTER:
            await asyncio.sleep(hit.ms / 1_000)
        return await _spoiled(request, reply, hit)

    def _withhold(self, request: web.BaseRequest, call: Call, hit: Hit) -> web.StreamResponse:
        reply: Reply | None = None
        match hit.kind:
            case FaultKind.ERROR_5XX_BEFORE:
                reply = _BAD_GATEWAY
            case FaultKind.MAINTENANCE:
                reply = _refused(refusals.shut_down())
            case FaultKind.INVALID_NONCE:
                reply = _refused(refusals.outside_window())
            case FaultKind.REJECT_429 | FaultKind.STORM_429:
                reply = _refused(_limited(call, hit))
        self._api.note_unexecuted(call, 0 if reply is None else reply.status, hit.kind)
        return _hang_up(request) if reply is None else _response(reply)


def _limited(call: Call, hit: Hit) -> Refusal:
    if hit.status == _BANNED:
        until_ms = call.at_ns // _NS_PER_MS + hit.retry_after_s * 1_000
        return refusals.banned(until_ms, hit.retry_after_s)
    return refusals.too_much_weight(WEIGHT_PER_MINUTE_MAX, hit.retry_after_s)


def _refused(refusal: Refusal) -> Reply:
    headers = {"Content-Type": _JSON}
    if refusal.retry_after_s is not None:
        headers["Retry-After"] = str(refusal.retry_after_s)
    body = orjson.dumps({"code": refusal.code, "msg": refusal.message})
    return Reply(refusal.status, body, headers)


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


async def _spoiled(request: web.BaseRequest, reply: Reply, hit: Hit) -> web.StreamResponse:
    match hit.kind:
        case FaultKind.DROP_REPLY:
            return _hang_up(request)
        case FaultKind.ERROR_5XX_AFTER:
            return _response(_TIMED_OUT)
        case FaultKind.GARBLE:
            # Every byte inverted: the length is right, nothing else is.
            return _response(reply._replace(body=bytes(byte ^ 0xFF for byte in reply.body)))
        case FaultKind.TRUNCATE:
            return await _send_half(request, reply)
        case FaultKind.SLOW_LORIS:
            return await _dribble(request, reply, hit.ms / 1_000)
    return _response(reply)


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


async def _dribble(request: web.BaseRequest, reply: Reply, pause_s: float) -> web.StreamResponse:
    response = web.StreamResponse(status=reply.status, headers=reply.headers)
    response.content_length = len(reply.body)
    await response.prepare(request)
    for byte in reply.body:
        await response.write(bytes((byte,)))
        await asyncio.sleep(pause_s)
    return response
