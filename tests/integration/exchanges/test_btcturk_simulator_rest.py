"""
The simulated BTCTurk over HTTP: who may ask, what orders and cancels are answered.
"""

from decimal import Decimal
from typing import Any

import pytest

from spark.exchanges.simulator.server import Running
from tests.simulated_btcturk import FULL, OTHER, READ, STAMPS, TRADE, Client, headers_of, until


async def cancelled(client: Client, order_id: int) -> dict[str, Any]:
    """Wait until an order is cancelled."""
    reply = await until(
        lambda: client.query(order_id), lambda reply: reply.data["status"] == "Canceled"
    )
    found: dict[str, Any] = reply.data
    return found


async def fills_of(client: Client, order_id: int) -> list[dict[str, str]]:
    """Wait until an order's fills are among the transactions."""
    path = "/api/v1/users/transactions/trade"
    reply = await until(
        lambda: client.call("GET", path, orderId=order_id), lambda reply: bool(reply.data)
    )
    found: list[dict[str, str]] = reply.data
    return found


async def test_an_order_is_placed_listed_queried_and_cancelled(turk: Client) -> None:
    """The life of a resting order, in the venue's own words."""
    placed = (await turk.place()).data
    assert placed["method"] == "limit"
    assert placed["type"] == "buy"
    assert (placed["price"], placed["quantity"]) == ("2000000", "0.01")
    assert placed["pairSymbolNormalized"] == "BTC_TRY"
    assert placed["newOrderClientId"] == "a-1"
    listed = (await turk.call("GET", "/api/v1/openOrders", pairSymbol="BTCTRY")).data
    assert listed["asks"] == []
    (row,) = listed["bids"]
    assert (row["id"], row["orderClientId"], row["status"]) == (placed["id"], "a-1", "Untouched")
    assert row["leftAmount"] == "0.01"
    found = (await turk.query(placed["id"])).data
    assert found["time"] == placed["datetime"]
    assert (await turk.cancel(placed["id"])).json == {
        "success": True,
        "message": "SUCCESS",
        "code": 0,
    }
    assert (await cancelled(turk, placed["id"]))["leftAmount"] == "0.01"


async def test_the_open_list_has_no_time(turk: Client) -> None:
    """Time is always 0 there; only updateTime says something (issue 559)."""
    await turk.place()
    (row,) = (await turk.call("GET", "/api/v1/openOrders")).data["bids"]
    assert row["time"] == 0
    assert row["updateTime"] > 0


async def test_trap_21_a_cancel_is_accepted_before_it_is_done(turk: Client) -> None:
    """Trap 21: 200 says that it was asked for; the order may still be open, or fill."""
    placed = (await turk.place()).data
    assert (await turk.cancel(placed["id"])).status == 200
    assert (await turk.query(placed["id"])).data["status"] == "Untouched"
    await cancelled(turk, placed["id"])
    # Once more is no error (issue 595).
    assert (await turk.cancel(placed["id"])).status == 200


async def test_a_cancel_names_its_order_in_the_query(turk: Client) -> None:
    """An id in a JSON body is not looked at (issue 299), and a client id is none."""
    placed = (await turk.place()).data
    unknown = (400, 1052, "NO_ORDER_MATCHES_YOUR_REQUEST")
    in_body = await turk.call("DELETE", "/api/v1/order", body={"id": placed["id"]})
    assert in_body.refusal == unknown
    assert (await turk.cancel(placed["id"] + 1)).refusal == unknown
    assert (await turk.with_key(OTHER).cancel(placed["id"])).refusal == unknown
    by_name = await turk.call("DELETE", "/api/v1/order", newOrderClientId="a-1")
    assert by_name.refusal == unknown
    assert (await turk.query(placed["id"])).data["status"] == "Untouched"


