"""
Persons with their keys, and what they say on `control` and `control.halt`, for tests.
"""

from collections.abc import Iterable
from typing import Any, Final

from spark.codec import encode
from spark.events import (
    Event,
    HaltName,
    LimitValues,
    Proposal,
    ProposalSigned,
    ResumeTrading,
    SetLimits,
    SetMode,
    TradingDemoted,
    TradingHalted,
)
from spark.ledger.control import Control, fold_body
from spark.names import HaltSource, StrategyId, TradingMode
from spark.people import People, sign
from spark.topics import CONTROL, CONTROL_HALT
from tests.keyed import LOG_EPOCH, people
from tests.keyed import person as person_key
from tests.made import ACCOUNT, NOW_NS, SECOND_NS

LOCAL: Final = "op-local"
SECOND: Final = "op-second"
MINUTE_NS: Final = 60 * SECOND_NS


def resume(*halts: tuple[str, int], **changes: object) -> ResumeTrading:
    """Ask to go on after these halts, each with its offset."""
    named = tuple(HaltName(halt=halt, offset=offset) for halt, offset in halts)
    return ResumeTrading(**(_said() | {"halts": named} | changes))


def set_mode(mode: TradingMode, ramp_pct: int = 100, **changes: object) -> SetMode:
    """Ask for a mode of the account."""
    said = {"account": ACCOUNT, "mode": mode, "volume_ramp_pct": ramp_pct}
    return SetMode(**(_said() | said | changes))


def set_limits(limits: LimitValues, version: int = 1, **changes: object) -> SetLimits:
    """Ask for limits of the account."""
    said = {"account": ACCOUNT, "strategy": StrategyId(""), "version": version, "limits": limits}
    return SetLimits(**(_said() | said | changes))


def signed(
    proposal: Proposal | bytes, person: str = LOCAL, *, log_epoch: str = LOG_EPOCH
) -> ProposalSigned:
    """Let a person sign a proposal, or any bytes."""
    body = proposal if isinstance(proposal, bytes) else encode(proposal)
    return ProposalSigned(
        proposal=body.decode(),
        person=person,
        signature=sign(person_key(person), person, body, log_epoch=log_epoch),
        at_ns=NOW_NS,
    )


def halted(halt: str = "kill-1", account: str = "", **changes: object) -> TradingHalted:
    """Kill."""
    return TradingHalted(**(_stopped(halt, account) | changes))


def demoted(halt: str = "demotion-1", account: str = "", **changes: object) -> TradingDemoted:
    """Demote to paper."""
    limits = {"mode": TradingMode.PAPER, "orders_per_minute_max": None, "concurrency_max": None}
    return TradingDemoted(**(_stopped(halt, account) | limits | changes))


class Room:
    """
    Where it is all said and heard: two topics, one state.

    Args:
        start: the environment's mode.

    """

    def __init__(self, start: TradingMode = TradingMode.LIVE, known: People | None = None) -> None:
        self.start = start
        self.people = known or people()
        self.control = Control()
        self.now_ns = NOW_NS
        #: Topic, offset, body and append time of each record.
        self.log: list[tuple[str, int, bytes | None, int]] = []

    def say(self, said: Event | bytes | None, topic: str = CONTROL) -> str:
        """
        Append a record and fold it.

        Returns: why it was ignored; empty when it counts.
        """
        offset = sum(1 for one in self.log if one[0] == topic)
        body = said if said is None or isinstance(said, bytes) else encode(said)
        self.log.append((topic, offset, body, self.now_ns))
        self.fold(self.control, self.log[-1:])
        return self.control.ignored.get(topic, {}).get(offset, "")

    def stop(self, said: TradingHalted | TradingDemoted) -> None:
        """Append a halt."""
        assert self.say(said, CONTROL_HALT) == ""

    def pass_ns(self, span_ns: int) -> None:
        """Let the broker's clock go on."""
        self.now_ns += span_ns

    def fold(
        self, control: Control, records: Iterable[tuple[str, int, bytes | None, int]]
    ) -> Control:
        """Fold records into a state."""
        for topic, offset, body, appended_ns in records:
            fold_body(
                control,
                body,
                topic=topic,
                offset=offset,
                appended_ns=appended_ns,
                people=self.people,
                start_mode=self.start,
            )
        return control


def _said() -> dict[str, Any]:
    return {
        "reason": "tried",
        "proposed_by": LOCAL,
        "created_ns": NOW_NS,
        "expires_ns": NOW_NS + 10 * MINUTE_NS,
        "log_epoch": LOG_EPOCH,
    }


def _stopped(halt: str, account: str) -> dict[str, Any]:
    return {
        "halt": halt,
        "account": account,
        "source": HaltSource.CLI,
        "by": LOCAL,
        "reason": "tried",
        "evidence": {},
        "at_ns": NOW_NS,
    }
