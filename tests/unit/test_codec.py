"""
One spelling for every event, and a reason for every other.
"""

from decimal import Decimal

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.codec import TYPE_NAMES, decimal_text, decode, decode_as, encode, type_name
from spark.errors import MalformedError, UnknownVersionError
from spark.events import EVENT_TYPES, CancelOrder, Event, PlaceOrder
from tests.made import ANY_EVENT, DECIMALS, events_of, place

GOOD = encode(place())


@pytest.mark.parametrize("kind", EVENT_TYPES, ids=lambda one: one.__name__)
@settings(max_examples=60)
@given(data=st.data())
def test_every_event_comes_back_as_it_was(kind: type[Event], data: st.DataObject) -> None:
    """decode(encode(x)) == x, for every type and anything its fields may hold."""
    event = data.draw(events_of(kind))
    body = encode(event)
    assert decode(body) == event
    assert decode_as(kind, body) == event
    assert encode(decode(body)) == body


@given(ANY_EVENT)
def test_the_encoding_is_canonical(event: Event) -> None:
    """Keys sorted at every depth, no blanks, no floats: another writer makes the same bytes."""
    body = encode(event)
    assert orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS) == body


def changed(old: str, new: str) -> bytes:
    """An ordinary intent with one piece of its text replaced."""
    text = GOOD.decode()
    assert text.count(old) == 1, text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"{}",
        b"[]",
        b"1",
        b'"place_order"',
        GOOD[:-1],
        GOOD + b"}",
        GOOD + GOOD,
        GOOD + b"\n",
        b" " + GOOD,
        b"\xef\xbb\xbf" + GOOD,
        b"\xff\xfe",
        GOOD.replace(b"btc", b"\xff"),
        GOOD.replace(b"BTCUSDT", b"\xed\xa0\x80"),
        b"[" * 100_000,
        b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    ],
)
def test_what_is_not_a_record_is_malformed(body: bytes) -> None:
    """
    Broken JSON, other JSON, trailing bytes, bad UTF-8, bottomless nesting: one line each.

    Fault K8.
    """
    if body == GOOD.replace(b"btc", b"\xff"):
        body = GOOD.replace(b"binance", b"\xff")
    with pytest.raises(MalformedError) as caught:
        decode(body)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"side":"buy"', '"side":"sell","side":"buy"'),
        ('"side":"buy"', '"side":"buy","side":"buy"'),
        (',"side"', ', "side"'),
        ('"side":', '"side" :'),
        ('"buy"', '"\\u0062uy"'),
        ('"quantity":"0.01"', '"quantity":0.01'),
        ('"quantity":"0.01"', '"quantity":1'),
        ('"quantity":"0.01"', '"quantity":NaN'),
        ('"quantity":"0.01"', '"quantity":"NaN"'),
        ('"quantity":"0.01"', '"quantity":"Infinity"'),
        ('"quantity":"0.01"', '"quantity":"-Infinity"'),
        ('"quantity":"0.01"', '"quantity":"0.010"'),
        ('"quantity":"0.01"', '"quantity":"00.01"'),
        ('"quantity":"0.01"', '"quantity":".01"'),
        ('"quantity":"0.01"', '"quantity":"+0.01"'),
        ('"quantity":"0.01"', '"quantity":"1E+5"'),
        ('"quantity":"0.01"', '"quantity":"1e-2"'),
        ('"quantity":"0.01"', '"quantity":"0_1"'),
        ('"quantity":"0.01"', '"quantity":"-0"'),
        ('"quantity":"0.01"', '"quantity":" 1"'),
        ('"quantity":"0.01"', '"quantity":""'),
        ('"quantity":"0.01"', '"quantity":"\u0661"'),
        ('"quantity":"0.01"', '"quantity":"1E+1000000000"'),
        ('"quantity":"0.01"', '"quantity":"1E-1000000000"'),
        ('"quantity":"0.01"', '"quantity":"0E+1000000"'),
        ('"quantity":"0.01"', '"quantity":null'),
        ('"quantity":"0.01"', '"quantity":true'),
        ('"quantity":"0.01"', '"quantity":[]'),
        ('"price":"60000"', '"price":60000'),
        ('"price":"60000"', '"price":"60000.0"'),
        ('"created_ns":1763700000000000000', '"created_ns":1763700000000000000.0'),
        ('"created_ns":1763700000000000000', '"created_ns":"1763700000000000000"'),
        ('"created_ns":1763700000000000000', '"created_ns":17637e14'),
        ('"created_ns":1763700000000000000', '"created_ns":true'),
        ('"created_ns":1763700000000000000', '"created_ns":-0'),
        ('"created_ns":1763700000000000000', '"created_ns":01'),
        ('"created_ns":1763700000000000000', '"created_ns":36893488147419103232'),
        ('"created_ns":1763700000000000000', '"created_ns":' + "9" * 5_000),
        ('"side":"buy"', '"side":"BUY"'),
        ('"side":"buy"', '"side":"hold"'),
        ('"side":"buy"', '"side":1'),
        ('"side":"buy",', ""),
        ('"side":"buy"', '"side":"buy","sidf":1'),
        ('"symbol":"BTCUSDT"', '"symbol":["BTCUSDT"]'),
        ('"symbol":"BTCUSDT"', '"symbol":"\\ud800"'),
        ('"type":"place_order"', '"type":"place_orders"'),
        ('"type":"place_order"', '"type":1'),
        ('"type":"place_order",', ""),
        (',"v":1', ""),
        (',"v":1', ',"v":1.0'),
    ],
)
def test_another_spelling_is_malformed(old: str, new: str) -> None:
    """
    Duplicate keys, blanks, numbers in any other form, wrong types, unknown or missing fields.

    Fault K9.
    """
    with pytest.raises(MalformedError) as caught:
        decode(changed(old, new))
    assert not isinstance(caught.value, UnknownVersionError)


