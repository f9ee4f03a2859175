"""
The judges' port: the ledger, its guard, and every kind of fault.
"""

import json

import aiohttp
import pytest

from spark.exchanges.simulator.server import Running
from tests.simulated_venue import Client


async def test_the_ledger_holds_every_request_order_and_fill(client: Client) -> None:
    """What reached the venue stands in the ledger, numbered without a gap."""
    await client.place(newClientOrderId="rests")
    await client.place(newClientOrderId="too-big", quantity="100")
    await client.place(newClientOrderId="takes", price="61900", quantity="0.1")
    await client.cancel("rests")
    entries = (await client.judge("GET", "/ledger"))["entries"]
    assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
    requests = [entry for entry in entries if entry["kind"] == "request"]
    assert [
        (entry["method"], entry["client_order_id"], entry["outcome"], entry["status"])
        for entry in requests
    ] == [
        ("POST", "rests", "accepted", 200),
        ("POST", "too-big", "refused", 400),
        ("POST", "takes", "accepted", 200),
        ("DELETE", "rests", "accepted", 200),
    ]
    assert requests[0]["key_id"] == "full"
    statuses = [
        (entry["client_order_id"], entry["status"]) for entry in entries if entry["kind"] == "order"
    ]
    assert statuses == [
        ("rests", "open"),
        ("takes", "open"),
        ("takes", "filled"),
        ("rests", "cancelled"),
    ]
    (fill,) = [entry for entry in entries if entry["kind"] == "fill"]
    assert (fill["client_order_id"], fill["quantity"], fill["is_maker"]) == ("takes", "0.1", False)
    summary = await client.judge("GET", "/ledger/summary")
    assert (summary["orders"], summary["distinct_client_ids"], summary["fills"]) == (2, 2, 1)
    assert summary["by_outcome"]["POST /api/v3/order"] == {"accepted": 2, "refused": 1}


async def test_the_ledger_is_read_from_where_one_stopped(client: Client) -> None:
    """`since` and `next` let a judge follow."""
    await client.place()
    first = await client.judge("GET", "/ledger?limit=1")
    assert first["next"] == 1
    rest = await client.judge("GET", "/ledger?since=1")
    assert [entry["seq"] for entry in rest["entries"]] == [2]
    assert (await client.judge("GET", f"/ledger?since={rest['next']}"))["entries"] == []


@pytest.mark.parametrize("since", ["", "-1", "1.5", "9" * 19, "9" * 5_000])
async def test_h5_a_place_in_the_ledger_is_a_number_or_refused(client: Client, since: str) -> None:
    """H5: a number that no line can have is refused in words, not by falling over."""
    assert "whole number" in (await client.judge("GET", f"/ledger?since={since}"))["error"]


@pytest.mark.parametrize("token", ["", "Bearer wrong", "Bearer ş"])
@pytest.mark.parametrize("path", ["/ledger", "/ledger/summary", "/faults", "/nothing"])
async def test_s12_judges_need_the_token(
    session: aiohttp.ClientSession, venue: Running, token: str, path: str
) -> None:
    """S12: without the token every path of the judges' port answers 401."""
    headers = {"Authorization": token} if token else {}
    async with session.get(venue.admin_url + path, headers=headers) as response:
        assert response.status == 401


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"kind": "unheard_of"},
        {"kind": "garble", "count": 0},
        {"kind": "garble", "count": "1"},
        {"kind": "garble", "ms": -1},
        {"kind": "garble", "extra": 1},
        {"kind": ["garble"]},
        [],
        "garble",
    ],
)
async def test_a_fault_that_is_none_is_refused(client: Client, body: object) -> None:
    """H5: a bad fault gets one sentence, and nothing is armed."""
    assert "error" in await client.judge("POST", "/faults", body)
    assert (await client.judge("GET", "/faults"))["armed"] == []


async def arm(client: Client, kind: str, **more: object) -> None:
    assert "armed" in await client.judge("POST", "/faults", {"kind": kind, **more})


async def ledger_of(client: Client, client_id: str) -> dict[str, object]:
    entries = (await client.judge("GET", "/ledger"))["entries"]
    (found,) = [
        entry
        for entry in entries
        if entry["kind"] == "request"
        and entry["method"] == "POST"
        and entry["client_order_id"] == client_id
    ]
    assert isinstance(found, dict)
    return found


async def test_drop_reply_executes_and_says_nothing(client: Client) -> None:
    """The classic unknown: the order is there, the client does not know."""
    await arm(client, "drop_reply")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.place(newClientOrderId="a-1")
    assert (await client.query("a-1")).json["status"] == "NEW"
    entry = await ledger_of(client, "a-1")
    assert (entry["outcome"], entry["fault"]) == ("accepted", "drop_reply")


async def test_drop_request_does_not_execute(client: Client) -> None:
    """The same to the client, and nothing at the venue."""
    await arm(client, "drop_request")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.place(newClientOrderId="a-1")
    assert (await client.query("a-1")).code == -2013
    entry = await ledger_of(client, "a-1")
    assert (entry["outcome"], entry["fault"]) == ("not_executed", "drop_request")


async def test_an_error_after_executing(client: Client) -> None:
    """A 5xx whose order exists."""
    await arm(client, "error_5xx_after")
    reply = await client.place(newClientOrderId="a-1")
    assert (reply.status, reply.code) == (504, -1007)
    assert (await client.query("a-1")).status == 200


async def test_an_error_before_executing(client: Client) -> None:
    """A 5xx whose order does not exist; its body is a gateway's HTML."""
    await arm(client, "error_5xx_before")
    reply = await client.place(newClientOrderId="a-1")
    assert reply.status == 502
    assert reply.content.startswith(b"<html>")
    assert (await client.query("a-1")).code == -2013


