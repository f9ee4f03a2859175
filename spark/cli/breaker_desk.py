"""
What the breaker commands do: put together what the gateway said and what persons want.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from spark.cli.words_desk import Desk, Sight
from spark.errors import RefusedError
from spark.events import BreakerChanged, SetBreaker
from spark.ledger.breaker import COOL_NS
from spark.ledger.control import needed_persons, problem_of
from spark.names import AccountId, BreakerState
from spark.ops.breaker_reader import read_breakers
from spark.producers import words
from spark.topics import ACCOUNT_PARTITION


class Wanted(StrEnum):
    """What a person may want of a breaker."""

    OPEN = "open"
    CLOSED = "closed"
    AUTO = "auto"


_STATES: Final = {
    Wanted.OPEN: BreakerState.OPEN,
    Wanted.CLOSED: BreakerState.CLOSED,
    Wanted.AUTO: None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerRow:
    """One account's breaker."""

    account: AccountId
    state: BreakerState
    #: What the gateway said last; None where it never changed.
    changed: BreakerChanged | None
    #: What persons want; AUTO where they said nothing, or to leave it to itself.
    wanted: Wanted

    @property
    def probes_at_ns(self) -> int:
        """Say when an open one lets a probe through; 0 where it does not by itself."""
        if self.changed is None or self.state is not BreakerState.OPEN:
            return 0
        return 0 if self.wanted is Wanted.OPEN else self.changed.at_ns + COOL_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class BreakerDraft:
    """A word, before it is said."""

    sight: Sight
    proposal: SetBreaker
    needed: int


async def breaker_rows(desk: Desk, account: AccountId | None = None) -> list[BreakerRow]:
    """List every account's breaker, or one."""
    sight, latest = await desk.look(), await read_breakers(desk.bus)
    accounts = ACCOUNT_PARTITION if account is None else (account,)
    return [breaker_row(sight, one, latest.get(one)) for one in accounts]


def breaker_row(sight: Sight, account: AccountId, changed: BreakerChanged | None) -> BreakerRow:
    """Put together one account's breaker."""
    word = sight.log.control.breakers.get(account)
    state = None if word is None else word.state
    return BreakerRow(
        account=account,
        state=BreakerState.CLOSED if changed is None else changed.state,
        changed=changed,
        wanted=next((one for one, is_ in _STATES.items() if is_ is state), Wanted.AUTO),
    )


async def draft_breaker(
    desk: Desk, account: AccountId, wanted: Wanted, *, reason: str
) -> BreakerDraft:
    """
    Compose a word for a breaker.

    Raises:
        RefusedError: it makes no sense, or says what was said already.

    """
    reason = words.checked_reason(reason)
    sight = await desk.look()
    control = sight.log.control
    said = breaker_row(sight, account, None).wanted
    if said is wanted:
        raise RefusedError(f"nothing changes: the last word for {account} is {wanted}")
    proposal = words.set_breaker(desk.operator, account, _STATES[wanted], reason=reason)
    problem = problem_of(control, proposal)
    if problem:
        raise RefusedError(problem)
    return BreakerDraft(
        sight=sight,
        proposal=proposal,
        needed=needed_persons(control, proposal, sight.start_mode),
    )
