"""
What the feed benchmark found, out of what it saw. Pure.
"""

from dataclasses import asdict, dataclass
from statistics import median
from typing import Final

from spark.bench.figures import Quantiles, Stall, median_of, outside_stalls, quantiles
from spark.bench.probe import Usage
from spark.errors import SparkError

_NS_PER_S: Final = 1e9
_NS_PER_MS: Final = 1e6
#: Flat out, what is committed right after the start still fills the pipe.
_FILL_S: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedBench:
    """One benchmark's parameters."""

    #: Frames a second; None is flat out.
    rate: int | None = None
    seconds: float = 20.0
    runs: int = 1
    warm_seconds: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run as it was played; the samples come at the end of all."""

    started_ns: int
    sent_until_ns: int
    frames: int
    drained_s: float
    load_cpu_us: float
    raw_rows_per_s: float
    usage: Usage
    stalls: list[Stall]
    machine_busy_pct: float


def result(
    bench: FeedBench, runs: list[Run], samples: list[tuple[int, int, int]]
) -> dict[str, object]:
    """
    Put together what `--json` prints.

    Args:
        samples: committed, received, rows of every transaction.

    Raises:
        SparkError: a run committed nothing.

    """
    figures = [_figures(bench, run, samples) for run in runs]
    raw = median(run.raw_rows_per_s for run in runs)
    rows_per_s = median(one.rows_per_s for one in figures)
    names = runs[-1].usage.cpu_us
    return {
        "feed_to_db_ms": asdict(median_of([one.ages_ms for one in figures])),
        "feed_to_db_ms_stall_free": asdict(median_of([one.calm_ages_ms for one in figures])),
        "feed_to_db_ms_by_run": [asdict(one.ages_ms) for one in figures],
        "rows": [one.rows for one in figures],
        "rows_per_s": round(rows_per_s),
        "raw_copy_rows_per_s": round(raw),
        "ratio": round(rows_per_s / raw, 3),
        "commits_per_s": round(median(one.commits_per_s for one in figures)),
        "rate_asked": bench.rate,
        "runs": len(runs),
        "stalls": [len(run.stalls) for run in runs],
        "machine_busy_pct": [run.machine_busy_pct for run in runs],
        "drained_s": [round(run.drained_s, 3) for run in runs],
        "cpu_us_per_row": {
            name: round(
                median(
                    run.usage.cpu_us[name] / one.rows
                    for run, one in zip(runs, figures, strict=True)
                ),
                2,
            )
            for name in names
        }
        | {"load": round(median(run.load_cpu_us / run.frames for run in runs), 2)},
        "rss_mb": dict(runs[-1].usage.rss_mb),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Figures:
    rows: int
    rows_per_s: float
    commits_per_s: float
    ages_ms: Quantiles
    calm_ages_ms: Quantiles


def _figures(bench: FeedBench, run: Run, samples: list[tuple[int, int, int]]) -> _Figures:
    mine = [
        (received_ns, committed_ns, rows)
        for committed_ns, received_ns, rows in samples
        if run.started_ns <= received_ns <= run.sent_until_ns + run.drained_s * _NS_PER_S
    ]
    from_ns = run.started_ns + (_FILL_S * _NS_PER_S if bench.rate is None else 0)
    in_time = [(at_ns, rows) for _, at_ns, rows in mine if from_ns <= at_ns <= run.sent_until_ns]
    span_s = (run.sent_until_ns - from_ns) / _NS_PER_S
    ages = _ages_ms(mine)
    calm = _ages_ms(outside_stalls(mine, run.stalls))
    if ages is None:
        raise SparkError("no row was committed while the tape was played")
    return _Figures(
        rows=sum(rows for *_, rows in mine),
        rows_per_s=sum(rows for _, rows in in_time) / span_s,
        commits_per_s=len({at_ns for at_ns, _ in in_time}) / span_s,
        ages_ms=ages,
        calm_ages_ms=calm or ages,
    )


def _ages_ms(samples: list[tuple[int, int, int]]) -> Quantiles | None:
    return quantiles(
        (round((end_ns - start_ns) / _NS_PER_MS, 3), rows) for start_ns, end_ns, rows in samples
    )
