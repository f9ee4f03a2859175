"""
Secret files: private, ours, plain (S15), and never printed (S18).
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from spark import log
from spark.errors import SettingError
from spark.secret_files import SECRET_BYTES_MAX, read_secret

SECRET = b"hunter2hunter2hunter2hunter2!!!!"


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no registered secret behind."""
    monkeypatch.setattr(log, "_forms", {})


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    path = tmp_path / "secret"
    path.write_bytes(SECRET)
    path.chmod(0o400)
    return path


@pytest.mark.parametrize("mode", [0o400, 0o600])
def test_s15_a_private_file_is_read(secret_file: Path, mode: int) -> None:
    """S15: owner only, and that is us."""
    secret_file.chmod(mode)
    assert read_secret(secret_file) == SECRET


def test_s18_what_was_read_is_never_printed(secret_file: Path) -> None:
    """S18: reading a secret tells the filter of it."""
    read_secret(secret_file)
    assert log.redact(f"a {SECRET.decode()} b") == "a [redacted] b"


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o420, 0o402, 0o410, 0o401, 0o644, 0o777])
def test_s15_a_file_that_others_may_touch_is_refused(secret_file: Path, mode: int) -> None:
    """S15: one line with the file and the remedy."""
    secret_file.chmod(mode)
    with pytest.raises(SettingError, match=rf"{secret_file}: others may read it; chmod 0400"):
        read_secret(secret_file)


def _link(path: Path) -> None:
    path.rename(path.with_name("real"))
    path.symlink_to("real")


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir(mode=0o700)


def _pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o400)


@pytest.mark.parametrize(
    ("hurt", "words"),
    [
        (Path.unlink, "No such file"),
        (_link, "symbolic link"),
        (_directory, "not a plain file"),
        (_pipe, "not a plain file"),
    ],
)
def test_s15_anything_but_a_plain_file_is_refused(
    secret_file: Path, hurt: Callable[[Path], None], words: str
) -> None:
    """S15: no link is followed, no pipe is waited for."""
    hurt(secret_file)
    with pytest.raises(SettingError, match=words):
        read_secret(secret_file)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a file away")
def test_s15_somebody_elses_file_is_refused(secret_file: Path) -> None:
    """S15: the owner is checked even by those who may read everything."""
    os.chown(secret_file, 4242, -1)
    with pytest.raises(SettingError, match="owned by uid 4242"):
        read_secret(secret_file)
    assert read_secret(secret_file, 4242) == SECRET


@pytest.mark.parametrize("size", [0, SECRET_BYTES_MAX + 1])
def test_a_size_that_no_secret_has_is_refused(tmp_path: Path, size: int) -> None:
    """An empty key would sign anything, a device would never end."""
    path = tmp_path / "sized"
    path.write_bytes(b"x" * size)
    path.chmod(0o400)
    with pytest.raises(SettingError, match="must hold"):
        read_secret(path)
