"""
What an HTTP reply proves, for every class of reply.
"""

from typing import Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.answers import Accepted, Doubt, RateLimited, Unknown
from spark.exchanges.binance.wire_answers import (
    ClockRefused,
    Rejected,
    classify,
    weight_used,
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
        # S18: a text that is no filter's name is not repeated.
        (400, -1013, "Filter failure: signature=c0ffee", "INVALID_MESSAGE"),
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
    """Fault V4: only what the documents name as a refusal counts as one."""
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
        (400, error(-1001, "Internal error"), Doubt.BUSY),
        (400, error(-1008, "Server is currently overloaded"), Doubt.BUSY),
        (400, error(-2021, "Order cancel-replace partially failed"), Doubt.STATUS_UNKNOWN),
        (503, error(-1008, "Server is currently overloaded"), Doubt.SERVER_ERROR),
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
    """A8, faults V2 and V4: what is not a documented, readable answer leaves the outcome open."""
    answer = classify(status, body)
    assert isinstance(answer, Unknown)
    assert answer.doubt is doubt


@pytest.mark.parametrize(
    ("status", "body", "retry_after_s"),
    [
        (429, error(-1003, "Too much request weight used"), 7),
        (429, error(-1015, "Too many new orders"), 10),
        (418, error(-1003, "Way too much; IP banned"), 120),
        (429, b"<html>", 0),
        (400, error(-1003, "Too many requests queued."), 3),
        (400, error(-1034, "Too many concurrent connections"), 0),
    ],
)
def test_a_rate_limit_carries_its_wait(status: int, body: bytes, retry_after_s: int) -> None:
    """A4: a refusal for too many requests says so, with what the exchange asks for."""
    answer = classify(status, body, retry_after_s=retry_after_s)
    assert isinstance(answer, RateLimited)
    assert (answer.http_status, answer.retry_after_s) == (status, retry_after_s)


def test_a_busy_server_under_a_limits_status_is_unknown() -> None:
    """A8: which status -1008 comes with is not documented, nor that nothing was done."""
    answer = classify(429, error(-1008, "Server is currently overloaded"), retry_after_s=9)
    assert answer == Unknown(Doubt.BUSY, 429, -1008)


@pytest.mark.parametrize(
    ("status", "body", "is_address_limited"),
    [
        (429, error(-1003, "Too much request weight used"), True),
        (429, error(-1015, "Too many new orders"), False),
        (400, error(-1015, "Too many new orders"), False),
        (418, error(-1015, "Too many new orders"), True),
        (429, b"<html>", True),
        (400, error(-1034, "Too many concurrent connections"), True),
    ],
)
def test_a_limit_says_whose_it_is(status: int, body: bytes, is_address_limited: bool) -> None:
    """Trap 14: weight is the address's, all who share it must stop; orders are the account's."""
    answer = classify(status, body)
    assert isinstance(answer, RateLimited)
    assert answer.is_address_limited is is_address_limited


@pytest.mark.parametrize(
    ("headers", "weight"),
    [
        ({"X-MBX-USED-WEIGHT-1M": "70"}, 70),
        ({"X-MBX-USED-WEIGHT-1M": "0"}, 0),
        ({}, -1),
        ({"X-MBX-USED-WEIGHT-1M": "-1"}, -1),
        ({"X-MBX-USED-WEIGHT-1M": "٣"}, -1),
        ({"X-MBX-USED-WEIGHT-1M": "9" * 5_000}, -1),
    ],
)
def test_trap_14_the_spent_weight_is_read(headers: dict[str, str], weight: int) -> None:
    """Trap 14: what the address has spent is what the venue says, not what one process counts."""
    assert weight_used(headers) == weight


#: Every code of the documents that the venue answers to a request, by what it proves.
_UNSURE: Final = {-1000, -1001, -1006, -1007, -1008, -1016, -2021}
_LIMITS: Final = {-1003, -1015, -1034}
_REFUSED: Final = {
    *(-1002, -1010, -1013, -1014, -1020, -1022, -1033, -1035),
    *range(-1106, -1099), -1108, -1111, -1112, *range(-1122, -1113), -1125, -1127, -1128,
    *(-1130, -1134, -1135, -1139, -1145, -1151, -1152, -1153, -1155, -1158, -1160, -1161),
    *(-1165, -1166, -1168), *range(-1191, -1168), -1194, *range(-1199, -1195), -1210, -1211,
    *range(-1225, -1219), -2010, -2011, *range(-2016, -2012), -2022, -2026, -2035, -2036,
    *(-2038, -2039, -2042, -2043),
}  # fmt: skip


@pytest.mark.parametrize("code", sorted(_UNSURE | _LIMITS | _REFUSED | {-1021}, reverse=True))
def test_every_documented_code_has_its_class(code: int) -> None:
    """
    A8: definite refusal, limit, clock or unknown; a code is in exactly one of them.

    Faults V2 and V4.
    """
    answer = classify(400, error(code, "a text"))
    match answer:
        case Rejected():
            assert code in _REFUSED
            assert answer.token
        case RateLimited():
            assert code in _LIMITS
        case ClockRefused():
            assert code == -1021
        case Unknown():
            assert code in _UNSURE
        case _:
            pytest.fail("an error is never an order")


def test_a_clock_refusal_is_a_class_of_its_own() -> None:
    """-1021 says that our clock is off, and that nothing was done."""
    answer = classify(400, error(-1021, "Timestamp for this request is outside of the recvWindow."))
    assert isinstance(answer, ClockRefused)


@given(status=st.integers(min_value=100, max_value=599), body=st.binary(max_size=200))
def test_any_bytes_are_classified(status: int, body: bytes) -> None:
    """Nothing that a network can deliver raises, or is taken for an order."""
    answer = classify(status, body, retry_after_s=len(body))
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
