"""
`spark bench guards`: decisions a second on one core, every guard on. Pure; no servers.

Two figures: `evaluate` alone over prepared snapshots, and the guardrail's whole step with
its fold (pricing, rules in force, snapshot, decision, remembering it), which is what a
process pays beside the broker. The floor is a call that does nothing, in the same loop.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from statistics import median
from typing import Final, TypeVar

from spark import topics
from spark.bench.caps import WIDE_CAPS
from spark.consumers.guardrail import Guardrail
from spark.consumers.guardrail_start import Start
from spark.consumers.guardrail_state import GuardState
from spark.events import (
    AccountReconciled,
    ClockMeasured,
    Equity,
    EquityMarked,
    Event,
    GatewayReady,
    InstrumentPublished,
    Mark,
    PartitionFenced,
    PlaceOrder,
    PricesMarked,
    ProcessPulsed,
    Stamp,
)
from spark.guards import POLICY
from spark.guards.evaluate import evaluate
from spark.guards.limits import ENDLESS_NS, Limits
from spark.guards.verdict import Approved
from spark.ids import intent_id
from spark.ledger.snapshot import Snapshot
from spark.names import (
    TAG_PREFIX,
    AccountId,
    Book,
    Endpoint,
    OrderType,
    Role,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
    Venue,
)
from spark.people import People
from spark.signing import TAG_BYTES
from spark.worker.contract import Given, Place, Tick

_C = TypeVar("_C")
_ACCOUNT: Final = AccountId("binance:main")
_STRATEGY: Final = StrategyId("strategy-demo")
_SYMBOL: Final = Symbol("BTCUSDT")
_NOW_NS: Final = 1_770_000_000_000_000_000
_NS_PER_S: Final = 1_000_000_000
_EPOCH: Final = 3
#: Orders that stand in windows and exposure while others are judged.
_OPEN_ORDERS: Final = 19
#: Of these, every eighth is refused, by the collar.
_ORDERS: Final = 1_000
_REFUSED_EVERY: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardsBench:
    """One benchmark's parameters."""

    intents: int
    runs: int


