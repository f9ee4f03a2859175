"""
An account's private stream at BTCTurk: a login, then whatever happens to the account.

The server pings every 15 s; one that is silent for three of them is gone, and what is gone
ends here: whoever listens reconciles and begins again. A frame that cannot be read ends it
too, because what it said is then not known.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

from spark.clock import Clock
from spark.errors import VenueUnavailable, WireError
from spark.exchanges.btcturk.unconfirmed import Unconfirmed
from spark.exchanges.btcturk.wire import NAME
from spark.exchanges.btcturk.wire_answers import token_of
from spark.exchanges.btcturk.wire_frames import Hello, LoginReply
from spark.exchanges.btcturk.wire_news import Arrival, private_frame
from spark.exchanges.port import News, SignedRequest
from spark.exchanges.refusals import UNAUTHORIZED, Subject, subject_of
from spark.exchanges.sockets import Socket, Sockets

#: The server's own patience with us.
_SILENCE_S_MAX: Final = 45.0
_LOGIN_S_MAX: Final = 5.0


class BtcturkPrivateStream:
    """The PrivateStream of BTCTurk."""

    def __init__(
        self,
        stream_url: str,
        clock: Clock,
        *,
        unconfirmed: Unconfirmed | None = None,
        silence_s_max: float = _SILENCE_S_MAX,
    ) -> None:
        self._sockets = Sockets(NAME, stream_url)
        self._clock = clock
        self._unconfirmed = unconfirmed or Unconfirmed()
        self._silence_s_max = silence_s_max

    async def news(
        self, login: Callable[[], Awaitable[SignedRequest]]
    ) -> AsyncIterator[tuple[News, ...]]:
        """Log in and listen."""
        connection = await self._sockets.connect()
        try:
            await self._log_in(connection, login)
            yield ()
            while True:
                read = await self._read(connection, self._silence_s_max)
                if not isinstance(read, Hello | LoginReply) and read:
                    yield read
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
                    read = await self._read(connection, _LOGIN_S_MAX)
                    if isinstance(read, LoginReply):
                        break
        except TimeoutError:
            raise VenueUnavailable("BTCTurk's stream did not answer a login") from None
        if not read.is_ok:
            # The token, never the text: what stands in it is not ours to repeat.
            token = token_of(read.message)
            # On the socket there is no status; a login is refused with the words of a 401.
            status = UNAUTHORIZED if token else 0
            raise VenueUnavailable(
                f"BTCTurk's stream refused a login: {token or 'no known reason'}",
                is_key_refused=subject_of(token, status) is Subject.KEY,
            )

    async def _read(
        self, connection: Socket, silence_s_max: float
    ) -> Hello | LoginReply | tuple[News, ...]:
        try:
            async with asyncio.timeout(silence_s_max):
                frame = await connection.receive()
        except TimeoutError:
            raise VenueUnavailable(f"BTCTurk's stream is mute for {silence_s_max:g} s") from None
        if frame is None:
            return ()
        try:
            return private_frame(frame, Arrival(self._clock.wall_ns(), self._unconfirmed))
        except WireError:
            # Not what stands there: on a socket that was logged in on, it may be the login (S18).
            raise VenueUnavailable("BTCTurk's stream is not to be read") from None
