"""
An account's private stream at Binance: a signed login, then whatever happens to the account.

While nothing is told, the server is asked whether the subscription is still there: a socket
can live on, pings and all, while its stream is dead (trap 18). What is silent for too long
ends here, and so does what cannot be read: whoever listens reconciles and begins again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.exchanges.binance.wire import NAME
from spark.exchanges.binance.wire_answers import TOKENS
from spark.exchanges.binance.wire_private import (
    LOGIN_ID,
    STATUS_REQUEST,
    ApiReply,
    PrivateFrame,
    StreamEnded,
    private_frame,
)
from spark.exchanges.http import RATE_LIMITED
from spark.exchanges.port import News, SignedRequest
from spark.exchanges.refusals import Subject, subject_of
from spark.exchanges.sockets import Socket, Sockets

_PATH: Final = "/ws-api/v3"
_LOGIN_S_MAX: Final = 5.0
#: Two of our own questions may go without an answer.
_SILENCE_S_MAX: Final = 45.0
#: Questions to one length of silence.
_QUESTIONS: Final = 3
_NS_PER_S: Final = 1_000_000_000
_NS_PER_MS: Final = 1_000_000
_MS_PER_S: Final = 1_000
_ORDERS_LIMIT: Final = -1015


class BinancePrivateStream:
    """The PrivateStream of Binance."""

    def __init__(
        self, ws_api_url: str, clock: Clock, *, silence_s_max: float = _SILENCE_S_MAX
    ) -> None:
        self._sockets = Sockets(NAME, ws_api_url)
        self._clock = clock
        self._silence_ns = int(silence_s_max * _NS_PER_S)
        #: Monotonic times: of the last frame, and of the next question.
        self._heard_ns = self._ask_ns = 0
        #: Of the address in this minute, as the last reply said; -1 for nothing said.
        self.weight_used = -1

    async def news(
        self, login: Callable[[], Awaitable[SignedRequest]]
    ) -> AsyncIterator[tuple[News, ...]]:
        """Log in and listen."""
        connection = await self._sockets.connect(_PATH)
        try:
            await self._log_in(connection, login)
            yield ()
            while True:
                told = self._told(await self._read(connection))
                if told:
                    yield told
        finally:
            await connection.close()

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        await self._sockets.close()

    async def _log_in(
        self, connection: Socket, login: Callable[[], Awaitable[SignedRequest]]
    ) -> None:
        request = await login()
        await connection.send(request.body)
        try:
            async with asyncio.timeout(_LOGIN_S_MAX):
                while True:
                    frame = await self._receive(connection)
                    if isinstance(frame, ApiReply) and frame.request_id in {0, LOGIN_ID}:
                        break
        except TimeoutError:
            raise VenueUnavailable("Binance's stream did not answer a login") from None
        if not frame.is_ok:
            raise _refused(frame)

    def _told(self, frame: PrivateFrame) -> tuple[News, ...]:
        if isinstance(frame, StreamEnded):
            raise VenueUnavailable(f"Binance ended the private stream: {frame.event}")
        if not isinstance(frame, ApiReply):
            return frame
        if frame.status in RATE_LIMITED:
            # The question was not answered; the stream itself costs nothing and goes on.
            return ()
        if not frame.is_ok:
            raise _refused(frame)
        if not frame.is_subscribed:
            raise VenueUnavailable("Binance's private stream is open, and subscribed to nothing")
        return ()

    async def _read(self, connection: Socket) -> PrivateFrame:
        """Take the next frame, and ask for a sign of life while none comes."""
        while True:
            now_ns = self._clock.monotonic_ns()
            silent_at_ns = self._heard_ns + self._silence_ns
            if now_ns >= silent_at_ns:
                silence_s = self._silence_ns / _NS_PER_S
                raise VenueUnavailable(f"Binance's private stream is mute for {silence_s:g} s")
            if now_ns >= self._ask_ns:
                await connection.send(STATUS_REQUEST)
                self._ask_ns = now_ns + self._silence_ns // _QUESTIONS
            try:
                async with asyncio.timeout((min(self._ask_ns, silent_at_ns) - now_ns) / _NS_PER_S):
                    return await self._receive(connection)
            except TimeoutError:
                continue

    async def _receive(self, connection: Socket) -> PrivateFrame:
        data = await connection.receive()
        if data is None:
            # A ping says that the socket lives, and nothing of what it carries.
            return ()
        try:
            frame = private_frame(data)
        except WireError:
            # Not what stands there: on a socket that was logged in on, it may be the login (S18).
            raise VenueUnavailable("Binance's stream is not to be read") from None
        self._heard_ns = self._clock.monotonic_ns()
        if isinstance(frame, ApiReply):
            self.weight_used = max(frame.weight_used, -1)
            # Who is limited asks no more until the venue allows it, and hears nothing of that.
            self._heard_ns += frame.retry_after_ms * _NS_PER_MS
        self._ask_ns = self._heard_ns + self._silence_ns // _QUESTIONS
        return frame


def _refused(reply: ApiReply) -> VenueUnavailable:
    # Its code, never its text: what stands in it is not ours to repeat.
    token = TOKENS.get(reply.code, "")
    return VenueUnavailable(
        f"Binance's stream refused: status {reply.status}, code {reply.code}",
        retry_after_s=-(-reply.retry_after_ms // _MS_PER_S),
        is_address_limited=reply.status in RATE_LIMITED and reply.code != _ORDERS_LIMIT,
        is_key_refused=subject_of(token, reply.status) is Subject.KEY,
    )
