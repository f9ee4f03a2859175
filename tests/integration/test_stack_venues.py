"""A stack of both exchanges: which parts it has, and where an order goes."""

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN
from spark.embedded.ops_client import OpsAddress, ask
from spark.embedded.processes import SIMULATORS
from spark.keys import TRADE_KEY, exchange_key
from spark.names import Venue
from tests.simulated_venue import signed_text
from tests.stacks import UpStack, environment, spark, until

_PROCESSES = (
    "auditor,venue_watch,signer,gateway,account_feed,guardrail,sentinel,binance_feed,btcturk_feed"
)
_JUDGES = {Venue.BINANCE: "simulator_admin", Venue.BTCTURK: "btcturk_simulator_admin"}


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """Both exchanges, and all that an order needs."""
    place = server_home / "venues"
    place.mkdir(mode=0o711)
    running = UpStack(place, _PROCESSES)
    running.up("--venue", "all")
    yield running
    running.end(signal.SIGTERM)


def _ledger(stack: UpStack, venue: Venue) -> list[dict[str, Any]]:
    """Ask an exchange's judges which orders really arrived."""
    token = (stack.home.secrets_of(SIMULATORS[venue]) / SIMULATOR_ADMIN_TOKEN).read_text()
    judges = OpsAddress(0, stack.state.ports[_JUDGES[venue]], None)
    answer = asyncio.run(ask(judges, "/ledger", token=token))
    assert answer is not None
    entries = orjson.loads(answer[1])["entries"]
    return [entry for entry in entries if entry["kind"] == "order"]


def test_each_exchange_has_a_server_and_a_feed(stack: UpStack) -> None:
    """Both are shown, each with its address, and both feeds serve."""
    found = spark("status", "--wait", "--json", env=stack.env).object
    assert found["venues"] == {
        venue.value: place.url for venue, place in stack.state.simulators.items()
    }
    assert set(found["venues"]) == {"binance", "btcturk"}
    assert set(SIMULATORS.values()) | {"binance_feed", "btcturk_feed"} <= set(found["processes"])
    shown = spark("status", env=stack.env).out
    assert "(binance simulator)" in shown
    assert "(btcturk simulator)" in shown


@pytest.mark.parametrize(
    ("account", "symbol", "limit"),
    [("binance:main", "BTCUSDT", "60000"), ("btcturk:main", "BTCTRY", "2000000")],
)
def test_an_order_goes_to_its_accounts_exchange_alone(
    stack: UpStack, account: str, symbol: str, limit: str
) -> None:
    """Placed and taken back; the other exchange never hears of it."""
    words = ("--limit", limit, "--account", account, "--json")
    placed = spark("order", "place", symbol, "buy", "0.0001", *words, env=stack.env)
    assert placed.code == 0, placed.err
    client_id = placed.object["client_order_id"]
    mine = Venue(account.partition(":")[0])
    for venue in SIMULATORS:
        ids = {entry["client_order_id"] for entry in _ledger(stack, venue)}
        assert (client_id in ids) is (venue is mine)
    intent_id = placed.object["intent_id"]
    done = spark("order", "cancel", intent_id, "--json", env=stack.env)
    assert done.code == 0, done.out
    # BTCTurk carries it out a moment after it said yes.
    until(lambda: _ledger(stack, mine)[-1]["status"] == "cancelled", "it is cancelled")


def test_h2_an_exchange_that_was_killed_has_the_order(stack: UpStack) -> None:
    """The server is back by itself with what it knew; the order is taken back there."""
    words = ("--limit", "2000000", "--account", "btcturk:main", "--json")
    placed = spark("order", "place", "BTCTRY", "buy", "0.0001", *words, env=stack.env)
    assert placed.code == 0, placed.err
    name = SIMULATORS[Venue.BTCTURK]
    pid = stack.child(name).pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    stack.until_restarted(name)

    def is_taken_back() -> bool:
        # Until the clock is measured anew and the account compared, it may be refused.
        intent_id = placed.object["intent_id"]
        done = spark("order", "cancel", intent_id, "--json", env=stack.env)
        return done.code == 0

    until(is_taken_back, "the cancel is accepted")
    until(
        lambda: _ledger(stack, Venue.BTCTURK)[-1]["status"] == "cancelled",
        "the exchange has carried the cancel out",
    )
    last = _ledger(stack, Venue.BTCTURK)[-1]
    assert last["client_order_id"] == placed.object["client_order_id"]


def test_s14_both_exchanges_are_witnesses(stack: UpStack) -> None:
    """
    S14: they tell what the log says; and of an order that was placed past Spark, too.

    Fault V6.
    """
    words = ("audit", "verify", "--against-venue")
    result = spark(*words, "--json", env=stack.env)
    assert result.code == 0, result.err
    held = {one["account"]: one for one in result.object["venues"]}
    assert {account: one["orders"] for account, one in held.items()} == {
        "binance:main": 1, "btcturk:main": 2,
    }  # fmt: skip
    assert all((one["unasked"], one["foreign"]) == (0, 0) for one in held.values())
    assert "2 orders at btcturk:main are those of the log" in spark(*words, env=stack.env).out
    _place_past_spark(stack, forged := "spk" + "0" * 29)
    found = spark(*words, env=stack.env)
    assert found.code == 7
    assert f"{forged}: BTCUSDT buy 0.001 at 50000" in found.err
    assert "nobody approved it" in found.err


def _place_past_spark(stack: UpStack, client_id: str) -> None:
    """Place with the stack's own key, as a thief would."""
    secrets = stack.home.secrets_of("signer")
    key, secret = (
        (secrets / name).read_text().strip() for name in exchange_key(Venue.BINANCE, TRADE_KEY)
    )
    order = {
        "symbol": "BTCUSDT", "side": "BUY", "type": "LIMIT", "timeInForce": "GTC",
        "quantity": "0.001", "price": "50000", "newClientOrderId": client_id,
        "timestamp": int(time.time() * 1_000),
    }  # fmt: skip
    url = f"{stack.state.simulator_url}/api/v3/order?{signed_text(secret, order)}"

    async def place() -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.post(url, headers={"X-MBX-APIKEY": key}) as reply,
        ):
            return reply.status

    assert asyncio.run(place()) == 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--venue", "btcturk", "--processes", "binance_feed"), "of another exchange"),
        (("--processes", "btcturk_feed"), "of another exchange"),
        (("--venue", "bist"), "--venue"),
    ],
)
def test_a_feed_without_its_exchange_is_refused(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    """It would fail for ever; whoever asks for it hears so before anything starts."""
    result = spark("up", *arguments, env=environment(tmp_path))
    assert result.code == 2
    assert words in result.err
    assert not (tmp_path / "spark").exists()
