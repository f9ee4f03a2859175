"""
`spark drill`: what must hold when it matters, tried on a stack of its own.
"""

import asyncio
from typing import Annotated

import typer

from spark.cli.bench import print_figures
from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, say

app = typer.Typer(no_args_is_help=True, help="Try what must hold when it matters.")


@app.callback()
def _root() -> None:
    pass


@app.command("kill")
def kill(
    *,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="Kills, each resumed.")] = 20,
    rate: Annotated[float, typer.Option(min=1, help="Orders a second meanwhile.")] = 200.0,
    as_json: JsonOption = False,
) -> None:
    """
    Kill→last order at the exchange; ends with 8 where an order came after the confirmations.
    """
    from spark.bench.kill import KillDrill
    from spark.cli.bench_stacks import drill_kills

    found = asyncio.run(drill_kills(KillDrill(rounds=rounds, rate=rate), say))
    print_figures(found, as_json=as_json)
    late = found["orders_after_confirm"] or found["orders_after_drained"]
    raise typer.Exit(ExitCode.GATE if late or found["unconfirmed"] else ExitCode.OK)
