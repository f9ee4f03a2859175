"""
The kill latch: anything there kills, any doubt kills, and what was seen stays.
"""

import os
import tempfile
import threading
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

import orjson
import pytest

from spark.codec import encode
from spark.topics import BY_NAME, CONTROL_PULSE
from spark.worker.halts import shortened
from spark.worker.latch import KillLatch
from spark.worker.latch_copy import LatchCopy, make_empty_copy
from spark.worker.latch_pull import pull_latch
from tests.disks import small_disk_or_skip

#: What the latch's clock says, to name doubts by.
NOW = 77


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    made = tmp_path / "kill.d"
    made.mkdir()
    return made


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A process's own directory, as a new home makes it."""
    made = tmp_path / "latches"
    made.mkdir()
    make_empty_copy(made)
    return made


def latch(directory: Path, own: Path | None = None, *, environment: bool = False) -> KillLatch:
    return KillLatch(
        directory,
        is_killed_by_environment=environment,
        copy=None if own is None else LatchCopy(own),
        now_ns=lambda: NOW,
    )


def named(path: Path) -> str:
    """Name an entry as a kill."""
    name = os.fsencode(path.name).decode("utf-8", "replace")
    return f"latch:{name}@{path.lstat().st_mtime_ns}"


def test_an_empty_directory_stops_nothing(directory: Path) -> None:
    """Orders may go only while the directory is there, ours and empty."""
    assert latch(directory).in_force() == ()


def test_the_environment_kills_for_the_life_of_the_process(directory: Path) -> None:
    """B2: `KILL_SWITCH` is one of the three that are or-ed together."""
    killed = latch(directory, environment=True)
    (directory / "now").touch()
    assert killed.in_force() == ("environment", named(directory / "now"))


def test_no_resume_clears_the_environment_while_it_says_so(directory: Path) -> None:
    """B2: of the three the variable is the one that people's words do not reach."""
    killed = latch(directory, environment=True)
    killed.clear(lambda _: True)
    assert killed.in_force() == ("environment",)


@pytest.mark.parametrize(
    "make",
    [
        Path.touch,
        lambda path: path.write_bytes(b"\xff" * 100),
        Path.mkdir,
        lambda path: path.symlink_to("nowhere"),
        os.mkfifo,
        lambda path: path.write_text("") or path.chmod(0),
    ],
    ids=["empty", "bytes", "directory", "dangling link", "pipe", "unreadable"],
)
@pytest.mark.parametrize("name", ["now", ".hidden", "a b", "\udcff"])
def test_s10_any_entry_is_a_kill(
    directory: Path, make: Callable[[Path], object], name: str
) -> None:
    """S10: whatever it is and whatever is in it; nobody has to get a file right to stop."""
    make(directory / name)
    killed = latch(directory).in_force()
    assert killed == (named(directory / name),)
    assert encode(killed)


def test_s10_deleting_a_file_resumes_nothing(directory: Path) -> None:
    """S10: the latch is one way; only a new process looks afresh."""
    seen = latch(directory)
    (directory / "now").touch()
    now = named(directory / "now")
    assert seen.in_force() == (now,)
    (directory / "now").unlink()
    assert seen.in_force() == (now,)
    (directory / "again").touch()
    assert seen.in_force() == (now, named(directory / "again"))


def test_s10_only_a_resume_that_names_a_kill_clears_it(directory: Path) -> None:
    """S10: the others stay, and a file that was named may lie there until it is removed."""
    seen = latch(directory)
    (directory / "a").touch()
    (directory / "b").touch()
    first, second = named(directory / "a"), named(directory / "b")
    assert set(seen.in_force()) == {first, second}
    seen.clear(lambda name: name == first)
    assert seen.in_force() == (second,)


def test_s10_a_file_touched_again_is_another_kill(directory: Path) -> None:
    """S10: what a resume named is that one touch, and none that comes later."""
    seen = latch(directory)
    (directory / "a").touch()
    first = named(directory / "a")
    assert seen.in_force() == (first,)
    seen.clear(lambda name: name == first)
    assert seen.in_force() == ()
    os.utime(directory / "a", ns=(5, 5))
    assert seen.in_force() == ("latch:a@5",)


def _missing(directory: Path) -> None:
    directory.rmdir()


def _file(directory: Path) -> None:
    directory.rmdir()
    directory.touch()


def _link(directory: Path) -> None:
    directory.rename(directory.with_name("elsewhere"))
    directory.symlink_to("elsewhere")


