"""
`spark unknown`: orders that were sent and have no outcome; nothing sends them again.
"""

import asyncio
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.options import LOCAL_PERSON, AsOption, ObeyedOption, ReasonOption, YesOption
from spark.cli.output import JsonOption, print_json, print_line

if TYPE_CHECKING:
    from spark.cli.reconcile_desk import UnknownRow
    from spark.cli.words_desk import Outcome

app = typer.Typer(no_args_is_help=True, help="Show and resolve orders without an outcome.")

OrderArgument = Annotated[str, typer.Argument(metavar="CLIENT_ORDER_ID")]


@app.command("list")
def list_unknown(*, as_json: JsonOption = False) -> None:
    """
    List the orders without an outcome, oldest first, with what was searched for them.
    """
    rows = asyncio.run(_rows())
    if as_json:
        print_json({"unknown": [asdict(row) for row in rows]})
        return
    if not rows:
        print_line("none")
    for row in rows:
        _print_row(row)


@app.command()
def show(order: OrderArgument, *, as_json: JsonOption = False) -> None:
    """
    Show one of them.
    """
    from spark.errors import NotRunningError

    row = next((row for row in asyncio.run(_rows()) if row.client_order_id == order), None)
    if row is None:
        raise NotRunningError(f"no order {order} is without an outcome")
    if as_json:
        print_json(asdict(row))
        return
    _print_row(row)
    print_line(f"  intent {row.intent_id}; its life: spark order show {row.intent_id}")


@app.command()
def resolve(
    order: OrderArgument,
    *,
    reason: ReasonOption,
    yes: YesOption = False,
    timeout: ObeyedOption = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Say that it counts as never placed; evidence that comes later reopens it.
    """
    from spark.cli.words_lines import print_outcome

    outcome = asyncio.run(_resolve(person, order, reason=reason, is_sure=yes, wait_s=timeout))
    raise typer.Exit(print_outcome(outcome, as_json=as_json, extra={"client_order_id": order}))


async def _rows() -> "list[UnknownRow]":
    from spark.cli.reconcile_desk import unknown_rows
    from spark.cli.words_desk import desk

    async with desk(LOCAL_PERSON) as at:
        return await unknown_rows(at, await at.look())


async def _resolve(
    person: str, order: str, *, reason: str, is_sure: bool, wait_s: float
) -> "Outcome":
    from spark.cli.reconcile import say_draft
    from spark.cli.reconcile_desk import draft_resolve
    from spark.cli.words_desk import desk

    async with desk(person) as at:
        draft = await draft_resolve(at, order, reason=reason)
        question = "Count it as never placed? Only where the exchange's own pages show no order."
        return await say_draft(at, draft, question, is_sure=is_sure, wait_s=wait_s)


def _print_row(row: "UnknownRow") -> None:
    print_line(
        f"{row.client_order_id}  {row.account}  {row.symbol}  {row.side} {row.quantity}  "
        f"for {row.age_s} s{'  (persons: never placed)' if row.is_resolved else ''}"
    )
    print_line(f"  searched: {row.searched or 'not yet'}")
