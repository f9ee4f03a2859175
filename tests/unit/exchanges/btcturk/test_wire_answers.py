"""
Envelopes: what a reply of BTCTurk proves.
"""

from contextlib import suppress
from typing import Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.answers import Accepted, Doubt, RateLimited, Unknown
from spark.exchanges.btcturk.wire_answers import (
    TOKENS,
    Rejected,
    Worth,
    classify_as,
    data_of,
    token_of,
)
from spark.exchanges.btcturk.wire_orders import submitted

HTML: Final = b"<!DOCTYPE html><html><head><title>504: Gateway time-out</title></head></html>"


def body(**fields: object) -> bytes:
    return orjson.dumps({"success": False, "message": None, "code": 0, "data": None, **fields})


def classify(status: int, sent: bytes, retry_after_s: int = 0) -> object:
    return classify_as(lambda data: data, status, sent, retry_after_s=retry_after_s)


@pytest.mark.parametrize("message", [None, "", "SUCCESS", "OK"])
@pytest.mark.parametrize("code", [0, "0", "SUCCESS", None])
def test_every_success_that_was_seen_is_one(message: str | None, code: object) -> None:
    """A success says so in `success`, `code` and `message`, each in more than one way."""
    sent = body(success=True, message=message, code=code, data=[1])
    assert classify(200, sent) == Accepted([1])
    assert data_of(sent) == [1]


def test_names_are_read_whatever_their_case() -> None:
    """Documents and server differ in the case of names."""
    assert classify(200, b'{"Success":true,"Message":"","CODE":0,"Data":7}') == Accepted(7)


@pytest.mark.parametrize("status", [200, 401])
def test_success_true_with_a_code_is_no_success(status: int) -> None:
    """Trap 2: `success: true` with code 1037 is a refusal, whatever the HTTP status."""
    sent = body(success=True, message="Unauthorized - Invalid Nonce", code=1037)
    answer = classify(status, sent)
    assert answer == Rejected("INVALID_NONCE", Worth.CLOCK, "Unauthorized - Invalid Nonce", status)
    bare = classify(status, body(success=True, code=1037))
    assert bare == Unknown(Doubt.UNDOCUMENTED, status)


@pytest.mark.parametrize("token", sorted(TOKENS))
@pytest.mark.parametrize("code", [1055, 1123, 0])
def test_the_token_counts_and_not_the_number(token: str, code: int) -> None:
    """Trap 8, fault V4: every documented token has its class; its number was wrong for years."""
    answer = classify(400, body(message=token, code=code))
    if TOKENS[token] is Worth.UNKNOWN:
        assert answer == Unknown(Doubt.STATUS_UNKNOWN, 400)
    else:
        assert answer == Rejected(token, TOKENS[token], token, 400)


@pytest.mark.parametrize(
    ("text", "token", "worth"),
    [
        ("Unauthorized - Invalid Nonce", "INVALID_NONCE", Worth.CLOCK),
        ("Unauthorized - Invalid Signature", "INVALID_SIGNATURE", Worth.REJECTED),
        ("Unauthorized - Headers are missing", "HEADERS_ARE_MISSING", Worth.REJECTED),
        ("Unauthorized - Invalid Request", "INVALID_REQUEST", Worth.REJECTED),
        ("Unauthorized", "UNAUTHORIZED", Worth.REJECTED),
        ("Order not found", "ORDER_NOT_FOUND", Worth.ABSENT),
        ("Pair BTCXYZ does not exists.", "PAIR_DOES_NOT_EXIST", Worth.REJECTED),
        (
            "startTime cannot be bigger than current unix timestamp.",
            "START_TIME_IN_FUTURE",
            Worth.REJECTED,
        ),
        ("failed_min_total_amount", "FAILED_MIN_TOTAL_AMOUNT", Worth.REJECTED),
    ],
)
def test_free_text_has_a_token_too(text: str, token: str, worth: Worth) -> None:
    """Trap 8: an authentication's failure and a missing order come as text."""
    assert token_of(text) == token
    assert classify(400, body(message=text, code=1)) == Rejected(token, worth, text, 400)


def test_funds_on_their_way_back_are_refused_for_now() -> None:
    """Trap 22: 1122 just after a fill says that the same order may be taken a moment later."""
    answer = classify(400, body(message="FAILED_ORDER_WITH_OPEN_ORDERS", code=1122))
    assert isinstance(answer, Rejected)
    assert answer.worth is Worth.RETRYABLE


