"""
What the mode commands do: put together what each said, compose the next word.
"""

from dataclasses import dataclass

from spark.cli.words_desk import Desk, Sight
from spark.cli.words_lines import printable
from spark.errors import RefusedError
from spark.events import SetMode
from spark.ledger.control import needed_persons, problem_of
from spark.ledger.control_state import MODES
from spark.names import AccountId, TradingMode
from spark.producers import words
from spark.topics import ACCOUNT_PARTITION

_RAMP_PCT_MIN = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeRow:
    """An account's mode, and what it comes from."""

    account: AccountId
    in_force: TradingMode
    #: None where no guardrail has said it; then what the stack was started with counts.
    environment: TradingMode | None
    people: TradingMode | None
    #: `mode (halt)` of each demotion in force.
    protections: tuple[str, ...]
    volume_ramp_pct: int | None
    environment_ramp_pct: int | None
    people_ramp_pct: int | None
    kills: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModeDraft:
    """A mode, before anything is said."""

    sight: Sight
    proposal: SetMode
    needed: int
    is_looser: bool


def mode_rows(sight: Sight) -> list[ModeRow]:
    """List every account's mode."""
    return [mode_row(sight, account) for account in ACCOUNT_PARTITION]


def mode_row(sight: Sight, account: AccountId) -> ModeRow:
    """Put together one account's mode."""
    control, start = sight.log.control, sight.start
    word = control.modes.get(account)
    environment_pct = None if start is None else start.volume_ramp_pct
    people_pct = None if word is None else word.volume_ramp_pct
    said = [pct for pct in (environment_pct, people_pct) if pct is not None]
    return ModeRow(
        account=account,
        in_force=control.mode(account, sight.start_mode),
        environment=None if start is None else start.mode,
        people=None if word is None else word.mode,
        protections=tuple(
            f"{halt.mode} ({printable(halt.halt)})"
            for halt in control.demotions(account)
            if halt.mode is not None
        ),
        volume_ramp_pct=min(said, default=None),
        environment_ramp_pct=environment_pct,
        people_ramp_pct=people_pct,
        kills=tuple(printable(kill) for kill in control.kills(account)),
    )


async def draft_mode(
    desk: Desk, account: AccountId, mode: TradingMode, *, ramp: int | None, reason: str
) -> ModeDraft:
    """
    Compose a mode; without a ramp the one that people said last stays, at first the lowest.

    Raises:
        RefusedError: it makes no sense.

    """
    reason = words.checked_reason(reason)
    sight = await desk.look()
    control = sight.log.control
    word = control.modes.get(account)
    before_pct = _RAMP_PCT_MIN if word is None else word.volume_ramp_pct
    proposal = words.set_mode(
        desk.operator,
        account,
        mode,
        ramp_pct=before_pct if ramp is None else ramp,
        reason=reason,
    )
    problem = problem_of(control, proposal)
    if problem:
        raise RefusedError(problem)
    before = control.said_mode(account, sight.start_mode)
    is_more = word is not None and proposal.volume_ramp_pct > word.volume_ramp_pct
    return ModeDraft(
        sight=sight,
        proposal=proposal,
        needed=needed_persons(control, proposal, sight.start_mode),
        is_looser=is_more or MODES.index(mode) > MODES.index(before),
    )
