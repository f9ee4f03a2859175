"""Free ports on loopback."""

import os
import socket
import subprocess
import sys

import pytest

from spark.embedded.ports import _RESERVED, HOST, is_free, pick_ports


def test_a_taken_port_is_replaced_and_a_free_one_kept() -> None:
    """The stack starts with ports already taken; it picks others."""
    with socket.socket() as taken:
        taken.bind((HOST, 0))
        taken.listen()
        busy = taken.getsockname()[1]
        (free,) = pick_ports([0])
        assert not is_free(busy)
        first, second = pick_ports([busy, free])
    assert first not in {busy, free}
    assert second == free


def test_a_wildcard_listener_takes_the_port_too() -> None:
    """A server on every address answers on loopback as well."""
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))  # noqa: S104  (the point of the test)
        taken.listen()
        assert not is_free(taken.getsockname()[1])


def test_the_same_wish_twice_gives_two_ports() -> None:
    """Picked ports are distinct."""
    (free,) = pick_ports([0])
    picked = pick_ports([free, free, 0])
    assert picked[0] == free
    assert len(set(picked)) == 3


@pytest.mark.skipif(sys.platform != "linux", reason="reserved on Linux only")
def test_two_stacks_that_start_together_pick_different_ports() -> None:
    """What another process picked and does not use yet is taken; its death frees it."""
    program = (
        "import sys; from spark.embedded.ports import pick_ports;"
        "print(*pick_ports([int(sys.argv[1])]), flush=True); input()"
    )
    (free,) = pick_ports([0])
    os.close(_RESERVED.pop(free))
    other = subprocess.Popen(
        [sys.executable, "-c", program, str(free)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert other.stdout is not None
        assert int(other.stdout.readline()) == free
        assert pick_ports([free]) != (free,)
    finally:
        other.kill()
        other.communicate()
    assert pick_ports([free]) == (free,)
