"""
The machine's cells: a role's uid by every other role's files, process and socket (S7).

Each is tried by a process under that uid. It takes root, a stack that isolates, and
processes to look at; without them nothing is walked, and the reason is said.
"""

import asyncio
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.embedded.home import OBEYING, Home
from spark.errors import EmbeddedUnavailable
from spark.names import Role
from spark.ops.access import Cell, Walked, compared, skipped

#: By its file: another uid runs it without the package.
_PROGRAM: Final = Path(__file__).with_name("access_attempts.py")
_S_MAX: Final = 60.0
_SECRET: Final = "secret"  # noqa: S105  (a kind of cell)
_DIRECTORY: Final = "directory"
_PROCESS: Final = "process"
_SOCKET: Final = "socket"
_UID: Final = "uid"
_QUESTIONS: Final = "questions.sock"
#: Who may pull the latch beside root (site.py).
_PULLERS: Final = frozenset({Role.WEBHOOK.value, Role.SENTINEL.value})
#: Who may ask the signer at all.
_ASKERS: Final = frozenset({Role.GATEWAY.value, Role.ACCOUNT_FEED.value})
_AUTHORED: Final = "spark-access-check"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A running stack, as far as the machine shows it."""

    home: Home
    #: Each principal's uid; empty where all share one.
    uids: dict[str, int]
    #: Processes that run, by name; those that have a uid are looked at.
    pids: dict[str, int]
    #: Why there is no isolation.
    reason: str = ""


@dataclass(frozen=True, slots=True)
class _Try:
    operation: str
    target: str
    is_allowed: bool


async def walk_machine(machine: Machine) -> Walked:
    """
    Try every cell; only on a stack that is thrown away.

    Raises:
        EmbeddedUnavailable: a process under another uid did not answer.

    """
    if os.geteuid() != 0:
        return skipped("only root can start a process under each uid")
    if not machine.uids:
        return skipped(f"no isolation: {machine.reason or 'all roles share one uid'}")
    pulled = machine.home.kill / _AUTHORED
    pulled.touch()
    table: dict[Cell, bool] = {}
    found: dict[Cell, str] = {}
    try:
        for who in sorted(machine.uids):
            tries = dict(_tries(who, machine))
            table |= {cell: one.is_allowed for cell, one in tries.items()}
            answers = await _answers(who, machine, list(tries.values()))
            found |= dict(zip(tries, answers, strict=True))
    finally:
        pulled.unlink(missing_ok=True)
    return compared(table, found)


def _tries(who: str, machine: Machine) -> Iterator[tuple[Cell, _Try]]:
    home = machine.home
    yield from _secrets(who, home)
    yield from _directories(who, machine)
    for name, uid in sorted(machine.uids.items()):
        if name == who:
            continue
        yield Cell(who, _UID, name, "become"), _Try("become", str(uid), is_allowed=False)
        if (pid := machine.pids.get(name)) is not None:
            yield from _process(who, name, pid)
    socket = home.run_of(Role.SIGNER) / _QUESTIONS
    if socket.exists():
        may = who in _ASKERS
        cell = Cell(who, _SOCKET, "signer's questions", "ask")
        yield cell, _Try("ask", str(socket), is_allowed=may)


def _secrets(who: str, home: Home) -> Iterator[tuple[Cell, _Try]]:
    for directory in sorted(path for path in home.secrets.iterdir() if path.is_dir()):
        may = directory.name == who
        yield Cell(who, _SECRET, directory.name, "list"), _Try("list", str(directory), may)
        for path in sorted(directory.iterdir()):
            name = f"{directory.name}/{path.name}"
            yield Cell(who, _SECRET, name, "read"), _Try("read", str(path), may)
        yield (
            Cell(who, _SECRET, directory.name, "make a file"),
            _Try("make a file", str(directory), may),
        )


def _directories(who: str, machine: Machine) -> Iterator[tuple[Cell, _Try]]:
    home = machine.home
    shared = {
        "secrets": (home.secrets, {"pass"}),
        "public": (home.public, {"pass", "list"}),
        "logs": (home.logs, set()),
        "kill.d": (
            home.kill,
            {"pass", "list"} | ({"make a file"} if who in _PULLERS else set()),
        ),
    }
    for name, (path, may) in shared.items():
        for operation in ("pass", "list", "make a file"):
            one = _Try(operation, str(path), operation in may)
            yield Cell(who, _DIRECTORY, name, operation), one
    # Sticky: who may write there does not remove what somebody else put there.
    cell = Cell(who, _DIRECTORY, "kill.d", "remove another's")
    yield cell, _Try("remove", str(home.kill / _AUTHORED), is_allowed=False)
    for name in sorted(set(machine.uids) & {p.name for p in (home.root / "state").iterdir()}):
        owned = {"state": home.state_of(name), "run": home.run_of(name)}
        if name in OBEYING:
            owned["latches"] = home.latch_of(name)
        for kind, path in owned.items():
            yield from _owned(who, name, f"{kind}/{name}", path=path)


def _owned(who: str, owner: str, name: str, *, path: Path) -> Iterator[tuple[Cell, _Try]]:
    is_own = who == owner
    # The signer's socket stands in its run directory: others pass, and do not look.
    may_pass = is_own or name.startswith("run/")
    for operation, may in (("pass", may_pass), ("list", is_own), ("make a file", is_own)):
        yield Cell(who, _DIRECTORY, name, operation), _Try(operation, str(path), may)


def _process(who: str, name: str, pid: int) -> Iterator[tuple[Cell, _Try]]:
    files = {"memory": "mem", "environment": "environ", "maps": "maps"}
    for operation, file in files.items():
        one = _Try(operation, f"/proc/{pid}/{file}", is_allowed=False)
        yield Cell(who, _PROCESS, name, operation), one
    for operation in ("trace", "signal"):
        yield Cell(who, _PROCESS, name, operation), _Try(operation, str(pid), is_allowed=False)


async def _answers(who: str, machine: Machine, tries: list[_Try]) -> list[str]:
    uid = machine.uids[who]
    # The sentinel is in the latch's group, as when it runs (children.py).
    groups = [machine.uids[Role.WEBHOOK]] if who == Role.SENTINEL else []
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-I",
        str(_PROGRAM),
        user=uid,
        group=uid,
        extra_groups=groups,
        cwd="/",
        env={},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    asked = json.dumps([[one.operation, one.target] for one in tries]).encode()
    try:
        said, wrong = await asyncio.wait_for(process.communicate(asked), _S_MAX)
    except TimeoutError:
        process.kill()
        raise EmbeddedUnavailable(f"a process under the uid of {who} did not answer") from None
    if process.returncode != 0:
        last = wrong.decode(errors="replace").strip().rpartition("\n")[2]
        raise EmbeddedUnavailable(f"a process under the uid of {who} failed: {last}")
    answers: list[str] = json.loads(said)
    return answers
