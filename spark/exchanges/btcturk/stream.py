"""
BTCTurk's stream: one socket for all symbols and channels, public and private.

Frames come out as the bytes that they are; whoever takes them parses them. A connection
that is accepted says so with its first frame, and one that was joined with an answer; a
symbol that does not exist is answered like any other and then stays silent (trap 20), so
whoever joins waits for its first book, and no longer than it will.
"""

import asyncio
import socket
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import aiohttp

from spark.errors import SettingError, VenueUnavailable
from spark.exchanges.btcturk.wire_frames import subscription
from spark.names import Symbol

#: The book's differences, the trades, the best prices.
KINDS: Final = ("obdiff", "trade", "ticker")
#: 379 have been seen to work on one connection.
SYMBOLS_MAX: Final = 379
#: A larger frame ends the connection; all tickers at once have some 150 KB.
FRAME_BYTES_MAX: Final = 4 << 20
_CONNECT_S_MAX: Final = 5.0
#: How long a peer gets to say goodbye; one that is mute does not.
_CLOSE_S_MAX: Final = 0.5


class Socket:
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
            # Answered here, because aiohttp's own answer hides that it came; the server
            # closes after three that were not.
            with suppress(aiohttp.ClientError, OSError):
                await self._connection.pong(message.data)
            return None
        fault = self._connection.exception()
        cause = type(fault).__name__ if fault else f"close code {self._connection.close_code}"
        raise VenueUnavailable(f"BTCTurk's stream ended: {cause}")

    async def send(self, frame: str) -> None:
        """
        Say something.

        Raises:
            VenueUnavailable: the connection is over.

        """
        try:
            await self._connection.send_str(frame)
        except (aiohttp.ClientError, OSError) as error:
            raise VenueUnavailable(f"BTCTurk's stream ended: {type(error).__name__}") from None

    async def ping(self) -> None:
        """Ask whether the other side lives; that the connection is over shows in `receive`."""
        with suppress(aiohttp.ClientError, OSError):
            await self._connection.ping()

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()


class MarketSocket(Socket):
    """One open connection with public channels joined."""

    async def join(self, channel: str, symbol: Symbol) -> None:
        """Join one channel of one symbol; joining what is joined is refused. Raises as `send`."""
        await self.send(subscription(channel, symbol, is_join=True))

    async def leave(self, channel: str, symbol: Symbol) -> None:
        """Leave one channel of one symbol; raises as `send`."""
        await self.send(subscription(channel, symbol, is_join=False))

    async def rejoin(self, channel: str, symbol: Symbol) -> None:
        """Leave and join, which brings a whole book with a numbering of its own; as `join`."""
        await self.leave(channel, symbol)
        await self.join(channel, symbol)


class Sockets:
    """The way to the stream's address."""

    def __init__(self, stream_url: str) -> None:
        self._stream_url = stream_url.rstrip("/")
        self._session: aiohttp.ClientSession | None = None

    async def connect(self) -> "aiohttp.ClientWebSocketResponse[bool]":
        """
        Connect.

        Raises:
            VenueUnavailable: no connection; may be repeated, 15 times a minute.

        """
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(family=socket.AF_INET),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        try:
            async with asyncio.timeout(_CONNECT_S_MAX):
                return await self._session.ws_connect(
                    self._stream_url,
                    decode_text=False,
                    autoping=False,
                    max_msg_size=FRAME_BYTES_MAX,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_S_MAX),
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise VenueUnavailable(f"no stream from BTCTurk: {type(error).__name__}") from None

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class BtcturkStreams:
    """The way to the public channels."""

    def __init__(self, stream_url: str) -> None:
        self._sockets = Sockets(stream_url)

    async def open(self, symbols: Sequence[Symbol], kinds: Sequence[str] = KINDS) -> MarketSocket:
        """
        Connect, and ask for each channel of each symbol.

        The answers are frames like all others: they come out of `receive`.

        Raises:
            VenueUnavailable: no connection; may be repeated.
            SettingError: more symbols than one connection is known to carry.

        """
        if len(symbols) > SYMBOLS_MAX:
            raise SettingError(
                f"SPARK_BTCTURK_SYMBOLS names {len(symbols)} symbols; one connection is known"
                f" to carry {SYMBOLS_MAX}"
            )
        market = MarketSocket(await self._sockets.connect())
        try:
            for symbol in symbols:
                for kind in kinds:
                    await market.join(kind, symbol)
        except BaseException:
            await market.close()
            raise
        return market

    async def close(self) -> None:
        """Let go of every connection; idempotent."""
        await self._sockets.close()
