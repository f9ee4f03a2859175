"""
From the intent to the sealed request: `orders.intents`, `orders.decisions`, `orders.signed`.
"""

from decimal import Decimal
from typing import Literal, TypeAlias

from spark.events.parts import Refusal, Stamp, event
from spark.names import (
    AccountId,
    Action,
    ClientOrderId,
    Endpoint,
    IntentId,
    OrderType,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
)


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
    """Ask to cancel one order of the same account."""

    type: Literal["cancel_order"] = "cancel_order"
    v: Literal[1] = 1
    intent_id: IntentId
    account: AccountId
    strategy: StrategyId
    symbol: Symbol
    target_intent_id: IntentId
    #: Whose order it is: one's own; operators may cancel anybody's.
    target_strategy: StrategyId
    created_ns: int
    ttl_ns: int


Intent: TypeAlias = PlaceOrder | CancelOrder


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
    #: The mode in force.
    mode: TradingMode
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
    #: What it counts as in the caps, at the prices of `basis`.
    worth_usd: Decimal
    worth_try: Decimal
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
    target_strategy: StrategyId
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
    #: The order's; a cancel's is that of the order it cancels, which went the same way.
    mode: TradingMode
    #: Base64 of the 96-bit nonce and of the AES-256-GCM cipher text (signing.py).
    nonce: str
    sealed: str
    #: The stamp inside, exchange time: strictly increasing on an account, also across
    #: restarts, and the order in which requests of one key go out (R12).
    stamped_ns: int
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
