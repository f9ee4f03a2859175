"""
Fields of exchanges' JSON: what no record can hold is refused where it is read.
"""

import json
from decimal import Decimal
from functools import partial
from typing import Any

import orjson
import pytest

from spark.errors import WireError
from spark.exchanges.answers import Doubt, Unknown
from spark.exchanges.binance import (
    wire_account,
    wire_answers,
    wire_info,
    wire_orders,
    wire_private,
)
from spark.exchanges.btcturk import wire as turk
from spark.exchanges.btcturk import wire_answers as turk_answers
from spark.exchanges.btcturk import wire_info as turk_info
from spark.exchanges.btcturk import wire_news
from spark.exchanges.btcturk.unconfirmed import Unconfirmed
from spark.exchanges.fields import moment_ms, signed_whole, text
from spark.names import Symbol


@pytest.mark.parametrize("value", ["\ud800", "a\udfffb", "x" * 1_001, 7, None, ["x"]])
def test_h5_a_text_that_no_record_holds_is_refused(value: object) -> None:
    """H5, V4: half a character, which JSON can escape, and one that fills a record by itself."""
    with pytest.raises(WireError, match="a string is due"):
        text({"name": value}, "name")
    assert text({"name": "\U0001f600 ₺"}, "name") == "\U0001f600 ₺"


@pytest.mark.parametrize("value", [9_000_000_000_001, 2**62, 2**63 - 1, -1, True, "1"])
def test_h5_a_time_beyond_a_record_s_numbers_is_refused(value: object) -> None:
    """H5, V5: milliseconds become nanoseconds, and those must fit 64 bits."""
    with pytest.raises(WireError):
        moment_ms({"T": value}, "T")
    with pytest.raises(WireError):
        wire_info.server_time(orjson.dumps({"serverTime": value}))
    assert moment_ms({"T": 9_000_000_000_000}, "T") * 1_000_000 < 2**63


def test_h5_a_fill_at_an_impossible_time_is_no_fill() -> None:
    """H5: the account feed is told of an answer that it cannot use, and lives."""
    row: dict[str, Any] = {
        "symbol": "BNBBTC",
        "id": 1,
        "orderId": 2,
        "price": "4",
        "qty": "12",
        "commission": "1",
        "commissionAsset": "BNB",
        "time": 2**60,
        "isBuyer": True,
    }
    with pytest.raises(WireError, match="time"):
        wire_account.fills([row])
    assert wire_account.fills([{**row, "time": 1_499_865_549_590}])
    event = {"e": "balanceUpdate", "E": 1, "a": "BTC", "d": "-1", "T": 2**60}
    with pytest.raises(WireError, match="T is"):
        wire_private.private_frame(orjson.dumps({"subscriptionId": 0, "event": event}))


@pytest.mark.parametrize("value", [2**63, 2**64 - 1, -(2**63), True, "1", 1.5, None])
def test_h5_a_code_beyond_a_record_s_numbers_is_none(value: object) -> None:
    """H5, V5: an error's code may be below zero, and an order's id where there is none."""
    with pytest.raises(WireError, match="a whole number is due"):
        signed_whole({"code": value}, "code")
    assert signed_whole({"code": -1_003}, "code") == -1_003
    error = {"code": value, "msg": "Too many requests."}
    with pytest.raises(WireError, match="code"):
        wire_private.private_frame(orjson.dumps({"id": 1, "status": 429, "error": error}))
    answer = wire_answers.classify(400, orjson.dumps(error))
    assert answer == Unknown(Doubt.UNREADABLE, 400)


@pytest.mark.parametrize("number", [2**62, 2**63 - 1, 1_000_001])
def test_h5_an_interval_beyond_a_record_s_numbers_is_refused(number: int) -> None:
    """H5, V5: what is counted in minutes or days becomes seconds, and those must fit as well."""
    row = {"rateLimitType": "ORDERS", "interval": "DAY", "intervalNum": number, "limit": 1}
    info = {"serverTime": 1, "rateLimits": [row], "symbols": []}
    with pytest.raises(WireError, match="intervalNum"):
        wire_info.exchange_info(orjson.dumps(info))
    read = wire_info.exchange_info(
        orjson.dumps({**info, "rateLimits": [{**row, "intervalNum": 10}]})
    )
    assert read.rate_limits == (wire_info.RateLimit("ORDERS", 864_000, 1),)


