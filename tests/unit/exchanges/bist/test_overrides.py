"""The file of announced days: read whole, or refused with its line."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import SettingError
from spark.exchanges.bist.overrides import FILE_BYTES_MAX, read_overrides
from spark.exchanges.bist.sessions import Override

GOOD = """\
# Announced on 1 December
2026-12-31 = { opens = "09:30", closes = "12:50", reason = "half day" }

[2026-11-30]
closed = true
reason = "suspended"
"""


def test_days_with_hours_and_closed_days_are_read() -> None:
    """One line or one table a day, given in the order of days."""
    assert read_overrides(GOOD.encode(), "file") == (
        Override(day="2026-11-30", hours=None, reason="suspended"),
        Override(day="2026-12-31", hours=(570, 770), reason="half day"),
    )


def test_an_empty_file_announces_nothing() -> None:
    """Nothing announced is the ordinary state."""
    assert read_overrides(b"", "file") == ()


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ('2026-02-29 = { closed = true, reason = "x" }', "no day of the calendar"),
        ('tomorrow = { closed = true, reason = "x" }', "is no day"),
        ('2016-12-31 = { closed = true, reason = "x" }', "before 2017-01-01"),
        ("2026-12-31 = true", "say { closed = true"),
        ("2026-12-31 = [1]", "say { closed = true"),
        ("2026-12-31 = { closed = true }", "a reason is missing"),
        ('2026-12-31 = { closed = true, reason = " " }', "a reason is missing"),
        ("2026-12-31 = { closed = true, reason = 3 }", "a reason is missing"),
        ('2026-12-31 = { closed = true, reason = "a\\nb" }', "must be one line"),
        ('2026-12-31 = { closed = true, reason = "' + "x" * 201 + '" }', "at most 200"),
        ('2026-12-31 = { closed = false, reason = "x" }', "closed = true stands"),
        ('2026-12-31 = { closed = 1, reason = "x" }', "closed = true stands"),
        ('2026-12-31 = { closed = true, opens = "09:30", reason = "x" }', "closed = true stands"),
        ('2026-12-31 = { reason = "x" }', "opens is missing"),
        ('2026-12-31 = { opens = "09:30", reason = "x" }', "closes is missing"),
        ('2026-12-31 = { opens = "9:30", closes = "12:50", reason = "x" }', "no time of day"),
        ('2026-12-31 = { opens = 09:30:00, closes = "12:50", reason = "x" }', "must be text"),
        ('2026-12-31 = { opens = "12:50", closes = "12:50", reason = "x" }', "is not before"),
        ('2026-12-31 = { opens = "12:51", closes = "12:50", reason = "x" }', "is not before"),
        ('2026-12-31 = { opnes = "09:30", reason = "x" }', "'opnes' is none of"),
        ('2026-11-30 = { closed = true, reason = "twice" }\n2026-11-30 = 1', "line 4"),
        ("2026-12-31 = { closed = true", "line 3"),
    ],
)  # fmt: skip
def test_an_error_names_its_line(entry: str, said: str) -> None:
    """A slip is one error that says where it is and what is wrong; nothing of the file counts."""
    with pytest.raises(SettingError, match=r"line [34]") as caught:
        read_overrides(f"# first\n\n{entry}\n".encode(), "file")
    assert said in str(caught.value)


def test_what_is_no_text_is_refused() -> None:
    """Rubbish is an error too, with the line on which it begins to be rubbish."""
    with pytest.raises(SettingError, match="line 2: not UTF-8"):
        read_overrides(b"# good\n\xff\n", "file")
    with pytest.raises(SettingError, match="at most"):
        read_overrides(b"#" * (FILE_BYTES_MAX + 1), "file")
    assert read_overrides(b"#" * FILE_BYTES_MAX, "file") == ()


@pytest.mark.parametrize(
    "entry",
    [
        f'2026-12-31 = {{ {"x" * 70_000} = 1, reason = "x" }}',
        f'{"x" * 70_000} = {{ closed = true, reason = "x" }}',
        f'2026-12-31 = {{ opens = "{"9" * 70_000}", closes = "12:50", reason = "x" }}',
        f'"{"x" * 400}\\n{"x" * 400}" = 1',
        f"2026-12-31 = {'9' * 5_000}",
        "2026-12-31 = " + "[" * 3_000,
    ],
    ids=["field", "day", "hour", "lines", "digits", "depth"],
)
def test_h5_a_reason_is_short_however_long_the_file_is(entry: str) -> None:
    """H5: what stands in the file is repeated in one line, and cut."""
    with pytest.raises(SettingError, match=r"^file[:,] ") as caught:
        read_overrides(f"{entry}\n".encode(), "file")
    assert len(str(caught.value)) < 300
    assert str(caught.value).isprintable()


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever stands in the file, it is overrides or one SettingError."""
    try:
        found = read_overrides(data, "file")
    except SettingError:
        return
    assert all(isinstance(one, Override) for one in found)
