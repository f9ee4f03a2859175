"""
The auditor's anchors: a file, and a witness over HTTP, with everything that may be away.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from spark import topics
from spark.audit import BadRecordError, Report, verify
from spark.audit_anchor import Outside, is_receipt_signed, read_outside
from spark.audit_chain import Verify, VerifyAt
from spark.audit_keys import AuditSigner
from spark.bus.port import Outgoing
from spark.codec import decode, encode
from spark.consumers import auditor_anchors
from spark.consumers.auditor import Auditor, AuditorWiring
from spark.consumers.auditor_anchors import Anchors, Places
from spark.consumers.auditor_file import AnchorFile, lines_of
from spark.consumers.auditor_witness import HttpWitness
from spark.errors import IntegrityError
from spark.events import Receipt, TradingHalted
from spark.metrics import Metrics
from spark.names import HaltSource, Role
from spark.ops.audit_witness import Desk, open_desk, serve
from spark.signing import signature_check
from tests import keyed
from tests.made import NOW_NS
from tests.trails import is_signed
from tests.worlds import World, crashing, partition_of, running

_WAIT_S_MAX = 20.0


async def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something that no event tells."""
    async with asyncio.timeout(_WAIT_S_MAX):
        while not is_so():  # noqa: ASYNC110  (a file, a metric: nobody says when)
            await asyncio.sleep(0.02)
    assert is_so(), what


@dataclass
class Kept:
    """A world, the auditor's file, and its metrics."""

    world: World
    path: Path
    metrics: Metrics
    signer: AuditSigner = field(default_factory=keyed.audit_signer)

    async def happen(self, count: int) -> None:
        """Let so many records stand on an audited topic."""
        partition = partition_of(topics.INTENTS)
        await self.world.append(*(Outgoing(partition, None, b"%d" % one) for one in range(count)))

    def auditor(self, *, url: str = "", anchor_s: float = 0.0) -> tuple[Auditor, asyncio.Event]:
        """Make the auditor's process; it anchors with each checkpoint."""
        ready = asyncio.Event()
        witness = HttpWitness(url) if url else None
        places = Places(file=AnchorFile(self.path), witness=witness)
        wiring = AuditorWiring(
            bus=self.world.bus,
            clock=self.world.clock,
            metrics=self.metrics,
            signer=self.signer,
            instance="here",
            ready=ready,
            state_dir=self.world.states,
            anchors=Anchors(places, self.metrics),
            anchor_s=anchor_s,
        )
        return Auditor(wiring), ready

    def outside(self, witness: Verify | None = None) -> Outside:
        """Read the auditor's file."""
        return read_outside(lines_of(self.path), is_signed, witness)

    def records(self) -> list[bytes]:
        """Give the trail."""
        return self.world.values(topics.AUDIT)

    def verified(self, witness: Verify | None = None) -> Report:
        """Verify it against the file."""
        return verify(self.records(), is_signed, self.outside(witness))

    def failures(self, place: str) -> float:
        """Count the alarms of a place."""
        return float(self.metrics.audit_anchor_failures.labels(place)._value.get())


@pytest.fixture
def kept(tmp_path: Path) -> Kept:
    """A world in which nothing was audited yet."""
    return Kept(World(tmp_path / "world"), tmp_path / "a" / "anchors.jsonl", Metrics(Role.AUDITOR))


@asynccontextmanager
async def witness(directory: Path, audit: VerifyAt = is_signed) -> AsyncIterator[tuple[str, Desk]]:
    """Run a witness on a port of its own."""
    desk = open_desk(directory, audit, wall_ns=lambda: NOW_NS)
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(desk, ("127.0.0.1", 0), stop=stop, told=address.set_result))
    try:
        yield await address, desk
    finally:
        stop.set()
        await task


def key_of(desk: Desk) -> Verify:
    return signature_check(desk.key.public_key())


async def test_s14_what_is_chained_is_anchored_at_the_end(kept: Kept) -> None:
    """S14: at a stop the file knows of every link below the last checkpoint."""
    auditor, ready = kept.auditor(anchor_s=600)
    async with running(auditor.run, ready):
        await kept.happen(30)
        await until(lambda: auditor._chain.lines == 30, "all chained")
    assert kept.path.stat().st_mode & 0o777 == 0o640
    report = kept.verified()
    assert report.anchored_links == len(kept.records())
    assert not report.is_anchored


