"""
Ways of changing an audit trail afterwards, with and without the real key.

Each takes a trail and chance, and gives the changed records; it may give the same
ones, and is asked again then.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Final, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark.audit_chain import Chain
from spark.bench.audit_trail import Sample, synthetic
from spark.codec import decode, encode
from spark.events import AuditCheckpointed, AuditLine, AuditPaged, PartitionFenced

_Kind = TypeVar("_Kind", AuditPaged, AuditCheckpointed)
Change = Callable[[Sample, Random], list[bytes]]
_BYTE: Final = 256
_OTHER_KEY: Final = Ed25519PrivateKey.from_private_bytes(b"another key, of nobody's trail.."[:32])


def _byte(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    number = chance.randrange(len(records))
    body = bytearray(records[number])
    body[chance.randrange(len(body))] ^= chance.randrange(1, _BYTE)
    records[number] = bytes(body)
    return records


def _field(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    number, page = _some(records, chance, AuditPaged)
    if not page.lines or chance.random() < 0.25:  # noqa: PLR2004  (one in four)
        records[number] = encode(replace(page, at_ns=page.at_ns + chance.randint(1, 9)))
        return records
    lines = list(page.lines)
    at = chance.randrange(len(lines))
    lines[at] = _altered(lines[at], chance)
    records[number] = encode(replace(page, lines=tuple(lines)))
    return records


def _altered(line: AuditLine, chance: Random) -> AuditLine:
    return chance.choice(
        [
            replace(line, sha256=line.sha256[::-1]),
            replace(line, appended_ms=line.appended_ms + 1),
            replace(line, intent_id=f"{line.intent_id}x"),
            replace(line, kind="order_approved"),
            replace(line, offset=line.offset + 1),
        ]
    )


def _remove(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    first = chance.randrange(len(records))
    del records[first : first + chance.randint(1, 3)]
    return records


def _insert(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    at = chance.randrange(len(records))
    made = [chance.choice(synthetic(chance.randrange(_BYTE), pages=8).records), _fence(chance)]
    records.insert(at, chance.choice(made))
    return records


def _fence(chance: Random) -> bytes:
    return encode(
        PartitionFenced(
            role="auditor",
            instance=f"nobody:{chance.randrange(_BYTE)}",
            topic_ids={},
            settings={},
            fenced_ns=chance.randrange(1, 2**60),
        )
    )


def _duplicate(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    source = chance.randrange(len(records))
    records.insert(chance.randrange(len(records)), records[source])
    return records


def _swap(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    one, other = chance.sample(range(len(records)), 2)
    records[one], records[other] = records[other], records[one]
    return records


def _truncate(sample: Sample, chance: Random) -> list[bytes]:
    return sample.records[: chance.randrange(len(sample.records))]


def _behead(sample: Sample, chance: Random) -> list[bytes]:
    return sample.records[chance.randrange(1, len(sample.records)) :]


def _roll_back(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    places = [n for n, body in enumerate(records) if _is(body, AuditCheckpointed)]
    old, new = sorted(chance.sample(places, 2))
    if chance.random() < 0.5:  # noqa: PLR2004  (every second time)
        # As a host does that was put back to an older day, and went on from there.
        return records[: old + 1] + records[new + 1 :]
    records[new] = records[old]
    return records


def _swap_key(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    first, _ = _some(records, chance, AuditCheckpointed)
    for number in range(first, len(records)):
        event = decode(records[number])
        if isinstance(event, AuditCheckpointed):
            records[number] = encode(_signed(event, _OTHER_KEY))
    return records


def _splice(sample: Sample, chance: Random) -> list[bytes]:
    other = synthetic(chance.randrange(_BYTE), pages=20).records
    at = chance.randrange(1, len(sample.records))
    return sample.records[:at] + other[min(at, len(other) - 1) :]


def _slip_in(sample: Sample, chance: Random) -> list[bytes]:
    """Pass a page off as that of an auditor which was fenced off."""
    records = list(sample.records)
    number, page = _some(records, chance, AuditPaged)
    epochs = [n for n, body in enumerate(records[:number]) if _is(body, PartitionFenced)]
    chain = Chain(epoch=chance.choice(epochs), pages=page.page, lines=page.first_line)
    made = encode(chain.page(page.lines, page.at_ns))
    if chance.random() < 0.5:  # noqa: PLR2004  (in its place, or beside it)
        records[number] = made
    else:
        records.insert(number, made)
    return records


def _mend(sample: Sample, chance: Random) -> list[bytes]:
    """Change a page and every head after it; the signatures stay as they are."""
    return _rewritten(sample, chance, is_signed=False)


def _resign_one(sample: Sample, chance: Random) -> list[bytes]:
    records = list(sample.records)
    number, event = _some(records, chance, AuditCheckpointed)
    changed = chance.choice(
        [
            replace(event, at_ns=event.at_ns + 1),
            replace(event, lines=event.lines + 1),
            replace(event, root=event.head),
            replace(event, previous=event.head),
            replace(event, next_offsets={}),
        ]
    )
    records[number] = encode(_signed(changed, sample.keys.audit))
    return records


def _rewrite(sample: Sample, chance: Random) -> list[bytes]:
    """Write history anew from some page on, every signature with the real key."""
    return _rewritten(sample, chance, is_signed=True)


def _rewritten(sample: Sample, chance: Random, *, is_signed: bool) -> list[bytes]:
    first, _ = _some(sample.records, chance, AuditPaged)
    chain, made = Chain(), []
    for number, body in enumerate(sample.records):
        event, new = decode(body), body
        if isinstance(event, PartitionFenced):
            chain.fence(number, body)
        elif isinstance(event, AuditPaged | AuditCheckpointed) and event.epoch != chain.epoch:
            chain.see_void(number, body)
        elif isinstance(event, AuditPaged):
            lines = event.lines
            if number == first:
                at = chance.randrange(len(lines))
                forged = replace(lines[at], sha256=lines[at].sha256[::-1])
                lines = (*lines[:at], forged, *lines[at + 1 :])
            new = encode(chain.page(lines, event.at_ns))
        elif isinstance(event, AuditCheckpointed) and is_signed:
            sign = sample.keys.audit.sign
            new = encode(chain.checkpoint(event.topic_ids, event.kid, sign, at_ns=event.at_ns))
        elif isinstance(event, AuditCheckpointed):
            chain.seal(event, body)
        made.append(new)
    return made


def _some(records: list[bytes], chance: Random, kind: type[_Kind]) -> tuple[int, _Kind]:
    places = [number for number, body in enumerate(records) if _is(body, kind)]
    number = chance.choice(places)
    event = decode(records[number])
    assert isinstance(event, kind)
    return number, event


def _is(body: bytes, kind: type) -> bool:
    return isinstance(decode(body), kind)


def _signed(event: AuditCheckpointed, key: Ed25519PrivateKey) -> AuditCheckpointed:
    blank = replace(event, signature="")
    return replace(blank, signature=key.sign(encode(blank)).hex())


#: What an attacker, an accident or a careless hand does, by what it is called in the table.
CHANGES: Final[Mapping[str, Change]] = {
    "byte changed": _byte,
    "field changed": _field,
    "removed": _remove,
    "inserted": _insert,
    "duplicated": _duplicate,
    "swapped": _swap,
    "end cut off": _truncate,
    "beginning cut off": _behead,
    "checkpoint rolled back": _roll_back,
    "key swapped": _swap_key,
    "spliced": _splice,
    "passed off as void": _slip_in,
    "heads mended, no key": _mend,
    "checkpoint re-signed": _resign_one,
    "rewritten and re-signed": _rewrite,
}
