"""
What people and protections have said, folded: halts, modes, limits (design §5, S6, S11).

Two topics, each with its own part, so that the order between them cannot matter:
`control.halt` only ever adds a halt, `control` only ever clears halts that it names.
Whether a proposal goes back towards risk is computed here, by its reader; then it takes
a second person, in trickle and live. What does not count is kept with the reason.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from hashlib import sha256
from typing import Final

from spark.codec import decode
from spark.errors import MalformedError
from spark.events import (
    Event,
    LimitValues,
    Proposal,
    ProposalSigned,
    ResumeTrading,
    SetLimits,
    SetMode,
    TradingDemoted,
    TradingHalted,
)
from spark.names import AccountId, StrategyId, TradingMode
from spark.people import People

#: A proposal counts for so long after its first signature at most (S11).
PROPOSAL_LIFE_NS_MAX: Final = 900_000_000_000
#: `offset` of a halt that is not on the log.
OUTSIDE: Final = -1
NO_RESUME: Final = -1
_IGNORED_MAX: Final = 50
_PROPOSALS_MAX: Final = 200
_RAMP_PCT_MAX: Final = 100
#: From the strictest on.
_MODES: Final = (TradingMode.PAPER, TradingMode.SHADOW, TradingMode.TRICKLE, TradingMode.LIVE)
_RISKY: Final = frozenset({TradingMode.TRICKLE, TradingMode.LIVE})
#: Limits of which the larger value is the stricter one.
_LARGER_IS_STRICTER: Final = frozenset({"duplicate_window_ms"})


@dataclass(slots=True, kw_only=True)
class Halt:
    """A kill, or a demotion, as it stands on `control.halt`."""

    halt: str
    offset: int
    #: Empty stands for every account.
    account: str
    is_kill: bool
    mode: TradingMode | None = None
    orders_per_minute_max: int | None = None
    concurrency_max: int | None = None
    source: str
    by: str
    reason: str
    appended_ns: int


@dataclass(slots=True)
class Voices:
    """A proposal and the persons who signed it."""

    body: str
    #: Append time of the first signature.
    since_ns: int
    persons: list[str] = field(default_factory=list)
    #: Where it came into force; None while it waits.
    applied_at: int | None = None


@dataclass(slots=True)
class ModeWord:
    """The mode that people gave an account last."""

    mode: TradingMode
    volume_ramp_pct: int
    offset: int


@dataclass(slots=True)
class LimitsWord:
    """The limits that people gave an account or strategy last."""

    version: int
    values: LimitValues
    offset: int


@dataclass(slots=True)
class Control:
    """All that is in force; plain values, because it is kept as JSON."""

    #: By `halt_name`.
    halts: dict[str, Halt] = field(default_factory=dict)
    #: By `halt_name`: the offset of the resume that cleared it.
    cleared: dict[str, int] = field(default_factory=dict)
    #: By `proposal_id`.
    proposals: dict[str, Voices] = field(default_factory=dict)
    modes: dict[AccountId, ModeWord] = field(default_factory=dict)
    #: By `limits_key`.
    limits: dict[str, LimitsWord] = field(default_factory=dict)
    #: The last resume in force; an approval made under an older one is void (S9).
    resume_offset: int = NO_RESUME
    #: `topic@offset` -> why that record says nothing.
    ignored: dict[str, str] = field(default_factory=dict)

    def kills(self, account: AccountId) -> tuple[str, ...]:
        """Name the kills in force for an account."""
        return tuple(
            halt.halt
            for name, halt in self.halts.items()
            if halt.is_kill and halt.account in {"", account} and name not in self.cleared
        )

    def demotions(self, account: AccountId) -> list[Halt]:
        """List the demotions in force for an account."""
        return [
            halt
            for name, halt in self.halts.items()
            if not halt.is_kill and halt.account in {"", account} and name not in self.cleared
        ]

    def mode(self, account: AccountId, start: TradingMode) -> TradingMode:
        """Give the strictest of the environment's mode, people's and protections' (B1)."""
        said = [self.said_mode(account, start)]
        said += [halt.mode for halt in self.demotions(account) if halt.mode is not None]
        return strictest(said)

    def said_mode(self, account: AccountId, start: TradingMode) -> TradingMode:
        """Give the mode without demotions: where a resume would lead."""
        word = self.modes.get(account)
        return start if word is None else strictest((start, word.mode))

    def volume_ramp_pct(self, account: AccountId, start_pct: int) -> int:
        """Give the stricter of the environment's ramp and people's."""
        word = self.modes.get(account)
        return start_pct if word is None else min(start_pct, word.volume_ramp_pct)

    def orders_per_minute_max(self, account: AccountId) -> int | None:
        """Give the lowest rate that a protection set; None for none."""
        found = [halt.orders_per_minute_max for halt in self.demotions(account)]
        return min((one for one in found if one is not None), default=None)

    def concurrency_max(self, account: AccountId) -> int | None:
        """Give the lowest concurrency that a protection set; None for none."""
        found = [halt.concurrency_max for halt in self.demotions(account)]
        return min((one for one in found if one is not None), default=None)

    def limit_values(self, account: AccountId, strategy: StrategyId | str = "") -> LimitValues:
        """Give what people set for an account, or for a strategy on it."""
        word = self.limits.get(limits_key(account, strategy))
        return LimitValues() if word is None else word.values

    def limits_version(self, account: AccountId, strategy: StrategyId | str = "") -> int:
        """Give the version in force; 0 for the start values."""
        word = self.limits.get(limits_key(account, strategy))
        return 0 if word is None else word.version

    def is_cleared_outside(self, halt: str) -> bool:
        """Tell whether a resume named this kill, which is not on the log."""
        return halt_name(halt, OUTSIDE) in self.cleared