def _dangling(directory: Path) -> None:
    directory.rmdir()
    directory.symlink_to("nowhere")


@pytest.mark.parametrize(
    ("hurt", "kill"),
    [
        (_missing, f"latch:No such file or directory@{NOW}"),
        (_file, f"latch:not a directory@{NOW}"),
        (_link, f"latch:not a directory@{NOW}"),
        (_dangling, f"latch:not a directory@{NOW}"),
    ],
)
def test_s10_a_directory_in_doubt_is_a_kill(
    directory: Path, hurt: Callable[[Path], None], kill: str
) -> None:
    """S10: missing, replaced or a link: killed, and putting it back resumes nothing."""
    watched = latch(directory)
    assert watched.in_force() == ()
    hurt(directory)
    assert watched.in_force() == (kill,)
    if not os.path.lexists(directory):
        directory.mkdir()
        assert watched.in_force() == (kill,)


def test_s10_a_doubt_that_lasts_outlasts_its_resume(directory: Path) -> None:
    """S10: what is wrong now kills now, whatever people said of it before."""
    watched = latch(directory)
    directory.rmdir()
    (first,) = watched.in_force()
    named_by_resume = {first}
    watched.clear(named_by_resume.__contains__)
    (second,) = watched.in_force()
    assert second != first
    directory.mkdir()
    assert watched.in_force() == (second,)
    named_by_resume.add(second)
    watched.clear(named_by_resume.__contains__)
    assert watched.in_force() == ()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give a directory away")
def test_s10_a_foreign_directory_is_a_kill(directory: Path) -> None:
    """S10: somebody else's directory says nothing."""
    os.chown(directory, 4242, -1)
    assert latch(directory).in_force() == (f"latch:foreign owner@{NOW}",)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_s10_an_unreadable_directory_is_a_kill(directory: Path) -> None:
    """S10: what cannot be looked into may hold a kill."""
    directory.chmod(0)
    assert latch(directory).in_force() == (f"latch:Permission denied@{NOW}",)
    directory.chmod(0o700)


def test_a_flood_of_files_costs_no_more_than_some(directory: Path) -> None:
    """Fault O3: one entry kills; thousands must not make each look at them slow, nor hide one."""
    for number in range(1_000):
        (directory / f"{number}").touch()
    watched = latch(directory)
    seen = watched.in_force()
    assert 1 <= len(seen) <= 65
    watched.clear(seen.__contains__)
    assert watched.in_force(), "those that were not listed kill on"


def test_s10_what_was_seen_survives_the_process(directory: Path, own: Path) -> None:
    """S10: seen once, it stands in the process's own file, although its entry was removed."""
    (directory / "now").touch()
    now = named(directory / "now")
    assert latch(directory, own).in_force() == (now,)
    (directory / "now").unlink()
    again = latch(directory, own)
    assert again.in_force() == (now,)
    assert (own / "kills.json").stat().st_mode & 0o777 == 0o600
    again.clear(lambda name: name == now)
    assert latch(directory, own).in_force() == ()


def _truncate(path: Path) -> None:
    path.write_bytes(b"")


def _rubbish(path: Path) -> None:
    path.write_bytes(b"\xff{")


def _other_form(path: Path) -> None:
    path.write_bytes(b'{"kills": []}')


def _numbers(path: Path) -> None:
    path.write_bytes(b"[1]")


def _to_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _to_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)


def _open_to_all(path: Path) -> None:
    path.chmod(0o666)


_HURTS = [
    Path.unlink, _truncate, _rubbish, _other_form, _numbers, _to_link, _to_directory, _to_pipe,
    _open_to_all,
]  # fmt: skip


@pytest.mark.parametrize("hurt", _HURTS)
def test_s10_an_own_copy_in_doubt_is_a_kill_until_a_resume(
    directory: Path, own: Path, hurt: Callable[[Path], object]
) -> None:
    """S10: deleted, a link, unreadable, somebody else's or rubbish: killed, over restarts too."""
    hurt(own / "kills.json")
    (kill,) = latch(directory, own).in_force()
    assert kill.startswith("latch:own copy: ")
    again = latch(directory, own)
    assert kill in again.in_force() or hurt is _to_directory
    again.clear(again.in_force().__contains__)
    assert again.in_force() == () or hurt is _to_directory


