"""
What is in force of the words of people and protections: halts, modes, limits. Pure.

Plain values, because a stage keeps them as JSON; control.py folds records into them.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from spark.events import LimitValues
from spark.names import AccountId, BreakerState, StrategyId, TradingMode

#: `offset` of a halt that is not on the log.
OUTSIDE: Final = -1
NO_RESUME: Final = -1
#: An account's name on a halt that stands for every account.
ALL_ACCOUNTS: Final = ""
#: Of the kills that a refusal names, and of each name.
_TOLD_MAX: Final = 20
_TOLD_CHARS_MAX: Final = 200
#: From the strictest on.
MODES: Final = (TradingMode.PAPER, TradingMode.SHADOW, TradingMode.TRICKLE, TradingMode.LIVE)


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
    expires_ns: int
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
class BreakerWord:
    """The state that people want of an account's circuit breaker; None leaves it to itself."""

    state: BreakerState | None
    offset: int


@dataclass(slots=True)
class Control:
    """All that is in force; plain values, because it is kept as JSON."""

    #: By `halt_name`.
    halts: dict[str, Halt] = field(default_factory=dict)
    #: Names of those in force: a decision looks at them, not at all that ever were.
    standing: list[str] = field(default_factory=list)
    #: By `halt_name`: the offset of the resume that cleared it.
    cleared: dict[str, int] = field(default_factory=dict)
    #: By the offset of a resume: when its first signature was appended.
    resumed_ns: dict[int, int] = field(default_factory=dict)
    #: By `proposal_id`.
    proposals: dict[str, Voices] = field(default_factory=dict)
    modes: dict[AccountId, ModeWord] = field(default_factory=dict)
    #: By `limits_key`.
    limits: dict[str, LimitsWord] = field(default_factory=dict)
    #: What people said of circuit breakers.
    breakers: dict[AccountId, BreakerWord] = field(default_factory=dict)
    #: By client order id: unknowns that people hold for never placed, with the word's offset.
    resolved: dict[str, int] = field(default_factory=dict)
    #: By difference: those that people take for explained, with the word's offset.
    accepted: dict[str, int] = field(default_factory=dict)
    #: The last resume in force; an approval made under an older one is void (S9).
    resume_offset: int = NO_RESUME
    #: Topic -> offset -> why that record says nothing; the latest ones of each topic.
    ignored: dict[str, dict[int, str]] = field(default_factory=dict)
    #: Topic -> next offset to fold; what comes again below it changes nothing.
    next_offsets: dict[str, int] = field(default_factory=dict)
    #: The latest append time on `control`: a clock that jumps back revives no proposal.
    latest_ns: int = 0
    #: Whose signatures and which start mode it was judged by; by others it is folded anew.
    judge: str = ""

    def kills(self, account: AccountId) -> tuple[str, ...]:
        """Name the kills in force for an account."""
        return tuple(one.halt for one in self.halts_in_force(account) if one.is_kill)

    def all_kills(self) -> tuple[str, ...]:
        """Name the kills in force for any account."""
        return tuple(one.halt for one in self.halts_in_force() if one.is_kill)

    def demotions(self, account: AccountId) -> list[Halt]:
        """List the demotions in force for an account."""
        return [one for one in self.halts_in_force(account) if not one.is_kill]

    def halts_in_force(self, account: AccountId | None = None) -> list[Halt]:
        """List what holds an account back, or, without one, any account."""
        found = (self.halts[name] for name in self.standing)
        return [one for one in found if account is None or one.account in {ALL_ACCOUNTS, account}]

    def is_cleared(self, name: str) -> bool:
        """Tell whether a resume in force named this halt and could know it, by `halt_name`."""
        halt, resume = self.halts[name], self.cleared.get(name)
        # A resume that was signed before the halt was said cannot have meant it.
        return resume is not None and halt.appended_ns <= self.resumed_ns[resume]

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


def named(kills: Sequence[str]) -> str:
    """
    Name kills in a refusal: the first of them, cut, and how many there are besides.

    Whoever may kill chooses the names and how many; a decision is a record all the same (R20).
    """
    told = [kill[:_TOLD_CHARS_MAX] for kill in kills[:_TOLD_MAX]]
    more = len(kills) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")


def halt_name(halt: str, offset: int) -> str:
    """Key one halt: an id said again later is another halt (S6)."""
    return f"{halt}@{offset}"


def limits_key(account: AccountId, strategy: StrategyId | str) -> str:
    """Key a scope of limits."""
    return f"{account} {strategy}"


def strictest(modes: Iterable[TradingMode]) -> TradingMode:
    """Give the strictest of some modes; paper for none."""
    return min(modes, key=MODES.index, default=TradingMode.PAPER)
