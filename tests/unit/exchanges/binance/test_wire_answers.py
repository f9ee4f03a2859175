"""
What an HTTP reply proves, for every class of reply.
"""

from typing import Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.binance.wire_answers import (
    Accepted,
    ClockRefused,
    Doubt,
    RateLimited,
    Rejected,
    Unknown,
    classify,
)

ACK: Final = (
    b'{"symbol":"BTCUSDT","orderId":28,"orderListId":-1,'
    b'"clientOrderId":"6gCrw2kRUAF9CvJDGP16IP","transactTime":1507725176595}'
)


def error(code: int, message: str) -> bytes:
    return orjson.dumps({"code": code, "msg": message})


def test_an_acknowledgement_is_accepted() -> None:
    """A readable 200 says that the venue has the order."""
    answer = classify(200, ACK)
    assert isinstance(answer, Accepted)
    assert (answer.reply.order_id, answer.reply.client_order_id) == (28, "6gCrw2kRUAF9CvJDGP16IP")


@pytest.mark.parametrize(
    ("status", "code", "message", "token"),
    [
        (400, -1013, "Filter failure: LOT_SIZE", "FILTER_LOT_SIZE"),
        (400, -1013, "Invalid quantity.", "INVALID_MESSAGE"),
        (400, -1022, "Signature for this request is not valid.", "INVALID_SIGNATURE"),
        (400, -1100, "Illegal characters found in parameter 'price'", "ILLEGAL_CHARS"),
        (400, -1102, "Mandatory parameter 'symbol' …", "MANDATORY_PARAM_EMPTY_OR_MALFORMED"),
        (400, -1111, "Parameter 'price' has too much precision.", "BAD_PRECISION"),
        (400, -1121, "Invalid symbol.", "BAD_SYMBOL"),
        (400, -2010, "Account has insufficient balance for …", "INSUFFICIENT_BALANCE"),
        (400, -2010, "Order would immediately match and take.", "WOULD_TAKE"),
        (400, -2010, "Some text of tomorrow.", "NEW_ORDER_REJECTED"),
        (400, -2011, "Unknown order sent.", "UNKNOWN_ORDER"),
        (400, -2013, "Order does not exist.", "NO_SUCH_ORDER"),
        (401, -2014, "API-key format invalid.", "BAD_API_KEY_FMT"),
        (401, -2015, "Invalid API-key, IP, or permissions for action.", "REJECTED_MBX_KEY"),
        (400, -2026, "Order was canceled or expired with no executed qty …", "ORDER_ARCHIVED"),
    ],
)
def test_a_documented_refusal_is_a_reject(status: int, code: int, message: str, token: str) -> None:
    """Only what the documents name as a refusal counts as one."""
    assert classify(status, error(code, message)) == Rejected(code, token, message, status)


@pytest.mark.parametrize(
    ("status", "body", "doubt"),
    [
        (500, b"", Doubt.SERVER_ERROR),
        (502, b"<html>502 Bad Gateway</html>", Doubt.SERVER_ERROR),
        (503, error(-2010, "Account has insufficient balance"), Doubt.SERVER_ERROR),
        (504, error(-1007, "Timeout waiting for response"), Doubt.SERVER_ERROR),
        (400, error(-1006, "An unexpected response was received"), Doubt.STATUS_UNKNOWN),
        (400, error(-1007, "Timeout waiting for response"), Doubt.STATUS_UNKNOWN),
        (400, error(-1000, "An unknown error occurred"), Doubt.STATUS_UNKNOWN),
        (400, error(-1001, "Internal error"), Doubt.STATUS_UNKNOWN),
        (400, error(-1008, "Server is currently overloaded"), Doubt.STATUS_UNKNOWN),
        (400, error(-2010, "Duplicate order sent."), Doubt.DUPLICATE),
        (400, error(-9999, "A code of tomorrow"), Doubt.UNDOCUMENTED),
        (400, b"<html>400</html>", Doubt.UNREADABLE),
        (400, b'{"code":-2010,"ms', Doubt.UNREADABLE),
        (400, b'{"code":"-2010","msg":"a"}', Doubt.UNREADABLE),
        (400, b'{"code":true,"msg":"a"}', Doubt.UNREADABLE),
        (403, b"<html>Request blocked</html>", Doubt.FIREWALL),
        (403, error(-2010, "Account has insufficient balance"), Doubt.FIREWALL),
        (408, error(-2010, "Account has insufficient balance"), Doubt.UNEXPECTED_STATUS),
        (409, error(-2021, "Order cancel-replace partially failed"), Doubt.UNEXPECTED_STATUS),
        (201, ACK, Doubt.UNEXPECTED_STATUS),
        (307, b"", Doubt.UNEXPECTED_STATUS),
        (200, ACK[:-10], Doubt.UNREADABLE),
        (200, b"", Doubt.UNREADABLE),
        (200, b"[]", Doubt.UNREADABLE),
        (200, error(-2010, "no"), Doubt.UNREADABLE),
    ],
)
def test_anything_else_is_unknown(status: int, body: bytes, doubt: Doubt) -> None:
    """A8: what is not a documented, readable answer leaves the outcome open."""
    answer = classify(status, body)
    assert isinstance(answer, Unknown)
    assert answer.doubt is doubt


@pytest.mark.parametrize(
    ("status", "body", "header", "seconds"),
    [
        (429, error(-1003, "Too much request weight used"), "7", 7),
        (429, error(-1015, "Too many new orders"), "10", 10),
        (418, error(-1003, "Way too much; IP banned"), "120", 120),
        (429, b"<html>", None, None),
        (400, error(-1003, "Too many requests queued."), None, None),
        (400, error(-1034, "Too many concurrent connections"), "x", None),
        (429, b"", "-1", None),
        (429, b"", "99999999999999999999", 259_200),
    ],
)
def test_a_rate_limit_carries_its_wait(
    status: int, body: bytes, header: str | None, seconds: int | None
) -> None:
    """A4: `Retry-After` is read to the letter, and a nonsensical one means none."""
    answer = classify(status, body, retry_after=header)
    assert answer == RateLimited(status, seconds)
    assert answer.is_banned is (status == 418)


def test_a_clock_refusal_is_a_class_of_its_own() -> None:
    """-1021 says that our clock is off, and that nothing was done."""
    answer = classify(400, error(-1021, "Timestamp for this request is outside of the recvWindow."))
    assert isinstance(answer, ClockRefused)


@given(status=st.integers(min_value=100, max_value=599), body=st.binary(max_size=200))
def test_any_bytes_are_classified(status: int, body: bytes) -> None:
    """Nothing that a network can deliver raises, or is taken for an order."""
    answer = classify(status, body, retry_after=body.decode("latin-1"))
    assert not isinstance(answer, Accepted)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3000, 3000) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["code", "msg", "symbol", "orderId", "fills", "status"]), inner
        )
    ),
    max_leaves=8,
)


@given(status=st.sampled_from([200, 400, 401, 403, 429, 500]), value=_JSON)
def test_any_json_is_classified(status: int, value: object) -> None:
    """JSON of any shape is classified too."""
    answer = classify(status, orjson.dumps(value))
    assert not isinstance(answer, Accepted)
