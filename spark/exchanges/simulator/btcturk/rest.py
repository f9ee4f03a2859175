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

from spark.exchanges.simulator import spoiling
from spark.exchanges.simulator.btcturk import refusals
from spark.exchanges.simulator.btcturk.api import Api, Call, Reply, refused
from spark.exchanges.simulator.btcturk.credentials import Signed
from spark.exchanges.simulator.faults import NOT_EXECUTED, REQUEST_FAULTS, FaultKind, Faults, Hit

_HTML: Final = {"Content-Type": "text/html; charset=UTF-8"}
#: What stands in front of the venue says so in its own words.
_TIMED_OUT: Final = Reply(
    504,
    b"<html><head><title>504 Gateway Time-out</title></head><body>cloudflare</body></html>",
    _HTML,
)
_BAD_GATEWAY: Final = Reply(
    502, b"<html><head><title>502 Bad Gateway</title></head><body>cloudflare</body></html>", _HTML
)
_BANNED: Final = 418

#: Serves every upgrade to a WebSocket.
StreamHandler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Rest:
    """The handler of every connection to the venue's port."""

    def __init__(self, api: Api, faults: Faults, streams: StreamHandler) -> None:
        self._api = api
        self._faults = faults
        self._streams = streams

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        is_socket = request.headers.get("Upgrade", "").lower() == "websocket"
        call = await self._call(request)
        # Of a socket that is asked for, only the refusal of it can be spoiled.
        kinds = NOT_EXECUTED if is_socket else REQUEST_FAULTS
        hit = self._faults.take(" ".join(call.route), only=kinds)
        if hit is not None and hit.kind in NOT_EXECUTED:
            return self._withhold(request, call, hit)
        if is_socket:
            return await self._streams(request)
        if hit is None:
            return spoiling.response(self._api.answer(call))
        if hit.kind is FaultKind.DELAY_BEFORE:
            await asyncio.sleep(hit.ms / 1_000)
        reply = self._api.answer(call, hit.kind)
        if hit.kind is FaultKind.ERROR_5XX_AFTER:
            return spoiling.response(_TIMED_OUT)
        return await spoiling.spoiled(request, reply, hit)

    async def _call(self, request: web.BaseRequest) -> Call:
        path, _, query = request.raw_path.partition("?")
        at_ns = self._api.now_ns
        body = (await request.read()).decode("utf-8", "replace") if request.can_read_body else ""
        headers = request.headers
        return Call(
            at_ns,
            request.method,
            path,
            query,
            body,
            Signed(headers.get("X-PCK"), headers.get("X-Stamp"), headers.get("X-Signature")),
            headers.get("Content-Type", ""),
            request.remote or "",
        )

    def _withhold(self, request: web.BaseRequest, call: Call, hit: Hit) -> web.StreamResponse:
        reply: Reply | None = None
        match hit.kind:
            case FaultKind.ERROR_5XX_BEFORE:
                reply = _BAD_GATEWAY
            case FaultKind.MAINTENANCE:
                reply = refused(refusals.maintenance())
            case FaultKind.INVALID_NONCE:
                reply = refused(refusals.invalid_nonce())
            case FaultKind.REJECT_429 | FaultKind.STORM_429:
                reply = refused(_limited(hit))
        self._api.note_unexecuted(call, 0 if reply is None else reply.status, hit.kind)
        return spoiling.hang_up(request) if reply is None else spoiling.response(reply)


def _limited(hit: Hit) -> refusals.Refusal:
    if hit.status == _BANNED:
        # The venue knows no 418: who goes on is kept out by the gate.
        return refusals.shut_out()
    return refusals.too_many(300, "1m", "ip", retry_after_s=hit.retry_after_s)
