"""
Load for the order path, as a process of its own: intents at a rate.

`python -m spark.bench.order_load` reads one JSON object on standard input, sends
places and cancels mixed, at varied prices that do not trade, and prints the rate
that it reached.
"""

import asyncio
import json
import os
import sys
import time
from collections import deque
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import uvloop

from spark import topics
from spark.bus.kafka import KafkaBus, KafkaLogin
from spark.clock import SystemClock
from spark.events import Intent, PlaceOrder
from spark.keyring import Keyring
from spark.names import AccountId, Role, Side, StrategyId, Symbol
from spark.producers.intents import IntentWriter, OrderWish

_ACCOUNT: Final = AccountId("binance:main")
#: Every fourth intent is a cancel, of the oldest place that has none.
_CANCEL_EVERY: Final = 4
#: Symbol, highest price, step between prices, number of prices, quantity: all below the
#: simulator's market, so that orders rest, and within the collar.
_SYMBOLS: Final = (
    (Symbol("BTCUSDT"), Decimal(60_500), Decimal("0.01"), 100_000, Decimal("0.0002")),
    (Symbol("ETHUSDT"), Decimal(2_600), Decimal("0.01"), 7_000, Decimal("0.005")),
)


def intent_number(number: int, intents: IntentWriter, resting: deque[PlaceOrder]) -> Intent:
    """Make the n-th intent of a run."""
    if number % _CANCEL_EVERY == _CANCEL_EVERY - 1 and resting:
        return intents.cancel(resting.popleft())
    symbol, highest, step, prices, quantity = _SYMBOLS[number % len(_SYMBOLS)]
    # A stride that shares no factor with the number of prices visits them all.
    price = highest - step * (number * 7_919 % prices)
    order = intents.place(
        OrderWish(account=_ACCOUNT, symbol=symbol, side=Side.BUY, quantity=quantity, price=price)
    )
    resting.append(order)
    return order


async def _main() -> None:
    config: dict[str, Any] = json.loads(sys.stdin.readline())
    name, rate = config["strategy"], float(config["rate"])
    _become(config["uid"])
    keyring = Keyring(name, Path(config["secrets_dir"]), Path(config["public_dir"]))
    bus = KafkaBus(KafkaLogin(config["bootstrap"], name, keyring.kafka_password()))
    writer = await bus.writer([topics.INTENTS])
    tagger = keyring.tagger((Role.GUARDRAIL, Role.SIGNER))
    intents = IntentWriter(StrategyId(name), writer, tagger, clock=SystemClock())
    total = int(rate * float(config["seconds"]))
    resting: deque[PlaceOrder] = deque()
    began, sent = time.monotonic(), 0
    while sent < total:
        due = min(total, int((time.monotonic() - began) * rate) + 1)
        await intents.send([intent_number(n, intents, resting) for n in range(sent, due)])
        sent = due
        await asyncio.sleep(max(0.0, (sent + 1) / rate - (time.monotonic() - began)))
    sys.stdout.write(f"{sent / (time.monotonic() - began)}\n")
    sys.stdout.flush()
    await writer.close()
    await bus.close()


def _become(uid: int | None) -> None:
    """Take the strategy's own uid where the stack is isolated: its secrets are nobody else's."""
    if uid is not None and uid != os.geteuid():
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)


if __name__ == "__main__":
    uvloop.run(_main())
