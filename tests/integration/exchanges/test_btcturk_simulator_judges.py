"""
Faults on demand at the simulated BTCTurk: what happens, and what the ledger says of it.
"""

import asyncio
from decimal import Decimal

import aiohttp
import orjson
import pytest

from tests.simulated_btcturk import STAMPS, Client, until

PLACE = "POST /api/v1/order"


async def arm(turk: Client, kind: str, **more: object) -> None:
    assert "armed" in await turk.judge("POST", "/faults", {"kind": kind, **more})


async def outcomes(turk: Client) -> dict[str, int]:
    found = (await turk.judge("GET", "/ledger/summary"))["by_outcome"].get(PLACE, {})
    assert isinstance(found, dict)
    return found


async def orders(turk: Client) -> int:
    return len((await turk.call("GET", "/api/v1/openOrders")).data["bids"])


async def test_a_fault_hits_orders_unless_it_names_another_route(turk: Client) -> None:
    """The venue's own place route is the default; an order's number is no part of a route."""
    await arm(turk, "error_5xx_before")
    assert (await turk.public("/api/v2/ticker")).status == 200
    assert (await turk.place()).status == 502
    placed = (await turk.place()).data
    await arm(turk, "error_5xx_before", route="GET /api/v1/order/{id}")
    assert (await turk.query(placed["id"])).status == 502
    assert (await turk.query(placed["id"])).status == 200


@pytest.mark.parametrize("kind", ["drop_reply", "error_5xx_after", "garble", "truncate"])
async def test_an_order_whose_reply_is_lost_is_there(turk: Client, kind: str) -> None:
    """Executed, and nobody was told: the ledger has it, and the open list (issues 77, 353)."""
    await arm(turk, kind)
    try:
        reply = await turk.place()
        if kind == "error_5xx_after":
            # The gate answers in its own words, not the venue's.
            assert (reply.status, b"<html>" in reply.content) == (504, True)
        else:
            with pytest.raises(orjson.JSONDecodeError):
                assert reply.json
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError):
        assert kind in {"drop_reply", "truncate"}
    assert await orders(turk) == 1
    assert await outcomes(turk) == {"accepted": 1}


@pytest.mark.parametrize(
    ("kind", "status"),
    [("error_5xx_before", 502), ("maintenance", 503), ("invalid_nonce", 401), ("reject_429", 429)],
)
async def test_what_is_refused_on_the_way_in_is_not_there(
    turk: Client, kind: str, status: int
) -> None:
    """Answered, and not executed: the ledger says so too."""
    await arm(turk, kind, route=PLACE)
    reply = await turk.place()
    assert reply.status == status
    if kind == "invalid_nonce":
        assert reply.json["message"] == "Unauthorized - Invalid Nonce"
    if kind == "reject_429":
        assert reply.json["message"] == "TOO_MANY_REQUESTS"
        assert reply.headers["Retry-After"] == "1"
    assert await orders(turk) == 0
    assert await outcomes(turk) == {"not_executed": 1}


async def test_a_request_that_is_dropped_is_not_there(turk: Client) -> None:
    """The connection ends, and so does the matter; the ledger names the order that it was."""
    await arm(turk, "drop_request")
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await turk.place()
    assert await orders(turk) == 0
    (entry,) = [
        one
        for one in (await turk.judge("GET", "/ledger"))["entries"]
        if one.get("outcome") == "not_executed"
    ]
    assert (entry["client_order_id"], entry["symbol"]) == ("a-1", "BTCTRY")


async def test_a_storm_shuts_out_who_goes_on(turk: Client) -> None:
    """429 for its count; then the gate's 403, for this venue knows no 418; then it is over."""
    await arm(turk, "storm_429", ms=300, count=2)
    statuses = [(await turk.place()).status for _ in range(3)]
    assert statuses == [429, 429, 403]
    await until(turk.place, lambda reply: reply.status == 200)
    assert (await outcomes(turk))["accepted"] == 1


async def test_maintenance_shuts_the_socket_too(turk: Client) -> None:
    """While it lasts nobody connects and nothing is answered; whoever is connected stays."""
    async with turk.socket() as wire:
        await arm(turk, "maintenance", ms=300)
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            async with turk.socket():
                pass
        assert caught.value.status == 503
        assert (await turk.public("/api/v2/ticker")).status == 503
        await until(turk.place, lambda reply: reply.status == 200)
        assert (await wire.join("trade", "BTCTRY"))["ok"] is True


async def test_a_reply_drips(turk: Client) -> None:
    """Slowly, and whole."""
    await arm(turk, "slow_loris", ms=1)
    assert (await turk.place()).status == 200


async def test_a_clock_apart_refuses_who_does_not_follow(turk: Client) -> None:
    """±5 s of the venue's own clock, whatever everybody else's says."""
    await turk.judge("POST", "/clock", {"offset_ms": 20_000})
    assert (await turk.place()).refusal == (401, 1037, "Unauthorized - Invalid Nonce")
    venues_ms = (await turk.public("/api/v2/server/time")).json["serverTime"]
    assert venues_ms > STAMPS.next() + 15_000
    reply = await turk.call("GET", "/api/v1/users/balances", stamp=venues_ms)
    assert reply.status == 200


async def test_a_gap_in_the_chain(turk: Client) -> None:
    """A difference is left out: the next one's number shows it."""
    async with turk.socket() as wire:
        await wire.join("obdiff", "BTCTRY")
        whole = await wire.next(431)
        await arm(turk, "sequence_gap")
        await turk.place(price="2069995")
        await until(lambda: turk.judge("GET", "/faults"), lambda found: not found["armed"])
        await turk.place(price="2069996")
        told = await wire.next(432)
        assert told["CS"] == whole["CS"] + 2


async def test_messages_twice_and_in_another_order(turk: Client) -> None:
    """Both kinds, on an account's own part of the socket alone."""
    async with turk.private() as wire:
        await arm(turk, "duplicate_message", route="private")
        placed = (await turk.place()).data
        first, second = await wire.next(451), await wire.next(451)
        assert first == second
        assert first["id"] == placed["id"]
        await wire.next(201)
        await arm(turk, "reorder_messages", route="private")
        await turk.place()
        assert [(await wire.frame())[0] for _ in range(2)] == [201, 451]
        await arm(turk, "drop_message", route="private")
        await turk.place()
        assert (await wire.frame())[0] == 201


async def test_a_mute_socket_answers_and_says_nothing(turk: Client) -> None:
    """Muted of the market it still hears its account; disarmed it speaks again."""
    async with turk.private() as wire:
        await wire.join("trade", "BTCTRY")
        await wire.next(421)
        await arm(turk, "mute_socket")
        await turk.place(price="2080000")
        match = await wire.next(441)
        assert Decimal(match["amount"]) == Decimal("0.01")
        heard = await wire.silence()
        assert 422 not in heard
        await turk.judge("DELETE", "/faults")
        await turk.place(price="2080000")
        await wire.next(422)


async def test_a_socket_is_cut(turk: Client) -> None:
    """Without a close frame; a private fault cuts who is logged in and nobody else."""
    async with turk.socket() as wire, turk.private() as private:
        await arm(turk, "disconnect", route="private")
        found = await asyncio.wait_for(private.opened.receive(), 10)
        assert found.type in {aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
        assert (await wire.join("trade", "BTCTRY"))["ok"] is True
