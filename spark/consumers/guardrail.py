"""
Guardrail: turns each intent into an approved or a refused one.

Reads   orders.intents; beside it orders.events, account.events, venue.state, venue.marks,
        the feeds' marks, risk.equity, control, control.halt, audit.pulse; the kill latch
Writes  orders.decisions, keyed by account, exactly one for each intent
Owns    nothing but a kept state, which is a cache; the log is what it knows
Fails   closed: what it does not know, it refuses on
"""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from spark import topics
from spark.consumers.guardrail_start import Start, limits_in_force, start_settings
from spark.consumers.guardrail_state import (
    GuardState,
    equity_key,
    fold_account_event,
    fold_audit,
    fold_decision,
    fold_order_event,
    fold_side,
)
from spark.errors import TagError
from spark.events import (
    Basis,
    CancelApproved,
    CancelOrder,
    Decision,
    Event,
    Intent,
    IntentRefused,
    OrderApproved,
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
from spark.ledger.control import fold_control
from spark.ledger.prices import PriceRules, Worth, worth_of
from spark.ledger.snapshot import Snapshot
from spark.names import (
    BOOK_OF,
    TAG_PREFIX,
    AccountId,
    IntentId,
    Reason,
    Role,
    StrategyId,
    TradingMode,
    venue_of,
)
from spark.people import People
from spark.signing import find_tag, signature_check
from spark.worker.contract import Given, Place, Tick

_RULES_MAX: Final = 1_000
_NO_PRICES: Final[Mapping[str, Decimal]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What is in force for one account and strategy."""

    limits: Limits
    policy: str
    mode: TradingMode
    prices: PriceRules


class Guardrail:
    """The Transform; pure but for the state that the loop keeps for it."""

    role = Role.GUARDRAIL.value
    source = topics.INTENTS
    output = topics.DECISIONS
    sides = (
        topics.EVENTS,
        topics.ACCOUNT_EVENTS,
        topics.VENUE_STATE,
        topics.VENUE_MARKS,
        topics.BINANCE_MARKS,
        topics.BTCTURK_MARKS,
        topics.RISK_EQUITY,
        topics.CONTROL,
        topics.CONTROL_HALT,
        topics.AUDIT_PULSE,
    )
    state_type = GuardState

    def __init__(self, start: Start, people: People) -> None:
        self._start = start
        self._witness = signature_check(start.witness_key) if start.witness_key else None
        self._people = people
        # Twice the window in which an id is accepted: a repetition is either
        # remembered or refused for its age (A7).
        self._memory_ns = 2 * (start.limits.intent_life_ns_max + start.limits.future_ns_max)
        #: What was worked out from control, by what it depends on.
        self._rules: dict[tuple[object, ...], Rules] = {}

    @property
    def settings(self) -> dict[str, str]:
        """Say what decisions follow from beside the log."""
        return start_settings(self._start) | {"people": self._people.digest}

    def initial(self, partition: int) -> GuardState:
        """Start with nothing known: nothing is approved."""
        return GuardState(partition)

    def fold(self, state: GuardState, place: Place, event: Event) -> None:
        """Take in a decision of our own, an order event, or a word from anybody else."""
        match place.topic:
            case topics.DECISIONS:
                if isinstance(event, Decision):
                    fold_decision(state, event, self._memory_ns)
            case topics.EVENTS:
                fold_order_event(state, place, event, memory_ns=self._memory_ns)
            case topics.ACCOUNT_EVENTS:
                fold_account_event(state, place, event)
            case topics.CONTROL | topics.CONTROL_HALT:
                fold_control(
                    state.control,
                    event,
                    topic=place.topic,
                    offset=place.offset,
                    appended_ns=place.appended_ns,
                    people=self._people,
                    start_mode=self._start.mode,
                )
            case topics.AUDIT_PULSE:
                fold_audit(state, place, event, witness=self._witness)
            case _:
                fold_side(state, place, event)

    def step(self, state: GuardState, given: Given, tick: Tick, stamp: Stamp) -> Decision:
        """Decide one intent."""
        intent = given.event
        account = getattr(intent, "account", AccountId(""))
        rules = self.rules_for(state, account, getattr(intent, "strategy", StrategyId("")))
        if given.fault is not None or not isinstance(intent, PlaceOrder | CancelOrder):
            fault = given.fault
            refusal = Refusal(
                code=fault.reason if fault else Reason.MALFORMED,
                found=fault.detail if fault else "not an intent",
            )
            return _refused(None, stamp, _basis(given, tick, rules), reasons=(refusal,))
        wrong = _misplaced(intent, given)
        if wrong is not None:
            return _refused(intent, stamp, _basis(given, tick, rules), reasons=(wrong,))
        snap = self.snapshot(state, given, tick, intent=intent, rules=rules, stamp=stamp)
        if isinstance(intent, CancelOrder):
            basis = _basis(given, tick, rules)
            return _cancel(intent, given, snap, rules=rules, basis=basis, stamp=stamp)
        worth = snap.worth
        basis = _basis(given, tick, rules, prices=_used(worth))
        verdict = evaluate(intent, snap, rules.limits)
        if isinstance(verdict, Refused):
            return _refused(intent, stamp, basis, reasons=verdict.reasons)
        assert snap.gateway_ready_epoch is not None  # a guard refused otherwise
        assert isinstance(worth, Worth)  # likewise
        return OrderApproved(
            stamp=stamp,
            account=intent.account,
            strategy=intent.strategy,
            intent_id=intent.intent_id,
            client_order_id=client_order_id(intent.account, intent.strategy, intent.intent_id),
            endpoint=self._start.endpoint,
            mode=rules.mode,
            symbol=intent.symbol,
            side=intent.side,
            order_type=intent.order_type,
            time_in_force=intent.time_in_force,
            quantity=intent.quantity,
            price=intent.price,
            worth_usd=worth.usd,
            worth_try=worth.lira,
            proof=_proof(given),
            basis=basis,
            gateway_epoch=snap.gateway_ready_epoch,
            resume_offset=state.control.resume_offset,
            expires_ns=min(
                expires_ns(intent, given.appended_ns, rules.limits),
                tick.now_ns + rules.limits.approval_life_ns_max,
            ),
        )

    def snapshot(
        self,
        state: GuardState,
        given: Given,
        tick: Tick,
        *,
        intent: Intent,
        rules: Rules,
        stamp: Stamp,
    ) -> Snapshot:
        """Gather all that a guard may look at."""
        book = BOOK_OF[rules.mode]
        equity_ns, equity = state.equity.get(equity_key(intent.account, book), (0, None))
        worth: Worth | Refusal | None = None
        instrument = state.instruments.get(intent.symbol)
        if instrument is not None and isinstance(intent, PlaceOrder):
            worth = worth_of(
                intent,
                instrument.quote_asset,
                state.prices,
                now_ns=tick.now_ns,
                rules=rules.prices,
            )
        return Snapshot(
            now_ns=tick.now_ns,
            appended_ns=given.appended_ns,
            mode=rules.mode,
            book=book,
            endpoint=self._start.endpoint,
            halts=tick.halts + state.control.kills(intent.account),
            gateway_fenced_epoch=state.gateway_fenced_epoch,
            gateway_ready_epoch=state.gateway_ready_epoch,
            unknown_symbols=state.orders.unknown_symbols,
            instruments=state.instruments,
            clock=state.clocks.get(venue_of(intent.account)),
            bist_sessions=state.bist_sessions,
            audit_lag_ns=state.trail.lag_ns(given.appended_ns),
            receipt_age_ns=state.trail.receipt_age_ns(given.appended_ns),
            worth=worth,
            rates=state.rates,
            exposure=state.exposure,
            standing=state.standing,
            equity=equity,
            equity_ns=equity_ns,
            recent=state.recent,
            first_results=state.first_results,
            intent_digest=stamp.src_digest,
        )

    def rules_for(self, state: GuardState, account: AccountId, strategy: StrategyId) -> Rules:
        """Work out what is in force; again only when something that it depends on changed."""
        control, start = state.control, self._start
        mode = control.mode(account, start.mode)
        pct = control.volume_ramp_pct(account, start.volume_ramp_pct)
        slow = control.orders_per_minute_max(account)
        versions = (
            control.limits_version(account),
            control.limits_version(account, strategy),
        )
        key = (account, strategy, mode, pct, slow, *versions)
        known = self._rules.get(key)
        if known is not None:
            return known
        limits = limits_in_force(start, control, account, strategy=strategy)
        if len(self._rules) >= _RULES_MAX:
            self._rules.clear()
        made = Rules(
            limits=limits,
            policy=limits.digest(POLICY_NAMES),
            mode=mode,
            prices=limits.prices,
        )
        self._rules[key] = made
        return made


def _cancel(
    intent: CancelOrder,
    given: Given,
    snap: Snapshot,
    *,
    rules: Rules,
    basis: Basis,
    stamp: Stamp,
) -> Decision:
    # A guard made for new risk never stops a cancel; only its own age and id may.
    asked = (guard(intent, snap, rules.limits) for guard in (intent_time, expiry, duplicate_id))
    reasons = tuple(refusal for refusal in asked if refusal is not None)
    if reasons:
        return _refused(intent, stamp, basis, reasons=reasons)
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
        endpoint=snap.endpoint,
        mode=rules.mode,
        symbol=intent.symbol,
        proof=_proof(given),
        basis=basis,
        expires_ns=expires_ns(intent, given.appended_ns, rules.limits),
    )


def _used(worth: Worth | Refusal | None) -> Mapping[str, Decimal]:
    return worth.used if isinstance(worth, Worth) else _NO_PRICES


def _basis(
    given: Given, tick: Tick, rules: Rules, *, prices: Mapping[str, Decimal] = _NO_PRICES
) -> Basis:
    return Basis(
        decided_ns=tick.now_ns,
        appended_ns=given.appended_ns,
        seen=tick.seen,
        halts=tick.halts,
        mode=rules.mode,
        prices=dict(prices),
        limits_version=rules.limits.version,
        policy=rules.policy,
    )


def _refused(
    intent: Intent | None, stamp: Stamp, basis: Basis, *, reasons: tuple[Refusal, ...]
) -> IntentRefused:
    return IntentRefused(
        stamp=stamp,
        account=intent.account if intent else AccountId(""),
        strategy=intent.strategy if intent else StrategyId(""),
        intent_id=intent.intent_id if intent else IntentId(""),
        reasons=reasons,
        basis=basis,
    )


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
