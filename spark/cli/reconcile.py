"""
`spark reconcile`: what the log and the exchange say of an account, side by side.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spark.cli.options import LOCAL_PERSON, AsOption, ObeyedOption, ReasonOption, YesOption
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.cli.reconcile_desk import Draft
    from spark.cli.words_desk import Desk, Outcome

app = typer.Typer(
    invoke_without_command=True,
    help="Compare log and exchange; take over a difference that is explained.",
)


@app.callback()
def reconcile(
    context: typer.Context,
    *,
    account: Annotated[str, typer.Option(help="Trading account; all by default.")] = "",
    as_json: JsonOption = False,
) -> None:
    """
    Show both sides of orders, fills, balances and positions, and what differs.

    What the exchange says is what the account feed wrote last, with its age.
    """
    if context.invoked_subcommand is not None:
        return
    from spark.cli.words_desk import known_account

    found = asyncio.run(_accounts(known_account(account) if account else ""))
    if as_json:
        print_json({"accounts": found})
        return
    if not found:
        print_line("no account has an order or a feed")
    for one in found:
        _print_account(one)


@app.command()
def accept(
    difference: Annotated[str, typer.Argument(metavar="DIFFERENCE", help="Its id, or its start.")],
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Say that a difference is explained; in trickle and live a second person has to say so, too.
    """
    from spark.cli.words_lines import print_outcome

    outcome = asyncio.run(_accept(person, difference, reason=reason, is_sure=yes, wait_s=timeout))
    raise typer.Exit(print_outcome(outcome, as_json=as_json, extra={"difference": difference}))


async def _accounts(account: str) -> list[dict[str, Any]]:
    from spark.cli.attach import attach
    from spark.cli.reconcile_desk import account_object
    from spark.names import AccountId
    from spark.ops.account_reader import read_accounts

    bus = attach().bus()
    try:
        sights = await read_accounts(bus, AccountId(account) if account else None)
        return [account_object(sight) for sight in sights]
    finally:
        await bus.close()


async def _accept(
    person: str, difference: str, *, reason: str, is_sure: bool, wait_s: float
) -> "Outcome":
    from spark.cli.reconcile_desk import draft_accept
    from spark.cli.words_desk import desk

    async with desk(person) as at:
        draft = await draft_accept(at, difference, reason=reason)
        return await say_draft(at, draft, "Take it over?", is_sure=is_sure, wait_s=wait_s)


async def say_draft(
    at: "Desk", draft: "Draft", question: str, *, is_sure: bool, wait_s: float
) -> "Outcome":
    """Show what is about to be said, ask the person, and say it."""
    from spark.cli.words_desk import confirm
    from spark.cli.words_lines import proposal_lines
    from spark.events import LimitValues

    for line in proposal_lines(draft.proposal, draft.sight, LimitValues()):
        say(line)
    say("needs a second person" if draft.needed > 1 else "one person is enough")
    confirm(question, is_sure=is_sure)
    return await at.propose(draft.proposal, wait_s=wait_s)


def _print_account(found: dict[str, Any]) -> None:
    age = "never compared" if found["age_s"] is None else f"compared {found['age_s']} s ago"
    doubt = f", in doubt: {found['doubt']}" if found["doubt"] else ""
    print_line(f"{found['account']}  {found['state'].upper()}  ({age}{doubt})")
    fills = found["fills"]
    print_line(f"  fills      ours {fills['ours']}  theirs {fills['theirs']}")
    for one in found["orders"]:
        mark = "  ≠" if one["difference"] else ""
        print_line(f"  order      {one['client_order_id']}  {one['symbol']}{mark}")
        print_line(f"             ours {one['ours']}  theirs {one['theirs']}")
    for one in found["foreign_orders"]:
        print_line(f"  foreign    {one['exchange_order_id']}  {one['symbol']}  {one['theirs']}")
    for one in found["balances"]:
        mark = "  ≠" if one["difference"] else ""
        print_line(
            f"  balance    {one['asset']:<6} ours {one['ours']}  theirs {one['theirs']}{mark}"
        )
    for one in found["positions"]:
        held = f"{one['theirs']} {one['asset']}" if one["asset"] else "unknown"
        print_line(f"  position   {one['symbol']}  ours {one['ours']}  account {held}")
    for one in found["differences"]:
        print_line(f"  {one['rule'].upper():<15} {one['kind']}  {one['subject']}  {one['age_s']} s")
        print_line(f"    {one['difference']}  ours: {one['ours']}")
        print_line(f"    {'':<16}  theirs: {one['theirs']}")
