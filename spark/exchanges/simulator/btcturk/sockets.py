"""
One socket: its subscriptions, its login, its pings, and what faults do to it.

Reads   114 and 151
Writes  models that are already text, straight to the transport
Owns    its connection
Fails   by disconnecting: no pong, a client that does not read

Source: third-party observations of the live socket: a ping every 15.0 s, closed with 1000
at 45.4 s without a pong.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from aiohttp import WSMsgType, web

from spark.exchanges.simulator.accounts import Account
from spark.exchanges.simulator.btcturk import control, frames
from spark.exchanges.simulator.btcturk.chain import Chain
from spark.exchanges.simulator.btcturk.control import Login, Subscription
from spark.exchanges.simulator.btcturk.habits import Habits
from spark.exchanges.simulator.faults import Channel, FaultKind, Faults, Hit, Line
from spark.exchanges.simulator.text_frames import websocket_text

#: What a client may leave unread before it is cut off.
UNREAD_BYTES_MAX: Final = 32 << 20


class Socket:
    """One connection, which carries the market and, once logged in, its account."""

    def __init__(self, request: web.BaseRequest, faults: Faults, habits: Habits) -> None:
        assert request.transport is not None, "a request being handled has a transport"
        #: None until it has logged in.
        self.account: Account | None = None
        #: What is subscribed to, with the book's chain where it is a book.
        self.subscriptions: dict[Subscription, Chain | None] = {}
        self.on_join: Callable[[Socket, Subscription], None] = lambda _socket, _subscription: None
        self.on_open: Callable[[], None] = lambda: None
        self.on_login: Callable[[Socket, Login], None] = lambda _socket, _login: None
        self._request = request
        self._transport = request.transport
        self._response = web.WebSocketResponse(autoping=False, compress=False)
        self._habits = habits
        self._lines = {channel: Line[bytes](faults, channel) for channel in Channel}
        self._muted_until = dict.fromkeys(Channel, 0.0)
        self._pending: list[bytes] = []
        self._is_cut = False
        self._heard_at = 0.0

    async def serve(self) -> web.WebSocketResponse:
        """Talk until either side ends it."""
        await self._response.prepare(self._request)
        self._heard_at = asyncio.get_running_loop().time()
        pinging = asyncio.create_task(self._ping(), name="ping")
        self._write(frames.HELLO)
        self.on_open()
        try:
            async for message in self._response:
                if message.type is WSMsgType.PING:
                    await self._response.pong(message.data)
                elif message.type is WSMsgType.PONG:
                    self._heard_at = asyncio.get_running_loop().time()
                elif message.type is WSMsgType.TEXT:
                    self._hear(message.data)
        finally:
            pinging.cancel()
        return self._response

    def send(self, text: bytes, *, channel: Channel, is_sequenced: bool = False) -> None:
        """Queue one model; everything queued in one turn of the loop goes out as one write."""
        if self._is_muted(channel):
            return
        for passed in self._lines[channel].pass_on(text, is_sequenced=is_sequenced):
            self._write(passed)

    def answer(self, text: bytes) -> None:
        """Queue an answer, which no fault of messages hits."""
        self._write(text)

    def strike(self, hit: Hit, channel: Channel) -> None:
        """Apply a fault to this socket, or to one of the things it carries."""
        if hit.kind is FaultKind.DISCONNECT:
            self._is_cut = True
            self._transport.abort()
            return
        now = asyncio.get_running_loop().time()
        self._muted_until[channel] = now + hit.ms / 1_000 if hit.ms else float("inf")

    def heal(self) -> None:
        """Speak again."""
        self._muted_until = dict.fromkeys(Channel, 0.0)

    def is_struck(self, channel: Channel) -> bool:
        """Tell whether a fault holds it now, so that the next one is for another."""
        return self._is_cut or self._is_muted(channel)

    async def close(self) -> None:
        """Say goodbye."""
        self._flush()
        await self._response.close(code=1001)

    def _hear(self, text: str) -> None:
        message = control.read(text)
        if isinstance(message, Login):
            self.on_login(self, message)
        elif message is not None:
            self._subscribe(message)

    def _subscribe(self, asked: Subscription) -> None:
        known = Subscription(asked.channel, asked.event, is_join=True)
        if not asked.is_join:
            self.subscriptions.pop(known, None)
            self.answer(frames.result(f"leave|{asked.name}", is_ok=True))
            return
        is_new = known not in self.subscriptions
        # Whatever it is called: a pair that is none is accepted, and silent.
        self.answer(frames.result(f"join|{asked.name}", is_ok=is_new))
        if is_new:
            self.subscriptions[known] = None
            self.on_join(self, known)

    def _is_muted(self, channel: Channel) -> bool:
        until = self._muted_until[channel]
        return until > 0 and asyncio.get_running_loop().time() < until

    def _write(self, text: bytes) -> None:
        if not self._pending:
            asyncio.get_running_loop().call_soon(self._flush)
        self._pending.append(websocket_text(text))

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
        ping_s, pong_s = self._habits.ping_ms / 1_000, self._habits.pong_ms / 1_000
        ping_at = loop.time() + ping_s
        while True:
            end_at = self._heard_at + pong_s
            await asyncio.sleep(max(0.0, min(ping_at, end_at) - loop.time()))
            if loop.time() >= self._heard_at + pong_s:
                await self._response.close(code=1000)
                return
            if loop.time() >= ping_at:
                ping_at += ping_s
                if not self._is_muted(Channel.MARKET):
                    await self._response.ping()
