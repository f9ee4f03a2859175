"""
Armed faults: whom they hit, how often, and for how long.
"""

import pytest

from spark.errors import RefusedError
from spark.exchanges.simulator.faults import (
    DEFAULT_ROUTE,
    NOT_EXECUTED,
    STREAM_FAULTS,
    Channel,
    FaultKind,
    Faults,
    Hit,
    Line,
    parse,
)

_MS = 1_000_000
ELSEWHERE = "GET /api/v3/time"


class Hands:
    """A clock that stands still unless it is moved."""

    def __init__(self) -> None:
        self.now_ns = 5

    def __call__(self) -> int:
        return self.now_ns


def armed(*bodies: dict[str, object]) -> tuple[Faults, Hands]:
    hands = Hands()
    faults = Faults(hands)
    for body in bodies:
        faults.arm(parse(body))
    return faults, hands


@pytest.mark.parametrize("kind", FaultKind)
def test_every_kind_can_be_armed_and_hits_where_it_belongs(kind: FaultKind) -> None:
    """A fault of requests hits a request, a fault of streams a stream, neither the other."""
    faults, _ = armed({"kind": kind, "ms": 1})
    if kind in STREAM_FAULTS:
        assert faults.take(DEFAULT_ROUTE) is None
        line = Line[str](faults, Channel.MARKET)
        is_message = line.pass_on("a", is_sequenced=True) != ["a"]
        assert is_message or faults.take_socket(Channel.MARKET) == Hit(kind, 1)
    else:
        assert faults.take_socket(Channel.MARKET) is None
        hit = faults.take(DEFAULT_ROUTE)
        assert hit is not None
        assert hit.kind is kind


def test_a_venue_may_name_its_own_route_of_places() -> None:
    """A fault hits places unless it says otherwise, whatever the venue calls them."""
    assert parse({"kind": "garble"}, place_route="POST /api/v1/order").route == "POST /api/v1/order"
    assert parse({"kind": "maintenance"}).fits("GET /anything")


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "storm_429"},
        {"kind": "drop_message", "route": DEFAULT_ROUTE},
        {"kind": "mute_socket", "route": "elsewhere"},
        {"kind": "garble", "route": 1},
        {"kind": "maintenance", "ms": 600_001},
    ],
)
def test_a_fault_that_can_hit_nothing_is_refused(body: dict[str, object]) -> None:
    """A storm needs a length, a stream's fault a stream."""
    with pytest.raises(RefusedError):
        parse(body)


def test_a_storm_tells_what_is_left_of_it_and_bans_who_goes_on() -> None:
    """429 with the rest of the storm as Retry-After; past the armed count it is 418; then calm."""
    faults, hands = armed({"kind": "storm_429", "ms": 2_500, "count": 2})
    hits = [faults.take(ELSEWHERE) for _ in range(3)]
    assert [hit.status for hit in hits if hit] == [429, 429, 418]
    assert hits[0] is not None
    assert hits[0].retry_after_s == 3
    hands.now_ns += 1_000 * _MS
    late = faults.take(DEFAULT_ROUTE)
    assert late is not None
    assert (late.status, late.retry_after_s) == (418, 2)
    hands.now_ns += 1_500 * _MS
    assert faults.take(ELSEWHERE) is None
    assert faults.armed == []


def test_maintenance_lasts_for_its_time_or_for_its_count() -> None:
    """With a length it ends by the clock, without one after so many requests."""
    faults, hands = armed({"kind": "maintenance", "ms": 10})
    assert [faults.take(ELSEWHERE) is not None for _ in range(3)] == [True, True, True]
    hands.now_ns += 10 * _MS
    assert faults.take(ELSEWHERE) is None
    faults, _ = armed({"kind": "maintenance", "count": 2})
    assert [faults.take(ELSEWHERE) is not None for _ in range(3)] == [True, True, False]


def test_what_was_not_executed_is_named() -> None:
    """The ledger of a request that a fault kept out says so; the set decides it."""
    assert {FaultKind.STORM_429, FaultKind.MAINTENANCE, FaultKind.INVALID_NONCE} <= NOT_EXECUTED
    assert FaultKind.SLOW_LORIS not in NOT_EXECUTED


@pytest.mark.parametrize(
    ("kind", "out"),
    [
        ("duplicate_message", ["1", "1", "2", "3"]),
        ("reorder_messages", ["2", "1", "3"]),
        ("drop_message", ["2", "3"]),
        ("sequence_gap", ["1", "3"]),
    ],
)
def test_a_message_is_doubled_late_or_missing(kind: str, out: list[str]) -> None:
    """Each fault of messages spoils one message of its channel and leaves the rest in order."""
    faults, _ = armed({"kind": kind, "route": "private"})
    spared = Line[str](faults, Channel.MARKET)
    assert spared.pass_on("0", is_sequenced=True) == ["0"]
    line = Line[str](faults, Channel.PRIVATE)
    sent = [one for text in "123" for one in line.pass_on(text, is_sequenced=text == "2")]
    assert sent == out
    assert faults.armed == []


def test_clearing_leaves_nothing_armed() -> None:
    """A judge can take everything back."""
    faults, _ = armed({"kind": "storm_429", "ms": 100}, {"kind": "drop_message"})
    assert faults.clear() == 2
    assert faults.take(ELSEWHERE) is None
    assert Line[str](faults, Channel.MARKET).pass_on("1") == ["1"]