async def test_s14_a_kill_is_anchored_at_once(kept: Kept) -> None:
    """S14: a kill waits for no rate."""
    halted = TradingHalted(
        halt="k", account="", source=HaltSource.CLI, by="x", reason="r", evidence={}, at_ns=1
    )
    auditor, ready = kept.auditor(anchor_s=600)
    async with running(auditor.run, ready):
        await kept.happen(3)
        await until(lambda: auditor._chain.lines == 3, "chained")
        before = len(kept.outside().heads)
        kill = Outgoing(partition_of(topics.CONTROL_HALT), None, encode(halted))
        await kept.world.append(kill)
        await until(lambda: len(kept.outside().heads) > before, "anchored")


async def test_a_crash_between_checkpoint_and_anchor_heals(kept: Kept) -> None:
    """
    H2, S14: links that were signed and not anchored are anchored by the next auditor.

    Fault P5.
    """
    auditor, ready = kept.auditor(anchor_s=600)
    async with crashing(auditor.run, ready):
        await kept.happen(40)
        await until(lambda: auditor._chain.lines == 40, "chained")
    lost = kept.verified().anchored_links
    assert lost < len(kept.records())
    again, ready = kept.auditor(anchor_s=600)
    async with running(again.run, ready):
        pass
    assert kept.verified().anchored_links == len(kept.records())


async def healed(kept: Kept) -> None:
    """Start an auditor again: every link of the trail is anchored in the file afterwards."""
    again, ready = kept.auditor()
    async with running(again.run, ready):
        pass
    assert kept.verified().anchored_links == len(kept.records())


@pytest.mark.parametrize("cut", [1, 40, 10_000])
async def test_a_line_cut_off_by_a_crash_is_written_again(kept: Kept, cut: int) -> None:
    """H2, fault P5: the file ends with a whole line, and lacks nothing, after the next start."""
    auditor, ready = kept.auditor()
    async with running(auditor.run, ready):
        await kept.happen(5)
        await until(lambda: auditor._chain.lines == 5, "chained")
    body = kept.path.read_bytes()
    kept.path.write_bytes(body[: max(0, len(body) - cut)])
    await healed(kept)


async def test_a_file_that_is_gone_is_made_anew_from_the_trail(kept: Kept) -> None:
    """The kept state alone does not tell all heads; then the trail is folded from its start."""
    auditor, ready = kept.auditor()
    async with running(auditor.run, ready):
        await kept.happen(6_000)
        await until(lambda: auditor._chain.lines == 6_000, "chained")
        await kept.happen(1)
        await until((kept.world.states / "auditor.state").exists, "kept")
    kept.path.unlink()
    await healed(kept)


async def test_a_place_that_fails_stops_nothing(kept: Kept) -> None:
    """
    S14, A3: a disk that takes no anchor is an alarm; the chain goes on, and heals later.

    Fault A1.
    """
    kept.path.parent.write_bytes(b"no directory")
    auditor, ready = kept.auditor()
    async with running(auditor.run, ready):
        await kept.happen(9)
        await until(lambda: auditor._chain.lines == 9, "chained")
        assert kept.failures("file")
    kept.path.parent.unlink()
    await healed(kept)


async def test_s14_a_trail_shorter_than_its_anchors_halts(kept: Kept) -> None:
    """S14, fault K3: an auditor does not go on from a trail whose end was cut off."""
    auditor, ready = kept.auditor()
    async with running(auditor.run, ready):
        await kept.happen(5)
        await until(lambda: auditor._chain.lines == 5, "chained")
    del kept.world.log(topics.AUDIT)[2:]
    again, ready = kept.auditor()
    with pytest.raises(IntegrityError, match="lacks the checkpoint"):
        async with running(again.run, ready):
            pass