async def test_a_filled_order_is_not_cancelable(turk: Client) -> None:
    """The race is lost with a token of its own."""
    filled = (await turk.place(price="2080000")).data
    refused = await turk.cancel(filled["id"])
    assert (refused.status, refused.json["message"]) == (400, "ORDER_COULD_NOT_BE_CANCELED")


async def test_trap_9_a_client_id_protects_from_nothing(turk: Client) -> None:
    """Trap 9: a blind retry is a second order; the ledger shows what got through."""
    first, second = (await turk.place()).data, (await turk.place()).data
    assert first["id"] != second["id"]
    rows = (await turk.call("GET", "/api/v1/openOrders")).data["bids"]
    assert [row["orderClientId"] for row in rows] == ["a-1", "a-1"]
    summary = await turk.judge("GET", "/ledger/summary")
    assert (summary["orders"], summary["distinct_client_ids"], summary["duplicates"]) == (2, 1, 1)
    # Each is cancelled for itself.
    await turk.cancel(first["id"])
    await cancelled(turk, first["id"])
    assert (await turk.query(second["id"])).data["status"] == "Untouched"


async def test_trap_3_the_client_ids_name_on_submit_is_the_venues_own(turk: Client) -> None:
    """Trap 3: under Binance's spelling the id is lost, and the venue makes one."""
    placed = (await turk.place(newOrderClientId=None, newClientOrderId="mine")).data
    assert placed["newOrderClientId"] not in ("", "mine")
    assert (await turk.query(placed["id"])).data["orderClientId"] == placed["newOrderClientId"]


async def test_a_buy_holds_the_commission_too_and_a_maker_gets_its_part_back(turk: Client) -> None:
    """The quote and a taker's fee and tax are locked; the fill costs a maker less (FAQ)."""
    maker, path = turk.with_key(OTHER), "/api/v1/users/balances"
    # Inside the spread, so that the next sale meets it.
    placed = (await maker.place(price="2069995", quantity="0.002")).data
    total = Decimal("4139.99")
    rows = {row["asset"]: row for row in (await maker.call("GET", path)).data}
    assert Decimal(rows["TRY"]["locked"]) == total * Decimal("1.00108")
    assert Decimal(rows["TRY"]["free"]) + Decimal(rows["TRY"]["locked"]) == Decimal(5_000)
    await turk.place(orderType="sell", price="2069995", quantity="0.002")
    assert (await maker.query(placed["id"])).data["status"] == "Closed"
    rows = {row["asset"]: row for row in (await maker.call("GET", path)).data}
    assert rows["TRY"]["locked"] == "0"
    cost = Decimal(5_000) - Decimal(rows["TRY"]["free"]) - total
    assert cost == Decimal("2.06999500") + Decimal("0.41399900")


async def test_a_fill_is_signed_and_costs_fee_and_tax_in_the_quote(turk: Client) -> None:
    """Amounts are negative where they leave; the true cost is fee and tax together."""
    bought = (await turk.place(price="2080000", newOrderClientId="b")).data
    sold = (await turk.place(orderType="sell", price="2060000", newOrderClientId="s")).data
    for placed, sign in ((bought, 1), (sold, -1)):
        rows = await fills_of(turk, placed["id"])
        assert sum(Decimal(row["amount"]) for row in rows) == sign * Decimal("0.01")
        for row in rows:
            quote = abs(Decimal(row["amount"])) * Decimal(row["price"])
            fee, tax = Decimal(row["fee"]), Decimal(row["tax"])
            assert fee == -(quote * Decimal("0.0009")).quantize(Decimal("1e-8"), "ROUND_DOWN")
            assert tax == -(-fee * Decimal("0.2")).quantize(Decimal("1e-8"), "ROUND_DOWN")
            assert (row["numeratorSymbol"], row["denominatorSymbol"]) == ("BTC", "TRY")
            assert row["orderClientId"] == placed["newOrderClientId"]
    accounts = await turk.judge("GET", "/accounts")
    held = accounts["accounts"]
    assert sum(Decimal(held[one]["BTC"]["free"]) for one in ("main", "house")) + Decimal(
        held["house"]["BTC"]["locked"]
    ) == Decimal(1)
    lira = sum(
        Decimal(amounts["TRY"][part]) for amounts in held.values() for part in ("free", "locked")
    )
    assert lira + Decimal(accounts["earned"]["TRY"]) == Decimal(1_005_000)


