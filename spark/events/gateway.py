"""
`orders.events`: two families, told apart by what they may claim (R4).

OPINIONS of the gateway count only in the epoch of the last fence before them,
EVIDENCE of the exchange counts from any epoch.
"""

from decimal import Decimal
from typing import Literal, TypeAlias

from spark.events.parts import Refusal, event
from spark.names import (
    AccountId,
    Action,
    BreakerState,
    ClientOrderId,
    Endpoint,
    IntentId,
    OrderType,
    Side,
    StrategyId,
    Symbol,
    TradingMode,
)


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
    mode: TradingMode
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
    """
    An unknown that is none any more without the exchange showing an order.

    `not_found`: the exchange denies it after the moment when that is final. `by_person`:
    persons said so on `control`, because no evidence will come. Later evidence reopens both.
    """

    type: Literal["order_resolved"] = "order_resolved"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    strategy: StrategyId
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    outcome: Literal["not_found", "by_person"]
    asked_ns: int
    final_after_ns: int
    at_ns: int


@event
class BreakerChanged:
    """The circuit breaker of an account's exchange changed its state."""

    type: Literal["breaker_changed"] = "breaker_changed"
    v: Literal[1] = 1
    epoch: int
    account: AccountId
    state: BreakerState
    #: `failures`, `key_refused`, `probe_failed`, `probe_answered`, `person`, `cooled`.
    cause: str
    #: What it counted, for a person to read.
    evidence: dict[str, str]
    at_ns: int


Opinion: TypeAlias = (
    GatewayReady | OrderClaimed | RequestNotSent | OutcomeUnknown | OrderResolved | BreakerChanged
)


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
    mode: TradingMode
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


@event
class CancelAccepted:
    """The exchange took a cancel; whether the order ended, its own events say later."""

    type: Literal["cancel_accepted"] = "cancel_accepted"
    v: Literal[1] = 1
    account: AccountId
    strategy: StrategyId
    #: The cancel's own id; the order is named by its client order id.
    intent_id: IntentId
    client_order_id: ClientOrderId
    symbol: Symbol
    sent_ns: int
    answered_ns: int


Evidence: TypeAlias = (
    OrderAcked
    | OrderRejected
    | OrderFilled
    | OrderCancelled
    | OrderExpired
    | CancelAccepted
    | CancelRejected
)
OrderEvent: TypeAlias = Opinion | Evidence
