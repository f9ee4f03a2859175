"""
`spark up` and `spark down`.
"""

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, say
from spark.embedded.plan import SimulatorOptions, StackOptions, shared_environment, stack_mode
from spark.embedded.processes import BY_NAME, PROCESSES
from spark.embedded.screen_stream import Progress, choose_screen
from spark.settings import Settings, read_settings

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
    limits: LimitsOption = False,
    seed: SeedOption = 42,
    as_json: JsonOption = False,
) -> None:
    """
    Start Kafka, PostgreSQL, an exchange simulator and every Spark process.
    """
    from spark.embedded.session import Ending, Life, live
    from spark.embedded.stack import Stack

    settings = read_settings()
    simulator = SimulatorOptions(is_limited=limits, seed=seed)
    screen = choose_screen(sys.stderr if as_json else sys.stdout, progress)
    with _data_place(settings, is_ephemeral=ephemeral) as (anchor, home):
        options = _options(settings, anchor, home, _chosen(processes), simulator)

        async def life() -> "Life":
            return await live(Stack(options, screen), for_s=for_s)

        lived = asyncio.run(life())
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
    from spark.embedded.taking_down import take_down

    settings = read_settings()
    anchor = _anchor(settings)
    ended = asyncio.run(take_down(anchor, is_purged=purge))
    if as_json:
        print_json({"was_running": ended.was_running, "ended": ended.names, "purged": purge})
    else:
        say(ended.text())


def _options(
    settings: Settings,
    anchor: Path,
    home: Path,
    processes: tuple[str, ...],
    simulator: SimulatorOptions,
) -> StackOptions:
    from spark.embedded.home import default_jar_directory

    return StackOptions(
        name=settings.process.name,
        home=home,
        anchor=anchor,
        jar_directory=default_jar_directory(settings.process),
        mode=stack_mode(settings),
        kafka_bootstrap=settings.kafka.bootstrap,
        database_url=settings.database.url,
        processes=processes,
        simulator=simulator,
        environment=shared_environment(settings),
    )


def _chosen(text: str) -> tuple[str, ...]:
    if not text:
        return tuple(process.name for process in PROCESSES)
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(BY_NAME)}")
    return names


@contextmanager
def _data_place(settings: Settings, *, is_ephemeral: bool) -> Iterator[tuple[Path, Path]]:
    anchor = _anchor(settings)
    if not is_ephemeral:
        yield anchor, anchor
        return
    home = Path(tempfile.mkdtemp(prefix="spark-"))
    # Roles with their own uid have to pass through.
    home.chmod(0o711)
    try:
        yield anchor, home
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _anchor(settings: Settings) -> Path:
    from spark.embedded.home import default_home

    return default_home(settings.process)


def _leave(code: ExitCode) -> None:
    """
    End now: a download that hangs would otherwise be waited for.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
