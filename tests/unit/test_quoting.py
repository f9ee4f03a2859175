"""
What a reason repeats of an input: one short line, whatever the input is.
"""

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.quoting import SHOWN_MAX, one_line, shown


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\x1b[2Jb", "'a\\x1b[2Jb'"),
        ("x" * SHOWN_MAX, f"'{'x' * SHOWN_MAX}'"),
        ("x" * 70_000, f"'{'x' * SHOWN_MAX}'…"),
        (7, "'7'"),
        (None, "'None'"),
        (10**5_000, "a number without end"),
        ({"a": 1}, "an object"),
        ([1], "a list"),
    ],
    ids=lambda value: str(value)[:10] if isinstance(value, str) else type(value).__name__,
)
def test_h5_a_value_is_shown_in_one_short_line(value: object, said: str) -> None:
    """H5, S18: what an input holds is quoted and cut; nothing of it moves a cursor."""
    assert shown(value) == said


@pytest.mark.parametrize("depth", [500, 999, 1_000, 1_020])
def test_h5_a_value_deeper_than_python_goes_is_shown(depth: int) -> None:
    """H5: the decoder follows further than Python can write what it gave."""
    assert shown(orjson.loads(b"[" * depth + b"]" * depth)) == "a list"


@given(st.text())
def test_h5_whatever_is_quoted_is_printable_and_short(text: str) -> None:
    """H5: any text at all, halves of characters included."""
    for said in (shown(text), one_line(text, SHOWN_MAX)):
        assert said.isprintable()
        assert len(said) <= 10 * SHOWN_MAX + 3
