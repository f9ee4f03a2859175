"""
`spark drill`: what must hold when it matters, tried on a stack of its own.
"""

import asyncio
from typing import Annotated, Final

import typer

from spark.cli.bench import print_figures
from spark.cli.exit_codes import ExitCode
from spark.cli.options import VenueChoice, VenueOption, chosen_venues
from spark.cli.output import JsonOption, print_json, print_line, say

_S_PER_MIN: Final = 60

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


@app.command("exchange")
def exchange(
    *,
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="How long.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of orders and faults; the same gives the same.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, help="Intents a second, over all.")] = 20.0,
    venue: VenueOption = VenueChoice.ALL,
    faults: Annotated[bool, typer.Option(help="Let the exchanges misbehave.")] = True,
    as_json: JsonOption = False,
) -> None:
    """
    Orders while the exchanges misbehave; ends with 8 where their ledgers say anything else.
    """
    from spark.bench.exchange import ExchangeDrill, is_clean
    from spark.cli.bench_stacks import drill_exchanges

    drill = ExchangeDrill(
        seconds=minutes * _S_PER_MIN,
        seed=seed,
        rate=rate,
        venues=chosen_venues(venue),
        has_faults=faults,
    )
    found = asyncio.run(drill_exchanges(drill, say))
    print_figures(found, as_json=as_json)
    raise typer.Exit(ExitCode.OK if is_clean(found) else ExitCode.GATE)


@app.command("faults")
def faults_(
    *,
    venue: VenueOption = VenueChoice.ALL,
    as_json: JsonOption = False,
) -> None:
    """
    Each fault of each exchange alone, and what became of an order; ends with 8 where they differ.
    """
    from spark.cli.bench_stacks import drill_each_fault

    found = asyncio.run(drill_each_fault(chosen_venues(venue), say))
    if as_json:
        print_json(found)
    else:
        for row in found["rows"]:
            print_line(" | ".join(str(part) for part in row.values()))
    raise typer.Exit(ExitCode.GATE if found["disagreements"] else ExitCode.OK)
