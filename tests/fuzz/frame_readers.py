"""
Readers of market streams: frames of any form, on their way to records.

What cannot be used is buried with its reason; whatever is written is a record that every
reader of the topic can read, in order, and below the topic's limit.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Final

from spark.bus.port import Outgoing
from spark.codec import decode
from spark.errors import WireError
from spark.exchanges.binance.wire_market import DepthSnapshot, depth_snapshot
from spark.metrics import Metrics
from spark.names import Role, Symbol, Venue
from spark.producers.binance_rows import Gathering
from spark.producers.btcturk_rows import TurkGathering
from spark.producers.dead_frames import DeadFrames
from spark.topics import BY_NAME
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.mutator import Mutator
from tests.fuzz.samples import BINANCE_ANSWERS, BINANCE_FRAMES, BTCTURK_FRAMES
from tests.made import NOW_NS, SECOND_NS

_FRESH: Final = 500
_FRAMES_MAX: Final = 6
_SYMBOLS: Final = (Symbol("BTCUSDT"), Symbol("BTCTRY"))
_VARIABLE: Final = "SPARK_RECORDED_DATA"
_RECORDED: Final = "btcturk-ws-frames.jsonl"
_RECORDED_MAX: Final = 300


def recorded_frames() -> tuple[bytes, ...]:
    """Give frames as they were recorded, if the recording is on this machine; else none."""
    given = os.environ.get(_VARIABLE)
    checkout = Path(__file__).resolve().parents[2]
    beside = [above / "shared" / "data" for above in (checkout, *checkout.parents)]
    for place in [Path(given)] if given else beside:
        if (place / _RECORDED).is_file():
            return tuple((place / _RECORDED).read_bytes().splitlines()[:_RECORDED_MAX])
    return ()


def written_well(records: Sequence[Outgoing]) -> None:
    """Check what goes to a topic."""
    for out in records:
        topic = BY_NAME[out.partition.topic]
        event = decode(out.value)
        assert event.type in topic.events
        assert len(out.value) < topic.message_bytes_max


def _frames(samples: Sequence[bytes]) -> Callable[[Random], list[bytes]]:
    def case(random: Random) -> list[bytes]:
        mutator = Mutator(random, samples)
        made = [mutator.case() for _ in range(random.randint(1, _FRAMES_MAX))]
        made += [random.choice(samples) for _ in range(random.randrange(_FRAMES_MAX))]
        random.shuffle(made)
        # The same again, and one out of its order.
        return made + made[: random.randrange(3)]

    return case


def _binance() -> Iterator[Harness]:
    gathering, now_ns, number = Gathering(), NOW_NS, 0
    dead = DeadFrames(Role.BINANCE_FEED, Venue.BINANCE, Metrics("binance_feed"))
    books = BINANCE_ANSWERS["depth"]

    def snapshot(random: Random) -> DepthSnapshot | None:
        try:
            return depth_snapshot(Mutator(random, books).case())
        except WireError:
            return None

    def case(random: Random) -> tuple[list[bytes], DepthSnapshot | None]:
        return _frames(BINANCE_FRAMES)(random), snapshot(random)

    def read(given: tuple[list[bytes], DepthSnapshot | None]) -> bool:
        nonlocal now_ns, number
        frames, full = given
        for frame in frames:
            now_ns, number = now_ns + 1_000, number + 1
            try:
                gathering.add(frame, now_ns)
            except WireError as error:
                dead.bury(number, frame, detail=str(error), now_ns=now_ns)
        if full is not None:
            gathering.add_snapshot("BTCUSDT", full, now_ns)
        gathering.take_unsynced()
        records = gathering.take()
        written_well(records)
        written_well(dead.take())
        return bool(records)

    yield Harness(case, read)


def _btcturk() -> Iterator[Harness]:
    samples = (*BTCTURK_FRAMES, *recorded_frames())
    gathering, now_ns, number = (
        TurkGathering(_SYMBOLS, first_ns_max=5 * SECOND_NS),
        NOW_NS,
        0,
    )
    gathering.begin(_SYMBOLS, "start", NOW_NS)
    dead = DeadFrames(Role.BTCTURK_FEED, Venue.BTCTURK, Metrics("btcturk_feed"))

    def read(frames: list[bytes]) -> bool:
        nonlocal now_ns, number
        for frame in frames:
            now_ns, number = now_ns + 1_000, number + 1
            try:
                gathering.add(frame, now_ns)
            except WireError as error:
                dead.bury(number, frame, detail=str(error), now_ns=now_ns)
        gathering.take_unsynced()
        records = gathering.take()
        written_well(records)
        written_well(dead.take())
        return bool(records)

    yield Harness(_frames(samples), read)


READERS: Final = tuple(
    Reader(f"frames-{name}", contextmanager(opened), fresh_every=_FRESH)
    for name, opened in (("binance", _binance), ("btcturk", _btcturk))
)
