"""
`spark access`: whether every right is what the tables say, no more and no less.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.ops.access import Walked

_LINES_MAX = 40

app = typer.Typer(no_args_is_help=True, help="Compare rights with the tables of rights.")


@app.callback()
def _root() -> None:
    pass


@app.command("check")
def check(
    *,
    running: Annotated[
        bool, typer.Option("--running", help="Ask the running stack; nothing is tried.")
    ] = False,
    only: Annotated[str, typer.Option(metavar="A,B", help="Of kafka, database, machine.")] = "",
    as_json: JsonOption = False,
) -> None:
    """
    Try every right on a stack of its own; exit 8 where one differs from the tables.
    """
    from spark.cli.access_desk import ask_running, walk_throwaway
    from spark.ops.access import Part

    try:
        parts = tuple(Part(name.strip()) for name in only.split(",")) if only else tuple(Part)
    except ValueError:
        raise typer.BadParameter(f"{only!r}: there are {', '.join(Part)}") from None
    work = ask_running(parts) if running else walk_throwaway(parts, say)
    found = asyncio.run(work)
    if as_json:
        print_json({name: walked.shown() for name, walked in found.items()})
    else:
        for name, walked in found.items():
            _print(name, walked)
    is_well = all(walked.is_as_declared for walked in found.values())
    raise typer.Exit(ExitCode.OK if is_well else ExitCode.GATE)


def _print(name: str, walked: "Walked") -> None:
    if walked.skipped:
        print_line(f"{name}: not walked: {walked.skipped}")
        return
    print_line(
        f"{name}: {walked.cells} cells, {walked.allowed} allowed, {walked.forbidden} forbidden, "
        f"{len(walked.mismatches)} differ"
    )
    for one in walked.mismatches[:_LINES_MAX]:
        cell = one.cell
        print_line(
            f"  {cell.who} · {cell.operation} · {cell.kind} {cell.name}: "
            f"expected {one.expected}, found {one.found}"
        )
