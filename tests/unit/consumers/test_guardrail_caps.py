"""
No sequence of intents, answers, fills, silences and restarts gets more than the caps through.

The judge is an exchange's ledger, kept by the test: it knows nothing of windows and
entries, only when each order arrived, what it was worth and how it ended (R5, R7).
"""

from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, ClassVar, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from pydantic import TypeAdapter

from spark import topics
from spark.consumers.guardrail import Guardrail
from spark.consumers.guardrail_state import GuardState
from spark.events import (
    Decision,
    Event,
    GatewayReady,
    OrderApproved,
    OrderClaimed,
    PartitionFenced,
    PlaceOrder,
    Refusal,
    RequestNotSent,
)
from spark.guards.limits import Limits
from spark.names import Action, Endpoint, Reason, Role, Side, TradingMode
from spark.worker.contract import Place, Tick
from tests import keyed, made
from tests.hops import given, intent_written, stamp, stood
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, SYMBOL, instrument, named, origin
from tests.marks import prices_marked
from tests.start import WIDE, start
from tests.surroundings import (
    account_fenced,
    account_reconciled,
    auditor_pulsed,
    equity_marked,
)

_EPOCH: Final = 0
_MS: Final = 1_000_000
_MINUTE_NS: Final = 60 * SECOND_NS
_PRICE: Final = Decimal(60_000)
_LIRA: Final = Decimal(40)
_MARKS: Final = {SYMBOL: _PRICE, "USDTTRY": _LIRA}
_STATE: Final = TypeAdapter(GuardState)
_WRITERS: Final = sorted(topics.BY_NAME[topics.INTENTS].writers)


@dataclass(slots=True)
class Arrived:
    """An order as the exchange has it."""

    approved: OrderApproved
    at_ns: int = 0
    filled: Decimal = Decimal(0)
    is_open: bool = True
    is_answered: bool = False


