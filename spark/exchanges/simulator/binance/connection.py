"""
One WebSocket connection: its bytes, its pings, and what faults do to it.

Reads   text frames, pings and pongs
Writes  frames that are already encoded, straight to the transport
Owns    its connection
Fails   by disconnecting: no pong, too many messages, a client that does not read

Source: binance-spot-api-docs web-socket-streams.md, web-socket-api.md "General API
Information".
"""

import asyncio
from abc import ABC, abstractmethod
from typing import Final

from aiohttp import WSMsgType, web

from spark.exchanges.simulator.faults import Channel, FaultKind, Faults, Hit, Line
from spark.exchanges.simulator.text_frames import websocket_text

PING_S: Final = 20.0
PONG_S_MAX: Final = 60.0
LIFETIME_S_MAX: Final = 86_400.0
#: What a client may leave unread before it is cut off.
UNREAD_BYTES_MAX: Final = 32 << 20


class Connection(ABC):
    """What market sockets and the WebSocket API have in common."""

    def __init__(
        self,
        request: web.BaseRequest,
        *,
        faults: Faults,
        channel: Channel,
        messages_per_s_max: int | None = None,
    ) -> None:
        assert request.transport is not None, "a request being handled has a transport"
        self._request = request
        self._transport = request.transport
        # Without compression every socket can be sent the same bytes.
        self._response = web.WebSocketResponse(autoping=False, compress=False)
        self._messages_per_s_max = messages_per_s_max
        self._line = Line[bytes](faults, channel)
        self._pending: list[bytes] = []
        self._is_cut = False
        self._muted_until = 0.0
        self._heard_at = 0.0

    @abstractmethod
    def hear(self, text: str) -> None:
        """Take one text frame of the client."""

    @abstractmethod
    def opened(self) -> None:
        """Begin: the client is connected."""

    async def serve(self) -> web.WebSocketResponse:
        """Talk until either side ends it."""
        await self._response.prepare(self._request)
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        pinging = asyncio.create_task(self._ping(), name="ping")
        self.opened()
        second, messages = 0, 0
        try:
            async for message in self._response:
                now = int(loop.time())
                second, messages = now, messages + 1 if now == second else 1
                if self._messages_per_s_max is not None and messages > self._messages_per_s_max:
                    break
                if message.type is WSMsgType.PING and not self.is_muted:
                    await self._response.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._heard_at = loop.time()
                elif message.type is WSMsgType.TEXT:
                    self.hear(message.data)
        finally:
            pinging.cancel()
        return self._response

    def pass_on(self, payload: bytes, *, is_sequenced: bool) -> list[bytes]:
        """Give what armed faults leave or make of a message."""
        return self._line.pass_on(payload, is_sequenced=is_sequenced)

    def queue(self, payload: bytes, *, is_sequenced: bool = False) -> None:
        """Queue one event; everything queued in one turn of the loop goes out as one write."""
        if self.is_muted:
            return
        if not self._pending:
            asyncio.get_running_loop().call_soon(self.flush)
        passed = self.pass_on(payload, is_sequenced=is_sequenced)
        self._pending += map(websocket_text, passed)

    def reply(self, payload: bytes) -> None:
        """Answer the client, after what was queued."""
        self.flush()
        if not self._transport.is_closing():
            self._transport.write(websocket_text(payload))

    async def send_encoded(self, block: bytes) -> None:
        """Write frames that are already WebSocket bytes; wait while the client is behind."""
        if self.is_muted or self._transport.is_closing():
            return
        self.flush()
        self._transport.write(block)
        await self._request.writer.drain()

    def flush(self) -> None:
        """Write what is queued."""
        if not self._pending or self._transport.is_closing():
            self._pending.clear()
            return
        self._transport.write(b"".join(self._pending))
        self._pending.clear()
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._transport.abort()

    def strike(self, hit: Hit) -> None:
        """Apply a fault to this socket."""
        if hit.kind is FaultKind.DISCONNECT:
            self.cut()
            return
        now = asyncio.get_running_loop().time()
        self._muted_until = now + hit.ms / 1_000 if hit.ms else float("inf")

    def cut(self) -> None:
        """End it without a word."""
        self._is_cut = True
        self._transport.abort()

    def heal(self) -> None:
        """Speak again."""
        self._muted_until = 0.0

    @property
    def is_muted(self) -> bool:
        """Whether a fault keeps this socket silent now."""
        return self._muted_until > 0 and asyncio.get_running_loop().time() < self._muted_until

    @property
    def is_struck(self) -> bool:
        """Whether a fault holds it now, so that the next one is for another."""
        return self._is_cut or self.is_muted

    async def close(self) -> None:
        """Say goodbye."""
        self.flush()
        await self._response.close(code=1001)

    async def _ping(self) -> None:
        loop = asyncio.get_running_loop()
        opened_at = loop.time()
        while True:
            await asyncio.sleep(PING_S)
            now = loop.time()
            if now - self._heard_at > PONG_S_MAX or now - opened_at > LIFETIME_S_MAX:
                self._transport.close()
                return
            if not self.is_muted:
                await self._response.ping(str(int(now * 1_000)).encode())
