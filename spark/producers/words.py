"""
How a person's word gets onto the log: composed, signed over its exact bytes, appended.

The one way for the command line, for drills and for tests. Nothing here decides whether
a word counts: each reader does, by itself (ledger/control.py).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final, TypedDict

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.bus.port import Bus, Outgoing, Partition
from spark.clock import Clock
from spark.codec import encode
from spark.errors import RefusedError
from spark.events import (
    AcceptDifference,
    HaltName,
    LimitValues,
    Proposal,
    ProposalSigned,
    ResolveUnknown,
    ResumeTrading,
    SetBreaker,
    SetLimits,
    SetMode,
)
from spark.ledger.control import proposal_id
from spark.ledger.control_sense import REASON_CHARS_MAX
from spark.names import AccountId, BreakerState, ClientOrderId, StrategyId, TradingMode
from spark.people import sign
from spark.topics import BY_NAME, CONTROL

#: Below the 15 minutes that readers grant, by what two clocks may be apart.
PROPOSAL_LIFE_NS: Final = 600_000_000_000
#: Of one resume: with names of ordinary length it stays below the topic's limit.
HALTS_NAMED_MAX: Final = 200
#: What the batch around a record takes of the topic's limit.
_BATCH_BYTES: Final = 1024
_CONTROL: Final = Partition(CONTROL, 0)


@dataclass(frozen=True, slots=True)
class Operator:
    """A person who can sign, on one log."""

    person: str
    key: Ed25519PrivateKey = field(repr=False)
    log_epoch: str
    clock: Clock


@dataclass(frozen=True, slots=True)
class Said:
    """A word that stands on the log; whether it counts is for its readers."""

    proposal_id: str
    #: On `control`.
    offset: int


class _About(TypedDict):
    reason: str
    proposed_by: str
    created_ns: int
    expires_ns: int
    log_epoch: str


def resume_trading(operator: Operator, halts: Iterable[HaltName], *, reason: str) -> ResumeTrading:
    """
    Compose a resume that clears exactly these halts; nothing is sent yet.

    Raises:
        RefusedError: no reason, no halt, or too many of them at once.

    """
    named = tuple(halts)
    if not 0 < len(named) <= HALTS_NAMED_MAX:
        raise RefusedError(f"a resume names 1 to {HALTS_NAMED_MAX} halts, not {len(named)}")
    return ResumeTrading(halts=named, **_about(operator, reason))


def set_mode(
    operator: Operator, account: AccountId, mode: TradingMode, *, ramp_pct: int, reason: str
) -> SetMode:
    """Compose another mode for an account; nothing is sent yet. Raises as `resume_trading`."""
    about = _about(operator, reason)
    return SetMode(account=account, mode=mode, volume_ramp_pct=ramp_pct, **about)


def set_limits(
    operator: Operator,
    account: AccountId,
    strategy: StrategyId | str,
    *,
    version: int,
    limits: LimitValues,
    reason: str,
) -> SetLimits:
    """Compose the next version of limits; nothing is sent yet. Raises as `resume_trading`."""
    return SetLimits(
        account=account,
        strategy=StrategyId(strategy),
        version=version,
        limits=limits,
        **_about(operator, reason),
    )


def set_breaker(
    operator: Operator, account: AccountId, state: BreakerState | None, *, reason: str
) -> SetBreaker:
    """
    Compose a circuit breaker's state, None to leave it to itself; nothing is sent yet.

    Raises as `resume_trading`.
    """
    return SetBreaker(account=account, state=state, **_about(operator, reason))


def resolve_unknown(
    operator: Operator, account: AccountId, order: ClientOrderId, *, reason: str
) -> ResolveUnknown:
    """Compose that an unknown counts as never placed; nothing is sent yet. As `resume_trading`."""
    return ResolveUnknown(account=account, client_order_id=order, **_about(operator, reason))


def accept_difference(
    operator: Operator, account: AccountId, difference: str, *, reason: str
) -> AcceptDifference:
    """Compose that a difference is explained; nothing is sent yet. Raises as `resume_trading`."""
    return AcceptDifference(account=account, difference=difference, **_about(operator, reason))


async def propose(bus: Bus, operator: Operator, proposal: Proposal) -> Said:
    """
    Sign a proposal first and append it.

    Raises:
        RefusedError: it is too large.
        WriteError: it is unsure whether it stands; it may be proposed anew.
        AuthorisationError: this principal may not write `control`.

    """
    return await _say(bus, operator, encode(proposal))


async def approve(bus: Bus, operator: Operator, body: bytes) -> Said:
    """
    Sign a proposal that another person made, over its bytes as they stand; raises as `propose`.
    """
    return await _say(bus, operator, body)


def checked_reason(reason: str) -> str:
    """
    Take a reason as it will be read later.

    Raises:
        RefusedError: it is empty, too long, or holds what no terminal should print.

    """
    text = reason.strip()
    if not 0 < len(text) <= REASON_CHARS_MAX or not text.isprintable():
        raise RefusedError(f"a reason of 1 to {REASON_CHARS_MAX} printable characters is needed")
    return text


def _about(operator: Operator, reason: str) -> _About:
    now_ns = operator.clock.wall_ns()
    return _About(
        reason=checked_reason(reason),
        proposed_by=operator.person,
        created_ns=now_ns,
        expires_ns=now_ns + PROPOSAL_LIFE_NS,
        log_epoch=operator.log_epoch,
    )


async def _say(bus: Bus, operator: Operator, body: bytes) -> Said:
    said = encode(
        ProposalSigned(
            proposal=body.decode(),
            person=operator.person,
            signature=sign(operator.key, operator.person, body, log_epoch=operator.log_epoch),
            at_ns=operator.clock.wall_ns(),
        )
    )
    if len(said) > BY_NAME[CONTROL].message_bytes_max - _BATCH_BYTES:
        raise RefusedError(f"{len(said)} bytes are too many for one word; name fewer halts")
    writer = await bus.writer([CONTROL])
    try:
        (offset,) = await writer.write([Outgoing(_CONTROL, None, said)])
    finally:
        await writer.close()
    return Said(proposal_id(body), offset)
