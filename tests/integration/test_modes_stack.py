"""
The modes that send nothing, on a whole stack, and the step from one to the stricter (B1, A10).
"""

import asyncio
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN
from spark.embedded.ops_client import OpsAddress, ask
from tests.stacks import UpStack, spark, until

_PROCESSES = "auditor,venue_watch,signer,gateway,guardrail,sentinel,binance_feed,account_feed"


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """A stack in shadow."""
    place = server_home / "modes"
    place.mkdir(mode=0o711)
    running = UpStack(place, _PROCESSES)
    running.env["TRADING_MODE"] = "shadow"
    running.up()
    yield running
    if running.supervisor is not None:
        running.end(signal.SIGTERM)


def placed(stack: UpStack, *words: str) -> dict[str, Any]:
    """Place an order as the operator, once there are prices, and give its story."""
    found: dict[str, Any] = {}

    def is_decided() -> bool:
        nonlocal found
        result = spark(
            "order", "place", "BTCUSDT", "buy", "0.0002", *words, "--json", env=stack.env
        )
        found = result.object
        # A stack that has just begun lacks a price or a mark of equity for a moment.
        return "intent_refused" not in {hop["kind"] for hop in found["hops"]}

    until(is_decided, "an order is approved")
    return found


def orders_at_the_exchange(stack: UpStack) -> list[dict[str, Any]]:
    """Ask the exchange's judges what really arrived."""
    token = (stack.home.secrets_of("simulator") / SIMULATOR_ADMIN_TOKEN).read_text()
    judges = OpsAddress(0, stack.state.ports["simulator_admin"], None)
    answer = asyncio.run(ask(judges, "/ledger", token=token))
    assert answer is not None
    entries: list[dict[str, Any]] = orjson.loads(answer[1])["entries"]
    return [one for one in entries if one["kind"] == "order" or "/order" in one.get("path", "")]


def test_b1_in_shadow_an_order_ends_at_its_seal(stack: UpStack) -> None:
    """B1: the command ends well, says the mode and the reason; the exchange hears nothing."""
    order = placed(stack, "--limit", "60000")
    assert (order["mode"], order["state"]) == ("shadow", "cancelled")
    assert [one["code"] for one in order["reasons"]] == ["shadow_mode"]
    shown = spark("order", "show", order["intent_id"], env=stack.env)
    assert shown.code == 0
    assert "shadow" in shown.out
    assert "orders are guarded, signed and measured, nothing is sent" in stack.output.read_text()
    assert orders_at_the_exchange(stack) == []


def test_b1_a_tightened_mode_fills_on_paper_from_then_on(stack: UpStack) -> None:
    """B1, A10, fault O4: without a restart; the gateway finds the market, the order its depth."""
    said = spark("mode", "set", "paper", "--reason", "no more shadow", "--yes", env=stack.env)
    assert said.code == 0, said.err
    order = placed(stack, "--market")
    assert order["mode"] == "paper"
    until(
        lambda: (
            spark("order", "show", order["intent_id"], "--json", env=stack.env).object["state"]
            == "filled"
        ),
        "it is filled",
    )
    assert orders_at_the_exchange(stack) == []
