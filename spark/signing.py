"""
Tags and seals: what proves a record's writer to one reader (security §3); and signatures.

Tag = HMAC-SHA256(pair key, lp("spark/1") lp(type) lp(kid) lp(topic) lp(log epoch) lp(body)),
lp(x) = 4-byte big-endian length and x. One key for each (writer, verifier), so a
verifier can forge towards nobody but itself (S2). Seal = AES-256-GCM.

Key bytes go straight into keyed objects; nothing here keeps or shows them (S18).
"""

import hmac
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from typing import Final

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spark.errors import TagError
from spark.names import TAG_PREFIX

_DOMAIN: Final = b"spark/1"
_SEPARATOR: Final = b"\0"
TAG_BYTES: Final = 32
SEAL_BYTES: Final = 32
NONCE_BYTES: Final = 12
DIGEST_DIGITS: Final = 16

Headers = tuple[tuple[str, bytes], ...]


def lp(part: bytes) -> bytes:
    """Prefix a part with its length, so that no two lists of parts read the same."""
    return len(part).to_bytes(4, "big") + part


def short_digest(value: bytes) -> str:
    """Digest a record's value for a stamp."""
    return sha256(value).hexdigest()[:DIGEST_DIGITS]


def signature_check(key: Ed25519PublicKey) -> Callable[[bytes, bytes], bool]:
    """Turn a public key into a question: whether a signature stands under some bytes."""

    def verifies(signed: bytes, signature: bytes) -> bool:
        try:
            key.verify(signature, signed)
        except InvalidSignature:
            return False
        return True

    return verifies


class TagKey:
    """The key of one (writer, verifier) pair, able to tag and nothing else."""

    def __init__(self, kid: str, key: bytes, log_epoch: str) -> None:
        if len(key) != TAG_BYTES:
            raise ValueError("a tag key has 32 bytes")
        self.kid = kid
        self._keyed = hmac.new(key, digestmod=sha256)
        self._log_epoch = log_epoch.encode()
        self._prefixed: dict[tuple[str, str], hmac.HMAC] = {}

    def __repr__(self) -> str:
        return f"TagKey({self.kid})"

    def tag(self, topic: str, type_name: str, body: bytes) -> bytes:
        """Tag the exact bytes of a record's value."""
        prefixed = self._prefixed.get((topic, type_name))
        if prefixed is None:
            prefixed = self._keyed.copy()
            for part in (_DOMAIN, type_name.encode(), self.kid.encode(), topic.encode()):
                prefixed.update(lp(part))
            prefixed.update(lp(self._log_epoch))
            self._prefixed[topic, type_name] = prefixed
        mac = prefixed.copy()
        mac.update(lp(body))
        return mac.digest()

    def verifies(self, topic: str, type_name: str, body: bytes, *, tag: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(self.tag(topic, type_name, body), tag)


class Tagger:
    """A writer's keys, one for each reader that verifies it."""

    def __init__(self, keys: Mapping[str, TagKey]) -> None:
        self._keys = dict(keys)

    def renew(self, verifier: str, key: TagKey) -> None:
        """Tag with another key for this reader from the next record on."""
        self._keys[verifier] = key

    def headers(self, topic: str, type_name: str, body: bytes) -> Headers:
        """Make the tag headers of a record."""
        return tuple(
            (
                TAG_PREFIX + verifier,
                key.kid.encode() + _SEPARATOR + key.tag(topic, type_name, body),
            )
            for verifier, key in self._keys.items()
        )


class TagChecker:
    """A verifier's keys, one for each writer it listens to."""

    def __init__(self, verifier: str, keys: Mapping[str, TagKey]) -> None:
        self._header = TAG_PREFIX + verifier
        self._by_kid = {key.kid: (writer, key) for writer, key in keys.items()}

    def renew(self, writer: str, keys: Sequence[TagKey]) -> None:
        """
        Believe this writer by these keys and no other: while it changes its key, by two.
        """
        others = {kid: held for kid, held in self._by_kid.items() if held[0] != writer}
        self._by_kid = others | {key.kid: (writer, key) for key in keys}

    def writer_of(self, topic: str, type_name: str, body: bytes, *, headers: Headers) -> str:
        """
        Prove who wrote a record.

        Returns: the writer's principal.

        Raises:
            TagError: no tag for us, a key that we do not know, or a wrong tag.

        """
        kid, tag = find_tag(headers, self._header)
        return self.writer_of_tag(topic, type_name, body, kid=kid, tag=tag)

    def writer_of_tag(
        self, topic: str, type_name: str, body: bytes, *, kid: str, tag: bytes
    ) -> str:
        """Prove who wrote a body whose tag travelled apart from it; raises as `writer_of`."""
        found = self._by_kid.get(kid)
        if found is None:
            raise TagError("the tag names a key that is not known here")
        writer, key = found
        if not key.verifies(topic, type_name, body, tag=tag):
            raise TagError(f"the tag of {writer} does not verify")
        return writer


def find_tag(headers: Headers, name: str) -> tuple[str, bytes]:
    """
    Take key id and tag from a record's headers.

    Raises:
        TagError: there is none, more than one, or it has another form.

    """
    found = [value for key, value in headers if key == name]
    if len(found) != 1:
        raise TagError(f"{len(found)} headers {name}, one is needed")
    kid, separator, tag = found[0].partition(_SEPARATOR)
    if not separator or len(tag) != TAG_BYTES or not kid.isascii():
        raise TagError(f"header {name} is not a key id and a tag")
    return kid.decode(), tag


class SealKey:
    """The key between signer and gateway; while it changes, the older ones open as well."""

    def __init__(self, kid: str, key: bytes) -> None:
        if len(key) != SEAL_BYTES:
            raise ValueError("a seal key has 32 bytes")
        self.kid = kid
        self._aeads: tuple[AESGCM, ...] = (AESGCM(key),)

    def __repr__(self) -> str:
        return f"SealKey({self.kid})"

    def renew(self, keys: Sequence["SealKey"]) -> None:
        """Seal with the first of these keys from now on, and open with each of them."""
        self.kid = keys[0].kid
        self._aeads = tuple(key._aeads[0] for key in keys)  # noqa: SLF001  (of its own class)

    def seal(self, nonce: bytes, plain: bytes, bound: bytes) -> bytes:
        """
        Encrypt, binding the cipher text to `bound`.

        Args:
            nonce: 96 random bits, never used before with this key.
            plain: the signed request.
            bound: what the gateway must present unchanged to open it.

        """
        return self._aeads[0].encrypt(nonce, plain, bound)

    def open(self, nonce: bytes, sealed: bytes, bound: bytes) -> bytes:
        """
        Decrypt what was sealed for exactly `bound`.

        Raises:
            TagError: another key, another bound, or changed bytes.

        """
        # Which key it was is part of `bound`, so a wrong name opens with none of them.
        for aead in self._aeads:
            with suppress(InvalidTag, ValueError):
                return aead.decrypt(nonce, sealed, bound)
        raise TagError("the seal does not open")


def bound_to(
    seal_kid: str,
    decision: bytes,
    decision_tag: bytes,
    *,
    src_offset: int,
    log_epoch: str,
    not_after_ns: int,
) -> bytes:
    """Compose what a seal is bound to: change any of it and the seal does not open."""
    return b"".join(
        lp(part)
        for part in (
            _DOMAIN,
            seal_kid.encode(),
            decision,
            decision_tag,
            src_offset.to_bytes(8, "big"),
            log_epoch.encode(),
            not_after_ns.to_bytes(8, "big"),
        )
    )
