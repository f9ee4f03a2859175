"""
Recorded frames, served byte for byte.

Reads   gzip files of lines `<receive time, ns> <combined-stream frame>`, in which
        one line may hold the REST depth snapshot of that moment instead
Writes  each frame once to the sockets subscribed to its stream
Owns    nothing
Fails   at start, naming file and line, if a line has another form

A recording starts when each of its streams has a subscriber, or `WAIT_S` after
its first one, and is played once; then its sockets stay open and silent.
"""

import asyncio
import gzip
import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final, NamedTuple

import orjson

from spark.errors import SettingError
from spark.exchanges.simulator.binance.api import Api
from spark.exchanges.simulator.binance.sockets import Socket, is_sequenced
from spark.exchanges.simulator.binance.streams import Streams
from spark.exchanges.simulator.binance.ws_api import WsApi
from spark.exchanges.simulator.market import quote_levels
from spark.exchanges.simulator.text_frames import websocket_text
from spark.names import Side

#: How long a recording waits for subscribers of its other streams.
WAIT_S: Final = 2.0
#: Frames written to a socket before it is asked whether it keeps up.
BLOCK_FRAMES_MAX: Final = 256
_NS_PER_S: Final = 1_000_000_000
_STREAM: Final = b'{"stream":"'
_TICKER: Final = "@bookTicker"
_SNAPSHOT: Final = b'{"lastUpdateId":'


class State(StrEnum):
    """How far a recording is."""

    WAITING = "waiting"
    PLAYING = "playing"
    DONE = "done"


class Frame(NamedTuple):
    """One line."""

    at_ns: int
    stream: str
    payload: bytes


@dataclass(slots=True)
class Recording:
    """One file."""

    path: Path
    symbol: str
    #: Frames of each stream in the file.
    held: Counter[str]
    snapshot: bytes | None
    state: State = State.WAITING
    #: Frames of each stream that had a subscriber.
    sent: Counter[str] = field(default_factory=Counter)
    #: The last bookTicker frame of each symbol that came by, sent or not.
    tickers: dict[str, bytes] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """Return the state as the judges' port shows it."""
        return {
            "file": self.path.name,
            "symbol": self.symbol,
            "state": self.state,
            "held": _by_kind(self.held),
            "sent": _by_kind(self.sent),
        }


def open_recording(path: Path) -> Recording:
    """
    Read a file through once.

    Raises:
        SettingError: it cannot be read, or is not of one symbol.
    """
    held: Counter[str] = Counter()
    snapshot: bytes | None = None
    for frame in _lines(path):
        if frame.stream:
            held[frame.stream] += 1
        elif snapshot is None:
            snapshot = frame.payload
    symbols = {stream.partition("@")[0] for stream in held}
    if len(symbols) != 1:
        raise SettingError(f"{path}: holds {len(symbols)} symbols, one is due")
    return Recording(path, symbols.pop().upper(), held, snapshot)


def take_over(recording: Recording, api: Api) -> None:
    """
    Let a recording stand for its symbol's market: its snapshot is the book.

    Raises:
        SettingError: the symbol is not on offer, or the snapshot is not one.
    """
    if recording.symbol not in api.rules:
        raise SettingError(f"{recording.path}: {recording.symbol} is not among the symbols")
    recording.tickers = api.tickers
    if recording.snapshot is None:
        return
    api.snapshots[recording.symbol] = recording.snapshot
    try:
        levels = orjson.loads(recording.snapshot)
        for side, name in ((Side.BUY, "bids"), (Side.SELL, "asks")):
            rows = [(Decimal(price), Decimal(quantity)) for price, quantity in levels[name]]
            quote_levels(api.venue, recording.symbol, side=side, levels=rows)
    except (KeyError, TypeError, ValueError, ArithmeticError):
        raise SettingError(f"{recording.path}: its snapshot is not a depth snapshot") from None


