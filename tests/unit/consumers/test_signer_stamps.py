"""
The trade key's stamps, where an exchange wants each above the last one (R12).
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import pairwise
from typing import Final

from spark import topics
from spark.consumers.signer import Signer, SignerKeys, SignerRules
from spark.events import (
    ClockMeasured,
    OrderApproved,
    RequestSealed,
    Signed,
    SigningSkipped,
)
from spark.exchanges.btcturk.signer import BtcturkSigner, dummy_key
from spark.exchanges.port import STAMP_AHEAD_NS_MAX
from spark.ledger.ceilings import Ceilings
from spark.names import Endpoint, Reason, Role, TradingMode, Venue
from spark.worker.contract import Place, Tick
from tests import keyed
from tests.hops import NS_PER_MS, Chain, intent_written, tick
from tests.made import NOW_NS, SECOND_NS, place

#: Fewer than the milliseconds that a stamp may be ahead.
_MANY: Final = 500
_MINUTE_NS: Final = 60 * SECOND_NS


def made() -> Signer:
    """Make a signer that has just started, for an exchange whose stamps must grow."""
    keys = SignerKeys(
        venues={Venue.BINANCE: BtcturkSigner(dummy_key(), dummy_key())},
        dummies={},
        seal=keyed.seal(),
        strategies=keyed.strategies(Role.SIGNER),
        log_epoch=keyed.LOG_EPOCH,
        entropy=lambda count: bytes(range(count)),
    )
    rules = SignerRules(
        mode=TradingMode.LIVE,
        endpoint=Endpoint.SIM,
        signature_life_ns=SECOND_NS,
        ceilings=Ceilings(quantity_max={"BTCUSDT": Decimal(1)}, orders_per_second_max=10 * _MANY),
        people=keyed.people(),
    )
    return Signer(keys, rules)


@dataclass(slots=True)
class Desk:
    """A chain whose approvals are good for a minute, and what its signer has sealed so far."""

    chain: Chain
    sealed: list[RequestSealed]
    number: int = 0

    @classmethod
    def opened(cls) -> "Desk":
        return cls(Chain(signer=made()), [])

    def restart(self) -> None:
        """Begin with another signer, which knows what stands on the log alone."""
        chain = self.chain
        chain.signer, clocks = made(), chain.signer_state.clocks
        chain.signer_state = chain.signer.initial(0)
        for clock in clocks.values():
            chain.see(clock, topics.VENUE_STATE, 2)
        for offset, one in enumerate(self.sealed):
            chain.signer.fold(chain.signer_state, Place(topics.SIGNED, 0, offset, NOW_NS), one)

    def sign(self, count: int, at: Tick) -> list[Signed]:
        """Have so many places signed, all in one wake-up: the clock is read once for them."""
        return [self._next(at) for _ in range(count)]

    def _next(self, at: Tick) -> Signed:
        self.number += 1
        order = place(f"n{self.number}", ttl_ns=_MINUTE_NS)
        found = self.chain.decide(intent_written(order), offset=self.number)
        assert isinstance(found, OrderApproved), found
        # Approved for long enough that only the stamp can be in the way.
        approved = replace(found, expires_ns=NOW_NS + _MINUTE_NS)
        signed, _ = self.chain.sign(approved, at=at)
        if isinstance(signed, RequestSealed):
            self.sealed.append(signed)
        return signed


def stamps(signed: Iterable[Signed]) -> list[int]:
    """Give the stamps of what must have been signed."""
    found = list(signed)
    assert all(isinstance(one, RequestSealed) for one in found), found[-1]
    return [one.stamped_ns for one in found if isinstance(one, RequestSealed)]


def are_above_each_other(found: list[int]) -> bool:
    return all(one < other for one, other in pairwise(found))


def test_s2_approvals_of_one_millisecond_get_a_stamp_each() -> None:
    """Fault S2, R12: hundreds in one and the same millisecond; whole milliseconds, growing."""
    found = stamps(Desk.opened().sign(_MANY, tick()))
    assert found[0] == NOW_NS
    assert are_above_each_other(found)
    assert all(one % NS_PER_MS == 0 for one in found)


def test_s2_after_a_restart_stamps_go_on_from_the_log() -> None:
    """Fault S2, R12: a signer that starts anew folds what was sealed, and goes beyond it."""
    desk = Desk.opened()
    before = stamps(desk.sign(_MANY, tick()))
    desk.restart()
    after = stamps(desk.sign(_MANY, tick()))
    assert after[0] == before[-1] + NS_PER_MS
    assert are_above_each_other(before + after)


def test_s2_a_wall_clock_that_was_set_back_repeats_no_stamp() -> None:
    """Fault S2, C1: 3 s back nothing is signed, as long as the last stamp is too far ahead."""
    desk = Desk.opened()
    before = stamps(desk.sign(_MANY, tick()))
    desk.restart()
    for skipped in desk.sign(3, tick(NOW_NS - 3 * SECOND_NS)):
        assert isinstance(skipped, SigningSkipped)
        assert [one.code for one in skipped.reasons] == [Reason.CLOCK_DRIFT_EXCEEDED]
    # Measured anew against that clock, the exchange is as far on as it was.
    chain = desk.chain
    measured = ClockMeasured(
        venue=Venue.BINANCE,
        offset_ns=3 * SECOND_NS,
        uncertainty_ns=NS_PER_MS,
        measured_ns=NOW_NS - 3 * SECOND_NS,
    )
    chain.signer.fold(chain.signer_state, Place(topics.VENUE_STATE, 0, 3, NOW_NS), measured)
    after = stamps(desk.sign(_MANY, tick(NOW_NS - 3 * SECOND_NS)))
    assert are_above_each_other(before + after)


def test_s2_a_stamp_may_be_so_far_ahead_and_no_further() -> None:
    """Fault S2, R12: at most 2 s ahead of the exchange; beyond that nothing is signed."""
    desk = Desk.opened()
    (last,) = stamps(desk.sign(1, tick()))
    late = last - STAMP_AHEAD_NS_MAX + NS_PER_MS
    assert stamps(desk.sign(1, tick(late))) == [last + NS_PER_MS]
    (skipped,) = desk.sign(1, tick(late))
    assert isinstance(skipped, SigningSkipped)
    assert [one.code for one in skipped.reasons] == [Reason.CLOCK_DRIFT_EXCEEDED]
