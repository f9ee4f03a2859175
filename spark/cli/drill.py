"""
`spark drill`: what must hold when it matters, tried on a stack of its own.
"""

import asyncio
from pathlib import Path
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


@app.command("audit")
def audit(
    *,
    mutations: Annotated[int, typer.Option(min=15, max=1_000_000, help="Changes tried.")] = 2_000,
    seed: Annotated[int, typer.Option(help="The same gives the same changes.")] = 1,
    file: Annotated[
        Path | None, typer.Option(help="An exported trail's lines, instead of made ones.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Change an audit trail in every way; ends with 8 where a change is not found, or misnamed.
    """
    from spark.bench.audit_mutations import Campaign, is_clean, run_campaign, summary_of
    from spark.bench.audit_trail import read_trail

    records = () if file is None else tuple(read_trail(file))
    campaign = Campaign(mutations=mutations, seed=seed, records=records)
    rows = run_campaign(campaign, say)
    if as_json:
        print_json(summary_of(rows, campaign))
    else:
        print_line(f"{'kind':<26} {'count':>7} {'found':>7} {'named':>7} {'by key alone':>13}")
        for row in rows:
            figures = f"{row.count:>7} {row.found:>7} {row.named:>7} {row.by_key_alone:>13}"
            print_line(f"{row.kind:<26} {figures}")
    raise typer.Exit(ExitCode.OK if is_clean(rows) else ExitCode.GATE)


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


@app.command("secrets")
def secrets_(
    *,
    seconds: Annotated[float, typer.Option(min=5, max=86_400, help="Orders for so long.")] = 60.0,
    rate: Annotated[float, typer.Option(min=1, help="Intents a second.")] = 50.0,
    as_json: JsonOption = False,
) -> None:
    """
    Search every log, topic, table, page and process for secrets; ends with 8 where one is found.
    """
    from spark.bench.secrets import SecretsDrill
    from spark.cli.bench_stacks import drill_for_secrets

    drill = SecretsDrill(seconds=seconds, rate=rate)
    found = asyncio.run(drill_for_secrets(drill, say))
    print_figures(found.result(), as_json=as_json)
    raise typer.Exit(ExitCode.OK if found.is_clean else ExitCode.GATE)


@app.command("broker")
def broker(
    *,
    minutes: Annotated[float, typer.Option(min=0.1, max=1440, help="How long.")] = 10.0,
    every: Annotated[float, typer.Option(min=8, help="Seconds between two ends of it.")] = 20.0,
    seed: Annotated[int, typer.Option(help="Of orders and ends; the same gives the same.")] = 1,
    rate: Annotated[float, typer.Option(min=0.1, help="Intents a second, over all.")] = 60.0,
    venue: VenueOption = VenueChoice.ALL,
    keep_failed: Annotated[bool, typer.Option(help="Keep a failed stack's home.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Kill the broker again and again under load; ends with 8 where anything was lost or doubled.
    """
    from spark.bench.broker import BrokerDrill
    from spark.cli.bench_stacks import drill_brokers

    drill = BrokerDrill(
        seconds=minutes * _S_PER_MIN,
        every_s=every,
        seed=seed,
        rate=rate,
        venues=chosen_venues(venue),
        is_failed_kept=keep_failed,
    )
    found = asyncio.run(drill_brokers(drill, say))
    print_figures(found.result(), as_json=as_json)
    raise typer.Exit(ExitCode.OK if found.is_clean else ExitCode.GATE)


@app.command("crash")
def crash(
    *,
    rounds: Annotated[int, typer.Option(min=1, max=10_000, help="At most.")] = 60,
    seed: Annotated[int, typer.Option(help="Of all that is done; the same does the same.")] = 1,
    minutes_max: Annotated[
        float | None, typer.Option(min=0.1, help="No further round is begun after that.")
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="TARGET", help="A process, a server, a point or a fault; repeatable."),
    ] = None,
    each: Annotated[bool, typer.Option(help="Rounds that come by every place once.")] = False,
    venue: VenueOption = VenueChoice.ALL,
    matrix: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Write what was done, where, and what became of it."),
    ] = None,
    add: Annotated[
        bool, typer.Option("--add", help="Add to what the matrix counts already.")
    ] = False,
    keep_failed: Annotated[bool, typer.Option(help="Keep a failed stack's home.")] = False,
    planted: Annotated[
        bool, typer.Option(help="Send one order twice, past Spark: it must be found.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Kill, stop and cut off everything under load; ends with 8 where anything was lost or doubled.
    """
    from spark.bench.crash.drill import CrashDrill
    from spark.bench.crash.rooms import enter_rooms
    from spark.cli.bench_stacks import bring_jars, drill_crashes, write_matrix

    drill = CrashDrill(
        rounds=rounds,
        seed=seed,
        venues=chosen_venues(venue),
        minutes_max=minutes_max,
        only=frozenset(only or ()),
        is_each_once=each,
        is_failed_kept=keep_failed,
        is_planted=planted,
    )
    bring_jars()
    rooms = enter_rooms()
    tally = asyncio.run(drill_crashes(drill, rooms, say))
    if matrix is not None:
        write_matrix(matrix, drill.command(tally.rounds), tally, is_added=add)
    print_figures(tally.result(), as_json=as_json)
    raise typer.Exit(ExitCode.OK if tally.is_clean else ExitCode.GATE)
