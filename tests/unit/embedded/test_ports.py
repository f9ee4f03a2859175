"""Free ports on loopback."""

import socket

from spark.embedded.ports import HOST, is_free, pick_ports


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
