"""
What a fault makes of a reply on its way out, whatever the venue.
"""

import asyncio
from collections.abc import Mapping
from typing import Protocol

from aiohttp import web

from spark.exchanges.simulator.faults import FaultKind, Hit


class Reply(Protocol):
    """What goes back."""

    @property
    def status(self) -> int:
        """HTTP's."""

    @property
    def body(self) -> bytes:
        """All of it."""

    @property
    def headers(self) -> Mapping[str, str]:
        """Names and values."""


def response(reply: Reply) -> web.Response:
    """Send a reply as it is."""
    return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


async def spoiled(request: web.BaseRequest, reply: Reply, hit: Hit) -> web.StreamResponse:
    """Send a reply that comes late, in part, or not at all."""
    match hit.kind:
        case FaultKind.DELAY_AFTER:
            await asyncio.sleep(hit.ms / 1_000)
        case FaultKind.DROP_REPLY:
            return hang_up(request)
        case FaultKind.GARBLE:
            # Every byte inverted: the length is right, nothing else is.
            inverted = bytes(byte ^ 0xFF for byte in reply.body)
            return web.Response(status=reply.status, body=inverted, headers=reply.headers)
        case FaultKind.TRUNCATE:
            return await _send_half(request, reply)
        case FaultKind.SLOW_LORIS:
            return await _dribble(request, reply, hit.ms / 1_000)
    return response(reply)


def hang_up(request: web.BaseRequest) -> web.StreamResponse:
    """Close the connection without a word."""
    if request.transport is not None:
        request.transport.close()
    # Never reaches anyone; the handler has to return something.
    return web.Response()


async def _send_half(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    started = await _started(request, reply)
    await started.write(reply.body[: len(reply.body) // 2])
    if request.transport is not None:
        request.transport.close()
    return started


async def _dribble(request: web.BaseRequest, reply: Reply, pause_s: float) -> web.StreamResponse:
    started = await _started(request, reply)
    for byte in reply.body:
        await started.write(bytes((byte,)))
        await asyncio.sleep(pause_s)
    return started


async def _started(request: web.BaseRequest, reply: Reply) -> web.StreamResponse:
    started = web.StreamResponse(status=reply.status, headers=reply.headers)
    started.content_length = len(reply.body)
    await started.prepare(request)
    return started