async def test_a_garbled_reply(client: Client) -> None:
    """A 200 of the right length that is no JSON; the order exists."""
    await arm(client, "garble")
    reply = await client.place(newClientOrderId="a-1")
    assert reply.status == 200
    with pytest.raises(json.JSONDecodeError):
        _ = reply.json
    assert (await client.query("a-1")).status == 200


async def test_a_truncated_reply(client: Client) -> None:
    """Half of the announced bytes, then the end; the order exists."""
    await arm(client, "truncate")
    with pytest.raises(aiohttp.ClientPayloadError):
        await client.place(newClientOrderId="a-1")
    assert (await client.query("a-1")).status == 200


async def test_a_rate_limit_on_demand(client: Client) -> None:
    """429 with Retry-After, and no order."""
    await arm(client, "reject_429", ms=2_500)
    reply = await client.place(newClientOrderId="a-1")
    assert (reply.status, reply.code, reply.headers["Retry-After"]) == (429, -1003, "3")
    assert (await client.query("a-1")).code == -2013


async def test_a_storm_ends_in_a_ban_for_who_goes_on(client: Client) -> None:
    """429 with the rest of the storm, then 418, on every route; nothing is executed."""
    await arm(client, "storm_429", ms=600_000, count=2)
    statuses = [(await client.place(newClientOrderId="a-1")).status for _ in range(2)]
    banned = await client.public("/api/v3/time")
    assert [*statuses, banned.status, banned.code] == [429, 429, 418, -1003]
    assert 500 < int(banned.headers["Retry-After"]) <= 600
    assert "banned until" in banned.json["msg"]
    await client.judge("DELETE", "/faults")
    assert (await client.query("a-1")).code == -2013


async def test_maintenance_answers_503(client: Client) -> None:
    """The whole venue is away for so many requests, and then it is back."""
    await arm(client, "maintenance", count=2)
    assert [(await client.place()).status, (await client.public("/api/v3/time")).status] == [
        503
    ] * 2
    assert (await client.place()).status == 200


async def test_a_stamp_is_refused_on_demand(client: Client) -> None:
    """-1021 to a good stamp, without an order."""
    await arm(client, "invalid_nonce")
    reply = await client.place(newClientOrderId="a-1")
    assert (reply.status, reply.code) == (400, -1021)
    assert (await client.query("a-1")).code == -2013


async def test_a_reply_can_drip(client: Client) -> None:
    """Byte by byte, and whole in the end; the order is there from the start."""
    await arm(client, "slow_loris")
    reply = await client.place(newClientOrderId="a-1")
    assert (reply.status, reply.json["status"]) == (200, "NEW")
    assert (await ledger_of(client, "a-1"))["fault"] == "slow_loris"


@pytest.mark.parametrize("kind", ["delay_before", "delay_after"])
async def test_a_delay_changes_nothing_else(client: Client, kind: str) -> None:
    """A delayed order is accepted, and the ledger says that it was delayed."""
    await arm(client, kind, ms=10)
    assert (await client.place(newClientOrderId="a-1")).status == 200
    assert (await ledger_of(client, "a-1"))["fault"] == kind


async def test_a_delay_before_counts_against_the_window(client: Client) -> None:
    """RecvWindow is the fence: what arrives too late is not executed."""
    await arm(client, "delay_before", ms=60)
    reply = await client.place(newClientOrderId="a-1", recvWindow=20)
    assert reply.code == -1021
    assert (await client.query("a-1")).code == -2013


async def test_faults_are_used_up_in_order_and_by_route(client: Client) -> None:
    """Deterministic: each matching request takes the first armed fault, once."""
    await arm(client, "garble", route="GET /api/v3/order")
    await arm(client, "error_5xx_after")
    await arm(client, "reject_429", count=2)
    statuses = [(await client.place(newClientOrderId=f"a-{n}")).status for n in range(4)]
    assert statuses == [504, 429, 429, 200]
    with pytest.raises(json.JSONDecodeError):
        _ = (await client.query("a-0")).json
    assert (await client.query("a-0")).status == 200
    assert (await client.judge("GET", "/faults"))["armed"] == []


async def test_faults_can_be_taken_back(client: Client) -> None:
    """DELETE disarms everything."""
    await arm(client, "garble", count=5)
    assert (await client.judge("DELETE", "/faults")) == {"disarmed": 1}
    assert (await client.place()).json["status"] == "NEW"


async def test_balances_are_shown_to_the_last_decimal(client: Client) -> None:
    """A judge compares cash: what the account paid, the market or the venue has."""
    await client.place(price="61900", quantity="0.1")
    shown = await client.judge("GET", "/accounts")
    assert shown["accounts"]["main"]["BTC"]["free"] == "10.0999"
    assert shown["earned"] == {"BTC": "0.0001"}


async def test_money_comes_and_goes_without_a_trade(client: Client) -> None:
    """A judge deposits and withdraws; what is not free stays; the ledger has each movement."""
    movement = {"account": "main", "asset": "USDT", "amount": "0.5"}
    shown = await client.judge("POST", "/funds", movement)
    assert shown["accounts"]["main"]["USDT"]["free"] == "1000000.5"
    shown = await client.judge("POST", "/funds", movement | {"amount": "-1000000"})
    assert shown["accounts"]["main"]["USDT"]["free"] == "0.5"
    for wrong in ({"amount": "-1"}, {"account": "nobody"}, {"amount": "0"}, {"amount": 1}):
        assert "error" in await client.judge("POST", "/funds", movement | wrong)
    entries = (await client.judge("GET", "/ledger"))["entries"]
    assert [one["amount"] for one in entries if one["kind"] == "funds"] == ["0.5", "-1000000"]
    assert (await client.judge("GET", "/ledger/summary"))["lines"] == len(entries)
