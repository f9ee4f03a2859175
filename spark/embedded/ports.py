"""Finds free loopback ports, the preferred ones where possible."""

import random
import socket
from collections.abc import Collection, Sequence
from typing import Final

from spark.errors import EmbeddedUnavailable

HOST: Final = "127.0.0.1"
#: Below every common ephemeral range, so that no outgoing connection takes a picked port.
_RANGE: Final = range(20_000, 32_000)
_ATTEMPTS_MAX: Final = 200
_CONNECT_TIMEOUT_S: Final = 0.2


def pick_ports(preferred: Sequence[int]) -> tuple[int, ...]:
    """
    Pick a distinct free port for each preferred one: that one, or another where it is taken.

    A 0 stands for "any". The caller must bind soon: nothing is reserved.

    Raises: EmbeddedUnavailable when the host has no free port.
    """
    picked: list[int] = []
    for port in preferred:
        is_wanted = port != 0 and port not in picked and is_free(port)
        picked.append(port if is_wanted else _any_free({*picked, *preferred}))
    return tuple(picked)


def is_free(port: int) -> bool:
    """
    Say whether a server could listen on a loopback port now.
    """
    with socket.socket() as probe:
        # As servers do: a connection that is only waiting to be forgotten takes no port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
            probe.listen(1)
        except OSError:
            return False
    # Some systems let a loopback address be bound beside a wildcard listener.
    with socket.socket() as probe:
        probe.settimeout(_CONNECT_TIMEOUT_S)
        return probe.connect_ex((HOST, port)) != 0


def _any_free(but: Collection[int]) -> int:
    source = random.SystemRandom()
    for _ in range(_ATTEMPTS_MAX):
        port = source.choice(_RANGE)
        if port not in but and is_free(port):
            return port
    raise EmbeddedUnavailable(f"no free port on {HOST} in {_ATTEMPTS_MAX} attempts")