@dataclass(frozen=True, slots=True)
class Desk:
    """What judges may ask of the market sockets."""

    streams: Streams
    private: WsApi
    recordings: list[Recording]

    def apply_faults(self) -> None:
        """Apply armed faults of sockets to those open now."""
        self.streams.apply_faults()
        self.private.apply_faults()

    def heal(self) -> None:
        """Let sockets speak again that a fault muted."""
        self.streams.heal()
        self.private.heal()

    def replay_status(self) -> dict[str, object]:
        """Tell how far the recordings are."""
        sent: Counter[str] = Counter()
        for recording in self.recordings:
            sent += recording.sent
        is_done = all(one.state is State.DONE for one in self.recordings)
        return {
            "done": bool(self.recordings) and is_done,
            "sent": _by_kind(sent),
            "recordings": [one.as_json() for one in self.recordings],
        }


async def play(recording: Recording, streams: Streams, *, speed: float | None) -> None:
    """
    Wait for subscribers, then play a recording once.

    Args:
        recording: what to play.
        streams: whom to play it to.
        speed: times its own pace; None is as fast as the clients take it.
    """
    await _audience(recording, streams)
    recording.state = State.PLAYING
    loop = asyncio.get_running_loop()
    started, first_ns = loop.time(), -1
    block: list[Frame] = []
    for frame in _lines(recording.path):
        if not frame.stream:
            continue
        if first_ns < 0:
            first_ns = frame.at_ns
        if speed is not None:
            wait_s = started + (frame.at_ns - first_ns) / _NS_PER_S / speed - loop.time()
            if wait_s > 0:
                await _send(recording, streams, block)
                await asyncio.sleep(wait_s)
        block.append(frame)
        if len(block) == BLOCK_FRAMES_MAX:
            await _send(recording, streams, block)
            # Others, orders above all, get their turn even if the client keeps up.
            await asyncio.sleep(0)
    await _send(recording, streams, block)
    recording.state = State.DONE


async def _audience(recording: Recording, streams: Streams) -> None:
    """Wait until somebody is subscribed, and for a while until all streams have somebody."""
    while not any(streams.subscribers(stream) for stream in recording.held):
        streams.changed.clear()
        await streams.changed.wait()
    try:
        async with asyncio.timeout(WAIT_S):
            while not all(streams.subscribers(stream) for stream in recording.held):
                streams.changed.clear()
                await streams.changed.wait()
    except TimeoutError:
        # A client that wants only some of the streams.
        return


async def _send(recording: Recording, streams: Streams, block: list[Frame]) -> None:
    """Give each socket the frames of its streams, in one write, and empty the block."""
    wanted: dict[Socket, list[bytes]] = {}
    for frame in block:
        if frame.stream.endswith(_TICKER):
            recording.tickers[recording.symbol] = frame.payload
        sockets = streams.subscribers(frame.stream)
        if sockets:
            recording.sent[frame.stream] += 1
            encoded = websocket_text(frame.payload)
            is_difference = is_sequenced(frame.stream)
            for socket in sockets:
                passed = socket.pass_on(encoded, is_sequenced=is_difference)
                wanted.setdefault(socket, []).extend(passed)
    block.clear()
    for socket, encoded_frames in wanted.items():
        try:
            await socket.send_encoded(b"".join(encoded_frames))
        except ConnectionError:
            # Its handler is already taking leave of it.
            continue


def _by_kind(streams: Counter[str]) -> dict[str, int]:
    kinds: Counter[str] = Counter()
    for stream, count in streams.items():
        kinds[stream.partition("@")[2].partition("@")[0]] += count
    return dict(sorted(kinds.items()))


def _lines(path: Path) -> Iterator[Frame]:
    try:
        with gzip.open(path, "rb") as file:
            for number, line in enumerate(file, start=1):
                yield _frame(path, number, line)
    except (OSError, EOFError, zlib.error) as error:
        raise SettingError(f"{path}: {error}") from None


def _frame(path: Path, number: int, line: bytes) -> Frame:
    time, _, payload = line.rstrip(b"\n").partition(b" ")
    if not time.isdigit():
        raise SettingError(f"{path}: line {number} does not start with a time")
    if payload.startswith(_STREAM):
        stream = payload[len(_STREAM) : payload.find(b'"', len(_STREAM))]
        return Frame(int(time), stream.decode("ascii", "replace"), payload)
    if payload.startswith(_SNAPSHOT):
        return Frame(int(time), "", payload)
    raise SettingError(f"{path}: line {number} is neither a frame nor a snapshot")
