"""
How a kill is said: a file in the latch directory first, then a record on `control.halt`.

The one way for the command line and the alert webhook. The file works with Kafka down;
the record tells who, why and which account, and stays.
"""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.errors import RefusedError, SettingError
from spark.events import TradingHalted
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.names import HaltSource
from spark.producers.words import checked_reason
from spark.topics import ACCOUNT_PARTITION, CONTROL_HALT
from spark.worker import latch_pull

_NS_PER_MS: Final = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Kill:
    """One kill as somebody means it."""

    #: Unique; its latch file is called the same.
    halt: str
    account: str
    source: HaltSource
    by: str
    reason: str
    evidence: dict[str, str] = field(default_factory=dict)
    at_ns: int


def new_kill(
    reason: str,
    *,
    by: str,
    source: HaltSource,
    clock: Clock,
    account: str = ALL_ACCOUNTS,
    evidence: dict[str, str] | None = None,
) -> Kill:
    """
    Compose a kill under a fresh id; nothing is said yet.

    Raises:
        RefusedError: there is no such account, or no reason, or too long a one.

    """
    if account != ALL_ACCOUNTS and account not in ACCOUNT_PARTITION:
        raise RefusedError(f"there is no account {account!r}")
    reason = checked_reason(reason)
    now_ns = clock.wall_ns()
    return Kill(
        halt=f"{source}-{now_ns // _NS_PER_MS:011x}-{secrets.token_hex(4)}",
        account=account,
        source=source,
        by=by,
        reason=reason,
        evidence=evidence or {},
        at_ns=now_ns,
    )


def pull_latch(directory: Path, kill: Kill) -> Path:
    """
    Put the kill's file into the latch directory, flushed to the disk.

    Raises:
        SettingError: it cannot be written; who may is said in runbook/halt.md.

    """
    text = f"{kill.by}: {kill.reason}\n".encode("utf-8", "replace")
    try:
        latch_pull.pull_latch(directory, kill.halt, text)
    except OSError as error:
        raise SettingError(f"latch file {directory / kill.halt}: {error.strerror}") from None
    return directory / kill.halt


async def say_kill(writer: Writer, kill: Kill) -> int:
    """
    Append the kill.

    Returns: its offset on `control.halt`.

    Raises:
        WriteError: it is unsure whether it stands; saying it again is another kill.

    """
    halted = TradingHalted(
        halt=kill.halt,
        account=kill.account,
        source=kill.source,
        by=kill.by,
        reason=kill.reason,
        evidence=kill.evidence,
        at_ns=kill.at_ns,
    )
    key = kill.account.encode()
    return (await writer.write([Outgoing(Partition(CONTROL_HALT, 0), key, encode(halted))]))[0]
