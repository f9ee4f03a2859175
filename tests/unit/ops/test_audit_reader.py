"""
The trail against the records that it is about, as `spark audit verify --deep` compares them.
"""

import asyncio
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from spark import topics
from spark.bus.port import Outgoing, Record
from spark.errors import IntegrityError
from spark.events import AuditPaged, Event
from spark.ops.audit_reader import compare_with_log
from tests.worlds import World, partition_of, running

_EACH = 3
_LINES = _EACH * len(topics.AUDITED)


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Some records on each audited topic, all of them on the trail; nothing happens to it."""
    return asyncio.run(_audited(tmp_path_factory.mktemp("audited")))


@pytest.fixture
def world(audited: World, tmp_path: Path) -> World:
    """The same log, for a test to hurt."""
    return audited.copied(tmp_path)


async def _audited(files: Path) -> World:
    made = World(files)
    for topic in topics.AUDITED:
        for number in range(_EACH):
            headers = (("tag.gateway", b"tag %d" % number), ("epoch", b"0"))
            value = b"%s %d" % (topic.encode(), number)
            await made.append(Outgoing(partition_of(topic), b"key", value, headers))
    auditor, ready = made.auditor(is_kept=False)
    async with running(auditor.run, ready):
        await made.until(topics.AUDIT, lambda events: _lines(events) == _LINES)
    return made


def _lines(events: list[Event]) -> int:
    return sum(len(event.lines) for event in events if isinstance(event, AuditPaged))


def _progress(*_: int) -> None:
    return


async def test_a2_what_was_audited_stands_there(world: World) -> None:
    """A2: each line of the trail is compared with its record, however many came since."""
    await world.append(Outgoing(partition_of(topics.INTENTS), None, b"not audited yet"))
    assert await compare_with_log(world.bus, _progress) == _LINES


@pytest.mark.parametrize(
    "changed",
    [
        lambda one: one._replace(value=one.value + b" "),
        lambda one: one._replace(value=None),
        lambda one: one._replace(key=b"another"),
        lambda one: one._replace(key=None),
        lambda one: one._replace(headers=(("tag.gateway", b"forged"), *one.headers[1:])),
        lambda one: one._replace(headers=one.headers[::-1]),
        lambda one: one._replace(headers=()),
    ],
    ids=["value", "tombstone", "key", "no key", "header", "order", "no headers"],
)
@pytest.mark.parametrize("at", range(_EACH))
async def test_a2_a_record_that_is_not_the_one_that_was_audited_is_named(
    world: World, changed: Callable[[Record], Record], at: int
) -> None:
    """Fault A2: a change of the audited record itself, the trail untouched, on every topic."""
    for topic in topics.AUDITED:
        log = world.log(topic)
        was = log[at]
        log[at] = changed(was)
        with pytest.raises(IntegrityError) as found:
            await compare_with_log(world.bus, _progress)
        assert str(found.value) == f"{topic}/0@{at} is not the record that was audited"
        log[at] = was
    assert await compare_with_log(world.bus, _progress) == _LINES


@pytest.mark.parametrize("topic", topics.AUDITED)
async def test_a2_a_beginning_that_is_gone_is_named(world: World, topic: str) -> None:
    """Fault A2: records that were audited and cut off, as retention or DeleteRecords does."""
    world.broker.cut(partition_of(topic), 2)
    gone = re.escape(f"{topic}/0 starts at 2; 0 was audited and is gone")
    with pytest.raises(IntegrityError, match=f"^{gone}$"):
        await compare_with_log(world.bus, _progress)


@pytest.mark.parametrize("topic", topics.AUDITED)
async def test_a2_an_end_that_is_gone_is_named(world: World, topic: str) -> None:
    """Fault A2: a log that came back older than its trail, whatever is appended to it next."""
    world.log(topic).pop()
    gone = re.escape(f"{topic}/0 ends at 2; 2 was audited and is gone")
    with pytest.raises(IntegrityError, match=f"^{gone}$"):
        await compare_with_log(world.bus, _progress)
    await world.append(Outgoing(partition_of(topic), b"key", b"another"))
    with pytest.raises(IntegrityError, match=r"@2 is not the record that was audited$"):
        await compare_with_log(world.bus, _progress)
