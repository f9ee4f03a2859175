"""
Makes the keys of spark/keys.py, each once, in the directories of their holders.

What exists stays: a key that changed would make every record before it a forgery.
"""

import base64
import os
import secrets as randomness
import time
import uuid
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from spark import keys
from spark.audit_keys import kid_of, read_audit_keys
from spark.embedded.processes import SIMULATORS
from spark.embedded.secrets import Secrets, claim_secret, remove_secret
from spark.errors import IntegrityError, SettingError
from spark.key_slots import Slot, expires_ns, find_slots, list_names, slot_name
from spark.locked_key import is_locked
from spark.names import Role, Venue
from spark.people import read_people, write_people
from spark.topics import OPERATORS

SIMULATOR_KEYS: Final = "keys.json"
SIMULATOR_ADMIN_TOKEN: Final = "admin.token"  # noqa: S105  (a file's name)
_PUBLIC_MODE: Final = 0o644
_SECRET_BYTES: Final = 32
#: By kind (keys.TRADE_KEY, keys.READ_KEY): public id and secret.
ExchangeKeys = Mapping[str, tuple[bytes, bytes]]
#: What a simulated account owns, before its first order.
_BALANCES: Final[Mapping[Venue, Mapping[str, str]]] = {
    Venue.BINANCE: {"USDT": "10000000", "BTC": "1000", "ETH": "10000", "BNB": "10000"},
    Venue.BTCTURK: {"TRY": "300000000", "USDT": "10000000", "BTC": "1000", "ETH": "10000"},
}


def mint_keys(secrets: Secrets, public: Path) -> None:
    """
    Make every key that is missing.

    Raises:
        IntegrityError: the holders of one key hold different bytes.
        SettingError: a directory or file cannot be used (secrets.py).

    """
    for key in keys.SHARED_KEYS:
        _mint_shared(secrets, key)
    _mint_audit(secrets, public)
    secrets.password(Role.WEBHOOK, keys.ALERT_TOKEN)
    if not (public / keys.LOG_EPOCH).exists():
        renew_log_epoch(public)
    _mint_operators(secrets, public)


def renew_log_epoch(public: Path) -> None:
    """Name a new incarnation of the log; tags made for the one before it verify no more."""
    write_public(public / keys.LOG_EPOCH, f"{uuid.uuid4()}\n".encode())


def mint_simulator_keys(secrets: Secrets) -> None:
    """
    Give each simulator and the signer the same exchange keys: one trades, one reads (S4).
    """
    for venue, simulator in SIMULATORS.items():
        newest = slots_of(secrets, Role.SIGNER, trade_id(venue))[0].generation
        add_exchange_keys(secrets, venue, newest, fresh=fresh_exchange_keys(venue))
        tell_simulator(secrets, venue)
        secrets.password(simulator, SIMULATOR_ADMIN_TOKEN)


def trade_id(venue: Venue) -> str:
    """Name the file whose generations are those of all keys of an exchange."""
    return keys.exchange_key(venue, keys.TRADE_KEY)[0]


def fresh_exchange_keys(venue: Venue) -> ExchangeKeys:
    """Make up what an exchange would give."""
    return {kind: _fresh_exchange_key(venue) for kind in (keys.READ_KEY, keys.TRADE_KEY)}


def add_exchange_keys(
    secrets: Secrets, venue: Venue, generation: int, *, fresh: ExchangeKeys
) -> None:
    """Give the signer a generation of an exchange's keys, as far as it lacks it."""
    for kind, (_, secret) in fresh.items():
        secrets.write(Role.SIGNER, keys.exchange_key(venue, kind, generation)[1], secret)
    # The trade key's id is last: by it the signer finds the whole generation.
    for kind, (public_id, _) in fresh.items():
        secrets.write(Role.SIGNER, keys.exchange_key(venue, kind, generation)[0], public_id)


def tell_simulator(
    secrets: Secrets, venue: Venue, coming: tuple[int, ExchangeKeys] | None = None
) -> None:
    """
    Write the simulator's file of keys anew: those of the signer, and one that it gets next.
    """
    entries = []
    for slot in reversed(slots_of(secrets, Role.SIGNER, trade_id(venue))):
        held = {
            kind: tuple(
                secrets.read(Role.SIGNER, name)
                for name in keys.exchange_key(venue, kind, slot.generation)
            )
            for kind in (keys.TRADE_KEY, keys.READ_KEY)
        }
        entries += [_entry(kind, slot.generation, held[kind]) for kind in held]
    if coming is not None:
        generation, fresh = coming
        entries += [_entry(kind, generation, fresh[kind]) for kind in fresh]
    funded = next(entry for entry in entries if "trade" in str(entry["permissions"]))
    funded["balances"] = dict(_BALANCES[venue])
    replace_secret(secrets, SIMULATORS[venue], SIMULATOR_KEYS, content=orjson.dumps(entries))


def _entry(kind: str, generation: int, key: tuple[bytes, ...]) -> dict[str, object]:
    name, may = ("trade", ["read", "trade"]) if kind == keys.TRADE_KEY else ("read", ["read"])
    return {
        "id": f"{name}-{generation}",
        "api_key": key[0].decode().strip(),
        "secret": key[1].decode().strip(),
        "permissions": may,
        "balances": {},
    }


def _fresh_exchange_key(venue: Venue) -> tuple[bytes, bytes]:
    if venue is Venue.BTCTURK:
        # Its public keys are UUIDs, its secrets base64.
        secret = base64.b64encode(randomness.token_bytes(_SECRET_BYTES))
        return str(uuid.uuid4()).encode(), secret
    fresh = (randomness.token_urlsafe(_SECRET_BYTES).encode() for _ in range(2))
    return next(fresh), next(fresh)


