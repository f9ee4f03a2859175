"""
`spark breaker`: the circuit breaker of each account's exchange; show it, hold it, let it go.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.options import (
    LOCAL_PERSON,
    AsOption,
    ObeyedOption,
    ReasonOption,
    YesOption,
)
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.cli.breaker_desk import BreakerRow
    from spark.cli.words_desk import Outcome

app = typer.Typer(no_args_is_help=True, help="Show and set circuit breakers.")

_STATES = "open, closed or auto"


@app.command()
def show(
    account: Annotated[str, typer.Argument(help="Trading account; all by default.")] = "",
    *,
    as_json: JsonOption = False,
) -> None:
    """
    Show circuit breakers: the gateway's state and reason, and what persons want.
    """
    from spark.cli.words_desk import known_account

    rows = asyncio.run(_rows(known_account(account) if account else ""))
    if as_json:
        print_json({"breakers": [_row_object(row) for row in rows]})
        return
    for row in rows:
        _print_row(row)


@app.command("set")
def set_breaker(
    account: Annotated[str, typer.Argument(help="Trading account.")],
    state: Annotated[str, typer.Argument(metavar="open|closed|auto", help="What to hold it at.")],
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Hold a breaker open or closed, or leave it to itself: only opening takes one person in live.
    """
    from spark.cli.breaker_desk import Wanted
    from spark.cli.words_desk import known_account
    from spark.cli.words_lines import print_outcome

    if state not in set(Wanted):
        raise typer.BadParameter(f"{state!r} is none of {_STATES}")
    where = known_account(account)
    outcome = asyncio.run(_set(person, where, state, reason=reason, is_sure=yes, wait_s=timeout))
    extra: dict[str, object] = {"account": where, "wanted": state}
    raise typer.Exit(print_outcome(outcome, as_json=as_json, extra=extra))


async def _rows(account: str) -> "list[BreakerRow]":
    from spark.cli.breaker_desk import breaker_rows
    from spark.cli.words_desk import desk
    from spark.names import AccountId

    async with desk(LOCAL_PERSON) as at:
        return await breaker_rows(at, AccountId(account) if account else None)


async def _set(
    person: str, account: str, state: str, *, reason: str, is_sure: bool, wait_s: float
) -> "Outcome":
    from spark.cli.breaker_desk import Wanted, draft_breaker
    from spark.cli.words_desk import confirm, desk
    from spark.cli.words_lines import proposal_lines
    from spark.events import LimitValues
    from spark.names import AccountId

    async with desk(person) as at:
        draft = await draft_breaker(at, AccountId(account), Wanted(state), reason=reason)
        for line in proposal_lines(draft.proposal, draft.sight, LimitValues()):
            say(line)
        say("needs a second person" if draft.needed > 1 else "one person is enough")
        if Wanted(state) is not Wanted.OPEN:
            confirm("Let places go by it?", is_sure=is_sure)
        return await at.propose(draft.proposal, wait_s=wait_s)


def _row_object(row: "BreakerRow") -> dict[str, object]:
    changed = row.changed
    return {
        "account": row.account,
        "state": row.state.value,
        "wanted": row.wanted.value,
        "cause": None if changed is None else changed.cause,
        "evidence": {} if changed is None else changed.evidence,
        "since_ns": None if changed is None else changed.at_ns,
        "probes_at_ns": row.probes_at_ns or None,
    }


def _print_row(row: "BreakerRow") -> None:
    from datetime import UTC, datetime

    changed = row.changed
    held = "left to itself" if row.wanted == "auto" else f"held {row.wanted} by persons"
    if changed is None:
        print_line(f"{row.account}  {row.state.upper()}  ({held}; it never changed)")
        return
    since = datetime.fromtimestamp(changed.at_ns / 1e9, UTC).isoformat(timespec="seconds")
    counted = ", ".join(f"{name} {value}" for name, value in changed.evidence.items())
    print_line(f"{row.account}  {row.state.upper()} since {since}  ({held}; {changed.cause})")
    print_line(f"  {counted}")
    if row.probes_at_ns:
        probe = datetime.fromtimestamp(row.probes_at_ns / 1e9, UTC).isoformat(timespec="seconds")
        print_line(f"  the first place from {probe} on is its probe")