def halt_name(halt: str, offset: int) -> str:
    """Key one halt: an id said again later is another halt (S6)."""
    return f"{halt}@{offset}"


def limits_key(account: AccountId, strategy: StrategyId | str) -> str:
    """Key a scope of limits."""
    return f"{account} {strategy}"


def proposal_id(body: bytes) -> str:
    """Name a proposal by its bytes: what `spark approve` takes."""
    return sha256(body).hexdigest()[:12]


def fold_control(
    control: Control,
    event: Event,
    *,
    offset: int,
    appended_ns: int,
    people: People,
    start_mode: TradingMode,
) -> None:
    """
    Fold one record of `control` or `control.halt`; others are passed over.

    Args:
        start_mode: the environment's mode; whether a second person is needed depends on it.

    """
    match event:
        case TradingHalted():
            _add(control, _kill(event, offset, appended_ns))
        case TradingDemoted():
            _add(control, _demotion(event, offset, appended_ns))
        case ProposalSigned():
            try:
                voices = _hear(control, event, people, appended_ns=appended_ns)
                _apply_if_due(control, voices, offset, start_mode=start_mode)
            except _VoidError as void:
                _ignore(control, f"control@{offset}", str(void))
        case _:
            return


def needed_persons(control: Control, proposal: Proposal, start_mode: TradingMode) -> int:
    """Say how many persons must sign: two where it goes back towards risk in trickle or live."""
    return 2 if _is_risky(control, proposal, start_mode) else 1


def _is_risky(control: Control, proposal: Proposal, start_mode: TradingMode) -> bool:
    if isinstance(proposal, ResumeTrading):
        # The nameless one stands for the accounts of which nobody has said anything.
        accounts = {*control.modes, AccountId("")}
        return any(control.said_mode(account, start_mode) in _RISKY for account in accounts)
    before = control.said_mode(proposal.account, start_mode)
    if isinstance(proposal, SetLimits):
        known = control.limit_values(proposal.account, proposal.strategy)
        return before in _RISKY and bool(loosened(known, proposal.limits))
    after = strictest((start_mode, proposal.mode))
    word = control.modes.get(proposal.account)
    ramp_before = _RAMP_PCT_MAX if word is None else word.volume_ramp_pct
    is_looser = _MODES.index(after) > _MODES.index(before)
    return after in _RISKY and (is_looser or proposal.volume_ramp_pct > ramp_before)


def loosened(before: LimitValues, after: LimitValues) -> tuple[str, ...]:
    """Name the limits that a change loosens; readers compute it, writers never say it (S6)."""
    return tuple(
        name
        for name in LimitValues.__dataclass_fields__
        if _is_looser(name, getattr(before, name), getattr(after, name))
    )


def _is_looser(name: str, before: object, after: object) -> bool:
    if before is None:
        # Nothing was set: whatever comes can only add a cap (of two the stricter wins).
        return False
    if after is None:
        return True
    if isinstance(before, tuple) and isinstance(after, tuple):
        return not set(after) <= set(before)
    assert isinstance(before, int | Decimal)
    assert isinstance(after, int | Decimal)
    return after < before if name in _LARGER_IS_STRICTER else after > before


def _add(control: Control, halt: Halt) -> None:
    control.halts[halt_name(halt.halt, halt.offset)] = halt


