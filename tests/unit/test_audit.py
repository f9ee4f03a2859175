"""
The audit chain: what stands, and every way of touching it afterwards.
"""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.audit import (
    GENESIS,
    Audited,
    Chain,
    Report,
    digest_of,
    line_of,
    verify,
)
from spark.codec import decode, encode
from spark.errors import IntegrityError
from spark.events import AuditCheckpointed, AuditPaged, PartitionFenced
from tests.made import NOW_NS, place
from tests.trails import KEY, Trail, audited, is_signed


def trail() -> list[bytes]:
    """Two auditors after each other, a zombie between, the last word signed."""
    made = Trail().fence().sign().page(0, 1, 0).page(1).sign()
    return made.fence("two").zombie().sign().page(0).sign().records


#: Where the record of the auditor that was fenced off stands in that trail.
ZOMBIE = 6


def checked(records: list[bytes]) -> Report:
    return verify(records, is_signed)


def test_a_whole_trail_verifies() -> None:
    """What was chained is counted, and what is due next is known."""
    report = checked(trail())
    assert (report.fences, report.pages, report.lines, report.checkpoints) == (2, 3, 5, 4)
    assert (report.void, report.unsigned_lines, report.is_anchored) == (1, 0, False)
    assert report.next_offsets == {"orders.intents/0": 3, "orders.intents/1": 2}


def test_an_empty_trail_is_empty() -> None:
    """Nothing was audited, and that is what is said."""
    assert checked([]) == Report()


@pytest.mark.parametrize("mask", [0x01, 0x20], ids=["another letter", "another case"])
def test_every_single_byte_of_an_export_is_guarded(mask: int) -> None:
    """A5: any one byte changed anywhere, and the trail is red."""
    records = trail()
    for number, body in enumerate(records):
        for position in range(len(body)):
            changed = bytearray(body)
            changed[position] ^= mask
            with pytest.raises(IntegrityError):
                checked([*records[:number], bytes(changed), *records[number + 1 :]])


@pytest.mark.parametrize("number", range(len(trail()) - 1))
def test_a_record_taken_out_is_found(number: int) -> None:
    """Removed anywhere before the last signature: red."""
    records = trail()
    with pytest.raises(IntegrityError):
        checked(records[:number] + records[number + 1 :])


@pytest.mark.parametrize("number", range(len(trail()) - 1))
def test_a_record_repeated_is_found(number: int) -> None:
    """A true record that stands twice: red; a fence put in cannot silence what follows it."""
    records = trail()
    with pytest.raises(IntegrityError):
        checked([*records[: number + 1], *records[number:]])


@pytest.mark.parametrize("number", [0, 1, 2, 3, 4, 7, 8])
def test_neighbours_swapped_are_found(number: int) -> None:
    """Order is part of the chain."""
    records = trail()
    records[number], records[number + 1] = records[number + 1], records[number]
    with pytest.raises(IntegrityError):
        checked(records)


@pytest.mark.parametrize("kept", range(1, len(trail())))
def test_a_beginning_cut_off_is_found(kept: int) -> None:
    """R8: a trail that does not begin at its beginning proves nothing."""
    with pytest.raises(IntegrityError):
        checked(trail()[kept:])


def test_a_tail_cut_off_is_said_not_to_be_anchored() -> None:
    """S14, fault A2: without a receipt from outside, a shorter trail is consistent, and says so."""
    report = checked(trail()[:5])
    assert not report.is_anchored
    assert report.checkpoints == 2
    unsigned = checked(trail()[:4])
    assert unsigned.unsigned_lines == 4


def test_an_edit_is_named_where_it_is() -> None:
    """The first record that does not fit is the one that was touched."""
    records = trail()
    records[2] = records[2].replace(b'"offset":0', b'"offset":9', 1)
    with pytest.raises(IntegrityError, match="audit record 2"):
        checked(records)


def rewritten(change: Callable[[AuditPaged], AuditPaged]) -> list[bytes]:
    """A trail whose first page was changed by somebody who also mends every head after it."""
    records = trail()
    chain, made = Chain(), []
    for offset, body in enumerate(records):
        event = decode(body)
        if isinstance(event, PartitionFenced):
            chain.fence(offset, body)
        elif isinstance(event, AuditPaged):
            page = change(event) if event.page == 0 else event
            body = encode(chain.page(page.lines, page.at_ns))  # noqa: PLW2901
        elif isinstance(event, AuditCheckpointed) and offset != ZOMBIE:
            chain.seal(event, body)
        made.append(body)
    return made


