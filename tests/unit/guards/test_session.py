"""The guard of Borsa Istanbul's sessions: under, at and over each limit, and what is unknown."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.events import Refusal, Session, SessionsPublished
from spark.exchanges.bist.days import instant_ns
from spark.guards.session import session
from spark.names import AccountId, Reason, Symbol, TradingMode, Venue
from tests.guarded import snapshot
from tests.made import SECOND_NS, place
from tests.start import SPEC

ORDER = place(account=AccountId("bist:main"), symbol=Symbol("THYAO"))
OPEN_NS = instant_ns("2026-10-27", 9 * 60 + 30)
CLOSE_NS = instant_ns("2026-10-27", 18 * 60)
NEXT_NS = instant_ns("2026-10-30", 9 * 60 + 30)
SAID = SessionsPublished(
    venue=Venue.BIST,
    sessions=(
        Session(day="2026-10-27", opens_ns=OPEN_NS, closes_ns=CLOSE_NS),
        Session(day="2026-10-30", opens_ns=NEXT_NS, closes_ns=NEXT_NS + 3600 * SECOND_NS),
    ),
    first_day="2026-10-27",
    last_day="2026-10-31",
    published_ns=OPEN_NS,
)


def judged(
    now_ns: int, said: SessionsPublished | None = SAID, mode: TradingMode = TradingMode.PAPER
) -> Refusal | None:
    fresh = None if said is None else replace(said, published_ns=now_ns)
    return session(ORDER, snapshot(now_ns=now_ns, mode=mode, bist_sessions=fresh), SPEC)


def test_outside_a_session_the_market_is_closed() -> None:
    """B7: refused to the nanosecond, with the time there and the next opening."""
    opens = "opens 2026-10-30T09:30:00+03:00"
    assert judged(OPEN_NS - 1) == Refusal(
        code=Reason.MARKET_CLOSED,
        found="2026-10-27T09:29:59+03:00",
        limit="opens 2026-10-27T09:30:00+03:00",
    )
    assert judged(OPEN_NS) is None
    assert judged(CLOSE_NS - 1) is None
    assert judged(CLOSE_NS) == Refusal(
        code=Reason.MARKET_CLOSED, found="2026-10-27T18:00:00+03:00", limit=opens
    )
    assert judged(NEXT_NS - 1) == Refusal(
        code=Reason.MARKET_CLOSED, found="2026-10-30T09:29:59+03:00", limit=opens
    )
    last = judged(instant_ns("2026-10-31", 0))
    assert last == Refusal(code=Reason.MARKET_CLOSED, found="2026-10-31T00:00:00+03:00")


@pytest.mark.parametrize("mode", set(TradingMode) - {TradingMode.PAPER})
def test_inside_a_session_only_paper_trades(mode: TradingMode) -> None:
    """B7: inside its hours a BIST order is paper only; nothing sends there."""
    assert judged(OPEN_NS, mode=mode) == Refusal(
        code=Reason.VENUE_NOT_TRADABLE, found=mode, limit="paper"
    )
    closed = judged(CLOSE_NS, mode=mode)
    assert closed is not None
    assert closed.code is Reason.MARKET_CLOSED


@pytest.mark.parametrize(
    ("said", "now_ns"),
    [
        (None, OPEN_NS),
        (replace(SAID, first_day="", last_day=""), OPEN_NS),
        (replace(SAID, first_day="2026-10-28"), OPEN_NS),
        (replace(SAID, last_day="2026-10-29"), NEXT_NS),
    ],
    ids=["never said", "unreadable overrides", "before the first day", "after the last day"],
)
def test_unknown_is_closed(said: SessionsPublished | None, now_ns: int) -> None:
    """A day that nobody spoke for is closed, and the reason says that it is not known."""
    refusal = judged(now_ns, said)
    assert refusal is not None
    assert refusal.code is Reason.MARKET_CLOSED
    assert refusal.found is not None
    assert refusal.found.endswith(", sessions unknown")


@pytest.mark.parametrize(
    ("age_ns", "is_refused"), [(-1, False), (0, False), (1, True)], ids=["under", "at", "over"]
)
def test_sessions_grow_old(age_ns: int, *, is_refused: bool) -> None:
    """What the watch said counts as long as an instrument's rules: an override may have come."""
    now_ns = OPEN_NS + 2 * 3600 * SECOND_NS
    said = replace(SAID, published_ns=now_ns - SPEC.instrument_age_ns_max - age_ns)
    snap = snapshot(now_ns=now_ns, mode=TradingMode.PAPER, bist_sessions=said)
    refusal = session(ORDER, snap, SPEC)
    assert (refusal is not None) is is_refused
    if refusal is not None:
        assert refusal.code is Reason.MARKET_CLOSED
        assert refusal.found == "2026-10-27T11:30:00+03:00, sessions said 3600 s ago"


def test_other_venues_are_not_asked() -> None:
    """An exchange that never closes needs no session, said or not."""
    for account in ("binance:main", "btcturk:main", "bistro:main"):
        order = place(account=AccountId(account))
        assert session(order, snapshot(now_ns=CLOSE_NS), SPEC) is None


@given(
    st.integers(-5, 25),
    st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), max_size=4),
    st.sampled_from(TradingMode),
)
def test_nothing_passes_outside_of_every_session(
    after_ns: int, spans: list[tuple[int, int]], mode: TradingMode
) -> None:
    """Whatever was said, even sessions that end before they begin: a pass is on paper, inside."""
    sessions = tuple(
        Session(day="2026-10-27", opens_ns=OPEN_NS + opens, closes_ns=OPEN_NS + closes)
        for opens, closes in spans
    )
    refusal = judged(OPEN_NS + after_ns, replace(SAID, sessions=sessions), mode)
    is_inside = any(opens <= after_ns < closes for opens, closes in spans)
    assert (refusal is None) is (is_inside and mode is TradingMode.PAPER)
