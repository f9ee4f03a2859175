"""
Two keys at a time, the old one for ten minutes by the verifier's own clock (S2, security §3).
"""

import os
from pathlib import Path

import pytest

from spark import keys, log
from spark.errors import SettingError, TagError
from spark.key_slots import OLD_KEY_NS_MAX, Slot, believed, find_slots, list_names, slot_name
from spark.keyring import Keyring
from spark.signing import Tagger

NOW_NS = 1_800_000_000_000_000_000
MINUTE_NS = 60_000_000_000
ROLE, WRITER = "gateway", "guardrail"
NAME = keys.tag_key(WRITER, ROLE)
TOPIC, TYPE, BODY = "orders.decisions", "order_approved", b"{}"
OLD, NEW = b"o" * 32, b"n" * 32


class Machine:
    """Both ends of one key, and a clock of this test."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.now_ns = NOW_NS
        (root / "public").mkdir()
        (root / "public" / keys.LOG_EPOCH).write_text("epoch\n")
        for role in (ROLE, WRITER):
            (root / role).mkdir()

    def put(self, role: str, name: str, content: bytes, *, at_ns: int | None = None) -> Path:
        path = self.root / role / name
        path.unlink(missing_ok=True)
        path.write_bytes(content)
        path.chmod(0o400)
        os.utime(path, ns=(0, self.now_ns if at_ns is None else at_ns))
        return path

    def ring(self, role: str) -> Keyring:
        return Keyring(role, self.root / role, self.root / "public", wall_ns=lambda: self.now_ns)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.setattr(log, "_forms", {})
    return Machine(tmp_path)


def headers_of(tagger: Tagger) -> tuple[tuple[str, bytes], ...]:
    return tagger.headers(TOPIC, TYPE, BODY)


def test_a_verifier_takes_the_new_key_first_and_the_writer_after_it(machine: Machine) -> None:
    """S2, §3: at no moment of a change does the verifier refuse what its writer writes."""
    for role in (ROLE, WRITER):
        machine.put(role, NAME, OLD)
    verifier, writer = machine.ring(ROLE), machine.ring(WRITER)
    checker, tagger = verifier.checker([WRITER]), writer.tagger([ROLE])
    first = headers_of(tagger)
    assert first[0][1].startswith(b"guardrail:1\0")
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=first) == WRITER
    machine.put(ROLE, slot_name(NAME, 2), NEW)
    (change,) = verifier.refresh()
    assert (change.key, change.generations, change.fault) == ("tag.guardrail.gateway", (2, 1), "")
    assert writer.refresh() == []
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=headers_of(tagger)) == WRITER
    machine.put(WRITER, slot_name(NAME, 2), NEW)
    writer.refresh()
    second = headers_of(tagger)
    assert second[0][1].startswith(b"guardrail:2\0")
    for one in (first, second):
        assert checker.writer_of(TOPIC, TYPE, BODY, headers=one) == WRITER
    assert verifier.generations() == writer.generations() == {"tag.guardrail.gateway": 2}


def test_an_old_key_ends_by_the_verifiers_own_clock(machine: Machine) -> None:
    """S2, §3: at most ten minutes after its successor came, also over a restart."""
    for role in (ROLE, WRITER):
        machine.put(role, NAME, OLD)
    old = headers_of(machine.ring(WRITER).tagger([ROLE]))
    verifier = machine.ring(ROLE)
    checker = verifier.checker([WRITER])
    machine.put(ROLE, slot_name(NAME, 2), NEW)
    verifier.refresh()
    machine.now_ns += 9 * MINUTE_NS
    verifier.refresh()
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=old) == WRITER
    # A process that starts now counts from the same moment.
    assert machine.ring(ROLE).checker([WRITER]).writer_of(TOPIC, TYPE, BODY, headers=old)
    machine.now_ns = NOW_NS + OLD_KEY_NS_MAX - 1_000_000_000
    (change,) = verifier.refresh()
    assert change.generations == (2,)
    for one in (checker, machine.ring(ROLE).checker([WRITER])):
        with pytest.raises(TagError, match="a key that is not known here"):
            one.writer_of(TOPIC, TYPE, BODY, headers=old)


def test_the_gateway_opens_with_the_old_seal_for_a_while(machine: Machine) -> None:
    """S2, §3: what was sealed before the change opens until the old key's end, and no longer."""
    for role in ("signer", ROLE):
        (machine.root / role).mkdir(exist_ok=True)
        machine.put(role, keys.SEAL, OLD)
    signer, gateway = machine.ring("signer"), machine.ring(ROLE)
    seals, opens = signer.seal(), gateway.seal()
    before = seals.seal(bytes(12), b"plain", b"seal:1")
    for role, ring in ((ROLE, gateway), ("signer", signer)):
        machine.put(role, slot_name(keys.SEAL, 2), NEW)
        ring.refresh()
    assert seals.kid == "seal:2"
    after = seals.seal(bytes(12), b"plain", b"seal:2")
    assert opens.open(bytes(12), before, b"seal:1") == b"plain"
    assert opens.open(bytes(12), after, b"seal:2") == b"plain"
    # The key's name is bound: nothing old passes for new.
    with pytest.raises(TagError, match="does not open"):
        opens.open(bytes(12), before, b"seal:2")
    machine.now_ns += OLD_KEY_NS_MAX
    gateway.refresh()
    assert opens.open(bytes(12), after, b"seal:2") == b"plain"
    with pytest.raises(TagError, match="does not open"):
        opens.open(bytes(12), before, b"seal:1")


