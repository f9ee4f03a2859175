"""
`spark replay-feed`: recorded market frames through the running stack.
"""

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, say


def _speed(text: str) -> float:
    """Read a speed; 0 stands for as fast as it goes."""
    if text == "max":
        return 0.0
    try:
        speed = float(text)
    except ValueError:
        speed = 0.0
    if speed <= 0:
        raise typer.BadParameter(f"{text!r}: times the recorded pace, as 1 or 10, or max")
    return speed


def replay_feed(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A frames.gz file.")],
    *,
    speed: Annotated[
        float, typer.Option(parser=_speed, metavar="N|max", help="Times the recorded pace.")
    ] = "1",  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """
    Let the running stack's simulator play recorded frames, and wait until they are stored.
    """
    from spark.cli.replay_desk import replay

    found = asyncio.run(replay(file, speed or None, say))
    if as_json:
        print_json(found)
    else:
        say(
            f"{found['frames_sent']} frames sent, {found['rows_written']} rows stored "
            f"in {found['seconds']} s, the live market's of other symbols among them"
        )
    raise typer.Exit(ExitCode.OK if found["is_whole"] else ExitCode.UNAVAILABLE)
