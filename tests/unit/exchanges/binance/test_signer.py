"""
What the signer makes of approvals and questions.
"""

from typing import Any, Final
from urllib.parse import parse_qsl

import orjson
import pytest

from spark.exchanges.binance.auth import API_KEY_HEADER, SecretKey
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner
from spark.exchanges.port import Asked, Question, SignedRequest, VenueCannotError
from spark.names import AccountId, Symbol
from tests.venues import approved, cancelling

ACCOUNT: Final = AccountId("binance:main")
NOW_NS: Final = 1_700_000_000_123_456_789
_MS: Final = 1_000_000
TRADE: Final = BinanceKey("T" * 64, SecretKey(b"trade"))
READ: Final = BinanceKey("R" * 64, SecretKey(b"read"))
SIGNER: Final = BinanceSigner(TRADE, READ, 5_000)
BTC: Final = Symbol("BTCUSDT")


def ask(question: Question, **fields: object) -> SignedRequest:
    made: dict[str, Any] = {"question": question, "account": ACCOUNT, **fields}
    return SIGNER.ask(Asked(**made), NOW_NS)


def params_of(request: SignedRequest) -> dict[str, str]:
    """Give the parameters but for timing and signature, which are checked here."""
    params = dict(parse_qsl(request.query))
    payload, _, signature = request.query.rpartition("&signature=")
    assert signature == SecretKey(b"read").sign(payload)
    assert params.pop("signature") == signature
    assert (params.pop("timestamp"), params.pop("recvWindow")) == ("1700000000123", "5000")
    return params


@pytest.mark.parametrize(
    ("fields", "path", "wanted"),
    [
        (
            {"question": Question.ORDER, "client_order_id": "one"},
            "order",
            {"origClientOrderId": "one"},
        ),
        (
            {"question": Question.ORDER, "exchange_order_id": "77"},
            "order",
            {"orderId": "77"},
        ),
        (
            {"question": Question.ORDER, "client_order_id": "one", "exchange_order_id": "77"},
            "order",
            {"origClientOrderId": "one"},
        ),
        ({"question": Question.OPEN_ORDERS}, "openOrders", {}),
        ({"question": Question.ORDERS}, "allOrders", {"limit": "1000"}),
        (
            {"question": Question.ORDERS, "since_ns": NOW_NS - 7_000 * _MS},
            "allOrders",
            {"startTime": "1699999993123", "limit": "1000"},
        ),
        (
            {"question": Question.ORDERS, "exchange_order_id": "77"},
            "allOrders",
            {"orderId": "77", "limit": "1000"},
        ),
        ({"question": Question.FILLS}, "myTrades", {"limit": "1000"}),
        (
            {"question": Question.FILLS, "after_id": "9", "since_ns": 7 * _MS},
            "myTrades",
            {"fromId": "10", "limit": "1000"},
        ),
        (
            {"question": Question.FILLS, "since_ns": NOW_NS - 7_000 * _MS},
            "myTrades",
            {"startTime": "1699999993123", "limit": "1000"},
        ),
        (
            {"question": Question.FILLS, "since_ns": NOW_NS - 86_400_000 * _MS},
            "myTrades",
            {"limit": "1000"},
        ),
        (
            {"question": Question.FILLS, "exchange_order_id": "77"},
            "myTrades",
            {"orderId": "77", "limit": "1000"},
        ),
        ({"question": Question.BALANCES}, "account", {"omitZeroBalances": "true"}),
        ({"question": Question.FEES}, "account/commission", {}),
    ],
)
def test_a_question_is_signed_with_the_read_key(
    fields: dict[str, Any], path: str, wanted: dict[str, str]
) -> None:
    """S4: each question has its path, its parameters and the read key's signature."""
    question = fields["question"]
    whole_account = {Question.OPEN_ORDERS, Question.BALANCES}
    symbol: dict[str, Any] = {} if question in whole_account else {"symbol": BTC}
    request = ask(**fields, **symbol)
    assert (request.method, request.path) == ("GET", f"/api/v3/{path}")
    assert request.headers == {API_KEY_HEADER: READ.api_key}
    assert params_of(request) == {**symbol, **wanted}


def test_the_login_is_a_message_for_the_socket() -> None:
    """Trap 25: the private stream is opened by a signed subscription; there is no listen key."""
    request = ask(Question.LOGIN)
    assert (request.method, request.path, request.query, request.headers) == ("", "", "", {})
    message = orjson.loads(request.body)
    assert message["method"] == "userDataStream.subscribe.signature"
    assert message["params"]["apiKey"] == READ.api_key
    payload = f"apiKey={READ.api_key}&recvWindow=5000&timestamp=1700000000123"
    assert message["params"]["signature"] == SecretKey(b"read").sign(payload)


@pytest.mark.parametrize(
    "fields",
    [
        {"question": Question.ORDER, "symbol": BTC},
        {"question": Question.ORDER, "client_order_id": "one"},
        {"question": Question.ORDER, "symbol": BTC, "client_order_id": "a b"},
        {"question": Question.ORDER, "symbol": BTC, "exchange_order_id": "x"},
        {"question": Question.ORDERS},
        {"question": Question.FILLS},
        {"question": Question.FILLS, "symbol": BTC, "after_id": "-1"},
        {"question": Question.FILLS, "symbol": BTC, "after_id": "1" * 19},
        {"question": Question.FEES},
    ],
)
def test_what_cannot_be_asked_is_not_signed(fields: dict[str, Any]) -> None:
    """A question without its subject, or with one that is none, never leaves."""
    with pytest.raises(VenueCannotError):
        ask(**fields)


def test_an_answer_is_final_after_the_window_and_the_venues_own_timeout() -> None:
    """A8, trap 11: a denial counts once the request can no longer be executed."""
    order = approved(ACCOUNT, "one", symbol=BTC)
    place = SIGNER.place(order, NOW_NS)
    cancel = SIGNER.cancel(cancelling(order), NOW_NS, exchange_order_id="")
    for request in (place, cancel):
        assert request.headers == {API_KEY_HEADER: TRADE.api_key}
        assert request.final_after_ns == NOW_NS + (5_000 + 10_000 + 1_000) * _MS


def test_a_request_shows_neither_key_nor_signature() -> None:
    """S18: what is printed of a request is its path."""
    for question in (Question.BALANCES, Question.LOGIN):
        shown = repr(ask(question))
        assert READ.api_key not in shown
        assert "signature" not in shown
