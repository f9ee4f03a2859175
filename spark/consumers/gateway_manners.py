"""
How the gateway treats an exchange: what it may spend, when it stays away, when it stops. Pure.

Budget and address bans belong to the address, so every account of one exchange shares
them; what an exchange refuses an account, and whether it answers at all, is the account's
own. Orders on paper go nowhere, so none of it is about them.
"""

import math
from dataclasses import dataclass, field
from typing import Final

from spark.consumers.gateway_intake import Now
from spark.errors import VenueUnavailable
from spark.events import BreakerChanged, CancelRejected, OrderRejected, Refusal
from spark.exchanges.port import Answer, Outcome
from spark.exchanges.refusals import Subject, subject_of
from spark.ledger.back_off import BackOff
from spark.ledger.breaker import Breaker, Change
from spark.ledger.budget import Budget, Rules, Use
from spark.ledger.dispatch import Ready
from spark.names import AccountId, BreakerState, ClientOrderId, Reason, TradingMode

_NS_PER_S: Final = 1_000_000_000
#: Proves that an order of this id is there: an answer, if not the one to the question.
_ANSWERS: Final = frozenset({"duplicate"})
_SERIALLY: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class VenueRules:
    """What one exchange is like."""

    budget: Rules
    #: Whether its requests go in the order of their stamps, one at a time (R12).
    is_in_stamp_order: bool = False
    #: Whether one order can be asked for by our own id; else the account feed searches.
    has_questions: bool = True


@dataclass(slots=True)
class Address:
    """What every account of one exchange shares."""

    budget: Budget
    back_off: BackOff = field(default_factory=BackOff)


