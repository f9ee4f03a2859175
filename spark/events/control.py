"""
What people and protections say, and what processes say of themselves: `control*`.

A proposal never stands alone on `control`: it travels inside `ProposalSigned`, as the
exact bytes that a person signed. Whoever reads it decides whether it goes back towards
risk, and then waits for a second person's signature over the same bytes (S11).
"""

from decimal import Decimal
from typing import Literal, TypeAlias

from spark.events.parts import event
from spark.names import (
    AccountId,
    BreakerState,
    ClientOrderId,
    HaltSource,
    StrategyId,
    Symbol,
    TradingMode,
)

# --- control: proposals of people ---------------------------------------------


@event
class HaltName:
    """One kill or demotion that a resume clears: this one, and none that comes later."""

    #: Its id; of a kill outside the log, what processes call it (`latch:<file>@<time>`).
    halt: str
    #: Its offset on `control.halt`; -1 outside the log.
    offset: int


@event
class ResumeTrading:
    """Ask that trading goes on after exactly these halts."""

    type: Literal["resume_trading"] = "resume_trading"
    v: Literal[1] = 1
    halts: tuple[HaltName, ...]
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    #: The incarnation of the log that it is meant for.
    log_epoch: str


@event
class SetMode:
    """Ask for another trading mode of an account; the environment can only tighten it."""

    type: Literal["set_mode"] = "set_mode"
    v: Literal[1] = 1
    account: AccountId
    mode: TradingMode
    #: What part of the caps is in force in mode live, 1 to 100.
    volume_ramp_pct: int
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    log_epoch: str


@event
class LimitValues:
    """Limits of an account or a strategy; None leaves the start value, or sets no cap."""

    order_notional_usd_max: Decimal | None = None
    exposure_usd_max: Decimal | None = None
    drawdown_pct_max: Decimal | None = None
    orders_per_minute_max: int | None = None
    notional_try_per_s_max: Decimal | None = None
    open_orders_max: int | None = None
    price_collar_pct_max: Decimal | None = None
    quote_age_ms_max: int | None = None
    audit_lag_ms_max: int | None = None
    #: The longer the stricter.
    duplicate_window_ms: int | None = None
    trickle_order_try_max: Decimal | None = None
    trickle_symbols: tuple[Symbol, ...] | None = None
    #: What the drawdown is a part of; the less the stricter.
    capital_usd: Decimal | None = None


@event
class SetLimits:
    """Ask for limits of an account, or of one strategy on it, in place of the version before."""

    type: Literal["set_limits"] = "set_limits"
    v: Literal[1] = 1
    account: AccountId
    #: Empty for the account's own.
    strategy: StrategyId
    #: One more than the version that it replaces; any other is void.
    version: int
    limits: LimitValues
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    log_epoch: str


@event
class SetBreaker:
    """Ask for a circuit breaker's state; None leaves it to itself again."""

    type: Literal["set_breaker"] = "set_breaker"
    v: Literal[1] = 1
    account: AccountId
    state: BreakerState | None
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    log_epoch: str


@event
class ResolveUnknown:
    """Ask that an unknown counts as never placed; evidence that comes later reopens it."""

    type: Literal["resolve_unknown"] = "resolve_unknown"
    v: Literal[1] = 1
    account: AccountId
    client_order_id: ClientOrderId
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    log_epoch: str


@event
class AcceptDifference:
    """Ask that a difference between log and exchange counts as explained."""

    type: Literal["accept_difference"] = "accept_difference"
    v: Literal[1] = 1
    account: AccountId
    difference: str
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    log_epoch: str


Proposal: TypeAlias = (
    ResumeTrading | SetMode | SetLimits | SetBreaker | ResolveUnknown | AcceptDifference
)


@event
class ProposalSigned:
    """One person's signature under a proposal: the first proposes, a second one approves."""

    type: Literal["proposal_signed"] = "proposal_signed"
    v: Literal[1] = 1
    #: The exact bytes of the proposal, as text.
    proposal: str
    person: str
    #: Ed25519 over the proposal's bytes (signing.py), hex.
    signature: str
    at_ns: int


# --- control.halt: towards safety only ----------------------------------------


@event
class TradingHalted:
    """A kill: no new order from now on; cancels pass. Anybody who may write it may say it."""

    type: Literal["trading_halted"] = "trading_halted"
    v: Literal[1] = 1
    #: Unique; also the name of its latch file.
    halt: str
    #: Empty stands for every account.
    account: str
    source: HaltSource
    #: Who says that it was them; proved by nothing but the right to write here.
    by: str
    reason: str
    evidence: dict[str, str]
    at_ns: int


@event
class TradingDemoted:
    """A protection: a stricter mode, rate or concurrency until a person resumes; None keeps."""

    type: Literal["trading_demoted"] = "trading_demoted"
    v: Literal[1] = 1
    halt: str
    account: str
    mode: TradingMode | None
    orders_per_minute_max: int | None
    concurrency_max: int | None
    source: HaltSource
    by: str
    reason: str
    evidence: dict[str, str]
    at_ns: int


# --- control.pulse, control.starts, control.keys ------------------------------


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
    #: Kills that this process obeys, inside and outside the log.
    halts: tuple[str, ...]
    at_ns: int


@event
class HaltConfirmed:
    """
    A process says how far it obeys.

    `halted`: no first byte of a new order from now on; `in_flight` lists what is claimed
    and unanswered. `drained`: all of that is answered, or past the exchange's bound.
    """

    type: Literal["halt_confirmed"] = "halt_confirmed"
    v: Literal[1] = 1
    role: str
    instance: str
    epochs: dict[str, int]
    halts: tuple[str, ...]
    stage: Literal["halted", "drained"]
    in_flight: tuple[ClientOrderId, ...]
    at_ns: int


@event
class ProcessStarted:
    """A process begins: what runs, and under which settings, is a part of the trail (A5)."""

    type: Literal["process_started"] = "process_started"
    v: Literal[1] = 1
    role: str
    instance: str
    version: str
    #: SHA-256 over the files of the program, hex: two equal ones run the same code.
    build: str
    #: SHA-256 over every setting that is no secret, hex.
    configuration: str
    #: Numeric user id that it runs as.
    uid: int
    started_ns: int


@event
class KeyUsed:
    """The signer used an exchange key beside `orders.signed`; every use is audited (H4)."""

    type: Literal["key_used"] = "key_used"
    v: Literal[1] = 1
    account: AccountId
    #: What was signed: exchanges/port.py `Question`.
    purpose: str
    #: Empty where it is about no single order or symbol.
    client_order_id: ClientOrderId
    symbol: Symbol
    #: The stamp in it, exchange time; never one twice, also across restarts.
    stamped_ns: int
    #: Numeric user id of the process that asked.
    peer_uid: int
    used_ns: int
