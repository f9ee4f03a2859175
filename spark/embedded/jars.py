"""
Kafka's jars: exactly the files of a lock, fetched by coordinate, checked by hash (S16).

jgo is a pure-Python Maven client. It is used to fetch single coordinates and
nothing else: it does not verify what it downloads, it leaves half a file behind
when a download breaks off, and it resolves this set's transitive dependencies
wrongly. So a jar is downloaded into a directory of its own, hashed, and only
then renamed to the name under which the class path can find it.
"""

import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.errors import EmbeddedUnavailable, IntegrityError, SettingError

_LINE: Final = re.compile(
    r"(?P<group>[\w.\-]+):(?P<artifact>[\w.\-]+):(?P<version>[\w.\-]+) (?P<sha256>[0-9a-f]{64})"
)
_THREADS: Final = 8
_TIMEOUT_S: Final = 30

#: Called after each jar with how many are in place, of how many.
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Jar:
    """One line of the lock."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """The coordinate as Maven writes it."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """A name of its own for each coordinate."""
        return f"{self.group}.{self.artifact}-{self.version}.jar"


def read_lock(path: Path) -> tuple[Jar, ...]:
    """
    Read a lock file.

    Raises: SettingError naming the line that is not `group:artifact:version sha256`, or why
    there are none.
    """
    jars: list[Jar] = []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise SettingError(f"{path}: not UTF-8") from None
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    for number, line in enumerate(lines, 1):
        text = line.strip()
        if not text or text.startswith("#"):
            continue
        match = _LINE.fullmatch(text)
        if match is None:
            raise SettingError(f"{path}:{number}: not `group:artifact:version sha256`")
        jars.append(Jar(**match.groupdict()))
    if not jars or len({jar.file_name for jar in jars}) != len(jars):
        raise SettingError(f"{path}: must list each jar once, and at least one")
    return tuple(jars)


def fetch(
    jars: Sequence[Jar],
    directory: Path,
    *,
    progress: Progress | None = None,
    repository_url: str | None = None,
) -> None:
    """
    Bring every jar that is not yet in the directory, 8 at a time.

    A jar that is there with another hash is fetched again: it is a cache.

    Args:
        repository_url: a Maven repository; jgo's own default when None.

    Raises:
        EmbeddedUnavailable: no network, or the repository does not answer; try again.
        IntegrityError: what arrived is not what the lock says.
    """
    _make_readable(directory)
    missing = [jar for jar in jars if not _is_intact(jar, directory)]
    done = len(jars) - len(missing)
    report = progress or _silent
    report(done, len(jars))
    if not missing:
        return
    with ThreadPoolExecutor(_THREADS, thread_name_prefix="jar") as pool:
        pending = {pool.submit(_download, jar, directory, repository_url) for jar in missing}
        try:
            while pending:
                finished, pending = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    future.result()
                done += len(finished)
                report(done, len(jars))
        finally:
            for future in pending:
                future.cancel()


def class_path(jars: Sequence[Jar], directory: Path) -> str:
    """
    Build the class path from the lock, hashing every file again.

    Other files in the directory are not on it.

    Raises: IntegrityError when a jar is missing or is not the one in the lock.
    """
    for jar in jars:
        if not _is_intact(jar, directory):
            raise IntegrityError(
                f"{directory / jar.file_name} is missing or is not {jar.coordinate} of the lock; "
                "delete it and start again"
            )
    return os.pathsep.join(str(directory / jar.file_name) for jar in jars)


def _make_readable(directory: Path) -> None:
    """
    Make a directory that the broker's own uid can read, whatever the umask.
    """
    try:
        for place in (*reversed(directory.parents), directory):
            if not place.exists():
                place.mkdir(exist_ok=True)
                place.chmod(0o755)
    except OSError as error:
        raise SettingError(f"{directory}: {error.strerror}; jars cannot be kept there") from None


def _download(jar: Jar, directory: Path, repository_url: str | None) -> None:
    # 10 MB of a supervisor's memory that only a first start needs.
    import requests  # noqa: PLC0415
    from jgo.maven import MavenContext  # noqa: PLC0415

    # jgo warns about checksums in the log; ours is checked below and decides.
    logging.getLogger("jgo").setLevel(logging.ERROR)
    remotes = {"lock": repository_url.rstrip("/")} if repository_url else None
    try:
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=directory) as scratch:
            context = MavenContext(
                repo_cache=Path(scratch), remote_repos=remotes, timeout=_TIMEOUT_S
            )
            arrived = context.create_dependency(jar.coordinate).artifact.resolve()
            found = _sha256(arrived)
            if found != jar.sha256:
                raise IntegrityError(
                    f"{jar.coordinate} arrived with SHA-256 {found}, the lock says {jar.sha256}; "
                    "nothing was started"
                )
            arrived.chmod(0o644)
            arrived.replace(directory / jar.file_name)
    except requests.RequestException as error:
        raise _unreachable(jar, type(error).__name__) from None
    except RuntimeError:  # jgo's word for "no repository has it"
        raise _unreachable(jar, "no repository has it") from None
    except OSError as error:
        raise EmbeddedUnavailable(f"{directory}: {error.strerror or error}") from None


def _unreachable(jar: Jar, why: str) -> EmbeddedUnavailable:
    return EmbeddedUnavailable(
        f"{jar.coordinate} could not be fetched ({why}): the first start needs a network; "
        "or set SPARK_KAFKA_BOOTSTRAP to a Kafka that already runs"
    )


def _is_intact(jar: Jar, directory: Path) -> bool:
    path = directory / jar.file_name
    return path.is_file() and _sha256(path) == jar.sha256


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _silent(_done: int, _total: int) -> None:
    pass
