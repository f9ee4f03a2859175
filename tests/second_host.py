"""
A process of a running stack once more, as on another host: its keys, and locks of its own.
"""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

import psutil

from spark.embedded.home import OBEYING, Home
from spark.embedded.throwaway import Throwaway
from spark.names import Role
from spark.worker.latch_copy import make_empty_copy

_NUMBERS: Final = count(1)
_PASSABLE: Final = 0o755


@dataclass(frozen=True, slots=True)
class Second:
    """The other instance."""

    process: asyncio.subprocess.Process
    log: Path

    @property
    def said(self) -> str:
        """Give what it printed so far."""
        return self.log.read_text()

    def is_ready(self) -> bool:
        """Say whether it took over; one that ended instead fails."""
        assert self.process.returncode is None, self.said
        return '"event": "ready"' in self.said

    def has_ended(self) -> bool:
        """Say whether it left."""
        return self.process.returncode is not None


@dataclass(frozen=True, slots=True)
class Launch:
    """How a process of the stack was started."""

    argv: list[str]
    environment: dict[str, str]


def launches(stack: Throwaway) -> dict[str, Launch]:
    """
    Look how each process was started; only while none was started again.

    Of one that a spare became, the kernel still shows the environment that the spare began with.
    """
    found = {name: psutil.Process(pid) for name, pid in stack.pids().items()}
    return {name: Launch(one.cmdline(), one.environ()) for name, one in found.items()}


@asynccontextmanager
async def second_host(stack: Throwaway, name: str, launch: Launch) -> AsyncIterator[Second]:
    """
    Start a process by hand beside the stack's own, and end it with the body.

    Args:
        stack: whose process it is.
        name: which.
        launch: how the stack's own was started.

    """
    theirs = stack.home
    home = Home(theirs.root / f"second-{next(_NUMBERS)}")
    uid = stack.state.uids.get(name)
    home.root.mkdir()
    (home.root / "public").symlink_to(theirs.public)
    (home.root / "kill.d").symlink_to(theirs.kill)
    own = [home.run_of(name), home.state_of(name), home.anchors]
    for directory in own:
        directory.mkdir(parents=True)
    if name != Role.SIGNER:
        home.run_of(Role.SIGNER).symlink_to(theirs.run_of(Role.SIGNER))
    if name in OBEYING:
        latch = home.latch_of(name)
        latch.mkdir(parents=True)
        make_empty_copy(latch)
        own += [latch, *latch.iterdir()]
    if uid is not None:
        for path in own:
            os.chown(path, uid, uid)
    for directory in (home.root, home.run, home.root / "state", home.latches):
        if directory.exists():
            directory.chmod(_PASSABLE)
    log = home.root / "second.log"
    environment = {**launch.environment, "SPARK_HOME": str(home.root)}
    if "SPARK_LATCH_DIR" not in environment:
        environment["SPARK_LATCH_DIR"] = str(theirs.kill)
    environment.setdefault("SPARK_SECRETS_DIR", str(theirs.secrets_of(name)))
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *launch.argv,
            env=environment,
            cwd=home.root,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
            user=uid,
        )
    try:
        yield Second(process, log)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
