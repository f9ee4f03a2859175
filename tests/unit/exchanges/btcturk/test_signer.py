"""
Requests as they are signed: which key, which path, which words.
"""

import base64
import hashlib
import hmac
from decimal import Decimal
from typing import Any, Final

import orjson
import pytest

from spark.exchanges.btcturk.auth import SecretKey
from spark.exchanges.btcturk.signer import (
    DUMMY_API_KEY,
    DUMMY_SECRET,
    BtcturkKey,
    BtcturkSigner,
    dummy_key,
)
from spark.exchanges.port import (
    Asked,
    OrderSigner,
    Question,
    SignedRequest,
    VenueCannotError,
    next_stamp,
)
from spark.names import AccountId, ClientOrderId, OrderType, Side, Symbol, TimeInForce
from tests.made import NOW_NS
from tests.venues import approved, cancelling

ACCOUNT: Final = AccountId("btcturk:main")
TRADE: Final = ("11111111-0000-0000-0000-000000000000", base64.b64encode(b"trade"))
READ: Final = ("22222222-0000-0000-0000-000000000000", base64.b64encode(b"read"))
BTCTRY: Final = Symbol("BTCTRY")
STAMP_MS: Final = NOW_NS // 1_000_000


def key(pair: tuple[str, bytes]) -> BtcturkKey:
    return BtcturkKey(pair[0], SecretKey(pair[1]))


SIGNER: Final[OrderSigner] = BtcturkSigner(key(TRADE), key(READ))


def ask(question: Question, **fields: object) -> SignedRequest:
    made: dict[str, Any] = {"question": question, "account": ACCOUNT, **fields}
    return SIGNER.ask(Asked(**made), NOW_NS)


def headers(pair: tuple[str, bytes]) -> dict[str, str]:
    said = f"{pair[0]}{STAMP_MS}".encode()
    digest = hmac.new(base64.b64decode(pair[1]), said, hashlib.sha256).digest()
    return {
        "X-PCK": pair[0],
        "X-Stamp": str(STAMP_MS),
        "X-Signature": base64.b64encode(digest).decode(),
        "Content-Type": "application/json",
    }


def test_s4_a_place_is_signed_with_the_trade_key() -> None:
    """S4: the trade key signs approved places; the amounts are what was approved."""
    order = approved(ACCOUNT, symbol=BTCTRY, price=Decimal("3842925.00"))
    request = SIGNER.place(order, NOW_NS)
    assert (request.method, request.path, request.query) == ("POST", "/api/v1/order", "")
    assert request.headers == headers(TRADE)
    assert orjson.loads(request.body) == {
        "pairSymbol": "BTCTRY",
        "orderMethod": "limit",
        "orderType": "buy",
        "quantity": "0.01",
        "price": "3842925",
        "newOrderClientId": order.client_order_id,
    }
    assert (request.stamp_ns, request.final_after_ns) == (NOW_NS, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"order_type": OrderType.MARKET, "price": None, "time_in_force": None},
        {"time_in_force": TimeInForce.IOC},
        {"time_in_force": TimeInForce.FOK},
        {"quantity": Decimal("1e-17")},
        {"price": Decimal("1e12")},
        {"client_order_id": ClientOrderId("x" * 51)},
    ],
)
def test_what_the_venue_does_not_have_is_not_signed(changes: dict[str, object]) -> None:
    """Trap 4: a market buy is in quote currency; nor is there IOC, FOK, or an amount to round."""
    with pytest.raises(VenueCannotError):
        SIGNER.place(approved(ACCOUNT, symbol=BTCTRY, **changes), NOW_NS)


def test_a_market_sale_is_signed() -> None:
    """Its quantity is in the base asset, as everywhere."""
    order = approved(
        ACCOUNT, side=Side.SELL, order_type=OrderType.MARKET, price=None, time_in_force=None
    )
    assert orjson.loads(SIGNER.place(order, NOW_NS).body)["orderMethod"] == "market"


