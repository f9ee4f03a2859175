"""
Market messages that are missing, doubled or late, on demand.
"""

import asyncio

import aiohttp
import orjson
import pytest

from spark.exchanges.simulator.server import Running
from tests.integration.exchanges.test_simulator_streams import WAIT_S, ask, texts
from tests.simulated_venue import Client


async def depth_numbers(socket: aiohttp.ClientWebSocketResponse, count: int) -> list[list[int]]:
    """Give first and last number of so many differences."""
    found: list[list[int]] = []
    async for text in texts(socket):
        event = orjson.loads(text)
        found.append([event["U"], event["u"]])
        if len(found) == count:
            break
    return found


@pytest.mark.parametrize("kind", ["sequence_gap", "drop_message", "duplicate_message"])
async def test_a_difference_is_missing_or_comes_twice(
    session: aiohttp.ClientSession, client: Client, venue: Running, kind: str
) -> None:
    """A judge makes a hole in a book's numbers, or repeats one; then they go on as before."""
    async with session.ws_connect(f"{venue.stream_url}/ws/btcusdt@depth@100ms") as socket:
        await ask(socket, method="LIST_SUBSCRIPTIONS", id=1)
        await client.judge("POST", "/faults", {"kind": kind, "count": 1})
        numbers: list[list[int]] = []
        before = venue.venue.books["BTCUSDT"].update_id
        for turn in range(3):
            await client.place(price="61900", quantity="0.001", newClientOrderId=f"a-{turn}")
            is_lost = turn == 0 and kind != "duplicate_message"
            if not is_lost:
                numbers += await depth_numbers(socket, 1)
            else:
                # The next difference must not be the same one.
                await until_disarmed(client)
        if kind == "duplicate_message":
            assert numbers[0] == numbers[1]
            return
        (first, second), snapshot_id = numbers, venue.venue.books["BTCUSDT"].update_id
        assert first[0] > before + 1
        assert second[0] == first[1] + 1
        assert second[1] == snapshot_id


async def until_disarmed(client: Client) -> None:
    """Wait until the armed fault has hit."""
    async with asyncio.timeout(WAIT_S):
        while (await client.judge("GET", "/faults"))["armed"]:  # noqa: ASYNC110  (over HTTP)
            await asyncio.sleep(0.02)


async def test_two_messages_change_places(
    session: aiohttp.ClientSession, client: Client, venue: Running
) -> None:
    """A judge lets a trade come after the next one."""
    async with session.ws_connect(f"{venue.stream_url}/ws/btcusdt@trade") as socket:
        await ask(socket, method="LIST_SUBSCRIPTIONS", id=1)
        await client.judge("POST", "/faults", {"kind": "reorder_messages"})
        for _ in range(3):
            await client.place(price="61900", quantity="0.001")
        trades = [orjson.loads(await anext(texts(socket)))["t"] for _ in range(3)]
    first, second, third = sorted(trades)
    assert trades == [second, first, third]
