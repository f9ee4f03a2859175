"""
Several runs of the crash drill as one matrix: what each counted, kept beside the page.

The page of a campaign is `FILE`, its counts stand in `FILE` with the suffix `.json`: with
`--matrix FILE --add` a run is added to what stands there, so that a thousand kills need
not come of one sitting. A run that failed is added like any other.
"""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from spark.bench.crash.tally import Row, Tally
from spark.errors import SettingError


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, in a line."""

    command: str
    kills: int
    rounds: int
    is_clean: bool


@dataclass(slots=True)
class Campaign:
    """All runs together."""

    runs: list[Run] = field(default_factory=list)
    tally: Tally = field(default_factory=lambda: Tally(seed=0))

    def add(self, command: str, tally: Tally) -> None:
        """
        Add a run.

        Args:
            command: that repeats it.

        """
        kills = tally.kills.total()
        run = Run(command=command, kills=kills, rounds=tally.rounds, is_clean=tally.is_clean)
        self.runs.append(run)
        mine = self.tally
        mine.rounds += tally.rounds
        mine.intents += tally.intents
        mine.orders += tally.orders
        mine.fills += tally.fills
        mine.resolved_by_persons += tally.resolved_by_persons
        mine.blows += tally.blows
        for ours, theirs in (
            (mine.kills, tally.kills),
            (mine.counts, tally.counts),
            (mine.protections, tally.protections),
        ):
            ours.update(theirs)
        for key, row in tally.rows.items():
            _add_row(mine.row(*key), row)
        for name, values in tally.restart_ms.items():
            mine.restart_ms.setdefault(name, []).extend(values)
        mine.skipped |= tally.skipped
        mine.missed |= tally.missed
        mine.failures += tally.failures


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A row with its place: what has two names cannot be a key of an object."""

    fault: str
    place: str
    row: Row


@dataclass(slots=True, kw_only=True)
class _Kept:
    """What stands in the file."""

    runs: list[Run]
    #: All but its rows.
    tally: Tally
    rows: list[_Place]


_KEPT: Final = TypeAdapter(_Kept)


def kept_beside(page: Path) -> Path:
    """Name the file of a page's counts."""
    return page.with_suffix(".json")


def read_campaign(path: Path) -> Campaign:
    """
    Read what earlier runs counted; nothing where there is no such file.

    Raises:
        SettingError: it cannot be read.

    """
    try:
        kept = _KEPT.validate_json(path.read_bytes())
    except FileNotFoundError:
        return Campaign()
    except OSError as error:
        raise SettingError(f"{path}: {error.strerror}") from None
    except ValidationError:
        raise SettingError(f"{path}: not the counts of a crash drill") from None
    kept.tally.rows = {(one.fault, one.place): one.row for one in kept.rows}
    return Campaign(kept.runs, kept.tally)


def write_campaign(path: Path, campaign: Campaign) -> None:
    """Write what all runs counted."""
    tally = campaign.tally
    rows = [_Place(fault=fault, place=place, row=row) for (fault, place), row in tally.rows.items()]
    tally.rows = {}
    kept = _Kept(runs=campaign.runs, tally=tally, rows=rows)
    path.write_bytes(_KEPT.dump_json(kept, indent=1) + b"\n")
    tally.rows = {(one.fault, one.place): one.row for one in rows}


def _add_row(mine: Row, other: Row) -> None:
    mine.times += other.times
    mine.kills += other.kills
    mine.missed += other.missed
    mine.fates = Counter(mine.fates) + Counter(other.fates)
    mine.restart_ms += other.restart_ms
