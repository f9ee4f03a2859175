"""
The WebSocket API's frames as news of the account.
"""

from decimal import Decimal
from typing import Any, Final

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import WireError
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.binance.wire_orders import Stamp
from spark.exchanges.binance.wire_private import (
    LOGIN_ID,
    STATUS_REQUEST,
    ApiReply,
    StreamEnded,
    login_message,
    private_frame,
)
from spark.exchanges.port import BalancesChanged, BalanceSeen, FillSeen, FundsMoved, OrderSeen
from spark.names import Side, Symbol, VenueOrderState
from tests.unit.exchanges.binance.values import ANY_JSON

#: The documents' own sample, with a key of ours.
REPORT: Final[dict[str, Any]] = {
    "e": "executionReport",
    "E": 1499405658658,
    "s": "ETHBTC",
    "c": "mUvoqJxFIILMdfAW5iGSOW",
    "S": "BUY",
    "o": "LIMIT",
    "f": "GTC",
    "q": "1.00000000",
    "p": "0.10264410",
    "P": "0.00000000",
    "F": "0.00000000",
    "g": -1,
    "C": "",
    "x": "NEW",
    "X": "NEW",
    "r": "NONE",
    "i": 4293153,
    "l": "0.00000000",
    "z": "0.00000000",
    "L": "0.00000000",
    "n": "0",
    "N": None,
    "T": 1499405658657,
    "t": -1,
    "I": 8641984,
    "w": True,
    "m": False,
    "M": False,
    "O": 1499405658657,
    "Z": "0.00000000",
    "Y": "0.00000000",
    "Q": "0.00000000",
    "W": 1499405658657,
    "V": "NONE",
}
TRADE: Final = {
    "x": "TRADE",
    "X": "FILLED",
    "t": 7,
    "l": "0.6",
    "L": "0.1",
    "n": "0.0006",
    "N": "ETH",
    "z": "1.0",
    "Z": "0.1",
}
POSITION: Final[dict[str, Any]] = {
    "e": "outboundAccountPosition",
    "E": 1564034571105,
    "u": 1564034571073,
    "B": [{"a": "ETH", "f": "10000.000000", "l": "0.000000"}],
}
MOVED: Final[dict[str, Any]] = {
    "e": "balanceUpdate",
    "E": 1573200697110,
    "a": "BTC",
    "d": "-100.00000000",
    "T": 1573200697068,
}


def frame(event: dict[str, Any]) -> bytes:
    return orjson.dumps({"subscriptionId": 0, "event": event})


def told(**changes: object) -> Any:  # noqa: ANN401
    return private_frame(frame({**REPORT, **changes}))


def test_a_new_order_is_seen() -> None:
    """A9: what the venue tells of an order is what a question about it would."""
    assert told() == (
        OrderSeen(
            symbol=Symbol("ETHBTC"),
            exchange_order_id="4293153",
            client_order_id="mUvoqJxFIILMdfAW5iGSOW",
            side=Side.BUY,
            state=VenueOrderState.OPEN,
            quantity=Decimal(1),
            filled=Decimal(0),
            quote_filled=Decimal(0),
            price=Decimal("0.10264410"),
            exchange_ns=1499405658657_000_000,
        ),
    )


def test_a_trade_is_seen_and_then_how_the_order_stands() -> None:
    """R4: the trade by its own id with its commission, and the order as after it."""
    fill, order = told(**TRADE)
    assert fill == FillSeen(
        symbol=Symbol("ETHBTC"),
        trade_id="7",
        exchange_order_id="4293153",
        client_order_id="mUvoqJxFIILMdfAW5iGSOW",
        side=Side.BUY,
        quantity=Decimal("0.6"),
        price=Decimal("0.1"),
        commission=Decimal("0.0006"),
        commission_asset="ETH",
        exchange_ns=1499405658657_000_000,
    )
    assert (order.state, order.filled) == (VenueOrderState.FILLED, Decimal(1))


def test_a_cancel_names_the_order_in_another_field() -> None:
    """R4: in CANCELED `C` is ours, and `c` what the cancel was called."""
    (seen,) = told(x="CANCELED", X="CANCELED", c="the-cancel", C="mine")
    assert (seen.client_order_id, seen.state) == ("mine", VenueOrderState.CANCELLED)
    (seen,) = told(x="CANCELED", X="CANCELED", c="mine")
    assert seen.client_order_id == "mine"


@pytest.mark.parametrize(
    ("reason", "count"),
    [("INSUFFICIENT_BALANCES", 1), ("WOULD_MATCH_IMMEDIATELY", 1), ("NONE", 0), ("OTHER", 0)],
)
def test_only_a_documented_reason_rejects(reason: str, count: int) -> None:
    """A8: a second order under a taken id is refused too, and that ends nothing."""
    assert len(told(x="REJECTED", X="REJECTED", r=reason, i=-1)) == count


