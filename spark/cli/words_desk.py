"""
What the commands that speak as a person have in common: see, propose, sign, wait.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from time import time_ns
from typing import Final

import typer

from spark.bus.port import Bus
from spark.cli.attach import Attached, attach
from spark.cli.passphrase import ask_passphrase
from spark.clock import SystemClock
from spark.consumers.guardrail_start import Start
from spark.errors import RefusedError
from spark.events import Proposal, ResumeTrading
from spark.ledger.control import needed_persons
from spark.names import AccountId, TradingMode
from spark.ops.control_reader import (
    OBEYING,
    Beat,
    ControlLog,
    Word,
    follow_beats,
    read_beats,
    read_control,
    read_start_values,
)
from spark.producers import words
from spark.producers.words import Operator, Said
from spark.topics import ACCOUNT_PARTITION, CONTROL

_POSITION: Final = f"{CONTROL}/0"


@dataclass(frozen=True, slots=True)
class Sight:
    """What is said and in force now, and what the processes say of themselves."""

    log: ControlLog
    beats: dict[str, Beat]
    #: None where no guardrail has said it.
    start: Start | None
    start_mode: TradingMode
    now_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of a signature."""

    sight: Sight
    word: Word
    #: `done` or `waits`.
    state: str
    needed: int
    #: Processes that have read it, and those that beat and have not yet.
    obeyed_by: tuple[str, ...] = ()
    awaited: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Desk:
    """A running stack and a person in front of it."""

    attached: Attached
    bus: Bus
    operator: Operator

    async def look(self) -> Sight:
        """
        Read all of it.

        Raises:
            BusUnavailable: Kafka does not answer.

        """
        beats = await read_beats(self.bus)
        start = await read_start_values(self.bus, beats)
        start_mode = self.attached.state.mode if start is None else start.mode
        people = self.attached.keyring().people(self.attached.settings.process.operators_file)
        log = await read_control(self.bus, people, start_mode)
        return Sight(log, beats, start, start_mode, time_ns())

    async def propose(self, proposal: Proposal, *, wait_s: float) -> Outcome:
        """
        Sign first, and see whether it comes into force.

        Raises:
            RefusedError: the log's readers ignore it; the text says why.

        """
        return await self._settle(
            await words.propose(self.bus, self.operator, proposal), wait_s=wait_s
        )

    async def approve(self, word: Word, *, wait_s: float) -> Outcome:
        """Sign what another person proposed; raises as `propose`."""
        return await self._settle(
            await words.approve(self.bus, self.operator, word.body), wait_s=wait_s
        )

    async def _settle(self, said: Said, *, wait_s: float) -> Outcome:
        sight = await self.look()
        for one in sight.log.ignored:
            if (one.topic, one.offset) == (CONTROL, said.offset):
                raise RefusedError(f"ignored by every reader: {one.why}")
        word = sight.log.words[said.proposal_id]
        needed = needed_persons(sight.log.control, word.proposal, sight.start_mode)
        if word.applied_at is None:
            return Outcome(sight=sight, word=word, state="waits", needed=needed)
        found = await self._obeyed(word, said.offset, wait_s=wait_s)
        return Outcome(
            sight=sight,
            word=word,
            state="done",
            needed=len(word.signatures),
            obeyed_by=tuple(sorted(role for role, is_so in found.items() if is_so)),
            awaited=tuple(sorted(role for role, is_so in found.items() if not is_so)),
        )

    async def _obeyed(self, word: Word, offset: int, *, wait_s: float) -> dict[str, bool]:
        """Wait until every process that obeys words of people, and lives, has read this one."""
        last: dict[str, bool] = {}

        def is_done(beats: dict[str, Beat]) -> bool:
            last.clear()
            last.update(
                {role: _has_read(beats[role], word, offset) for role in OBEYING if role in beats}
            )
            return all(last.values())

        await follow_beats(self.bus, is_done, wait_s)
        return last


@asynccontextmanager
async def desk(person: str) -> AsyncIterator[Desk]:
    """
    Sit down at the running stack's.

    Raises:
        NotRunningError: no stack runs.
        SettingError: there is no such person, or the key is not to be read.

    """
    attached = attach(person)
    keyring = attached.keyring()
    key = keyring.operator_key(lambda: ask_passphrase(person))
    operator = Operator(person, key, keyring.log_epoch, SystemClock())
    bus = attached.bus()
    try:
        yield Desk(attached, bus, operator)
    finally:
        await bus.close()


def known_account(text: str) -> AccountId:
    """
    Read the name of an account.

    Raises:
        typer.BadParameter: there is none of it.

    """
    if AccountId(text) not in ACCOUNT_PARTITION:
        raise typer.BadParameter(
            f"there is no account {text!r}; there are: {', '.join(ACCOUNT_PARTITION)}"
        )
    return AccountId(text)


def confirm(question: str, *, is_sure: bool) -> None:
    """
    Ask the person at the terminal; off a terminal `--yes` has to be said.

    Raises:
        typer.BadParameter: nobody can be asked.
        RefusedError: the answer was no.

    """
    if is_sure:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter("off a terminal this needs --yes")
    if not typer.confirm(question, err=True):
        raise RefusedError("not confirmed; nothing was said")


def _has_read(beat: Beat, word: Word, offset: int) -> bool:
    position = beat.pulse.positions.get(_POSITION)
    if position is not None and position <= offset:
        return False
    if isinstance(word.proposal, ResumeTrading):
        outside = {one.halt for one in word.proposal.halts if one.offset < 0}
        return not outside & set(beat.pulse.halts)
    return position is not None