@pytest.mark.parametrize("hurt", [Path.unlink, _to_link, _open_to_all, _to_pipe])
def test_s10_an_own_copy_hurt_while_the_process_runs_is_a_kill(
    directory: Path, own: Path, hurt: Callable[[Path], object]
) -> None:
    """S10: the next look finds it, and the next one does not forget it."""
    watched = latch(directory, own)
    assert watched.in_force() == ()
    hurt(own / "kills.json")
    (kill,) = watched.in_force()
    assert kill.startswith("latch:own copy: ")
    assert watched.in_force() == (kill,)
    assert kill in orjson.loads((own / "kills.json").read_bytes())


def test_s10_a_copy_that_cannot_be_written_keeps_no_kill_from_being_obeyed(
    directory: Path, own: Path
) -> None:
    """S10, fault A1: a full or lost disk costs the copy, never the kill."""
    watched = latch(directory, own)
    (own / "kills.json").unlink()
    own.rmdir()
    (directory / "now").touch()
    assert named(directory / "now") in watched.in_force()
    assert named(directory / "now") in watched.in_force()


def test_what_is_said_of_kills_fits_into_a_record() -> None:
    """R10: however many there are and however long their names, a pulse can be written."""
    found = shortened(f"{number}{'x' * 1_000}" for number in range(1_000))
    assert len(orjson.dumps(found)) < BY_NAME[CONTROL_PULSE].message_bytes_max
    for worst in ("\x01", "₺", "\U0001f600", '"'):
        found = shortened(worst * 1_000 for _ in range(1_000))
        assert found
        assert len(orjson.dumps(found)) < BY_NAME[CONTROL_PULSE].message_bytes_max * 0.75
    assert shortened(["latch:a@1", "environment"]) == ("latch:a@1", "environment")


def test_s10_a_copy_of_more_than_a_latch_keeps_is_rubbish(directory: Path, own: Path) -> None:
    """S10, R20: its names go into every decision, so who wrote too many of them gets one kill."""
    for found in (["k"] * 101, ["k" * 301]):
        (own / "kills.json").write_bytes(orjson.dumps(found))
        (kill,) = latch(directory, own).in_force()
        assert kill.startswith("latch:own copy: rubbish")


def test_a_pulled_latch_is_one_kill_from_the_first_look_on(directory: Path) -> None:
    """
    S10: the file appears whole, so that what a process saw first is what a resume names.

    Fault P7.
    """
    pull_latch(directory, "kill-1", b"why\n")
    entry = directory / "kill-1"
    seen = latch(directory).in_force()
    assert seen == (named(entry),)
    assert entry.read_bytes() == b"why\n"
    pull_latch(directory, "kill-1", b"again")
    assert latch(directory).in_force() == seen
    assert entry.read_bytes() == b"why\n"
    assert [path.name for path in directory.iterdir()] == ["kill-1"]


def test_a_latch_seen_while_it_is_pulled_has_one_name(directory: Path) -> None:
    """S10: looked at without a pause by another thread, each file is one kill."""
    watched, is_over = latch(directory), threading.Event()

    def look() -> None:
        while not is_over.is_set():
            watched.in_force()

    looking = threading.Thread(target=look)
    looking.start()
    for number in range(40):
        pull_latch(directory, f"kill-{number}", b"why" * 1_000)
    is_over.set()
    looking.join()
    assert len(watched.in_force()) == 40


def test_an_entry_that_goes_while_it_is_looked_at_is_the_kill_it_was(
    directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S10: a resume removes the files that it named; who looks just then sees no new kill."""
    entry = directory / "kill-1"
    entry.touch()
    watched, kill = latch(directory), named(entry)
    assert watched.in_force() == (kill,)
    watched.clear({kill}.__contains__)
    with os.scandir(directory) as listed:
        entries = list(listed)
    entry.unlink()
    monkeypatch.setattr(os, "scandir", lambda _: nullcontext(entries))
    assert watched.in_force() == ()
    assert latch(directory).in_force() == (f"latch:kill-1@{NOW}",), "never seen before: it kills"


def test_s10_a_latch_is_pulled_on_a_full_disk(directory: Path, own: Path) -> None:
    """S10, fault K2: an entry without a word in it kills all the same."""
    watched = latch(directory, own)
    with small_disk_or_skip(directory, 64 * 1024):
        assert watched.in_force() == ()
        # Without a name, because any entry in here kills.
        with tempfile.TemporaryFile(dir=directory) as ballast:
            with suppress(OSError):
                while os.write(ballast.fileno(), bytes(4096)):
                    pass
            pull_latch(directory, "kill-1", b"why")
            assert watched.in_force() == (named(directory / "kill-1"),)
