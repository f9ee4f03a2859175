"""
Borsa Istanbul has hours, and nothing sends there yet (spec B7).

Sessions enter as records of the venue watch; unknown, or said too long ago, is closed.
"""

from typing import Final

from spark.events import PlaceOrder, Refusal, SessionsPublished
from spark.exchanges.bist.days import day_of, local_text
from spark.exchanges.bist.sessions import next_open, session_at
from spark.guards.limits import Limits
from spark.ledger.snapshot import Snapshot
from spark.names import Reason, TradingMode, Venue

_NS_PER_S: Final = 1_000_000_000


def session(order: PlaceOrder, snap: Snapshot, limits: Limits) -> Refusal | None:
    """Refuse a BIST order outside a session and, but on paper, inside one too."""
    if order.account.partition(":")[0] != Venue.BIST:
        return None
    here = local_text(snap.now_ns)
    said = snap.bist_sessions
    if said is None:
        return Refusal(code=Reason.MARKET_CLOSED, found=f"{here}, sessions unknown")
    if why := _unknown(said, snap.now_ns, limits):
        return Refusal(code=Reason.MARKET_CLOSED, found=f"{here}, {why}")
    if session_at(said.sessions, snap.now_ns) is None:
        opens_ns = next_open(said.sessions, snap.now_ns)
        opens = None if opens_ns is None else f"opens {local_text(opens_ns)}"
        return Refusal(code=Reason.MARKET_CLOSED, found=here, limit=opens)
    if snap.mode is not TradingMode.PAPER:
        return Refusal(code=Reason.VENUE_NOT_TRADABLE, found=snap.mode, limit=TradingMode.PAPER)
    return None


def _unknown(said: SessionsPublished, now_ns: int, limits: Limits) -> str:
    """Say why nothing is known of now; empty where something is."""
    age_ns = now_ns - said.published_ns
    if age_ns > limits.instrument_age_ns_max:
        return f"sessions said {age_ns // _NS_PER_S} s ago"
    is_covered = said.first_day <= day_of(now_ns) <= said.last_day
    return "" if is_covered else "sessions unknown"