async def test_trap_4_a_market_buy_names_what_to_spend(turk: Client) -> None:
    """Trap 4: its quantity is the quote's; the base's amount has too many decimals or is tiny."""
    market = {"orderMethod": "market", "price": "0"}
    bought = (await turk.place(**market, quantity="1000")).data
    found = (await turk.query(bought["id"])).data
    assert found["status"] == "Closed"
    assert Decimal(found["amount"]) < Decimal("0.0005")
    in_base = await turk.place(**market, quantity="0.0004")
    assert in_base.refusal == (400, 1127, "FAILED_INVALID_QUANTITY_SCALE")
    sold = (await turk.place(**market, orderType="sell", quantity="0.0004")).data
    assert (await turk.query(sold["id"])).data["amount"] == "0.0004"


@pytest.mark.parametrize(
    ("changes", "code", "token"),
    [
        ({"price": "2000000.5"}, 1126, "FAILED_INVALID_PRICE_SCALE"),
        # Two decimals in its scale and none in its prices: trap 5.
        (
            {"pairSymbol": "ETHTRY", "price": "88000.5"},
            1126,
            "FAILED_INVALID_PRICE_SCALE",
        ),
        ({"quantity": "0.000000001"}, 1127, "FAILED_INVALID_QUANTITY_SCALE"),
        ({"quantity": "0.00001"}, 1123, "FAILED_MIN_TOTAL_AMOUNT"),
        ({"price": "30000000"}, 1226, "PRICE_MUST_BE_LESS_THAN_MAXPRICE"),
        ({"price": "100000"}, 1227, "PRICE_MUST_BE_LESS_THAN_MINPRICE"),
        ({"quantity": "0"}, 1121, "FAILED_ORDER_PARAMETER"),
        ({"quantity": "1e-2"}, 1121, "FAILED_ORDER_PARAMETER"),
        ({"quantity": None}, 1121, "FAILED_ORDER_PARAMETER"),
        ({"price": None}, 1121, "FAILED_ORDER_PARAMETER"),
        ({"pairSymbol": "XXXYYY"}, 1121, "FAILED_ORDER_PARAMETER"),
        ({"newOrderClientId": "x" * 51}, 1121, "FAILED_ORDER_PARAMETER"),
        ({"orderMethod": "stoplimit", "stopPrice": "1"}, 1134, "ORDER_METHOD_NOT_SUPPORTED"),
        ({"orderType": "hold"}, 1193, "ORDER_TYPE_NOT_SUPPORTED"),
        ({"quantity": "2"}, 1055, "BALANCE_NOT_ENOUGH"),
        ({"orderType": "sell", "price": "2200000", "quantity": "2"}, 1055, "BALANCE_NOT_ENOUGH"),
    ],
)
async def test_trap_5_a_bad_order_gets_the_venues_own_token(
    turk: Client, changes: dict[str, object], code: int, token: str
) -> None:
    """Trap 5 and its like: each rule of the pair has its code, and nothing is left behind."""
    reply = await turk.place(**changes)
    assert reply.refusal == (400, code, token)
    assert (reply.json["httpStatusCode"], reply.json["data"]) == (400, None)
    assert (await turk.call("GET", "/api/v1/openOrders")).data == {"asks": [], "bids": []}


