"""
Compares the pinned packages with published advisories, as far as somebody brought them here.

Spark reaches no network for it: the advisories are files in the OSV form, one JSON object
each, as the open database of vulnerabilities publishes them for PyPI, unpacked in a directory.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import orjson
from packaging.version import InvalidVersion, Version

from spark.errors import SettingError

_ECOSYSTEM: Final = "PyPI"
_SEPARATORS: Final = re.compile(r"[-_.]+")
_FILE_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True, order=True)
class Known:
    """One pinned package that an advisory is about."""

    package: str
    version: str
    advisory: str
    summary: str


def advisories_about(pinned: Mapping[str, str], directory: Path) -> tuple[list[Known], int]:
    """
    Find advisories about pinned versions.

    Args:
        pinned: versions by package.
        directory: of advisories.

    Returns: what was found, and how many advisories were read.

    Raises:
        SettingError: the directory is not there, or holds none.

    """
    wanted = {_normal(name): version for name, version in pinned.items()}
    found: set[Known] = set()
    count = 0
    for record in _records(directory):
        count += 1
        for affected in record.get("affected", ()):
            package = affected.get("package", {})
            name = _normal(str(package.get("name", "")))
            version = wanted.get(name)
            if package.get("ecosystem") != _ECOSYSTEM or version is None:
                continue
            if "withdrawn" not in record and _concerns(affected, version):
                summary = str(record.get("summary", "")).partition("\n")[0]
                found.add(Known(name, version, str(record.get("id", "")), summary))
    if not count:
        raise SettingError(f"{directory}: no advisories there; unpack the OSV records of PyPI")
    return sorted(found), count


def _records(directory: Path) -> Iterator[dict[str, Any]]:
    if not directory.is_dir():
        raise SettingError(f"{directory}: no such directory of advisories")
    for path in sorted(directory.rglob("*.json")):
        if path.stat().st_size > _FILE_BYTES_MAX:
            raise SettingError(f"{path}: larger than {_FILE_BYTES_MAX} bytes")
        try:
            record = orjson.loads(path.read_bytes())
        except orjson.JSONDecodeError:
            raise SettingError(f"{path}: not JSON") from None
        if isinstance(record, dict):
            yield record


def _concerns(affected: Mapping[str, Any], version: str) -> bool:
    if version in affected.get("versions", ()):
        return True
    spans = [one for one in affected.get("ranges", ()) if one.get("type") == "ECOSYSTEM"]
    return any(_is_within(span.get("events", ()), Version(version)) for span in spans)


def _is_within(events: list[dict[str, str]], version: Version) -> bool:
    """Walk the events of a range in order: it is within after the last that applies."""
    is_within = False
    for event in events:
        for kind, text in event.items():
            at = _version(text)
            if kind == "introduced" and (text == "0" or at is None or version >= at):
                is_within = True
            elif at is not None and (version > at or (kind == "fixed" and version == at)):
                is_within = kind not in {"fixed", "last_affected"} and is_within
    return is_within


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        # Doubt is a finding.
        return None


def _normal(name: str) -> str:
    return _SEPARATORS.sub("-", name).lower()