def test_a_new_key_that_cannot_be_read_has_not_come(machine: Machine) -> None:
    """
    S15: half a file, or one that others may read, changes nothing while a process runs.

    Fault O5.
    """
    for role in (ROLE, WRITER):
        machine.put(role, NAME, OLD)
    old = headers_of(machine.ring(WRITER).tagger([ROLE]))
    verifier = machine.ring(ROLE)
    checker = verifier.checker([WRITER])
    fresh = machine.put(ROLE, slot_name(NAME, 2), NEW[:7])
    (change,) = verifier.refresh()
    assert change.generations == (1,)
    assert "is no such key" in change.fault
    assert verifier.generations() == {"tag.guardrail.gateway": 1}
    machine.now_ns += 2 * OLD_KEY_NS_MAX
    verifier.refresh()
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=old) == WRITER
    # At a start it is said, and ends the start.
    with pytest.raises(SettingError, match=r"tag\.guardrail\.gateway\.2\.key"):
        machine.ring(ROLE).checker([WRITER])
    fresh.unlink()
    assert verifier.refresh() == []


def test_a_key_that_was_read_is_not_needed_again(machine: Machine) -> None:
    """S2, S15: a file that cannot be read any more neither ends its key nor revives the old one."""
    for role in (ROLE, WRITER):
        machine.put(role, NAME, OLD)
    old = headers_of(machine.ring(WRITER).tagger([ROLE]))
    verifier = machine.ring(ROLE)
    checker = verifier.checker([WRITER])
    machine.put(WRITER, slot_name(NAME, 2), NEW)
    fresh = machine.put(ROLE, slot_name(NAME, 2), NEW)
    verifier.refresh()
    new = headers_of(machine.ring(WRITER).tagger([ROLE]))
    fresh.chmod(0o444)
    machine.now_ns += OLD_KEY_NS_MAX
    (change,) = verifier.refresh()
    assert (change.generations, change.fault) == ((2,), "")
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=new) == WRITER
    with pytest.raises(TagError, match="a key that is not known here"):
        checker.writer_of(TOPIC, TYPE, BODY, headers=old)


def test_a_key_that_is_taken_back_was_never_there(machine: Machine) -> None:
    """S2: a change that was given up before the writer had its new key is undone by removal."""
    for role in (ROLE, WRITER):
        machine.put(role, NAME, OLD)
    old = headers_of(machine.ring(WRITER).tagger([ROLE]))
    verifier = machine.ring(ROLE)
    checker = verifier.checker([WRITER])
    fresh = machine.put(ROLE, slot_name(NAME, 2), NEW)
    verifier.refresh()
    fresh.unlink()
    (change,) = verifier.refresh()
    assert change.generations == (1,)
    machine.now_ns += 2 * OLD_KEY_NS_MAX
    verifier.refresh()
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=old) == WRITER


def test_a_successor_of_tomorrow_leaves_the_old_key_nothing(machine: Machine) -> None:
    """§3: a time that cannot be counted prolongs nothing."""
    path = machine.put(ROLE, slot_name(NAME, 2), NEW, at_ns=NOW_NS + 1)
    slots = (Slot(path, 2, NOW_NS + 1), Slot(path, 1, NOW_NS - 1))
    assert [slot.generation for slot in believed(slots, NOW_NS)] == [2]


def test_slots_are_found_by_their_names_alone(machine: Machine) -> None:
    """S2: another key's file, a half-written one or a strange number is no slot of this key."""
    wanted = [NAME, slot_name(NAME, 2), slot_name(NAME, 10)]
    strange = ["tag.guardrail.gateway.01.key", f".{NAME}.ab12", "tag.guardrail.signer.3.key"]
    for name in (*wanted, *strange, f"{NAME}.4", "tag.guardrail.gateway.5.key2"):
        machine.put(ROLE, name, NEW)
    directory = machine.root / ROLE
    found = find_slots(directory, NAME, list_names(directory))
    assert [slot.generation for slot in found] == [10, 2, 1]
    ids = ["binance.api_key", "binance.2.api_key", "binance.read.7.api_key"]
    assert [slot.generation for slot in find_slots(directory, ids[0], ids)] == [2, 1]


def test_two_changes_in_a_row_count_each_from_its_own_successor(machine: Machine) -> None:
    """§3: the oldest of three ends first."""
    path = machine.root / NAME
    slots = [Slot(path, 3, NOW_NS), Slot(path, 2, NOW_NS - 5 * MINUTE_NS), Slot(path, 1, 0)]

    def at(minutes: int) -> list[int]:
        return [one.generation for one in believed(slots, NOW_NS + minutes * MINUTE_NS)]

    assert at(1) == [3, 2, 1]
    assert at(5) == [3, 2]
    assert at(10) == [3]


def test_an_old_key_ends_though_the_directory_is_gone(machine: Machine) -> None:
    """§3: what cannot be looked at prolongs nothing, and does not end the process."""
    for role in (ROLE, WRITER):
        machine.put(role, NAME, OLD)
    old = headers_of(machine.ring(WRITER).tagger([ROLE]))
    verifier = machine.ring(ROLE)
    checker = verifier.checker([WRITER])
    machine.put(ROLE, slot_name(NAME, 2), NEW)
    verifier.refresh()
    (machine.root / ROLE).rename(machine.root / "elsewhere")
    (fault,) = verifier.refresh()
    assert "No such file" in fault.fault
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=old) == WRITER
    machine.now_ns += OLD_KEY_NS_MAX
    assert [change.generations for change in verifier.refresh()] == [(), (2,)]
    with pytest.raises(TagError, match="a key that is not known here"):
        checker.writer_of(TOPIC, TYPE, BODY, headers=old)
