"""
Keys of the auditor that follow each other: which one signs, who is believed, what is refused.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.audit import BadRecordError, Report, verify
from spark.audit_anchor import read_outside
from spark.audit_chain import Chain
from spark.audit_keys import AuditKeys, AuditSigner, Succession, kid_of, read_audit_keys, succeed
from spark.bench.audit_trail import Maker, keys_of
from spark.codec import decode, encode
from spark.errors import IntegrityError, MalformedError, SettingError
from spark.events import AuditCheckpointed, AuditPaged, PartitionFenced
from tests import keyed

FIRST, SECOND, THIRD, STRANGER = (
    Ed25519PrivateKey.from_private_bytes(keyed.key_bytes(f"audit {number}")) for number in range(4)
)
FROM_NS, THEN_NS = 1_000, 2_000
ONE = AuditKeys(FIRST.public_key())
TWO = succeed(ONE, FIRST, SECOND, from_ns=FROM_NS)
THREE = succeed(TWO, SECOND, THIRD, from_ns=THEN_NS)


@pytest.mark.parametrize(
    ("at_ns", "signer"),
    [(0, FIRST), (FROM_NS - 1, FIRST), (FROM_NS, SECOND), (THEN_NS - 1, SECOND), (THEN_NS, THIRD)],
)
def test_s14_each_key_signs_in_its_own_time(at_ns: int, signer: Ed25519PrivateKey) -> None:
    """S14, §3: at every moment exactly one key counts, and no other."""
    for key in (FIRST, SECOND, THIRD, STRANGER):
        assert THREE.is_signed(at_ns, b"head", key.sign(b"head")) is (key is signer)


@pytest.mark.parametrize("known", [ONE, TWO, THREE], ids=["one", "two", "three"])
def test_what_is_written_is_what_is_read(known: AuditKeys) -> None:
    """The file says everything, and says it once."""
    read = read_audit_keys(known.content())
    assert read.content() == known.content()
    assert read.extends(known)
    assert known.extends(read)
    assert THREE.extends(known)
    assert not known.extends(replace(known, first=STRANGER.public_key()))


def test_s14_no_byte_of_the_list_can_be_changed() -> None:
    """S14: both keys sign each line; whatever bit is turned over is found."""
    content = THREE.content()
    for place in range(len(content)):
        changed = bytearray(content)
        changed[place] ^= 1
        with pytest.raises((IntegrityError, MalformedError)):
            read_audit_keys(bytes(changed))


def _lines(known: AuditKeys) -> list[bytes]:
    return known.content().splitlines(keepends=True)


def _forged(by: Ed25519PrivateKey) -> bytes:
    """What somebody says who has one of the keys, or none."""
    blank = replace(TWO.successions[0], old_signature="", new_signature="", generation=2)
    blank = replace(blank, new=STRANGER.public_key().public_bytes_raw().hex())
    body = encode(blank)
    made = replace(
        blank, old_signature=by.sign(body).hex(), new_signature=STRANGER.sign(body).hex()
    )
    return encode(made) + b"\n"


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\n",
        b"x" * 33,
        b"{}\n",
        THREE.content()[:-1],
        b"".join(_lines(THREE)[1:]),
        b"".join(reversed(_lines(THREE))),
        _lines(THREE)[0] * 2,
        _forged(STRANGER),
        _forged(THIRD),
    ],
    ids=[
        "nothing", "an empty line", "33 bytes", "no succession", "half a line", "first line gone",
        "swapped", "twice", "by a stranger", "by the next one",
    ],
)  # fmt: skip
def test_s14_a_list_that_is_none_is_refused(content: bytes) -> None:
    """S14: the new key alone, or nobody's, makes no successor."""
    with pytest.raises((IntegrityError, MalformedError)):
        read_audit_keys(content)


def test_a_key_follows_the_newest_alone_and_later() -> None:
    """A key that does not sign yet has no successor; whose time is over names none."""
    with pytest.raises(SettingError, match="not audit:2"):
        succeed(TWO, FIRST, THIRD, from_ns=THEN_NS)
    with pytest.raises(SettingError, match="audit:2 does not sign yet"):
        succeed(TWO, SECOND, THIRD, from_ns=FROM_NS)


@dataclass(slots=True)
class Drawer:
    """The auditor's directory."""

    held: dict[int, Ed25519PrivateKey]
    content: bytes | None = None
    reads: list[int] = field(default_factory=list)

    def private(self, generation: int) -> Ed25519PrivateKey:
        """Read a key, as the keyring does."""
        self.reads.append(generation)
        if generation not in self.held:
            raise SettingError(f"no key {generation}")
        return self.held[generation]

    def signer(self) -> AuditSigner:
        """Begin to sign."""
        return AuditSigner(self.private, lambda: self.content)


def signs(signer: AuditSigner, at_ns: int, key: Ed25519PrivateKey) -> bool:
    """Whether it is this key that signs at a time."""
    return signer.at(at_ns)[1](b"head") == key.sign(b"head")


def test_s14_a_new_key_is_taken_when_the_list_names_it() -> None:
    """§3: read while the old one still signs; each key once."""
    drawer = Drawer({1: FIRST, 2: SECOND})
    signer = drawer.signer()
    assert signs(signer, FROM_NS, FIRST)
    drawer.content = TWO.content()
    assert signs(signer, FROM_NS - 1, FIRST)
    assert drawer.reads == [1, 2]
    drawer.held.clear()
    assert signs(signer, FROM_NS, SECOND)
    assert signs(signer, FROM_NS - 1, FIRST)
    assert [signer.at(at_ns)[0] for at_ns in (0, FROM_NS)] == ["audit:1", "audit:2"]
    drawer.content = None
    assert signs(signer, FROM_NS, SECOND), "what was read counts, whatever becomes of the file"


