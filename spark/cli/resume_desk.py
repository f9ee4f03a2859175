"""
What resume and approve do: name the halts in force, sign, take away the files of kills.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from spark.cli.words_desk import Desk, Outcome, Sight
from spark.errors import NotRunningError, RefusedError
from spark.events import HaltName, ResumeTrading
from spark.ledger.control import needed_persons
from spark.ledger.control_state import OUTSIDE, halt_name
from spark.ops.control_reader import Word
from spark.producers import words

#: How kills of the latch directory begin, and how the file's time follows (worker/latch.py).
_LATCH: Final = "latch:"
_AT: Final = "@"
#: A kill that only another environment ends.
ENVIRONMENT: Final = "environment"
_PREFIX_CHARS_MIN: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumeDraft:
    """A resume, before anything is said."""

    sight: Sight
    proposal: ResumeTrading
    needed: int
    #: Processes that are killed by their environment; no resume ends that.
    killed_by_environment: tuple[str, ...]
    #: Halts in force that did not fit; another resume names them.
    left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A proposal and how it stands."""

    word: Word
    state: str
    needed: int


async def draft_resume(desk: Desk, *, reason: str) -> ResumeDraft:
    """
    Compose a resume of every halt in force now.

    Raises:
        RefusedError: nothing halts.

    """
    reason = words.checked_reason(reason)
    sight = await desk.look()
    named = [*_on_log(sight), *_outside(sight)]
    if not named:
        raise RefusedError("nothing halts; there is nothing to resume")
    proposal = words.resume_trading(desk.operator, named[: words.HALTS_NAMED_MAX], reason=reason)
    return ResumeDraft(
        sight=sight,
        proposal=proposal,
        needed=needed_persons(sight.log.control, proposal, sight.start_mode),
        killed_by_environment=tuple(
            sorted(role for role, beat in sight.beats.items() if ENVIRONMENT in beat.pulse.halts)
        ),
        left=max(0, len(named) - words.HALTS_NAMED_MAX),
    )


def find_word(sight: Sight, prefix: str, person: str) -> Word:
    """
    Find the proposal that somebody wants to approve.

    Raises:
        NotRunningError: there is none of this name.
        RefusedError: more than one, or it cannot be approved, or not by this person.

    """
    if len(prefix) < _PREFIX_CHARS_MIN:
        raise RefusedError(f"name a proposal by at least {_PREFIX_CHARS_MIN} characters")
    found = [word for name, word in sight.log.words.items() if name.startswith(prefix.lower())]
    if not found:
        raise NotRunningError(f"no proposal {prefix}; `spark proposals` lists those that wait")
    if len(found) > 1:
        raise RefusedError(f"{prefix} begins {len(found)} proposals; give more of it")
    (word,) = found
    state = sight.log.state(word, sight.now_ns)
    if state == "done":
        raise RefusedError(f"{prefix} is in force since control@{word.applied_at}")
    if state != "waits":
        raise RefusedError(f"{prefix} cannot be approved: {state}")
    signed = [one.person for one in word.signatures]
    if person in signed:
        raise RefusedError(f"{person} has signed it; another person approves, `--as PERSON`")
    if isinstance(word.proposal, ResumeTrading):
        _check_halts(word.proposal, sight)
    return word


def proposals(sight: Sight) -> list[Waiting]:
    """List the proposals that are not in force, oldest first."""
    return [
        Waiting(
            word=word,
            state=sight.log.state(word, sight.now_ns),
            needed=needed_persons(sight.log.control, word.proposal, sight.start_mode),
        )
        for word in sight.log.words.values()
        if word.applied_at is None
    ]


def remove_latch_files(directory: Path, outcome: Outcome) -> tuple[list[str], list[str]]:
    """
    Take the files of the kills away that a resume in force has cleared, as they were.

    Returns: the files removed, and those that are still there and why.
    """
    if outcome.state != "done" or not isinstance(outcome.word.proposal, ResumeTrading):
        return [], []
    names = [one.halt for one in outcome.word.proposal.halts if one.offset == OUTSIDE]
    return _remove(directory, names)


def _remove(directory: Path, halts: Iterable[str]) -> tuple[list[str], list[str]]:
    removed: list[str] = []
    kept: list[str] = []
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        return [], [f"{directory}: {error.strerror}"]
    try:
        for halt in halts:
            name, _, time_ns = halt.removeprefix(_LATCH).rpartition(_AT)
            # Names come from pulses, which any process writes: one component, no way out.
            if not halt.startswith(_LATCH) or not name or "/" in name or name in {".", ".."}:
                continue
            with suppress(FileNotFoundError):
                try:
                    state = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
                    if str(state.st_mtime_ns) != time_ns:
                        # Touched since: another kill, which this resume has not named.
                        kept.append(f"{name}: touched since, which is another kill")
                        continue
                    os.unlink(name, dir_fd=descriptor)
                    removed.append(name)
                except FileNotFoundError:
                    raise
                except OSError as error:
                    kept.append(f"{name}: {error.strerror}; it is cleared, remove it by hand")
    finally:
        os.close(descriptor)
    return removed, kept


def _on_log(sight: Sight) -> list[HaltName]:
    return [
        HaltName(halt=halt.halt, offset=halt.offset) for halt in sight.log.control.halts_in_force()
    ]


def _outside(sight: Sight) -> list[HaltName]:
    """Name the kills outside the log that some process says it obeys."""
    said = {
        halt
        for beat in sight.beats.values()
        for halt in beat.pulse.halts
        if halt.startswith(_LATCH) and not sight.log.control.is_cleared_outside(halt)
    }
    return [HaltName(halt=halt, offset=OUTSIDE) for halt in sorted(said)]


def _check_halts(proposal: ResumeTrading, sight: Sight) -> None:
    """Refuse to sign for a halt that nobody has said: it may be one to come."""
    unknown = [
        halt_name(one.halt, one.offset)
        for one in proposal.halts
        if one.offset != OUTSIDE and halt_name(one.halt, one.offset) not in sight.log.control.halts
    ]
    if unknown:
        raise RefusedError(f"it names halts that are not on the log: {', '.join(unknown)[:200]}")
