"""
Makes one role's own keys on a machine that `spark up` does not care for (security §3).

Run as the role's own user, in the role's own directory. A key that two roles share
is made by who verifies with it, and carried to who writes with it: so the new one is
known before it is used. Nothing that exists is overwritten.
"""

import os
import secrets as randomness
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.embedded.minting import write_public
from spark.embedded.roles import ROLES
from spark.embedded.rotation_audit import next_audit_key
from spark.embedded.secrets import (
    KAFKA_PASSWORD,
    POSTGRES_PASSWORD,
    write_secret,
)
from spark.errors import SettingError
from spark.key_slots import find_slots, list_names, slot_name
from spark.names import Role, Venue
from spark.topics import OPERATORS, PRINCIPALS

_DIRECTORY_MODE: Final = 0o700
_OTHERS: Final = 0o077
_PASSWORD_BYTES: Final = 32


class Origin(StrEnum):
    """Where a key of a role comes from."""

    #: Made by this command.
    MADE = "made"
    #: It was there, and stays.
    KEPT = "kept"
    #: Its other holder makes it.
    CARRIED_HERE = "carried here"
    #: An exchange gives it.
    EXCHANGE = "from the exchange"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One file of the role, and what is still to be done about it."""

    file: str
    origin: Origin
    #: What a person has to do; empty where nothing is.
    step: str = ""


def check_place(role: str, directory: Path) -> None:
    """
    Refuse a place or a user that is not the role's own.

    Raises:
        SettingError: why.

    """
    if role not in PRINCIPALS:
        raise SettingError(f"no role {role!r}; there are: {', '.join(sorted(PRINCIPALS))}")
    if os.geteuid() == 0:
        raise SettingError("run it as the role's own user (setpriv, su, systemd-run), not as root")
    try:
        directory.mkdir(mode=_DIRECTORY_MODE, parents=True, exist_ok=True)
        state = directory.lstat()
    except OSError as error:
        raise SettingError(f"{directory}: {error.strerror}") from None
    if directory.is_symlink() or state.st_uid != os.geteuid() or state.st_mode & _OTHERS:
        raise SettingError(f"{directory}: must be this user's own, mode 0700 and no link")


def init_keys(role: str, directory: Path) -> list[Item]:
    """
    Make what the role makes itself.

    Returns: each file that the role needs, with what is still to be done.

    Raises:
        SettingError: the place is not the role's own (check_place), or cannot be written.

    """
    check_place(role, directory)
    return [*_passwords(role, directory), *_shared(role, directory), *_others(role, directory)]


def new_slot(role: str, directory: Path, key: keys.SharedKey) -> Item:
    """
    Make the next generation of a key that this role verifies with.

    Raises:
        SettingError: it is another role's to make, or there is none before it.

    """
    check_place(role, directory)
    if role != key.verifier:
        raise SettingError(f"{key.name} is made by {key.verifier}, who verifies with it")
    newest = find_slots(directory, key.name, list_names(directory))[0]
    if not newest.since_ns:
        raise SettingError(f"{directory / key.name} is not there; `spark keys init` makes it")
    name = slot_name(key.name, newest.generation + 1)
    write_secret(directory / name, randomness.token_bytes(keys.KEY_BYTES))
    step = f"{_carry(name, key.writer)} Within 10 minutes: then the one before counts no more."
    return Item(file=name, origin=Origin.MADE, step=step)


def new_audit_key(role: str, directory: Path) -> Item:
    """
    Make the next audit key, in the auditor's own directory.

    Raises:
        SettingError: it is another role's, or as next_audit_key.

    """
    check_place(role, directory)
    if role != Role.AUDITOR:
        raise SettingError(f"{role} signs no checkpoints; the auditor does")
    known = next_audit_key(directory, now_ns=time.time_ns())
    step = (
        f"Carry {keys.AUDIT_KEYS} to the public directory of every machine and to every witness; "
        "it is no secret. Within 10 minutes: then the new key signs."
    )
    name = slot_name(keys.AUDIT_PRIVATE, known.newest)
    return Item(file=name, origin=Origin.MADE, step=step)


def _passwords(role: str, directory: Path) -> Iterator[Item]:
    yield _made(
        directory,
        KAFKA_PASSWORD,
        _password(),
        step=f"Tell the broker: kafka-configs --alter --entity-type users --entity-name {role}, "
        "the password from a file, never as an argument.",
    )
    if role in ROLES:
        yield _made(
            directory,
            POSTGRES_PASSWORD,
            _password(),
            step=f"Tell PostgreSQL: \\password {ROLES[role]}; "
            "DATABASE_URL names a passfile with it.",
        )


def _shared(role: str, directory: Path) -> Iterator[Item]:
    for key in keys.SHARED_KEYS:
        if role == key.verifier:
            content = randomness.token_bytes(keys.KEY_BYTES)
            yield _made(directory, key.name, content, step=_carry(key.name, key.writer))
        elif role == key.writer:
            yield _awaited(directory, key.name, f"{key.verifier} makes it; put it here, mode 0400.")


def _others(role: str, directory: Path) -> Iterator[Item]:
    if role == Role.AUDITOR and (directory / keys.AUDIT_KEYS).exists():
        yield Item(file=keys.AUDIT_KEYS, origin=Origin.KEPT)
    elif role == Role.AUDITOR:
        yield _signing(directory, keys.AUDIT_PRIVATE, keys.AUDIT_PUBLIC)
    if role in OPERATORS:
        yield _signing(directory, keys.OPERATOR_PRIVATE, keys.person_public(role))
    if role == Role.WEBHOOK:
        step = "Tell whoever sends alerts, as the bearer token."
        yield _made(directory, keys.ALERT_TOKEN, _password(), step=step)
    if role == Role.SIGNER:
        for venue in Venue:
            if venue is Venue.BIST:
                continue
            for kind, may in ((keys.TRADE_KEY, "that trades"), (keys.READ_KEY, "that only reads")):
                for name in keys.exchange_key(venue, kind):
                    step = (
                        f"Make a key {may} at {venue}, bound to this address, without withdrawals."
                    )
                    yield _awaited(directory, name, step, origin=Origin.EXCHANGE)


def _signing(directory: Path, name: str, public: str) -> Item:
    path = directory / name
    if path.exists():
        return Item(file=name, origin=Origin.KEPT)
    key = Ed25519PrivateKey.generate()
    write_secret(path, key.private_bytes_raw())
    content = key.public_key().public_bytes_raw()
    is_text = name == keys.OPERATOR_PRIVATE
    write_public(directory / public, f"{content.hex()}\n".encode() if is_text else content)
    step = f"Carry {public} to the public directory of every machine; it is no secret."
    return Item(file=name, origin=Origin.MADE, step=step)


def _made(directory: Path, name: str, content: bytes, *, step: str) -> Item:
    path = directory / name
    if path.exists():
        return Item(file=name, origin=Origin.KEPT)
    write_secret(path, content)
    return Item(file=name, origin=Origin.MADE, step=step)


def _awaited(
    directory: Path, name: str, step: str, *, origin: Origin = Origin.CARRIED_HERE
) -> Item:
    if (directory / name).exists():
        return Item(file=name, origin=Origin.KEPT)
    return Item(file=name, origin=origin, step=step)


def _carry(name: str, writer: str) -> str:
    return (
        f"Carry {name} to {writer}'s directory, over a channel that only both users read "
        "(ssh with `install -m 0400 /dev/stdin`), and leave no copy."
    )


def _password() -> bytes:
    return randomness.token_urlsafe(_PASSWORD_BYTES).encode()
