"""
Every record that stands on a topic, as plain frozen values.

Commands are imperative (`PlaceOrder`), events past tense (`OrderApproved`). A
record's value is the canonical JSON of one of these (codec.py): sorted keys,
decimals as strings, times as integer nanoseconds UTC. Tags for the readers that
verify the writer travel in headers (signing.py).

On `orders.events` two families are told apart by what they may claim (R4):
OPINIONS of the gateway count only in the epoch of the last fence before them,
EVIDENCE of the exchange counts from any epoch.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Literal, TypeAlias, TypeVar, dataclass_transform

from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    Endpoint,
    IntentId,
    OrderType,
    Reason,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
    Venue,
)

_T = TypeVar("_T")


@dataclass_transform(kw_only_default=True, frozen_default=True)
def event(cls: type[_T]) -> type[_T]:
    """
    Make a frozen, strict, closed record type whose fields encode in sorted order.

    orjson writes dataclass fields in the order of `__dataclass_fields__` and has
    no option to sort them, so the order is set here, once, for each class.
    """
    made = dataclass(frozen=True, slots=True, kw_only=True)(cls)
    made.__dataclass_fields__ = dict(sorted(made.__dataclass_fields__.items()))  # type: ignore[attr-defined]
    made.__pydantic_config__ = {"extra": "forbid", "strict": True}  # type: ignore[attr-defined]
    return made


# --- shared parts -----------------------------------------------------------


@event
class Stamp:
    """Where an output stands and what it came from; the log's validity is read off it (F2, F3)."""

    #: Offset of the writer's fence on this output partition.
    epoch: int
    #: Offset of the intent it descends from: dense, and the same on every hop.
    seq: int
    #: Offset of the input record on the input partition.
    src_offset: int
    #: The input's own epoch; -1 for intents, which have none.
    src_epoch: int
    #: First 16 hex digits of the SHA-256 of the input's value: a resume checks it (R18).
    src_digest: str


@event
class Refusal:
    """One reason, with what was found and what the limit is, each as text."""

    code: Reason
    found: str | None = None
    limit: str | None = None


@event
class PartitionFenced:
    """
    An instance took this output partition; the record's own offset is its epoch.

    Everything that a later-fenced instance finds from an earlier epoch after
    this record is void (R3), except evidence (R4).
    """

    type: Literal["partition_fenced"] = "partition_fenced"
    v: Literal[1] = 1
    role: str
    instance: str
    #: `topic` -> the broker's id of each topic that the role reads or writes (R18).
    topic_ids: dict[str, str]
    fenced_ns: int


@event
class DeadLettered:
    """An input that could not be used; the bytes themselves stay on their topic."""

    type: Literal["dead_lettered"] = "dead_lettered"
    v: Literal[1] = 1
    role: str
    topic: str
    partition: int
    offset: int
    reason: Reason
    detail: str
    bytes_len: int
    sha256: str
    at_ns: int


# --- orders.intents ---------------------------------------------------------


@event
class PlaceOrder:
    """Ask for one order. Closed: an unknown field is refused, never ignored."""

    type: Literal["place_order"] = "place_order"
    v: Literal[1] = 1
    intent_id: IntentId
    account: AccountId
    strategy: StrategyId
    symbol: Symbol
    side: Side
    order_type: OrderType
    #: None exactly for market orders.
    time_in_force: TimeInForce | None
    #: In the base asset.
    quantity: Decimal
    #: In the quote asset; None exactly for market orders.
    price: Decimal | None
    created_ns: int
    #: How long it may live from its append on; capped by the guardrail.
    ttl_ns: int


@event
class CancelOrder:
    """Ask to cancel one order of the same strategy and account."""

    type: Literal["cancel_order"] = "cancel_order"
    v: Literal[1] = 1
    intent_id: IntentId
    account: AccountId
    strategy: StrategyId
    symbol: Symbol
    target_intent_id: IntentId
    created_ns: int
    ttl_ns: int


Intent: TypeAlias = PlaceOrder | CancelOrder


# --- orders.decisions -------------------------------------------------------


@event
class Proof:
    """The intent as its writer sent it, so that the signer can distrust the guardrail (S3)."""

    #: The exact bytes of the intent, as text.
    body: str
    #: Key id and tag that the intent carried for the signer.
    kid: str
    tag: str


