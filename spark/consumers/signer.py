"""
Signer: turns each decision into a sealed request, or says why there is none.

Reads   orders.decisions; beside it orders.events, account.events, venue.state, control,
        control.halt; the kill latch
Writes  orders.signed, keyed by account, exactly one for each decision
Owns    the exchange keys; nothing else on this machine can read them; its copy of kills
Fails   closed: it believes the guardrail only as far as the strategy's own tag
        and its own ceilings go (S3), and signs an intent id once
"""

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from spark import topics
from spark.codec import decode, encode, type_name
from spark.consumers.signer_intent import difference
from spark.consumers.signer_state import SignerState, fold_signer
from spark.errors import MalformedError, TagError
from spark.events import (
    CancelApproved,
    CancelOrder,
    ClockMeasured,
    Event,
    IntentRefused,
    OrderApproved,
    PlaceOrder,
    Refusal,
    RequestSealed,
    Signed,
    SigningSkipped,
    Stamp,
)
from spark.exchanges.port import (
    STAMP_AHEAD_NS_MAX,
    OrderSigner,
    SignedRequest,
    VenueCannotError,
    next_stamp,
)
from spark.ledger.ceilings import Ceilings
from spark.ledger.control import fold_control
from spark.ledger.control_state import named
from spark.names import (
    BOOK_OF,
    TAG_PREFIX,
    AccountId,
    Action,
    Book,
    Endpoint,
    IntentId,
    OrderType,
    Reason,
    Role,
    StrategyId,
    TradingMode,
    venue_of,
)
from spark.people import People
from spark.signing import NONCE_BYTES, SealKey, TagChecker, bound_to, find_tag
from spark.worker.contract import Given, Place, Tick

_CANCELS_PER_ORDER_MAX: Final = 10
_CLOCK_AGE_NS_MAX: Final = 60_000_000_000
_CONTROL_TOPICS: Final = frozenset({topics.CONTROL, topics.CONTROL_HALT})