def test_s4_a_cancel_names_the_exchanges_own_id() -> None:
    """S4: the trade key signs cancels; the venue cancels by no other id, and in the query."""
    cancel = cancelling(approved(ACCOUNT))
    request = SIGNER.cancel(cancel, NOW_NS, exchange_order_id="77")
    assert (request.method, request.path, request.query) == ("DELETE", "/api/v1/order", "id=77")
    assert (request.headers, request.body) == (headers(TRADE), "")
    for unknown in ("", "77&x=1", "spk"):
        with pytest.raises(VenueCannotError):
            SIGNER.cancel(cancel, NOW_NS, exchange_order_id=unknown)


@pytest.mark.parametrize(
    ("question", "fields", "path", "query"),
    [
        (Question.ORDER, {"exchange_order_id": "77"}, "/api/v1/order/77", ""),
        (Question.OPEN_ORDERS, {}, "/api/v1/openOrders", ""),
        (Question.OPEN_ORDERS, {"symbol": BTCTRY}, "/api/v1/openOrders", "pairSymbol=BTCTRY"),
        (
            Question.ORDERS,
            {"symbol": BTCTRY, "since_ns": NOW_NS},
            "/api/v1/allOrders",
            f"pairSymbol=BTCTRY&startTime={NOW_NS // 10**9}&limit=1000",
        ),
        (
            Question.FILLS,
            {"symbol": BTCTRY, "since_ns": NOW_NS},
            "/api/v1/users/transactions/trade",
            f"pairSymbol=BTCTRY&startDate={STAMP_MS}",
        ),
        (
            Question.FILLS,
            {"symbol": BTCTRY, "exchange_order_id": "77"},
            "/api/v1/users/transactions/trade",
            "orderId=77",
        ),
        (Question.BALANCES, {}, "/api/v1/users/balances", ""),
    ],
)
def test_r13_questions_are_signed_with_the_read_key(
    question: Question, fields: dict[str, object], path: str, query: str
) -> None:
    """R13, trap 6: a key that cannot trade asks; orders since seconds, trades since ms."""
    request = ask(question, **fields)
    assert (request.method, request.path, request.query) == ("GET", path, query)
    assert (request.headers, request.body) == (headers(READ), "")


def test_a_question_that_the_venue_does_not_have_is_not_signed() -> None:
    """It finds no order by our id, and tells no commission."""
    for question in (Question.ORDER, Question.FEES):
        with pytest.raises(VenueCannotError):
            ask(question, symbol=BTCTRY, client_order_id="spk1")


def test_a_login_is_signed_with_the_read_key() -> None:
    """Trap 24: the frame is ready to be sent, with the constant nonce and a fresh time."""
    request = ask(Question.LOGIN)
    kind, model = orjson.loads(request.body)
    digest = hmac.new(b"read", f"{READ[0]}3000".encode(), hashlib.sha256).digest()
    assert (kind, model) == (
        114,
        {
            "type": 114,
            "publicKey": READ[0],
            "timestamp": STAMP_MS,
            "nonce": 3000,
            "signature": base64.b64encode(digest).decode(),
        },
    )
    assert (request.method, request.path, request.headers) == ("", "", {})


def test_r12_stamps_grow_by_whole_milliseconds() -> None:
    """
    R12, trap 1: the venue's stamps are ms and increase, also where the clock stands still.

    Fault S2.
    """
    assert SIGNER.stamps_increase
    stamp, stamps = 0, []
    for _ in range(3):
        stamp = next_stamp(NOW_NS + 999_999, stamp)
        stamps.append(ask(Question.BALANCES).stamp_ns and stamp)
    assert stamps == [NOW_NS, NOW_NS + 1_000_000, NOW_NS + 2_000_000]


def test_s5_the_dummy_key_is_public_and_signs_like_any_other() -> None:
    """S5: what paper and shadow sign opens nothing anywhere."""
    signer = BtcturkSigner(dummy_key(), dummy_key())
    request = signer.place(approved(ACCOUNT, symbol=BTCTRY), NOW_NS)
    assert request.headers == headers((DUMMY_API_KEY, DUMMY_SECRET))


def test_s18_no_secret_is_printed() -> None:
    """S18: neither the signer nor its keys nor a request shows what is in them."""
    shown = f"{SIGNER!r} {key(TRADE)!r} {SIGNER.place(approved(ACCOUNT), NOW_NS)!r}"
    assert TRADE[1].decode() not in shown
    assert "X-Signature" not in shown
