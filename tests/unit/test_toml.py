"""
Files that people write: read, or refused in one short line.
"""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import SettingError
from spark.toml import read_toml


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = " + "[" * 3_000, "nested too deeply"),
        ("a = " + "{b=" * 3_000, "nested too deeply"),
        (f"a = {{ {'x' * 70_000} = 1, {'x' * 70_000} = 2 }}", "(at line 1, column "),
        (f"a = {'9' * 5_000}", "too many digits"),
        ("a = 1\na = 2\n", "(at line "),
        ("[a\n", "(at line "),
    ],
    ids=["arrays", "tables", "a-long-key", "digits", "twice", "cut"],
)
def test_h5_what_is_no_toml_is_refused_in_one_short_line(text: str, said: str) -> None:
    """H5: however deep or long the file is, its reason is neither; it names the file."""
    with pytest.raises(SettingError, match=r"^file\.toml: ") as caught:
        read_toml(text, "file.toml")
    assert said in str(caught.value)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


@given(st.text(max_size=200))
def test_h5_any_text_is_read_or_refused(text: str) -> None:
    """H5: a table, or one kind of error."""
    with suppress(SettingError):
        assert isinstance(read_toml(text, "file"), dict)
