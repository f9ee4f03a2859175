"""
The mutation campaign: a trail changed at random thousands of times, and what is found.

The first bad record is worked out by comparing the changed trail with the true one,
and a verification that knows neither has to name it.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from random import Random
from typing import Any, Final

from spark.audit import BadRecordError, verify
from spark.audit_anchor import Outside, read_outside
from spark.audit_chain import VerifyAt
from spark.bench.audit_changes import CHANGES, Change
from spark.bench.audit_trail import Sample, adopted, audit_check_of, check_of, synthetic

#: Changes of one made trail, before another is made.
_EACH: Final = 60
_TRIES_MAX: Final = 100


@dataclass(slots=True)
class Row:
    """What became of one kind of change."""

    kind: str
    count: int = 0
    found: int = 0
    #: Of those, how many reports name the very record that was changed first.
    named: int = 0
    #: How many are found with the public key alone, without anything from outside.
    by_key_alone: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """What is tried."""

    mutations: int
    seed: int
    #: Records of an exported trail; none makes trails.
    records: tuple[bytes, ...] = ()


def run_campaign(campaign: Campaign, say: Callable[[str], None]) -> list[Row]:
    """
    Try every kind in turn.

    Raises:
        BadRecordError: a trail that nobody changed does not verify.

    """
    rows = [Row(kind) for kind in CHANGES]
    chance = Random(campaign.seed)  # noqa: S311  (repeatable, no secret)
    samples = _samples(campaign)
    trial = _Trial(next(samples))
    for number in range(campaign.mutations):
        if number and number % _EACH == 0:
            trial = _Trial(next(samples))
        row = rows[number % len(rows)]
        _try(trial, row, chance)
        if number and number % 500 == 0:
            say(f"{number} of {campaign.mutations} changes")
    return rows


def summary_of(rows: list[Row], campaign: Campaign) -> dict[str, Any]:
    """Add up a campaign."""
    return {
        "mutations": sum(row.count for row in rows),
        "found": sum(row.found for row in rows),
        "named": sum(row.named for row in rows),
        "by_key_alone": sum(row.by_key_alone for row in rows),
        "seed": campaign.seed,
        "rows": [asdict(row) for row in rows],
    }


def is_clean(rows: list[Row]) -> bool:
    """Tell whether all were found, each by its first record."""
    return all(row.count == row.found == row.named for row in rows)


class _Trial:
    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.check: VerifyAt = audit_check_of(sample.keys.audit)
        self.outside: Outside = read_outside(
            sample.notes, self.check, check_of(sample.keys.witness)
        )
        report = verify(sample.records, self.check, self.outside)
        assert report.is_anchored, "a trail that nobody changed has its receipts"


def _samples(campaign: Campaign) -> Iterator[Sample]:
    seed = campaign.seed
    while campaign.records:
        yield adopted(campaign.records, seed)
    while True:
        yield synthetic(seed, pages=20)
        seed += 1


def _try(trial: _Trial, row: Row, chance: Random) -> None:
    changed, first = _changed(trial.sample, CHANGES[row.kind], chance)
    row.count += 1
    named = _named(changed, trial.check, trial.outside)
    row.found += named is not None
    row.named += named == first
    row.by_key_alone += _named(changed, trial.check, None) is not None


def _changed(sample: Sample, change: Change, chance: Random) -> tuple[list[bytes], int]:
    for _ in range(_TRIES_MAX):
        changed = change(sample, chance)
        pairs = zip(changed, sample.records, strict=False)
        first = next((n for n, (new, old) in enumerate(pairs) if new != old), None)
        if first is None:
            first = min(len(changed), len(sample.records))
        # What only goes on after the end is no change of what was.
        if first < len(sample.records):
            return changed, first
    raise AssertionError("this change changes nothing")


def _named(records: list[bytes], check: VerifyAt, outside: Outside | None) -> int | None:
    try:
        verify(records, check, outside)
    except BadRecordError as error:
        return error.record
    return None
