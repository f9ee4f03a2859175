"""Which stream is dead while its connection lives, and how fresh one is."""

import pytest

from spark.producers.feed_lanes import BOOKS, QUOTES, TRADES, Stream
from spark.producers.feed_watch import Freshness, Watchdog, freshness

_S = 1_000_000_000
_NOW = 1_763_700_000 * _S
_STREAMS = [Stream(kind, symbol) for kind in (QUOTES, TRADES, BOOKS) for symbol in (b"A", b"B")]


def watching() -> Watchdog:
    watchdog = Watchdog(_STREAMS, limit_ns=120 * _S)
    watchdog.begin(_NOW)
    return watchdog


def heard(at_ns: int, *, but: Stream | None = None) -> dict[Stream, int]:
    return {stream: at_ns for stream in _STREAMS if stream != but}


@pytest.mark.parametrize("dead", [Stream(QUOTES, b"A"), Stream(BOOKS, b"B")])
def test_one_dead_stream_is_found_while_the_others_speak(dead: Stream) -> None:
    """Trap 18: the socket answers and others speak, and still the dead one is found."""
    watchdog = watching()
    assert watchdog.mute(heard(_NOW + 100 * _S, but=dead), _NOW + 120 * _S) is None
    assert watchdog.mute(heard(_NOW + 120 * _S, but=dead), _NOW + 121 * _S) == dead


def test_no_trades_of_one_symbol_are_no_silence() -> None:
    """Trap 18: trades keep away from a symbol at times; from all of them, they do not."""
    watchdog = watching()
    at_ns = _NOW + 200 * _S
    assert watchdog.mute(heard(at_ns, but=Stream(TRADES, b"A")), at_ns) is None
    silent = {stream: ns for stream, ns in heard(at_ns).items() if stream.kind != TRADES}
    assert watchdog.mute(silent, at_ns) == Stream(TRADES, b"")


def test_a_quiet_stream_is_not_replaced_for_ever() -> None:
    """A stream that stays silent gets twice as long each time; one that speaks begins anew."""
    watchdog, quiet = watching(), Stream(BOOKS, b"A")
    at_ns = _NOW
    for wait_s in (121, 241, 481):
        soon_ns, at_ns = at_ns + (wait_s - 1) * _S, at_ns + wait_s * _S
        assert watchdog.mute(heard(soon_ns, but=quiet), soon_ns) is None
        assert watchdog.mute(heard(at_ns, but=quiet), at_ns) == quiet
        watchdog.begin(at_ns)
    assert watchdog.mute(heard(at_ns + _S), at_ns + _S) is None
    at_ns += 2 * _S
    spoken = heard(at_ns, but=quiet) | {quiet: at_ns - _S}
    assert watchdog.mute(spoken | heard(at_ns + 121 * _S, but=quiet), at_ns + 121 * _S) == quiet


@pytest.mark.parametrize(
    ("age_s", "found"),
    [
        (0, Freshness.PRIME),
        (29.9, Freshness.PRIME),
        (30, Freshness.DEGRADED),
        (119.9, Freshness.DEGRADED),
        (120, Freshness.STALE),
    ],
)
def test_an_age_has_a_class(age_s: float, found: Freshness) -> None:
    """C5: below 30 s prime, below 120 s degraded."""
    assert freshness(age_s) is found