@event
class Basis:
    """What a decision was made on; folding the log again gives the same bytes (R15)."""

    #: The one clock reading of the batch.
    decided_ns: int
    #: Append time of the intent.
    appended_ns: int
    #: `topic/partition` -> next offset that had not been seen.
    seen: dict[str, int]
    #: Kills in force outside the log: `environment`, `latch:<file>`.
    halts: tuple[str, ...]
    #: Reference prices used, by symbol.
    prices: dict[str, Decimal]
    limits_version: int
    #: Digest of the guard policy and limits.
    policy: str


@event
class OrderApproved:
    """An intent that every guard let pass; the only thing a place is signed for."""

    type: Literal["order_approved"] = "order_approved"
    v: Literal[1] = 1
    stamp: Stamp
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    endpoint: Endpoint
    mode: TradingMode
    symbol: Symbol
    side: Side
    order_type: OrderType
    time_in_force: TimeInForce | None
    quantity: Decimal
    price: Decimal | None
    proof: Proof
    basis: Basis
    #: The gateway epoch that was ready (R11); another gateway must not send it.
    gateway_epoch: int
    #: Offset of the resume it was made under; -1 before any (S9).
    resume_offset: int
    expires_ns: int


@event
class CancelApproved:
    """A cancel: no guard made for new risk may stop it."""

    type: Literal["cancel_approved"] = "cancel_approved"
    v: Literal[1] = 1
    stamp: Stamp
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    #: The order to cancel.
    target_intent_id: IntentId
    client_order_id: ClientOrderId
    endpoint: Endpoint
    mode: TradingMode
    symbol: Symbol
    proof: Proof
    basis: Basis
    expires_ns: int


@event
class IntentRefused:
    """An intent that must not become an order, with every reason."""

    type: Literal["intent_refused"] = "intent_refused"
    v: Literal[1] = 1
    stamp: Stamp
    #: Empty texts where the intent could not be read.
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    reasons: tuple[Refusal, ...]
    basis: Basis


Decision: TypeAlias = OrderApproved | CancelApproved | IntentRefused


# --- orders.signed ----------------------------------------------------------


@event
class RequestSealed:
    """A signed request that only the gateway can open, bound to its decision."""

    type: Literal["request_sealed"] = "request_sealed"
    v: Literal[1] = 1
    stamp: Stamp
    action: Action
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    #: The exact bytes of the decision, as text, with its tag for the gateway.
    decision: str
    decision_kid: str
    decision_tag: str
    seal_kid: str
    #: Base64 of the 96-bit nonce and of the AES-256-GCM cipher text (signing.py).
    nonce: str
    sealed: str
    signed_ns: int
    #: Past this the gateway must not send it.
    not_after_ns: int


@event
class SigningSkipped:
    """A decision that got no signature, with the reason; the gateway closes the intent."""

    type: Literal["signing_skipped"] = "signing_skipped"
    v: Literal[1] = 1
    stamp: Stamp
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    reasons: tuple[Refusal, ...]
    skipped_ns: int


Signed: TypeAlias = RequestSealed | SigningSkipped


# --- orders.events: opinions of the gateway -----------------------------------


@event
class GatewayReady:
    """The gateway of this epoch has folded its log and may be given orders (R11)."""

    type: Literal["gateway_ready"] = "gateway_ready"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    endpoint: Endpoint
    mode: TradingMode
    ready_ns: int


@event
class Origin:
    """Which signed record an event belongs to, and how far the gateway is through that topic."""

    #: Offset of the signed record on its partition.
    offset: int
    #: Every signed record below this has its claim or its `request_not_sent`.
    done_below: int
    #: The epoch in force there, to go on judging from.
    done_epoch: int
    #: The last valid `seq` there.
    done_seq: int


@event
class OrderClaimed:
    """
    The gateway will send this request, once; nobody else may (R2).

    Written when the request leaves its symbol's queue, and sent only after the
    log has shown it to be the first for its id.
    """

    type: Literal["order_claimed"] = "order_claimed"
    v: Literal[1] = 1
    epoch: int
    origin: Origin
    action: Action
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    #: The order as it will be sent; None for a cancel.
    side: Side | None
    order_type: OrderType | None
    quantity: Decimal | None
    price: Decimal | None
    #: Exchange time after which "not found" is final (design §4.4).
    final_after_ns: int
    claimed_ns: int