def _kill(event: TradingHalted, offset: int, appended_ns: int) -> Halt:
    return Halt(
        halt=event.halt,
        offset=offset,
        account=event.account,
        is_kill=True,
        source=event.source,
        by=event.by,
        reason=event.reason,
        appended_ns=appended_ns,
    )


def _demotion(event: TradingDemoted, offset: int, appended_ns: int) -> Halt:
    return Halt(
        halt=event.halt,
        offset=offset,
        account=event.account,
        is_kill=False,
        mode=event.mode,
        orders_per_minute_max=event.orders_per_minute_max,
        concurrency_max=event.concurrency_max,
        source=event.source,
        by=event.by,
        reason=event.reason,
        appended_ns=appended_ns,
    )


class _VoidError(Exception):
    """Why a signature or a proposal does not count."""


def _hear(control: Control, said: ProposalSigned, people: People, *, appended_ns: int) -> Voices:
    """Count one signature; raises _VoidError where it does not count."""
    body = said.proposal.encode()
    if not people.has_signed(said.person, body, said.signature):
        raise _VoidError(f"no valid signature of {said.person!r}")
    proposal = _proposal(body)
    if proposal.log_epoch != people.log_epoch:
        raise _VoidError("for another log")
    voices = control.proposals.setdefault(proposal_id(body), Voices(said.proposal, appended_ns))
    while len(control.proposals) > _PROPOSALS_MAX:
        del control.proposals[next(iter(control.proposals))]
    if appended_ns >= min(proposal.expires_ns, voices.since_ns + PROPOSAL_LIFE_NS_MAX):
        raise _VoidError("expired before it was approved")
    if voices.applied_at is not None:
        raise _VoidError(f"in force since {voices.applied_at}")
    if said.person in voices.persons:
        raise _VoidError(f"{said.person} has signed it before")
    voices.persons.append(said.person)
    return voices


def _proposal(body: bytes) -> Proposal:
    try:
        found = decode(body)
    except MalformedError as error:
        raise _VoidError(f"not a proposal: {error}") from None
    if not isinstance(found, Proposal):
        raise _VoidError("not a proposal")
    return found


def _apply_if_due(
    control: Control, voices: Voices, offset: int, *, start_mode: TradingMode
) -> None:
    proposal = _proposal(voices.body.encode())
    if len(voices.persons) >= needed_persons(control, proposal, start_mode):
        _apply(control, proposal, offset)
        voices.applied_at = offset


def _apply(control: Control, proposal: Proposal, offset: int) -> None:
    match proposal:
        case ResumeTrading():
            control.cleared.update(
                {halt_name(one.halt, one.offset): offset for one in proposal.halts}
            )
            control.resume_offset = offset
        case SetMode():
            if not 1 <= proposal.volume_ramp_pct <= _RAMP_PCT_MAX:
                raise _VoidError(f"volume_ramp_pct {proposal.volume_ramp_pct} is not 1 to 100")
            word = ModeWord(proposal.mode, proposal.volume_ramp_pct, offset)
            control.modes[proposal.account] = word
        case SetLimits():
            known = control.limits_version(proposal.account, proposal.strategy)
            if proposal.version != known + 1:
                raise _VoidError(f"version {proposal.version} does not follow {known}")
            problems = absurd(proposal.limits)
            if problems:
                raise _VoidError("; ".join(problems))
            key = limits_key(proposal.account, proposal.strategy)
            control.limits[key] = LimitsWord(proposal.version, proposal.limits, offset)


def absurd(limits: LimitValues) -> tuple[str, ...]:
    """Name what makes no sense in limits, alone or together."""
    problems = [
        f"{name} is {value}, it must be above 0"
        for name in LimitValues.__dataclass_fields__
        if isinstance(value := getattr(limits, name), int | Decimal) and value <= 0
    ]
    order, exposure = limits.order_notional_usd_max, limits.exposure_usd_max
    if order is not None and exposure is not None and order > exposure:
        problems.append(f"one order of {order} USD would pass the exposure of {exposure} USD")
    for name in ("drawdown_pct_max", "price_collar_pct_max"):
        value = getattr(limits, name)
        if value is not None and value >= _RAMP_PCT_MAX:
            problems.append(f"{name} is {value}, it must be below {_RAMP_PCT_MAX}")
    return tuple(problems)


def strictest(modes: Iterable[TradingMode]) -> TradingMode:
    """Give the strictest of some modes; paper for none."""
    return min(modes, key=_MODES.index, default=TradingMode.PAPER)


def _ignore(control: Control, where: str, why: str) -> None:
    control.ignored[where] = why
    while len(control.ignored) > _IGNORED_MAX:
        del control.ignored[next(iter(control.ignored))]
