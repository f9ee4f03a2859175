"""
Rate limits as the venue keeps them, and none when they are off.
"""

from pathlib import Path

import aiohttp

from spark.exchanges.simulator.server import Options, running
from tests.simulated_venue import Client


async def test_the_order_limit_counts_orders_that_do_not_fill(
    session: aiohttp.ClientSession, keys_file: Path
) -> None:
    """-1015 with Retry-After past the limit; a fill gives its place back."""
    options = Options(keys_file=keys_file, is_limited=True, market_steps_per_s=0)
    async with running(options) as venue:
        client = Client(session, venue)
        for _ in range(20):
            filled = await client.place(price="61900", quantity="0.001")
            assert filled.headers["X-MBX-ORDER-COUNT-10S"] == "0"
        reply = await client.place(quantity="0.001")
        while reply.status == 200:
            reply = await client.place(quantity="0.001")
        assert (reply.status, reply.code) == (429, -1015)
        assert 1 <= int(reply.headers["Retry-After"]) <= 10


async def test_spent_weight_is_429_and_going_on_is_418(
    session: aiohttp.ClientSession, keys_file: Path
) -> None:
    """The budget is the address's; whoever goes on after 429 is banned, with Retry-After."""
    options = Options(keys_file=keys_file, is_limited=True, market_steps_per_s=0)
    async with running(options) as venue:
        client = Client(session, venue)
        statuses: list[int] = []
        for _ in range(60):
            reply = await client.public("/api/v3/depth", symbol="BTCUSDT", limit=5000)
            statuses.append(reply.status)
            if reply.status != 200:
                assert reply.code == -1003
                assert int(reply.headers["Retry-After"]) >= 1
            if reply.status == 418:
                break
        reply = await client.public("/api/v3/time")
        assert sorted(set(statuses)) == [200, 418, 429]
        assert "IP banned until" in reply.json["msg"]
        assert (await client.place()).status == 418
        summary = await client.judge("GET", "/ledger/summary")
        assert summary["by_outcome"]["POST /api/v3/order"] == {"limited": 1}


async def test_the_open_order_filter_holds_only_with_limits(
    session: aiohttp.ClientSession, keys_file: Path
) -> None:
    """With limits off exchangeInfo says so, and benchmarks are not in the way of themselves."""
    for is_limited, most in ((True, 200), (False, 10_000_000)):
        options = Options(keys_file=keys_file, is_limited=is_limited, market_steps_per_s=0)
        async with running(options) as venue:
            info = (await Client(session, venue).public("/api/v3/exchangeInfo")).json
            (row,) = [
                one
                for one in info["symbols"][0]["filters"]
                if one["filterType"] == "MAX_NUM_ORDERS"
            ]
            assert row["maxNumOrders"] == most
            assert [one["rateLimitType"] for one in info["rateLimits"]] == (
                ["REQUEST_WEIGHT", "ORDERS", "ORDERS"] if is_limited else []
            )
