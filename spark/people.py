"""
Who may sign proposals, and over which bytes: persons and their Ed25519 keys (S11). Pure.

The signature binds the proposal to the person and to this incarnation of the log, so
that neither a copied record nor another stack's says anything here.
"""

import tomllib
from collections.abc import Mapping
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from spark.errors import SettingError
from spark.signing import lp

_DOMAIN: Final = b"spark/1"
_KIND: Final = b"proposal"
_TABLE: Final = "operators"


class People:
    """The persons whose signatures count."""

    def __init__(self, keys: Mapping[str, Ed25519PublicKey], log_epoch: str) -> None:
        self._keys = dict(keys)
        self.log_epoch = log_epoch

    @property
    def names(self) -> frozenset[str]:
        """List the persons."""
        return frozenset(self._keys)

    @property
    def digest(self) -> str:
        """Digest who they are; part of what a stage's fence says of its settings."""
        lines = (f"{name} {key.public_bytes_raw().hex()}" for name, key in self._keys.items())
        return sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]

    def has_signed(self, person: str, proposal: bytes, signature: str) -> bool:
        """Tell whether this person's key made the signature, over exactly these bytes."""
        key = self._keys.get(person)
        if key is None:
            return False
        try:
            key.verify(bytes.fromhex(signature), signed_bytes(person, proposal, self.log_epoch))
        except (InvalidSignature, ValueError):
            return False
        return True


def sign(key: Ed25519PrivateKey, person: str, proposal: bytes, *, log_epoch: str) -> str:
    """Sign a proposal; the signature as hex."""
    return key.sign(signed_bytes(person, proposal, log_epoch)).hex()


def signed_bytes(person: str, proposal: bytes, log_epoch: str) -> bytes:
    """Compose what a signature is made over."""
    parts = (_DOMAIN, _KIND, person.encode(), log_epoch.encode(), proposal)
    return b"".join(lp(part) for part in parts)


def read_people(text: str, log_epoch: str) -> People:
    """
    Read `operators.toml`: a table `operators` of principal = "public key, hex".

    Raises:
        SettingError: it is not of that form.

    """
    try:
        table = tomllib.loads(text)[_TABLE]
        keys = {
            name: Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
            for name, key in table.items()
        }
    except (tomllib.TOMLDecodeError, KeyError, AttributeError, TypeError, ValueError):
        raise SettingError(
            "operators.toml: a table [operators] of name = hex key is needed"
        ) from None
    return People(keys, log_epoch)


def write_people(keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Write `operators.toml`."""
    lines = (f'{name} = "{key.public_bytes_raw().hex()}"' for name, key in sorted(keys.items()))
    return f"[{_TABLE}]\n" + "\n".join(lines) + "\n"
