"""
The embedded PostgreSQL: the wheel's own binaries, on loopback TCP, with SCRAM.

    <home>/postgres/data/         the cluster; its existence means: initialised
                    programs-*/   a copy of the binaries, only where the server's uid
                                  cannot reach the wheel

The wheel's own get_server() is not used: as root it adds a system user and opens
every directory up to / to everybody. PostgreSQL refuses to run as root, and wants
a uid that has a name, so under root it runs as `nobody`.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Final

import psutil

from spark.embedded.command import Command
from spark.embedded.ownership import fill, own_directory, write_owned
from spark.embedded.postgres_programs import copied_programs, copy_programs, wheel_programs
from spark.embedded.reach import obstacle
from spark.embedded.secrets import Secrets, remove_secret, write_secret
from spark.errors import AuthorisationError, DatabaseUnavailable, EmbeddedUnavailable, SettingError

HOST: Final = "127.0.0.1"
SUPERUSER: Final = "postgres"
DATABASE: Final = "spark"
#: Whose secrets directory holds the superuser's password.
KEEPER: Final = "provisioner"
_DEPLOY: Final = Path(__file__).parents[2] / "deploy" / "postgres"
_PASSWORD_FILE: Final = "pgpass"  # noqa: S105  (a file's name)
_UNPRIVILEGED: Final = ("nobody", "postgres", "daemon")
_INITDB_TIMEOUT_S: Final = 120
_QUERY_TIMEOUT_S: Final = 30
_ORPHANS_WAIT_S: Final = 5.0
_POLL_S: Final = 0.05


class PostgresServer:
    """
    One server: prepare it once, then let a supervisor start its command.
    """

    def __init__(self, home: Path, secrets: Secrets, port: int) -> None:
        self.home = home.absolute() / "postgres"
        self.secrets = secrets
        self.port = port
        self.uid = unprivileged_uid()

    @property
    def data(self) -> Path:
        """The cluster's directory; pg_basebackup and its kind want to know."""
        return self.home / "data"

    def url(self, role: str, password: str, database: str = DATABASE) -> str:
        """
        Give the address for a client.
        """
        return f"postgresql://{role}:{password}@{HOST}:{self.port}/{database}"

    async def prepare(self) -> None:
        """
        Make everything that the server starts from; harmless to repeat, and keeps the data.

        Raises:
            SettingError: no wheel for this platform, or a place that the uid cannot reach.
            EmbeddedUnavailable: initialising failed, for example for want of disk space.
        """
        await asyncio.to_thread(self._prepare)

    def command(self) -> Command:
        """
        Say how to start the server; call it at each start, in a thread.

        After a kill -9 it waits for the backends that the dead server left, and
        removes its pid file where that number now belongs to another program.

        Raises: EmbeddedUnavailable when a server with this data still runs.
        """
        self._clear_pid_file()
        return self._program("postgres", "-D", str(self.data))

    async def wait_ready(
        self, is_alive: Callable[[], bool] = lambda: True, *, timeout_s: float = 60
    ) -> None:
        """
        Wait until the server answers a query.

        Args:
            is_alive: asked between attempts; a server that died is not waited for.

        Raises:
            AuthorisationError: it refused the superuser's password.
            DatabaseUnavailable: it did not answer in time, or died.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            try:
                await self.query("SELECT 1", database="postgres")
            except DatabaseUnavailable:
                if time.monotonic() > deadline or not is_alive():
                    raise
                await asyncio.sleep(_POLL_S)
            else:
                return

    async def query(self, sql: str, *, database: str = DATABASE) -> str:
        """
        Run SQL as the superuser, by the wheel's own psql; it stops at the first error.

        The text travels through a pipe, so nothing of it shows in a process list.

        Returns: rows as lines, columns separated by |.

        Raises:
            AuthorisationError: the server refused the password.
            DatabaseUnavailable: it could not be reached, or the SQL failed.
        """
        arguments = ("-XqAt", "-v", "ON_ERROR_STOP=1", "-h", HOST, "-p", str(self.port))
        program = wheel_programs() / "bin" / "psql"
        child = await asyncio.create_subprocess_exec(
            str(program),
            *(*arguments, "-U", SUPERUSER, "-d", database, "-w", "-f", "-"),
            env={"LC_ALL": "C", "PGPASSFILE": str(self._password_file()), "PGCONNECT_TIMEOUT": "5"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(_QUERY_TIMEOUT_S):
                output, errors = await child.communicate(sql.encode())
        except TimeoutError:
            raise DatabaseUnavailable(
                f"PostgreSQL at {HOST}:{self.port} gave no answer in {_QUERY_TIMEOUT_S} s"
            ) from None
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        if child.returncode == 0:
            return output.decode().strip()
        cause = next(iter(errors.decode(errors="replace").strip().splitlines()), "no reason given")
        if "password authentication failed" in cause:
            raise AuthorisationError(f"PostgreSQL refused the password of {SUPERUSER}")
        raise DatabaseUnavailable(f"PostgreSQL at {HOST}:{self.port}: {cause}")

    def _password_file(self) -> Path:
        password = self.secrets.postgres_password(KEEPER)
        return self.secrets.write(KEEPER, _PASSWORD_FILE, f"{HOST}:*:*:*:{password}".encode())

    def _prepare(self) -> None:
        own_directory(self.home, self.uid)
        wheel = wheel_programs()
        if self.uid is not None and obstacle(wheel / "bin" / "postgres", self.uid) is not None:
            copy_programs(self.home)
        if not self.data.exists():
            self._initialise()
        settings = fill(_DEPLOY / "postgresql.conf", host=HOST, port=self.port)
        write_owned(self.data / "postgresql.conf", settings, self.uid)
        write_owned(self.data / "pg_hba.conf", fill(_DEPLOY / "pg_hba.conf"), self.uid)

    def _programs(self) -> Path:
        copied = copied_programs(self.home)
        return copied if copied.exists() else wheel_programs()

    def _initialise(self) -> None:
        """
        Initialise into a directory of another name first: a torn one never counts as data.
        """
        fresh = self.home / f"data.{uuid.uuid4().hex}"
        password_file = self.home / "superuser.password"
        remove_secret(password_file)
        password = self.secrets.postgres_password(KEEPER)
        write_secret(password_file, password.encode(), self.uid)
        options = ("--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions")
        command = self._program(
            "initdb", "-D", str(fresh), "-U", SUPERUSER, f"--pwfile={password_file}", *options
        )
        try:
            done = subprocess.run(
                command.argv,
                **command.spawn_options(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_INITDB_TIMEOUT_S,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise EmbeddedUnavailable(f"initdb did not run: {error}") from None
        finally:
            remove_secret(password_file)
        if done.returncode != 0:
            shutil.rmtree(fresh, ignore_errors=True)
            lines = done.stderr.decode(errors="replace").strip().splitlines() or ["no reason given"]
            raise EmbeddedUnavailable(f"PostgreSQL could not be initialised: {lines[0]}")
        fresh.rename(self.data)

    def _clear_pid_file(self) -> None:
        """
        Do what PostgreSQL cannot: tell a pid that was given anew from a running server.

        Only with every process of the old server gone: the file is also its lock on
        the shared memory of backends that may still write.
        """
        pid_file = self.data / "postmaster.pid"
        deadline = time.monotonic() + _ORPHANS_WAIT_S
        while found := _processes_in(self.data):
            is_served = _first_number(pid_file) in found
            if is_served or time.monotonic() > deadline:
                raise EmbeddedUnavailable(
                    f"PostgreSQL with the data of {self.data} still runs as process {min(found)}"
                )
            time.sleep(_POLL_S)
        pid_file.unlink(missing_ok=True)

    def _program(self, name: str, *arguments: str) -> Command:
        return Command(
            argv=(str(self._programs() / "bin" / name), *arguments),
            env={"LC_ALL": "C", "PATH": os.defpath},
            cwd=Path("/"),
            uid=self.uid,
            # Fast shutdown; SIGTERM would wait for every client to leave.
            stop_signal=signal.SIGINT,
        )


def unprivileged_uid() -> int | None:
    """
    Find whom PostgreSQL runs as when this process is root; None keeps the own uid.

    Raises: SettingError on a system without any unprivileged user.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name).pw_uid
    raise SettingError("PostgreSQL does not run as root and this system has no user nobody")


def _first_number(path: Path) -> int | None:
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(path.read_text(encoding="utf-8").split()[0])
    return None


def _processes_in(directory: Path) -> list[int]:
    """
    List processes that work in a directory, as every PostgreSQL process does in its data.
    """
    wanted = str(directory.resolve())
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.cwd() == wanted:
                found.append(process.pid)
    return found
