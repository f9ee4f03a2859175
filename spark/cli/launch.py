"""
Wires a stack from settings and options; `spark up` imports it when it runs.
"""

import asyncio
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import typer

from spark.cli.order_lines import open_orders
from spark.embedded.home import default_home, default_jar_directory
from spark.embedded.plan import SimulatorOptions, StackOptions, shared_environment, stack_mode
from spark.embedded.processes import BY_NAME, processes_of
from spark.embedded.screen_stream import Progress, choose_screen
from spark.embedded.session import Life, live
from spark.embedded.stack import Stack
from spark.embedded.taking_down import TakenDown, take_down
from spark.names import Venue
from spark.settings import Settings, read_settings


def launch(
    processes: str,
    simulator: SimulatorOptions,
    *,
    venues: tuple[Venue, ...],
    for_s: float | None,
    is_ephemeral: bool,
    progress: Progress,
    has_object: bool,
) -> Life:
    """
    Run a stack until its end.

    Args:
        processes: names with commas between; empty means all.
        venues: exchanges to work with; empty means those of the settings.
        has_object: stdout is kept for the command's one object.

    Raises:
        SparkError: it could not be started.

    """
    settings = read_settings()
    venues = venues or settings.venues.enabled
    chosen = choose_processes(processes, venues)
    screen = choose_screen(sys.stderr if has_object else sys.stdout, progress)
    with _data_place(settings, is_ephemeral=is_ephemeral) as (anchor, home):
        options = replace(
            stack_options(settings, anchor, home, processes=chosen, simulator=simulator),
            venues=venues,
        )

        async def life() -> Life:
            return await live(Stack(options, screen, open_orders=open_orders), for_s=for_s)

        return asyncio.run(life())


def bring_down(*, is_purged: bool) -> TakenDown:
    """
    Stop the running stack.

    Raises:
        SparkError: as take_down.

    """
    return asyncio.run(take_down(default_home(read_settings().process), is_purged=is_purged))


def stack_options(
    settings: Settings,
    anchor: Path,
    home: Path,
    *,
    processes: tuple[str, ...],
    simulator: SimulatorOptions,
) -> StackOptions:
    """Turn settings into one stack's options."""
    return StackOptions(
        name=settings.process.name,
        home=home,
        anchor=anchor,
        is_kept=home == anchor,
        jar_directory=default_jar_directory(settings.process),
        mode=stack_mode(settings),
        kafka_bootstrap=settings.kafka.bootstrap,
        database_url=settings.database.url,
        processes=processes,
        simulator=simulator,
        environment=shared_environment(settings),
    )


def choose_processes(text: str, venues: tuple[Venue, ...]) -> tuple[str, ...]:
    """
    Read a list of processes.

    Raises:
        typer.BadParameter: one does not exist, or belongs to another exchange.

    """
    known = processes_of(venues)
    if not text:
        return known
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in names if name not in BY_NAME]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]!r} is none of {', '.join(BY_NAME)}")
    strange = [name for name in names if name not in known]
    if strange:
        raise typer.BadParameter(f"{strange[0]!r} is of another exchange than {', '.join(venues)}")
    return tuple(name for name in known if name in names)


@contextmanager
def _data_place(settings: Settings, *, is_ephemeral: bool) -> Iterator[tuple[Path, Path]]:
    anchor = default_home(settings.process)
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
