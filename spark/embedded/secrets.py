"""
Secrets on disk: one directory for each principal, written once (S7, S15).

    <root>/                 0700, or 0711 where each role has its own uid
        guardrail/          0700, owned by the role's uid
            kafka.password  0400, likewise

Every access goes through a directory descriptor and O_NOFOLLOW, because a role
owns its directory and could put a link where this process, as root, writes.
"""

import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from spark.errors import SettingError
from spark.secret_files import SECRET_BYTES_MAX, open_directory, open_secret, read_secret

KAFKA_PASSWORD: Final = "kafka.password"  # noqa: S105  (a file's name)
POSTGRES_PASSWORD: Final = "postgres.password"  # noqa: S105  (a file's name)
_PASSWORD_BYTES: Final = 32


class Secrets:
    """The secrets directory of one stack."""

    def __init__(self, root: Path, uids: Mapping[str, int] | None = None) -> None:
        self.root = root
        #: Principal to uid; empty where all roles share the uid of this process.
        self.uids: Mapping[str, int] = dict(uids or {})

    def directory(self, principal: str) -> Path:
        """
        Make a principal's directory, or correct its owner and mode.
        """
        assert principal, "a principal has a name"
        assert "/" not in principal, "a principal's name is one path component"
        _make_directory(self.root, mode=0o711 if self.uids else 0o700, uid=None)
        path = self.root / principal
        _make_directory(path, mode=0o700, uid=self.uids.get(principal))
        return path

    def write(self, principal: str, name: str, secret: bytes) -> Path:
        """
        Keep a secret for a principal; one that exists stays as it is.
        """
        path = self.directory(principal) / name
        if path.exists():
            claim_secret(path, self.uids.get(principal))
        else:
            write_secret(path, secret, self.uids.get(principal))
        return path

    def read(self, principal: str, name: str) -> bytes:
        """
        Read a principal's secret, on its behalf.
        """
        return read_secret(self.root / principal / name, self.uids.get(principal))

    def password(self, principal: str, name: str) -> str:
        """
        Read a password, made of 32 random bytes the first time.
        """
        path = self.directory(principal) / name
        if not path.exists():
            fresh = secrets.token_urlsafe(_PASSWORD_BYTES).encode()
            write_secret(path, fresh, self.uids.get(principal))
        claim_secret(path, self.uids.get(principal))
        return self.read(principal, name).decode()

    def kafka_password(self, principal: str) -> str:
        """
        Read, or make, the SCRAM password of a Kafka principal.
        """
        return self.password(principal, KAFKA_PASSWORD)

    def postgres_password(self, principal: str) -> str:
        """
        Read, or make, the password of a principal's database role.
        """
        return self.password(principal, POSTGRES_PASSWORD)


def write_secret(path: Path, secret: bytes, uid: int | None = None) -> None:
    """
    Write a secret once, whole or not at all, mode 0400.

    Raises: SettingError when the name is taken; a secret is never overwritten.
    """
    with _beside(path, secret, uid) as (temporary, directory):
        try:
            # A link, unlike a rename, fails when the name is taken.
            os.link(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)
        except FileExistsError:
            raise SettingError(f"{path} exists; a secret is never overwritten") from None


def replace_secret(path: Path, secret: bytes) -> None:
    """
    Put the same secret in another form in its place, whole or not at all; the owner stays.

    Raises:
        SettingError: there is none.

    """
    with open_secret(path) as descriptor:
        uid = os.fstat(descriptor).st_uid
    with _beside(path, secret, None if uid == os.geteuid() else uid) as (temporary, directory):
        os.rename(temporary, path.name, src_dir_fd=directory, dst_dir_fd=directory)


@contextmanager
def _beside(path: Path, secret: bytes, uid: int | None) -> Iterator[tuple[str, int]]:
    """Write it under another name; gives that and the directory, and leaves no trace of it."""
    assert len(secret) <= SECRET_BYTES_MAX, "a secret is small"
    with open_directory(path.parent) as directory:
        temporary = f".{path.name}.{secrets.token_hex(8)}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o400, dir_fd=directory)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(secret)
                file.flush()
                os.fchmod(file.fileno(), 0o400)
                if uid is not None:
                    os.fchown(file.fileno(), uid, uid)
                os.fsync(file.fileno())
            yield temporary, directory
        finally:
            with suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=directory)
        os.fsync(directory)


def claim_secret(path: Path, uid: int | None) -> None:
    """
    Give a secret to the uid that its role has now; only root can, and only root needs to.
    """
    if uid is None:
        uid = os.geteuid()
    with open_secret(path) as descriptor:
        state = os.fstat(descriptor)
        if state.st_uid == uid:
            return
        if state.st_nlink > 1:
            # Its other name may be anybody's file, which this would give away.
            raise SettingError(f"secret file {path}: has a second name (hard link); remove it")
        try:
            os.fchown(descriptor, uid, uid)
        except PermissionError:
            raise SettingError(f"{path} belongs to another user; start as that user") from None


def remove_secret(path: Path) -> None:
    """
    Remove a secret that was needed for one command only.
    """
    with suppress(FileNotFoundError), open_directory(path.parent) as directory:
        os.unlink(path.name, dir_fd=directory)


def _make_directory(path: Path, *, mode: int, uid: int | None) -> None:
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingError(f"{path}: cannot be made ({error.strerror})") from None
    with open_directory(path) as descriptor:
        state = os.fstat(descriptor)
        owner = os.geteuid() if uid is None else uid
        try:
            if state.st_uid != owner:
                os.fchown(descriptor, owner, owner)
            if stat.S_IMODE(state.st_mode) != mode:
                os.fchmod(descriptor, mode)
        except PermissionError:
            raise SettingError(f"{path} belongs to another user; start as that user") from None
