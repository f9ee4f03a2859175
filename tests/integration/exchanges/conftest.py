"""
A simulator inside the test's own event loop, with its book standing still.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from spark.exchanges.simulator.server import Options, Running, running
from spark.names import Venue
from tests import simulated_btcturk
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


@pytest.fixture
def turk_keys(tmp_path: Path) -> Path:
    return simulated_btcturk.write_keys(tmp_path)


@pytest.fixture
async def turk_venue(turk_keys: Path) -> AsyncIterator[Running]:
    options = Options(keys_file=turk_keys, venue=Venue.BTCTURK, market_steps_per_s=0)
    async with running(options) as simulator:
        yield simulator


@pytest.fixture
def turk(session: aiohttp.ClientSession, turk_venue: Running) -> simulated_btcturk.Client:
    return simulated_btcturk.Client(session, turk_venue)
