"""
The auditor's kept state: the chain goes on from it as from the trail itself (R17, R18).
"""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from spark import topics
from spark.audit import Chain, Report, verify
from spark.audit_keys import AuditKeys
from spark.bus.port import Outgoing, Partition
from spark.errors import PositionError
from tests import keyed
from tests.worlds import World, crashing, partition_of, running

#: Lines after which the chain is kept.
_LINES: Final = 5_000


class Past:
    """A world whose records have been chained."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.file = world.states / "auditor.state"

    def copied(self, files: Path) -> "Past":
        """Copy the past, with its kept state."""
        other = Past(self.world.copied(files))
        if self.file.exists():
            other.file.write_bytes(self.file.read_bytes())
        return other

    async def happen(self, count: int) -> None:
        """Let so many records stand on audited topics."""
        for number, topic in enumerate((topics.INTENTS, topics.VENUE_STATE, topics.CONTROL)):
            share = range(number, count, 3)
            await self.world.append(
                *(Outgoing(partition_of(topic), None, b"%d" % one) for one in share)
            )

    async def work(self, lines: int, *, is_kept: bool = True) -> Chain:
        """Run the auditor until it chained so many lines."""
        auditor, ready = self.world.auditor(is_kept=is_kept)
        async with running(auditor.run, ready):
            while auditor._chain.lines < lines:  # noqa: ASYNC110  (inside of the auditor)
                await asyncio.sleep(0.01)
        return auditor._chain

    def verified(self) -> Report:
        """Verify the trail as anybody can."""
        check = AuditKeys(keyed.audit().public_key()).is_signed
        return verify(self.world.values(topics.AUDIT), check)


@pytest.fixture
async def past(tmp_path: Path) -> Past:
    """An auditor that kept its chain, went on and died."""
    made = Past(World(tmp_path / "kept"))
    await made.happen(_LINES)
    await made.work(_LINES)
    assert made.file.exists()
    await made.happen(60)
    auditor, ready = made.world.auditor()
    async with crashing(auditor.run, ready):
        while auditor._chain.lines < _LINES + 60:  # noqa: ASYNC110  (inside of the auditor)
            await asyncio.sleep(0.01)
    return made


async def test_the_chain_goes_on_from_the_kept_state_as_from_the_trail(
    past: Past, tmp_path: Path
) -> None:
    """
    Fault P5: the next page is the same, byte for byte, and the trail verifies over all of it (R17).
    """
    await past.happen(90)
    bare = past.copied(tmp_path / "bare")
    bare.file.unlink()
    with_it, without_it = await past.work(_LINES + 150), await bare.work(_LINES + 150)
    assert past.world.values(topics.AUDIT) == bare.world.values(topics.AUDIT)
    assert with_it == without_it
    report = past.verified()
    assert (report.lines, report.fences, report.void, report.unsigned_lines) == (
        _LINES + 150,
        3,
        0,
        0,
    )
    assert sum(report.next_offsets.values()) == _LINES + 150


def _remove(file: Path) -> None:
    file.unlink()


def _truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:40])


def _damage(file: Path) -> None:
    body = bytearray(file.read_bytes())
    body[-2] ^= 1
    file.write_bytes(bytes(body))


@pytest.mark.parametrize("harm", [_remove, _truncate, _damage])
async def test_a_file_that_is_gone_or_spoilt_changes_nothing(
    past: Past, harm: Callable[[Path], None]
) -> None:
    """
    A cache that cannot be used is as good as none: no gap, no double (R17).
    """
    harm(past.file)
    await past.happen(30)
    await past.work(_LINES + 90)
    assert past.verified().lines == _LINES + 90


async def test_a_state_of_another_trail_halts(past: Past) -> None:
    """
    A chain that does not go on from the trail's own record would be another chain (R18).
    """
    log = past.world.log(topics.AUDIT)
    log[:] = [record._replace(value=b"{}") for record in log]
    with pytest.raises(PositionError, match="is not the record it was"):
        await past.work(0)


@pytest.mark.parametrize("topic", [topics.INTENTS, topics.CONTROL, topics.AUDIT])
async def test_an_audited_topic_that_was_created_again_halts(past: Past, topic: str) -> None:
    """
    A re-created topic is a gap that no offset shows (R17, R18).
    """
    records = past.world.log(topic)
    past.world.broker.create(topic, topics.BY_NAME[topic].partitions)
    past.world.log(topic).extend(records)
    with pytest.raises(PositionError, match="created again"):
        await past.work(0)


async def test_records_that_are_gone_halt(past: Past) -> None:
    """
    What was to be audited next must still be there, with a kept state, too (R8, R17).
    """
    await past.happen(30)
    partition = Partition(topics.INTENTS, 0)
    past.world.broker.cut(partition, len(past.world.broker.log(partition)))
    with pytest.raises(PositionError, match="was to be audited next"):
        await past.work(0)
