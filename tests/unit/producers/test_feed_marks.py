"""The feed's marks: how long a quote holds."""

from spark.codec import decode_as
from spark.events import PricesMarked
from spark.exchanges.binance.wire_marks import mark_of
from spark.names import Venue
from spark.producers.feed_marks import ASK_NS, QUIET_NS, Marker

_NOW = 1_763_700_000_000_000_000
_S = 1_000_000_000
_TOPS = {b"BTCUSDT": (b'"61837.63"', b'"61837.64"'), b"ETHUSDT": (b'"2650"', b'"2650.01"')}


class Quiet:
    """A connection that nobody hears of."""

    async def ping(self) -> None:
        """Say nothing."""


def connected() -> Marker:
    marker = Marker(Venue.BINANCE, mark_of)
    marker.begin(Quiet())
    return marker


def said(marker: Marker) -> PricesMarked:
    (record,) = marker.take()
    return decode_as(PricesMarked, record.value)


def test_a_quiet_symbol_on_a_living_socket_stays_fresh() -> None:
    """C5, B9: every symbol is measured at the connection's last sign of life."""
    marker = connected()
    marker.hear(_NOW)
    assert marker.mark(_TOPS, _NOW + 1)
    first = said(marker)
    marker.hear(_NOW + 5 * _S)

    assert marker.mark(_TOPS, _NOW + 5 * _S + 1)
    second = said(marker)

    assert {mark.measured_ns for mark in first.marks} == {_NOW}
    assert {mark.measured_ns for mark in second.marks} == {_NOW + 5 * _S}
    assert [(m.symbol, m.bid, m.ask) for m in first.marks] == [
        (m.symbol, m.bid, m.ask) for m in second.marks
    ]


def test_a_mute_socket_marks_nothing_anew() -> None:
    """C5: without a sign of life nothing is said again, so that it grows stale."""
    marker = connected()
    marker.hear(_NOW)

    assert marker.mark(_TOPS, _NOW + 1)
    assert not marker.mark(_TOPS, _NOW + 60 * _S)


def test_a_new_connection_knows_nothing_of_the_old_one() -> None:
    """B9: a quote of a connection that ended holds no longer."""
    marker = connected()
    marker.hear(_NOW)
    marker.begin(None)
    marker.hear(_NOW + 1)
    assert not marker.mark(_TOPS, _NOW + 1)

    marker.begin(Quiet())
    assert not marker.mark(_TOPS, _NOW + 1)
    marker.hear(_NOW + 2)
    assert not marker.mark({}, _NOW + 3)


def test_prices_that_cannot_be_are_counted_and_left_out() -> None:
    """B9, H5, fault M4: a bid above its ask and a zero mark nothing."""
    marker = connected()
    marker.hear(_NOW)
    tops = {**_TOPS, b"BTCTRY": (b'"2"', b'"1"'), b"USDTTRY": (b'"0"', b'"1"')}

    assert marker.mark(tops, _NOW)
    event = said(marker)

    assert [mark.symbol for mark in event.marks] == ["BTCUSDT", "ETHUSDT"]
    assert marker.unusable == 2
    marker.hear(_NOW + 1)
    assert not marker.mark({b"BTCTRY": tops[b"BTCTRY"]}, _NOW + 1)


def test_behind_a_slow_broker_only_the_newest_marks_wait() -> None:
    """
    S8: what is old by the time it could be written is of no use, and memory is bounded.

    Fault M5.
    """
    marker = connected()
    for number in range(5):
        marker.hear(_NOW + number)
        assert marker.mark(_TOPS, _NOW + number)

    assert said(marker).marked_ns == _NOW + 4
    assert marker.take() == []


def test_only_a_silent_connection_is_asked_and_not_too_often() -> None:
    """C5: the venue takes five messages a second; a talking socket needs none."""
    marker = connected()
    marker.hear(_NOW)

    assert not marker.wants_to_know(_NOW + QUIET_NS - 1)
    assert marker.wants_to_know(_NOW + QUIET_NS)
    assert not marker.wants_to_know(_NOW + QUIET_NS + ASK_NS - 1)
    assert marker.wants_to_know(_NOW + QUIET_NS + ASK_NS)