@dataclass(slots=True, kw_only=True)
class Manners:
    """One account's."""

    account: AccountId
    epoch: int
    address: Address
    breaker: Breaker = field(default_factory=Breaker)
    back_off: BackOff = field(default_factory=BackOff)
    #: Changes of the breaker that are not on the log yet.
    _changes: list[BreakerChanged] = field(default_factory=list)
    #: When, by the monotonic clock, something that waits now may go; 0 for nothing waits.
    _due_ns: int = 0
    #: Places and cancels whose cost is spent and not settled.
    _spent: dict[int, Use] = field(default_factory=dict)

    def begin(self, word: BreakerState | None, now: Now) -> None:
        """Begin to let requests go: hear what persons want, see what has cooled."""
        self._due_ns = 0
        self._note(self.breaker.told(word, now.wall_ns), now)
        self._note(self.breaker.look(now.wall_ns), now)
        wait_ns = self.breaker.cool_wait_ns(now.wall_ns)
        if wait_ns:
            self._wait(wait_ns, now)

    def may_leave(self, ready: Ready, now: Now) -> bool:
        """
        Say whether a request may leave its queue: to be sent, or to be ended by `refusal`.

        What may be sent has its cost spent.
        """
        if ready.mode is TradingMode.PAPER or self._is_held(ready):
            return True
        wait_ns = self.away_ns(now)
        if wait_ns == 0:
            use = _use(ready)
            budget = self.address.budget
            wait_ns = budget.take(budget.rules.cost(use), now.monotonic_ns, use=use)
            if wait_ns == 0:
                self._spent[ready.offset] = use
                return True
        if _is_late(ready, now, wait_ns):
            return True
        self._wait(wait_ns, now)
        return False

    def refusal(self, ready: Ready, now: Now) -> Refusal | None:
        """Say why a request that left its queue must not be sent; asked once more at the door."""
        if ready.mode is TradingMode.PAPER:
            return None
        if self._is_held(ready):
            return Refusal(code=Reason.BREAKER_OPEN, found=self.breaker.state)
        away_ns = self.away_ns(now)
        if away_ns:
            found = f"{math.ceil(away_ns / _NS_PER_S)} s"
            return Refusal(code=Reason.VENUE_BACKING_OFF, found=found)
        if ready.offset not in self._spent:
            return Refusal(code=Reason.VENUE_BACKING_OFF, found="the minute's weight is spent")
        return None

    def claims(self, ready: Ready) -> None:
        """Take note that a request will be sent."""
        if ready.is_place and ready.mode is not TradingMode.PAPER:
            self.breaker.claims(ready.sealed.client_order_id)

    def drop(self, ready: Ready, now: Now) -> None:
        """Take note that a request ended before it was claimed."""
        self._settle(ready, now, is_unsent=True)

    def came(self, ready: Ready, outcome: Outcome | Refusal, now: Now) -> None:
        """Take what came of a claimed request, at once."""
        if isinstance(outcome, Refusal):
            self.unsent(ready, outcome.code, now)
        else:
            self.answered(ready, outcome, now)

    def unsent(self, ready: Ready, reason: Reason, now: Now) -> None:
        """Take note that not a byte of a claimed request left."""
        if ready.mode is TradingMode.PAPER:
            return
        self._settle(ready, now, is_unsent=True)
        if reason is Reason.CONNECTION_UNAVAILABLE:
            self._ended(ready, now, is_bad=True)
        elif ready.is_place:
            self.breaker.unsent(ready.sealed.client_order_id)

    def answered(self, ready: Ready, outcome: Outcome, now: Now) -> None:
        """Take what came back, at once: the next request may be at the door already."""
        if ready.mode is TradingMode.PAPER:
            return
        is_free = self.address.budget.rules.is_success_free
        is_taken = outcome.answer is Answer.DEFINITE
        self._settle(ready, now, is_free=is_free and is_taken)
        self.told(outcome, now)
        if word := _refused_key(outcome):
            self._note(self.breaker.key_refused(word, now.wall_ns), now)
            return
        is_bad = outcome.answer is Answer.UNKNOWN and outcome.cause not in _ANSWERS
        self._ended(ready, now, is_bad=is_bad)

    def told(self, outcome: Outcome, now: Now) -> None:
        """Take what an answer says beside its content: stay away, and what was spent."""
        limited = outcome.retry_after_s > 0 or outcome.is_address_limited
        if limited or _refusal_for(Subject.RATE, outcome) is not None:
            self.stay_away(
                outcome.retry_after_s, now, is_address_limited=outcome.is_address_limited
            )
        elif outcome.answer is not Answer.UNKNOWN:
            self.back_off.answered()
            self.address.back_off.answered()
        if outcome.weight_used >= 0:
            self.address.budget.correct(outcome.weight_used, now.monotonic_ns)

    def stay_away(self, retry_after_s: float, now: Now, *, is_address_limited: bool) -> None:
        """Stay away for so long; the part of a second that is asked for is a whole one."""
        asked_ns = math.ceil(retry_after_s) * _NS_PER_S
        back_off = self.address.back_off if is_address_limited else self.back_off
        back_off.limited(asked_ns, now.monotonic_ns)

    def stay_away_for(self, error: VenueUnavailable, now: Now) -> None:
        """Take what a question's failure asks for; nothing where it asks for nothing."""
        if error.retry_after_s or error.is_address_limited:
            self.stay_away(error.retry_after_s, now, is_address_limited=error.is_address_limited)

    def away_ns(self, now: Now) -> int:
        """Say how long nothing at all may go."""
        waits = (self.back_off, self.address.back_off)
        return max(one.wait_ns(now.monotonic_ns) for one in waits)

    def ask_wait_ns(self, now: Now) -> int:
        """Spend a question about one order; gives how long it has to wait, 0 for not at all."""
        budget = self.address.budget
        away_ns = self.away_ns(now)
        return away_ns or budget.take(budget.rules.question_cost, now.monotonic_ns)

    def concurrency_max(self, said: int | None, now: Now) -> int | None:
        """Give the stricter of what protections said and what the last minute taught."""
        is_burst = any(
            one.is_burst(now.monotonic_ns) for one in (self.back_off, self.address.back_off)
        )
        return _SERIALLY if is_burst else said

    def due_ns(self) -> int:
        """Say when, by the monotonic clock, to look again; 0 where nothing waits for a time."""
        return self._due_ns

    def take_changes(self) -> list[BreakerChanged]:
        """Hand over what became of the breaker since the last time."""
        changes, self._changes = self._changes, []
        return changes

    def _is_held(self, ready: Ready) -> bool:
        return ready.is_place and self.breaker.holds(ready.sealed.client_order_id)

    def _settle(
        self, ready: Ready, now: Now, *, is_free: bool = False, is_unsent: bool = False
    ) -> None:
        use = self._spent.pop(ready.offset, None)
        if use is not None and (is_free or is_unsent):
            budget = self.address.budget
            budget.give_back(budget.rules.cost(use), now.monotonic_ns, use=use, is_unsent=is_unsent)

    def _ended(self, ready: Ready, now: Now, *, is_bad: bool) -> None:
        place: ClientOrderId | None = ready.sealed.client_order_id if ready.is_place else None
        self._note(self.breaker.ended(is_bad=is_bad, now_ns=now.wall_ns, place=place), now)

    def _note(self, change: Change | None, now: Now) -> None:
        if change is not None:
            self._changes.append(
                BreakerChanged(
                    epoch=self.epoch,
                    account=self.account,
                    state=change.state,
                    cause=change.cause,
                    evidence=change.evidence,
                    at_ns=now.wall_ns,
                )
            )

    def _wait(self, wait_ns: int, now: Now) -> None:
        due_ns = now.monotonic_ns + wait_ns
        self._due_ns = due_ns if self._due_ns == 0 else min(self._due_ns, due_ns)


def _use(ready: Ready) -> Use:
    return Use.PLACE if ready.is_place else Use.CANCEL


def _is_late(ready: Ready, now: Now, wait_ns: int) -> bool:
    return (
        now.wall_ns + wait_ns >= ready.sealed.not_after_ns
        or now.monotonic_ns + wait_ns >= ready.too_old_ns
    )


def _refused_key(outcome: Outcome) -> str:
    """Give the exchange's word where it refused the key; empty where it did not."""
    found = _refusal_for(Subject.KEY, outcome)
    return "" if found is None else f"{found.code}, HTTP {found.http_status}"


def _refusal_for(subject: Subject, outcome: Outcome) -> OrderRejected | CancelRejected | None:
    refusals = (one for one in outcome.evidence if isinstance(one, OrderRejected | CancelRejected))
    about = (one for one in refusals if subject_of(one.code, one.http_status) is subject)
    return next(about, None)
