"""
The one table of the database: which role may do what with which of its things (S13).

The migrations grant it; a test and `spark access check` hold the two together, and what
stands in the database without standing here is a difference. Roles are named by their
principals; the owner, as whom `migrate` works, may do everything but change the audit.
"""

from collections.abc import Mapping
from typing import Final

MIGRATE: Final = "migrate"
FEED_WRITER: Final = "feed_writer"
PROJECTOR: Final = "projector"
AUDITOR: Final = "auditor"
API: Final = "api"
READER: Final = "reader"
PRINCIPALS: Final = (MIGRATE, FEED_WRITER, PROJECTOR, AUDITOR, API, READER)
#: Of everybody who is not the owner.
_BOUND: Final = PRINCIPALS[1:]
VERBS: Final = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE")

_READ: Final = frozenset({"SELECT"})
_ADD: Final = frozenset({"INSERT"})
_KEEP: Final = frozenset({"SELECT", "INSERT", "UPDATE"})
_APPEND: Final = frozenset({"SELECT", "INSERT"})
Verbs = frozenset[str]


def _only(reader: Verbs = _READ, **others: Verbs) -> dict[str, Verbs]:
    return {API: reader, **others}


#: Nothing in them is ever changed: a trigger refuses it to their owner as well.
APPEND_ONLY: Final = frozenset({"public.audit_log", "public.audit_anchors"})
#: Each day's part of these is a table that nobody but the owner may name.
PARTITIONED: Final = frozenset({"market.quotes", "market.trades", "market.book_updates"})
TABLES: Final[Mapping[str, Mapping[str, Verbs]]] = {
    **{
        f"market.{name}": _only(feed_writer=_ADD)
        for name in ("quotes", "trades", "book_updates", "candles", "gaps", "feed_rejects")
    },
    "market.feed_offsets": _only(feed_writer=_KEEP),
    **{
        f"public.{name}": _only(projector=_KEEP)
        for name in ("intents", "orders", "trades", "positions")
    },
    "public.order_parts": {PROJECTOR: _KEEP},
    "public.projector_offsets": {PROJECTOR: _KEEP},
    "public.projector_rejects": _only(projector=_ADD),
    **{name: _only(auditor=_APPEND) for name in APPEND_ONLY},
    "public.users": _only(),
    "public.strategies": _only(),
    "public.evidence": _only(),
    "public.backtests": _only(_KEEP),
    "public.schema_migrations": dict.fromkeys(_BOUND, _READ),
}
#: Views for people and pages.
VIEWS: Final[Mapping[str, Mapping[str, Verbs]]] = {
    f"reading.{name}": {READER: _READ, API: _READ}
    for name in (
        "quotes", "trades", "book_updates", "orders", "executions", "positions",
        "audit_log", "refusals", "gaps",
    )
}  # fmt: skip
#: Who may call which function; the owner may call each.
FUNCTIONS: Final[Mapping[str, frozenset[str]]] = {
    "market.prepare_day": frozenset({FEED_WRITER}),
    "market.move_offsets": frozenset({FEED_WRITER}),
    "public.move_projection": frozenset({PROJECTOR}),
    "public.projected_tables": frozenset(),
    "public.begin_rebuild": frozenset(),
    "public.hold_projection": frozenset(),
    "public.replace_projection": frozenset(),
    "public.compare_projection": frozenset(),
    # It refuses, whoever calls it.
    "public.refuse_change": frozenset(_BOUND),
    "reading.at_time": frozenset({READER, API}),
}


def verbs_of(principal: str, thing: str) -> Verbs:
    """
    Say what a principal may do with a table or a view.

    Raises:
        KeyError: the table here does not have it.

    """
    if principal == MIGRATE:
        return _APPEND if thing in APPEND_ONLY else frozenset(VERBS)
    granted = TABLES[thing] if thing in TABLES else VIEWS[thing]
    return granted.get(principal, frozenset())
