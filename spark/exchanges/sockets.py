"""
WebSockets to an exchange: one open connection, and the way to a host's.

Frames come out as the bytes that they are; whoever takes them parses them. Errors carry a
class, a status or a close code, never an address and never what was sent (S18).
"""

import asyncio
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import aiohttp

from spark.errors import VenueUnavailable
from spark.exchanges.http import RATE_LIMITED, unavailable

#: A larger frame ends the connection; the largest depth update has some 100 KB, all tickers
#: at once some 150 KB.
FRAME_BYTES_MAX: Final = 4 << 20
_CONNECT_S_MAX: Final = 5.0
#: How long a peer gets to say goodbye; one that is mute does not.
_CLOSE_S_MAX: Final = 0.5


@dataclass(frozen=True, slots=True)
class Socket:
    """One open connection."""

    #: As errors name it.
    venue: str
    connection: "aiohttp.ClientWebSocketResponse[bool]"

    async def receive(self) -> bytes | None:
        """
        Take the next frame; it does not wait while frames of the last read are left.

        Returns: None for a sign of life that is no frame: a ping or a pong.

        Raises:
            VenueUnavailable: the connection is over.

        """
        message = await self.connection.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.PONG:
            return None
        if message.type is aiohttp.WSMsgType.PING:
            # Answered here, because aiohttp's own answer hides that it came; a server closes
            # after a few that were not.
            with suppress(aiohttp.ClientError, OSError):
                await self.connection.pong(message.data)
            return None
        fault = self.connection.exception()
        cause = type(fault).__name__ if fault else f"close code {self.connection.close_code}"
        raise VenueUnavailable(f"{self.venue}'s stream ended: {cause}")

    async def send(self, frame: str) -> None:
        """
        Say something.

        Raises:
            VenueUnavailable: the connection is over.

        """
        try:
            await self.connection.send_str(frame)
        except (aiohttp.ClientError, OSError) as error:
            raise VenueUnavailable(f"{self.venue}'s stream ended: {type(error).__name__}") from None

    async def ping(self) -> None:
        """Ask whether the other side lives; that the connection is over shows in `receive`."""
        with suppress(aiohttp.ClientError, OSError):
            await self.connection.ping()

    async def close(self) -> None:
        """Let go of the connection."""
        await self.connection.close()


class Sockets:
    """The way to a host's sockets."""

    def __init__(self, venue: str, url: str) -> None:
        self._venue = venue
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def connect(self, path: str = "") -> Socket:
        """
        Open a connection.

        Raises:
            VenueUnavailable: none is to be had; may be repeated, after what the venue asks for.

        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                # IPv4: what API keys are bound to, and one address to count limits on.
                connector=aiohttp.TCPConnector(family=socket.AF_INET),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            async with asyncio.timeout(_CONNECT_S_MAX):
                connection = await self._session.ws_connect(
                    f"{self._url}{path}",
                    decode_text=False,
                    autoping=False,
                    max_msg_size=FRAME_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S_MAX),
                )
        except aiohttp.WSServerHandshakeError as error:
            raise unavailable(
                f"no stream from {self._venue}: HTTP {error.status}",
                error.headers or {},
                is_limited=error.status in RATE_LIMITED,
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueUnavailable(
                f"no stream from {self._venue}: {type(error).__name__}"
            ) from None
        return Socket(self._venue, connection)

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()
