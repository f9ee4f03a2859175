"""
Habits of a simulator as they are given at its start: read, or refused in one short line.
"""

from dataclasses import dataclass

import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.habits import read_habits


@dataclass(frozen=True)
class Habits:
    """One of either form."""

    is_slow: bool = False
    pause_ms: int = 0


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("is_slow", "perhaps", "habit is_slow: on or off"),
        ("pause_ms", "60001", "habit pause_ms: milliseconds up to 60000"),
        ("pause_ms", "-1", "habit pause_ms: milliseconds up to 60000"),
        ("pause_ms", "9" * 5_000, "habit pause_ms: milliseconds up to 60000"),
        ("x" * 5_000, "on", f"habit '{'x' * 60}'…: none of is_slow, pause_ms"),
    ],
    ids=["word", "more", "less", "digits", "name"],
)
def test_h5_a_habit_that_is_none_is_one_short_line(name: str, value: str, said: str) -> None:
    """H5: more digits than Python reads are no crash, and a long name is cut."""
    with pytest.raises(SettingError) as caught:
        read_habits(Habits, ((name, value),))
    assert str(caught.value) == said


def test_habits_are_read() -> None:
    """Switches and milliseconds, each where it was given."""
    given = (("is_slow", "on"), ("pause_ms", "60000"))
    assert read_habits(Habits, given) == Habits(is_slow=True, pause_ms=60_000)
    assert read_habits(Habits, ()) == Habits()
