"""
What the guardrail remembers of one partition, folded record by record. Pure.

Each topic folds into its own part, so the order between topics cannot matter: decisions
say what was approved, order events what became of it, marks what it is worth, and so on.
Forgetting happens at decisions only, by their own time, so that the same log leaves the
same state at each decision (R15).
"""

from collections import deque
from dataclasses import dataclass, field
from decimal import ROUND_UP
from typing import Final

from spark import topics
from spark.audit_anchor import is_receipt_signed
from spark.audit_chain import Verify
from spark.events import (
    CancelApproved,
    ClockMeasured,
    Decision,
    EquityMarked,
    Event,
    GatewayReady,
    InstrumentPublished,
    IntentRefused,
    OrderApproved,
    PartitionFenced,
    PricesMarked,
    ProcessPulsed,
    Receipt,
    RequestNotSent,
    SessionsPublished,
)
from spark.guards.duplicate import order_key
from spark.ids import client_order_id
from spark.ledger.control import Control
from spark.ledger.exposure import Entry, Exposure
from spark.ledger.fold import Orders, fold_event, forget
from spark.ledger.prices import Prices, fold_marks
from spark.ledger.rates import Rates
from spark.ledger.snapshot import FirstResult, result_key
from spark.ledger.standing import Standing, fold_account
from spark.ledger.trail import Trail
from spark.names import (
    BOOK_OF,
    AccountId,
    ClientOrderId,
    OrderState,
    Reason,
    Symbol,
    Venue,
    venue_of,
)
from spark.worker.contract import Place

#: Refusals after which an id does not count as seen: its writer is not proven.
_UNPROVEN: Final = frozenset(
    {
        Reason.TAG_MISSING,
        Reason.STRATEGY_MISMATCH,
        Reason.WRONG_PARTITION,
        Reason.ACCOUNT_UNKNOWN,
    }
)
#: Ends of a second intent of the same id, whose first may be on its way (R5).
_NOT_OF_THE_APPROVAL: Final = frozenset(
    {Reason.UPSTREAM_REFUSED, Reason.ALREADY_SIGNED, Reason.DUPLICATE_CLAIM}
)
#: Before these the exchange has not answered.
_UNANSWERED: Final = frozenset({OrderState.PENDING, OrderState.CLAIMED, OrderState.UNKNOWN})
#: For how long an approved order may be the first of two that are the same.
_RECENT_NS_MAX: Final = 60_000_000_000
_UTRY_PER_TRY: Final = 1_000_000
_RATES_FROM: Final = {Venue.BIST.value: frozenset({Venue.BINANCE.value})}
#: By partition: whose rules and prices its account goes by. BIST quotes no dollar.
_VENUES: Final[dict[int, frozenset[str]]] = {
    number: frozenset({venue_of(account)} | _RATES_FROM.get(venue_of(account), frozenset()))
    for account, number in topics.ACCOUNT_PARTITION.items()
}


@dataclass(slots=True)
class GuardState:
    """One partition's memory; plain values, because it is kept as JSON."""

    partition: int
    orders: Orders = field(default_factory=Orders)
    rates: Rates = field(default_factory=Rates)
    exposure: Exposure = field(default_factory=Exposure)
    prices: Prices = field(default_factory=Prices)
    trail: Trail = field(default_factory=Trail)
    standing: Standing = field(default_factory=Standing)
    control: Control = field(default_factory=Control)
    gateway_ready_epoch: int | None = None
    gateway_fenced_epoch: int | None = None
    instruments: dict[Symbol, InstrumentPublished] = field(default_factory=dict)
    #: By venue.
    clocks: dict[str, ClockMeasured] = field(default_factory=dict)
    bist_sessions: SessionsPublished | None = None
    #: By `equity_key`, with the append time.
    equity: dict[str, tuple[int, EquityMarked]] = field(default_factory=dict)
    first_results: dict[str, FirstResult] = field(default_factory=dict)
    #: The keys of `first_results` in append order, with their time, to forget them by.
    remembered: deque[tuple[int, str]] = field(default_factory=deque)
    #: Append time of the last approved intent of each `order_key`, and these in order.
    recent: dict[str, int] = field(default_factory=dict)
    recent_at: deque[tuple[int, str]] = field(default_factory=deque)


def equity_key(account: AccountId, book: str) -> str:
    """Key the equity of an account in a book."""
    return f"{account} {book}"


def fold_decision(state: GuardState, decision: Decision, memory_ns: int) -> None:
    """
    Take in a decision of our own.

    Args:
        memory_ns: how long an intent id stays known.

    """
    appended_ns = decision.basis.appended_ns
    state.trail.decided(decision.stamp.src_offset, appended_ns)
    _remember(state, decision, memory_ns)
    if isinstance(decision, OrderApproved):
        _approve(state, decision)
    state.rates.forget(appended_ns)
    while state.recent_at and state.recent_at[0][0] < appended_ns - _RECENT_NS_MAX:
        at_ns, key = state.recent_at.popleft()
        if state.recent.get(key) == at_ns:
            del state.recent[key]


