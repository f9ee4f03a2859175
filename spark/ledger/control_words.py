"""
Words of people and protections, from bytes: what cannot be read on `control.halt` halts. Pure.

On that topic stand halts and demotions alone. One that a newer writer spelt otherwise is a
halt all the same, and whoever reads it as nothing goes on trading (S10: any doubt is a kill).
"""

from typing import Final

from spark.codec import decode
from spark.errors import MalformedError
from spark.events import Event, TradingHalted
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.names import HaltSource
from spark.topics import CONTROL_HALT

_REASON: Final = "a record that this version cannot read"


def read_word(body: bytes | None, *, topic: str, offset: int, appended_ns: int) -> Event:
    """
    Read one record; on `control.halt`, which has one partition, one that is unreadable halts.

    Raises:
        MalformedError: unreadable, and not on `control.halt`: it says nothing.

    Source: runbook/decisions/0023-an-unreadable-halt-is-a-halt.md
    """
    try:
        return decode(body or b"")
    except MalformedError as error:
        if topic != CONTROL_HALT:
            raise
        return TradingHalted(
            halt=unreadable_halt(offset),
            account=ALL_ACCOUNTS,
            source=HaltSource.UNREADABLE,
            by="somebody",
            reason=_REASON,
            evidence={"why": str(error)},
            at_ns=appended_ns,
        )


def unreadable_halt(offset: int) -> str:
    """Name what nobody here can read by its place, the same for every reader and each start."""
    return f"unreadable-{CONTROL_HALT}-{offset}"
