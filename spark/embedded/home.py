"""
Where one stack keeps its things, and the lock that makes it the only one there.

    <home>/run/       stack.json: coordinates for the command line, no secrets
                      children.json: what to end if the supervisor was killed
                      lock; <principal>/: each process's own files
           logs/      one file for each process
           secrets/   one directory for each principal (secrets.py)
           public/    what every process may know
           state/     one directory for each process's caches
           anchors/   what the auditor keeps of its trail beside the log; no cache
           kill.d/    any file in it stops new orders (design §5)
           latches/   what guardrail, signer and gateway have seen there; no cache
           kafka/ postgres/ simulator/ simulator-btcturk/
"""

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from spark.embedded.ownership import own_directory
from spark.errors import AlreadyRunningError, SettingError
from spark.names import Role
from spark.settings import ProcessSettings
from spark.worker.latch_copy import make_empty_copy

_MARKER: Final = ".spark-home"
_UIDS: Final = "uids.json"
_KNOWN: Final = (
    "run",
    "logs",
    "secrets",
    "public",
    "state",
    "anchors",
    "kill.d",
    "latches",
    "kafka",
    "postgres",
    "simulator",
    "simulator-btcturk",
    _UIDS,
    _MARKER,
)
_SHARED: Final = 0o755
_PASSABLE: Final = 0o711
_PRIVATE: Final = 0o700
_KILL_MODE: Final = 0o3775
#: Who keeps a copy of the kills that it has seen (S10).
OBEYING: Final = (Role.GUARDRAIL.value, Role.SIGNER.value, Role.GATEWAY.value)


class Home:
    """The directories of one stack; makes nothing until asked."""

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self.run = self.root / "run"
        self.logs = self.root / "logs"
        self.secrets = self.root / "secrets"
        self.public = self.root / "public"
        self.kill = self.root / "kill.d"
        self.latches = self.root / "latches"
        self.anchors = self.root / "anchors"
        #: Which uid each role has had here, from one start to the next.
        self.uids = self.root / _UIDS

    def __repr__(self) -> str:
        return f"Home({self.root})"

    def run_of(self, principal: str) -> Path:
        """Name the directory where a process leaves its address and its locks."""
        return self.run / principal

    def state_of(self, principal: str) -> Path:
        """Name the directory of a process's caches; deleting it changes nothing."""
        return self.root / "state" / principal

    def latch_of(self, principal: str) -> Path:
        """Name the directory of a process's copy of kills; deleting it is a kill."""
        return self.latches / principal

    def secrets_of(self, principal: str) -> Path:
        """Name a principal's directory of secrets."""
        return self.secrets / principal

    def anchors_file(self) -> Path:
        """Name the file of the audit trail's anchors."""
        return self.anchors / "anchors.jsonl"

    def data_of(self, server: str) -> Path:
        """Name the directory of what a simulator must not forget."""
        return self.root / server

    def log_of(self, child: str) -> Path:
        """Name the file of what a child process prints."""
        return self.logs / f"{child}.log"

    def found(self) -> None:
        """
        Make the place for the lock, where it is missing; changes nothing that is there.

        Raises:
            SettingError: it cannot be made, or holds somebody else's files.

        """
        try:
            if not self.is_marked() and self._has_strangers():
                raise SettingError(
                    f"{self.root} holds other files; set SPARK_HOME to an empty directory"
                )
            for directory in (self.root, self.run):
                directory.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            if not self.is_marked():
                # In a home that is new, and never again: one that is missing later was removed.
                self._make_latches()
            (self.root / _MARKER).touch()
        except OSError as error:
            raise self._unusable(error) from None

    def _make_latches(self) -> None:
        for principal in OBEYING:
            self.latch_of(principal).mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                make_empty_copy(self.latch_of(principal))

    def make(self, *, is_shared: bool) -> None:
        """
        Make the directories, or correct their modes; the caller holds the lock.

        Args:
            is_shared: other uids must pass through; files decide what they may read.

        Raises:
            SettingError: it cannot be made, or holds somebody else's files.

        """
        self.found()
        mode = _SHARED if is_shared else _PRIVATE
        try:
            for directory in (
                self.root, self.run, self.public, self.root / "state", self.latches
            ):  # fmt: skip
                directory.mkdir(mode=mode, exist_ok=True)
                directory.chmod(mode)
            if os.geteuid() == 0 and not is_shared:
                # PostgreSQL refuses to run as root, so one other uid has to pass.
                self.root.chmod(_PASSABLE)
            self.logs.mkdir(mode=_PRIVATE, exist_ok=True)
            self.kill.mkdir(exist_ok=True)
            self.kill.chmod(_KILL_MODE if is_shared else _PRIVATE)
        except OSError as error:
            raise self._unusable(error) from None

    def _has_strangers(self) -> bool:
        # The register of uids is written before anything else is made.
        return self.root.exists() and any(path != self.uids for path in self.root.iterdir())

    def make_for(self, principal: str, uid: int | None) -> None:
        """
        Make a principal's own directories, and give them to its uid.

        Raises: SettingError when one cannot be made, or when the uid cannot reach it.
        """
        directories = [self.run_of(principal), self.state_of(principal)]
        directories += [self.latch_of(principal)] if principal in OBEYING else []
        directories += [self.anchors] if principal == Role.AUDITOR else []
        for directory in directories:
            own_directory(directory, uid)
        if uid is not None:
            # Others may pass, not look: the gateway asks the signer through a socket here.
            self.run_of(principal).chmod(_PASSABLE)

    def _unusable(self, error: OSError) -> SettingError:
        return SettingError(
            f"{error.filename or self.root}: {error.strerror}; set SPARK_HOME to a directory "
            "that this user may write"
        )

    def is_marked(self) -> bool:
        """Say whether Spark made this directory."""
        return (self.root / _MARKER).is_file()

    def purge(self) -> None:
        """
        Remove everything that Spark made here, and nothing else.

        Raises:
            SettingError: Spark did not make this directory, or may not remove it.

        """
        if not self.is_marked():
            raise SettingError(f"{self.root} was not made by Spark; nothing was removed")
        try:
            for name in _KNOWN:
                path = self.root / name
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)
            if not any(self.root.iterdir()):
                self.root.rmdir()
        except OSError as error:
            raise SettingError(f"{error.filename}: {error.strerror}") from None