def test_an_expired_order_is_over() -> None:
    """EXPIRED and EXPIRED_IN_MATCH end an order; a market order has no price."""
    (seen,) = told(x="EXPIRED", X="EXPIRED_IN_MATCH", o="MARKET", p="0.00000000", eR="SOME")
    assert (seen.state, seen.price) == (VenueOrderState.EXPIRED, None)


def test_money_is_seen() -> None:
    """A9: balances after a change, and what came or went without a trade."""
    assert private_frame(frame(POSITION)) == (
        BalancesChanged(
            balances=(BalanceSeen(asset="ETH", free=Decimal(10000), locked=Decimal(0)),),
            exchange_ns=1564034571073_000_000,
        ),
    )
    assert private_frame(frame(MOVED)) == (
        FundsMoved(asset="BTC", amount=Decimal(-100), exchange_ns=1573200697068_000_000),
    )
    locked = {"e": "externalLockUpdate", "E": 1, "a": "NEO", "d": "10.0", "T": 2}
    assert private_frame(frame(locked)) == (BalancesChanged(balances=(), exchange_ns=2_000_000),)


def test_what_is_no_news_gives_none() -> None:
    """Events about lists, and those that are added without notice, are passed over."""
    assert private_frame(frame({"e": "listStatus", "E": 1})) == ()
    assert private_frame(frame({"e": "ofTomorrow"})) == ()


@pytest.mark.parametrize("event", ["eventStreamTerminated", "serverShutdown"])
def test_an_end_is_told(event: str) -> None:
    """A stream that says that it is over is not waited for."""
    assert private_frame(orjson.dumps({"event": {"e": event, "E": 1}})) == StreamEnded(event)


def test_a_reply_is_read() -> None:
    """Which request, whether it was done, and what the address has spent."""
    limits = [{"rateLimitType": "ORDERS"}, {"rateLimitType": "REQUEST_WEIGHT", "count": 70}]
    done = private_frame(
        orjson.dumps(
            {"id": 1, "status": 200, "result": {"subscriptionId": 0}, "rateLimits": limits}
        )
    )
    assert done == ApiReply(
        request_id=1, status=200, code=0, retry_after_ms=0, weight_used=70, is_subscribed=False
    )
    assert isinstance(done, ApiReply)
    assert done.is_ok
    status = private_frame(b'{"id":2,"status":200,"result":{"userDataStream":true}}')
    assert isinstance(status, ApiReply)
    assert (status.is_subscribed, status.weight_used) == (True, -1)


def test_a_ban_says_for_how_long() -> None:
    """A4: the time to stay away, by the venue's own clock."""
    banned = private_frame(
        b'{"id":"1","status":418,"error":{"code":-1003,"msg":"banned","data":'
        b'{"serverTime":1659142907531,"retryAfter":1659146400000}}}'.replace(b'"1"', b"1")
    )
    assert isinstance(banned, ApiReply)
    assert (banned.is_ok, banned.code, banned.retry_after_ms) == (False, -1003, 3_492_469)


def test_the_login_is_signed_as_documented() -> None:
    """Third-party vector's rule: sorted by name, the API key among them, numbers as numbers."""
    message = orjson.loads(login_message(SecretKey(b"secret"), "K" * 64, Stamp(1_747, 5_000)))
    assert (message["id"], message["method"]) == (LOGIN_ID, "userDataStream.subscribe.signature")
    signature = message["params"].pop("signature")
    assert message["params"] == {"apiKey": "K" * 64, "recvWindow": 5_000, "timestamp": 1_747}
    payload = f"apiKey={'K' * 64}&recvWindow=5000&timestamp=1747"
    assert signature == SecretKey(b"secret").sign(payload)
    assert orjson.loads(STATUS_REQUEST)["method"] == "session.status"


@given(data=st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """Whatever arrives, it is a frame or a WireError."""
    try:
        private_frame(data)
    except WireError:
        return


@given(value=ANY_JSON)
def test_any_json_is_read_or_refused(value: object) -> None:
    """The same for whatever JSON can say, at the top and as an event."""
    for one in (value, {"event": value}, {"subscriptionId": 0, "event": {"e": value}}):
        try:
            private_frame(orjson.dumps(one, option=orjson.OPT_NON_STR_KEYS))
        except (WireError, orjson.JSONEncodeError):
            continue


@pytest.mark.parametrize("sample", [REPORT, {**REPORT, **TRADE}, POSITION, MOVED])
@given(data=st.data(), value=ANY_JSON)
def test_any_value_in_any_field_is_read_or_refused(
    sample: dict[str, Any], data: st.DataObject, value: object
) -> None:
    """The same, one field at a time."""
    event = {**sample, data.draw(st.sampled_from(sorted(sample))): value}
    try:
        private_frame(frame(event))
    except (WireError, orjson.JSONEncodeError):
        return