@pytest.mark.parametrize("paid", ["99999999999999999999", "1000000000000001"])
def test_h5_an_order_whose_average_is_no_price_is_refused(paid: str) -> None:
    """H5, M4: wherever an order is read, what was paid for what traded is a price of a market."""
    row: dict[str, Any] = {
        "symbol": "BTCUSDT", "orderId": 28, "clientOrderId": "a", "transactTime": 1,
        "updateTime": 1, "price": "4000.1", "origQty": "10", "executedQty": "1",
        "cummulativeQuoteQty": paid, "status": "PARTIALLY_FILLED", "type": "LIMIT", "side": "BUY",
    }  # fmt: skip
    for read in (wire_orders.order_reply, wire_account.order):
        with pytest.raises(WireError, match="cummulativeQuoteQty"):
            read(row)
        assert read({**row, "cummulativeQuoteQty": "1000000000000000"}).symbol == "BTCUSDT"
        assert read({**row, "executedQty": "0", "cummulativeQuoteQty": "0"}).symbol == "BTCUSDT"
    event = {
        "e": "executionReport", "E": 1, "s": "BTCUSDT", "c": "a", "C": "", "S": "BUY", "o": "LIMIT",
        "q": "10", "p": "4000.1", "x": "NEW", "X": "PARTIALLY_FILLED", "r": "NONE", "i": 28,
        "z": "1", "Z": paid, "T": 1,
    }  # fmt: skip
    with pytest.raises(WireError, match="Z is"):
        wire_private.private_frame(orjson.dumps({"subscriptionId": 0, "event": event}))


@pytest.mark.parametrize("depth", [500, 990, 1_000, 1_010, 1_020])
def test_h5_a_field_nested_deeper_than_python_goes_is_refused(depth: int) -> None:
    """H5: one decoder follows further than Python can write what it gave."""
    body = b'{"serverTime":' + b"[" * depth + b"]" * depth + b"}"
    with pytest.raises(WireError):
        wire_info.server_time(body)
    with pytest.raises(WireError):
        turk_info.server_time(body)
    with pytest.raises(WireError):
        turk_answers.data_of(b'{"success":true,"data":1,"code":' + body + b"}")


@pytest.mark.parametrize("written", ["1e99", "-1e99", "1e-99", "0.1e-29", "9e29"])
def test_h5_an_amount_beyond_every_market_is_none(written: str) -> None:
    """H5, fault M4: as text or as a number, it would be refused only when a record is written."""
    for body in (f'{{"a":{written}}}', f'{{"a":"{written}"}}'):
        fields = turk.folded(turk.decode_exact(body), "it")
        with pytest.raises(WireError, match="an amount is due"):
            turk.signed_amount(fields, "a")
    zero = turk.folded(turk.decode_exact('{"a":0e-99}'), "it")
    assert turk.signed_amount(zero, "a") == Decimal(0)


def test_h5_a_match_named_by_half_a_character_is_refused() -> None:
    """H5: BTCTurk's JSON is read by a decoder that lets such texts pass; the fields do not."""
    model = '{"id":1,"isBid":true,"amount":"1","price":"1","symbol":"BTCTRY","clientId":"a\\ud800"}'
    arrival = wire_news.Arrival(1, Unconfirmed())
    with pytest.raises(WireError, match="clientid"):
        wire_news.private_frame(f"[441,{model}]", arrival)


@pytest.mark.parametrize("name", [["BTCTRY"], {"a": 1}, None, 7, "BTCTRY\ud800"])
def test_h5_a_pair_whose_name_is_no_text_blinds_nobody(name: object) -> None:
    """H5: a row that nobody asked for is passed over, whatever stands in its name."""
    rows = [{"name": name}]
    body = json.dumps({"data": {"symbols": rows}, "success": True, "message": None, "code": 0})
    read = partial(turk_info.exchange_info, symbols=(Symbol("BTCTRY"),))
    assert read(body.encode()) == ()
