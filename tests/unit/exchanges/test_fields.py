"""
Fields that every exchange writes alike: there and of the documented form, or refused.
"""

from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.fields import (
    Object,
    as_list,
    as_object,
    decode,
    encode,
    flag,
    text,
    whole,
)
from spark.quoting import SHOWN_MAX


@pytest.mark.parametrize("value", [True, None, -1, "1", 1 << 63, 1.0])
def test_what_is_no_whole_number_is_refused(value: object) -> None:
    """A count is a number without a point, and fits a record."""
    with pytest.raises(WireError):
        whole({"n": value}, "n")


@pytest.mark.parametrize(
    ("read", "value"), [(text, 1), (text, None), (flag, 1), (flag, "true"), (flag, None)]
)
def test_another_kind_of_value_is_refused(
    read: Callable[[Object, str], object], value: object
) -> None:
    """A field is what the documents say: nothing is taken for something like it."""
    with pytest.raises(WireError, match=r"a is .* is due"):
        read({"a": value}, "a")
    with pytest.raises(WireError, match="a is missing"):
        read({}, "a")


def test_what_is_there_is_read() -> None:
    """What was written is what is read."""
    fields = as_object(decode(encode({"t": "x", "n": 0, "f": False, "l": [1]})), "a thing")
    assert (text(fields, "t"), whole(fields, "n"), flag(fields, "f")) == ("x", 0, False)
    assert as_list(fields["l"], "a list") == [1]
    for value in (None, "x", 1):
        with pytest.raises(WireError, match="a thing is not an object"):
            as_object(value, "a thing")
        with pytest.raises(WireError, match="a thing is not a list"):
            as_list(value, "a thing")


def test_an_error_shows_a_little_of_the_value() -> None:
    """S18: a body never comes out in an error whole, however long a field is."""
    with pytest.raises(WireError) as caught:
        whole({"n": "x" * 10_000}, "n")
    assert "x" * SHOWN_MAX in str(caught.value)
    assert "x" * (SHOWN_MAX + 1) not in str(caught.value)


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(sent: bytes) -> None:
    """Any bytes in: a value or a typed error."""
    with suppress(WireError):
        decode(sent)
