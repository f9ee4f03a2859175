"""
The exchange's clock: the best of each round, the middle of the rounds, and steps of our own.
"""

from hypothesis import given
from hypothesis import strategies as st

from spark.ledger.clock_sense import ClockSense, Look, Steps

_MS = 1_000_000
_S = 1_000_000_000


def look(offset_ms: float, *, trip_ms: float = 2, at_s: float = 0) -> Look:
    return Look(
        offset_ns=int(offset_ms * _MS),
        uncertainty_ns=int(trip_ms * _MS / 2),
        at_ns=int(at_s * _S),
    )


def test_b8_of_a_round_the_shortest_trip_counts() -> None:
    """B8, trap 13: a slow answer says least about the time, so a quicker one is believed."""
    sensed = ClockSense().take([look(90, trip_ms=200), look(7, trip_ms=3), look(-80, trip_ms=190)])
    assert (sensed.offset_ns, sensed.uncertainty_ns) == (7 * _MS, 3 * _MS // 2)


def test_b8_one_wild_round_moves_nothing_and_is_asked_again() -> None:
    """B8: smoothed against outliers, which are looked at once more soon."""
    sense = ClockSense()
    for second in range(4):
        assert not sense.take([look(5, at_s=second)]).is_doubted
    wild = sense.take([look(900, at_s=4)])
    assert wild.offset_ns == 5 * _MS
    assert wild.is_doubted
    assert not sense.take([look(5, at_s=5)]).is_doubted


def test_b8_a_true_step_is_believed_after_three_looks() -> None:
    """B8: an exchange whose clock jumped is followed, within three rounds."""
    sense = ClockSense()
    for second in range(10):
        sense.take([look(0, at_s=second)])
    found = [sense.take([look(3_000, at_s=10 + n)]).offset_ns for n in range(3)]
    assert found == [0, 0, 3_000 * _MS]


def test_b8_drift_is_the_slope_of_the_offsets() -> None:
    """B8, fault C1: 50 µs each second are 50 000 parts in 10⁹, whatever one wild look says."""
    sense = ClockSense()
    sensed = sense.take([look(0)])
    assert sensed.drift_ppb is None
    for second in range(1, 60):
        offset_ms = 700 if second == 30 else second * 0.05
        sensed = sense.take([look(offset_ms, at_s=second)])
    assert sensed.drift_ppb is not None
    assert abs(sensed.drift_ppb - 50_000) < 100


def test_b8_what_was_before_our_own_clock_was_set_is_forgotten() -> None:
    """B8, C1: the first look after it is believed at once."""
    sense = ClockSense()
    for second in range(10):
        sense.take([look(0, at_s=second)])
    sense.forget()
    assert sense.take([look(-3_000, at_s=10)]).offset_ns == -3_000 * _MS


def test_c1_a_wall_clock_that_was_set_is_found_and_a_slewed_one_is_not() -> None:
    """C1, fault C1: wall against monotonic, over 250 ms between two looks; forwards and back."""
    steps = Steps(1_000 * _S, 0)
    assert steps.look(1_001 * _S, 1 * _S) == 0
    assert steps.look(1_002 * _S + 250 * _MS, 2 * _S) == 0
    assert steps.look(1_006 * _S + 250 * _MS, 3 * _S) == 3 * _S
    assert steps.look(1_003 * _S + 250 * _MS, 4 * _S) == -4 * _S
    assert steps.look(1_004 * _S + 250 * _MS, 5 * _S) == 0


@given(
    st.lists(
        st.lists(st.tuples(st.integers(-500, 500), st.integers(0, 500)), min_size=1, max_size=3),
        min_size=1,
        max_size=80,
    )
)
def test_b8_what_is_believed_was_seen(rounds: list[list[tuple[int, int]]]) -> None:
    """B8: never a figure that no look gave: its round trip belongs to it."""
    sense = ClockSense()
    found = [
        sense.take([look(offset, trip_ms=trip, at_s=second) for offset, trip in seen])
        for second, seen in enumerate(rounds)
    ]
    known = {(o * _MS, int(t * _MS / 2)) for seen in rounds for o, t in seen}
    assert {(one.offset_ns, one.uncertainty_ns) for one in found} <= known
