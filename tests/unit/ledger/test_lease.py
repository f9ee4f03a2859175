"""
The lease: how long the gateway may place without hearing from the guardrail.
"""

from dataclasses import replace

import pytest

from spark import topics
from spark.bus.port import Outgoing, Record
from spark.clock import ManualClock
from spark.consumers.gateway_lease import LeaseEar
from spark.events import ProcessPulsed
from spark.ledger.lease import Lease
from spark.metrics import Metrics
from spark.names import Reason, Role
from tests import keyed
from tests.hops import stood
from tests.leased import LANE, LEASE_NS, pulse_written, pulsed
from tests.made import NOW_NS, SECOND_NS


class Heard:
    """A gateway's ear and one lease, with a clock in hand."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_NS, 77 * SECOND_NS)
        self.lease = Lease(LANE, LEASE_NS)
        self.metrics = Metrics(Role.GATEWAY)
        checker = keyed.checker(Role.GATEWAY, {Role.GUARDRAIL})
        self.ear = LeaseEar(checker, clock=self.clock, metrics=self.metrics)
        self.ear._leases = (self.lease,)
        self.last = pulse_written(pulsed(0))
        self._offset = 0

    def take(self, out: Outgoing, appended_ns: int | None = None) -> None:
        self._offset += 1
        at_ns = self.clock.wall_ns() if appended_ns is None else appended_ns
        self.ear.take(stood(out, self._offset, at_ns))

    def pulse(self, *, epoch: int = 5) -> None:
        """Let the guardrail beat now."""
        self.last = pulse_written(pulsed(self.clock.wall_ns(), epoch=epoch))
        self.take(self.last)

    def refusal(self, sealed_ns: int | None = None) -> str | None:
        """Why a place that was sealed then, or just now, must not be sent."""
        wall_ns, monotonic_ns = self.clock.wall_ns(), self.clock.monotonic_ns()
        at_ns = wall_ns if sealed_ns is None else sealed_ns
        found = self.lease.refusal(at_ns, wall_ns=wall_ns, monotonic_ns=monotonic_ns)
        assert found is None or found.code is Reason.LEASE_OVER
        return None if found is None else found.found

    @property
    def refused(self) -> float:
        value = self.metrics.registry.get_sample_value("spark_lease_pulses_refused_total")
        assert value is not None
        return value


@pytest.fixture
def heard() -> Heard:
    """A gateway that heard one pulse just now."""
    made = Heard()
    made.pulse()
    return made


def test_s9_nothing_is_placed_before_the_first_pulse() -> None:
    """S9: a gateway that has not heard the guardrail yet places nothing."""
    assert Heard().refusal() == "no pulse of the guardrail"


def test_s9_a_pulse_is_good_for_the_lease_and_not_longer(heard: Heard) -> None:
    """S9: up to 3 s and not a nanosecond more; the next pulse goes on without a gap."""
    before_ns = heard.clock.wall_ns()
    heard.clock.advance(LEASE_NS)
    assert heard.refusal() is None
    heard.clock.advance(1)
    assert heard.refusal() == "3000 ms"
    heard.clock.advance(-1)
    heard.pulse()
    heard.clock.advance(LEASE_NS)
    assert heard.refusal(before_ns) is None, "there was no gap since it was sealed"


def test_s9_what_was_approved_before_a_gap_is_not_sent_after_it(heard: Heard) -> None:
    """S9: the guardrail was away, a kill may lie in between; only what it says now counts."""
    before_ns = heard.clock.wall_ns()
    heard.clock.advance(LEASE_NS + SECOND_NS)
    heard.pulse(epoch=9)
    assert heard.refusal(before_ns) == "older than the last gap"
    assert heard.refusal() is None


def test_c2_a_gateway_that_wakes_finds_its_lease_over_by_both_clocks(heard: Heard) -> None:
    """
    C2, S9: stopped for 30 s, it takes the pulses that waited for what they are: old.

    Faults P9, C2 and N3.
    """
    waiting: list[tuple[Outgoing, int]] = []
    for _ in range(30):
        heard.clock.advance(SECOND_NS)
        at_ns = heard.clock.wall_ns()
        waiting.append((pulse_written(pulsed(at_ns, epoch=5)), at_ns))
    asleep_ns = heard.clock.wall_ns() - SECOND_NS
    heard.clock.advance(SECOND_NS // 2)
    assert heard.refusal(asleep_ns) == "30500 ms"
    for out, at_ns in waiting[:-4]:
        heard.take(out, at_ns)
    assert heard.refusal(asleep_ns) == "30500 ms", "each of these was written more than 3 s ago"
    for out, at_ns in waiting[-4:]:
        heard.take(out, at_ns)
    assert heard.refusal(asleep_ns) == "older than the last gap", "it was approved in our sleep"
    assert heard.refusal() is None


def test_s9_an_old_log_is_read_as_old() -> None:
    """S9: a gateway that starts and finds pulses of an hour ago has heard nobody."""
    heard = Heard()
    old_ns = NOW_NS - 3600 * SECOND_NS
    heard.take(pulse_written(pulsed(old_ns)), old_ns)
    assert heard.refusal() == "no pulse of the guardrail"


def test_c1_a_wall_clock_that_was_set_back_makes_nothing_fresh(heard: Heard) -> None:
    """
    C1, S9: by the monotonic clock the lease is over, whatever the other one says.

    Faults K13 and C1.
    """
    heard.clock.advance(LEASE_NS + 1)
    heard.clock.step_wall(-3600 * SECOND_NS)
    assert heard.refusal() == "3000 ms"


def test_c2_a_machine_that_was_suspended_finds_its_lease_over_by_the_wall_clock(
    heard: Heard,
) -> None:
    """Fault C2, S9: its monotonic clock stood still; what was sealed before stays unsent."""
    before_ns = heard.clock.wall_ns()
    heard.clock.step_wall(30 * SECOND_NS)
    assert heard.refusal(before_ns) == "30000 ms"
    assert heard.refusal() == "30000 ms"
    heard.pulse()
    assert heard.refusal(before_ns) == "older than the last gap"
    assert heard.refusal() is None


def test_s9_a_pulse_that_was_held_back_is_as_old_as_its_writer_says(heard: Heard) -> None:
    """S9: who owns the broker may stamp an old pulse anew, but not what is under its tag."""
    held = pulse_written(pulsed(heard.clock.wall_ns() + 1, epoch=5))
    heard.clock.advance(LEASE_NS + SECOND_NS)
    heard.take(held)
    assert heard.refusal() == "4000 ms"


def _copied(heard: Heard) -> Outgoing:
    return heard.last


def _by_another_key(heard: Heard) -> Outgoing:
    keys = keyed.tagger(Role.SIGNER, Role.GATEWAY)
    return pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5), keys)


def _for_another_log(heard: Heard) -> Outgoing:
    keys = keyed.tagger(Role.GUARDRAIL, Role.GATEWAY, log_epoch="another log")
    return pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5), keys)


def _for_another_reader(heard: Heard) -> Outgoing:
    keys = keyed.tagger(Role.GUARDRAIL, Role.SIGNER)
    return pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5), keys)


def _changed(heard: Heard) -> Outgoing:
    later = pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5))
    return later._replace(value=later.value.replace(b"guardrail-0", b"guardrail-1"))


def _untagged(heard: Heard) -> Outgoing:
    return pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5))._replace(headers=())


def _tag_of_another_record(heard: Heard) -> Outgoing:
    other = pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5))
    return heard.last._replace(headers=other.headers)


def _number_goes_back(heard: Heard) -> Outgoing:
    # Written before the one that was heard, and never heard itself.
    return pulse_written(pulsed(heard.clock.wall_ns() - 1, epoch=5))


def _of_a_fenced_guardrail(heard: Heard) -> Outgoing:
    return pulse_written(pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=4))


def _of_another_lane(heard: Heard) -> Outgoing:
    pulse = pulsed(heard.clock.wall_ns() + LEASE_NS)
    return pulse_written(replace(pulse, epochs={f"{topics.DECISIONS}/1": 5}))


def _of_another_role(heard: Heard) -> Outgoing:
    pulse = pulsed(heard.clock.wall_ns() + LEASE_NS, epoch=5, role=Role.SIGNER)
    return pulse_written(pulse)


def _of_nothing(heard: Heard) -> Outgoing:
    pulse: ProcessPulsed = replace(pulsed(heard.clock.wall_ns() + LEASE_NS), epochs={})
    return pulse_written(pulse)


@pytest.mark.parametrize(
    "forge",
    [
        _copied,
        _by_another_key,
        _for_another_log,
        _for_another_reader,
        _changed,
        _untagged,
        _tag_of_another_record,
        _number_goes_back,
        _of_a_fenced_guardrail,
        _of_another_lane,
        _of_another_role,
        _of_nothing,
    ],
)
def test_s9_a_forged_pulse_extends_nothing(heard: Heard, forge: object) -> None:
    """S9: copied, another's, changed, out of order or of a fenced guardrail: as if unsaid."""
    assert callable(forge)
    out = forge(heard)
    heard.clock.advance(LEASE_NS)
    assert heard.refusal() is None
    heard.take(out)
    heard.clock.advance(1)
    assert heard.refusal() == "3000 ms"
    assert heard.refused == (0 if forge in {_untagged, _for_another_reader} else 1)