def test_an_old_key_is_not_needed_when_its_time_is_over() -> None:
    """§3: after a restart only the newest is read; a clock that went back has nothing to sign."""
    signer = Drawer({3: THIRD}, THREE.content()).signer()
    assert signs(signer, THEN_NS, THIRD)
    with pytest.raises(SettingError, match="no key 2"):
        signer.at(FROM_NS)


@pytest.mark.parametrize(
    ("held", "content", "why"),
    [
        ({1: FIRST}, TWO.content(), "no key 2"),
        ({1: FIRST, 2: STRANGER}, TWO.content(), "audit:2 is another key"),
        ({1: FIRST, 2: SECOND}, TWO.content()[:-1], "the list of audit keys"),
        (
            {1: FIRST, 2: SECOND},
            succeed(AuditKeys(STRANGER.public_key()), STRANGER, SECOND, from_ns=5).content(),
            "not the one that it was",
        ),
    ],
    ids=["not here", "another key", "half a list", "of other keys"],
)
def test_a_list_that_does_not_fit_ends_the_auditor(
    held: dict[int, Ed25519PrivateKey], content: bytes, why: str
) -> None:
    """§3: nothing is signed with a doubtful key, while it runs and when it starts."""
    drawer = Drawer(held)
    signer = drawer.signer()
    drawer.content = content
    with pytest.raises(SettingError, match=why):
        signer.at(0)
    if why != "not the one that it was":
        with pytest.raises(SettingError, match=why):
            drawer.signer()


class Trail(Maker):
    """A trail over two keys: the second signs from the third checkpoint on."""

    def __init__(self) -> None:
        super().__init__(keys_of(7))
        self.fence("one")
        for number in range(6):
            self.page([("control", b"%d" % number)])
            if number == 3:
                first = AuditKeys(self.keys.audit.public_key())
                turn_ns = self.at_ns
                self.known = succeed(first, self.keys.audit, SECOND, from_ns=turn_ns)
                self.signers[turn_ns] = (kid_of(2), SECOND)
            self.sign()

    def report(self, records: list[bytes] | None = None) -> Report:
        """Verify it, or what became of it, by the list of keys alone."""
        return verify(records or self.records, self.known.is_signed)


def test_s14_a_trail_verifies_over_all_of_its_keys() -> None:
    """S14: with the list; who has the first key alone is told where it ends."""
    trail = Trail()
    assert trail.report().checkpoints == 6
    kids = [one.kid for one in map(decode, trail.records) if isinstance(one, AuditCheckpointed)]
    assert kids == ["audit:1"] * 3 + ["audit:2"] * 3
    known = trail.known
    assert read_outside(trail.notes, known.is_signed).links == 13
    with pytest.raises(BadRecordError, match="does not verify") as found:
        verify(trail.records, AuditKeys(known.first).is_signed)
    assert found.value.record == 8
    with pytest.raises(IntegrityError, match="does not verify"):
        read_outside(trail.notes, AuditKeys(known.first).is_signed)


def _rewritten(
    trail: Trail, key: Ed25519PrivateKey, date: Callable[[int], int] = lambda at_ns: at_ns
) -> list[bytes]:
    """Write the whole history anew, as far as one key signs it."""
    chain, made = Chain(), []
    for number, body in enumerate(trail.records):
        event, new = decode(body), body
        if isinstance(event, PartitionFenced):
            chain.fence(number, body)
        elif isinstance(event, AuditPaged):
            lines = tuple(replace(line, sha256=line.sha256[::-1]) for line in event.lines)
            new = encode(chain.page(lines, event.at_ns))
        elif isinstance(event, AuditCheckpointed):
            at_ns = date(event.at_ns)
            new = encode(chain.checkpoint(event.topic_ids, event.kid, key.sign, at_ns=at_ns))
        made.append(new)
    return made


def test_s14_who_steals_an_old_key_can_change_nothing_that_the_new_one_signed_over() -> None:
    """S14: without any anchor, whatever the thief dates it, and with the later records kept."""
    trail = Trail()
    stolen = trail.keys.audit
    forged = _rewritten(trail, stolen)
    turn = trail.known.successions[0].from_ns
    for records in (
        forged,
        _rewritten(trail, stolen, lambda at_ns: min(at_ns, turn - 1))[:9],
        [*forged[:7], *trail.records[7:]],
    ):
        with pytest.raises(BadRecordError):
            trail.report([*records, *trail.records[len(records) :]])
    # The new one signs what it signs: with that key everything can be, but for anchors.
    again = _rewritten(trail, SECOND)
    with pytest.raises(BadRecordError) as found:
        trail.report(again)
    assert found.value.record == 2, "even the new key signs nothing of the old one's time"


def test_a_line_of_the_list_is_canonical() -> None:
    """One spelling, as of every record."""
    line = encode(TWO.successions[0])
    assert isinstance(TWO.successions[0], Succession)
    with pytest.raises(MalformedError):
        read_audit_keys(line.replace(b":2,", b": 2,") + b"\n")