async def test_s14_a_witness_gives_receipts(kept: Kept, tmp_path: Path) -> None:
    """
    S14: what a witness saw is said to be anchored outside, up to which record, and by whom.

    Fault A2.
    """
    async with witness(tmp_path / "witness") as (url, desk):
        auditor, ready = kept.auditor(url=url)
        async with running(auditor.run, ready):
            await kept.happen(12)
            await until(lambda: auditor._chain.lines == 12, "chained")
        report = kept.verified(key_of(desk))
        assert report.witness == desk.name
        assert report.anchored_record == len(kept.records()) - 2
        assert report.anchored_lines == 12
        own = read_outside(lines_of(desk.file.path), is_signed, key_of(desk))
    assert verify(kept.records(), is_signed, own).is_anchored
    cut = kept.records()[:-3]
    with pytest.raises(BadRecordError) as found:
        verify(cut, is_signed, own)
    assert found.value.record == len(cut)


async def test_s14_receipts_stand_where_the_guardrail_reads(
    kept: Kept, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S14: each is passed on as the witness gave it, and a new one comes where nothing happens."""
    monkeypatch.setattr(auditor_anchors, "_RENEW_S", 0.01)
    monkeypatch.setattr(auditor_anchors, "_RETRY_S", 0.01)

    def passed_on() -> list[Receipt]:
        found = [decode(value) for value in kept.world.values(topics.AUDIT_PULSE)]
        return [one for one in found if isinstance(one, Receipt)]

    async with witness(tmp_path / "witness") as (url, desk):
        auditor, ready = kept.auditor(url=url)
        async with running(auditor.run, ready):
            await kept.happen(3)
            await until(lambda: auditor._chain.lines == 3, "chained")
            await until(lambda: len(passed_on()) > 3, "receipts")
        outside = kept.outside(key_of(desk))
    assert all(is_receipt_signed(one, key_of(desk)) for one in passed_on())
    assert len({one.size for one in passed_on()}) < len(passed_on())
    assert {one.size for one in passed_on()} <= outside.receipts.keys()


async def test_s14_what_a_witness_missed_it_is_told_later(kept: Kept, tmp_path: Path) -> None:
    """S14: a witness that is away is an alarm and no stop; one that is new is told everything."""
    auditor, ready = kept.auditor(url="http://127.0.0.1:9")
    async with running(auditor.run, ready):
        await kept.happen(8)
        await until(lambda: auditor._chain.lines == 8, "chained")
        await until(lambda: kept.failures("witness") > 0, "an alarm")
    async with witness(tmp_path / "witness") as (url, desk):
        again, ready = kept.auditor(url=url)
        async with running(again.run, ready):
            pass
        assert kept.verified(key_of(desk)).is_anchored
        assert desk.memory.tree.size == len(kept.records()) - 1


async def test_s14_a_rewritten_history_gets_no_receipt(kept: Kept, tmp_path: Path) -> None:
    """
    S14: re-signed with the real audit key: the witness refuses it, loudly, and for good.

    Fault A2.
    """
    async with witness(tmp_path / "witness") as (url, desk):
        auditor, ready = kept.auditor(url=url)
        async with running(auditor.run, ready):
            await kept.happen(12)
            await until(lambda: auditor._chain.lines == 12, "chained")
        seen = desk.memory.tree.size
        other = Kept(World(tmp_path / "other"), tmp_path / "b" / "a.jsonl", kept.metrics)
        forger, ready = other.auditor(url=url)
        async with running(forger.run, ready):
            await other.happen(900)
            await until(lambda: forger._chain.lines == 900, "chained")
        assert kept.metrics.audit_witness_refused._value.get() > 0
        assert desk.memory.tree.size == seen
    assert not other.verified(key_of(desk)).is_anchored


async def test_a_witness_remembers_over_restarts(kept: Kept, tmp_path: Path) -> None:
    """S14: it is its file that remembers, and its key stays the same."""
    async with witness(tmp_path / "witness") as (url, desk):
        auditor, ready = kept.auditor(url=url)
        async with running(auditor.run, ready):
            await kept.happen(2)
            await until(lambda: auditor._chain.lines == 2, "chained")
    again = open_desk(tmp_path / "witness", is_signed, wall_ns=lambda: NOW_NS)
    again.file.close()
    assert (again.name, again.memory) == (desk.name, desk.memory)