@event
class RequestNotSent:
    """A request that ends here: not a byte of it reached the exchange."""

    type: Literal["request_not_sent"] = "request_not_sent"
    v: Literal[1] = 1
    epoch: int
    origin: Origin
    action: Action
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    #: Of the order that it would have placed or cancelled; empty where upstream made none.
    client_order_id: ClientOrderId
    reasons: tuple[Refusal, ...]
    at_ns: int


@event
class OutcomeUnknown:
    """A claim without a definite answer: it counts as exposure until evidence settles it."""

    type: Literal["outcome_unknown"] = "outcome_unknown"
    v: Literal[1] = 1
    epoch: int
    action: Action
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    #: A class, never the exchange's text: `timeout`, `http_5xx`, `connection_lost`, `garbled`,
    #: `restart`.
    cause: str
    at_ns: int


@event
class OrderResolved:
    """An unknown whose order the exchange denies after the moment when that is final."""

    type: Literal["order_resolved"] = "order_resolved"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    outcome: Literal["not_found"]
    asked_ns: int
    final_after_ns: int
    at_ns: int


Opinion: TypeAlias = GatewayReady | OrderClaimed | RequestNotSent | OutcomeUnknown | OrderResolved


# --- orders.events: evidence of the exchange ----------------------------------


@event
class OrderAcked:
    """The exchange has the order."""

    type: Literal["order_acked"] = "order_acked"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    exchange_order_id: str
    exchange_ns: int
    #: First byte out, and reply in, by the gateway's clock; 0 when learnt by a query.
    sent_ns: int
    answered_ns: int


@event
class OrderRejected:
    """The exchange definitely does not have the order."""

    type: Literal["order_rejected"] = "order_rejected"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    #: The exchange's own code or token.
    code: str
    http_status: int
    sent_ns: int
    answered_ns: int


@event
class OrderFilled:
    """One execution; `cumulative` makes a repetition harmless."""

    type: Literal["order_filled"] = "order_filled"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    exchange_order_id: str
    #: Empty where the venue gives none.
    trade_id: str
    side: Side
    quantity: Decimal
    price: Decimal
    #: Filled so far, this execution included.
    cumulative: Decimal
    order_quantity: Decimal
    commission: Decimal
    commission_asset: str
    exchange_ns: int


@event
class OrderCancelled:
    """The order no longer rests at the exchange; what was filled stays filled."""

    type: Literal["order_cancelled"] = "order_cancelled"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    #: The cancel that did it; empty when nobody of ours asked.
    cancel_intent_id: str
    filled: Decimal
    exchange_ns: int
    sent_ns: int
    answered_ns: int


@event
class OrderExpired:
    """The exchange ended the order by its own rules: time in force, self-trade, maintenance."""

    type: Literal["order_expired"] = "order_expired"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    filled: Decimal
    exchange_ns: int


@event
class CancelRejected:
    """The exchange did not cancel; the order's own events say why (often: it was filled)."""

    type: Literal["cancel_rejected"] = "cancel_rejected"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    #: The cancel's own id; the order is named by its client order id.
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    code: str
    http_status: int
    sent_ns: int
    answered_ns: int


Evidence: TypeAlias = (
    OrderAcked | OrderRejected | OrderFilled | OrderCancelled | OrderExpired | CancelRejected
)
OrderEvent: TypeAlias = Opinion | Evidence


# --- venue.state, control.pulse -----------------------------------------------


@event
class InstrumentPublished:
    """One symbol's rules as the exchange publishes them."""

    type: Literal["instrument_published"] = "instrument_published"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    base_asset: str
    quote_asset: str
    is_trading: bool
    #: 0 where the venue has no such rule.
    tick_size: Decimal
    price_min: Decimal
    price_max: Decimal
    step_size: Decimal
    quantity_min: Decimal
    quantity_max: Decimal
    notional_min: Decimal
    published_ns: int


@event
class ClockMeasured:
    """How far the exchange's clock is ahead of ours, and how sure that is."""

    type: Literal["clock_measured"] = "clock_measured"
    v: Literal[1] = 1
    venue: Venue
    offset_ns: int
    uncertainty_ns: int
    measured_ns: int


@event
class ProcessPulsed:
    """A process lives; readers judge by the append time, not by `at_ns`."""

    type: Literal["process_pulsed"] = "process_pulsed"
    v: Literal[1] = 1
    role: str
    instance: str
    state: Literal["starting", "ready", "stopping"]
    #: `topic/partition` -> epoch held on it.
    epochs: dict[str, int]
    #: `topic/partition` -> next offset to read.
    positions: dict[str, int]
    at_ns: int


