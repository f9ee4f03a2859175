"""
Plays a recording on the running stack and waits until its rows are in the database.
"""

import asyncio
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from time import monotonic
from typing import Final

import orjson

from spark.cli.attach import Attached, attach
from spark.embedded.child import ChildState, ChildStatus
from spark.embedded.home import Home
from spark.embedded.leftovers import read_children
from spark.embedded.minting import SIMULATOR_ADMIN_TOKEN
from spark.embedded.ops_client import OpsAddress, ask
from spark.embedded.polling import until
from spark.embedded.processes import SIMULATOR
from spark.embedded.replay import Replay, remove_request, write_request
from spark.embedded.secrets import Secrets
from spark.embedded.view import StackView
from spark.embedded.watch import Watch
from spark.errors import EmbeddedUnavailable, NotRunningError, SettingError
from spark.names import Role

_RESTART_S_MAX: Final = 60.0
_POLL_S: Final = 0.5
#: Looks in a row without lag after which everything is stored; other symbols go on.
_QUIET_LOOKS: Final = 3
_STORED_S_MAX: Final = 60.0
_OK: Final = 200

Say = Callable[[str], None]


async def replay(file: Path, speed: float | None, say: Say) -> dict[str, object]:
    """
    Play a recording on the running stack.

    Args:
        speed: times its own pace; None is as fast as it is taken.

    Returns: the object that `--json` prints.

    Raises:
        NotRunningError: no stack runs, or none with a simulator.
        EmbeddedUnavailable: the simulator does not play it; its log says why.

    """
    attached = attach()
    copied = _copy(file, attached)
    before = (await _look(attached)).rows_written
    began = monotonic()
    try:
        write_request(attached.home, Replay((copied,), speed))
        await _restart_simulator()
        say(f"playing {file.name}")
        sent = await _await_done(attached, say)
        is_whole, rows = await _await_stored(attached, before + sum(sent.values()))
    finally:
        remove_request(attached.home)
        copied.unlink(missing_ok=True)
        await _restart_simulator()
    seconds = round(monotonic() - began, 1)
    return {
        "file": str(file),
        "frames_sent": sum(sent.values()),
        "frames": sent,
        "rows_written": rows - before,
        "is_whole": is_whole,
        "seconds": seconds,
    }


def _copy(file: Path, attached: Attached) -> Path:
    """
    Put the recording where the simulator's uid can read it, and can put no link before it.
    """
    copied = attached.home.public / f"replay-{file.name}"
    try:
        shutil.copyfile(file, copied)
        copied.chmod(0o444)
    except OSError as error:
        raise SettingError(
            f"{error.filename}: {error.strerror}; use the account that started the stack"
        ) from None
    return copied


async def _restart_simulator() -> None:
    attached = attach()
    running = read_children(attached.home.run / "children.json").get(SIMULATOR)
    if running is None:
        raise NotRunningError("this stack has no simulator that runs")
    os.kill(running.pid, signal.SIGTERM)
    if not await until(lambda: _has_served_since(running.pid), timeout_s=_RESTART_S_MAX):
        log = Home(attached.state.home).log_of(SIMULATOR)
        raise EmbeddedUnavailable(f"the simulator does not start; see {log}")


def _has_served_since(pid: int) -> bool:
    status = _simulator(attach())
    return status.state is ChildState.READY and status.pid not in {None, pid}


def _simulator(attached: Attached) -> ChildStatus:
    return next(child for child in attached.state.children if child.name == SIMULATOR)


async def _await_done(attached: Attached, say: Say) -> dict[str, int]:
    """
    Wait for the end of the recording.

    Returns: frames sent, by kind.
    """
    home, state = attached.home, attached.state
    token = Secrets(home.secrets, state.uids).read(SIMULATOR, SIMULATOR_ADMIN_TOKEN).decode()
    judges = OpsAddress(0, state.ports["simulator_admin"], None)
    said = monotonic()
    while True:
        answer = await ask(judges, "/replay/status", token=token)
        if answer is None or answer[0] != _OK:
            raise EmbeddedUnavailable(f"the simulator ended; see {home.log_of(SIMULATOR)}")
        found = orjson.loads(answer[1])
        sent: dict[str, int] = found["sent"]
        if found["done"]:
            return sent
        if monotonic() - said > 5:  # noqa: PLR2004  (seconds between lines of progress)
            said = monotonic()
            say(f"{sum(sent.values()):,} frames sent")
        await asyncio.sleep(_POLL_S)


async def _await_stored(attached: Attached, rows_min: int) -> tuple[bool, int]:
    """
    Wait until the feed writer has stored what was sent: each frame is a row at least.

    Returns: whether it did in time, and how many rows it wrote since its start.
    """
    deadline, quiet = monotonic() + _STORED_S_MAX, 0
    while True:
        view = await _look(attached)
        is_behind = view.lag_records.get(Role.FEED_WRITER, 1) > 0
        quiet = 0 if is_behind or view.rows_written < rows_min else quiet + 1
        if quiet >= _QUIET_LOOKS or monotonic() > deadline:
            return quiet >= _QUIET_LOOKS, view.rows_written
        await asyncio.sleep(_POLL_S)


async def _look(attached: Attached) -> StackView:
    return await Watch(attached.home, lambda: attach().state.children).look()
