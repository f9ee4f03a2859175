"""
Rooms of a drill's own: a network with nothing but loopback, and mounts that nobody else sees.

As root on Linux the drill leaves the machine's own network and mounts before it starts
anything, so that what it cuts and fills is its stack's alone and gone with it. Where that
cannot be had, the hurts that need it are skipped, with the reason.
"""

import ctypes
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.errors import GateError

_CLONE_NEWNS: Final = 0x00020000
_CLONE_NEWNET: Final = 0x40000000
_MS_REC_PRIVATE: Final = 0x4000 | 0x40000
_MNT_DETACH: Final = 2
_SIOCSIFFLAGS: Final = 0x8914
_IFF_UP: Final = 1
_FULL_BYTES: Final = 16 * 1024
_RULE_PREFERENCE: Final = "10"
_LOCAL_PREFERENCE: Final = "100"


@dataclass(frozen=True, slots=True)
class Rooms:
    """What this drill may cut and fill; each reason is empty where it may."""

    no_network: str
    no_mounts: str


def enter_rooms() -> Rooms:
    """Leave the machine's network and mounts for one's own; call it before anything starts."""
    if sys.platform != "linux":
        return Rooms(*["there are no namespaces here"] * 2)
    if os.geteuid() != 0:
        return Rooms(*["only root may have a network and mounts of its own"] * 2)
    if threading.active_count() > 1:
        return Rooms(*["another thread would stay outside"] * 2)
    libc = ctypes.CDLL(None, use_errno=True)
    return Rooms(no_network=_own_network(libc), no_mounts=_own_mounts(libc))


def _own_mounts(libc: ctypes.CDLL) -> str:
    if libc.unshare(_CLONE_NEWNS) or libc.mount(b"none", b"/", None, _MS_REC_PRIVATE, None):
        return f"no mounts of its own: {os.strerror(ctypes.get_errno())}"
    return ""


def _own_network(libc: ctypes.CDLL) -> str:
    tool = shutil.which("ip")
    if tool is None:
        return "the program `ip` is not here"
    if libc.unshare(_CLONE_NEWNET):
        return f"no network of its own: {os.strerror(ctypes.get_errno())}"
    with socket.socket() as one:
        request = struct.pack("16sh14x", b"lo", _IFF_UP)
        fcntl.ioctl(one, _SIOCSIFFLAGS, request)
    # Rules are asked in order, and loopback's own must not answer before a cut.
    said = _ip("rule", "add", "preference", _LOCAL_PREFERENCE, "lookup", "local")
    return said or _ip("rule", "delete", "preference", "0")


@contextmanager
def cut(uid: int | None, ports: list[int], connections: list[int]) -> Iterator[None]:
    """
    Let nothing through from a process to some ports while the body runs.

    Args:
        uid: the process's own; None where it has none, and its open connections are cut.
        ports: of the other side.
        connections: the process's own ports.

    """
    rules = [["ipproto", "tcp", "dport", str(port)] for port in ports]
    if uid is not None:
        rules = [["uidrange", f"{uid}-{uid}", *rule] for rule in rules]
    else:
        rules = [["ipproto", "tcp", "sport", str(port)] for port in connections]
    try:
        for rule in rules:
            if said := _ip("rule", "add", "preference", _RULE_PREFERENCE, *rule, "blackhole"):
                raise GateError(f"the network cannot be cut: {said}")
        yield
    finally:
        for rule in rules:
            _ip("rule", "delete", "preference", _RULE_PREFERENCE, *rule, "blackhole")


@contextmanager
def full_disk(directory: Path, uid: int | None) -> Iterator[None]:
    """Put a small, full disk in a directory's place while the body runs."""
    with small_disk(directory, uid, size_bytes=_FULL_BYTES):
        fill(directory / "full")
        yield


@contextmanager
def small_disk(directory: Path, uid: int | None, *, size_bytes: int) -> Iterator[None]:
    """
    Put an empty disk in a directory's place while the body runs.

    Raises:
        GateError: this user, or this machine, has none to put there.

    """
    if sys.platform != "linux":
        raise GateError("no disk can be put there: only Linux makes one of memory")
    libc = ctypes.CDLL(None, use_errno=True)
    owner = "" if uid is None else f",uid={uid},gid={uid}"
    options = f"size={size_bytes},mode=700{owner}".encode()
    where = os.fsencode(directory)
    if libc.mount(b"tmpfs", where, b"tmpfs", 0, options):
        raise GateError(f"no disk can be put there: {os.strerror(ctypes.get_errno())}")
    try:
        yield
    finally:
        libc.umount2(where, _MNT_DETACH)


def fill(file: Path) -> None:
    """Let a file grow until its disk takes not a byte more."""
    with suppress(OSError), file.open("ab", buffering=0) as ballast:
        while ballast.write(bytes(_FULL_BYTES)):
            pass


def _ip(*arguments: str) -> str:
    """Say what `ip` complained of; nothing where it did as it was told."""
    tool = shutil.which("ip") or "ip"
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    return done.stderr.strip().replace("\n", " ") if done.returncode else ""