Approval = OrderApproved | CancelApproved


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerKeys:
    """What only the signer holds."""

    #: By venue name, the part of an account before the colon.
    venues: Mapping[str, OrderSigner]
    #: The same with a key that everybody knows and no exchange does, for paper and shadow (S5).
    dummies: Mapping[str, OrderSigner]
    seal: SealKey
    #: Verifies the strategies' tags inside decisions.
    strategies: TagChecker
    log_epoch: str
    #: Gives `n` random bytes.
    entropy: Callable[[int], bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerRules:
    """What the signer insists on, whatever the guardrail says."""

    #: The environment's; what is in force follows from `control`.
    mode: TradingMode
    endpoint: Endpoint
    signature_life_ns: int
    ceilings: Ceilings
    #: Whose signatures count on `control`.
    people: People


class _SkipError(Exception):
    def __init__(self, code: Reason, found: str = "", limit: str = "") -> None:
        super().__init__(code)
        self.refusal = Refusal(code=code, found=found or None, limit=limit or None)


class Signer:
    """The Transform."""

    role = Role.SIGNER.value
    source = topics.DECISIONS
    output = topics.SIGNED
    sides = (
        topics.EVENTS,
        topics.ACCOUNT_EVENTS,
        topics.VENUE_STATE,
        topics.CONTROL,
        topics.CONTROL_HALT,
    )
    state_type = SignerState

    def __init__(self, keys: SignerKeys, rules: SignerRules) -> None:
        self._keys = keys
        self._rules = rules
        self._clocks: dict[str, ClockMeasured] = {}

    def __repr__(self) -> str:
        return "Signer()"

    @property
    def settings(self) -> dict[str, str]:
        """Say what signatures follow from beside the log."""
        rules = self._rules
        return {"mode": rules.mode, "endpoint": rules.endpoint, "people": rules.people.digest}

    def initial(self, partition: int) -> SignerState:
        """Start with nothing signed."""
        del partition
        return SignerState()

    def fold(self, state: SignerState, place: Place, event: Event) -> None:
        """Take in a request of our own, an order's end, the exchange's clock, or a halt."""
        if place.topic in _CONTROL_TOPICS:
            fold_control(
                state.control,
                event,
                topic=place.topic,
                offset=place.offset,
                appended_ns=place.appended_ns,
                people=self._rules.people,
                start_mode=self._rules.mode,
            )
            return
        if isinstance(event, ClockMeasured):
            self._clocks[event.venue] = event
        fold_signer(state, place, event)

    def latest_clock(self, venue: str) -> ClockMeasured | None:
        """Give the venue watch's last word, for questions signed beside the log."""
        return self._clocks.get(venue)

    def step(self, state: SignerState, given: Given, tick: Tick, stamp: Stamp) -> Signed:
        """Sign one decision, or skip it with the reason."""
        try:
            approval = _approval(given)
            _check_place_in_log(approval, given)
            request = self._sign(state, approval, tick)
            mode = _mode(state, approval)
            return self._sealed(approval, given, request, mode=mode, tick=tick, stamp=stamp)
        except _SkipError as skip:
            return _skipped(given.event, skip.refusal, stamp, now_ns=tick.now_ns)

    def _sign(self, state: SignerState, approval: Approval, tick: Tick) -> SignedRequest:
        self._check_approval(approval, tick)
        self._check_intent(approval)
        if isinstance(approval, OrderApproved):
            self._check_place(state, approval, tick)
        else:
            _check_cancel(state, approval)
        is_sent = BOOK_OF[_mode(state, approval)] is Book.LIVE
        venues = self._keys.venues if is_sent else self._keys.dummies
        venue = venues.get(venue_of(approval.account))
        if venue is None:
            raise _SkipError(Reason.CREDENTIALS_MISSING, approval.account)
        exchange_ns = _stamp(state, venue, approval.account, tick=tick)
        try:
            if isinstance(approval, OrderApproved):
                return venue.place(approval, exchange_ns)
            known = state.exchange_ids.get(approval.client_order_id, "")
            return venue.cancel(approval, exchange_ns, exchange_order_id=known)
        except VenueCannotError as cannot:
            is_place = isinstance(approval, OrderApproved)
            code = Reason.ORDER_TYPE_UNSUPPORTED if is_place else Reason.EXCHANGE_ORDER_UNKNOWN
            raise _SkipError(code, str(cannot)) from None

    def _check_approval(self, approval: Approval, tick: Tick) -> None:
        rules = self._rules
        if tick.now_ns >= approval.expires_ns:
            raise _SkipError(Reason.APPROVAL_EXPIRED)
        if approval.endpoint is not rules.endpoint:
            raise _SkipError(Reason.APPROVAL_MISMATCH, approval.endpoint, rules.endpoint)

    def _check_intent(self, approval: Approval) -> None:
        """Believe what the strategy said, not what the guardrail says that it said (S3)."""
        body = approval.proof.body.encode()
        try:
            intent = decode(body)
            writer = self._keys.strategies.writer_of_tag(
                topics.INTENTS,
                type_name(type(intent)),
                body,
                kid=approval.proof.kid,
                tag=binascii.unhexlify(approval.proof.tag),
            )
        except (MalformedError, TagError, ValueError) as error:
            raise _SkipError(Reason.TAG_INVALID, str(error)) from None
        if not isinstance(intent, PlaceOrder | CancelOrder) or intent.strategy != writer:
            raise _SkipError(Reason.STRATEGY_MISMATCH, writer)
        found = difference(approval, intent)
        if found:
            raise _SkipError(Reason.APPROVAL_MISMATCH, found)

    def _check_place(self, state: SignerState, approval: OrderApproved, tick: Tick) -> None:
        kills = (*tick.halts, *state.control.kills(approval.account))
        if kills:
            raise _SkipError(Reason.KILL_SWITCH_ACTIVE, named(kills))
        mode = state.control.mode(approval.account, self._rules.mode)
        if approval.mode is not mode:
            raise _SkipError(Reason.MODE_FORBIDS, approval.mode, mode)
        if approval.client_order_id in state.cancels:
            raise _SkipError(Reason.ALREADY_SIGNED)
        is_market = approval.order_type is OrderType.MARKET
        if not is_market == (approval.price is None) == (approval.time_in_force is None):
            raise _SkipError(Reason.APPROVAL_MISMATCH, approval.order_type)
        breach = self._rules.ceilings.breach(approval, state.rate, tick.now_ns)
        if breach is not None:
            raise _SkipError(Reason.SIGNER_CEILING, *breach)

    def _sealed(
        self,
        approval: Approval,
        given: Given,
        request: SignedRequest,
        *,
        mode: TradingMode,
        tick: Tick,
        stamp: Stamp,
    ) -> RequestSealed:
        not_after_ns = min(approval.expires_ns, tick.now_ns + self._rules.signature_life_ns)
        try:
            kid, tag = find_tag(given.headers, TAG_PREFIX + Role.GATEWAY)
        except TagError as error:
            raise _SkipError(Reason.TAG_MISSING, str(error)) from None
        nonce = self._keys.entropy(NONCE_BYTES)
        bound = bound_to(
            self._keys.seal.kid,
            given.body,
            tag,
            src_offset=given.offset,
            log_epoch=self._keys.log_epoch,
            not_after_ns=not_after_ns,
        )
        sealed = self._keys.seal.seal(nonce, encode(_plain(request)), bound)
        return RequestSealed(
            stamp=stamp,
            action=Action.PLACE if isinstance(approval, OrderApproved) else Action.CANCEL,
            account=approval.account,
            strategy=approval.strategy,
            intent_id=approval.intent_id,
            client_order_id=approval.client_order_id,
            symbol=approval.symbol,
            decision=given.body.decode(),
            decision_kid=kid,
            decision_tag=tag.hex(),
            seal_kid=self._keys.seal.kid,
            mode=mode,
            nonce=base64.b64encode(nonce).decode(),
            sealed=base64.b64encode(sealed).decode(),
            stamped_ns=request.stamp_ns,
            signed_ns=tick.now_ns,
            not_after_ns=not_after_ns,
        )


def _check_place_in_log(approval: Approval, given: Given) -> None:
    # In another account's partition an id would be signed a second time (R16, S1).
    partition = topics.partition_of(approval.account)
    if partition != given.partition:
        raise _SkipError(Reason.WRONG_PARTITION, str(given.partition), str(partition))


def _approval(given: Given) -> Approval:
    if given.fault is not None:
        raise _SkipError(given.fault.reason, given.fault.detail)
    if not isinstance(given.event, OrderApproved | CancelApproved):
        raise _SkipError(Reason.UPSTREAM_REFUSED)
    return given.event


def _mode(state: SignerState, approval: Approval) -> TradingMode:
    """Give the mode of an order: a cancel goes the way on which its order went, whatever is now."""
    if isinstance(approval, OrderApproved):
        return approval.mode
    return state.modes[approval.client_order_id]


def _check_cancel(state: SignerState, approval: CancelApproved) -> None:
    count = state.cancels.get(approval.client_order_id)
    if count is None or approval.client_order_id not in state.modes:
        raise _SkipError(Reason.CANCEL_TARGET_UNKNOWN, approval.client_order_id)
    if count >= _CANCELS_PER_ORDER_MAX:
        raise _SkipError(Reason.CANCEL_LIMIT, str(count), str(_CANCELS_PER_ORDER_MAX))


def _stamp(state: SignerState, venue: OrderSigner, account: AccountId, *, tick: Tick) -> int:
    """Read the exchange's clock, and go beyond the last stamp where the exchange insists (R12)."""
    clock = state.clocks.get(venue_of(account))
    if clock is None or tick.now_ns - clock.measured_ns > _CLOCK_AGE_NS_MAX:
        raise _SkipError(Reason.CLOCK_UNKNOWN)
    exchange_ns = tick.now_ns + clock.offset_ns
    if not venue.stamps_increase:
        return exchange_ns
    stamped_ns = next_stamp(exchange_ns, state.stamped_ns)
    if stamped_ns - exchange_ns > STAMP_AHEAD_NS_MAX:
        raise _SkipError(Reason.CLOCK_DRIFT_EXCEEDED, "the last stamp is ahead of the exchange")
    return stamped_ns


def _skipped(event: Event | None, refusal: Refusal, stamp: Stamp, *, now_ns: int) -> SigningSkipped:
    known = event if isinstance(event, OrderApproved | CancelApproved | IntentRefused) else None
    before = known.reasons if isinstance(known, IntentRefused) else ()
    return SigningSkipped(
        stamp=stamp,
        account=known.account if known else AccountId(""),
        strategy=known.strategy if known else StrategyId(""),
        intent_id=known.intent_id if known else IntentId(""),
        reasons=(refusal, *before),
        skipped_ns=now_ns,
    )


def _plain(request: SignedRequest) -> dict[str, object]:
    return {
        "body": request.body,
        "final_after_ns": request.final_after_ns,
        "headers": request.headers,
        "method": request.method,
        "path": request.path,
        "query": request.query,
        "stamp_ns": request.stamp_ns,
    }
