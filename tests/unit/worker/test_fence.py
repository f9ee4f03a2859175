"""
Which records count: a function of the log alone.
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import GapError
from spark.events import Stamp
from spark.worker.fence import Lineage, Verdict

PARTITION = "orders.decisions/0"


def stamp(epoch: int, seq: int) -> Stamp:
    return Stamp(epoch=epoch, seq=seq, src_offset=seq, src_epoch=-1, src_digest="0" * 16)


def test_r3_a_record_of_an_older_epoch_is_void() -> None:
    """R3: what a fenced instance still appends counts for nobody, even with the right number."""
    lineage = Lineage(PARTITION)
    lineage.fence(0)
    assert lineage.judge(stamp(0, 0)) is Verdict.VALID
    lineage.fence(2)
    assert lineage.judge(stamp(0, 1)) is Verdict.VOID
    assert lineage.judge(stamp(2, 1)) is Verdict.VALID


@pytest.mark.parametrize("epoch", [-1, 1, 99])
def test_r3_a_record_of_an_epoch_that_is_not_in_force_is_void(epoch: int) -> None:
    """R3: neither a later nor an invented epoch makes a record count."""
    lineage = Lineage(PARTITION)
    lineage.fence(0)
    assert lineage.judge(stamp(epoch, 0)) is Verdict.VOID


def test_before_the_first_fence_nothing_counts() -> None:
    """A record needs a fence before it, not only a number."""
    assert Lineage(PARTITION, seq=4).judge(stamp(0, 5)) is Verdict.VOID


def test_f2_a_number_seen_before_is_void() -> None:
    """F2, fault S1: a lower or equal `seq` is a repetition and is dropped by every reader alike."""
    lineage = Lineage(PARTITION)
    lineage.fence(0)
    for seq in (0, 1, 2):
        assert lineage.judge(stamp(0, seq)) is Verdict.VALID
    for seq in (2, 1, 0, -1):
        assert lineage.judge(stamp(0, seq)) is Verdict.VOID
    assert lineage.judge(stamp(0, 3)) is Verdict.VALID


@pytest.mark.parametrize("seq", [1, 2, 100])
def test_f2_a_number_left_out_halts(seq: int) -> None:
    """F2: a loss shows at every hop; going on over it would be wrong."""
    lineage = Lineage(PARTITION)
    lineage.fence(0)
    with pytest.raises(GapError, match=rf"{PARTITION}: after seq -1 comes {seq} in epoch 0"):
        lineage.judge(stamp(0, seq))
    assert lineage.judge(stamp(0, 0)) is Verdict.VALID


def test_f3_a_reader_that_starts_midway_judges_like_one_from_the_start() -> None:
    """F3, fault S1: epoch and number of the last valid record are the whole filter."""
    whole = Lineage(PARTITION)
    whole.fence(0)
    for seq in range(5):
        whole.judge(stamp(0, seq))
    midway = Lineage(PARTITION, whole.epoch, whole.seq)
    for record in (stamp(0, 4), stamp(9, 5), stamp(0, 5)):
        assert midway.judge(record) is whole.judge(record)


@given(st.lists(st.one_of(st.none(), st.tuples(st.integers(0, 6), st.integers(0, 4)))))
def test_valid_records_are_dense_and_of_the_last_fence(
    log: list[tuple[int, int] | None],
) -> None:
    """F2, fault K5: whatever stands on a log, the valid part of it is numbered without a gap."""
    lineage = Lineage(PARTITION)
    fence, due = -1, 0
    for offset, one in enumerate(log):
        if one is None:
            assert lineage.fence(offset) is Verdict.FENCE
            fence = offset
            continue
        try:
            verdict = lineage.judge(stamp(*one))
        except GapError:
            assert one[0] == fence
            assert one[1] > due
            continue
        is_due = one == (fence, due)
        assert (verdict is Verdict.VALID) is is_due
        due += is_due
