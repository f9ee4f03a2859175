"""
Reads a role's secret files, once, into keyed objects.

A file that is not as it should be is a SettingError that names it and the
remedy. No bytes of a secret live in a frame after this (S15, S18).

Keys that two roles share come and go while both run (key_slots.py): what was handed
out is renewed in place by `refresh`, which worker/key_watch.py calls.
"""

import os
import stat
import time
from collections.abc import Callable, Iterable, Sequence
from copy import copy
from pathlib import Path
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.audit_keys import AuditSigner
from spark.errors import SettingError
from spark.exchanges.binance import auth as binance_auth
from spark.exchanges.binance.signer import BinanceKey
from spark.exchanges.btcturk import auth as btcturk_auth
from spark.exchanges.btcturk.signer import BtcturkKey
from spark.key_slots import Handed, KeyChange, Renewal, Slot, slot_name
from spark.locked_key import is_locked, unlock
from spark.names import Venue
from spark.people import People, read_people
from spark.secret_files import read_secret
from spark.signing import SealKey, TagChecker, Tagger, TagKey

_T = TypeVar("_T")
_PUBLIC_BYTES_MAX: Final = 64 * 1024
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH


class Keyring:
    """
    One role's directory of secrets, and the directory of what everybody may know.

    Args:
        wall_ns: this machine's clock, by which an old key ends.

    """

    def __init__(
        self,
        role: str,
        secrets_dir: Path,
        public_dir: Path,
        *,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        self._role = role
        self._secrets = secrets_dir
        self._public = public_dir
        self._renewal = Renewal(secrets_dir, wall_ns)
        self.log_epoch = self._public_text(keys.LOG_EPOCH)

    def __repr__(self) -> str:
        return f"Keyring({self._role})"

    def kafka_password(self) -> str:
        """Read the role's Kafka password."""
        return _made(self._secrets / "kafka.password", _text)

    def tagger(self, verifiers: Iterable[str]) -> Tagger:
        """Collect the keys that this role tags with."""
        tagger = Tagger({})
        for verifier in verifiers:

            def renew(found: Sequence[TagKey], verifier: str = verifier) -> None:
                tagger.renew(verifier, found[0])

            name = keys.tag_key(self._role, verifier)
            self._renewal.hand_out(Handed(name, self._tag_key_of(self._role), renew))
        return tagger

    def checker(self, writers: Iterable[str]) -> TagChecker:
        """Collect the keys that this role verifies others with."""
        checker = TagChecker(self._role, {})
        for writer in writers:

            def renew(found: Sequence[TagKey], writer: str = writer) -> None:
                checker.renew(writer, found)

            name = keys.tag_key(writer, self._role)
            self._renewal.hand_out(Handed(name, self._tag_key_of(writer), renew))
        return checker

    def seal(self) -> SealKey:
        """Read the key between signer and gateway."""
        made: list[SealKey] = []

        def renew(found: Sequence[SealKey]) -> None:
            if not made:
                made.append(copy(found[0]))
            made[0].renew(found)

        self._renewal.hand_out(Handed(keys.SEAL, _seal_key, renew))
        return made[0]

    def refresh(self) -> list[KeyChange]:
        """
        Take keys that came, and drop those whose time is over, in all that was handed out.

        Returns: what changed, and what could not be taken: its holders go on as before.
        """
        return self._renewal.refresh()

    def generations(self) -> dict[str, int]:
        """Say which generation of each shared key is the newest that all its users here hold."""
        return self._renewal.generations()

    def audit_signer(self) -> AuditSigner:
        """Read the auditor's signing key; a successor is taken once the role's list names it."""

        def private(generation: int) -> Ed25519PrivateKey:
            path = self._secrets / slot_name(keys.AUDIT_PRIVATE, generation)
            return _made(path, Ed25519PrivateKey.from_private_bytes)

        def listed() -> bytes | None:
            text = _vouched_text(self._secrets / keys.AUDIT_KEYS)
            return None if text is None else text.encode()

        return AuditSigner(private, listed)

    def operator_key(self, ask: Callable[[], str] | None = None) -> Ed25519PrivateKey:
        """
        Read the key with which this person signs proposals.

        Args:
            ask: gives its passphrase, where it has one; None where nobody is there to say it.

        Raises:
            SettingError: the passphrase is another one, or missing; or the file is refused.

        """
        path = self._secrets / keys.OPERATOR_PRIVATE

        def make(content: bytes) -> Ed25519PrivateKey:
            if not is_locked(content):
                return Ed25519PrivateKey.from_private_bytes(content)
            if ask is None:
                raise SettingError(f"{path}: has a passphrase, and nobody is there to say it")
            return unlock(content, ask())

        return _made(path, make)

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

    def exchange_keys(self, venue: Venue, take: Callable[[int], None]) -> None:
        """
        Have the newest generation of an exchange's keys taken, now and whenever one comes.

        Args:
            take: given the generation; reads its keys and uses them from then on.

        """
        # Written last: with it the other three files are there.
        name, _ = keys.exchange_key(venue, keys.TRADE_KEY)
        used: list[int] = []

        def renew(found: Sequence[int]) -> None:
            if used[-1:] != [found[0]]:
                take(found[0])
                used[:] = [found[0]]

        self._renewal.hand_out(Handed(name, lambda slot: slot.generation, renew))

    def binance_key(self, kind: str = keys.TRADE_KEY, generation: int = 1) -> BinanceKey:
        """
        Read an exchange key of the signer.

        Args:
            kind: keys.TRADE_KEY or keys.READ_KEY.
            generation: which, of two while it changes.

        """
        id_name, secret_name = keys.exchange_key(Venue.BINANCE, kind, generation)
        secret = self._exchange_secret(secret_name, binance_auth.SecretKey)
        return BinanceKey(_made(self._secrets / id_name, _text), secret)

    def btcturk_key(self, kind: str = keys.TRADE_KEY, generation: int = 1) -> BtcturkKey:
        """Read an exchange key of the signer; as `binance_key`."""
        id_name, secret_name = keys.exchange_key(Venue.BTCTURK, kind, generation)
        secret = self._exchange_secret(secret_name, btcturk_auth.SecretKey)
        return BtcturkKey(_made(self._secrets / id_name, _text), secret)

    def _exchange_secret(self, name: str, make: Callable[[bytes], _T]) -> _T:
        return _made(self._secrets / name, lambda secret: make(secret.strip()))

    def _tag_key_of(self, writer: str) -> Callable[[Slot], TagKey]:
        def load(slot: Slot) -> TagKey:
            kid = f"{writer}:{slot.generation}"
            return _made(slot.path, lambda secret: TagKey(kid, secret, self.log_epoch))

        return load

    def _public_text(self, name: str) -> str:
        try:
            return (self._public / name).read_text().strip()
        except OSError as error:
            raise SettingError(f"{self._public / name}: {error.strerror}") from None


def _seal_key(slot: Slot) -> SealKey:
    return _made(slot.path, lambda secret: SealKey(f"seal:{slot.generation}", secret))


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
