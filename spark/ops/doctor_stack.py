"""
What doctor looks at on a stack: its secrets, its processes, its servers.
"""

import asyncio
import base64
import os
import stat
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from spark.bus.kafka import KafkaLogin
from spark.db import migrate
from spark.db.pool import Database
from spark.embedded.broker_check import differences
from spark.embedded.child import ChildState
from spark.embedded.home import Home
from spark.embedded.kafka import BROKER
from spark.embedded.kafka_admin import wait_ready
from spark.embedded.secrets import KAFKA_PASSWORD, Secrets
from spark.embedded.state import StackState
from spark.errors import AuthorisationError, SettingError, SparkError
from spark.metrics import Metrics
from spark.ops.doctor import Check, Finding, failure, ok, warning
from spark.ops.keys_list import AGE_DAYS_MAX, list_keys, now_ns
from spark.settings import DatabaseSettings
from spark.topics import PRINCIPALS, PROVISIONER, TOPICS

_LOGIN_S_MAX: Final = 5.0
_LOOPBACK: Final = ("127.", "::1", "::ffff:127.")
_SECRET_BYTES_MIN: Final = 16
_MS: Final = 1000


@dataclass(frozen=True, slots=True)
class Patient:
    """A running stack, and how its database is reached by whoever migrates it."""

    home: Home
    state: StackState
    database_url: str


def secret_checks(home: Home, uids: dict[str, int]) -> list[Check]:
    """List what to look at in a directory of secrets, running or not."""

    async def modes() -> list[Finding]:
        return _modes(home, uids)

    async def ages() -> list[Finding]:
        return _ages(home)

    return [Check("secrets", modes), Check("key ages", ages)]


def stack_checks(patient: Patient) -> list[Check]:
    """List what to look at on a running stack."""
    secrets = Secrets(patient.home.secrets, patient.state.uids)

    async def processes() -> list[Finding]:
        return _processes(patient.state)

    async def exposure() -> list[Finding]:
        return await asyncio.to_thread(_exposure, patient)

    async def listeners() -> list[Finding]:
        return _listeners(patient.state)

    async def logins() -> list[Finding]:
        return await _logins(patient.state, secrets)

    async def rights() -> list[Finding]:
        return await _rights(patient.state, secrets)

    async def database() -> list[Finding]:
        return await _database(patient.database_url)

    return [
        Check("processes", processes),
        Check("exposure", exposure),
        Check("listeners", listeners),
        Check("kafka logins", logins),
        Check("kafka rights", rights),
        Check("database", database),
    ]


def _modes(home: Home, uids: dict[str, int]) -> list[Finding]:
    if not home.secrets.exists():
        return [warning("no secrets yet", "the first `spark up` makes them")]
    wrong = [text for path in sorted(_below(home.secrets)) if (text := _fault(path, home, uids))]
    if wrong:
        fix = "chmod 0400 for files and 0700 for directories, chown to the role's uid"
        return [failure(text, fix) for text in wrong]
    return [ok(f"{sum(1 for _ in _files(home))} files, each of its owner alone")]


def _fault(path: Path, home: Home, uids: dict[str, int]) -> str:
    state = path.lstat()
    mode = stat.S_IMODE(state.st_mode)
    principal = path.relative_to(home.secrets).parts[0]
    owner = uids.get(principal, os.geteuid())
    if stat.S_ISLNK(state.st_mode):
        return f"{path} is a link"
    if state.st_uid != owner:
        return f"{path} belongs to uid {state.st_uid}, not {owner}"
    allowed = 0o700 if stat.S_ISDIR(state.st_mode) else 0o400
    return f"{path} has mode {mode:04o}" if mode & ~allowed else ""


def _ages(home: Home) -> list[Finding]:
    holders = [(path.name, path) for path in sorted(home.secrets.glob("*")) if path.is_dir()]
    rows, now = list_keys(holders, home.public), now_ns()
    findings = [
        failure(
            f"{row.holder} has {row.kid}, its writer has not: the old one ends within 10 minutes",
            "spark keys rotate the same key again, which goes on from there",
        )
        for row in rows
        if row.is_unfinished
    ]
    old = [row for row in rows if row.is_aging and row.age_days(now) > AGE_DAYS_MAX]
    if old:
        text = f"{len(old)} keys are older than {AGE_DAYS_MAX} days, {old[0].file} among them"
        findings.append(warning(text, "spark keys rotate --all; others: runbook/keys.md"))
    return findings or [ok(f"none older than {AGE_DAYS_MAX} days")]


def _processes(state: StackState) -> list[Finding]:
    bad = [child for child in state.children if child.state is not ChildState.READY]
    findings = [
        failure(f"{child.name} is {child.state}: {child.detail}", f"see its log in {state.home}")
        for child in bad
    ]
    restarted = sum(child.restarts for child in state.children)
    ready = ok(f"{len(state.children) - len(bad)} ready, {restarted} restarts")
    return [*findings, ready] if not bad else findings


