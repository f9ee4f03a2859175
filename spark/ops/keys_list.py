"""
Which keys lie in a directory of secrets: names, ids, ages, holders; of public ones a fingerprint.

Nothing here opens a secret file.
"""

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark import keys
from spark.audit_keys import kid_of, read_audit_keys
from spark.errors import IntegrityError, MalformedError
from spark.key_slots import OLD_KEY_NS_MAX, label_of

_GENERATION: Final = re.compile(r"(?P<stem>.+?)(?:\.(?P<generation>[1-9]\d{0,5}))?\.(?P<end>[^.]+)")
_NS_PER_DAY: Final = 86_400 * 10**9
AGE_DAYS_MAX: Final = 90
_WRITERS: Final = {label_of(key.name): key for key in keys.SHARED_KEYS}
_FINGERPRINT_DIGITS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRow:
    """One file of one holder."""

    holder: str
    file: str
    #: As records name it; empty where none does.
    kid: str
    since_ns: int
    #: When this generation is believed no more; 0 while it is the newest.
    until_ns: int = 0
    #: The holder has a generation that its writer has not: a rotation was cut off.
    is_unfinished: bool = False
    #: Of a public key alone.
    fingerprint: str = ""

    def age_days(self, now_ns: int) -> int:
        """Count the whole days since it was made."""
        return max(0, now_ns - self.since_ns) // _NS_PER_DAY

    @property
    def is_aging(self) -> bool:
        """Say whether it is one that is to be changed every 90 days."""
        return not self.fingerprint and not self.until_ns


def list_keys(holders: Iterable[tuple[str, Path]], public: Path) -> list[KeyRow]:
    """
    List every key of some holders, and what is public.

    Args:
        holders: names and their directories.

    """
    rows = [row for holder, directory in holders for row in _rows_of(holder, directory)]
    newest = {(row.holder, _label(row)): row for row in rows if not row.until_ns}
    return [_judged(row, newest) for row in rows] + list(_public_rows(public))


def now_ns() -> int:
    """Read the clock that ages are counted by."""
    return time.time_ns()


def _rows_of(holder: str, directory: Path) -> Iterator[KeyRow]:
    found: dict[tuple[str, str], dict[int, Path]] = {}
    for path in sorted(directory.iterdir()) if directory.is_dir() else ():
        match = _GENERATION.fullmatch(path.name)
        if path.is_symlink() or not path.is_file() or match is None or path.name[0] == ".":
            continue
        if path.suffix == keys.PUBLIC_SUFFIX:
            continue
        generation = int(match["generation"] or 1)
        found.setdefault((match["stem"], match["end"]), {})[generation] = path
    for (stem, _), slots in found.items():
        successor_ns = 0
        for generation in sorted(slots, reverse=True):
            since_ns = slots[generation].stat().st_mtime_ns
            yield KeyRow(
                holder=holder,
                file=slots[generation].name,
                kid=_kid(stem, generation),
                since_ns=since_ns,
                until_ns=successor_ns and successor_ns + OLD_KEY_NS_MAX,
            )
            successor_ns = since_ns


def _kid(stem: str, generation: int) -> str:
    if stem == label_of(keys.AUDIT_PRIVATE):
        return kid_of(generation)
    key = _WRITERS.get(stem)
    if key is None:
        return ""
    name = "seal" if key.name == keys.SEAL else key.writer
    return f"{name}:{generation}"


def _label(row: KeyRow) -> str:
    match = _GENERATION.fullmatch(row.file)
    return match["stem"] if match else row.file


def _judged(row: KeyRow, newest: dict[tuple[str, str], KeyRow]) -> KeyRow:
    key = _WRITERS.get(_label(row))
    if key is None or row.until_ns or row.holder != key.verifier:
        return row
    other = newest.get((key.writer, _label(row)))
    if other is None or other.kid == row.kid:
        return row
    return KeyRow(
        holder=row.holder, file=row.file, kid=row.kid, since_ns=row.since_ns, is_unfinished=True
    )


def _public_rows(directory: Path) -> Iterator[KeyRow]:
    for path in sorted(directory.glob(f"*{keys.PUBLIC_SUFFIX}")) if directory.is_dir() else ():
        content, kid = path.read_bytes(), ""
        if path.name == keys.AUDIT_KEYS:
            content, kid = _newest(content)
        with suppress(ValueError):
            # A person's is text, the auditor's is bytes.
            content = bytes.fromhex(content.decode().strip())
        yield KeyRow(
            holder="public",
            file=path.name,
            kid=kid,
            since_ns=path.stat().st_mtime_ns,
            fingerprint=hashlib.sha256(content).hexdigest()[:_FINGERPRINT_DIGITS],
        )


def _newest(listed: bytes) -> tuple[bytes, str]:
    try:
        known = read_audit_keys(listed)
    except (IntegrityError, MalformedError):
        return listed, "not proved"
    return known.public(known.newest).public_bytes_raw(), kid_of(known.newest)
