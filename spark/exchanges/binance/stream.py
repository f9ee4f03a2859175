"""
Binance's sockets: the market streams, one for all symbols and kinds, and others.

Frames come out as the bytes that they are; whoever takes them parses them.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import aiohttp

from spark.errors import SettingError, VenueUnavailable
from spark.exchanges.http import RATE_LIMITED, RETRY_AFTER, whole_seconds
from spark.names import Symbol

KINDS: Final = ("bookTicker", "trade", "depth@100ms")
#: The venue allows 1024 streams on a connection.
SYMBOLS_MAX: Final = 1024 // len(KINDS)
#: A larger frame ends the connection; the largest depth update has some 100 KB.
FRAME_BYTES_MAX: Final = 4 << 20
_CONNECT_S_MAX: Final = 5.0
#: How long a peer gets to say goodbye; one that is mute does not.
_CLOSE_S_MAX: Final = 0.5


class StreamSocket:
    """One open connection."""

    def __init__(self, connection: "aiohttp.ClientWebSocketResponse[bool]") -> None:
        self._connection = connection

    async def receive(self) -> bytes | None:
        """
        Take the next frame; it does not wait while frames of the last read are left.

        Returns: None for a sign of life that is no frame: a ping or a pong.

        Raises:
            VenueUnavailable: the connection is over.

        """
        message = await self._connection.receive()
        if message.type is aiohttp.WSMsgType.TEXT or message.type is aiohttp.WSMsgType.BINARY:
            data: bytes = message.data
            return data
        if message.type is aiohttp.WSMsgType.PONG:
            return None
        if message.type is aiohttp.WSMsgType.PING:
            # Answered here, because aiohttp's own answer hides that it came.
            with suppress(aiohttp.ClientError, OSError):
                await self._connection.pong(message.data)
            return None
        fault = self._connection.exception()
        cause = type(fault).__name__ if fault else f"close code {self._connection.close_code}"
        raise VenueUnavailable(f"Binance's stream ended: {cause}")

    async def send(self, text: str) -> None:
        """Say something; that the connection is over shows in `receive`."""
        with suppress(aiohttp.ClientError, OSError):
            await self._connection.send_str(text)

    async def ping(self) -> None:
        """Ask whether the other side lives; that the connection is over shows in `receive`."""
        with suppress(aiohttp.ClientError, OSError):
            await self._connection.ping()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()


class Sockets:
    """The way to a host's sockets."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def connect(self, path: str) -> StreamSocket:
        """
        Open a connection.

        Raises:
            VenueUnavailable: none is to be had; may be repeated.

        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
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
            retry_after = None if error.headers is None else error.headers.get(RETRY_AFTER)
            raise VenueUnavailable(
                f"no stream from Binance: HTTP {error.status}",
                retry_after_s=whole_seconds(retry_after),
                is_address_limited=error.status in RATE_LIMITED,
            ) from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueUnavailable(f"no stream from Binance: {type(error).__name__}") from None
        return StreamSocket(connection)

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class BinanceStreams:
    """The way to the market streams."""

    def __init__(self, stream_url: str) -> None:
        self._sockets = Sockets(stream_url)

    async def open(self, symbols: Sequence[Symbol]) -> StreamSocket:
        """
        Connect and subscribe, which is one step: the streams are in the address.

        Raises:
            VenueUnavailable: no connection; may be repeated.
            SettingError: more symbols than one connection carries.

        """
        if len(symbols) > SYMBOLS_MAX:
            raise SettingError(
                f"SPARK_BINANCE_SYMBOLS names {len(symbols)} symbols; one connection carries"
                f" the streams of {SYMBOLS_MAX}"
            )
        names = "/".join(f"{symbol.lower()}@{kind}" for symbol in symbols for kind in KINDS)
        return await self._sockets.connect(f"/stream?streams={names}")

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        await self._sockets.close()
