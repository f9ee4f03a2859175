"""
What the limits commands do: read what is in force, compose the next version.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from decimal import Decimal
from typing import Any, Final, get_args, get_type_hints

from spark.cli.words_desk import Desk, Outcome, Sight
from spark.consumers.guardrail_start import limits_in_force
from spark.errors import RefusedError
from spark.events import LimitValues, SetLimits
from spark.guards.limits import Limits
from spark.ledger.control import needed_persons, problem_of
from spark.ledger.limit_sense import LIMIT_NAMES, STRATEGY_LIMITS, absurd, changed, is_symbol
from spark.names import AccountId, Symbol, TradingMode
from spark.ops.control_reader import Word
from spark.producers import words
from spark.quoting import shown
from spark.topics import BY_NAME, INTENTS

#: Plain digits: no exponent, no sign, no words.
_NUMBER: Final = re.compile(r"\d{1,18}(\.\d{1,18})?")
_WHOLE: Final = re.compile(r"\d{1,18}")
#: Takes a limit back, so that the start value is in force again.
NOTHING: Final = "none"
_NS_PER_MS: Final = 1_000_000
#: What the ramp scales in mode live.
_RAMPED: Final = frozenset(
    {
        "order_notional_usd_max",
        "exposure_usd_max",
        "notional_try_per_s_max",
        "orders_per_minute_max",
        "open_orders_max",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRow:
    """One limit: where it starts, what people said, what is in force."""

    name: str
    start: object
    said: object
    in_force: object
    is_scaled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsView:
    """The limits of one scope."""

    account: AccountId
    strategy: str
    version: int
    mode: TradingMode
    volume_ramp_pct: int
    #: False where no guardrail has said its start values: then nothing is in force.
    has_start: bool
    rows: tuple[LimitRow, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """The next version, before anything is said."""

    sight: Sight
    proposal: SetLimits
    before: LimitValues
    needed: int
    #: Limits that change nothing, because their start value is stricter.
    held_back: tuple[str, ...] = ()


def read_assignments(typed: Iterable[str]) -> dict[str, object]:
    """
    Read `KEY=VALUE`s; `none` takes a limit back.

    Raises:
        RefusedError: an unknown limit, one said twice, or no value of its kind.

    """
    found: dict[str, object] = {}
    for word in typed:
        name, equals, text = word.partition("=")
        if not equals or name not in LIMIT_NAMES:
            raise RefusedError(
                f"{shown(word)}: write KEY=VALUE; limits are {', '.join(LIMIT_NAMES)}"
            )
        if name in found:
            raise RefusedError(f"{name} is said twice")
        found[name] = None if text == NOTHING else _value(name, text)
    if not found:
        raise RefusedError(f"say which limits: KEY=VALUE of {', '.join(LIMIT_NAMES)}")
    return found


async def view_limits(desk: Desk, account: AccountId, strategy: str) -> LimitsView:
    """Read the limits of an account, or of a strategy on it."""
    return limits_view(await desk.look(), account, strategy)


def limits_view(sight: Sight, account: AccountId, strategy: str) -> LimitsView:
    """Put together what is in force."""
    control, start = sight.log.control, sight.start
    said = control.limit_values(account, strategy)
    ramp = 100 if start is None else control.volume_ramp_pct(account, start.volume_ramp_pct)
    mode = control.mode(account, sight.start_mode)
    started: Mapping[str, object] = {}
    in_force: Mapping[str, object] = {}
    if start is not None:
        limits = limits_in_force(start, control, account, strategy=strategy)
        # A strategy has no start values: what nobody set for it caps nothing.
        started = {} if strategy else _by_name(start.limits)
        in_force = _fields_of(limits.strategy) if strategy else _by_name(limits)
    is_scaled = mode is TradingMode.LIVE and ramp < 100  # noqa: PLR2004  (per cent)
    return LimitsView(
        account=account,
        strategy=strategy,
        version=control.limits_version(account, strategy),
        mode=mode,
        volume_ramp_pct=ramp,
        has_start=start is not None,
        rows=tuple(
            LimitRow(
                name=name,
                start=started.get(name),
                said=getattr(said, name),
                in_force=in_force.get(name, getattr(said, name)),
                is_scaled=is_scaled and name in _RAMPED,
            )
            for name in LIMIT_NAMES
            if not strategy or name in STRATEGY_LIMITS
        ),
    )


async def draft_limits(
    desk: Desk, account: AccountId, strategy: str, *, said: Mapping[str, object], reason: str
) -> Draft:
    """
    Compose the version that follows the one in force: that one, with what was said.

    Raises:
        RefusedError: it makes no sense, changes nothing, or nobody has this name.

    """
    reason = words.checked_reason(reason)
    writers = BY_NAME[INTENTS].writers
    if strategy and strategy not in writers:
        raise RefusedError(f"no strategy {strategy!r}; there are: {', '.join(sorted(writers))}")
    sight = await desk.look()
    control = sight.log.control
    before = control.limit_values(account, strategy)
    changes: dict[str, Any] = dict(said)
    after = replace(before, **changes)
    problems = absurd(after, strategy)
    if problems:
        raise RefusedError("; ".join(problems))
    if not changed(before, after):
        version = control.limits_version(account, strategy)
        raise RefusedError(f"nothing changes: version {version} says the same")
    proposal = words.set_limits(
        desk.operator,
        account,
        strategy,
        version=control.limits_version(account, strategy) + 1,
        limits=after,
        reason=reason,
    )
    problem = problem_of(control, proposal)
    if problem:
        raise RefusedError(problem)
    needed = needed_persons(control, proposal, sight.start_mode)
    return Draft(
        sight=sight,
        proposal=proposal,
        before=before,
        needed=needed,
        held_back=() if strategy else held_back(sight, after, changed(before, after)),
    )


def held_back(sight: Sight, said: LimitValues, names: Iterable[str]) -> tuple[str, ...]:
    """Name the limits of an account whose start value is stricter than what was said."""
    if sight.start is None:
        return ()
    stricter = _by_name(sight.start.limits.tightened(said, version=0))
    return tuple(
        name
        for name in names
        if name in stricter
        if (value := getattr(said, name)) is not None
        if stricter[name] != (frozenset(value) if isinstance(value, tuple) else value)
    )


async def say_limits(desk: Desk, draft: Draft, *, wait_s: float) -> Outcome:
    """Propose a draft and see whether it comes into force; raises as `Desk.propose`."""
    return await desk.propose(draft.proposal, wait_s=wait_s)


async def limit_words(desk: Desk) -> list[Word]:
    """List every version of limits that came into force, in the order of the log."""
    sight = await desk.look()
    found = [
        word
        for word in sight.log.words.values()
        if word.applied_at is not None and isinstance(word.proposal, SetLimits)
    ]
    return sorted(found, key=lambda word: word.applied_at or 0)


def _value(name: str, text: str) -> object:
    kinds = get_args(get_type_hints(LimitValues)[name])
    if Decimal in kinds:
        if not _NUMBER.fullmatch(text):
            raise RefusedError(f"{name}: {shown(text)} is no number; write digits, as 12.5")
        return Decimal(text)
    if int in kinds:
        if not _WHOLE.fullmatch(text):
            raise RefusedError(f"{name}: {shown(text)} is no whole number")
        return int(text)
    symbols = sorted(part.strip().upper() for part in text.split(",") if part.strip())
    for symbol in symbols:
        if not is_symbol(symbol):
            raise RefusedError(f"{name}: {shown(symbol)} is no symbol")
    return tuple(Symbol(symbol) for symbol in symbols)


def _by_name(limits: Limits) -> dict[str, object]:
    """List limits under the names that people use."""
    named: dict[str, object] = {}
    for name in LIMIT_NAMES:
        own = name.replace("_ms", "_ns")
        if hasattr(limits, own):
            value = getattr(limits, own)
            named[name] = value // _NS_PER_MS if own != name else value
    return named


def _fields_of(values: LimitValues) -> dict[str, object]:
    return {one.name: getattr(values, one.name) for one in fields(values)}
