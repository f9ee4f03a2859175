"""
Proposals, halts and limits as a person reads them, and as `--json` prints them.
"""

from decimal import Decimal
from typing import TYPE_CHECKING, Final

from spark.cli.exit_codes import ExitCode
from spark.cli.output import print_json, print_line
from spark.codec import decimal_text
from spark.events import (
    AcceptDifference,
    HaltName,
    LimitValues,
    Proposal,
    ResolveUnknown,
    ResumeTrading,
    SetBreaker,
    SetLimits,
    SetMode,
)
from spark.ledger.control_state import OUTSIDE, Halt, halt_name
from spark.ledger.limit_sense import LIMIT_NAMES, changed, loosened

if TYPE_CHECKING:
    from spark.cli.words_desk import Outcome, Sight
    from spark.ops.control_reader import Word

#: What `spark approve` is given of a proposal's name.
ID_CHARS: Final = 12
_NS_PER_S: Final = 1_000_000_000
_S_PER_MIN: Final = 60
_S_PER_H: Final = 3600
_S_PER_DAY: Final = 86_400


def printable(text: str) -> str:
    """Show what somebody else wrote; nothing of it moves the cursor."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def span(ns: int) -> str:
    """Write a span of time in one unit."""
    seconds = max(0, ns) // _NS_PER_S
    for unit, size in (("d", _S_PER_DAY), ("h", _S_PER_H), ("min", _S_PER_MIN)):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def limit_text(value: object) -> str:
    """Write one limit's value; a dash for none."""
    if value is None:
        return "-"
    if isinstance(value, Decimal):
        return decimal_text(value)
    if isinstance(value, tuple | frozenset | list):
        return ",".join(sorted(value)) or "nothing"
    return str(value)


def limit_changes(before: LimitValues, after: LimitValues) -> list[dict[str, object]]:
    """List what a version of limits changes, and whether each is looser or tighter."""
    looser = set(loosened(before, after))
    return [
        {
            "limit": name,
            "before": limit_json(getattr(before, name)),
            "after": limit_json(getattr(after, name)),
            "direction": "looser" if name in looser else "tighter",
        }
        for name in changed(before, after)
    ]


def change_line(change: dict[str, object]) -> str:
    """Write what one limit becomes."""
    before, after = (limit_text(change[key]) for key in ("before", "after"))
    return f"  {change['limit']}  {before} → {after}  ({change['direction']})"


def limit_json(value: object) -> object:
    """Give one limit's value as JSON holds it: decimals as text."""
    if value is None or isinstance(value, int):
        return value
    return sorted(value) if isinstance(value, tuple | frozenset) else limit_text(value)


def limits_object(values: LimitValues) -> dict[str, object]:
    """List the limits that are set."""
    return {
        name: limit_json(value)
        for name in LIMIT_NAMES
        if (value := getattr(values, name)) is not None
    }


def scope(account: str, strategy: str) -> str:
    """Name whose limits are meant."""
    return f"{account}, {strategy}" if strategy else account


def proposal_lines(proposal: Proposal, sight: "Sight", before: LimitValues) -> list[str]:
    """Say in words what a proposal would do."""
    return [*_effect_lines(proposal, sight, before), f"reason: {printable(proposal.reason)}"]


def proposal_object(proposal: Proposal, before: LimitValues) -> dict[str, object]:
    """Turn a proposal into what `--json` prints."""
    about: dict[str, object] = {
        "kind": proposal.type,
        "reason": proposal.reason,
        "proposed_by": proposal.proposed_by,
        "created_ns": proposal.created_ns,
        "expires_ns": proposal.expires_ns,
    }
    match proposal:
        case ResumeTrading():
            halts = [{"halt": one.halt, "offset": one.offset} for one in proposal.halts]
            return about | {"halts": halts}
        case SetMode():
            return about | {
                "account": proposal.account,
                "mode": proposal.mode.value,
                "volume_ramp_pct": proposal.volume_ramp_pct,
            }
        case SetLimits():
            return about | {
                "account": proposal.account,
                "strategy": proposal.strategy,
                "version": proposal.version,
                "limits": limits_object(proposal.limits),
                "changes": limit_changes(before, proposal.limits),
            }
        case SetBreaker():
            return about | {"account": proposal.account, "state": proposal.state}
        case ResolveUnknown():
            named = proposal.client_order_id
            return about | {"account": proposal.account, "client_order_id": named}
        case AcceptDifference():
            return about | {"account": proposal.account, "difference": proposal.difference}


