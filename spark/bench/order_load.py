"""
Load for the order path, as a process of its own: intents at a rate.

`python -m spark.bench.order_load` reads one JSON object on standard input, sends
places and cancels mixed (order_mix.py), and prints the rate that it reached.
"""

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import uvloop

from spark import topics
from spark.bench.order_mix import Mix, resting, trading
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.clock import SystemClock
from spark.key_slots import LOOK_S
from spark.keyring import Keyring
from spark.names import Role, StrategyId
from spark.producers.intents import IntentWriter


def _mix(config: dict[str, Any]) -> Mix:
    venues = config.get("trading")
    return resting() if venues is None else trading(config["seed"], frozenset(venues))


async def _main() -> None:
    config: dict[str, Any] = json.loads(sys.stdin.readline())
    name, rate = config["strategy"], float(config["rate"])
    _become(config["uid"])
    keyring = Keyring(name, Path(config["secrets_dir"]), Path(config["public_dir"]))
    bus = KafkaBus(KafkaLogin(config["bootstrap"], name, keyring.kafka_password()))
    writer = await bus.writer([topics.INTENTS])
    tagger = keyring.tagger((Role.GUARDRAIL, Role.SIGNER))
    intents = IntentWriter(StrategyId(name), writer, tagger, clock=SystemClock())
    renewal = asyncio.create_task(_renew(keyring))
    total = int(rate * float(config["seconds"]))
    mix = _mix(config)
    began, sent = time.monotonic(), 0
    while sent < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        await intents.send([mix(n, intents) for n in range(sent, due)])
        sent = due
        await asyncio.sleep(max(0.0, (sent + 1) / rate - (time.monotonic() - began)))
    sys.stdout.write(f"{sent / (time.monotonic() - began)}\n")
    sys.stdout.flush()
    renewal.cancel()
    await writer.close()
    await bus.close()


async def _renew(keyring: Keyring) -> None:
    """Go on with the strategy's new keys, as `spark run` does for it (worker/key_watch.py)."""
    while True:
        keyring.refresh()
        await asyncio.sleep(LOOK_S)


def _become(uid: int | None) -> None:
    """Take the strategy's own uid where the stack is isolated: its secrets are nobody else's."""
    if uid is not None and uid != os.geteuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


if __name__ == "__main__":
    uvloop.run(_main())
