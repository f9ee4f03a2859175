"""
Reads a role's secret files, once, into keyed objects.

A file that is not as it should be is a SettingError that names it and the
remedy. No bytes of a secret live in a frame after this (S15, S18).
"""

import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from spark import keys
from spark.errors import SettingError
from spark.exchanges.binance import auth as binance_auth
from spark.exchanges.binance.signer import BinanceKey
from spark.exchanges.btcturk import auth as btcturk_auth
from spark.exchanges.btcturk.signer import BtcturkKey
from spark.names import Venue
from spark.people import People, read_people
from spark.secret_files import read_secret
from spark.signing import SealKey, TagChecker, Tagger, TagKey

_T = TypeVar("_T")
_PUBLIC_BYTES_MAX: Final = 64 * 1024
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class Keyring:
    """One role's directory of secrets, and the directory of what everybody may know."""

    def __init__(self, role: str, secrets_dir: Path, public_dir: Path) -> None:
        self._role = role
        self._secrets = secrets_dir
        self._public = public_dir
        self.log_epoch = self._public_text(keys.LOG_EPOCH)

    def __repr__(self) -> str:
        return f"Keyring({self._role})"

    def kafka_password(self) -> str:
        """Read the role's Kafka password."""
        return _made(self._secrets / "kafka.password", _text)

    def tagger(self, verifiers: Iterable[str]) -> Tagger:
        """Collect the keys that this role tags with."""
        return Tagger({verifier: self._pair(self._role, verifier) for verifier in verifiers})

    def checker(self, writers: Iterable[str]) -> TagChecker:
        """Collect the keys that this role verifies others with."""
        return TagChecker(
            self._role, {writer: self._pair(writer, self._role) for writer in writers}
        )

    def seal(self) -> SealKey:
        """Read the key between signer and gateway."""
        return _made(self._secrets / keys.SEAL, lambda secret: SealKey("seal:1", secret))

    def audit_key(self) -> Ed25519PrivateKey:
        """Read the auditor's signing key."""
        return _made(self._secrets / keys.AUDIT_PRIVATE, Ed25519PrivateKey.from_private_bytes)

    def audit_public_key(self) -> Ed25519PublicKey:
        """Read the public part of the auditor's key."""
        path = self._public / keys.AUDIT_PUBLIC
        try:
            return Ed25519PublicKey.from_public_bytes(path.read_bytes())
        except OSError as error:
            raise SettingError(f"audit public key {path}: {error.strerror}") from None
        except ValueError:
            raise SettingError(f"audit public key {path}: not an Ed25519 key") from None

    def operator_key(self) -> Ed25519PrivateKey:
        """Read the key with which this person signs proposals."""
        return _made(self._secrets / keys.OPERATOR_PRIVATE, Ed25519PrivateKey.from_private_bytes)

    def people(self, file: Path | None = None) -> People:
        """
        Read whose signatures count; without the file nobody's does.

        Args:
            file: in place of the public directory's.

        Raises:
            SettingError: others may write it, or it is not of its form.

        """
        path = file or self._public / keys.OPERATORS
        text = _vouched_text(path)
        return People({}, self.log_epoch) if text is None else read_people(text, self.log_epoch)

    def alert_token(self, make: Callable[[bytes], _T]) -> _T:
        """Make something of the webhook's bearer token, whose bytes stay here."""
        return _made(self._secrets / keys.ALERT_TOKEN, make)

    def binance_key(self, kind: str = keys.TRADE_KEY) -> BinanceKey:
        """
        Read an exchange key of the signer.

        Args:
            kind: keys.TRADE_KEY or keys.READ_KEY.

        """
        return BinanceKey(
            self._exchange_id(Venue.BINANCE, kind),
            self._exchange_secret(Venue.BINANCE, kind, binance_auth.SecretKey),
        )

    def btcturk_key(self, kind: str = keys.TRADE_KEY) -> BtcturkKey:
        """Read an exchange key of the signer; as `binance_key`."""
        return BtcturkKey(
            self._exchange_id(Venue.BTCTURK, kind),
            self._exchange_secret(Venue.BTCTURK, kind, btcturk_auth.SecretKey),
        )

    def _exchange_id(self, venue: Venue, kind: str) -> str:
        name, _ = keys.exchange_key(venue, kind)
        return _made(self._secrets / name, _text)

    def _exchange_secret(self, venue: Venue, kind: str, make: Callable[[bytes], _T]) -> _T:
        _, name = keys.exchange_key(venue, kind)
        return _made(self._secrets / name, lambda secret: make(secret.strip()))

    def _pair(self, writer: str, verifier: str) -> TagKey:
        path = self._secrets / keys.tag_key(writer, verifier)
        return _made(path, lambda secret: TagKey(f"{writer}:1", secret, self.log_epoch))

    def _public_text(self, name: str) -> str:
        try:
            return (self._public / name).read_text().strip()
        except OSError as error:
            raise SettingError(f"{self._public / name}: {error.strerror}") from None


def _made(path: Path, make: Callable[[bytes], _T]) -> _T:
    try:
        return make(read_secret(path))
    except ValueError:
        # The reason may hold a part of the secret.
        raise SettingError(f"secret file {path}: its content is no such key") from None


def _text(secret: bytes) -> str:
    text = secret.decode().strip()
    if not text.isprintable() or not text:
        raise ValueError
    return text


def _vouched_text(path: Path) -> str | None:
    """
    Read a public file that nobody but root or this user can have written; None for no file.
    """
    try:
        # O_NONBLOCK: a FIFO put in its place must not hang the reader.
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    try:
        state = os.fstat(descriptor)
        if not stat.S_ISREG(state.st_mode):
            raise SettingError(f"{path}: not a plain file")
        if state.st_uid not in {0, os.geteuid()}:
            raise SettingError(f"{path}: owned by uid {state.st_uid}; chown it to root")
        if state.st_mode & _OTHERS_WRITE:
            raise SettingError(f"{path}: others may write it; chmod 0644")
        content = os.read(descriptor, _PUBLIC_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > _PUBLIC_BYTES_MAX:
        raise SettingError(f"{path}: larger than {_PUBLIC_BYTES_MAX} bytes")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise SettingError(f"{path}: not UTF-8") from None