@pytest.mark.parametrize("pair", ["BTC_TRY", "btctry", "btc_try"])
async def test_a_pair_has_two_spellings_and_numbers_two_forms(turk: Client, pair: str) -> None:
    """Requests take either name in either case, and JSON numbers as well as text."""
    placed = (await turk.place(pairSymbol=pair, quantity=0.01, price=2000000)).data
    assert (placed["pairSymbol"], placed["quantity"], placed["price"]) == (
        "BTCTRY",
        "0.01",
        "2000000",
    )


async def test_what_open_orders_hold_is_told_apart_from_what_is_not_there(turk: Client) -> None:
    """1122 where the money is, but held; the other token where it is not."""
    other = turk.with_key(OTHER)
    placed = (await other.place(quantity="0.002")).data
    refused = await other.place(quantity="0.002")
    assert refused.refusal == (400, 1122, "FAILED_ORDER_WITH_OPEN_ORDERS")
    await other.cancel(placed["id"])
    await cancelled(other, placed["id"])
    assert (await other.place(quantity="0.002")).status == 200


async def test_trap_22_a_fills_proceeds_are_booked_a_moment_later(turk: Client) -> None:
    """Trap 22: sold at once, what was just bought is refused 1122; a moment later it is there."""
    other = turk.with_key(OTHER)
    bought = (await other.place(price="2080000", quantity="0.002")).data
    sale = {"orderType": "sell", "price": "2060000", "quantity": "0.002"}
    assert (await other.place(**sale)).refusal == (400, 1122, "FAILED_ORDER_WITH_OPEN_ORDERS")
    await until(lambda: other.place(**sale), lambda reply: reply.status == 200)
    assert (await other.query(bought["id"])).data["status"] == "Closed"


