"""The sentinel beside the real order path: its equity against the exchange's own balances."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

from spark import topics
from spark.clock import SystemClock
from spark.consumers.sentinel import Sentinel, SentinelWiring
from spark.events import (
    EquityMarked,
    IntentRefused,
    OrderAcked,
    OrderFilled,
    OrderRejected,
    TradingDemoted,
    TradingHalted,
)
from spark.metrics import Metrics
from spark.names import Reason, Role, Side, TradingMode
from spark.worker.halts import Halts
from spark.worker.latch import KillLatch
from tests import keyed
from tests.order_path import STRATEGY, OrderPath, in_memory
from tests.watched import SENTINEL_RULES
from tests.worlds import running

#: The middle of what tests/marks.py says.
_MID: Final = Decimal("61800.005")
_USDT: Final = Decimal(1_000_000)
_BTC: Final = Decimal(10)


@asynccontextmanager
async def watched() -> AsyncIterator[OrderPath]:
    """Run every stage of the order path, and a sentinel beside it."""
    async with in_memory() as path:
        ready = asyncio.Event()
        latch = KillLatch(path.latch_dir, is_killed_by_environment=False)
        wiring = SentinelWiring(
            bus=path.bus_of(Role.SENTINEL),
            clock=SystemClock(),
            metrics=Metrics(Role.SENTINEL),
            halts=Halts(latch, keyed.people(), TradingMode.LIVE),
            latch_dir=path.latch_dir,
            rules=SENTINEL_RULES,
            instance="here",
            ready=ready,
            period_s=0.02,
        )
        async with running(Sentinel(wiring).run, ready):
            await path.up()
            yield path


async def won(path: OrderPath) -> Decimal:
    """Ask the exchange what the account won or lost, everything at the middle price."""
    account = (await path.judge.call("GET", "/api/v3/account")).json
    held = {
        row["asset"]: Decimal(row["free"]) + Decimal(row["locked"]) for row in account["balances"]
    }
    return held["USDT"] - _USDT + (held["BTC"] - _BTC) * _MID


async def test_equity_is_what_the_exchange_says_of_the_account() -> None:
    """B5: bought and sold with fees; the balances of the exchange are the judge."""
    async with watched() as path:
        for side, price in ((Side.BUY, "62000"), (Side.SELL, "61500")):
            order = path.order(side=side, price=price, quantity="0.1")
            await path.ask(order)
            await path.hear(order, OrderFilled)
        expected = SENTINEL_RULES.capital_usd + await won(path)

        def found() -> list[EquityMarked]:
            marks = path.tape.on(topics.RISK_EQUITY, EquityMarked)
            return [one for one in marks if one.total.equity_usd == expected]

        marked = (await path.tape.until(found))[0]

    assert expected < SENTINEL_RULES.capital_usd
    assert marked.strategies[STRATEGY].equity_usd == expected
    assert marked.total.peak_usd == SENTINEL_RULES.capital_usd


async def test_a_clock_that_runs_away_slows_the_account() -> None:
    """
    B10: two orders refused for their time; the guardrail then lets one a minute through.

    Fault C1.
    """
    async with watched() as path:
        await path.shift_exchange_clock(-30_000)
        refused = [path.order(price=price) for price in ("60000", "60001")]
        await path.ask(*refused)
        for order in refused:
            assert (await path.hear(order, OrderRejected)).code == "-1021"
        (demoted,) = await path.tape.some(topics.CONTROL_HALT, TradingDemoted, 1)
        assert demoted.orders_per_minute_max == 1
        assert demoted.evidence["found"] == "2 of 2 requests, 100.00%"

        async def is_slowed() -> bool:
            order = path.order(price="60002")
            await path.ask(order)
            said = await path.decided(order)
            codes = {one.code for one in said.reasons} if isinstance(said, IntentRefused) else set()
            return Reason.ORDER_RATE_EXCEEDED in codes

        async with asyncio.timeout(30):
            while not await is_slowed():
                pass


async def test_a_refused_key_kills_with_the_exchanges_word() -> None:
    """Fault V7: a key that was taken away: one refusal, then nothing is approved any more."""
    async with watched() as path:
        resting = path.order()
        await path.ask(resting)
        await path.hear(resting, OrderAcked)
        await path.forget_key("full")
        refused = path.order()
        await path.ask(refused)
        order = (await path.hear(refused, OrderRejected)).client_order_id
        (kill,) = await path.tape.some(topics.CONTROL_HALT, TradingHalted, 1)
        found = kill.evidence["found"]
        assert found == f"1, the last: {order} REJECTED_MBX_KEY, HTTP 401"
        assert kill.halt.startswith("sentinel-key_refused-binance.main-")

        async def is_killed() -> bool:
            late = path.order()
            await path.ask(late)
            said = await path.decided(late)
            codes = {one.code for one in said.reasons} if isinstance(said, IntentRefused) else set()
            return Reason.KILL_SWITCH_ACTIVE in codes

        async with asyncio.timeout(30):
            while not await is_killed():
                pass
        statuses = [entry["status"] for entry in await path.requests()]
    assert statuses == [200, 401]
