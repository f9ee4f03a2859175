"""
Rate limits as BTCTurk keeps them, and none when they are off.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from spark.exchanges.simulator.server import Options, running
from spark.names import Venue
from tests.simulated_btcturk import FULL, OTHER, Client


@pytest.fixture
async def limited(session: aiohttp.ClientSession, turk_keys: Path) -> AsyncIterator[Client]:
    options = Options(
        keys_file=turk_keys, venue=Venue.BTCTURK, is_limited=True, market_steps_per_s=0
    )
    async with running(options) as venue:
        yield Client(session, venue)


async def test_the_eleventh_order_of_a_second_waits_for_one(limited: Client) -> None:
    """429 says what was allowed and for how long to wait; the second is over soon."""
    statuses: list[int] = []
    reply = await limited.place()
    while reply.status == 200:
        statuses.append(reply.status)
        reply = await limited.place()
    assert len(statuses) >= 10
    assert reply.refusal == (429, 429, "TOO_MANY_REQUESTS")
    assert reply.headers["Retry-After"] == "1"
    assert reply.json["success"] is False
    assert reply.json["details"] == "Quota exceeded. Maximum allowed: 10 per 1s."
    assert (reply.json["limit"], reply.json["period"], reply.json["policy"]) == ("10", "1s", "ip")


async def test_a_breach_blocks_one_endpoint_for_its_time(limited: Client) -> None:
    """180 books a minute, then nothing for a minute; other endpoints are open."""
    statuses = [
        (await limited.public("/api/v2/orderbook", pairSymbol="BTCTRY", limit=1)).status
        for _ in range(181)
    ]
    assert statuses == [200] * 180 + [429]
    reply = await limited.public("/api/v2/orderbook", pairSymbol="BTCTRY")
    assert (reply.status, int(reply.headers["Retry-After"]) > 50) == (429, True)
    assert (await limited.public("/api/v2/ticker")).status == 200
    summary = await limited.judge("GET", "/ledger/summary")
    assert summary["by_outcome"]["GET /api/v2/orderbook"] == {"accepted": 180, "limited": 2}


async def test_connections_are_counted(limited: Client) -> None:
    """Fifteen sockets a minute, subscriptions uncounted."""
    for _ in range(15):
        async with limited.socket() as wire:
            for symbol in ("BTCTRY", "BTCUSDT"):
                await wire.join("ticker", symbol)
    with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
        async with limited.socket():
            pass
    assert caught.value.status == 429
    assert caught.value.headers is not None
    assert caught.value.headers["Retry-After"] == "60"


async def test_who_is_unauthorized_too_often_is_shut_out(limited: Client) -> None:
    """More than fifty in a row and the gate answers, in HTML, whatever is asked."""
    wrong = limited.with_key((FULL[0], OTHER[1]))
    for _ in range(50):
        assert (await wrong.call("GET", "/api/v1/openOrders")).status == 401
    # One that is let in begins the count again.
    assert (await limited.call("GET", "/api/v1/openOrders")).status == 200
    for _ in range(51):
        assert (await wrong.call("GET", "/api/v1/openOrders")).status == 401
    for reply in (
        await limited.call("GET", "/api/v1/openOrders"),
        await limited.public("/api/v2/server/time"),
    ):
        assert reply.status == 403
        assert reply.headers["Content-Type"].startswith("text/html")


async def test_off_is_off(turk: Client) -> None:
    """Without limits neither bursts nor refused logins cost anything."""
    wrong = turk.with_key((FULL[0], OTHER[1]))
    for _ in range(60):
        assert (await wrong.place()).status == 401
    for _ in range(30):
        assert (await turk.place()).status == 200
