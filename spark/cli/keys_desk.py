"""
What `spark keys` works on: a stack of this machine, running or not, or one role's directory.
"""

import os
from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from spark import keys
from spark.cli.attach import check_person, homes
from spark.cli.passphrase import choose_passphrase
from spark.embedded.rotation import Rotated, chosen_keys, rotate
from spark.embedded.rotation_audit import rotate_audit
from spark.embedded.rotation_exchange import ExchangeRotation
from spark.embedded.secrets import Secrets, replace_secret
from spark.embedded.state import read_state
from spark.errors import NotRunningError, SettingError
from spark.locked_key import is_locked, lock
from spark.names import Venue
from spark.ops.keys_init import Item, init_keys, new_audit_key, new_slot
from spark.ops.keys_list import KeyRow, list_keys, now_ns
from spark.secret_files import read_secret
from spark.settings import Settings, read_settings

_NS_PER_S: Final = 10**9
#: From the last check of a deadline to the exchange's own.
_ON_THE_WAY_S: Final = 1.0


def rows_of(role: str, directory: Path | None) -> tuple[list[KeyRow], int]:
    """
    List keys: of one role, or of all whose directories this user may read.

    Returns: the rows and when they were read.

    Raises:
        SettingError: there is no such directory.

    """
    _, home = homes()
    if role:
        holders = [(role, _directory(role, directory))]
    else:
        holders = [(path.name, path) for path in _directories(home.secrets)]
    try:
        return list_keys(holders, home.public), now_ns()
    except PermissionError as error:
        raise SettingError(f"{error.filename}: another user's; look as root, or --role") from None


def init_role(role: str, directory: Path | None) -> list[Item]:
    """Make a role's own keys; raises as init_keys."""
    return init_keys(role, _directory(role, directory))


def lock_person(person: str, directory: Path | None) -> Path:
    """
    Put a person's signing key under a passphrase.

    Returns: its file.

    Raises:
        SettingError: no such person or key, it has one already, or nobody says one.

    """
    check_person(person)
    path = _directory(person, directory) / keys.OPERATOR_PRIVATE
    owner = path.lstat().st_uid if os.geteuid() == 0 and path.exists() else None
    content = read_secret(path, owner)
    if is_locked(content):
        raise SettingError(f"{path}: has a passphrase already")
    replace_secret(path, lock(content, choose_passphrase(person)))
    return path


def chosen(pairs: Collection[str], *, has_seal: bool, is_all: bool) -> Sequence[keys.SharedKey]:
    """Find the keys that were named; raises as chosen_keys."""
    return chosen_keys(pairs, has_seal=has_seal, is_all=is_all)


def new_slots(role: str, directory: Path | None, wanted: Sequence[keys.SharedKey]) -> list[Item]:
    """
    Make new generations in one verifier's own directory.

    Raises:
        SettingError: as new_slot, or the role makes none of them.

    """
    mine = [key for key in wanted if key.verifier == role]
    if not mine:
        makers = ", ".join(sorted({key.verifier for key in wanted}))
        raise SettingError(f"{role} makes none of these; their makers: {makers}")
    place = _directory(role, directory)
    return [new_slot(role, place, key) for key in mine]


def new_audit_slot(role: str, directory: Path | None) -> Item:
    """Make the next audit key in the auditor's own directory; raises as new_audit_key."""
    return new_audit_key(role, _directory(role, directory))


async def rotate_here(
    wanted: Sequence[keys.SharedKey], exchange: str, *, has_audit: bool
) -> list[dict[str, object]]:
    """
    Change keys of this machine's stack.

    Returns: each key, its generation, and until when the old one counts.

    Raises:
        SparkError: as rotate.

    """
    place, home = homes()
    if not home.is_marked():
        raise SettingError(f"{home.root} is no stack's home; one role's own keys: --role")
    state = read_state(place)
    secrets = Secrets(home.secrets, {} if state is None else state.uids)
    changed = [_object(one) for one in await rotate(place, home, secrets, wanted=wanted)]
    if has_audit:
        known = rotate_audit(secrets, home.public)
        changed.append(_entry("audit", known.newest, known.successions[-1].from_ns))
    if exchange:
        if state is None or not state.supervisor.is_alive():
            raise NotRunningError("no stack runs: its exchange has to be there to take new keys")
        settings = read_settings()
        rotation = ExchangeRotation(
            anchor=place,
            home=home,
            state=state,
            secrets=secrets,
            venue=_venue(exchange),
            life_s=_life_s(settings),
        )
        generation, ended_ns = await rotation.run()
        changed.append(_entry(exchange, generation, ended_ns))
    return changed


def clock_text(at_ns: int) -> str:
    """Write a time as people read it."""
    return datetime.fromtimestamp(at_ns // _NS_PER_S, UTC).strftime("%H:%M:%S UTC")


def _object(one: Rotated) -> dict[str, object]:
    return _entry(one.name, one.generation, one.old_until_ns)


def _entry(key: str, generation: int, old_until_ns: int) -> dict[str, object]:
    return {
        "key": key,
        "generation": generation,
        "old_until_ns": old_until_ns,
        "until": clock_text(old_until_ns),
    }


def _venue(text: str) -> Venue:
    try:
        return Venue(text)
    except ValueError:
        raise SettingError(f"no exchange {text!r}; there are: {', '.join(Venue)}") from None


def _life_s(settings: Settings) -> float:
    """Say how long what the old key signed may still be on its way."""
    window_s = settings.binance.recv_window_ms / 1000
    return max(float(settings.limits.signature_life_s), window_s) + _ON_THE_WAY_S


def _directory(role: str, directory: Path | None) -> Path:
    if directory is not None:
        return directory.absolute()
    settings = read_settings()
    return settings.process.secrets_dir or homes()[1].secrets_of(role)


def _directories(root: Path) -> list[Path]:
    if not root.is_dir():
        raise SettingError(f"{root}: no secrets there; `spark up` makes them")
    return sorted(path for path in root.iterdir() if path.is_dir() and not path.is_symlink())
