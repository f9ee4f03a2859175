"""
`spark` with armed crash points: the entry module of a drill's stack, and of nothing else.

`python -I -m spark.bench.crash.child run ROLE` does what `python -I -m spark run ROLE`
does. At its points it dies, or stops, when an order in its run directory says so
(orders.py), and its wall clock runs apart where the drill says so: monotonic time
stays right, as when a time server steps a machine.
"""

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from spark.bench.crash.orders import How, Orders
from spark.cli import main
from spark.clock import SystemClock
from spark.crash_points import Point, arm
from spark.embedded.home import Home, default_home
from spark.settings import Settings, read_settings

#: No length, no end: what an exchange sees of a process that dies while it writes.
_HALF: Final = b"POST /api/v3/order HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: applic"
_NS_PER_MS: Final = 1_000_000
_FDS: Final = Path("/proc/self/fd")


class Armed:
    """Does at a point what an order asks for."""

    def __init__(self, orders: Orders, exchange_ports: frozenset[int]) -> None:
        self._orders = orders
        self._exchange_ports = exchange_ports

    def reach(self, point: Point) -> None:
        """Count the arrival; may not return."""
        order = self._orders.due(point)
        if order is None:
            return
        if order.how is How.HALF:
            self.write_half()
        self._orders.note(order, time.time_ns())
        os.kill(os.getpid(), signal.SIGSTOP if order.how is How.STOP else signal.SIGKILL)

    def write_half(self) -> None:
        """Send the first bytes of a request on every connection to an exchange."""
        for connection in _connections():
            with connection, suppress(OSError):
                if connection.getpeername()[1] in self._exchange_ports:
                    connection.send(_HALF)


def _connections() -> Iterator[socket.socket]:
    """Give a second handle on each of this process's own TCP connections."""
    for entry in _FDS.iterdir():
        with suppress(OSError):
            found = socket.socket(fileno=os.dup(int(entry.name)))
            if found.family == socket.AF_INET and found.type == socket.SOCK_STREAM:
                yield found
            else:
                found.close()


def _ports(settings: Settings) -> frozenset[int]:
    urls = (settings.binance.rest_url, settings.btcturk.rest_url)
    return frozenset(port for url in urls if (port := urlsplit(url).port) is not None)


def _start() -> None:
    settings = read_settings()
    orders = Orders(Home(default_home(settings.process)).run_of(sys.argv[2]))
    arm(Armed(orders, _ports(settings)))

    def wall_ns(_: SystemClock) -> int:
        return time.time_ns() + orders.clock_ms() * _NS_PER_MS

    SystemClock.wall_ns = wall_ns  # type: ignore[method-assign,assignment]  # a stepped machine
    main()


if __name__ == "__main__":
    _start()
