"""
A drill's own rooms: what it cuts and fills is its own, and whole again afterwards.
"""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_CUT: Final = """
import socket
from spark.bench.crash.rooms import cut, enter_rooms
rooms = enter_rooms()
if rooms.no_network:
    print("skip", rooms.no_network)
    raise SystemExit
server = socket.create_server(("127.0.0.1", 0))
port = server.getsockname()[1]
one = socket.create_connection(("127.0.0.1", port))
two, _ = server.accept()
two.settimeout(0.5)
one.sendall(b"a")
print(two.recv(10))
for uid in (None, 0):
    with cut(uid, [port], [one.getsockname()[1]]):
        one.send(b"b")
        try:
            print(two.recv(10))
        except TimeoutError:
            print("nothing")
    two.settimeout(10)
    print(two.recv(10))
    two.settimeout(0.5)
"""
_FILL: Final = """
import sys
from pathlib import Path
from spark.bench.crash.rooms import enter_rooms, full_disk
rooms = enter_rooms()
if rooms.no_mounts:
    print("skip", rooms.no_mounts)
    raise SystemExit
place = Path(sys.argv[1])
(place / "kept").write_text("before")
with full_disk(place, None):
    try:
        (place / "new").write_bytes(bytes(8192))
    except OSError as error:
        print(error.strerror)
    print((place / "kept").exists())
(place / "new").write_bytes(bytes(8192))
print((place / "kept").read_text())
"""


def _run(code: str, *words: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    if lines and lines[0].startswith("skip"):
        pytest.skip(lines[0])
    return lines


def test_nothing_passes_while_it_is_cut_and_everything_afterwards() -> None:
    """H2, N2: an open connection goes silent, without a reset, and is whole again."""
    assert _run(_CUT) == ["b'a'", "nothing", "b'b'", "nothing", "b'b'"]


def test_a_full_disk_takes_nothing_and_is_gone_afterwards(tmp_path: Path) -> None:
    """H2, K2: what was there is there again, and can be written."""
    assert _run(_FILL, str(tmp_path)) == ["No space left on device", "False", "before"]


def test_nobody_but_root_has_rooms(tmp_path: Path) -> None:
    """H2: where it cannot be done it is skipped, and the reason said."""
    if os.geteuid() == 0:
        pytest.skip("this is root")
    with pytest.raises(pytest.skip.Exception, match="only root"):
        _run(_FILL, str(tmp_path))
