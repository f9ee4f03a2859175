"""
One market socket: its subscriptions, its control frames, its pings.

Reads   SUBSCRIBE, UNSUBSCRIBE, LIST_SUBSCRIPTIONS, SET_PROPERTY, GET_PROPERTY
Writes  frames that are already encoded, straight to the transport
Owns    its connection
Fails   by disconnecting: no pong, too many messages, a client that does not read

Source: binance-spot-api-docs web-socket-streams.md.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import orjson
from aiohttp import WSMsgType, web

from spark.exchanges.simulator.binance import control
from spark.exchanges.simulator.binance.frames import combined, websocket_text
from spark.exchanges.simulator.faults import Channel, FaultKind, Faults, Hit, Line

PING_S: Final = 20.0
PONG_S_MAX: Final = 60.0
LIFETIME_S_MAX: Final = 86_400.0
STREAMS_MAX: Final = 1_024
#: Messages a second from a client, pings and pongs included.
MESSAGES_PER_S_MAX: Final = 5
_DEPTH: Final = "@depth"
#: What a client may leave unread before it is cut off.
UNREAD_BYTES_MAX: Final = 32 << 20


class Socket:
    """One connection."""

    def __init__(
        self,
        request: web.BaseRequest,
        names: list[str],
        *,
        faults: Faults,
        is_combined: bool,
        is_limited: bool,
    ) -> None:
        assert request.transport is not None, "a request being handled has a transport"
        self.names: dict[str, None] = dict.fromkeys(names)
        #: Set whenever the subscriptions change.
        self.on_change: Callable[[Socket], None] = lambda _socket: None
        self._is_cut = False
        self._request = request
        self._transport = request.transport
        # Without compression every socket can be sent the same bytes.
        self._response = web.WebSocketResponse(autoping=False, compress=False)
        self._is_combined = is_combined
        self._is_limited = is_limited
        self._line = Line[bytes](faults, Channel.MARKET)
        self._pending: list[bytes] = []
        self._muted_until = 0.0
        self._heard_at = 0.0

    async def serve(self) -> web.WebSocketResponse:
        """Talk until either side ends it."""
        await self._response.prepare(self._request)
        loop = asyncio.get_running_loop()
        self._heard_at = loop.time()
        pinging = asyncio.create_task(self._ping(), name="ping")
        self.on_change(self)
        second, messages = 0, 0
        try:
            async for message in self._response:
                now = int(loop.time())
                second, messages = now, messages + 1 if now == second else 1
                if self._is_limited and messages > MESSAGES_PER_S_MAX:
                    break
                if message.type is WSMsgType.PING and not self.is_muted:
                    await self._response.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._heard_at = loop.time()
                elif message.type is WSMsgType.TEXT:
                    self._control(message.data)
        finally:
            pinging.cancel()
        return self._response

    def send(self, stream: str, data: bytes) -> None:
        """Queue one event; everything queued in one turn of the loop goes out as one write."""
        if self.is_muted:
            return
        payload = combined(stream, data) if self._is_combined else data
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending += map(websocket_text, self.pass_on(stream, payload))

    def pass_on(self, stream: str, message: bytes) -> list[bytes]:
        """Give what armed faults leave or make of a message."""
        return self._line.pass_on(message, is_sequenced=_DEPTH in stream)

    async def send_encoded(self, block: bytes) -> None:
        """Write frames that are already WebSocket bytes; wait while the client is behind."""
        if self.is_muted or self._transport.is_closing():
            return
        self._flush()
        self._transport.write(block)
        await self._request.writer.drain()

    def strike(self, hit: Hit) -> None:
        """Apply a fault to this socket."""
        if hit.kind is FaultKind.DISCONNECT:
            self._is_cut = True
            self._transport.abort()
            return
        now = asyncio.get_running_loop().time()
        self._muted_until = now + hit.ms / 1_000 if hit.ms else float("inf")

    def heal(self) -> None:
        """Speak again."""
        self._muted_until = 0.0

    @property
    def is_struck(self) -> bool:
        """Whether a fault holds it now, so that the next one is for another."""
        return self._is_cut or self.is_muted

    async def close(self) -> None:
        """Say goodbye."""
        self._flush()
        await self._response.close(code=1001)

    @property
    def is_muted(self) -> bool:
        """Whether a fault keeps this socket silent now."""
        return self._muted_until > 0 and asyncio.get_running_loop().time() < self._muted_until

    def _flush(self) -> None:
        if not self._pending or self._transport.is_closing():
            self._pending.clear()
            return
        self._transport.write(b"".join(self._pending))
        self._pending.clear()
        if self._transport.get_write_buffer_size() > UNREAD_BYTES_MAX:
            self._transport.abort()

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

    def _control(self, text: str) -> None:
        number: int | str | None = None
        try:
            message = control.read(text)
            number = message.number
            result = self._execute(message)
            reply: dict[str, object] = {"result": result, "id": number}
        except control.InvalidMessage as error:
            reply = {"error": {"code": error.code, "msg": error.message}, "id": number}
        self._flush()
        self._transport.write(websocket_text(orjson.dumps(reply)))

    def _execute(self, message: control.Message) -> object:
        match message.method:
            case control.Method.LIST_SUBSCRIPTIONS:
                return list(self.names)
            case control.Method.GET_PROPERTY:
                return self._is_combined
            case control.Method.SET_PROPERTY:
                self._is_combined = message.flag
            case control.Method.SUBSCRIBE:
                if len({*self.names, *message.names}) > STREAMS_MAX:
                    raise control.InvalidMessage(2, f"Invalid request: over {STREAMS_MAX} streams")
                self.names |= dict.fromkeys(message.names)
                # After the reply: a client may count on that order.
                asyncio.get_running_loop().call_soon(self.on_change, self)
            case control.Method.UNSUBSCRIBE:
                for name in message.names:
                    self.names.pop(name, None)
                asyncio.get_running_loop().call_soon(self.on_change, self)
        return None
