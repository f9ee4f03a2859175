"""Spans of time as people write them."""

import pytest
import typer

from spark.cli.durations import parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("5m", 300), ("1h", 3600), ("2d", 172_800), ("90", 90), ("1.5s", 1.5)],
    ids=str,
)
def test_a_span_is_read(text: str, seconds: float) -> None:
    """
    With a unit, or in seconds.
    """
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "-1s", "0", "5 parsecs", "1m30s", "s", "9" * 400, "101000d"]
)
def test_what_is_no_span_is_refused(text: str) -> None:
    """
    H5: nothing is guessed, and no span is longer than a clock counts.
    """
    with pytest.raises(typer.BadParameter):
        parse_duration(text)
