"""
Resuming: what may be approved and by whom, and which files go with the kills.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from spark.bus.port import Partition, Record
from spark.cli.resume_desk import find_word, proposals, remove_latch_files
from spark.cli.words_desk import Outcome, Sight
from spark.codec import encode
from spark.errors import NotRunningError, RefusedError
from spark.events import Event
from spark.ledger.control import proposal_id
from spark.ledger.control_state import OUTSIDE
from spark.names import TradingMode
from spark.ops.control_reader import ControlLog, Word
from spark.topics import CONTROL, CONTROL_HALT
from tests.keyed import people
from tests.made import NOW_NS
from tests.persons import LOCAL, MINUTE_NS, SECOND, halted, resume, set_mode, signed

KILLED = resume(("kill-1", 0))
ID = proposal_id(encode(KILLED))


def sight(*said: Event, now_ns: int = NOW_NS) -> Sight:
    """What a command sees after these records."""
    log = ControlLog(people(), TradingMode.LIVE)
    ends = {CONTROL: 0, CONTROL_HALT: 0}
    for one in said:
        topic = CONTROL if hasattr(one, "proposal") else CONTROL_HALT
        at_ms = NOW_NS // 1_000_000
        log.take(Record(Partition(topic, 0), ends[topic], at_ms, None, encode(one), ()))
        ends[topic] += 1
    return Sight(log, {}, None, TradingMode.LIVE, now_ns)


def test_a_proposal_is_found_by_the_beginning_of_its_name() -> None:
    """What `spark proposals` prints is enough, in any case of its letters."""
    seen = sight(halted(), signed(KILLED))
    assert find_word(seen, ID[:12], SECOND).body == encode(KILLED)
    assert find_word(seen, ID[:6].upper(), SECOND).proposal_id == ID


@pytest.mark.parametrize("prefix", ["", "a", "abcde"])
def test_a_name_that_could_be_any_is_refused(prefix: str) -> None:
    """Nobody signs by a slip of the keyboard."""
    with pytest.raises(RefusedError, match="at least 6"):
        find_word(sight(halted(), signed(KILLED)), prefix, SECOND)


def test_an_unknown_proposal_is_not_there() -> None:
    """Exit 3, with the command that lists them."""
    with pytest.raises(NotRunningError, match="spark proposals"):
        find_word(sight(halted(), signed(KILLED)), "0" * 12, SECOND)


def test_s11_the_same_person_is_refused_before_signing() -> None:
    """S11: who proposed does not approve."""
    with pytest.raises(RefusedError, match="another person approves"):
        find_word(sight(halted(), signed(KILLED)), ID, LOCAL)


def test_s11_an_expired_proposal_is_refused_before_signing() -> None:
    """S11: after its time a signature would be ignored by every reader."""
    seen = sight(halted(), signed(KILLED), now_ns=KILLED.expires_ns)
    with pytest.raises(RefusedError, match="cannot be approved: expired"):
        find_word(seen, ID, SECOND)


def test_what_is_in_force_is_not_approved_again() -> None:
    """The answer names where it came into force."""
    with pytest.raises(RefusedError, match="in force since control@1"):
        find_word(sight(halted(), signed(KILLED), signed(KILLED, SECOND)), ID, SECOND)


def test_r9_nobody_signs_for_a_halt_that_nobody_said() -> None:
    """R9: a resume that names a kill to come is a trap, and is named so."""
    asked = resume(("kill-1", 0), ("kill-2", 1))
    with pytest.raises(RefusedError, match="not on the log: kill-2@1"):
        find_word(sight(halted(), signed(asked)), proposal_id(encode(asked)), SECOND)


def test_what_waits_is_listed_and_what_is_in_force_is_not() -> None:
    """Oldest first, with the persons that each needs."""
    up = set_mode(TradingMode.LIVE, 50)
    seen = sight(halted(), signed(set_mode(TradingMode.LIVE, 5)), signed(KILLED), signed(up))
    found = [(one.word.proposal, one.state, one.needed) for one in proposals(seen)]
    assert found == [(KILLED, "waits", 2), (up, "waits", 2)]
    later = replace(seen, now_ns=NOW_NS + 10 * MINUTE_NS)
    assert {one.state for one in proposals(later)} == {"expired"}


def outcome(*halts: tuple[str, int], state: str = "done") -> Outcome:
    asked = resume(*halts)
    word = Word(proposal_id="x", body=encode(asked), proposal=asked, applied_at=0)
    return Outcome(sight=sight(), word=word, state=state, needed=2)


def kill_file(directory: Path, name: str) -> tuple[str, int]:
    path = directory / name
    path.touch()
    return f"latch:{name}@{path.stat().st_mtime_ns}", OUTSIDE


def test_the_files_of_cleared_kills_are_taken_away(tmp_path: Path) -> None:
    """Those named, as they were; a file beside them and one touched since stay."""
    named, touched = kill_file(tmp_path, "named@home"), kill_file(tmp_path, "touched")
    kill_file(tmp_path, "other")
    os.utime(tmp_path / "touched", ns=(NOW_NS, NOW_NS))
    gone = ("latch:gone@17", OUTSIDE)
    removed, kept = remove_latch_files(tmp_path, outcome(named, touched, gone, ("kill-1", 0)))
    assert removed == ["named@home"]
    assert kept == ["touched: touched since, which is another kill"]
    assert {path.name for path in tmp_path.iterdir()} == {"touched", "other"}


def test_a_resume_that_waits_takes_nothing_away(tmp_path: Path) -> None:
    """S10: until it is in force every file stays."""
    named = kill_file(tmp_path, "named")
    assert remove_latch_files(tmp_path, outcome(named, state="waits")) == ([], [])
    assert (tmp_path / "named").exists()


def test_names_lead_nowhere_else(tmp_path: Path) -> None:
    """Names come from pulses, which any process may write: no way out, no link followed."""
    place = tmp_path / "kill.d"
    place.mkdir()
    victim = tmp_path / "victim"
    victim.touch()
    at = victim.stat().st_mtime_ns
    names = [f"latch:../victim@{at}", f"latch:..@{at}", f"latch:{victim}@{at}", f"latch:@{at}"]
    assert remove_latch_files(place, outcome(*[(name, OUTSIDE) for name in names])) == ([], [])
    link = place / "link"
    link.symlink_to(victim)
    named = (f"latch:link@{link.lstat().st_mtime_ns}", OUTSIDE)
    assert remove_latch_files(place, outcome(named)) == (["link"], [])
    assert victim.exists()


def test_a_directory_that_stands_for_a_kill_is_left_to_a_person(tmp_path: Path) -> None:
    """It is cleared all the same; the command says what is left to do."""
    (tmp_path / "stop").mkdir()
    name = f"latch:stop@{(tmp_path / 'stop').stat().st_mtime_ns}"
    removed, kept = remove_latch_files(tmp_path, outcome((name, OUTSIDE)))
    assert removed == []
    assert len(kept) == 1
    assert kept[0].endswith("remove it by hand")
    assert remove_latch_files(tmp_path / "nowhere", outcome((name, OUTSIDE)))[1] != []