class Caps(RuleBasedStateMachine):
    """A guardrail with its log, and an exchange that keeps a ledger."""

    caps: ClassVar[Limits]

    def __init__(self) -> None:
        super().__init__()
        self.guardrail = Guardrail(start(self.caps), keyed.people())
        self.now_ns = NOW_NS
        self.count = 0
        #: What stands on the log: decisions, and side records with their place.
        self.decisions: list[Decision] = []
        self.sides: list[tuple[Place, Event]] = []
        self.waiting: list[Arrived] = []
        #: Claimed, and on the wire for however long.
        self.flying: list[Arrived] = []
        self.ledger: list[Arrived] = []
        self.state = self.guardrail.initial(0)
        fence = PartitionFenced(
            role="gateway", instance="g", topic_ids={}, settings={}, fenced_ns=NOW_NS
        )
        ready = GatewayReady(
            epoch=_EPOCH, account=ACCOUNT, endpoint=Endpoint.SIM, mode=TradingMode.LIVE,
            ready_ns=NOW_NS,
        )  # fmt: skip
        self.say(topics.EVENTS, fence)
        self.say(topics.EVENTS, ready)
        self.say(topics.ACCOUNT_EVENTS, account_fenced())
        self.refresh()

    def say(self, topic: str, event: Event) -> None:
        """Append a side record."""
        offset = sum(1 for place, _ in self.sides if place.topic == topic)
        place = Place(topic, 0, offset, self.now_ns)
        self.sides.append((place, event))
        self.guardrail.fold(self.state, place, event)

    def refresh(self) -> None:
        """Say what must not grow old."""
        self.say(topics.VENUE_STATE, instrument(published_ns=self.now_ns))
        clock: dict[str, Any] = {"offset_ns": 0, "uncertainty_ns": 0, "measured_ns": self.now_ns}
        self.say(topics.VENUE_STATE, made.clock(**clock))
        for topic in (topics.VENUE_MARKS, topics.BINANCE_MARKS):
            self.say(topic, prices_marked(_MARKS, self.now_ns))  # type: ignore[arg-type]
        self.say(topics.RISK_EQUITY, equity_marked(self.now_ns)[2])
        self.say(topics.AUDIT_PULSE, auditor_pulsed(self.now_ns))
        self.say(topics.ACCOUNT_EVENTS, account_reconciled(ACCOUNT, 0, self.now_ns))

    @rule(
        quantity=st.sampled_from(("0.005", "0.01", "0.02")),
        side=st.sampled_from(list(Side)),
    )
    def ask(self, quantity: str, side: Side) -> None:
        """Write an intent and let it be decided."""
        self.refresh()
        self.count += 1
        order: PlaceOrder = made.place(
            f"n{self.count}",
            intent_id=named(f"n{self.count}", self.now_ns),
            quantity=Decimal(quantity),
            price=_PRICE,
            side=side,
            created_ns=self.now_ns,
        )
        record = stood(intent_written(order), self.count, self.now_ns)
        read = given(record, Role.GUARDRAIL, _WRITERS)
        tick = Tick(now_ns=self.now_ns, seen={}, halts=())
        decision = self.guardrail.step(self.state, read, tick, stamp(read))
        self.decisions.append(decision)
        self.fold_decision(decision)
        if isinstance(decision, OrderApproved):
            self.waiting.append(Arrived(decision))

    def fold_decision(self, decision: Decision) -> None:
        place = Place(topics.DECISIONS, 0, decision.stamp.seq, decision.basis.appended_ns)
        self.guardrail.fold(self.state, place, decision)

    @rule(ms=st.sampled_from((1, 40, 400, 999, 1_000, 7_000, 31_000, 59_999)))
    def wait(self, ms: int) -> None:
        """Let time pass."""
        self.now_ns += ms * _MS

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def claim(self, data: st.DataObject) -> None:
        """Let one leave, however late."""
        order = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1)))
        self.flying.append(order)
        approved = order.approved
        self.say(
            topics.EVENTS,
            OrderClaimed(
                epoch=_EPOCH, origin=origin(0), action=Action.PLACE, account=approved.account,
                strategy=approved.strategy, intent_id=approved.intent_id,
                client_order_id=approved.client_order_id, symbol=approved.symbol,
                mode=approved.mode, side=approved.side, order_type=approved.order_type,
                quantity=approved.quantity, price=approved.price, final_after_ns=0,
                claimed_ns=self.now_ns,
            ),
        )  # fmt: skip

    @precondition(lambda self: self.flying)
    @rule(data=st.data())
    def arrive(self, data: st.DataObject) -> None:
        """Let one reach the exchange; nobody says so."""
        order = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        order.at_ns = self.now_ns
        self.ledger.append(order)

    @precondition(lambda self: self.waiting)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """End one before a byte was sent."""
        approved = self.waiting.pop(data.draw(st.integers(0, len(self.waiting) - 1))).approved
        self.say(
            topics.EVENTS,
            RequestNotSent(
                epoch=_EPOCH, origin=origin(0), action=Action.PLACE, account=approved.account,
                strategy=approved.strategy, intent_id=approved.intent_id,
                client_order_id=approved.client_order_id,
                reasons=(Refusal(code=Reason.SIGNATURE_EXPIRED),), at_ns=self.now_ns,
            ),
        )  # fmt: skip

    @precondition(lambda self: any(one.is_open for one in self.ledger))
    @rule(data=st.data(), what=st.sampled_from(("ack", "fill", "part", "cancel", "reject")))
    def answer(self, data: st.DataObject, what: str) -> None:
        """Let the exchange say something about an order that it has."""
        alive = [one for one in self.ledger if one.is_open]
        order = alive[data.draw(st.integers(0, len(alive) - 1))]
        approved = order.approved
        life = made.life_of(approved)
        if what == "reject" and order.is_answered:
            return
        order.is_answered = True
        if what == "ack":
            self.say(topics.EVENTS, life.acked())
        elif what == "cancel":
            order.is_open = False
            self.say(topics.EVENTS, life.cancelled(str(order.filled)))
        elif what == "reject":
            order.is_open = False
            self.say(topics.EVENTS, life.rejected())
        else:
            whole = approved.quantity
            order.filled = whole if what == "fill" else max(order.filled, whole / 2)
            order.is_open = order.filled < whole
            filled = life.filled(str(order.filled), str(order.filled), side=approved.side)
            self.say(topics.EVENTS, filled)
            # Evidence that comes again changes nothing.
            self.say(topics.EVENTS, filled)

    @rule(is_kept=st.booleans())
    def restart(self, is_kept: bool) -> None:
        """Kill it: the next one starts from its kept state, or from the log alone."""
        if is_kept:
            self.state = _STATE.validate_json(_STATE.dump_json(self.state))
            return
        self.state = self.guardrail.initial(0)
        for decision in self.decisions:
            self.fold_decision(decision)
        for place, event in self.sides:
            self.guardrail.fold(self.state, place, event)

    @invariant()
    def the_ledger_keeps_the_caps(self) -> None:
        """At no instant did the exchange see more than the caps."""
        times = [one.at_ns for one in self.ledger]
        for end in times:
            minute = [one for one in self.ledger if end - _MINUTE_NS < one.at_ns <= end]
            assert len(minute) <= self.caps.orders_per_minute_max
            second = [one for one in self.ledger if end - SECOND_NS < one.at_ns <= end]
            lira = sum(one.approved.quantity * _PRICE * _LIRA for one in second)
            assert lira <= self.caps.notional_try_per_s_max
        alive = [one for one in self.ledger if one.is_open]
        assert len(alive) <= self.caps.open_orders_max
        held = sum(_signed(one, one.filled) for one in self.ledger)
        left = [(one, one.approved.quantity - one.filled) for one in alive]
        buys = sum(rest for one, rest in left if one.approved.side is Side.BUY)
        sells = sum(rest for one, rest in left if one.approved.side is Side.SELL)
        worst = max(held + buys, sells - held) * _PRICE
        # The mark is half a tick above the price that the orders have.
        assert worst <= self.caps.exposure_usd_max * Decimal("1.0001")


def _signed(order: Arrived, quantity: Decimal) -> Decimal:
    return quantity if order.approved.side is Side.BUY else -quantity


class OrdersAMinute(Caps):
    """Few orders a minute."""

    caps = replace(WIDE, orders_per_minute_max=3)


class LiraASecond(Caps):
    """Little money a second."""

    caps = replace(WIDE, notional_try_per_s_max=Decimal(60_000))


class ExposedDollars(Caps):
    """Little at risk on the symbol."""

    caps = replace(WIDE, exposure_usd_max=Decimal(1_300))


class OpenOrders(Caps):
    """Few orders that may still trade."""

    caps = replace(WIDE, open_orders_max=3)


TestOrdersAMinute = OrdersAMinute.TestCase
TestLiraASecond = LiraASecond.TestCase
TestExposedDollars = ExposedDollars.TestCase
TestOpenOrders = OpenOrders.TestCase
_SETTINGS: Final = settings(max_examples=80, stateful_step_count=50)
TestOrdersAMinute.settings = TestLiraASecond.settings = _SETTINGS
TestExposedDollars.settings = TestOpenOrders.settings = _SETTINGS
