"""Secrets on disk: who owns them, and what is not taken for one."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from spark.embedded.secrets import (
    SECRET_BYTES_MAX,
    Secrets,
    read_secret,
    remove_secret,
    write_secret,
)
from spark.errors import SettingError

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


@pytest.mark.parametrize("wrong", [0o440, 0o404, 0o600, 0o444])
def test_a_secret_that_others_can_read_or_anybody_can_write_is_refused(
    tmp_path: Path, wrong: int
) -> None:
    """S15: the mode is checked at each reading."""
    write_secret(tmp_path / "key", b"secret")
    (tmp_path / "key").chmod(wrong)
    with pytest.raises(SettingError, match="must have mode 0400"):
        read_secret(tmp_path / "key")


@AS_ROOT
def test_a_secret_of_another_owner_is_refused(tmp_path: Path) -> None:
    """S15: the owner is checked at each reading."""
    write_secret(tmp_path / "key", b"secret", 61_000)
    with pytest.raises(SettingError, match="uid 0"):
        read_secret(tmp_path / "key")
    assert read_secret(tmp_path / "key", 61_000) == b"secret"


def test_what_is_no_regular_file_or_has_no_sensible_size_is_refused(tmp_path: Path) -> None:
    """A FIFO would block, a device would never end, an empty key would sign anything."""
    os.mkfifo(tmp_path / "fifo", 0o400)
    (tmp_path / "empty").touch(0o400)
    (tmp_path / "huge").write_bytes(b"x" * (SECRET_BYTES_MAX + 1))
    (tmp_path / "huge").chmod(0o400)
    (tmp_path / "directory").mkdir(0o400)
    for name in ("fifo", "empty", "huge", "directory", "missing"):
        with pytest.raises(SettingError) as raised:
            read_secret(tmp_path / name)
        assert "\n" not in str(raised.value)


def test_a_removed_secret_is_gone_and_removing_again_is_harmless(tmp_path: Path) -> None:
    """What one command needs is removed after it, also after a crash before it."""
    write_secret(tmp_path / "arguments", b"secret")
    remove_secret(tmp_path / "arguments")
    remove_secret(tmp_path / "arguments")
    assert list(tmp_path.iterdir()) == []
