"""
Asks a running stack's simulator for recorded frames: a file that it is started by.

The supervisor reads the request at each start of the simulator; whoever wrote it
ends the simulator once, and the supervisor starts it again at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

from spark.embedded.home import Home

_FILE: Final = "replay.json"


@dataclass(frozen=True, slots=True)
class Replay:
    """Recordings, and how fast they are played."""

    files: tuple[Path, ...]
    #: Times their own pace; None is as fast as they are taken.
    speed: float | None

    @property
    def options(self) -> tuple[str, ...]:
        """Say it in the simulator's options; nothing without a recording."""
        if not self.files:
            return ()
        files = [part for file in self.files for part in ("--replay", str(file.absolute()))]
        return (*files, "--speed", "max" if self.speed is None else str(self.speed))


def write_request(home: Home, replay: Replay) -> None:
    """Ask for a replay from the simulator's next start on."""
    path = home.run / _FILE
    part = path.with_name(f".{_FILE}.part")
    files = [str(file) for file in replay.files]
    part.write_bytes(orjson.dumps({"files": files, "speed": replay.speed}))
    part.replace(path)


def read_request(home: Home) -> Replay | None:
    """
    Read what was asked for.

    Returns: None where nothing was.
    """
    try:
        found = orjson.loads((home.run / _FILE).read_bytes())
    except FileNotFoundError:
        return None
    return Replay(tuple(Path(file) for file in found["files"]), found["speed"])


def remove_request(home: Home) -> None:
    """Ask for the self-made market again; idempotent."""
    (home.run / _FILE).unlink(missing_ok=True)
