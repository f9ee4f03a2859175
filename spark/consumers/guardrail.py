"""
Guardrail: turns each intent into an approved or a refused one.

Reads   orders.intents; beside it orders.events, venue.state; the kill latch
Writes  orders.decisions, keyed by account, exactly one for each intent
Owns    nothing on disk; its state is folded from Kafka at start
Fails   closed: without instrument, ready gateway or price nothing is approved
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from spark import topics
from spark.errors import TagError
from spark.events import (
    Basis,
    CancelApproved,
    CancelOrder,
    ClockMeasured,
    Decision,
    Event,
    GatewayReady,
    InstrumentPublished,
    Intent,
    IntentRefused,
    OrderApproved,
    PartitionFenced,
    PlaceOrder,
    Proof,
    Refusal,
    Stamp,
)
from spark.guards import POLICY_NAMES
from spark.guards.duplicate import duplicate_id
from spark.guards.evaluate import evaluate
from spark.guards.expiry import expires_ns, expiry, intent_time
from spark.guards.limits import Limits
from spark.guards.verdict import Refused
from spark.ids import client_order_id, may_cancel
from spark.ledger.fold import Orders, fold_event, forget
from spark.ledger.snapshot import FirstResult, Snapshot, result_key
from spark.names import (
    TAG_PREFIX,
    AccountId,
    Endpoint,
    IntentId,
    Reason,
    Role,
    StrategyId,
    Symbol,
    TradingMode,
)
from spark.signing import find_tag
from spark.worker.contract import Given, Place, Tick

#: Dollars that are not called USD; anything else needs a rate (next: spec B5).
_DOLLARS: Final = MappingProxyType(
    {asset: Decimal(1) for asset in ("USD", "USDT", "USDC", "FDUSD", "TUSD")}
)
#: Refusals after which an id does not count as seen: its writer is not proven.
_UNPROVEN: Final = frozenset(
    {
        Reason.TAG_MISSING,
        Reason.STRATEGY_MISMATCH,
        Reason.WRONG_PARTITION,
        Reason.ACCOUNT_UNKNOWN,
    }
)
_NO_RESUME: Final = -1


@dataclass(slots=True)
class GuardState:
    """What the guardrail remembers of one partition."""

    partition: int
    orders: Orders = field(default_factory=Orders)
    gateway_ready_epoch: int | None = None
    gateway_fenced_epoch: int | None = None
    instruments: dict[Symbol, InstrumentPublished] = field(default_factory=dict)
    clock: ClockMeasured | None = None
    first_results: dict[str, FirstResult] = field(default_factory=dict)
    #: The keys of `first_results` in append order, with their time, to forget them by.
    remembered: deque[tuple[int, str]] = field(default_factory=deque)


class Guardrail:
    """The Transform; pure but for the state that the loop keeps for it."""

    role = Role.GUARDRAIL.value
    source = topics.INTENTS
    output = topics.DECISIONS
    sides = (topics.EVENTS, topics.VENUE_STATE)
    state_type = GuardState

    def __init__(self, limits: Limits, mode: TradingMode, endpoint: Endpoint) -> None:
        self._limits = limits
        self._mode = mode
        self._endpoint = endpoint
        self._policy = limits.digest(POLICY_NAMES)
        # Twice the window in which an id is accepted: a repetition is either
        # remembered or refused for its age (A7).
        self._memory_ns = 2 * (limits.intent_life_ns_max + limits.future_ns_max)

    def initial(self, partition: int) -> GuardState:
        """Start with nothing known: nothing is approved."""
        return GuardState(partition)

    def fold(self, state: GuardState, place: Place, event: Event) -> None:
        """Take in a decision of our own, an order event, or a word from the exchange."""
        match event:
            case InstrumentPublished():
                state.instruments[event.symbol] = event
            case ClockMeasured():
                state.clock = event
            case OrderApproved() | CancelApproved() | IntentRefused():
                self._remember(state, event)
            case PartitionFenced() if place.topic == topics.EVENTS:
                state.gateway_fenced_epoch = place.offset
                fold_event(state.orders, event, place.offset, place.appended_ns)
            case GatewayReady():
                if event.epoch == state.gateway_fenced_epoch:
                    state.gateway_ready_epoch = event.epoch
            case _:
                fold_event(state.orders, event, place.offset, place.appended_ns)
                forget(state.orders, place.appended_ns - self._memory_ns)

    def step(self, state: GuardState, given: Given, tick: Tick, stamp: Stamp) -> Decision:
        """Decide one intent."""
        basis = self._basis(given, tick)
        intent = given.event
        if given.fault is not None or not isinstance(intent, PlaceOrder | CancelOrder):
            fault = given.fault
            refusal = Refusal(
                code=fault.reason if fault else Reason.MALFORMED,
                found=fault.detail if fault else "not an intent",
            )
            return self._refused(None, stamp, basis, reasons=(refusal,))
        wrong = _misplaced(intent, given)
        if wrong is not None:
            return self._refused(intent, stamp, basis, reasons=(wrong,))
        snap = self._snapshot(state, given, tick, stamp=stamp)
        if isinstance(intent, CancelOrder):
            return self._cancel(intent, given, snap, basis=basis, stamp=stamp)
        verdict = evaluate(intent, snap, self._limits)
        if isinstance(verdict, Refused):
            return self._refused(intent, stamp, basis, reasons=verdict.reasons)
        assert snap.gateway_ready_epoch is not None  # a guard refused otherwise
        return OrderApproved(
            stamp=stamp,
            account=intent.account,
            strategy=intent.strategy,
            intent_id=intent.intent_id,
            client_order_id=client_order_id(intent.account, intent.strategy, intent.intent_id),
            endpoint=self._endpoint,
            mode=self._mode,
            symbol=intent.symbol,
            side=intent.side,
            order_type=intent.order_type,
            time_in_force=intent.time_in_force,
            quantity=intent.quantity,
            price=intent.price,
            worth_usd=Decimal(0),
            worth_try=Decimal(0),
            proof=_proof(given),
            basis=basis,
            gateway_epoch=snap.gateway_ready_epoch,
            resume_offset=_NO_RESUME,
            expires_ns=self._expires_ns(intent, given, tick),
        )

    def _cancel(
        self, intent: CancelOrder, given: Given, snap: Snapshot, *, basis: Basis, stamp: Stamp
    ) -> Decision:
        # A guard made for new risk never stops a cancel; only its own age and id may.
        asked = (guard(intent, snap, self._limits) for guard in (intent_time, expiry, duplicate_id))
        reasons = tuple(refusal for refusal in asked if refusal is not None)
        if reasons:
            return self._refused(intent, stamp, basis, reasons=reasons)
        return CancelApproved(
            stamp=stamp,
            account=intent.account,
            strategy=intent.strategy,
            intent_id=intent.intent_id,
            target_intent_id=intent.target_intent_id,
            target_strategy=intent.target_strategy,
            client_order_id=client_order_id(
                intent.account, intent.target_strategy, intent.target_intent_id
            ),
            endpoint=self._endpoint,
            mode=self._mode,
            symbol=intent.symbol,
            proof=_proof(given),
            basis=basis,
            expires_ns=expires_ns(intent, given.appended_ns, self._limits),
        )

    def _refused(
        self, intent: Intent | None, stamp: Stamp, basis: Basis, *, reasons: tuple[Refusal, ...]
    ) -> IntentRefused:
        return IntentRefused(
            stamp=stamp,
            account=intent.account if intent else AccountId(""),
            strategy=intent.strategy if intent else StrategyId(""),
            intent_id=intent.intent_id if intent else IntentId(""),
            reasons=reasons,
            basis=basis,
        )

    def _basis(self, given: Given, tick: Tick) -> Basis:
        return Basis(
            decided_ns=tick.now_ns,
            appended_ns=given.appended_ns,
            seen=tick.seen,
            halts=tick.halts,
            mode=self._mode,
            prices={},
            limits_version=self._limits.version,
            policy=self._policy,
        )

    def _expires_ns(self, intent: PlaceOrder, given: Given, tick: Tick) -> int:
        return min(
            expires_ns(intent, given.appended_ns, self._limits),
            tick.now_ns + self._limits.approval_life_ns_max,
        )

    def _snapshot(self, state: GuardState, given: Given, tick: Tick, *, stamp: Stamp) -> Snapshot:
        return Snapshot(
            now_ns=tick.now_ns,
            appended_ns=given.appended_ns,
            mode=self._mode,
            endpoint=self._endpoint,
            halts=tick.halts,
            gateway_fenced_epoch=state.gateway_fenced_epoch,
            gateway_ready_epoch=state.gateway_ready_epoch,
            unknown_symbols=state.orders.unknown_symbols,
            instruments=state.instruments,
            clock=state.clock,
            usd_rates=_DOLLARS,
            first_results=state.first_results,
            intent_digest=stamp.src_digest,
        )

    def _remember(self, state: GuardState, decision: Decision) -> None:
        refusals = decision.reasons if isinstance(decision, IntentRefused) else ()
        if not decision.intent_id or any(r.code in _UNPROVEN for r in refusals):
            return
        key = result_key(decision.strategy, decision.intent_id)
        appended_ns = decision.basis.appended_ns
        if key not in state.first_results:
            digest, seq = decision.stamp.src_digest, decision.stamp.seq
            state.first_results[key] = FirstResult(digest, seq)
            state.remembered.append((appended_ns, key))
        while state.remembered and state.remembered[0][0] < appended_ns - self._memory_ns:
            del state.first_results[state.remembered.popleft()[1]]


def _misplaced(intent: Intent, given: Given) -> Refusal | None:
    """Refuse what its writer may not say, or where it may not stand (R16, S1, S2)."""
    try:
        find_tag(given.headers, TAG_PREFIX + Role.SIGNER)
    except TagError as error:
        return Refusal(code=Reason.TAG_MISSING, found=str(error))
    if given.writer != intent.strategy:
        return Refusal(code=Reason.STRATEGY_MISMATCH, found=intent.strategy, limit=given.writer)
    if isinstance(intent, CancelOrder) and not may_cancel(intent):
        return Refusal(
            code=Reason.STRATEGY_MISMATCH, found=intent.target_strategy, limit=intent.strategy
        )
    partition = topics.partition_of(intent.account)
    if partition is None:
        return Refusal(code=Reason.ACCOUNT_UNKNOWN, found=intent.account)
    if partition != given.partition:
        return Refusal(
            code=Reason.WRONG_PARTITION, found=str(given.partition), limit=str(partition)
        )
    return None


def _proof(given: Given) -> Proof:
    kid, tag = find_tag(given.headers, TAG_PREFIX + Role.SIGNER)
    return Proof(body=given.body.decode(), kid=kid, tag=tag.hex())
