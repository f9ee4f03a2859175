"""
The simulator's REST endpoints over real sockets: forms, codes, order of checks.
"""

import io
from decimal import Decimal

import pytest

from spark.exchanges.simulator.server import Running
from tests.simulated_venue import FULL, OTHER, READ, TRADE, Client, signed_text


async def test_public_endpoints_need_no_key(client: Client) -> None:
    """Ping, time, rules and depth are public, and every reply tells the weight used."""
    anonymous = client.with_key(("", ""))
    assert (await anonymous.public("/api/v3/ping")).json == {}
    time = await anonymous.public("/api/v3/time")
    assert isinstance(time.json["serverTime"], int)
    assert time.headers["X-MBX-USED-WEIGHT-1M"] == "2"
    info = await anonymous.public("/api/v3/exchangeInfo")
    assert [one["symbol"] for one in info.json["symbols"]] == [
        "BTCUSDT",
        "ETHUSDT",
        "BTCTRY",
        "USDTTRY",
    ]
    assert {row["filterType"] for row in info.json["symbols"][0]["filters"]} == {
        "PRICE_FILTER",
        "PERCENT_PRICE_BY_SIDE",
        "LOT_SIZE",
        "MARKET_LOT_SIZE",
        "NOTIONAL",
        "MAX_NUM_ORDERS",
    }
    assert info.headers["X-MBX-USED-WEIGHT-1M"] == "22"
    depth = await anonymous.public("/api/v3/depth", symbol="BTCUSDT", limit=5)
    assert len(depth.json["bids"]) == len(depth.json["asks"]) == 5
    assert Decimal(depth.json["bids"][0][0]) < Decimal(depth.json["asks"][0][0])
    assert Decimal(61_700) < Decimal(depth.json["bids"][0][0]) < Decimal(61_900)


async def test_exchange_info_of_one_symbol(client: Client) -> None:
    """A symbol, or a list of them, can be asked for alone; an unknown one is -1121."""
    one = await client.public("/api/v3/exchangeInfo", symbol="ETHUSDT")
    assert [row["symbol"] for row in one.json["symbols"]] == ["ETHUSDT"]
    two = await client.public("/api/v3/exchangeInfo", symbols='["ETHUSDT","BTCTRY"]')
    assert [row["symbol"] for row in two.json["symbols"]] == ["ETHUSDT", "BTCTRY"]
    assert (await client.public("/api/v3/exchangeInfo", symbol="XXXYYY")).code == -1121


async def test_best_prices_of_one_symbol_or_several(client: Client) -> None:
    """One symbol is an object of weight 2, several a list of weight 4; unknown is -1121."""
    path = "/api/v3/ticker/bookTicker"
    one = await client.public(path, symbol="ETHUSDT")
    assert set(one.json) == {"symbol", "bidPrice", "bidQty", "askPrice", "askQty"}
    assert one.headers["X-MBX-USED-WEIGHT-1M"] == "2"
    depth = (await client.public("/api/v3/depth", symbol="ETHUSDT", limit=5)).json
    assert [one.json["bidPrice"], one.json["bidQty"]] == depth["bids"][0]
    assert [one.json["askPrice"], one.json["askQty"]] == depth["asks"][0]
    two = await client.public(path, symbols='["BTCTRY","USDTTRY"]')
    assert [row["symbol"] for row in two.json] == ["BTCTRY", "USDTTRY"]
    assert two.headers["X-MBX-USED-WEIGHT-1M"] == "11"
    assert len((await client.public(path)).json) == 4
    assert (await client.public(path, symbols='["BTCTRY","NOSUCH"]')).code == -1121
    assert (await client.public(path, symbol="BTCTRY", symbols='["BTCTRY"]')).code == -1128


async def test_an_order_lives_from_place_to_cancel(client: Client) -> None:
    """A resting order locks its worth, is found by either id, and frees it when cancelled."""
    placed = await client.place(newClientOrderId="a-1")
    assert placed.status == 200
    assert placed.json["status"] == "NEW"
    assert placed.headers["X-MBX-ORDER-COUNT-10S"] == "1"
    assert placed.headers["X-MBX-USED-WEIGHT-1M"] == "0"
    locked = (await client.call("GET", "/api/v3/account", omitZeroBalances="true")).json
    (usdt,) = [row for row in locked["balances"] if row["asset"] == "USDT"]
    assert (usdt["free"], usdt["locked"]) == ("999400.00000000", "600.00000000")
    assert (await client.query("a-1")).json["orderId"] == placed.json["orderId"]
    by_id = await client.call(
        "GET", "/api/v3/order", symbol="BTCUSDT", orderId=placed.json["orderId"]
    )
    assert by_id.json["clientOrderId"] == "a-1"
    open_orders = (await client.call("GET", "/api/v3/openOrders", symbol="BTCUSDT")).json
    assert [row["clientOrderId"] for row in open_orders] == ["a-1"]
    cancelled = (await client.cancel("a-1", newClientOrderId="the-cancel")).json
    assert (cancelled["status"], cancelled["origClientOrderId"], cancelled["clientOrderId"]) == (
        "CANCELED",
        "a-1",
        "the-cancel",
    )
    assert (await client.call("GET", "/api/v3/openOrders")).json == []
    freed = (await client.call("GET", "/api/v3/account")).json["balances"]
    assert {row["asset"]: row["locked"] for row in freed}["USDT"] == "0.00000000"