def bench_guards(bench: GuardsBench, say: Callable[[str], None]) -> dict[str, object]:
    """Measure; medians over the runs."""
    found: dict[str, list[float]] = {"nothing": [], "evaluate": [], "step": []}
    approved = 0
    for number in range(1, bench.runs + 1):
        world = _World()
        cases = [(order, world.snapshot(order)) for order in world.orders]
        found["nothing"].append(_per_call_us(_nothing, cases, bench.intents))
        found["evaluate"].append(_per_call_us(world.judge, cases, bench.intents))
        approved = sum(isinstance(world.judge(case), Approved) for case in cases)
        steps = max(1, bench.intents // 10)
        found["step"].append(_per_call_us(world.step, world.named(steps), steps))
        evaluated, stepped = found["evaluate"][-1], found["step"][-1]
        say(f"run {number}: evaluate {evaluated:.1f} µs, step {stepped:.1f} µs")
    figures = {name: median(values) for name, values in found.items()}
    return {
        "guards": len(POLICY),
        "intents": bench.intents,
        "runs": bench.runs,
        "approved_share": round(approved / _ORDERS, 3),
        "us_per_decision": {name: round(value, 2) for name, value in figures.items()},
        "decisions_per_s": {name: round(1e6 / figures[name]) for name in ("evaluate", "step")},
    }


def _per_call_us(call: Callable[[_C], object], cases: Sequence[_C], count: int) -> float:
    began = time.perf_counter()
    done = 0
    while done < count:
        for case in cases:
            call(case)
        done += len(cases)
    return (time.perf_counter() - began) / done * 1e6


class _World:
    """A guardrail with a partition in the middle of a day."""

    def __init__(self) -> None:
        self.limits = _limits()
        start = Start(
            limits=self.limits,
            mode=TradingMode.LIVE,
            endpoint=Endpoint.SIM,
            volume_ramp_pct=100,
        )
        self.guardrail = Guardrail(start, People({}, "bench"))
        self.state: GuardState = self.guardrail.initial(0)
        for topic, event in _past():
            self.guardrail.fold(self.state, Place(topic, 0, _EPOCH, _NOW_NS), event)
        self.orders = [_order(number) for number in range(_ORDERS)]
        self._seq = 0
        for number in range(_OPEN_ORDERS):
            self.step(_order(_ORDERS + number * _REFUSED_EVERY + 1))

    def snapshot(self, order: PlaceOrder) -> Snapshot:
        """Give what the guards see when they judge an order."""
        given = _given(order)
        rules = self.guardrail.rules_for(self.state, order.account, order.strategy)
        return self.guardrail.snapshot(
            self.state, given, _TICK, intent=order, rules=rules, stamp=_stamp(0)
        )

    def judge(self, case: tuple[PlaceOrder, Snapshot]) -> object:
        """Ask every guard."""
        order, snap = case
        return evaluate(order, snap, self.limits)

    def named(self, count: int) -> list[PlaceOrder]:
        """Give orders under ids of their own."""
        return [
            replace(self.orders[number % _ORDERS], intent_id=intent_id(_NOW_NS, f"n{number:011d}"))
            for number in range(count)
        ]

    def step(self, order: PlaceOrder) -> None:
        """Decide an order, and remember the decision."""
        self._seq += 1
        decision = self.guardrail.step(self.state, _given(order), _TICK, _stamp(self._seq))
        place = Place(topics.DECISIONS, 0, self._seq, _NOW_NS)
        self.guardrail.fold(self.state, place, decision)


_TICK: Final = Tick(now_ns=_NOW_NS, seen={f"{topics.EVENTS}/0": 1}, halts=())


def _nothing(case: object) -> None:
    del case


def _past() -> list[tuple[str, Event]]:
    """Say what a guardrail needs to approve anything."""
    marks = tuple(
        Mark(symbol=Symbol(symbol), bid=Decimal(bid), ask=Decimal(ask), measured_ns=_NOW_NS)
        for symbol, bid, ask in (("BTCUSDT", "61799.99", "61800"), ("USDTTRY", "33.5", "33.51"))
    )
    marked = PricesMarked(venue=Venue.BINANCE, marks=marks, marked_ns=_NOW_NS)
    capital = Equity(
        equity_usd=Decimal(10_000), peak_usd=Decimal(10_100), capital_usd=Decimal(10_000)
    )
    return [
        (topics.EVENTS, PartitionFenced(
            role=Role.GATEWAY, instance="bench", topic_ids={}, settings={}, fenced_ns=_NOW_NS)),
        (topics.EVENTS, GatewayReady(
            epoch=_EPOCH, account=_ACCOUNT, endpoint=Endpoint.SIM, mode=TradingMode.LIVE,
            ready_ns=_NOW_NS)),
        (topics.VENUE_STATE, InstrumentPublished(
            venue=Venue.BINANCE, symbol=_SYMBOL, base_asset="BTC", quote_asset="USDT",
            is_trading=True, tick_size=Decimal("0.01"), price_min=Decimal("0.01"),
            price_max=Decimal(1_000_000), step_size=Decimal("0.00001"),
            quantity_min=Decimal("0.00001"), quantity_max=Decimal(9_000),
            notional_min=Decimal(5), published_ns=_NOW_NS)),
        (topics.VENUE_STATE, ClockMeasured(
            venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=1, measured_ns=_NOW_NS)),
        (topics.VENUE_MARKS, marked),
        (topics.BINANCE_MARKS, marked),
        (topics.RISK_EQUITY, EquityMarked(
            account=_ACCOUNT, book=Book.LIVE, total=capital, strategies={_STRATEGY: capital},
            marked_ns=_NOW_NS)),
        (topics.ACCOUNT_EVENTS, PartitionFenced(
            role=Role.ACCOUNT_FEED, instance="bench", topic_ids={}, settings={},
            fenced_ns=_NOW_NS)),
        (topics.ACCOUNT_EVENTS, AccountReconciled(
            epoch=_EPOCH, account=_ACCOUNT, cause="start", orders=0, fills=0, balances=0,
            differences_open=0, halting=0, asked_ns=_NOW_NS, done_ns=_NOW_NS)),
        (topics.AUDIT_PULSE, ProcessPulsed(
            role=Role.AUDITOR, instance="bench", state="ready", epochs={},
            positions={f"{topics.INTENTS}/0": 10**9}, halts=(), at_ns=_NOW_NS)),
    ]  # fmt: skip


def _limits() -> Limits:
    """Give limits that refuse by price alone: what is counted must not run out within a run."""
    wide = dict(WIDE_CAPS)
    return Limits(
        version=0,
        intent_life_ns_max=5 * _NS_PER_S,
        approval_life_ns_max=2 * _NS_PER_S,
        future_ns_max=2 * _NS_PER_S,
        instrument_age_ns_max=3600 * _NS_PER_S,
        clock_drift_ns_max=2 * _NS_PER_S,
        clock_age_ns_max=10 * _NS_PER_S,
        quote_age_ns_max=2 * _NS_PER_S,
        check_age_ns_max=5 * _NS_PER_S,
        prices_apart_pct_max=Decimal(1),
        price_collar_pct_max=Decimal(5),
        audit_lag_ns_max=2 * _NS_PER_S,
        receipt_age_ns_max=ENDLESS_NS,
        equity_age_ns_max=10 * _NS_PER_S,
        reconciled_age_ns_max=120 * _NS_PER_S,
        drawdown_pct_max=Decimal(15),
        duplicate_window_ns=_NS_PER_S,
        order_notional_usd_max=Decimal(10_000),
        exposure_usd_max=Decimal(wide["SPARK_EXPOSURE_USD_MAX"]),
        orders_per_minute_max=int(wide["MAX_OPM"]),
        notional_try_per_s_max=Decimal(wide["MAX_NOTIONAL_TRY_S"]),
        open_orders_max=int(wide["SPARK_OPEN_ORDERS_MAX"]),
        trickle_symbols=frozenset({_SYMBOL}),
        trickle_order_try_max=Decimal(50),
    )


def _order(number: int) -> PlaceOrder:
    is_far = number % _REFUSED_EVERY == 0
    return PlaceOrder(
        intent_id=intent_id(_NOW_NS, f"{number:08d}"),
        account=_ACCOUNT,
        strategy=_STRATEGY,
        symbol=_SYMBOL,
        side=Side.BUY if number % 2 else Side.SELL,
        order_type=OrderType.LIMIT,
        time_in_force=TimeInForce.GTC,
        # Each its own quantity, so that no two are the same order.
        quantity=Decimal(number % 1_000_000 + 20) / 100_000,
        price=Decimal(50_000 if is_far else 61_000) + Decimal(number % 97) / 100,
        created_ns=_NOW_NS,
        ttl_ns=5 * _NS_PER_S,
    )


def _given(order: PlaceOrder) -> Given:
    tag = b"bench:1\x00" + bytes(TAG_BYTES)
    return Given(
        partition=0,
        offset=0,
        appended_ns=_NOW_NS,
        body=b"{}",
        headers=((TAG_PREFIX + Role.SIGNER, tag),),
        event=order,
        fault=None,
        writer=_STRATEGY,
    )


def _stamp(seq: int) -> Stamp:
    return Stamp(epoch=0, seq=seq, src_offset=seq, src_epoch=-1, src_digest=f"{seq:016x}")