def fold_order_event(state: GuardState, place: Place, event: Event, *, memory_ns: int) -> None:
    """Take in a record of `orders.events`; closed orders are forgotten by its own time."""
    fold_event(state.orders, event, place.offset, place.appended_ns)
    forget(state.orders, place.appended_ns - memory_ns)
    if isinstance(event, PartitionFenced):
        state.gateway_fenced_epoch = place.offset
        return
    if isinstance(event, GatewayReady):
        if event.epoch == state.gateway_fenced_epoch:
            state.gateway_ready_epoch = event.epoch
        return
    if isinstance(event, RequestNotSent) and not event.client_order_id:
        _end_unsigned(state, event, place.appended_ns)
        return
    order = state.orders.by_id.get(getattr(event, "client_order_id", ClientOrderId("")))
    if order is None:
        return
    state.exposure.see(order, place.appended_ns)
    if order.state in _UNANSWERED:
        return
    if isinstance(event, RequestNotSent):
        state.rates.release(order.client_order_id)
    else:
        state.rates.answer(order.client_order_id, place.appended_ns)


def _end_unsigned(state: GuardState, event: RequestNotSent, appended_ns: int) -> None:
    """Let go of an approval that got no signature: its end names the intent alone (R6)."""
    is_about_another = any(one.code in _NOT_OF_THE_APPROVAL for one in event.reasons)
    if event.epoch != state.orders.epoch or is_about_another:
        return
    key = client_order_id(event.account, event.strategy, event.intent_id)
    if key in state.orders.by_id:
        return  # it left all the same: what the exchange says of it counts (R5)
    state.exposure.end_unsigned(key, appended_ns)
    state.rates.release(key)


def fold_account_event(state: GuardState, place: Place, event: Event) -> None:
    """Take in what the exchange says of the account, beside what the gateway learnt."""
    fold_account(state.standing, event, place.offset, appended_ns=place.appended_ns)
    state.exposure.see_account(event, place.appended_ns)


def fold_side(state: GuardState, place: Place, event: Event) -> None:
    """Take in what venues, marks and the sentinel say; of venues the account's own."""
    venue = getattr(event, "venue", None)
    if venue is not None and venue not in _VENUES[state.partition]:
        # The same symbol may stand for something else elsewhere.
        return
    match event:
        case PricesMarked():
            is_watch = place.topic == topics.VENUE_MARKS
            known = state.prices.watch if is_watch else state.prices.feed
            fold_marks(known, event, place.appended_ns)
        case InstrumentPublished():
            state.instruments[event.symbol] = event
        case ClockMeasured():
            state.clocks[event.venue] = event
        case SessionsPublished(venue=Venue.BIST):
            state.bist_sessions = event
        case EquityMarked():
            key = equity_key(event.account, event.book)
            state.equity[key] = (place.appended_ns, event)
        case _:
            return


def fold_audit(state: GuardState, place: Place, event: Event, *, witness: Verify | None) -> None:
    """Take in how far the auditor is, and what the witness saw: it signs, the auditor passes on."""
    match event:
        case ProcessPulsed():
            source = f"{topics.INTENTS}/{state.partition}"
            state.trail.pulsed(event, source, place.appended_ns)
        case Receipt() if witness is not None and is_receipt_signed(event, witness):
            state.trail.witnessed(event, place.appended_ns)
        case _:
            return


def _approve(state: GuardState, order: OrderApproved) -> None:
    worth_utry = int((order.worth_try * _UTRY_PER_TRY).to_integral_value(ROUND_UP))
    state.rates.approve(order.client_order_id, order.strategy, worth_utry)
    entry = Entry(
        strategy=order.strategy,
        symbol=order.symbol,
        side=order.side,
        book=BOOK_OF[order.mode],
        quantity=order.quantity,
        worth_usd=order.worth_usd,
        open_usd=order.worth_usd,
    )
    state.exposure.approve(order.client_order_id, entry)
    key, at_ns = order_key(order), order.basis.appended_ns
    state.recent[key] = at_ns
    state.recent_at.append((at_ns, key))
    known = state.orders.by_id.get(order.client_order_id)
    if known is not None:
        state.exposure.see(known, at_ns)


def _remember(state: GuardState, decision: Decision, memory_ns: int) -> None:
    refusals = decision.reasons if isinstance(decision, IntentRefused) else ()
    assert isinstance(decision, OrderApproved | CancelApproved | IntentRefused)
    if not decision.intent_id or any(r.code in _UNPROVEN for r in refusals):
        return
    key = result_key(decision.strategy, decision.intent_id)
    appended_ns = decision.basis.appended_ns
    if key not in state.first_results:
        digest, seq = decision.stamp.src_digest, decision.stamp.seq
        state.first_results[key] = FirstResult(digest, seq)
        state.remembered.append((appended_ns, key))
    while state.remembered and state.remembered[0][0] < appended_ns - memory_ns:
        del state.first_results[state.remembered.popleft()[1]]
