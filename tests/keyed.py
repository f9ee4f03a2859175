"""
Every key of the order path, made from names: the same in each run, known to no program.
"""

from collections.abc import Iterable
from hashlib import sha256
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.audit_keys import AuditSigner
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner, dummy_key
from spark.people import People
from spark.signing import SealKey, TagChecker, Tagger, TagKey
from spark.topics import BY_NAME, INTENTS, OPERATORS
from tests.simulated_venue import FULL, READ

LOG_EPOCH: Final = "log-epoch-of-tests"
#: Wide, so that a busy machine is no expired request.
RECV_WINDOW_MS: Final = 20_000


def key_bytes(name: str) -> bytes:
    """Make 32 bytes of a name."""
    return sha256(name.encode()).digest()


def pair(writer: str, verifier: str, log_epoch: str = LOG_EPOCH) -> TagKey:
    """Make the key with which a writer proves itself to a verifier."""
    return TagKey(f"{writer}:1", key_bytes(f"{writer}>{verifier}"), log_epoch)


def tagger(writer: str, *verifiers: str, log_epoch: str = LOG_EPOCH) -> Tagger:
    """Collect the keys that a writer tags with."""
    return Tagger({verifier: pair(writer, verifier, log_epoch) for verifier in verifiers})


def checker(verifier: str, writers: Iterable[str]) -> TagChecker:
    """Collect the keys that a verifier checks with."""
    return TagChecker(verifier, {writer: pair(writer, verifier) for writer in writers})


def strategies(verifier: str) -> TagChecker:
    """Collect the keys of everybody who may write intents."""
    return checker(verifier, BY_NAME[INTENTS].writers)


def seal() -> SealKey:
    """Make the key between signer and gateway."""
    return SealKey("seal:1", key_bytes("seal"))


def audit() -> Ed25519PrivateKey:
    """Make the auditor's key."""
    return Ed25519PrivateKey.from_private_bytes(key_bytes("audit"))


def audit_signer() -> AuditSigner:
    """Sign with it, without a successor."""
    return AuditSigner(lambda _: audit(), lambda: None)


def witness() -> Ed25519PrivateKey:
    """Make the key of the audit trail's witness."""
    return Ed25519PrivateKey.from_private_bytes(key_bytes("witness"))


def person(name: str) -> Ed25519PrivateKey:
    """Make an operator's key."""
    return Ed25519PrivateKey.from_private_bytes(key_bytes(f"person {name}"))


def people() -> People:
    """Know the operators by their keys."""
    return People({name: person(name).public_key() for name in OPERATORS}, LOG_EPOCH)


def venue_signer() -> BinanceSigner:
    """Make the signer of the simulated exchange's keys: one trades, one reads."""
    return BinanceSigner(
        BinanceKey(FULL[0], SecretKey(FULL[1].encode())),
        BinanceKey(READ[0], SecretKey(READ[1].encode())),
        RECV_WINDOW_MS,
    )


def dummy_signer() -> BinanceSigner:
    """Make the signer of paper and shadow."""
    return BinanceSigner(dummy_key(), dummy_key(), RECV_WINDOW_MS)
