"""
Who may sign proposals, and over which bytes: persons and their Ed25519 keys (S11). Pure.

The signature binds the proposal to the person and to this incarnation of the log, so
that neither a copied record nor another stack's says anything here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from spark.errors import SettingError
from spark.names import OPERATOR_PREFIX
from spark.quoting import shown
from spark.signing import lp, signature_check
from spark.toml import read_toml

_DOMAIN: Final = b"spark/1"
_KIND: Final = b"proposal"
_TABLE: Final = "operators"
_RETIRED: Final = "retired"
_SINCE: Final = "since"
_NAME_CHARS_MAX: Final = 40
_OFFSET_MAX: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class RetiredKey:
    """A key that counts no more: its words of before stay in force, or leaving would loosen."""

    name: str
    key: Ed25519PublicKey
    #: The offset on `control` from which it says nothing.
    before_offset: int


class People:
    """
    The persons whose signatures count.

    A key counts on a part of the log alone, so that a change of the list never judges
    anew what was said before it.

    Args:
        retired: keys of before; a person's own key counts from where the last one ended.
        since: where a person's key begins to count, of those who came later.

    """

    def __init__(
        self,
        keys: Mapping[str, Ed25519PublicKey],
        log_epoch: str,
        *,
        retired: Sequence[RetiredKey] = (),
        since: Mapping[str, int] | None = None,
    ) -> None:
        self._keys = dict(keys)
        self._retired = tuple(retired)
        self._since = dict(since or {})
        for one in self._retired:
            self._since[one.name] = max(self._since.get(one.name, 0), one.before_offset)
        self.log_epoch = log_epoch

    @property
    def names(self) -> frozenset[str]:
        """List the persons who may sign now."""
        return frozenset(self._keys)

    @property
    def digest(self) -> str:
        """Digest who they are; part of what a stage's fence says of its settings."""
        lines = [f"{name} {_hex(key)}" for name, key in self._keys.items()]
        lines += [f"{one.name} {_hex(one.key)} {one.before_offset}" for one in self._retired]
        lines += [f"{name} since {offset}" for name, offset in self._since.items()]
        return sha256("\n".join(sorted(lines)).encode()).hexdigest()[:16]

    def key_of(self, person: str) -> Ed25519PublicKey | None:
        """Give a person's public key; None for somebody who may not sign now."""
        return self._keys.get(person)

    def knows(self, person: str) -> bool:
        """Tell whether this person may sign, or once might."""
        return person in self._keys or any(one.name == person for one in self._retired)

    def has_signed(self, person: str, proposal: bytes, signature: str, *, offset: int) -> bool:
        """
        Tell whether a key of this person made the signature, over exactly these bytes.

        Args:
            offset: where the signature stands on `control`.

        """
        is_current = person in self._keys and offset >= self._since.get(person, 0)
        keys = [self._keys[person]] if is_current else []
        keys += [
            one.key for one in self._retired if one.name == person and offset < one.before_offset
        ]
        try:
            made = bytes.fromhex(signature)
        except ValueError:
            return False
        signed = signed_bytes(person, proposal, self.log_epoch)
        return any(signature_check(key)(signed, made) for key in keys)


def sign(key: Ed25519PrivateKey, person: str, proposal: bytes, *, log_epoch: str) -> str:
    """Sign a proposal; the signature as hex."""
    return key.sign(signed_bytes(person, proposal, log_epoch)).hex()


def signed_bytes(person: str, proposal: bytes, log_epoch: str) -> bytes:
    """Compose what a signature is made over."""
    parts = (_DOMAIN, _KIND, person.encode(), log_epoch.encode(), proposal)
    return b"".join(lp(part) for part in parts)


def read_people(text: str, log_epoch: str) -> People:
    """
    Read `operators.toml`.

    A table `operators` of principal = "public key, hex"; for each key that was taken
    back a `[[retired]]` with `name`, `key` and `before_offset`; for who came later a
    table `since` of principal = offset.

    Raises:
        SettingError: it is not of that form, or two persons have one key.

    """
    found = read_toml(text, "operators.toml")
    try:
        keys = {_name(name): _key(key) for name, key in found.pop(_TABLE).items()}
        retired = [_retired(entry) for entry in found.pop(_RETIRED, [])]
        since = {_name(name): _offset(at) for name, at in found.pop(_SINCE, {}).items()}
    except (KeyError, AttributeError, TypeError, ValueError):
        raise SettingError(
            "operators.toml: a table [operators] of op-<name> = hex key is needed"
        ) from None
    if found:
        raise SettingError(f"operators.toml: there is no {shown(min(found))}")
    if len({_hex(key) for key in keys.values()}) < len(keys):
        # One person under two names would be two persons.
        raise SettingError("operators.toml: two persons have the same key")
    return People(keys, log_epoch, retired=retired, since=since)


def write_people(keys: Mapping[str, Ed25519PublicKey]) -> str:
    """Write `operators.toml`."""
    lines = (f'{name} = "{_hex(key)}"' for name, key in sorted(keys.items()))
    return f"[{_TABLE}]\n" + "\n".join(lines) + "\n"


def _retired(entry: dict[str, Any]) -> RetiredKey:
    if set(entry) != {"name", "key", "before_offset"}:
        raise ValueError
    return RetiredKey(_name(entry["name"]), _key(entry["key"]), _offset(entry["before_offset"]))


def _offset(value: object) -> int:
    if type(value) is not int or not 0 <= value <= _OFFSET_MAX:
        raise ValueError
    return value


def _name(name: str) -> str:
    if not name.startswith(OPERATOR_PREFIX) or len(name) > _NAME_CHARS_MAX:
        raise ValueError
    return name


def _key(text: str) -> Ed25519PublicKey:
    return Ed25519PublicKey.from_public_bytes(bytes.fromhex(text))


def _hex(key: Ed25519PublicKey) -> str:
    return key.public_bytes_raw().hex()