def test_whoever_mends_the_chain_still_lacks_the_key() -> None:
    """A5: with all heads recomputed, the first signature after the edit does not fit."""
    assert rewritten(lambda page: page) == trail()
    with pytest.raises(IntegrityError, match=r"audit record 4: .*checkpoint"):
        checked(rewritten(lambda page: replace(page, lines=page.lines[:-1])))


def test_a_record_out_of_its_epoch_is_listed_by_a_checkpoint() -> None:
    """What counts for nothing is missed all the same, and none can be slipped in as such."""
    records = trail()
    with pytest.raises(IntegrityError, match=f"audit record {ZOMBIE}: .*lists"):
        checked([*records[:ZOMBIE], *records[ZOMBIE + 1 :]])
    made = Trail().fence().sign().fence("two").sign()
    made.zombie()
    made.chain.void.clear()
    made.sign()
    checked(made.page(0).records)
    with pytest.raises(IntegrityError, match="audit record 4: out of its epoch"):
        checked(made.sign().records)


def test_s14_another_key_proves_nothing() -> None:
    """S14: the public key is the reader's, not the trail's."""
    with pytest.raises(IntegrityError, match="signature"):
        verify(trail(), lambda *_: False)


@pytest.mark.parametrize("epoch", [-1, 1, 5, 99])
def test_a_record_of_an_epoch_that_nobody_began_is_found(epoch: int) -> None:
    """A record may not be passed over as a zombie's that never was."""
    records = trail()
    last = decode(records[-1])
    assert isinstance(last, AuditCheckpointed)
    if epoch == last.epoch:
        return
    signed = replace(last, epoch=epoch, signature="")
    records[-1] = encode(replace(signed, signature=KEY.sign(encode(signed)).hex()))
    with pytest.raises(IntegrityError):
        checked(records)


def test_a_strange_record_is_found() -> None:
    """Only fences, pages and checkpoints stand on the trail."""
    with pytest.raises(IntegrityError, match="PlaceOrder is not audit"):
        checked([*trail(), encode(place())])
    with pytest.raises(IntegrityError, match="audit record 10"):
        checked([*trail(), b"not a record"])


def test_a_gap_between_offsets_is_found() -> None:
    """R17: the lines of each partition follow each other without a gap or a repetition."""
    made = Trail().fence()
    for offsets in ([0, 2], [0, 0], [1]):
        chain = replace(made.chain, next_offsets={})
        page = chain.page([line_of(audited(offset)) for offset in offsets], NOW_NS)
        with pytest.raises(IntegrityError, match="is due"):
            checked([*made.records, encode(page)])


@settings(max_examples=50)
@given(
    st.binary(max_size=40) | st.none(),
    st.binary(max_size=200) | st.none(),
    st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=10)), max_size=3).map(tuple),
)
def test_any_record_has_a_line(
    key: bytes | None, value: bytes | None, headers: tuple[tuple[str, bytes], ...]
) -> None:
    """What nobody can read is chained all the same."""
    line = line_of(Audited("t", 0, 0, 0, key, value, headers))
    assert line.sha256 == digest_of(key, value, headers)
    page = Chain(epoch=0).page([line], 0)
    assert decode(encode(page)) == page


@pytest.mark.parametrize(
    "value",
    [b"[1]", b"null", b"{", b'{"type":1,"intent_id":{},"account":null}', b"[" * 9_999, None],
)
def test_a_line_of_what_is_no_event_has_empty_fields(value: bytes | None) -> None:
    """R20: no intent stops the auditor, and what depends on it, by being strange."""
    line = line_of(Audited("t", 0, 0, 0, None, value, ()))
    assert (line.kind, line.intent_id, line.account) == ("", "", "")


def test_a_line_repeats_only_so_much() -> None:
    """A page is bounded, whatever stands in the fields that a line repeats."""
    line = line_of(audited(0, value=b'{"type":"' + b"x" * 9_999 + b'"}'))
    assert line.kind == "x" * 80


def test_key_value_and_headers_are_told_apart() -> None:
    """No two records digest alike because a byte moved from one part to the next."""
    variants = {
        digest_of(b"ab", b"c", ()),
        digest_of(b"a", b"bc", ()),
        digest_of(b"", b"abc", ()),
        digest_of(b"ab", b"c", (("", b""),)),
        digest_of(b"ab", b"c", (("a", b"b"),)),
        digest_of(b"ab", b"c", (("ab", b""),)),
    }
    assert len(variants) == 6
    assert GENESIS not in variants
