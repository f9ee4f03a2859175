"""
BTCTurk's stream: one socket for all symbols and channels, public and private.

A connection that is accepted says so with its first frame, and one that was joined with an
answer; a symbol that does not exist is answered like any other and then stays silent (trap
20), so whoever joins waits for its first book, and no longer than it will.
"""

from collections.abc import Sequence
from typing import Final, Self

from spark.errors import SettingError
from spark.exchanges.btcturk.wire import NAME
from spark.exchanges.btcturk.wire_frames import subscription
from spark.exchanges.sockets import Socket, Sockets
from spark.names import Symbol

#: The book's differences, the trades, the best prices.
KINDS: Final = ("obdiff", "trade", "ticker")
#: 379 have been seen to work on one connection.
SYMBOLS_MAX: Final = 379


class MarketSocket(Socket):
    """One open connection with public channels joined."""

    @classmethod
    def over(cls, opened: Socket) -> Self:
        """Take a connection over."""
        return cls(opened.venue, opened.connection)

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


class BtcturkStreams:
    """The way to the public channels."""

    def __init__(self, stream_url: str) -> None:
        self._sockets = Sockets(NAME, stream_url)

    async def open(self, symbols: Sequence[Symbol], kinds: Sequence[str] = KINDS) -> MarketSocket:
        """
        Connect, and ask for each channel of each symbol.

        The answers are frames like all others: they come out of `receive`.

        Raises:
            VenueUnavailable: no connection; may be repeated, 15 times a minute.
            SettingError: more symbols than one connection is known to carry.

        """
        if len(symbols) > SYMBOLS_MAX:
            raise SettingError(
                f"SPARK_BTCTURK_SYMBOLS names {len(symbols)} symbols; one connection is known"
                f" to carry {SYMBOLS_MAX}"
            )
        market = MarketSocket.over(await self._sockets.connect())
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