def default_home(settings: ProcessSettings) -> Path:
    """
    Find the home of the stack that a command means.

    Returns: `SPARK_HOME`; else /var/lib/spark/<name> for root, and
        `$XDG_STATE_HOME/spark/<name>` for everybody else.
    """
    if settings.home is not None:
        return settings.home.absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/spark") / settings.name
    base = settings.xdg_state_home or Path.home() / ".local" / "state"
    return base / "spark" / settings.name


def default_jar_directory(settings: ProcessSettings) -> Path:
    """Find where fetched jars are kept, for all stacks of this user."""
    if os.geteuid() == 0 and settings.xdg_cache_home is None:
        return Path("/var/cache/spark/jars")
    return (settings.xdg_cache_home or Path.home() / ".cache") / "spark" / "jars"


class StackLock:
    """
    Held by the one supervisor of a home; the kernel releases it however that ends.
    """

    def __init__(self, home: Home) -> None:
        self._path = home.run / "lock"
        self._fd: int | None = None

    def take(self) -> None:
        """
        Take the lock or say who has it.

        Raises:
            AlreadyRunningError: another supervisor runs on this home.

        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.read(fd, 16).decode(errors="replace").strip() or "unknown"
            os.close(fd)
            raise AlreadyRunningError(
                f"a stack already runs in {self._path.parents[1]} (pid {holder}): "
                "`spark status` shows it, `spark down` stops it, "
                "SPARK_NAME=other starts a second one"
            ) from None
        os.ftruncate(fd, 0)
        os.write(fd, f"{os.getpid()}\n".encode())
        self._fd = fd

    def release(self) -> None:
        """Let go; idempotent."""
        fd, self._fd = self._fd, None
        if fd is not None:
            os.close(fd)
