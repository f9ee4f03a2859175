"""
Slots of one key: the one in use, and the one before for a bounded time (security §3).

    tag.guardrail.gateway.key      the first, key id `guardrail:1`
    tag.guardrail.gateway.2.key    the second, `guardrail:2`, and so on

A verifier takes the new one first and believes the old one until OLD_KEY_NS_MAX
after the new one came, by its own clock; a writer writes with the newest that it has.
When a key came is its file's time, so a restart makes the old one live no longer.
"""

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from spark.errors import SettingError

#: So long a key that has a successor is still believed, at the most.
OLD_KEY_NS_MAX: Final = 600_000_000_000
#: Slots are looked at so often; an old key is dropped a look early rather than late.
LOOK_S: Final = 1.0
_LOOK_NS: Final = 1_000_000_000
_FIRST: Final = 1


@dataclass(frozen=True, slots=True)
class Slot:
    """One generation of a key."""

    path: Path
    generation: int
    #: When its file was written; 0 where there is none.
    since_ns: int


def slot_name(name: str, generation: int) -> str:
    """Name the file of a generation; `name` is that of the first."""
    stem, _, suffix = name.rpartition(".")
    return name if generation == _FIRST else f"{stem}.{generation}.{suffix}"


def label_of(name: str) -> str:
    """Say what a key is called, whichever its generation: its file's name without the end."""
    return name.rpartition(".")[0]


def list_names(directory: Path) -> frozenset[str]:
    """
    List what a directory of secrets holds.

    Raises:
        SettingError: it cannot be read.

    """
    try:
        return frozenset(path.name for path in directory.iterdir())
    except OSError as error:
        raise SettingError(f"{directory}: {error.strerror}") from None


def find_slots(directory: Path, name: str, names: Collection[str]) -> tuple[Slot, ...]:
    """
    Find all generations of a key, the newest first.

    Args:
        names: what the directory holds.

    Returns: the first generation's place, where there is none yet.
    """
    stem, _, suffix = name.rpartition(".")
    pattern = re.compile(rf"{re.escape(stem)}(?:\.([1-9]\d{{0,5}}))?\.{re.escape(suffix)}")
    found = {int(match[1] or _FIRST) for one in names if (match := pattern.fullmatch(one))}
    return tuple(
        _slot(directory / slot_name(name, generation), generation)
        for generation in sorted(found or {_FIRST}, reverse=True)
    )


def believed(slots: Sequence[Slot], now_ns: int) -> tuple[Slot, ...]:
    """
    Choose the generations that a verifier believes now: the newest, and who has a little left.

    A successor that is dated in the future leaves nothing: its time cannot be counted.
    """
    older = (
        slot
        for newer, slot in pairwise(slots)
        if newer.since_ns <= now_ns < expires_ns(newer) - _LOOK_NS
    )
    return (slots[0], *older)


def expires_ns(successor: Slot) -> int:
    """Say when the key before this one is believed no more."""
    return successor.since_ns + OLD_KEY_NS_MAX


def _slot(path: Path, generation: int) -> Slot:
    try:
        since_ns = path.lstat().st_mtime_ns
    except FileNotFoundError:
        since_ns = 0
    return Slot(path, generation, since_ns)


@dataclass(slots=True)
class Handed:
    """A key that was handed out, and how its holder is given the next."""

    name: str
    #: Makes a keyed object of a slot's file; raises a SettingError where it is none.
    load: Callable[[Slot], Any]
    #: Given what counts from now on, the newest first.
    renew: Callable[[Sequence[Any]], None]
    #: What counts now, the newest first: once read, a file may go or become unreadable.
    held: dict[Slot, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """What a look at the slots of one key brought."""

    key: str
    #: Those that count from now on, the newest first.
    generations: tuple[int, ...]
    #: Why the one that is there was not taken; empty where it was.
    fault: str = ""


class Renewal:
    """
    Renews in place what was handed out of one directory of secrets.

    Args:
        wall_ns: this machine's clock, by which an old key ends.

    """

    def __init__(self, directory: Path, wall_ns: Callable[[], int]) -> None:
        self._directory = directory
        self._wall_ns = wall_ns
        self._handed: list[Handed] = []

    def hand_out(self, handed: Handed) -> None:
        """
        Read what counts of a key now, and renew it from then on.

        Raises:
            SettingError: one that counts cannot be read.

        """
        found = find_slots(self._directory, handed.name, list_names(self._directory))
        slots = believed(found, self._wall_ns())
        handed.held = {slot: handed.load(slot) for slot in slots}
        handed.renew(list(handed.held.values()))
        self._handed.append(handed)

    def refresh(self) -> list[KeyChange]:
        """Take what came and drop what is over; says what changed, and what could not be taken."""
        changes: dict[str, KeyChange] = {}
        names: frozenset[str] | None = None
        try:
            names = list_names(self._directory)
        except SettingError as error:
            # Nothing comes then; what is over ends all the same.
            changes[""] = KeyChange(self._directory.name, (), str(error))
        for handed in self._handed:
            before = list(handed.held)
            slots = tuple(before)
            if names is not None:
                slots = find_slots(self._directory, handed.name, names)
            fault = self._renew(handed, slots)
            if fault or list(handed.held) != before:
                held = tuple(slot.generation for slot in handed.held)
                changes[handed.name] = KeyChange(label_of(handed.name), held, fault)
        return list(changes.values())

    def generations(self) -> dict[str, int]:
        """Say which generation of each key is the newest that all its users here hold."""
        newest: dict[str, int] = {}
        for handed in self._handed:
            label, generation = label_of(handed.name), next(iter(handed.held)).generation
            newest[label] = min(generation, newest.get(label, generation))
        return newest

    def _renew(self, handed: Handed, slots: Sequence[Slot]) -> str:
        """Take the newest that can be read; what cannot is as if it had not come yet."""
        fault = ""
        loaded = dict(handed.held)
        for newest, slot in enumerate(slots):
            try:
                loaded[slot] = loaded.get(slot) or handed.load(slot)
                found = believed(slots[newest:], self._wall_ns())
                held = {one: loaded.get(one) or handed.load(one) for one in found}
                if list(held) != list(handed.held):
                    handed.renew(list(held.values()))
                    handed.held = held
            except SettingError as error:
                fault = fault or str(error)
            else:
                break
        return fault
