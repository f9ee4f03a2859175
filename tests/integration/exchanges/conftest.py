"""
A simulator inside the test's own event loop, with its book standing still.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from spark.exchanges.simulator.server import Options, Running, running
from tests.simulated_venue import Client, write_keys


@pytest.fixture
def keys_file(tmp_path: Path) -> Path:
    return write_keys(tmp_path)


@pytest.fixture
async def venue(keys_file: Path) -> AsyncIterator[Running]:
    async with running(Options(keys_file=keys_file, market_steps_per_s=0)) as simulator:
        yield simulator


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as one:
        yield one


@pytest.fixture
def client(session: aiohttp.ClientSession, venue: Running) -> Client:
    return Client(session, venue)
