"""
Finds free loopback ports, the preferred ones where possible.

Between the moment a port is found free and the moment a server listens on it, a
second stack may find it free, too. So a picked port is reserved among Spark's own
processes until this one ends, however it ends: on Linux by the name of an abstract
socket, which lives in the same network namespace as the port. Elsewhere the race
is left to the error of whoever comes second.
"""

import os
import random
import socket
import sys
from collections.abc import Collection, Sequence
from typing import Final

from spark.errors import EmbeddedUnavailable

HOST: Final = "127.0.0.1"
#: Below every common ephemeral range, so that no outgoing connection takes a picked port.
_RANGE: Final = range(20_000, 32_000)
_ATTEMPTS_MAX: Final = 200
_CONNECT_TIMEOUT_S: Final = 0.2
#: Port to the descriptor that reserves it.
_RESERVED: Final[dict[int, int]] = {}


def pick_ports(preferred: Sequence[int]) -> tuple[int, ...]:
    """
    Pick a distinct free port for each preferred one: that one, or another where it is taken.

    A 0 stands for "any".

    Raises: EmbeddedUnavailable when the host has no free port.
    """
    picked: list[int] = []
    for port in preferred:
        is_wanted = port != 0 and port not in picked and is_free(port) and _reserve(port)
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
        if port not in but and port not in _RESERVED and is_free(port) and _reserve(port):
            return port
    raise EmbeddedUnavailable(f"no free port on {HOST} in {_ATTEMPTS_MAX} attempts")


def _reserve(port: int) -> bool:
    if sys.platform != "linux" or port in _RESERVED:
        return True
    with socket.socket(socket.AF_UNIX) as holder:
        try:
            holder.bind(f"\0spark-port-{port}")
        except OSError:
            return False
        _RESERVED[port] = os.dup(holder.fileno())
    return True