async def test_a_market_order_is_filled_with_fees(client: Client) -> None:
    """A buy pays 0.1 % of what it gets; its trades are listed, and add up."""
    filled = (await client.place(type="MARKET", timeInForce=None, price=None, quantity="1")).json
    assert filled["status"] == "FILLED"
    assert filled["executedQty"] == "1.00000000"
    fills = filled["fills"]
    assert sum(Decimal(row["qty"]) for row in fills) == 1
    assert {row["commissionAsset"] for row in fills} == {"BTC"}
    assert sum(Decimal(row["commission"]) for row in fills) == Decimal("0.001")
    spent = sum(Decimal(row["qty"]) * Decimal(row["price"]) for row in fills)
    assert Decimal(filled["cummulativeQuoteQty"]) == spent
    trades = (await client.call("GET", "/api/v3/myTrades", symbol="BTCUSDT")).json
    assert [row["id"] for row in trades] == [row["tradeId"] for row in fills]
    balances = (await client.call("GET", "/api/v3/account")).json["balances"]
    held = {row["asset"]: Decimal(row["free"]) for row in balances}
    assert held["BTC"] == Decimal("10.999")
    assert held["USDT"] == 1_000_000 - spent


async def test_the_reply_says_as_much_as_was_asked_for(client: Client) -> None:
    """ACK, RESULT and FULL differ; a post-only order is acknowledged by default."""
    ack = (await client.place(newOrderRespType="ACK")).json
    assert set(ack) == {"symbol", "orderId", "orderListId", "clientOrderId", "transactTime"}
    result = (await client.place(newOrderRespType="RESULT")).json
    assert "status" in result
    assert "fills" not in result
    assert "fills" in (await client.place()).json
    assert set((await client.place(type="LIMIT_MAKER", timeInForce=None)).json) == set(ack)


async def test_a_test_order_is_checked_and_not_kept(client: Client) -> None:
    """/order/test answers {} or the same refusals, and leaves nothing behind."""
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
    }
    good = await client.call("POST", "/api/v3/order/test", **order, price="60000")
    assert good.json == {}
    bad = await client.call("POST", "/api/v3/order/test", **order, price="60000.001")
    assert bad.code == -1013
    assert (await client.call("GET", "/api/v3/openOrders")).json == []


