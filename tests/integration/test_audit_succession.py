"""
The auditor's key gets a successor while the auditor works and a witness watches.
"""

from pathlib import Path

import pytest

from spark import keys
from spark.audit import BadRecordError, Report, verify
from spark.audit_keys import AuditKeys, AuditSigner
from spark.codec import decode
from spark.consumers import auditor as auditing
from spark.embedded.minting import mint_keys, write_public
from spark.embedded.rotation_audit import next_audit_key
from spark.embedded.secrets import Secrets
from spark.errors import SettingError
from spark.events import AuditCheckpointed
from spark.key_slots import OLD_KEY_NS_MAX, slot_name
from spark.keyring import Keyring
from spark.metrics import Metrics
from spark.names import Role
from spark.ops.audit_reader import keys_in, read_anchors
from spark.ops.audit_witness import KeysFile
from tests.integration.test_audit_anchors import Kept, key_of, until, witness
from tests.worlds import World, running


class Handover:
    """An auditor with its own directory of keys, and what is public of them."""

    def __init__(self, root: Path) -> None:
        self.public, secrets = root / "public", Secrets(root / "secrets")
        self.public.mkdir(parents=True)
        self.own = secrets.directory(Role.AUDITOR)
        mint_keys(secrets, self.public)
        world = World(root / "world")
        self.clock = world.clock
        self.kept = Kept(world, root / "a.jsonl", Metrics(Role.AUDITOR), self.signer())

    def signer(self) -> AuditSigner:
        """Read the auditor's keys, as its start does."""
        return Keyring(Role.AUDITOR, self.own, self.public).audit_signer()

    def change(self, *, is_told: bool = True) -> AuditKeys:
        """Make the next key, as `spark keys rotate --audit` does."""
        known = next_audit_key(self.own, now_ns=self.clock.wall_ns())
        if is_told:
            self.tell(known)
        return known

    def tell(self, known: AuditKeys) -> None:
        """Publish the list."""
        write_public(self.public / keys.AUDIT_KEYS, known.content())

    async def more(self) -> None:
        """Let something happen, and be signed."""
        before = len(self.kids())
        await self.kept.happen(1)
        await until(lambda: len(self.kids()) > before, "signed")

    def kids(self) -> list[str]:
        """Say who signed, checkpoint by checkpoint."""
        found = map(decode, self.kept.records())
        return [one.kid for one in found if isinstance(one, AuditCheckpointed)]

    def verified(self) -> Report:
        """Verify trail and anchors with what is public."""
        known = keys_in(self.public)
        outside = read_anchors(self.kept.path, known.is_signed, None)
        return verify(self.kept.records(), known.is_signed, outside)


@pytest.fixture
def handover(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Handover:
    """An auditor that signs whatever it chains."""
    monkeypatch.setattr(auditing, "_CHECKPOINT_S", 0.0)
    return Handover(tmp_path)


async def test_s14_the_key_changes_while_the_auditor_works(handover: Handover) -> None:
    """S14, §3: no restart, no gap; the trail verifies over both keys, from then on with both."""
    first = keys_in(handover.public)
    auditor, ready = handover.kept.auditor()
    async with running(auditor.run, ready):
        await handover.more()
        handover.change()
        await handover.more()
        assert set(handover.kids()) == {"audit:1"}
        handover.clock.advance(OLD_KEY_NS_MAX)
        await handover.more()
        (handover.own / keys.AUDIT_PRIVATE).unlink()
        await handover.more()
    turn = handover.kids().index("audit:2")
    assert set(handover.kids()[turn:]) == {"audit:2"}
    report = handover.verified()
    assert report.checkpoints == len(handover.kids())
    assert report.anchored_links == len(handover.kept.records())
    with pytest.raises(BadRecordError, match="does not verify"):
        verify(handover.kept.records(), first.is_signed)
    # A restart goes on with the new one, which alone is left.
    handover.kept.signer = handover.signer()
    again, ready = handover.kept.auditor()
    async with running(again.run, ready):
        await handover.more()
    assert handover.verified().checkpoints > report.checkpoints


async def test_s14_a_witness_follows_the_list_and_nothing_else(
    handover: Handover, tmp_path: Path
) -> None:
    """S14: told late it refuses until it is told; a list that is not its own it never takes."""
    told = tmp_path / "told.pub"
    told.write_bytes((handover.public / keys.AUDIT_PUBLIC).read_bytes())
    async with witness(tmp_path / "witness", KeysFile(told).is_signed) as (url, desk):
        auditor, ready = handover.kept.auditor(url=url)
        async with running(auditor.run, ready):
            await handover.more()
            known = handover.change()
            handover.clock.advance(OLD_KEY_NS_MAX)
            refused = handover.kept.metrics.audit_witness_refused._value

            async def refused_again() -> None:
                count = refused.get()
                await handover.more()
                await until(lambda: refused.get() > count, "refused")

            await refused_again()
            seen = desk.memory.tree.size
            other = Handover(tmp_path / "other").change()
            for content in (b"", b"rubbish", other.content()):
                told.write_bytes(content)
                await refused_again()
            assert desk.memory.tree.size == seen
            told.write_bytes(known.content())
            await handover.more()
            await until(lambda: desk.memory.tree.size > seen, "believed")
        records = handover.kept.records()
        outside = read_anchors(handover.kept.path, known.is_signed, key_of(desk))
    assert verify(records, known.is_signed, outside).anchored_record == len(records) - 2


async def test_an_auditor_without_the_key_of_the_time_ends(handover: Handover) -> None:
    """§3: it signs with no other, and says which is missing."""
    handover.change()
    missing = slot_name(keys.AUDIT_PRIVATE, 2)
    (handover.own / missing).rename(handover.own / "elsewhere")
    auditor, ready = handover.kept.auditor()
    with pytest.raises(SettingError, match=missing):
        async with running(auditor.run, ready):
            await handover.more()
    assert handover.kids() == []