def test_s9_a_restarted_guardrail_is_heard_at_once_whatever_its_clock_says(heard: Heard) -> None:
    """S9: numbers begin anew with each epoch; within 3 s nothing was interrupted."""
    before_ns = heard.clock.wall_ns()
    heard.clock.advance(2 * SECOND_NS)
    heard.take(pulse_written(pulsed(before_ns - 1, epoch=9)))
    heard.clock.advance(SECOND_NS - 1)
    assert heard.refusal(before_ns) is None
    heard.take(pulse_written(pulsed(heard.clock.wall_ns(), epoch=5)))
    heard.clock.advance(2)
    assert heard.refusal() == "3000 ms", "the old one is fenced, and extends nothing any more"


def test_h5_what_is_no_pulse_is_passed_over(heard: Heard) -> None:
    """H5: an empty record, a tombstone and rubbish behind a tag harm nothing."""
    keys = keyed.tagger(Role.GUARDRAIL, Role.GATEWAY)
    partition = pulse_written(pulsed(NOW_NS)).partition
    rubbish = b"\xff\x00"
    headers = keys.headers(topics.CONTROL_PULSE, "process_pulsed", rubbish)
    heard.take(Outgoing(partition, None, rubbish, headers))
    heard.take(Outgoing(partition, None, b"", ()))
    heard.ear.take(Record(partition, 9, 0, None, None, headers))
    assert heard.refused == 2
    assert heard.refusal() is None