@pytest.mark.parametrize(
    ("changes", "status", "code", "text"),
    [
        ({"symbol": "btcusdt"}, 400, -1100, "Illegal characters found in parameter 'symbol'"),
        ({"quantity": "-1"}, 400, -1100, "Illegal characters found in parameter 'quantity'"),
        ({"price": "1e3"}, 400, -1100, "legal range is '^([0-9]{1,20})(\\.[0-9]{1,20})?$'"),
        ({"newClientOrderId": "a b"}, 400, -1100, "newClientOrderId"),
        ({"newClientOrderId": "x" * 37}, 400, -1100, "newClientOrderId"),
        ({"side": None}, 400, -1102, "Mandatory parameter 'side' was not sent"),
        ({"quantity": None}, 400, -1102, "Mandatory parameter 'quantity' was not sent"),
        ({"timeInForce": None}, 400, -1102, "Mandatory parameter 'timeInForce' was not sent"),
        ({"recvWindow": "60001"}, 400, -1102, "Cannot be greater than 60000"),
        ({"extra": "1"}, 400, -1104, "read '8' parameter(s) but was sent '9'"),
        ({"quantity": ""}, 400, -1105, "Parameter 'quantity' was empty."),
        ({"quoteOrderQty": "10"}, 400, -1106, "Parameter 'quoteOrderQty' sent when not required"),
        ({"stopPrice": "10"}, 400, -1106, "Parameter 'stopPrice' sent when not required"),
        ({"timestamp": "99999999999999999999"}, 400, -1108, "Parameter 'timestamp' overflowed"),
        ({"quantity": "0.000000001"}, 400, -1111, "Parameter 'quantity' has too much precision."),
        ({"timeInForce": "GTX"}, 400, -1115, "Invalid timeInForce."),
        ({"type": "WISH"}, 400, -1116, "Invalid orderType."),
        ({"side": "HOLD"}, 400, -1117, "Invalid side."),
        ({"symbol": "XXXYYY"}, 400, -1121, "Invalid symbol."),
        ({"newOrderRespType": "ALL"}, 400, -1130, "newOrderRespType"),
        ({"quantity": "0"}, 400, -1013, "Invalid quantity."),
        ({"price": "60000.001"}, 400, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "900000000"}, 400, -1013, "Filter failure: PRICE_FILTER"),
        ({"price": "10000"}, 400, -1013, "Filter failure: PERCENT_PRICE_BY_SIDE"),
        ({"quantity": "0.000011"}, 400, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "9001"}, 400, -1013, "Filter failure: LOT_SIZE"),
        ({"quantity": "0.00001"}, 400, -1013, "Filter failure: NOTIONAL"),
        ({"quantity": "100"}, 400, -2010, "Account has insufficient balance"),
        (
            {"type": "LIMIT_MAKER", "timeInForce": None, "price": "62000"},
            400,
            -2010,
            "Order would immediately match and take.",
        ),
        ({"type": "STOP_LOSS"}, 400, -2010, "Stop loss orders are not supported"),
        ({"icebergQty": "0.001"}, 400, -2010, "Iceberg orders are not supported"),
    ],
)
async def test_a_bad_order_gets_the_venues_own_code(
    client: Client, changes: dict[str, object], status: int, code: int, text: str
) -> None:
    """Every refusal has the code, the text and the HTTP status of the documents."""
    reply = await client.place(**changes)
    assert (reply.status, reply.code) == (status, code)
    assert text in reply.json["msg"]
    assert (await client.call("GET", "/api/v3/openOrders")).json == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"price": "60000"}, -1106),
        ({"timeInForce": "GTC"}, -1106),
        ({"quoteOrderQty": "10"}, -1128),
        ({"quantity": None}, -1102),
        ({"quantity": "200"}, -1013),
    ],
)
async def test_a_market_order_has_its_own_rules(
    client: Client, changes: dict[str, object], code: int
) -> None:
    """No price, no time in force, one of two quantities, a tighter lot."""
    order = {"type": "MARKET", "timeInForce": None, "price": None, **changes}
    assert (await client.place(**order)).code == code


async def test_syntax_comes_before_the_key_and_the_key_before_meaning(client: Client) -> None:
    """The checks' order is the venue's: what is told first is what it looks at first."""
    stranger = client.with_key(("X" * 64, "x"))
    assert (await stranger.place(quantity="-1")).code == -1100
    assert (await stranger.place(symbol="XXXYYY")).code == -2015
    assert (await stranger.place(timestamp=1)).code == -1021
    assert (await client.with_key((FULL[0], "wrong")).place(symbol="XXXYYY")).code == -1022
    assert (await client.with_key(READ).place(symbol="XXXYYY")).code == -2015


@pytest.mark.parametrize(
    ("key", "code"),
    [
        (("", ""), -2014),
        (("short", "x"), -2014),
        (("X" * 64, "x"), -2015),
        ((FULL[0], "wrong"), -1022),
    ],
)
async def test_a_key_that_is_none(client: Client, key: tuple[str, str], code: int) -> None:
    """A malformed key, an unknown one and a wrong secret are told apart."""
    reply = await client.with_key(key).place()
    assert reply.code == code
    assert reply.status == (400 if code == -1022 else 401)


async def test_s4_a_read_key_cannot_trade_and_a_trade_key_cannot_read(client: Client) -> None:
    """S4: permissions are the venue's to enforce."""
    await client.place(newClientOrderId="a-1")
    reader, trader = client.with_key(READ), client.with_key(TRADE)
    for refused in (
        await reader.place(),
        await reader.cancel("a-1"),
        await reader.call("POST", "/api/v3/order/test", symbol="BTCUSDT", side="BUY", type="LIMIT"),
        await trader.query("a-1"),
        await trader.call("GET", "/api/v3/account"),
    ):
        assert (refused.status, refused.code) == (401, -2015)
    assert (await reader.query("a-1")).status == 200
    assert (await trader.cancel("a-1")).status == 200


async def test_s4_a_signed_query_replayed_elsewhere_is_refused(client: Client) -> None:
    """S4: a read key's signature opens neither a place nor a cancel."""
    await client.place(newClientOrderId="a-1")
    reader = client.with_key(READ)
    account = (await reader.call("GET", "/api/v3/account")).json
    assert account["canTrade"] is False
    stamp = (await client.public("/api/v3/time")).json["serverTime"]
    query = signed_text(
        READ[1], {"symbol": "BTCUSDT", "origClientOrderId": "a-1", "timestamp": stamp}
    )
    assert (await reader.raw("GET", "/api/v3/order", query)).status == 200
    assert (await reader.raw("DELETE", "/api/v3/order", query)).code == -2015
    assert (await reader.raw("POST", "/api/v3/order", query)).code == -1102


