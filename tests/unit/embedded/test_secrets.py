"""Secrets on disk: who owns them, and what is not taken for one."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from spark.embedded.secrets import Secrets, remove_secret, write_secret
from spark.errors import SettingError
from spark.secret_files import read_secret

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


@pytest.fixture(autouse=True)
def careless_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def test_a_password_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    """S15: directories 0700, files 0400, whatever the umask; made once, then kept."""
    secrets = Secrets(tmp_path / "secrets")
    first = secrets.kafka_password("signer")
    path = tmp_path / "secrets" / "signer" / "kafka.password"
    assert [mode(tmp_path / "secrets"), mode(path.parent), mode(path)] == [0o700, 0o700, 0o400]
    assert Secrets(tmp_path / "secrets").kafka_password("signer") == first


def test_passwords_of_principals_and_purposes_differ(tmp_path: Path) -> None:
    """S15: nobody shares a password with anybody."""
    secrets = Secrets(tmp_path)
    passwords = [secrets.kafka_password(name) for name in ("broker", "controller", "provisioner")]
    passwords.append(secrets.postgres_password("provisioner"))
    assert len(set(passwords)) == 4
    assert min(map(len, passwords)) >= 43


@AS_ROOT
def test_each_role_owns_its_directory_and_only_passes_through_the_one_above(
    tmp_path: Path,
) -> None:
    """S7: with a uid for each role the directory above can be traversed but not listed."""
    secrets = Secrets(tmp_path / "secrets", {"signer": 61_000})
    secrets.kafka_password("signer")
    own = tmp_path / "secrets" / "signer"
    assert mode(tmp_path / "secrets") == 0o711
    assert (own.stat().st_uid, mode(own)) == (61_000, 0o700)
    assert (own / "kafka.password").stat().st_uid == 61_000


@AS_ROOT
def test_a_hard_link_is_not_given_to_a_role(tmp_path: Path) -> None:
    """A role that owns its directory could link another's file into it (S7, S15)."""
    secrets = Secrets(tmp_path / "secrets", {"signer": 61_000})
    theirs = tmp_path / "theirs"
    theirs.write_bytes(b"somebody else's")
    os.link(theirs, secrets.directory("signer") / "kafka.password")
    with pytest.raises(SettingError, match="hard link"):
        secrets.kafka_password("signer")
    assert theirs.stat().st_uid == 0


@AS_ROOT
def test_a_secret_follows_its_role_to_another_uid(tmp_path: Path) -> None:
    """S7: a stack that was started without isolation before is isolated all the same."""
    before = Secrets(tmp_path / "secrets").kafka_password("signer")
    after = Secrets(tmp_path / "secrets", {"signer": 61_000})
    assert after.kafka_password("signer") == before
    assert (tmp_path / "secrets" / "signer" / "kafka.password").stat().st_uid == 61_000


def test_a_secret_is_never_overwritten(tmp_path: Path) -> None:
    """A second writer of the same name is told, and the first secret stands."""
    write_secret(tmp_path / "seal.key", b"first")
    with pytest.raises(SettingError, match="exists"):
        write_secret(tmp_path / "seal.key", b"second")
    assert read_secret(tmp_path / "seal.key") == b"first"
    assert [path.name for path in tmp_path.iterdir()] == ["seal.key"]


def test_a_link_in_place_of_a_secret_is_refused(tmp_path: Path) -> None:
    """S15: O_NOFOLLOW, for the file and for its directory."""
    write_secret(tmp_path / "real", b"secret")
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "directory").symlink_to(tmp_path)
    for path in (tmp_path / "link", tmp_path / "directory" / "real"):
        with pytest.raises(SettingError):
            read_secret(path)
    (tmp_path / "dangling").symlink_to("nowhere")
    with pytest.raises(SettingError):
        write_secret(tmp_path / "dangling", b"secret")
    assert not (tmp_path / "nowhere").exists()


def test_a_removed_secret_is_gone_and_removing_again_is_harmless(tmp_path: Path) -> None:
    """What one command needs is removed after it, also after a crash before it."""
    write_secret(tmp_path / "arguments", b"secret")
    remove_secret(tmp_path / "arguments")
    remove_secret(tmp_path / "arguments")
    assert list(tmp_path.iterdir()) == []
