"""
Orders to die: read by the one process that they are for, counted, carried out once.
"""

import os
import signal
import socket
from pathlib import Path

import pytest

from spark.bench.crash.child import Armed
from spark.bench.crash.orders import (
    CrashOrder,
    How,
    Orders,
    place_order,
    read_note,
    step_clock,
    withdraw_order,
)
from spark.crash_points import Point


def test_an_order_is_due_at_the_arrival_that_it_names(tmp_path: Path) -> None:
    """H2: the n-th time at the point, whatever other points are passed meanwhile."""
    place_order(tmp_path, CrashOrder(Point.PRODUCED, after=3), None)
    orders = Orders(tmp_path)
    assert orders.due(Point.PRODUCED) is None
    assert orders.due(Point.CONSUMED) is None
    assert orders.due(Point.PRODUCED) is None
    assert orders.due(Point.PRODUCED) == CrashOrder(Point.PRODUCED, after=3)


def test_without_an_order_nothing_is_due(tmp_path: Path) -> None:
    """H2: a drill's process goes on until it is told."""
    orders = Orders(tmp_path)
    assert [orders.due(point) for point in Point] == [None] * len(Point)


def test_a_new_order_is_counted_anew(tmp_path: Path) -> None:
    """H2: what an earlier round left undone says nothing about this one."""
    orders = Orders(tmp_path)
    place_order(tmp_path, CrashOrder(Point.PRODUCED, after=2), None)
    assert orders.due(Point.PRODUCED) is None
    place_order(tmp_path, CrashOrder(Point.PRODUCED, after=2), None)
    assert orders.due(Point.PRODUCED) is None
    assert orders.due(Point.PRODUCED) is not None


def test_what_is_done_is_noted_and_not_done_again(tmp_path: Path) -> None:
    """H2: the drill learns that it happened; the successor is not killed as well."""
    order = CrashOrder(Point.FENCED, how=How.STOP)
    place_order(tmp_path, order, None)
    orders = Orders(tmp_path)
    assert orders.due(Point.FENCED) == order
    orders.note(order, 17)
    note = read_note(tmp_path)
    assert note is not None
    assert (note.point, note.pid, note.at_ns) == (Point.FENCED, os.getpid(), 17)
    assert Orders(tmp_path).due(Point.FENCED) is None
    place_order(tmp_path, order, None)
    assert read_note(tmp_path) is None
    withdraw_order(tmp_path)
    assert Orders(tmp_path).due(Point.FENCED) is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"point":"nowhere","after":1,"how":"kill"}'])
def test_rubbish_is_no_order(tmp_path: Path, text: str) -> None:
    """H2: what cannot be read kills nobody."""
    (tmp_path / "crash.json").write_text(text)
    assert Orders(tmp_path).due(Point.CONSUMED) is None


def test_a_clock_runs_apart_until_it_is_set_right(tmp_path: Path) -> None:
    """H2, C1: a step of the wall clock alone."""
    orders = Orders(tmp_path)
    assert orders.clock_ms() == 0
    step_clock(tmp_path, -3_000, None)
    assert orders.clock_ms() == -3_000
    step_clock(tmp_path, 0, None)
    assert orders.clock_ms() == 0


def test_the_process_ends_itself_as_by_kill_9(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """H2: no handler, no flush, no goodbye; and a stop where a stop was ordered."""
    sent: list[tuple[int, int]] = []
    monkeypatch.setattr(os, "kill", lambda pid, number: sent.append((pid, number)))
    armed = Armed(Orders(tmp_path), frozenset())
    armed.reach(Point.REPLIED)
    for how in How:
        place_order(tmp_path, CrashOrder(Point.REPLIED, how=how), None)
        armed.reach(Point.REPLIED)
    own = os.getpid()
    assert sent == [(own, signal.SIGKILL), (own, signal.SIGSTOP), (own, signal.SIGKILL)]


def test_half_a_request_goes_to_the_exchange_alone() -> None:
    """H2, P4: what the exchange reads last is the beginning of a request, and no more."""
    with (
        socket.create_server(("127.0.0.1", 0)) as exchange,
        socket.create_server(("127.0.0.1", 0)) as other,
    ):
        ports = [one.getsockname()[1] for one in (exchange, other)]
        with (
            socket.create_connection(("127.0.0.1", ports[0])),
            socket.create_connection(("127.0.0.1", ports[1])),
        ):
            Armed(Orders(Path()), frozenset({ports[0]})).write_half()
            read, silent = exchange.accept()[0], other.accept()[0]
            with read, silent:
                silent.settimeout(0)
                read.settimeout(10)
                assert read.recv(1_000).startswith(b"POST /api/v3/order HTTP/1.1\r\n")
                with pytest.raises(BlockingIOError):
                    silent.recv(1)