async def test_accounts_are_strangers_to_each_other(client: Client) -> None:
    """Another account's order is not found, not cancelled, and not in the way."""
    placed = (await client.place(newClientOrderId="a-1")).json
    other = client.with_key(OTHER)
    assert (await other.query("a-1")).code == -2013
    assert (await other.cancel("a-1")).code == -2011
    by_id = await other.call("DELETE", "/api/v3/order", symbol="BTCUSDT", orderId=placed["orderId"])
    assert by_id.code == -2011
    assert (await other.place(newClientOrderId="a-1")).status == 200


async def test_a_client_id_is_taken_only_while_its_order_rests(client: Client) -> None:
    """The venue de-duplicates open orders and no others; the ledger shows what got through."""
    assert (await client.place(newClientOrderId="a-1")).status == 200
    again = await client.place(newClientOrderId="a-1")
    assert (again.status, again.code, again.json["msg"]) == (400, -2010, "Duplicate order sent.")
    await client.cancel("a-1")
    second = await client.place(newClientOrderId="a-1")
    assert second.status == 200
    assert (await client.query("a-1")).json["orderId"] == second.json["orderId"]
    summary = await client.judge("GET", "/ledger/summary")
    assert (summary["orders"], summary["distinct_client_ids"], summary["duplicates"]) == (2, 1, 1)
    assert summary["duplicate_orders"][0]["client_order_id"] == "a-1"


async def test_what_is_not_there_is_not_found(client: Client) -> None:
    """-2013 for a query, -2011 for a cancel, also of an order that is already closed."""
    assert (await client.query("never")).code == -2013
    assert (await client.cancel("never")).code == -2011
    await client.place(newClientOrderId="a-1")
    await client.cancel("a-1")
    assert (await client.cancel("a-1")).code == -2011
    assert (await client.query("a-1")).json["status"] == "CANCELED"
    neither = await client.call("GET", "/api/v3/order", symbol="BTCUSDT")
    assert neither.code == -1102


async def test_parameters_may_stand_in_the_body(client: Client, venue: Running) -> None:
    """A POST's parameters come from query and body; what is signed is both, one after the other."""
    stamp = (await client.public("/api/v3/time")).json["serverTime"]
    order = {
        "symbol": "BTCUSDT",
        "side": "BUY",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01",
        "price": "60000",
        "timestamp": stamp,
    }
    whole = signed_text(FULL[1], order)
    assert (await client.raw("POST", "/api/v3/order", "", body=whole)).status == 200
    head, tail = whole[:30].rpartition("&")[0], whole[len(whole[:30].rpartition("&")[0]) + 1 :]
    # Joined without a separator, so the signature over `a&b` does not fit `a` + `b`.
    assert (await client.raw("POST", "/api/v3/order", head, body=tail)).code == -1022
    twice = await client.raw("POST", "/api/v3/order", f"{whole}&symbol=BTCUSDT")
    assert twice.code == -1101


async def test_an_upper_case_signature_is_as_good(client: Client) -> None:
    """HMAC signatures are not case-sensitive."""
    stamp = (await client.public("/api/v3/time")).json["serverTime"]
    query = signed_text(FULL[1], {"timestamp": stamp})
    head, _, signature = query.rpartition("=")
    assert (await client.raw("GET", "/api/v3/account", f"{head}={signature.upper()}")).status == 200
    assert (await client.raw("GET", "/api/v3/account", f"{head}=%C5%9F")).code == -1022


async def test_the_time_window_follows_the_venues_clock(client: Client) -> None:
    """-1021 has two texts: too late, and too far ahead."""
    await client.judge("POST", "/clock", {"offset_ms": 20_000})
    late = await client.place()
    assert (late.code, late.json["msg"]) == (
        -1021,
        "Timestamp for this request is outside of the recvWindow.",
    )
    assert (await client.place(recvWindow=30_000)).status == 200
    await client.judge("POST", "/clock", {"offset_ms": -20_000})
    early = await client.place(recvWindow=60_000)
    assert (early.code, early.json["msg"]) == (
        -1021,
        "Timestamp for this request was 1000ms ahead of the server's time.",
    )


async def test_unknown_paths_and_methods(client: Client) -> None:
    """No path answers for another."""
    assert (await client.raw("GET", "/api/v3/nothing", "")).status == 404
    assert (await client.raw("PUT", "/api/v3/order", "")).status == 405
    assert (await client.raw("GET", "/elsewhere", "")).status == 404


async def test_a_huge_body_is_refused(client: Client) -> None:
    """10 MB of anything does not get in, and the next request is served."""
    reply = await client.raw("POST", "/api/v3/order", "", body=io.BytesIO(b"a" * 10_000_000))
    assert reply.status == 413
    assert (await client.place()).status == 200