def test_keys_out_of_order_are_malformed() -> None:
    """The same content in another order would carry another tag."""
    fields = orjson.loads(GOOD)
    backwards = orjson.dumps(dict(sorted(fields.items(), reverse=True)))
    assert orjson.loads(backwards) == fields
    with pytest.raises(MalformedError, match="canonical"):
        decode(backwards)


@pytest.mark.parametrize("version", ["0", "2", "-1", "999", '"1"', "null"])
@pytest.mark.parametrize("more", ["", ',"what_is_new":{"in":"it"}'])
def test_another_version_is_told_apart(version: str, more: str) -> None:
    """Fault O6: a later version may have other fields; it is still known for what it is."""
    body = changed('"ttl_ns":5000000000', f'"ttl_ns":5000000000{more}')
    with pytest.raises(UnknownVersionError, match=r"place_order\.v"):
        decode(body.replace(b'"v":1', f'"v":{version}'.encode()))


def test_ten_megabytes_are_malformed_like_one_byte() -> None:
    """Size alone breaks nothing; what a topic takes is limited before the bytes get here."""
    with pytest.raises(MalformedError):
        decode(changed('"symbol":"BTCUSDT"', '"symbol":"' + "x" * 10_000_000 + '",'))
    with pytest.raises(MalformedError):
        decode(changed('"quantity":"0.01"', '"quantity":"' + "9" * 10_000_000 + '"'))


@pytest.mark.parametrize(
    "body",
    [
        changed('"symbol":"BTCUSDT"', '"symbol":{"api":"hunter2hunter2"}'),
        changed('"quantity":"0.01"', '"quantity":"hunter2hunter2"'),
        b"hunter2hunter2",
    ],
)
def test_s18_an_error_never_shows_what_was_written(body: bytes) -> None:
    """S18: fields and rules are named, values are not, nor are they in the chained error."""
    with pytest.raises(MalformedError) as caught:
        decode(body)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_an_error_is_short_whatever_a_field_is_called() -> None:
    """A dead letter is bounded although strangers name the unknown field."""
    with pytest.raises(MalformedError) as caught:
        decode(changed('"side":"buy"', '"side":"buy","' + "s" * 8_000 + '":1'))
    assert len(str(caught.value)) < 200


def test_h5_an_error_has_no_control_characters_whatever_a_field_is_called() -> None:
    """H5: who names a field does not write on the terminal of who reads the reason."""
    with pytest.raises(MalformedError) as raised:
        decode(changed('"side"', '"\\u001b[2J\\u202e":1,"side"'))
    assert str(raised.value).isprintable()


@given(st.binary(max_size=300))
def test_any_bytes_decode_or_are_malformed(body: bytes) -> None:
    """No bytes raise anything else."""
    try:
        event = decode(body)
    except MalformedError:
        return
    assert encode(event) == body


@settings(max_examples=300)
@given(st.integers(0, len(GOOD) - 1), st.integers(0, 255))
def test_any_byte_changed_decodes_or_is_malformed(place_: int, byte: int) -> None:
    """What still decodes says something else; two spellings of one thing do not exist."""
    body = bytearray(GOOD)
    body[place_] = byte
    try:
        event = decode(bytes(body))
    except MalformedError:
        return
    assert encode(event) == bytes(body)
    assert (event == place()) == (bytes(body) == GOOD)


@given(DECIMALS)
def test_a_decimal_has_one_text(value: Decimal) -> None:
    """Equal decimals are written alike, without exponent, sign of zero or trailing zeros."""
    text = decimal_text(value)
    assert Decimal(text) == value
    assert "E" not in text.upper()
    assert text == "0" or "." not in text or text[-1] not in "0."
    longer = text + ("00" if "." in text else ".00")
    assert decimal_text(Decimal(longer)) == decimal_text(Decimal(text)) == text


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "-Infinity", "1E+31", "1E-31"])
def test_a_decimal_out_of_range_is_not_written(text: str) -> None:
    """What no market has is refused before it is spelled digit by digit."""
    with pytest.raises(ValueError, match="out of range"):
        decimal_text(Decimal(text))


def test_a_record_of_another_type_is_not_taken() -> None:
    """A reader that expects one type gets it or an error that names both."""
    with pytest.raises(MalformedError, match="expected CancelOrder, found PlaceOrder"):
        decode_as(CancelOrder, GOOD)


def test_every_type_has_its_own_name() -> None:
    """The name on the wire finds exactly one type."""
    assert len(TYPE_NAMES) == len(EVENT_TYPES)
    assert type_name(PlaceOrder) == "place_order"