def word_object(word: "Word", state: str, needed: int) -> dict[str, object]:
    """Turn a proposal with its signatures into what `--json` prints."""
    return {
        "id": word.proposal_id[:ID_CHARS],
        "state": state,
        "signed_by": [one.person for one in word.signatures],
        "since_ns": word.signatures[0].appended_ns,
        "persons_needed": needed,
        "control_offset": word.applied_at,
        "proposal": proposal_object(word.proposal, word.before),
    }


def print_outcome(outcome: "Outcome", *, as_json: bool, extra: dict[str, object]) -> ExitCode:
    """
    Print what became of a signature.

    Returns: how the command ends.
    """
    code = _code(outcome)
    if as_json:
        about = word_object(outcome.word, outcome.state, outcome.needed)
        print_json(about | {"obeyed_by": outcome.obeyed_by, "awaited": outcome.awaited, **extra})
        return code
    identity = outcome.word.proposal_id[:ID_CHARS]
    if code is ExitCode.WAITING:
        left_ns = outcome.word.proposal.expires_ns - outcome.sight.now_ns
        print_line(f"waits for a second person, for {span(left_ns)}:")
        print_line(f"  spark approve {identity} --as {_other_person(outcome)}")
        return code
    by = ", ".join(outcome.obeyed_by) or "no process has said so"
    print_line(f"in force since control@{outcome.word.applied_at}; obeyed by {by}")
    if outcome.awaited:
        print_line(f"not yet heard of: {', '.join(outcome.awaited)}")
    return code


def halt_line(halt: Halt, now_ns: int) -> str:
    """Describe a halt that is on the log."""
    kind = "kill" if halt.is_kill else f"demotion to {_demotion(halt)}"
    whose = printable(halt.account) or "every account"
    said = f"{printable(halt.by)} by {halt.source}, {span(now_ns - halt.appended_ns)} ago"
    name = printable(halt_name(halt.halt, halt.offset))
    return f"{kind} {name} of {whose}; {said}: {printable(halt.reason)}"


def _code(outcome: "Outcome") -> ExitCode:
    if outcome.state == "waits":
        return ExitCode.WAITING
    return ExitCode.UNAVAILABLE if outcome.awaited else ExitCode.OK


def _other_person(outcome: "Outcome") -> str:
    signed = {one.person for one in outcome.word.signatures}
    others = sorted(outcome.sight.log.people.names - signed)
    return others[0] if len(others) == 1 else "PERSON"


def _demotion(halt: Halt) -> str:
    parts = {
        "mode": halt.mode,
        "orders a minute": halt.orders_per_minute_max,
        "in flight": halt.concurrency_max,
    }
    return ", ".join(f"{name} {value}" for name, value in parts.items() if value is not None)


def _effect_lines(proposal: Proposal, sight: "Sight", before: LimitValues) -> list[str]:
    match proposal:
        case ResumeTrading():
            halts = [f"  {_halt_line(one, sight)}" for one in proposal.halts]
            return [f"resume trading after {len(halts)} halt(s), and no other:", *halts]
        case SetMode():
            return [_mode_line(proposal, sight)]
        case SetLimits():
            whose = printable(scope(proposal.account, proposal.strategy))
            changes = [change_line(one) for one in limit_changes(before, proposal.limits)]
            return [f"limits of {whose}, version {proposal.version}:", *changes]
        case SetBreaker():
            state = proposal.state or "left to itself"
            return [f"circuit breaker of {printable(proposal.account)}: {state}"]
        case ResolveUnknown():
            what = printable(proposal.client_order_id)
            return [f"hold {what} of {printable(proposal.account)} for never placed"]
        case AcceptDifference():
            what = printable(proposal.difference)
            return [f"take difference {what} of {printable(proposal.account)} for explained"]


def _halt_line(named: HaltName, sight: "Sight") -> str:
    if named.offset == OUTSIDE:
        return f"kill {printable(named.halt)}, outside the log"
    halt = sight.log.control.halts.get(halt_name(named.halt, named.offset))
    if halt is None:
        return f"{printable(halt_name(named.halt, named.offset))}, WHICH IS NOT ON THE LOG"
    return halt_line(halt, sight.now_ns)


def _mode_line(proposal: SetMode, sight: "Sight") -> str:
    control = sight.log.control
    mode = control.said_mode(proposal.account, sight.start_mode)
    word = control.modes.get(proposal.account)
    ramp = "not said" if word is None else f"{word.volume_ramp_pct} %"
    return (
        f"mode of {printable(proposal.account)}: {mode} → {proposal.mode}, "
        f"ramp {ramp} → {proposal.volume_ramp_pct} %"
    )