async def test_trap_6_all_orders_filters_by_seconds(turk: Client) -> None:
    """Trap 6: milliseconds are a start in the far future, which has a code of its own."""
    placed = [(await turk.place(newOrderClientId=f"a-{number}")).data for number in range(5)]
    start_ms = placed[0]["datetime"]
    path = "/api/v1/allOrders"
    refused = await turk.call("GET", path, pairSymbol="BTCTRY", startTime=start_ms)
    assert refused.refusal == (
        400,
        1038,
        "startTime cannot be bigger than current unix timestamp.",
    )
    found = (await turk.call("GET", path, pairSymbol="BTCTRY", startTime=start_ms // 1_000)).data
    assert [row["id"] for row in found] == [row["id"] for row in placed]
    from_third = (await turk.call("GET", path, orderId=placed[2]["id"], limit=2)).data
    assert [row["orderClientId"] for row in from_third] == ["a-2", "a-3"]
    second = (await turk.call("GET", path, orderId=placed[2]["id"], limit=2, page=2)).data
    assert [row["orderClientId"] for row in second] == ["a-4"]
    latest = (await turk.call("GET", path, limit=2)).data
    assert [row["orderClientId"] for row in latest] == ["a-3", "a-4"]
    assert (await turk.with_key(OTHER).call("GET", path)).data == []


async def test_an_order_that_is_not_there_has_a_code_of_its_own(turk: Client) -> None:
    """1152 for a query, also of another account's order and of what is no number."""
    placed = (await turk.place()).data
    missing = (400, 1152, "Order not found")
    assert (await turk.query(1)).refusal == missing
    assert (await turk.query("a-1")).refusal == missing
    assert (await turk.with_key(OTHER).query(placed["id"])).refusal == missing


async def test_transactions_are_filtered_and_come_late(turk: Client) -> None:
    """By side, currency, pair and milliseconds; a fresh fill is not listed yet (issue 395)."""
    path = "/api/v1/users/transactions/trade"
    placed = (await turk.place(price="2080000")).data
    assert (await turk.call("GET", path)).data == []
    await fills_of(turk, placed["id"])
    rows = (await turk.call("GET", path, type="buy", symbol="btc", pairSymbol="BTCTRY")).data
    assert rows
    assert rows == (await turk.call("GET", path, startDate=rows[-1]["timestamp"])).data
    none = ({"type": "sell"}, {"symbol": "usdt"}, {"pairSymbol": "BTCUSDT"}, {"endDate": 1})
    for asked in none:
        assert (await turk.call("GET", path, **asked)).data == []


async def test_a_key_that_is_none(turk: Client) -> None:
    """Trap 2: a refused login is 401 and says success, so the status alone tells."""
    nobody = turk.with_key(("nobody", FULL[1]))
    wrong = turk.with_key((FULL[0], OTHER[1]))
    for client, why in ((nobody, "Invalid Request"), (wrong, "Invalid Signature")):
        reply = await client.call("GET", "/api/v1/users/balances")
        assert reply.refusal == (401, 1037, f"Unauthorized - {why}")
        assert reply.json["success"] is True
    bare = await turk.raw("GET", "/api/v1/users/balances", {})
    assert bare.refusal == (401, 1037, "Unauthorized - Headers are missing")


async def test_trap_1_stamps_are_milliseconds_of_now_and_only_grow(turk: Client) -> None:
    """
    Trap 1: seconds, drift above 5 s, a stamp used twice or an older one are Invalid Nonce.

    Fault S2.
    """
    nonce = (401, 1037, "Unauthorized - Invalid Nonce")
    path = "/api/v1/users/balances"
    now = STAMPS.next()
    for stamp in (now // 1_000, now - 5_500, now + 5_500, "soon", -1):
        assert (await turk.call("GET", path, stamp=stamp)).refusal == nonce
    assert (await turk.call("GET", path, stamp=now)).status == 200
    assert (await turk.call("GET", path, stamp=now)).refusal == nonce
    assert (await turk.call("GET", path, stamp=now - 1)).refusal == nonce
    # Each key has its own last stamp.
    assert (await turk.with_key(READ).call("GET", path, stamp=now)).status == 200


async def test_s4_a_read_key_cannot_trade_and_a_trade_key_cannot_read(turk: Client) -> None:
    """S4: permissions are the venue's to enforce."""
    placed = (await turk.place()).data
    reader, trader = turk.with_key(READ), turk.with_key(TRADE)
    for refused in (
        await reader.place(),
        await reader.cancel(placed["id"]),
        await trader.query(placed["id"]),
        await trader.call("GET", "/api/v1/users/balances"),
        await trader.call("GET", "/api/v1/openOrders"),
    ):
        assert refused.refusal == (401, 1037, "Unauthorized - Invalid Request")
    assert (await reader.query(placed["id"])).status == 200
    assert (await trader.cancel(placed["id"])).status == 200


async def test_s4_a_header_set_opens_every_door_of_its_key(turk: Client) -> None:
    """S4: the signature covers neither path nor body, so only permissions keep a door shut."""
    headers = headers_of(FULL, STAMPS.next())
    body = {
        "pairSymbol": "BTCTRY",
        "orderMethod": "limit",
        "orderType": "buy",
        "quantity": "0.01",
        "price": "2000000",
    }
    assert (await turk.raw("POST", "/api/v1/order", {}, headers=headers, body=body)).status == 200
    headers = headers_of(READ, STAMPS.next())
    assert (await turk.raw("POST", "/api/v1/order", {}, headers=headers, body=body)).status == 401


async def test_what_is_no_order_at_all(turk: Client, turk_venue: Running) -> None:
    """Another content type, no JSON, no object: each is refused, and nothing falls over."""
    assert turk_venue.venue.register.orders == {}
    for body in ("", "[]", "{", "null", "[" * 100_000, '{"quantity": NaN}'):
        assert (await turk.call("POST", "/api/v1/order", body=body)).status == 400
    assert (await turk.call("POST", "/api/v1/order")).status == 415
    assert (await turk.call("PUT", "/api/v1/order")).status == 405
    assert (await turk.call("GET", "/api/v1/nothing")).status == 404
    assert turk_venue.venue.register.orders == {}
