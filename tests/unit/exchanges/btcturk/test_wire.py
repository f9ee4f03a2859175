"""
Fields: strict readers, and amounts digit for digit.
"""

from contextlib import suppress
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.btcturk.wire import (
    amount,
    amount_or_zero,
    decode_exact,
    folded,
    identifier,
    milliseconds,
    plain,
    signed_amount,
    text_or_empty,
)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (b'{"a":0.1}', "0.1"),
        (b'{"a":"0.1"}', "0.1"),
        (b'{"a":3842925}', "3842925"),
        (b'{"a":1E-05}', "0.00001"),
        (b'{"a":0.12345678901234567890123456789}', "0.12345678901234567890123456789"),
        (b'{"A":"1.5000"}', "1.5000"),
    ],
)
def test_an_amount_is_read_digit_for_digit(sent: bytes, read: str) -> None:
    """Numbers and texts alike go through no binary fraction, whatever the name's case."""
    assert f"{amount(folded(decode_exact(sent), 'a thing'), 'a'):f}" == read


@pytest.mark.parametrize(
    "value", ["true", "null", '""', '"1,5"', '"-1"', "-1", '"NaN"', "[1]", '"1e999"', '" 1"']
)
def test_what_is_no_amount_is_refused(value: str) -> None:
    """A decimal comma, a sign or a word is no amount, and neither is nothing."""
    with pytest.raises(WireError):
        amount(folded(decode_exact(f'{{"a":{value}}}'), "a thing"), "a")


def test_a_signed_amount_keeps_its_sign() -> None:
    """A sale's amount and a fee stand below zero."""
    assert signed_amount({"a": "-0.5"}, "a") == Decimal("-0.5")
    assert amount_or_zero({"a": None}, "a") == 0
    assert text_or_empty({"a": None}, "a") == ""


@pytest.mark.parametrize(
    ("value", "ms"),
    [(1_735_689_600_000, 1_735_689_600_000), ("1647357507716", 1_647_357_507_716)],
)
def test_a_time_is_whole_milliseconds(value: object, ms: int) -> None:
    """A time comes as a number or as text."""
    assert milliseconds({"t": value}, "t") == ms
    assert milliseconds({"t": Decimal(f"{value}.0")}, "t") == ms


@pytest.mark.parametrize("value", [True, None, -1, "1e3", 10**14, "", Decimal("1e50"), 1 << 70])
def test_what_is_no_time_is_refused(value: object) -> None:
    """A time that no record can hold is none."""
    with pytest.raises(WireError):
        milliseconds({"t": value}, "t")


def test_an_id_is_text_of_digits() -> None:
    """An exchange's id is kept as text, however it came."""
    assert identifier({"id": 7}, "id") == identifier({"id": "7"}, "id") == "7"
    for value in (None, True, "", "7a", "-7", 7.0, "9" * 20):
        with pytest.raises(WireError):
            identifier({"id": value}, "id")


def test_a_field_that_stands_there_twice_is_refused() -> None:
    """Which of two spellings is meant nobody can tell."""
    with pytest.raises(WireError):
        folded(decode_exact(b'{"id":1,"ID":2}'), "a thing")


@pytest.mark.parametrize(
    ("value", "written"),
    [("1.10", "1.1"), ("100", "100"), ("380000.00", "380000"), ("1E-8", "0.00000001"), ("0", "0")],
)
def test_an_amount_is_written_as_it_is(value: str, written: str) -> None:
    """Trap 5: zeros behind the point count as decimals to the venue, and say nothing."""
    assert plain(Decimal(value)) == written


@pytest.mark.parametrize("value", ["1e12", "1e-17", "-1", "0.12345678901234567"])
def test_an_amount_that_does_not_fit_is_never_rounded(value: str) -> None:
    """B8: 12 digits before the point and 16 behind it; what has more is not sent."""
    with pytest.raises(ValueError, match="no amount"):
        plain(Decimal(value))


@given(st.decimals(min_value=0, max_value=10**11, places=16, allow_nan=False))
def test_what_is_written_is_the_same_amount(value: Decimal) -> None:
    """Nothing is lost in writing."""
    assert Decimal(plain(value)) == value


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_refused(sent: bytes) -> None:
    """Any bytes in: a value or a typed error."""
    with suppress(WireError):
        decode_exact(sent)