def replace_secret(secrets: Secrets, principal: str, name: str, *, content: bytes) -> Path:
    """
    Write a secret that is derived from others, over an older one; nobody may be reading it.
    """
    remove_secret(secrets.directory(principal) / name)
    return secrets.write(principal, name, content)


def write_public(path: Path, content: bytes) -> None:
    """Write what every role may read, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(content)
    part.chmod(_PUBLIC_MODE)
    part.replace(path)


def _mint_shared(secrets: Secrets, key: keys.SharedKey) -> None:
    """Make a key, or give its newest generation to who lacks it: a rotation that was cut off."""
    newest = max(slots_of(secrets, holder, key.name)[0].generation for holder in key.holders)
    name = slot_name(key.name, newest)
    held = {holder: _held(secrets, holder, name) for holder in key.holders}
    known = {content for content in held.values() if content is not None}
    if len(known) > 1:
        raise IntegrityError(
            f"{name} differs between {' and '.join(key.holders)}; put back the right one"
        )
    content = known.pop() if known else randomness.token_bytes(keys.KEY_BYTES)
    for holder in key.holders:
        secrets.write(holder, name, content)
    drop_old(secrets, key, now_ns=time.time_ns())


def slots_of(secrets: Secrets, holder: str, name: str) -> tuple[Slot, ...]:
    """List the generations of a key that a holder has, the newest first."""
    directory = secrets.directory(holder)
    return find_slots(directory, name, list_names(directory))


def drop_old(secrets: Secrets, key: keys.SharedKey, *, now_ns: int) -> list[str]:
    """
    Remove generations that nobody needs: the writer's before its newest, the verifier's when over.

    Returns: the names of the files that went.
    """
    gone = []
    for holder in key.holders:
        slots = slots_of(secrets, holder, key.name)
        for newer, slot in pairwise(slots):
            if holder == key.writer or expires_ns(newer) <= now_ns:
                remove_secret(slot.path)
                gone.append(f"{holder}/{slot.path.name}")
    return gone


def _mint_audit(secrets: Secrets, public: Path) -> None:
    listed = _held(secrets, Role.AUDITOR, keys.AUDIT_KEYS)
    if listed is not None:
        _keep_audit(secrets, public, listed)
        return
    content = _held(secrets, Role.AUDITOR, keys.AUDIT_PRIVATE)
    if content is None:
        content = Ed25519PrivateKey.generate().private_bytes_raw()
    secrets.write(Role.AUDITOR, keys.AUDIT_PRIVATE, content)
    write_public(public / keys.AUDIT_PUBLIC, _ed25519(content).public_bytes_raw())


def _keep_audit(secrets: Secrets, public: Path, listed: bytes) -> None:
    """Publish what the auditor's list says, and drop the keys whose time is over."""
    known = read_audit_keys(listed)
    newest = _held(secrets, Role.AUDITOR, slot_name(keys.AUDIT_PRIVATE, known.newest))
    if newest is None or _ed25519(newest) != known.public(known.newest):
        raise IntegrityError(
            f"{secrets.directory(Role.AUDITOR)} lacks {kid_of(known.newest)}, which its list "
            "names; put it back (runbook/keys.md)"
        )
    signing = known.generation_at(time.time_ns())
    for slot in slots_of(secrets, Role.AUDITOR, keys.AUDIT_PRIVATE):
        if slot.generation < signing:
            remove_secret(slot.path)
        else:
            claim_secret(slot.path, secrets.uids.get(Role.AUDITOR))
    write_public(public / keys.AUDIT_PUBLIC, known.first.public_bytes_raw())
    write_public(public / keys.AUDIT_KEYS, listed)


def _ed25519(private: bytes) -> Ed25519PublicKey:
    return Ed25519PrivateKey.from_private_bytes(private).public_key()


def _mint_operators(secrets: Secrets, public: Path) -> None:
    """
    Give each person a key; who may sign is written once, from then on people edit it.
    """
    held = {}
    for person in sorted(OPERATORS):
        content = _held(secrets, person, keys.OPERATOR_PRIVATE)
        if content is None:
            content = Ed25519PrivateKey.generate().private_bytes_raw()
        if is_locked(content):
            # What opens it is in somebody's head; the public part was written when it was made.
            held[person] = _public_of(public / keys.person_public(person))
            continue
        secrets.write(person, keys.OPERATOR_PRIVATE, content)
        held[person] = Ed25519PrivateKey.from_private_bytes(content).public_key()
        text = f"{held[person].public_bytes_raw().hex()}\n"
        write_public(public / keys.person_public(person), text.encode())
    path = public / keys.OPERATORS
    if not path.exists():
        write_public(path, write_people(held).encode())
        return
    # Words are judged for one log; the keys are the same for each.
    known = read_people(path.read_text(encoding="utf-8"), log_epoch="")
    for person, key in held.items():
        said = known.key_of(person)
        if said is not None and said.public_bytes_raw() != key.public_bytes_raw():
            raise IntegrityError(
                f"{path} has another key for {person} than {secrets.directory(person)}; "
                "put back the right one (runbook/keys.md)"
            )


def _public_of(path: Path) -> Ed25519PublicKey:
    try:
        return Ed25519PublicKey.from_public_bytes(bytes.fromhex(path.read_text("ascii")))
    except (OSError, ValueError):
        raise SettingError(
            f"{path}: not the public part of a person's key; put it back (runbook/keys.md)"
        ) from None


def _held(secrets: Secrets, holder: str, name: str) -> bytes | None:
    path = secrets.directory(holder) / name
    if not os.path.lexists(path):
        return None
    # An earlier start may have had other uids.
    claim_secret(path, secrets.uids.get(holder))
    return secrets.read(holder, name)
