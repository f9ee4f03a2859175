"""
The auditor's keys: which of them signs is a question of the checkpoint's own time. Pure.

A key gets a successor by a line that both of them sign: from this time on the new one. Who
knows the list verifies a trail over all of its keys. An old key signs nothing that is dated
later, and nothing dated before can be changed without the new one, which signed over it.

The file is the first key's 32 raw bytes, or one line for each succession, the oldest first.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Final, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from pydantic import TypeAdapter, ValidationError

from spark.audit_chain import Sign
from spark.codec import encode
from spark.errors import IntegrityError, MalformedError, SettingError
from spark.events.parts import event
from spark.signing import signature_check

_FIRST: Final = 1
_RAW_BYTES: Final = 32


@event
class Succession:
    """One key gives way to the next."""

    type: Literal["audit_key_succeeded"] = "audit_key_succeeded"
    v: Literal[1] = 1
    #: Of the new key; the first key is generation 1.
    generation: int
    #: Checkpoints dated from here on are the new key's, those dated before the old one's.
    from_ns: int
    #: The public keys, hex.
    old: str
    new: str
    #: Ed25519 over the canonical bytes of this with both signatures empty, hex.
    old_signature: str = ""
    new_signature: str = ""


_ADAPTER: Final = TypeAdapter(Succession)


@dataclass(frozen=True, slots=True)
class AuditKeys:
    """The auditor's public keys, each with its time."""

    first: Ed25519PublicKey
    successions: tuple[Succession, ...] = ()

    @property
    def newest(self) -> int:
        """Which generation is the last that is listed."""
        return _FIRST + len(self.successions)

    def generation_at(self, at_ns: int) -> int:
        """Say whose checkpoints are dated so."""
        return _FIRST + sum(one.from_ns <= at_ns for one in self.successions)

    def public(self, generation: int) -> Ed25519PublicKey:
        """Give one of them."""
        if generation == _FIRST:
            return self.first
        return _public(self.successions[generation - _FIRST - 1].new)

    def is_signed(self, at_ns: int, signed: bytes, signature: bytes) -> bool:
        """Tell whether the key of that time signed these bytes."""
        return signature_check(self.public(self.generation_at(at_ns)))(signed, signature)

    def extends(self, known: "AuditKeys") -> bool:
        """Tell whether this says the same as `known`, and perhaps more."""
        same = self.first.public_bytes_raw() == known.first.public_bytes_raw()
        return same and self.successions[: len(known.successions)] == known.successions

    def content(self) -> bytes:
        """Give what stands in the file."""
        if not self.successions:
            return self.first.public_bytes_raw()
        return b"".join(encode(one) + b"\n" for one in self.successions)


def read_audit_keys(content: bytes) -> AuditKeys:
    """
    Read what stands in the file, and prove it.

    Raises:
        MalformedError: it is no such file.
        IntegrityError: a line does not follow the one before it, or is not signed by both keys.

    """
    if len(content) == _RAW_BYTES:
        return AuditKeys(Ed25519PublicKey.from_public_bytes(content))
    if not content.endswith(b"\n"):
        raise MalformedError("neither a public key of 32 bytes nor whole lines of successions")
    lines = content.removesuffix(b"\n").split(b"\n")
    successions = tuple(_read(line, number) for number, line in enumerate(lines, 1))
    for number, (one, other) in enumerate(pairwise(successions), 2):
        if other.old != one.new or other.from_ns <= one.from_ns:
            raise IntegrityError(f"line {number} does not follow the one before it")
    return AuditKeys(_public(successions[0].old), successions)


def succeed(
    known: AuditKeys, old: Ed25519PrivateKey, new: Ed25519PrivateKey, *, from_ns: int
) -> AuditKeys:
    """
    Let a new key follow the newest.

    Raises:
        SettingError: `old` is another key, or the last succession is not in force by then.

    """
    if old.public_key() != known.public(known.newest):
        raise SettingError(f"this is not {kid_of(known.newest)}, which signs now")
    if known.successions and from_ns <= known.successions[-1].from_ns:
        raise SettingError(f"{kid_of(known.newest)} does not sign yet")
    blank = Succession(
        generation=known.newest + 1,
        from_ns=from_ns,
        old=old.public_key().public_bytes_raw().hex(),
        new=new.public_key().public_bytes_raw().hex(),
    )
    body = encode(blank)
    made = replace(blank, old_signature=old.sign(body).hex(), new_signature=new.sign(body).hex())
    return replace(known, successions=(*known.successions, made))


def kid_of(generation: int) -> str:
    """Name a key as checkpoints do."""
    return f"audit:{generation}"


@dataclass(slots=True)
class AuditSigner:
    """
    The private side: signs with the key of the time, and takes a new one once it is listed.

    Args:
        private: reads the private key of a generation.
        listed: reads the list; None while there is only the first key.

    Raises:
        SettingError: a key that is listed cannot be read, or is another one.

    """

    private: Callable[[int], Ed25519PrivateKey]
    listed: Callable[[], bytes | None]
    keys: AuditKeys = field(init=False)
    _content: bytes | None = field(init=False, default=None)
    _held: dict[int, Ed25519PrivateKey] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Read the list, and the newest key."""
        self._content = self.listed()
        if self._content is None:
            self._held[_FIRST] = self.private(_FIRST)
            self.keys = AuditKeys(self._held[_FIRST].public_key())
        else:
            self.keys = _proved(self._content)
            self._hold(self.keys.newest)

    def at(self, at_ns: int) -> tuple[str, Sign]:
        """
        Give the key's name, and what signs a checkpoint of that time.

        Raises:
            SettingError: as above, or the list is not the one that it was.

        """
        content = self.listed()
        if content is not None and content != self._content:
            found = _proved(content)
            if not found.extends(self.keys):
                raise SettingError("the list of audit keys is not the one that it was")
            self._content, self.keys = content, found
            # Now, while there is time to do something about it.
            self._hold(found.newest)
        generation = self.keys.generation_at(at_ns)
        return kid_of(generation), self._hold(generation).sign

    def _hold(self, generation: int) -> Ed25519PrivateKey:
        if generation not in self._held:
            key = self.private(generation)
            if key.public_key() != self.keys.public(generation):
                raise SettingError(f"{kid_of(generation)} is another key than the listed one")
            self._held[generation] = key
        return self._held[generation]


def _proved(content: bytes) -> AuditKeys:
    try:
        return read_audit_keys(content)
    except (IntegrityError, MalformedError) as error:
        raise SettingError(f"the list of audit keys: {error}") from None


def _read(line: bytes, number: int) -> Succession:
    try:
        found = _ADAPTER.validate_json(line)
        if encode(found) != line:
            raise MalformedError(f"line {number} is not canonical")
        old, new = _public(found.old), _public(found.new)
        signatures = bytes.fromhex(found.old_signature), bytes.fromhex(found.new_signature)
    except (ValidationError, ValueError, TypeError):
        raise MalformedError(f"line {number} is no succession of keys") from None
    if found.generation != number + _FIRST:
        raise IntegrityError(f"line {number} is of generation {found.generation}")
    body = encode(replace(found, old_signature="", new_signature=""))
    for key, signature in zip((old, new), signatures, strict=True):
        if not signature_check(key)(body, signature):
            raise IntegrityError(f"line {number} is not signed by both keys")
    return found


def _public(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))
