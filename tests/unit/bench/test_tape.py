"""The tape that the feed benchmark plays."""

from collections import Counter

import orjson

from spark.bench.tape import make_tape
from spark.producers.binance_rows import Gathering

_NOW = 1_763_700_000_000_000_000


def test_the_same_seed_makes_the_same_tape() -> None:
    """Two benchmarks measure the same work."""
    assert make_tape(500, seed=1) == make_tape(500, seed=1)
    assert make_tape(500, seed=1) != make_tape(500, seed=2)


def test_every_frame_is_a_row_and_the_mix_is_the_recorded_one() -> None:
    """Some 68 of 100 are best prices, 24 trades, 8 depth updates of 36 levels."""
    tape = make_tape(10_000)
    gathering = Gathering()
    kinds: Counter[str] = Counter()
    levels = 0
    for text in tape.texts:
        assert gathering.add(text, _NOW) is None
        frame = orjson.loads(text)
        kinds[frame["stream"].split("@")[1]] += 1
        if frame["data"].get("e") == "depthUpdate":
            levels += len(frame["data"]["b"]) + len(frame["data"]["a"])

    assert gathering.rows == 10_000
    assert 0.65 < kinds["bookTicker"] / 10_000 < 0.71
    assert 0.22 < kinds["trade"] / 10_000 < 0.26
    assert 0.07 < kinds["depth"] / 10_000 < 0.09
    assert 32 < levels / kinds["depth"] < 40
