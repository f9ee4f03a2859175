"""What a record may change, by the topic that it stands on."""

from pathlib import Path

import pytest

from spark import topics
from spark.bus.port import Partition, Record
from spark.codec import decode, type_name
from spark.events import Event, TradingHalted
from spark.ledger.control import Control, fold_control
from spark.names import TradingMode
from spark.topics import TOPICS, Topic
from spark.worker.contract import Place
from spark.worker.resume import fold_record
from tests import keyed
from tests.hops import Chain
from tests.made import ACCOUNT, NOW_NS
from tests.surroundings import auditor_pulsed

_EXAMPLES = Path(__file__).parents[3] / "schemas" / "examples"
_LATER_NS = NOW_NS + 60_000_000_000


def bodies() -> list[bytes]:
    """One good record of every kind that there is."""
    return [path.read_bytes().splitlines()[0] for path in sorted(_EXAMPLES.glob("*.jsonl"))]


def stood(topic: str, body: bytes) -> Record:
    return Record(Partition(topic, 0), 7, NOW_NS // 1_000_000, None, body, ())


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_s17_an_event_counts_on_its_own_topic_alone(topic: Topic) -> None:
    """S17: who may write prices must not say equity: every kind of record on every topic."""
    for body in bodies():
        found: list[Event] = []
        fold_record(stood(topic.name, body), lambda _, event, into=found: into.append(event))  # type: ignore[misc]
        kind = type_name(type(decode(body)))
        assert bool(found) == (kind in topic.events), kind


def test_s6_on_control_halt_no_kind_of_record_does_anything_but_stop() -> None:
    """S6: whoever may kill may say every kind there; only kills and demotions change anything."""
    stops = set(topics.BY_NAME[topics.CONTROL_HALT].events)
    for body in bodies():
        event = decode(body)
        control = Control()
        before = in_force(control)
        fold_control(
            control,
            event,
            topic=topics.CONTROL_HALT,
            offset=0,
            appended_ns=NOW_NS,
            people=keyed.people(),
            start_mode=TradingMode.LIVE,
        )
        changed = in_force(control) != before
        assert changed == (type_name(type(event)) in stops), event


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
@pytest.mark.parametrize("body", [b"", b"rubbish"])
def test_k9_what_cannot_be_read_halts_on_control_halt_alone(topic: Topic, body: bytes) -> None:
    """Fault K9: a stage is handed a halt of every account; of any other topic, nothing."""
    found: list[Event] = []
    fold_record(stood(topic.name, body), lambda _, event: found.append(event))
    if topic.name == topics.CONTROL_HALT:
        (halt,) = found
        assert isinstance(halt, TradingHalted)
        assert (halt.halt, halt.account) == ("unreadable-control.halt-7", "")
    else:
        assert found == []


def in_force(control: Control) -> tuple[object, ...]:
    """What of it lets orders pass or stops them."""
    return (
        control.kills(ACCOUNT),
        tuple(control.halts_in_force()),
        control.mode(ACCOUNT, TradingMode.LIVE),
        control.resume_offset,
        control.limits_version(ACCOUNT),
    )


@pytest.mark.parametrize(
    "topic", [name for name in (t.name for t in TOPICS) if name != topics.AUDIT_PULSE]
)
def test_nobody_but_the_auditor_says_how_far_the_audit_is(topic: str) -> None:
    """B9, S6, fault A3: a forged pulse of the auditor, wherever else it stands, hides no lag."""
    chain = Chain()
    before = chain.guard_state.trail.pulsed_ns
    place = Place(topic, 0, 9, _LATER_NS)
    chain.guardrail.fold(chain.guard_state, place, auditor_pulsed(_LATER_NS))
    assert chain.guard_state.trail.pulsed_ns == before
    place = Place(topics.AUDIT_PULSE, 0, 9, _LATER_NS)
    chain.guardrail.fold(chain.guard_state, place, auditor_pulsed(_LATER_NS))
    assert chain.guard_state.trail.pulsed_ns == _LATER_NS