@event
class KeyUsed:
    """The signer used an exchange key beside `orders.signed`; every use is audited (H4)."""

    type: Literal["key_used"] = "key_used"
    v: Literal[1] = 1
    account: AccountId
    #: What was signed: so far only questions about one order.
    purpose: Literal["query"]
    client_order_id: ClientOrderId
    symbol: Symbol
    #: Numeric user id of the process that asked.
    peer_uid: int
    used_ns: int


# --- market.<venue>.<kind> ----------------------------------------------------

#: received_ns, update id, bid, bid quantity, ask, ask quantity (decimals as the venue wrote them).
QuoteRow: TypeAlias = tuple[int, int, str, str, str, str]
#: received_ns, exchange_ns, trade id, price, quantity, 1 where the buyer was the maker.
TradeRow: TypeAlias = tuple[int, int, int, str, str, int]
#: received_ns, exchange_ns, first id, last id, bids [[price, quantity]…], asks.
BookRow: TypeAlias = tuple[
    int, int, int, int, tuple[tuple[str, str], ...], tuple[tuple[str, str], ...]
]


@event
class QuotesReceived:
    """Best bid and ask of one symbol, one row for each change, in the order of the socket."""

    type: Literal["quotes_received"] = "quotes_received"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    rows: tuple[QuoteRow, ...]


@event
class TradesReceived:
    """Public trades of one symbol."""

    type: Literal["trades_received"] = "trades_received"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    rows: tuple[TradeRow, ...]


@event
class BooksChanged:
    """Order book differences of one symbol; quantity 0 removes a level."""

    type: Literal["books_changed"] = "books_changed"
    v: Literal[1] = 1
    venue: Venue
    symbol: Symbol
    rows: tuple[BookRow, ...]


# --- audit ----------------------------------------------------------------------


@event
class AuditLine:
    """One audited record: where it stands, when it was appended, what it was, its digest."""

    topic: str
    partition: int
    offset: int
    appended_ms: int
    #: Type name and the ids a reader searches by; empty where unreadable.
    kind: str
    intent_id: str
    account: str
    #: SHA-256 over key, headers and value (audit.py), hex.
    sha256: str


@event
class AuditPaged:
    """A run of lines chained to the page before: `head` = H(previous head, lines)."""

    type: Literal["audit_paged"] = "audit_paged"
    v: Literal[1] = 1
    epoch: int
    page: int
    #: Number of the first line; lines are counted over all pages.
    first_line: int
    lines: tuple[AuditLine, ...]
    previous: str
    head: str
    at_ns: int


@event
class AuditCheckpointed:
    """The auditor's signature under the chain so far, with the vector to resume from (R17)."""

    type: Literal["audit_checkpointed"] = "audit_checkpointed"
    v: Literal[1] = 1
    epoch: int
    pages: int
    lines: int
    head: str
    #: `topic/partition` -> next offset to audit.
    next_offsets: dict[str, int]
    #: `topic` -> the broker's id of this incarnation (R18).
    topic_ids: dict[str, str]
    kid: str
    #: Ed25519 over the canonical bytes of this record with an empty signature, hex.
    signature: str
    at_ns: int


Event: TypeAlias = (
    PartitionFenced
    | DeadLettered
    | Intent
    | Decision
    | Signed
    | OrderEvent
    | InstrumentPublished
    | ClockMeasured
    | ProcessPulsed
    | KeyUsed
    | QuotesReceived
    | TradesReceived
    | BooksChanged
    | AuditPaged
    | AuditCheckpointed
)

EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    PartitionFenced, DeadLettered, PlaceOrder, CancelOrder, OrderApproved, CancelApproved,
    IntentRefused, RequestSealed, SigningSkipped, GatewayReady, OrderClaimed, RequestNotSent,
    OutcomeUnknown, OrderResolved, OrderAcked, OrderRejected, OrderFilled, OrderCancelled,
    OrderExpired, CancelRejected, InstrumentPublished, ClockMeasured, ProcessPulsed, KeyUsed,
    QuotesReceived, TradesReceived, BooksChanged, AuditPaged, AuditCheckpointed,
)  # fmt: skip
