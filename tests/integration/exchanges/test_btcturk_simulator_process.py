"""
The BTCTurk simulator as a process: how it starts, what it remembers, where it does not run.
"""

import signal
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.server import Options, running
from spark.names import Venue
from tests.integration.exchanges.test_simulator_process import ready, start
from tests.simulated_btcturk import FULL, STAMPS, Client, headers_of
from tests.stacks import environment, spark


async def test_it_says_which_venue_it_is(
    turk_keys: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """The ready file is as Binance's, and names the venue; SIGTERM ends it cleanly."""
    path = tmp_path / "ready.json"
    process = await start(
        *("btcturk", "--keys-file", str(turk_keys), "--limits", "off"),
        *("--market-rate", "0", "--ready-file", str(path)),
    )
    found = await ready(path, process)
    assert (found["venue"], found["limits"], found["seed"]) == ("btcturk", "off", 42)
    assert {"url", "stream_url", "admin_url", "admin_token_file", "symbols"} <= set(found)
    async with session.get(f"{found['url']}/api/v2/server/ping") as response:
        assert await response.json() == {"pong": True}
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


async def test_h2_a_kill_takes_nothing_back(
    session: aiohttp.ClientSession, turk_keys: Path, tmp_path: Path
) -> None:
    """Orders, fills, locks and what was earned are after a restart what they were before it."""
    options = Options(
        keys_file=turk_keys,
        venue=Venue.BTCTURK,
        market_steps_per_s=0,
        ledger_file=tmp_path / "ledger.jsonl",
    )
    seen: list[object] = []
    async with running(options) as venue:
        turk = Client(session, venue)
        await turk.place(price="2080000", newOrderClientId="filled")
        # Two orders under one client id, and one of them partly filled.
        await turk.place()
        await turk.place()
        await turk.place(orderType="sell", price="2069995", newOrderClientId="part")
        await turk.place(price="2069995", quantity="0.004", newOrderClientId="takes")
        seen.append(await state(turk))
    async with running(options) as venue:
        turk = Client(session, venue)
        seen.append(await state(turk))
        assert seen[0] == seen[1]
        rows = (await turk.call("GET", "/api/v1/openOrders")).data
        assert [row["orderClientId"] for row in rows["bids"]] == ["a-1", "a-1"]
        for row in rows["bids"] + rows["asks"]:
            assert (await turk.cancel(row["id"])).status == 200


async def state(turk: Client) -> object:
    """Tell what must survive: the account's orders, fills and balances, and the fees."""
    rows = (await turk.call("GET", "/api/v1/users/balances")).data
    accounts = await turk.judge("GET", "/accounts")
    return (
        (await turk.call("GET", "/api/v1/openOrders")).data,
        (await turk.call("GET", "/api/v1/allOrders")).data,
        [(row["asset"], row["free"], row["locked"]) for row in rows],
        {asset: Decimal(amount) for asset, amount in accounts["earned"].items()},
    )


@pytest.mark.parametrize(
    ("habits", "words"),
    [
        ((("is_stamp_strict", "maybe"),), "on or off"),
        ((("cancel_ms", "-1"),), "milliseconds"),
        ((("is_kind", "on"),), "none of"),
    ],
)
async def test_a_habit_is_known_and_fits(
    turk_keys: Path, habits: tuple[tuple[str, str], ...], words: str
) -> None:
    """A switch that is none is refused at start, with what there is."""
    with pytest.raises(SettingError, match=words):
        async with running(Options(keys_file=turk_keys, venue=Venue.BTCTURK, habits=habits)):
            pass


async def test_a_habit_belongs_to_its_venue(keys_file: Path) -> None:
    """Another exchange's switch would be ignored, and so it is refused."""
    with pytest.raises(SettingError, match="habit"):
        async with running(Options(keys_file=keys_file, habits=(("cancel_ms", "1"),))):
            pass


async def test_the_order_of_stamps_is_a_switch(
    session: aiohttp.ClientSession, turk_keys: Path
) -> None:
    """Nobody has confirmed that the venue insists on it: off, only the window counts."""
    options = Options(
        keys_file=turk_keys,
        venue=Venue.BTCTURK,
        market_steps_per_s=0,
        habits=(("is_stamp_strict", "off"),),
    )
    async with running(options) as venue:
        headers = headers_of(FULL, STAMPS.next())
        for _ in range(2):
            reply = await Client(session, venue).raw(
                "GET", "/api/v1/users/balances", {}, headers=headers
            )
            assert reply.status == 200


async def test_it_needs_keys_of_its_own_form(keys_file: Path) -> None:
    """Binance's secrets are no base64: the wrong file is found out before the first request."""
    with pytest.raises(SettingError, match="base64"):
        async with running(Options(keys_file=keys_file, venue=Venue.BTCTURK)):
            pass


async def test_it_plays_no_recordings(turk_keys: Path, tmp_path: Path) -> None:
    """There are none of this venue's."""
    options = Options(keys_file=turk_keys, venue=Venue.BTCTURK, replay=(tmp_path,))
    with pytest.raises(SettingError, match="only Binance"):
        async with running(options):
            pass


@pytest.mark.parametrize("venue", ["binance", "btcturk"])
def test_a_simulator_does_not_run_beside_real_endpoints(
    tmp_path: Path, turk_keys: Path, venue: str
) -> None:
    """Where orders go to a real exchange, a second one that looks like it is a trap."""
    env = environment(tmp_path, SPARK_ENDPOINT="real", TRADING_MODE="live")
    done = spark("simulate", venue, "--keys-file", str(turk_keys), env=env)
    assert done.code != 0
    assert "SPARK_ENDPOINT=real" in done.err


@pytest.mark.parametrize("venue", ["binance", "btcturk"])
def test_simulate_lists_its_options(tmp_path: Path, venue: str) -> None:
    """`spark simulate VENUE --help` is the simulator's own help."""
    done = spark("simulate", venue, "--help", env=environment(tmp_path))
    assert done.code == 0
    assert "--keys-file" in done.out
