"""
`spark up` and `spark down`.
"""

import os
import sys
from dataclasses import asdict
from typing import Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.exit_codes import ExitCode
from spark.cli.options import VenueOption, chosen_venues
from spark.cli.output import JsonOption, print_json, say
from spark.embedded.screen_stream import Progress

ForOption = Annotated[
    float | None,
    typer.Option("--for", parser=parse_duration, metavar="SPAN", help="End after 30s, 5m, 1h."),
]
EphemeralOption = Annotated[
    bool, typer.Option("--ephemeral", help="Keep the data in a temporary directory only.")
]
ProgressOption = Annotated[
    Progress, typer.Option(help="auto: a table in a terminal, lines elsewhere.")
]
ProcessesOption = Annotated[
    str, typer.Option(metavar="A,B", help="Start only these Spark processes.")
]
LimitsOption = Annotated[
    bool, typer.Option("--limits/--no-limits", help="Let the simulator enforce rate limits.")
]
SeedOption = Annotated[int, typer.Option(help="Seed of the simulator's own market.")]


def up(
    *,
    for_s: ForOption = None,
    ephemeral: EphemeralOption = False,
    progress: ProgressOption = Progress.AUTO,
    processes: ProcessesOption = "",
    venue: VenueOption = None,
    limits: LimitsOption = False,
    seed: SeedOption = 42,
    as_json: JsonOption = False,
) -> None:
    """
    Start Kafka, PostgreSQL, a simulator of each exchange and every Spark process.
    """
    from spark.cli.launch import launch
    from spark.embedded.plan import SimulatorOptions
    from spark.embedded.session import Ending

    lived = launch(
        processes,
        SimulatorOptions(is_limited=limits, seed=seed),
        venues=chosen_venues(venue),
        for_s=for_s,
        is_ephemeral=ephemeral,
        progress=progress,
        has_object=as_json,
    )
    if as_json:
        summary = None if lived.summary is None else asdict(lived.summary)
        print_json({"ending": lived.ending.name.lower(), "summary": summary})
    if lived.ending is Ending.INTERRUPTED:
        _leave(ExitCode.INTERRUPTED)


def down(
    *,
    purge: Annotated[bool, typer.Option("--purge", help="Remove its data too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Stop the running stack.
    """
    from spark.cli.launch import bring_down

    ended = bring_down(is_purged=purge)
    if as_json:
        print_json({"was_running": ended.was_running, "ended": ended.names, "purged": purge})
    else:
        say(ended.text())


def _leave(code: ExitCode) -> None:
    """
    End now: a download that hangs would otherwise be waited for.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
