"""
`spark limits`: what may be risked; show it, change it, tell who changed it when and why.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.options import (
    DEFAULT_ACCOUNT,
    LOCAL_PERSON,
    AccountOption,
    AsOption,
    ObeyedOption,
    ReasonOption,
    YesOption,
)
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.cli.limits_desk import Draft, LimitsView
    from spark.cli.words_desk import Outcome
    from spark.ops.control_reader import Word

app = typer.Typer(no_args_is_help=True, help="Show and change limits.")

StrategyOption = Annotated[str, typer.Option(help="A strategy's own limits, beside the account's.")]


@app.command()
def show(
    *,
    account: AccountOption = DEFAULT_ACCOUNT,
    strategy: StrategyOption = "",
    as_json: JsonOption = False,
) -> None:
    """
    Show limits: start values, what people said, what is in force.
    """
    from spark.cli.words_desk import known_account

    view = asyncio.run(_view(known_account(account), strategy))
    if as_json:
        print_json(_view_object(view))
    else:
        _print_view(view)


@app.command("set")
def set_limits(
    words: Annotated[list[str], typer.Argument(metavar="KEY=VALUE…")],
    *,
    reason: ReasonOption,
    account: AccountOption = DEFAULT_ACCOUNT,
    strategy: StrategyOption = "",
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Change limits; what is not named stays, `none` takes one back to its start value.
    """
    from spark.cli.limits_desk import read_assignments
    from spark.cli.words_desk import known_account
    from spark.cli.words_lines import limit_changes, print_outcome

    said = read_assignments(words)
    scope = (known_account(account), strategy)
    draft, outcome = asyncio.run(
        _set(person, scope, said, reason=reason, is_sure=yes, wait_s=timeout)
    )
    changes = limit_changes(draft.before, draft.proposal.limits)
    extra: dict[str, object] = {"changes": changes, "held_back": draft.held_back}
    raise typer.Exit(print_outcome(outcome, as_json=as_json, extra=extra))


@app.command()
def history(*, as_json: JsonOption = False) -> None:
    """
    List every version of limits: who, when, why, and what changed.
    """
    from spark.cli.words_lines import word_object

    words = asyncio.run(_history())
    if as_json:
        print_json({"versions": [word_object(word, "done", 0) for word in words]})
        return
    for word in words:
        _print_version(word)


async def _view(account: str, strategy: str) -> "LimitsView":
    from spark.cli.limits_desk import view_limits
    from spark.cli.words_desk import desk
    from spark.names import AccountId

    async with desk(LOCAL_PERSON) as at:
        return await view_limits(at, AccountId(account), strategy)


async def _set(
    person: str,
    scope: tuple[str, str],
    said: dict[str, object],
    *,
    reason: str,
    is_sure: bool,
    wait_s: float,
) -> "tuple[Draft, Outcome]":
    from spark.cli.limits_desk import draft_limits, say_limits
    from spark.cli.words_desk import confirm, desk
    from spark.cli.words_lines import proposal_lines
    from spark.ledger.limit_sense import loosened
    from spark.names import AccountId

    async with desk(person) as at:
        draft = await draft_limits(at, AccountId(scope[0]), scope[1], said=said, reason=reason)
        for line in proposal_lines(draft.proposal, draft.sight, draft.before):
            say(line)
        for name in draft.held_back:
            say(f"{name}: the start value is stricter, and stays in force")
        say("needs a second person" if draft.needed > 1 else "one person is enough")
        if loosened(draft.before, draft.proposal.limits):
            confirm("Loosen them?", is_sure=is_sure)
        return draft, await say_limits(at, draft, wait_s=wait_s)


async def _history() -> "list[Word]":
    from spark.cli.limits_desk import limit_words
    from spark.cli.words_desk import desk

    async with desk(LOCAL_PERSON) as at:
        return await limit_words(at)


def _view_object(view: "LimitsView") -> dict[str, object]:
    from spark.cli.words_lines import limit_json

    return {
        "account": view.account,
        "strategy": view.strategy,
        "version": view.version,
        "mode": view.mode.value,
        "volume_ramp_pct": view.volume_ramp_pct,
        "has_start": view.has_start,
        "limits": {
            row.name: {
                "start": limit_json(row.start),
                "said": limit_json(row.said),
                "in_force": limit_json(row.in_force),
                "is_scaled": row.is_scaled,
            }
            for row in view.rows
        },
    }


def _print_view(view: "LimitsView") -> None:
    from spark.cli.words_lines import limit_text, scope

    print_line(
        f"{scope(view.account, view.strategy)} · version {view.version} · mode {view.mode}"
        f" · ramp {view.volume_ramp_pct} %"
    )
    if not view.has_start:
        print_line("no guardrail has said its start values: shown is what people said alone")
    print_line(f"  {'limit':<24} {'start':>16} {'said':>16} {'in force':>16}")
    for row in view.rows:
        values = (row.start, row.said, row.in_force)
        cells = " ".join(f"{limit_text(value):>16}" for value in values)
        scaled = f"  scaled to {view.volume_ramp_pct} %" if row.is_scaled else ""
        print_line(f"  {row.name:<24} {cells}{scaled}")


def _print_version(word: "Word") -> None:
    from datetime import UTC, datetime

    from spark.cli.words_lines import change_line, limit_changes, printable, scope
    from spark.events import SetLimits

    assert isinstance(word.proposal, SetLimits)
    last = word.signatures[-1]
    when = datetime.fromtimestamp(last.appended_ns / 1e9, UTC).isoformat(timespec="seconds")
    who = ", ".join(one.person for one in word.signatures)
    whose = scope(word.proposal.account, word.proposal.strategy)
    print_line(f"{when}  {whose}  version {word.proposal.version}  by {who}")
    print_line(f"  reason: {printable(word.proposal.reason)}")
    for change in limit_changes(word.before, word.proposal.limits):
        print_line(change_line(change))
