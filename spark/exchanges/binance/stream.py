"""
Binance's market streams: one socket for all symbols and kinds.
"""

from collections.abc import Sequence
from typing import Final

from spark.errors import SettingError
from spark.exchanges.binance.wire import NAME
from spark.exchanges.sockets import Socket, Sockets
from spark.names import Symbol

KINDS: Final = ("bookTicker", "trade", "depth@100ms")
#: The venue allows 1024 streams on a connection.
SYMBOLS_MAX: Final = 1024 // len(KINDS)


class BinanceStreams:
    """The way to the market streams."""

    def __init__(self, stream_url: str) -> None:
        self._sockets = Sockets(NAME, stream_url)

    async def open(self, symbols: Sequence[Symbol]) -> Socket:
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
