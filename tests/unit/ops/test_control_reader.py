"""
What people said, as commands read it: in force, waiting, expired, void, ignored and why.
"""

from collections.abc import Iterable
from decimal import Decimal

from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Partition
from spark.clock import ManualClock
from spark.codec import encode
from spark.consumers.guardrail_start import Start, start_settings
from spark.events import Event, LimitValues, PartitionFenced, ProcessPulsed
from spark.names import Endpoint, Role, TradingMode
from spark.ops.control_reader import (
    Beat,
    ControlLog,
    follow_beats,
    read_beats,
    read_control,
    read_start_values,
)
from spark.producers import words
from spark.topics import CONTROL, CONTROL_HALT, CONTROL_PULSE, DECISIONS
from tests.keyed import LOG_EPOCH, people, person
from tests.made import ACCOUNT, NOW_NS, SECOND_NS, Life
from tests.persons import LOCAL, SECOND, halted, resume, set_limits, signed
from tests.start import SPEC

CAP = LimitValues(exposure_usd_max=Decimal(100))
LOOSER = LimitValues(exposure_usd_max=Decimal(200))


class Log:
    """A log in memory, with a broker's clock of its own."""

    def __init__(self) -> None:
        self.clock = ManualClock(NOW_NS)
        names = {CONTROL: 1, CONTROL_HALT: 1, CONTROL_PULSE: 1, DECISIONS: 2}
        self.broker = MemoryBroker(names, self.clock)
        self.bus = MemoryBus(self.broker)

    async def say(self, *said: Event | bytes, topic: str = CONTROL) -> int:
        """Append records; the offset of the last one."""
        bodies = (one if isinstance(one, bytes) else encode(one) for one in said)
        partition = Partition(topic, 0)
        return (await self.broker.append([Outgoing(partition, None, one) for one in bodies]))[-1]

    async def read(self, start: TradingMode = TradingMode.LIVE) -> ControlLog:
        return await read_control(self.bus, people(), start)


def pulse(
    role: str = Role.GUARDRAIL, epochs: Iterable[tuple[str, int]] = (), control: int = 0
) -> ProcessPulsed:
    return ProcessPulsed(
        role=role,
        instance="here:1",
        state="ready",
        epochs=dict(epochs),
        positions={f"{CONTROL}/0": control},
        halts=(),
        at_ns=NOW_NS,
    )


async def test_each_proposal_says_how_it_stands() -> None:
    """S11: waiting, done, void because another came first, expired: told apart."""
    log = Log()
    first, wider, rival = set_limits(CAP), set_limits(LOOSER, 2), set_limits(LimitValues(), 2)
    await log.say(signed(first), signed(wider), signed(rival))
    seen = await log.read()
    assert [seen.state(word, NOW_NS) for word in seen.words.values()] == ["done", "waits", "waits"]
    await log.say(signed(wider, SECOND))
    seen = await log.read()
    states = [seen.state(word, NOW_NS) for word in seen.words.values()]
    assert states == ["done", "done", "version 2 does not follow 2"]
    assert seen.state(list(seen.words.values())[2], rival.expires_ns) == "expired"


async def test_the_history_knows_what_each_version_replaced() -> None:
    """Who signed, where it came into force, and the values before it."""
    log = Log()
    await log.say(signed(set_limits(CAP)), signed(set_limits(LOOSER, 2)))
    await log.say(signed(set_limits(LOOSER, 2), SECOND))
    one, two = (await log.read()).words.values()
    assert (one.before, two.before) == (LimitValues(), CAP)
    assert (one.applied_at, two.applied_at) == (0, 2)
    assert [signature.person for signature in two.signatures] == [LOCAL, SECOND]
    assert [signature.offset for signature in two.signatures] == [1, 2]


