"""What one wake-up delivers, cut into transactions."""

import orjson
import pytest

from spark.bus.port import Partition, Record
from spark.codec import encode
from spark.consumers.feed_batch import BATCH_ROWS_MAX, Batch, Cutter, Move
from spark.errors import GapError
from spark.events import PartitionFenced
from spark.signing import short_digest
from spark.topics import BINANCE_QUOTES, BINANCE_TRADES
from spark.worker.fence import EPOCH_HEADER

_NOW = 1_763_700_000_000_000_000
_QUOTES = Partition(BINANCE_QUOTES, 0)
_TRADES = Partition(BINANCE_TRADES, 0)


def record(partition: Partition, offset: int, rows: int = 1, at_ns: int = _NOW) -> Record:
    row: tuple[object, ...] = (at_ns, offset, "1", "1", "1", "1")
    kind = "quotes_received"
    if partition == _TRADES:
        row, kind = (at_ns, 0, offset, "1", "1", 0), "trades_received"
    body = {"rows": [row] * rows, "symbol": "A", "type": kind, "v": 1, "venue": "binance"}
    return Record(partition, offset, 0, None, orjson.dumps(body), ())


def cut(*records: Record, positions: dict[Partition, int]) -> list[Batch]:
    cutter = Cutter(positions, _NOW)
    found = [*map(cutter.add, records), cutter.end()]
    return [batch for batch in found if batch is not None]


def test_one_wake_up_is_one_transaction() -> None:
    """Whatever a wake-up delivers is written at once, each partition's offset moved past it."""
    last = record(_QUOTES, 8)
    positions = {_QUOTES: 7, _TRADES: 3}

    (batch,) = cut(record(_QUOTES, 7), last, record(_TRADES, 3, rows=5), positions=positions)

    assert batch.rows == 7
    assert batch.moves[_QUOTES] == Move(7, 9, short_digest(last.value or b""))
    assert batch.moves[_TRADES][:2] == (3, 4)


def test_a_partition_without_records_is_not_moved() -> None:
    """Only offsets that change are compared and swapped."""
    (batch,) = cut(record(_QUOTES, 7), positions={_QUOTES: 7, _TRADES: 3})

    assert list(batch.moves) == [_QUOTES]


def test_a_large_wake_up_is_cut() -> None:
    """A transaction ends with the record that fills it; the next goes on right there."""
    rows = BATCH_ROWS_MAX // 2
    records = [record(_QUOTES, offset, rows) for offset in range(5)]

    found = cut(*records, positions={_QUOTES: 0})

    assert [batch.rows for batch in found] == [2 * rows, 2 * rows, rows]
    assert [batch.moves[_QUOTES][:2] for batch in found] == [(0, 2), (2, 4), (4, 5)]


@pytest.mark.parametrize("offset", [6, 8], ids=["seen before", "missing before"])
def test_a_record_out_of_order_halts(offset: int) -> None:
    """R19: the first offset of a batch must be `next`, else halt."""
    with pytest.raises(GapError, match=f"at 7 comes offset {offset}"):
        cut(record(_QUOTES, offset), positions={_QUOTES: 7})


def test_a_bad_record_moves_the_offset_too() -> None:
    """What cannot be used is kept apart in the same transaction, and the next is served."""
    bad = Record(_QUOTES, 7, 0, None, b"rubbish", ())

    (batch,) = cut(bad, record(_QUOTES, 8), positions={_QUOTES: 7})

    assert batch.rows == 1
    assert [(origin.offset, reject.reason) for origin, reject in batch.rejects] == [
        (7, "malformed")
    ]
    assert batch.moves[_QUOTES][:2] == (7, 9)


def test_rows_name_the_days_they_need() -> None:
    """A partition is made before the first row of its day."""
    day_ns = 86_400 * 10**9
    records = [record(_QUOTES, 0), record(_QUOTES, 1, at_ns=_NOW - 2 * day_ns)]

    (batch,) = cut(*records, positions={_QUOTES: 0})

    assert batch.days() == {_NOW // day_ns, _NOW // day_ns - 2}


def test_s8_a_void_record_moves_the_offset_and_has_no_rows() -> None:
    """S8, R19: a fence, and what a fenced feed wrote after it, are read past."""
    fence = encode(
        PartitionFenced(role="binance_feed", instance="i", topic_ids={}, settings={}, fenced_ns=1)
    )
    records = [
        record(_TRADES, 7)._replace(headers=((EPOCH_HEADER, b"3"),)),
        Record(_TRADES, 8, 0, None, fence, ()),
        record(_TRADES, 9)._replace(headers=((EPOCH_HEADER, b"3"),)),
        record(_TRADES, 10)._replace(headers=((EPOCH_HEADER, b"8"),)),
    ]
    (batch,) = cut(*records, positions={_TRADES: 7})
    assert batch.moves[_TRADES][:2] == (7, 11)
    assert batch.rows == 2
    assert batch.rejects == []
