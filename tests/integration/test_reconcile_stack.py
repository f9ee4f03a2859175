"""Log and exchange side by side on a real stack; a difference that two persons take over."""

import json
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from spark.embedded.throwaway import running_stack
from spark.names import Venue
from tests.persons import SECOND
from tests.stacks import UpStack, spark, until

_PROCESSES = "guardrail,signer,gateway,venue_watch,account_feed"


@pytest.fixture(scope="module")
def stack(server_home: Path) -> Iterator[UpStack]:
    """An order path with its account feed, in mode live on the simulator."""
    place = server_home / "reconcile"
    place.mkdir(mode=0o711)
    running = UpStack(place, _PROCESSES)
    running.env["SPARK_RECONCILE_PERIOD_S"] = "1"
    running.up()
    yield running
    running.end(signal.SIGTERM)


def _account(stack: UpStack) -> dict[str, Any]:
    found = spark("reconcile", "--account", "binance:main", "--json", env=stack.env)
    (account,) = found.object["accounts"]
    assert isinstance(account, dict)
    return account


def _judge(stack: UpStack, path: str, body: dict[str, object]) -> None:
    token = running_stack(stack.home, stack.state).admin_token()
    request = urllib.request.Request(  # noqa: S310  (the stack's own simulator)
        f"{stack.state.simulators[Venue.BINANCE].admin_url}{path}",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {token}"},
    )
    with urllib.request.urlopen(request, timeout=10) as reply:  # noqa: S310
        assert reply.status == 200


def test_both_sides_are_shown_and_persons_take_over(stack: UpStack) -> None:
    """A9, S9, S11, fault V6: an unexplained balance halts until two persons have explained it."""
    until(lambda: _account(stack)["state"] == "reconciled", "the account is reconciled")
    account = _account(stack)
    assert account["differences"] == []
    assert {row["asset"]: row["ours"] for row in account["balances"]} == {
        row["asset"]: row["theirs"] for row in account["balances"]
    }
    assert spark("unknown", "list", "--json", env=stack.env).object == {"unknown": []}

    _judge(stack, "/faults", {"kind": "drop_message", "route": "private", "count": 10})
    _judge(stack, "/funds", {"account": "main", "asset": "BTC", "amount": "-1"})
    until(lambda: _account(stack)["halting"] == 1, "the difference halts")
    (found,) = _account(stack)["differences"]
    assert (found["kind"], found["rule"], found["subject"]) == ("balance", "halted", "BTC")

    said = spark(
        "reconcile", "accept", found["difference"], "--reason", "moved to the cold wallet",
        "--yes", "--json", env=stack.env,
    )  # fmt: skip
    proposal = said.object["id"]
    assert _account(stack)["halting"] == 1
    spark("approve", proposal, "--as", SECOND, "--yes", "--json", env=stack.env)
    until(lambda: _account(stack)["halting"] == 0, "two persons took it over")


def test_what_is_not_there_is_refused(stack: UpStack) -> None:
    """A8, A9: a word about nothing is not said."""
    done = spark(
        "reconcile", "accept", "nothing", "--reason", "x", "--yes", "--json", env=stack.env
    )
    assert done.code != 0
    done = spark("unknown", "resolve", "spk" + "0" * 29, "--reason", "x", "--yes", env=stack.env)
    assert done.code != 0