async def test_what_says_nothing_is_shown_with_its_reason() -> None:
    """S6: rubbish, a foreign event, an unknown person: topic, offset, who seems to speak, why."""
    log = Log()
    await log.say(b"rubbish", Life().acked(), signed(resume(("kill-1", 0)), "op-third"))
    await log.say(signed(resume(("kill-1", 0))), topic=CONTROL_HALT)
    await log.say(halted(), topic=CONTROL_HALT)
    seen = await log.read()
    control = [(one.offset, one.person, one.why) for one in seen.ignored if one.topic == CONTROL]
    assert [(offset, who) for offset, who, _ in control] == [(0, ""), (1, ""), (2, "op-third")]
    assert control[2][2] == "nobody here is called 'op-third'"
    (copied,) = [one for one in seen.ignored if one.topic == CONTROL_HALT]
    assert (copied.offset, copied.why) == (0, "proposal_signed is not said here")
    assert seen.words == {}
    assert seen.control.kills(ACCOUNT) == ("kill-1",)


async def test_more_ignored_records_than_a_state_keeps_are_all_shown() -> None:
    """The folded state forgets old reasons, the reader of the whole log does not."""
    log = Log()
    await log.say(*[b"rubbish"] * 70)
    assert len((await log.read()).ignored) == 70


async def test_only_who_beats_now_is_waited_for() -> None:
    """A role whose last pulse is old is not there; of two pulses the later one counts."""
    log = Log()
    await log.say(pulse(Role.SIGNER), topic=CONTROL_PULSE)
    log.clock.advance(6 * SECOND_NS)
    await log.say(pulse(control=1), pulse(control=2), b"rubbish", topic=CONTROL_PULSE)
    beats = await read_beats(log.bus)
    assert set(beats) == {Role.GUARDRAIL}
    assert beats[Role.GUARDRAIL].pulse.positions == {f"{CONTROL}/0": 2}
    assert await read_beats(Log().bus) == {}


async def test_pulses_are_followed_until_they_say_enough() -> None:
    """The wait ends with the pulse that was waited for, or with its time."""
    log = Log()
    await log.say(pulse(control=3), topic=CONTROL_PULSE)

    def has_read(beats: dict[str, Beat]) -> bool:
        found = beats.get(Role.GUARDRAIL)
        return found is not None and found.pulse.positions[f"{CONTROL}/0"] >= 3

    assert has_read(await follow_beats(log.bus, has_read, 0.0))
    assert not any(await follow_beats(Log().bus, lambda _: False, 0.0))


async def test_start_values_are_those_of_the_guardrails_fence() -> None:
    """R15: what decisions follow from beside the log stands in the fence, and is read there."""
    log = Log()
    start = Start(limits=SPEC, mode=TradingMode.TRICKLE, endpoint=Endpoint.SIM, volume_ramp_pct=7)
    for settings in ({}, start_settings(start)):
        fence = PartitionFenced(
            role=Role.GUARDRAIL,
            instance="here:1",
            topic_ids={},
            settings=settings,
            fenced_ns=NOW_NS,
        )
        epoch = await log.say(fence, topic=DECISIONS)
        await log.say(pulse(epochs=[(f"{DECISIONS}/0", epoch)]), topic=CONTROL_PULSE)
        found = await read_start_values(log.bus, await read_beats(log.bus))
        assert found == (start if settings else None)
    assert await read_start_values(log.bus, {}) is None


async def test_a_drill_proposes_and_approves_with_two_calls() -> None:
    """S11: without the command line the same two words resume, in the log's own time."""
    log = Log()
    await log.say(halted(), topic=CONTROL_HALT)
    by = {
        name: words.Operator(name, person(name), LOG_EPOCH, log.clock) for name in (LOCAL, SECOND)
    }
    seen = await log.read()
    named = [resume((one.halt, one.offset)).halts[0] for one in seen.control.halts_in_force()]
    asked = words.resume_trading(by[LOCAL], named, reason="drill")
    await words.propose(log.bus, by[LOCAL], asked)
    assert (await log.read()).control.kills(ACCOUNT) == ("kill-1",)
    await words.approve(log.bus, by[SECOND], encode(asked))
    assert (await log.read()).control.kills(ACCOUNT) == ()