def _exposure(patient: Patient) -> list[Finding]:
    """
    Look for every secret in what other users of this machine can see of a process.
    """
    forms = {
        form: path
        for path in _files(patient.home)
        for form in _forms(path.read_bytes().strip())
        if len(form) >= _SECRET_BYTES_MIN
    }
    seen, hidden = [], []
    for child in patient.state.children:
        for name in ("cmdline", "environ"):
            try:
                text = Path(f"/proc/{child.pid}/{name}").read_bytes()
            except OSError:
                hidden.append(warning(f"{name} of {child.name} cannot be read", "look as root"))
                continue
            seen += [
                f"{path.name} shows in the {name} of {child.name}"
                for form, path in forms.items()
                if form in text
            ]
        seen += _dumps(child.name, child.pid)
    if seen:
        return [failure(text, "stop the stack, replace that secret") for text in seen]
    found = f"none of {len(forms)} forms of secrets in a command line or environment"
    return [*hidden, ok(found)]


def _dumps(name: str, pid: int | None) -> list[str]:
    try:
        limits = Path(f"/proc/{pid}/limits").read_text(encoding="ascii")
    except OSError:
        return []
    line = next((line for line in limits.splitlines() if line.startswith("Max core")), "")
    return [] if line.split()[4:5] == ["0"] else [f"{name} may write a core dump"]


def _forms(secret: bytes) -> Iterator[bytes]:
    yield secret
    yield secret.hex().encode()
    yield base64.b64encode(secret).rstrip(b"=")


def _listeners(state: StackState) -> list[Finding]:
    open_to_all, count = [], 0
    for child in state.children:
        try:
            connections = psutil.Process(child.pid).net_connections(kind="inet")
        except psutil.Error:
            return [warning(f"the sockets of {child.name} cannot be listed", "run doctor as root")]
        for connection in connections:
            if connection.status != psutil.CONN_LISTEN:
                continue
            count += 1
            if not connection.laddr.ip.startswith(_LOOPBACK):
                open_to_all.append(f"{child.name} listens on {connection.laddr.ip}")
    if open_to_all:
        fix = "stop it: nothing here may be reached from outside"
        return [failure(text, fix) for text in open_to_all]
    return [ok(f"{count} sockets, all on loopback")]


async def _logins(state: StackState, secrets: Secrets) -> list[Finding]:
    names = sorted(PRINCIPALS | {PROVISIONER} | ({BROKER} if state.is_kafka_embedded else set()))
    checked = await asyncio.gather(*(_login(state, secrets, name) for name in names))
    wrong = [finding for finding in checked if finding is not None]
    return wrong or [ok(f"{len(names)} principals can log in at {state.kafka_bootstrap}")]


async def _login(state: StackState, secrets: Secrets, principal: str) -> Finding | None:
    try:
        password = secrets.read(principal, KAFKA_PASSWORD).decode()
        login = KafkaLogin(state.kafka_bootstrap, principal, password)
        await wait_ready(login, timeout_s=_LOGIN_S_MAX)
    except AuthorisationError as error:
        fix = "`spark down` and `spark up` set every password anew from its file"
        return failure(str(error), fix)
    except SettingError as error:
        return failure(str(error), "see the check of secrets")
    except SparkError as error:
        return failure(f"{principal}: {error}", "see the log of kafka")
    return None


async def _rights(state: StackState, secrets: Secrets) -> list[Finding]:
    login = KafkaLogin(
        state.kafka_bootstrap, PROVISIONER, secrets.read(PROVISIONER, KAFKA_PASSWORD).decode()
    )
    lines = await differences(login)
    if lines:
        return [failure(line, "`spark down` and `spark up` make it equal again") for line in lines]
    return [ok(f"{len(TOPICS)} topics and every right as the table says")]


async def _database(url: str) -> list[Finding]:
    database = Database(
        url, name="spark doctor", settings=DatabaseSettings(), metrics=Metrics("doctor")
    )
    began = time.monotonic()
    await database.open()
    try:
        states = await migrate.status(database)
    finally:
        await database.close()
    missing = [state.name for state in states if state.applied_at is None]
    if missing:
        return [failure(f"migration {missing[0]} is missing", "spark db migrate")]
    took = (time.monotonic() - began) * _MS
    return [ok(f"{len(states)} migrations of {len(states)}, answered in {took:.0f} ms")]


def _files(home: Home) -> Iterator[Path]:
    return (path for path in _below(home.secrets) if path.is_file() and not path.is_symlink())


def _below(directory: Path) -> Iterable[Path]:
    return directory.rglob("*") if directory.exists() else ()
