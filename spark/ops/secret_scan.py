"""
Looks for secrets where none may be: each in every form in which one leaks, and halves of them.

Reads   secret files, as root or as their owner, and whatever it is given to search
Writes  nothing; a hit names the secret and the form, never a byte of it
"""

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from spark.keys import PUBLIC_SUFFIX

#: A shorter piece would be found by chance.
_PIECE_CHARS_MIN: Final = 12
#: Made of other secrets that have files of their own.
_COMPOSED: Final = frozenset({"kafka.jaas", "pgpass", "keys.json"})
_FILE_BYTES_MAX: Final = 64 * 1024
_BASE64_BYTES: Final = 3


@dataclass(frozen=True, slots=True, order=True)
class Hit:
    """One secret where it may not be."""

    place: str
    #: `holder/file`.
    secret: str
    form: str


class Searcher:
    """
    Knows every piece of every form of some secrets.

    Args:
        secrets: by name.

    """

    def __init__(self, secrets: Mapping[str, bytes]) -> None:
        self.secrets = len(secrets)
        self._pieces: dict[bytes, tuple[str, str]] = {}
        for name, secret in secrets.items():
            for form, text in forms_of(secret):
                for piece in _pieces_of(text):
                    self._pieces.setdefault(piece, (name, form))

    @property
    def pieces(self) -> int:
        """How many different texts are looked for."""
        return len(self._pieces)

    def search(self, place: str, content: bytes) -> list[Hit]:
        """Find secrets in what stands somewhere."""
        return sorted(
            {Hit(place, *known) for piece, known in self._pieces.items() if piece in content}
        )


def forms_of(secret: bytes) -> Iterator[tuple[str, bytes]]:
    """List the forms in which a secret has been seen to leak."""
    yield "raw", secret
    yield "hex", secret.hex().encode()
    yield "hex", secret.hex().upper().encode()
    yield "url", quote_from_bytes(secret, safe="").encode()
    yield "python", repr(secret)[2:-1].encode()
    yield "json", json.dumps(secret.decode("latin-1"))[1:-1].encode()
    for before in range(_BASE64_BYTES):
        # As a part of something longer, as `user:password` is, it begins at any of three places.
        encoded = base64.b64encode(bytes(before) + secret)
        core = encoded[4 if before else 0 :].rstrip(b"=")[:-1]
        yield "base64", core
        yield "base64", core.translate(bytes.maketrans(b"+/", b"-_"))


def secrets_below(root: Path) -> dict[str, bytes]:
    """Read every secret file of some holders, but for those that are made of others."""
    found = {}
    for path in sorted(root.glob("*/*")):
        if path.is_symlink() or not path.is_file() or path.name in _COMPOSED:
            continue
        if path.suffix == PUBLIC_SUFFIX:
            continue
        found[f"{path.parent.name}/{path.name}"] = path.read_bytes()[:_FILE_BYTES_MAX].strip()
    return found


def files_below(root: Path, left_out: Iterable[Path]) -> Iterator[Path]:
    """List plain files, but for those below some directories."""
    hidden = tuple(left_out)
    for path in sorted(root.rglob("*")):
        if any(path.is_relative_to(one) for one in hidden):
            continue
        if path.is_file() and not path.is_symlink():
            yield path


def _pieces_of(text: bytes) -> Iterator[bytes]:
    """Cut a form in two, where both halves are long enough: half a secret is a leak, too."""
    middle = len(text) // 2
    if middle >= _PIECE_CHARS_MIN:
        yield text[:middle]
        yield text[middle:]
    elif len(text) >= _PIECE_CHARS_MIN:
        yield text