@pytest.mark.parametrize(
    ("status", "sent", "doubt"),
    [
        (500, body(message="INTERNAL_ERROR", code=500), Doubt.SERVER_ERROR),
        (503, body(message="BALANCE_NOT_ENOUGH"), Doubt.SERVER_ERROR),
        (504, HTML, Doubt.SERVER_ERROR),
        (403, HTML, Doubt.FIREWALL),
        (403, body(message="BALANCE_NOT_ENOUGH"), Doubt.FIREWALL),
        (408, body(message="BALANCE_NOT_ENOUGH"), Doubt.UNEXPECTED_STATUS),
        (409, body(message="BALANCE_NOT_ENOUGH"), Doubt.UNEXPECTED_STATUS),
        (301, b"", Doubt.UNEXPECTED_STATUS),
        (201, body(success=True), Doubt.UNEXPECTED_STATUS),
        (400, HTML, Doubt.UNREADABLE),
        (400, b"", Doubt.UNREADABLE),
        (400, b'{"success":false,"mess', Doubt.UNREADABLE),
        (400, b"[]", Doubt.UNREADABLE),
        (400, body(message=["BALANCE_NOT_ENOUGH"]), Doubt.UNREADABLE),
        (400, body(message="A_TOKEN_OF_TOMORROW", code=1055), Doubt.UNDOCUMENTED),
        (400, body(message="NOT_BALANCE_NOT_ENOUGH"), Doubt.UNDOCUMENTED),
        (400, body(message=None, code=1123), Doubt.UNDOCUMENTED),
        (401, HTML, Doubt.UNREADABLE),
        (200, HTML, Doubt.UNREADABLE),
        (200, body(message="A_TOKEN_OF_TOMORROW"), Doubt.UNDOCUMENTED),
        (200, body(success="true"), Doubt.UNDOCUMENTED),
        (200, body(success=True, code=False), Doubt.UNDOCUMENTED),
    ],
)
def test_anything_else_is_unknown(status: int, sent: bytes, doubt: Doubt) -> None:
    """A8, faults V2 and V4: what is not a documented, readable answer leaves the outcome open."""
    assert classify(status, sent) == Unknown(doubt, status)


@pytest.mark.parametrize(
    ("status", "sent", "is_address_limited"),
    [
        (429, body(message="TOO_MANY_REQUESTS", code=429, policy="ip"), True),
        (429, body(message="TOO_MANY_REQUESTS", code=429, policy="account"), False),
        (429, body(message="TOO_MANY_REQUESTS", code=429), True),
        (429, HTML, True),
        (400, body(message="TOO_MANY_REQUESTS", code=429, policy="account"), False),
    ],
)
def test_a_rate_limit_says_whom_it_counts(
    status: int, sent: bytes, *, is_address_limited: bool
) -> None:
    """Trap 8: a 429 is a rate limit with its wait, of the address unless it says otherwise."""
    assert classify(status, sent, 60) == RateLimited(status, 60, is_address_limited)


@pytest.mark.parametrize("sent", [HTML, body(message="INTERNAL_ERROR"), body(), b"{}"])
def test_a_public_reply_is_a_success_or_an_error(sent: bytes) -> None:
    """Data comes out of a success alone."""
    with pytest.raises(WireError):
        data_of(sent)


@given(st.integers(100, 599), st.binary(max_size=200), st.integers(0, 100))
def test_any_bytes_are_classified(status: int, sent: bytes, retry_after_s: int) -> None:
    """Any bytes in: an answer out, and never a success."""
    answer = classify_as(submitted, status, sent, retry_after_s=retry_after_s)
    assert not isinstance(answer, Accepted)


_JSON: Final = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(
    st.sampled_from([200, 400, 401, 429]),
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("success", "message", "code", "data"), _JSON)
    ),
)
def test_any_envelope_is_classified(status: int, fields: dict[str, object]) -> None:
    """Any JSON in an envelope's fields: an answer, or for public data a typed error."""
    sent = orjson.dumps(fields)
    classify_as(submitted, status, sent)
    with suppress(WireError):
        data_of(sent)


@pytest.mark.parametrize("sent", [b"[" * 100_000, b"1" * 10_000, b"1e999999999", b"NaN"])
def test_bytes_that_are_made_to_hurt_are_unreadable(sent: bytes) -> None:
    """Depth, digits and exponents without end are one more unreadable body."""
    assert classify(200, sent) == Unknown(Doubt.UNREADABLE, 200)
    assert classify(200, b'{"success":true,"data":' + sent) == Unknown(Doubt.UNREADABLE, 200)
