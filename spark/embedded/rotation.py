"""
Changes keys that two roles share, on a stack that may be trading (security §3).

In this order, each step for all keys that were asked for:

1. a new generation goes to each verifier, which believes both from then on;
2. every verifier that runs says that it holds it (its metrics page);
3. the same goes to each writer, which writes with it from its next look on;
4. every writer that runs says so; what it has of the old one is removed.

The old one ends by the verifier's own clock, ten minutes after step 1 (key_slots.py).
Cut off anywhere, both ends go on with what they share, and the next run goes on from there.
"""

import asyncio
import secrets as randomness
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from spark import keys
from spark.embedded.child import ChildState
from spark.embedded.home import Home
from spark.embedded.minting import drop_old, slots_of
from spark.embedded.ops_client import ask, read_address
from spark.embedded.scrape import parse
from spark.embedded.secrets import Secrets, remove_secret
from spark.embedded.state import StackState, read_state
from spark.errors import EmbeddedUnavailable, SettingError
from spark.key_slots import OLD_KEY_NS_MAX, label_of, slot_name

#: Longer than a process takes to come back from a restart.
HELD_S_MAX: Final = 30.0
_LOOK_S: Final = 0.2
_METRIC: Final = "spark_key_generation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotated:
    """One key that has a new generation."""

    key: keys.SharedKey
    generation: int
    #: Until when the one before is believed, at the most.
    old_until_ns: int

    @property
    def name(self) -> str:
        """What the key is called."""
        return label_of(self.key.name)


def chosen_keys(
    pairs: Collection[str], *, has_seal: bool, is_all: bool
) -> tuple[keys.SharedKey, ...]:
    """
    Find the keys that somebody names.

    Args:
        pairs: `writer:verifier`.

    Raises:
        SettingError: there is no such pair.

    """
    if is_all:
        return keys.SHARED_KEYS
    known = {":".join(key.holders): key for key in keys.TAG_KEYS}
    unknown = [pair for pair in pairs if pair not in known]
    if unknown:
        raise SettingError(f"no pair {unknown[0]!r}; there are: {', '.join(sorted(known))}")
    found = [known[pair] for pair in pairs]
    if has_seal:
        found += [key for key in keys.SHARED_KEYS if key.name == keys.SEAL]
    return tuple(dict.fromkeys(found))


async def rotate(
    anchor: Home, home: Home, secrets: Secrets, *, wanted: Sequence[keys.SharedKey]
) -> list[Rotated]:
    """
    Change keys.

    Args:
        anchor: where a running stack is written down.

    Raises:
        EmbeddedUnavailable: a process did not take its new key; before the writers
            were given theirs everything is as it was, later the next run goes on.

    """
    for key in wanted:
        if not all(slots_of(secrets, holder, key.name)[0].since_ns for holder in key.holders):
            raise SettingError(f"{key.name} is not there yet; `spark up` makes it")
    fresh = {key: _to_verifier(secrets, key) for key in wanted}
    began_ns = time.time_ns()
    try:
        await all_hold(anchor, home, _by_role({key: (key.verifier, n) for key, n in fresh.items()}))
    except EmbeddedUnavailable:
        for key, generation in fresh.items():
            _take_back(secrets, key, generation)
        raise
    for key, generation in fresh.items():
        name = slot_name(key.name, generation)
        secrets.write(key.writer, name, secrets.read(key.verifier, name))
    await all_hold(anchor, home, _by_role({key: (key.writer, n) for key, n in fresh.items()}))
    for key in wanted:
        drop_old(secrets, key, now_ns=time.time_ns())
    until_ns = began_ns + OLD_KEY_NS_MAX
    return [Rotated(key=key, generation=n, old_until_ns=until_ns) for key, n in fresh.items()]


def _to_verifier(secrets: Secrets, key: keys.SharedKey) -> int:
    theirs = slots_of(secrets, key.verifier, key.name)[0]
    writers = slots_of(secrets, key.writer, key.name)[0]
    if theirs.generation > writers.generation:
        # An earlier run was cut off here.
        return theirs.generation
    generation = writers.generation + 1
    content = randomness.token_bytes(keys.KEY_BYTES)
    secrets.write(key.verifier, slot_name(key.name, generation), content)
    return generation


def _take_back(secrets: Secrets, key: keys.SharedKey, generation: int) -> None:
    if slots_of(secrets, key.writer, key.name)[0].generation < generation:
        remove_secret(secrets.directory(key.verifier) / slot_name(key.name, generation))


def _by_role(wanted: Mapping[keys.SharedKey, tuple[str, int]]) -> dict[str, dict[str, int]]:
    by_role: dict[str, dict[str, int]] = {}
    for key, (role, generation) in wanted.items():
        by_role.setdefault(role, {})[label_of(key.name)] = generation
    return by_role


async def all_hold(anchor: Home, home: Home, wanted: Mapping[str, Mapping[str, int]]) -> None:
    """
    Wait until each of some processes, if it is to run at all, holds its keys.

    Args:
        wanted: by process: keys and their generations.

    Raises:
        EmbeddedUnavailable: one does not take its key in time.

    """
    deadline = time.monotonic() + HELD_S_MAX
    while True:
        late = [
            role
            for role, held in wanted.items()
            if not await _holds(anchor, home, role, wanted=held)
        ]
        if not late:
            return
        if time.monotonic() > deadline:
            raise EmbeddedUnavailable(
                f"{', '.join(late)} did not take the new key within {HELD_S_MAX:g} s; see its log"
            )
        await asyncio.sleep(_LOOK_S)


async def _holds(anchor: Home, home: Home, role: str, *, wanted: Mapping[str, int]) -> bool:
    if not _runs(read_state(anchor), role):
        # It reads what is there when it starts.
        return True
    address = read_address(home.run_of(role), role)
    reply = None if address is None else await ask(address, "/metrics")
    if reply is None:
        return False
    page = parse(reply[1], {_METRIC})
    held = {sample.labels.get("key", ""): int(sample.value) for sample in page}
    return all(held.get(key, 0) >= generation for key, generation in wanted.items())


def _runs(state: StackState | None, role: str) -> bool:
    if state is None or not state.supervisor.is_alive():
        return False
    ended = {ChildState.HALTED, ChildState.STOPPED}
    return any(child.name == role and child.state not in ended for child in state.children)
