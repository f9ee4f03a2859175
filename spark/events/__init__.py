"""
Every record that stands on a topic, as plain frozen values.

Commands are imperative (`PlaceOrder`), events past tense (`OrderApproved`). A
record's value is the canonical JSON of one of these (codec.py): sorted keys,
decimals as strings, times as integer nanoseconds UTC. Tags for the readers that
verify the writer travel in headers (signing.py). One module for each group of topics.
"""

from typing import Final, TypeAlias

from spark.events.account import (
    AccountDoubted,
    AccountEvent,
    AccountReconciled,
    Balance,
    BalancesSeen,
    DifferenceClosed,
    DifferenceFound,
    FeesSeen,
    ForeignOrderSeen,
)
from spark.events.audit import AuditCheckpointed, AuditLine, AuditPaged, Receipt
from spark.events.control import (
    AcceptDifference,
    HaltConfirmed,
    HaltName,
    KeyUsed,
    LimitValues,
    ProcessPulsed,
    ProcessStarted,
    Proposal,
    ProposalSigned,
    ResolveUnknown,
    ResumeTrading,
    SetBreaker,
    SetLimits,
    SetMode,
    TradingDemoted,
    TradingHalted,
)
from spark.events.gateway import (
    BreakerChanged,
    CancelAccepted,
    CancelRejected,
    Evidence,
    GatewayReady,
    Opinion,
    OrderAcked,
    OrderCancelled,
    OrderClaimed,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    Origin,
    OutcomeUnknown,
    RequestNotSent,
)
from spark.events.market import (
    BookRow,
    BooksChanged,
    FeedGapped,
    QuoteRow,
    QuotesReceived,
    TradeRow,
    TradesReceived,
)
from spark.events.orders import (
    Basis,
    CancelApproved,
    CancelOrder,
    Decision,
    Intent,
    IntentRefused,
    OrderApproved,
    PlaceOrder,
    Proof,
    RequestSealed,
    Signed,
    SigningSkipped,
)
from spark.events.parts import DeadLettered, PartitionFenced, Refusal, Stamp
from spark.events.risk import Equity, EquityMarked
from spark.events.venue import (
    ClockMeasured,
    InstrumentPublished,
    Mark,
    PricesMarked,
    Session,
    SessionsPublished,
)

__all__ = [
    "EVENT_TYPES",
    "AcceptDifference",
    "AccountDoubted",
    "AccountEvent",
    "AccountReconciled",
    "AuditCheckpointed",
    "AuditLine",
    "AuditPaged",
    "Balance",
    "BalancesSeen",
    "Basis",
    "BookRow",
    "BooksChanged",
    "BreakerChanged",
    "CancelAccepted",
    "CancelApproved",
    "CancelOrder",
    "CancelRejected",
    "ClockMeasured",
    "DeadLettered",
    "Decision",
    "DifferenceClosed",
    "DifferenceFound",
    "Equity",
    "EquityMarked",
    "Event",
    "Evidence",
    "FeedGapped",
    "FeesSeen",
    "ForeignOrderSeen",
    "GatewayReady",
    "HaltConfirmed",
    "HaltName",
    "InstrumentPublished",
    "Intent",
    "IntentRefused",
    "KeyUsed",
    "LimitValues",
    "Mark",
    "Opinion",
    "OrderAcked",
    "OrderApproved",
    "OrderCancelled",
    "OrderClaimed",
    "OrderEvent",
    "OrderExpired",
    "OrderFilled",
    "OrderRejected",
    "OrderResolved",
    "Origin",
    "OutcomeUnknown",
    "PartitionFenced",
    "PlaceOrder",
    "PricesMarked",
    "ProcessPulsed",
    "ProcessStarted",
    "Proof",
    "Proposal",
    "ProposalSigned",
    "QuoteRow",
    "QuotesReceived",
    "Receipt",
    "Refusal",
    "RequestNotSent",
    "RequestSealed",
    "ResolveUnknown",
    "ResumeTrading",
    "Session",
    "SessionsPublished",
    "SetBreaker",
    "SetLimits",
    "SetMode",
    "Signed",
    "SigningSkipped",
    "Stamp",
    "TradeRow",
    "TradesReceived",
    "TradingDemoted",
    "TradingHalted",
]

Event: TypeAlias = (
    PartitionFenced
    | DeadLettered
    | Intent
    | Decision
    | Signed
    | OrderEvent
    | InstrumentPublished
    | ClockMeasured
    | PricesMarked
    | SessionsPublished
    | Proposal
    | ProposalSigned
    | TradingHalted
    | TradingDemoted
    | ProcessPulsed
    | ProcessStarted
    | HaltConfirmed
    | KeyUsed
    | EquityMarked
    | QuotesReceived
    | TradesReceived
    | BooksChanged
    | FeedGapped
    | AccountEvent
    | AuditPaged
    | AuditCheckpointed
    | Receipt
)

EVENT_TYPES: Final[tuple[type[Event], ...]] = (
    PartitionFenced, DeadLettered, PlaceOrder, CancelOrder, OrderApproved, CancelApproved,
    IntentRefused, RequestSealed, SigningSkipped, GatewayReady, OrderClaimed, RequestNotSent,
    OutcomeUnknown, OrderResolved, OrderAcked, OrderRejected, OrderFilled, OrderCancelled,
    OrderExpired, CancelRejected, InstrumentPublished, ClockMeasured, PricesMarked,
    SessionsPublished, ResumeTrading, SetMode, SetLimits, ProposalSigned, TradingHalted,
    TradingDemoted, ProcessPulsed, ProcessStarted, HaltConfirmed, KeyUsed, EquityMarked,
    QuotesReceived, TradesReceived, BooksChanged, AuditPaged, AuditCheckpointed, BreakerChanged,
    CancelAccepted, SetBreaker, ResolveUnknown, AcceptDifference, FeedGapped, AccountDoubted,
    AccountReconciled, DifferenceFound, DifferenceClosed, ForeignOrderSeen, BalancesSeen, FeesSeen,
    Receipt,
)  # fmt: skip
