"""
Makes the keys of spark/keys.py, each once, in the directories of their holders.

What exists stays: a key that changed would make every record before it a forgery.
"""

import base64
import os
import secrets as randomness
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import orjson
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.embedded.processes import SIMULATORS
from spark.embedded.secrets import Secrets, claim_secret, remove_secret
from spark.errors import IntegrityError
from spark.names import Role, Venue
from spark.people import read_people, write_people
from spark.topics import OPERATORS

SIMULATOR_KEYS: Final = "keys.json"
SIMULATOR_ADMIN_TOKEN: Final = "admin.token"  # noqa: S105  (a file's name)
_PUBLIC_MODE: Final = 0o644
_SECRET_BYTES: Final = 32
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
    Give each simulator and the signer the same two exchange keys: one trades, one reads (S4).
    """
    for venue, simulator in SIMULATORS.items():
        entries = [
            _exchange_key(secrets, venue, keys.TRADE_KEY, permissions=["read", "trade"]),
            _exchange_key(secrets, venue, keys.READ_KEY, permissions=["read"]),
        ]
        replace_secret(secrets, simulator, SIMULATOR_KEYS, content=orjson.dumps(entries))
        secrets.password(simulator, SIMULATOR_ADMIN_TOKEN)


def _exchange_key(
    secrets: Secrets, venue: Venue, kind: str, *, permissions: list[str]
) -> dict[str, object]:
    id_name, secret_name = keys.exchange_key(venue, kind)
    if venue is Venue.BTCTURK:
        # Its public keys are UUIDs, its secrets base64.
        fresh = base64.b64encode(randomness.token_bytes(_SECRET_BYTES))
        secrets.write(Role.SIGNER, id_name, str(uuid.uuid4()).encode())
        secrets.write(Role.SIGNER, secret_name, fresh)
    return {
        "api_key": secrets.password(Role.SIGNER, id_name),
        "secret": secrets.password(Role.SIGNER, secret_name),
        "permissions": permissions,
        "balances": dict(_BALANCES[venue]) if kind == keys.TRADE_KEY else {},
    }


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
    held = {holder: _held(secrets, holder, key.name) for holder in key.holders}
    known = {content for content in held.values() if content is not None}
    if len(known) > 1:
        raise IntegrityError(
            f"{key.name} differs between {' and '.join(key.holders)}; put back the right one"
        )
    content = known.pop() if known else randomness.token_bytes(keys.KEY_BYTES)
    for holder in key.holders:
        secrets.write(holder, key.name, content)


def _mint_audit(secrets: Secrets, public: Path) -> None:
    content = _held(secrets, Role.AUDITOR, keys.AUDIT_PRIVATE)
    if content is None:
        content = Ed25519PrivateKey.generate().private_bytes_raw()
    secrets.write(Role.AUDITOR, keys.AUDIT_PRIVATE, content)
    verifying = Ed25519PrivateKey.from_private_bytes(content).public_key().public_bytes_raw()
    write_public(public / keys.AUDIT_PUBLIC, verifying)


def _mint_operators(secrets: Secrets, public: Path) -> None:
    """
    Give each person a key; who may sign is written once, from then on people edit it.
    """
    held = {}
    for person in sorted(OPERATORS):
        content = _held(secrets, person, keys.OPERATOR_PRIVATE)
        if content is None:
            content = Ed25519PrivateKey.generate().private_bytes_raw()
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


def _held(secrets: Secrets, holder: str, name: str) -> bytes | None:
    path = secrets.directory(holder) / name
    if not os.path.lexists(path):
        return None
    # An earlier start may have had other uids.
    claim_secret(path, secrets.uids.get(holder))
    return secrets.read(holder, name)
