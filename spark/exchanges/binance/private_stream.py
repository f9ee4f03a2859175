"""
An account's private stream at Binance: a signed login, then whatever happens to the account.

The server pings every 20 s, and is asked in between whether the subscription is still
there: a socket can live on while its stream is dead (trap 18). What is silent for too long
ends here, and so does what cannot be read: whoever listens reconciles and begins again.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.exchanges.binance.stream import Sockets, StreamSocket
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

_PATH: Final = "/ws-api/v3"
_LOGIN_S_MAX: Final = 5.0
#: Two of the server's pings, and two of our own questions, may go missing.
_SILENCE_S_MAX: Final = 45.0
#: Questions to one length of silence.
_QUESTIONS: Final = 3
_NS_PER_S: Final = 1_000_000_000
_MS_PER_S: Final = 1_000
_ORDERS_LIMIT: Final = -1015


class BinancePrivateStream:
    """The PrivateStream of Binance."""

    def __init__(
        self, ws_api_url: str, clock: Clock, *, silence_s_max: float = _SILENCE_S_MAX
    ) -> None:
        self._sockets = Sockets(ws_api_url)
        self._clock = clock
        self._silence_s_max = silence_s_max
        self._heard_ns = 0
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
        self, connection: StreamSocket, login: Callable[[], Awaitable[SignedRequest]]
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
        if not frame.is_ok:
            raise _refused(frame)
        if not frame.is_subscribed:
            raise VenueUnavailable("Binance's private stream is open, and subscribed to nothing")
        return ()

    async def _read(self, connection: StreamSocket) -> PrivateFrame:
        """Take the next frame, and ask for a sign of life while none comes."""
        while True:
            try:
                async with asyncio.timeout(self._silence_s_max / _QUESTIONS):
                    return await self._receive(connection)
            except TimeoutError:
                silent_ns = self._clock.monotonic_ns() - self._heard_ns
                if silent_ns >= self._silence_s_max * _NS_PER_S:
                    raise VenueUnavailable(
                        f"Binance's private stream is mute for {self._silence_s_max:g} s"
                    ) from None
                await connection.send(STATUS_REQUEST)

    async def _receive(self, connection: StreamSocket) -> PrivateFrame:
        data = await connection.receive()
        self._heard_ns = self._clock.monotonic_ns()
        if data is None:
            return ()
        try:
            frame = private_frame(data)
        except WireError as error:
            raise VenueUnavailable(f"Binance's stream is not to be read: {error}") from None
        if isinstance(frame, ApiReply) and frame.weight_used >= 0:
            self.weight_used = frame.weight_used
        return frame


def _refused(reply: ApiReply) -> VenueUnavailable:
    # Its code, never its text: what stands in it is not ours to repeat.
    return VenueUnavailable(
        f"Binance's stream refused: status {reply.status}, code {reply.code}",
        retry_after_s=-(-reply.retry_after_ms // _MS_PER_S),
        is_address_limited=reply.status in RATE_LIMITED and reply.code != _ORDERS_LIMIT,
    )
