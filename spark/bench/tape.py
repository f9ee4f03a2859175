"""
A self-made market as one endless tape of WebSocket frames, and a server that plays it.

Frames are made before anything is measured; playing them costs little more than
the write. The mix of kinds and the number of levels are those of the recorded
hours in which the design was measured.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from spark.exchanges.simulator.text_frames import websocket_text

SYMBOLS: Final = ("BTCUSDT", "ETHUSDT")
FRAMES: Final = 50_000
#: Of 100 frames; the rest are best prices.
_TRADES_PCT: Final = 24
_BOOKS_PCT: Final = 8
#: Levels of a depth update are few as a rule and many at times; their mean is some 36.
_LEVELS_RATE: Final = 1 / 36
_LEVELS_MAX: Final = 400
_TURN_S: Final = 0.001
#: What is written at once when nothing limits the pace.
_BLOCK_FRAMES: Final = 256
_START_MS: Final = 1_723_161_255_208


@dataclass(frozen=True, slots=True)
class Tape:
    """Frames, encoded for the socket."""

    frames: tuple[bytes, ...]
    #: The same as text, for those who have no socket.
    texts: tuple[bytes, ...]


def make_tape(frames: int = FRAMES, seed: int = 42) -> Tape:
    """Make a tape; the same seed makes the same one."""
    texts = tuple(_texts(random.Random(seed), frames))  # noqa: S311  (repeatable on purpose)
    return Tape(tuple(map(websocket_text, texts)), texts)


class Player:
    """Plays a tape to every client, at the pace that it is told."""

    def __init__(self, tape: Tape) -> None:
        self._tape = tape
        self._clients: list[web.Request] = []
        self._connected = asyncio.Event()
        self._at = 0
        self.url = ""

    async def connected(self) -> None:
        """Wait for the first client."""
        await self._connected.wait()

    async def play(self, *, seconds: float, rate: int | None) -> int:
        """
        Send frames for a while.

        Args:
            rate: frames a second; None is as fast as the client takes them.

        Returns: how many were sent.
        """
        loop = asyncio.get_running_loop()
        began, sent = loop.time(), 0
        while (passed := loop.time() - began) < seconds:
            due = _BLOCK_FRAMES if rate is None else int(rate * passed) - sent
            if due > 0:
                await self._send(due)
                sent += due
            if rate is not None:
                await asyncio.sleep(_TURN_S)
        return sent

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client: frames come from `play`."""
        socket = web.WebSocketResponse(compress=False)
        await socket.prepare(request)
        self._clients.append(request)
        self._connected.set()
        try:
            async for _ in socket:
                pass
        finally:
            self._clients.remove(request)
        return socket

    async def _send(self, count: int) -> None:
        frames = self._tape.frames
        end = self._at + count
        block = b"".join(frames[index % len(frames)] for index in range(self._at, end))
        self._at = end
        for client in self._clients:
            assert client.transport is not None, "a connected client"
            client.transport.write(block)
            await client.writer.drain()


@asynccontextmanager
async def playing(tape: Tape) -> AsyncIterator[Player]:
    """Serve a tape on loopback while the body runs."""
    player = Player(tape)
    app = web.Application()
    app.router.add_get("/stream", player.handle)
    app.router.add_get("/api/v3/depth", _empty_book)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        player.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield player
    finally:
        await runner.cleanup()


async def _empty_book(_request: web.Request) -> web.Response:
    # Ahead of all that is played, over and over: a self-made market is no book to keep.
    return web.Response(body=b'{"lastUpdateId":100000000000000,"bids":[],"asks":[]}')


def _texts(chance: random.Random, frames: int) -> Iterator[bytes]:
    cents = {symbol: chance.randrange(10_000, 7_000_000) for symbol in SYMBOLS}
    ids = dict.fromkeys(SYMBOLS, 50_000_000_000)
    depths = dict(ids)
    for number in range(frames):
        symbol = chance.choice(SYMBOLS)
        cents[symbol] = max(1000, cents[symbol] + chance.randrange(-50, 51))
        ids[symbol] += 1
        kind = chance.randrange(100)
        market = _Market(chance, symbol, cents[symbol], ids[symbol], _START_MS + number)
        if kind < _TRADES_PCT:
            yield market.trade()
        elif kind < _TRADES_PCT + _BOOKS_PCT:
            yield market.depth(depths[symbol] + 1)
            depths[symbol] = ids[symbol]
        else:
            yield market.quote()


@dataclass(frozen=True, slots=True)
class _Market:
    """One symbol at one moment."""

    chance: random.Random
    symbol: str
    cents: int
    update_id: int
    now_ms: int

    def quote(self) -> bytes:
        bid, ask = self._price(0), self._price(1)
        return self._frame(
            "bookTicker",
            f'"u":{self.update_id},"s":"{self.symbol}","b":"{bid}","B":"{self._amount()}",'
            f'"a":"{ask}","A":"{self._amount()}"',
        )

    def trade(self) -> bytes:
        is_maker = "true" if self.chance.random() < 1 / 2 else "false"
        return self._frame(
            "trade",
            f'"e":"trade","E":{self.now_ms},"s":"{self.symbol}","t":{self.update_id},'
            f'"p":"{self._price(0)}","q":"{self._amount()}","T":{self.now_ms},'
            f'"m":{is_maker},"M":true',
        )

    def depth(self, first_id: int) -> bytes:
        return self._frame(
            "depth@100ms",
            f'"e":"depthUpdate","E":{self.now_ms},"s":"{self.symbol}","U":{first_id},'
            f'"u":{self.update_id},"b":[{self._levels(-1)}],"a":[{self._levels(1)}]',
        )

    def _levels(self, step: int) -> str:
        count = min(_LEVELS_MAX, int(self.chance.expovariate(2 * _LEVELS_RATE)))
        return ",".join(f'["{self._price(step * n)}","{self._amount()}"]' for n in range(count))

    def _frame(self, kind: str, data: str) -> bytes:
        return f'{{"stream":"{self.symbol.lower()}@{kind}","data":{{{data}}}}}'.encode()

    def _price(self, off_cents: int) -> str:
        cents = max(1, self.cents + off_cents)
        return f"{cents // 100}.{cents % 100:02}000000"

    def _amount(self) -> str:
        return f"{self.chance.randrange(20)}.{self.chance.randrange(10**5):05}000"
