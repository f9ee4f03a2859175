"""
`spark mode`: what may be sent; show it for each account, ask for another one.
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
from spark.names import TradingMode

if TYPE_CHECKING:
    from spark.cli.mode_desk import ModeRow
    from spark.cli.words_desk import Outcome

app = typer.Typer(no_args_is_help=True, help="Show and change the trading mode.")


@app.command()
def show(*, as_json: JsonOption = False) -> None:
    """
    Show the mode of each account: environment, people, protections, and what is in force.
    """
    rows = asyncio.run(_rows())
    if as_json:
        print_json({"accounts": [_row_object(row) for row in rows]})
        return
    for row in rows:
        _print_row(row)


@app.command("set")
def set_mode(
    mode: Annotated[TradingMode, typer.Argument()],
    *,
    reason: ReasonOption,
    ramp: Annotated[
        int | None,
        typer.Option("--ramp", metavar="PCT", help="Part of the caps in mode live, 1 to 100."),
    ] = None,
    account: AccountOption = DEFAULT_ACCOUNT,
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Ask for a mode; the environment and protections can only be stricter, never looser.
    """
    from spark.cli.words_desk import known_account
    from spark.cli.words_lines import print_outcome

    where = known_account(account)
    outcome, row = asyncio.run(
        _set(person, where, (mode, ramp), reason=reason, is_sure=yes, wait_s=timeout)
    )
    code = print_outcome(outcome, as_json=as_json, extra={"account": _row_object(row)})
    if not as_json:
        _print_row(row)
    raise typer.Exit(code)


async def _rows() -> "list[ModeRow]":
    from spark.cli.mode_desk import mode_rows
    from spark.cli.words_desk import desk

    async with desk(LOCAL_PERSON) as at:
        return mode_rows(await at.look())


async def _set(
    person: str,
    account: str,
    wanted: tuple[TradingMode, int | None],
    *,
    reason: str,
    is_sure: bool,
    wait_s: float,
) -> "tuple[Outcome, ModeRow]":
    from spark.cli.mode_desk import draft_mode, mode_row
    from spark.cli.words_desk import confirm, desk
    from spark.cli.words_lines import proposal_lines
    from spark.events import LimitValues
    from spark.names import AccountId

    async with desk(person) as at:
        draft = await draft_mode(at, AccountId(account), wanted[0], ramp=wanted[1], reason=reason)
        for line in proposal_lines(draft.proposal, draft.sight, LimitValues()):
            say(line)
        say("needs a second person" if draft.needed > 1 else "one person is enough")
        if draft.is_looser:
            confirm(f"Go to {wanted[0]}?", is_sure=is_sure)
        outcome = await at.propose(draft.proposal, wait_s=wait_s)
        return outcome, mode_row(outcome.sight, AccountId(account))


def _row_object(row: "ModeRow") -> dict[str, object]:
    return {
        "account": row.account,
        "in_force": row.in_force.value,
        "environment": None if row.environment is None else row.environment.value,
        "people": None if row.people is None else row.people.value,
        "protections": list(row.protections),
        "volume_ramp_pct": row.volume_ramp_pct,
        "environment_ramp_pct": row.environment_ramp_pct,
        "people_ramp_pct": row.people_ramp_pct,
        "kills": list(row.kills),
    }


def _print_row(row: "ModeRow") -> None:
    said = {
        "environment": row.environment,
        "people": row.people,
    }
    parts = [f"{name} {'said nothing' if mode is None else mode}" for name, mode in said.items()]
    parts.append(f"protections {', '.join(row.protections) or 'none'}")
    ramp = "" if row.volume_ramp_pct is None else f", ramp {row.volume_ramp_pct} %"
    print_line(f"{row.account}  {row.in_force.upper()}{ramp}  ({' · '.join(parts)})")
    for kill in row.kills:
        print_line(f"  killed by {kill}")
