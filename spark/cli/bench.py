"""
`spark bench`: the order path and the feed path, measured on a stack of their own.
"""

import asyncio
from collections.abc import Mapping
from typing import Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.options import VenueOption, chosen_venues
from spark.cli.output import JsonOption, print_json, print_line, say

app = typer.Typer(no_args_is_help=True, help="Measure the order path and the feed path.")

RunsOption = Annotated[int, typer.Option(min=1, max=100, help="Medians are over the runs.")]
SecondsOption = Annotated[
    float, typer.Option(parser=parse_duration, metavar="SPAN", help="Length of each run.")
]
WarmOption = Annotated[
    float, typer.Option(parser=parse_duration, metavar="SPAN", help="Traffic before the first.")
]
AttachOption = Annotated[
    bool, typer.Option("--attach", help="Measure the running stack, not one made for it.")
]


@app.command("order")
def order_path(
    *,
    rate: Annotated[float, typer.Option(min=1, help="Intents a second.")] = 100.0,
    seconds: SecondsOption = "30s",  # type: ignore[assignment]
    runs: RunsOption = 5,
    warm: WarmOption = "60s",  # type: ignore[assignment]
    attach: AttachOption = False,
    as_json: JsonOption = False,
) -> None:
    """
    Place→ACK of the whole pipeline against the raw chain of the same run.
    """
    from spark.bench.order import OrderBench
    from spark.cli.bench_stacks import measure_orders

    bench = OrderBench(rate=rate, seconds=seconds, runs=runs, warm_seconds=warm)
    print_figures(asyncio.run(measure_orders(bench, say, is_attached=attach)), as_json=as_json)


@app.command("feed")
def feed_path(
    *,
    rate: Annotated[
        int | None, typer.Option(min=1, help="Frames a second; flat out when not given.")
    ] = None,
    seconds: SecondsOption = "20s",  # type: ignore[assignment]
    runs: RunsOption = 5,
    warm: WarmOption = "20s",  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """
    Feed→DB from the socket to the COMMIT, against a raw COPY.
    """
    from spark.bench.feed_result import FeedBench
    from spark.cli.bench_stacks import measure_feed

    bench = FeedBench(rate=rate, seconds=seconds, runs=runs, warm_seconds=warm)
    print_figures(asyncio.run(measure_feed(bench, say)), as_json=as_json)


@app.command("gateway")
def gateway(
    *,
    orders: Annotated[int, typer.Option(min=100, max=50_000, help="In each run.")] = 5_000,
    runs: RunsOption = 5,
    concurrency: Annotated[int, typer.Option(min=2, max=64, help="Requests in flight.")] = 32,
    as_json: JsonOption = False,
) -> None:
    """
    Orders a second of the gateway and the simulated exchange alone, on two cores.
    """
    import uvloop

    from spark.bench.gateway import GatewayBench, bench_gateway

    bench = GatewayBench(orders=orders, runs=runs, concurrency=concurrency)
    print_figures(uvloop.run(bench_gateway(bench, say)), as_json=as_json)


@app.command("guards")
def guards(
    *,
    intents: Annotated[int, typer.Option(min=1_000, help="Decisions in each run.")] = 1_000_000,
    runs: RunsOption = 3,
    as_json: JsonOption = False,
) -> None:
    """
    Decisions a second on one core, every guard on; pure, without servers.
    """
    from spark.bench.guards import GuardsBench, bench_guards

    print_figures(bench_guards(GuardsBench(intents=intents, runs=runs), say), as_json=as_json)


@app.command("book")
def book(
    *,
    differences: Annotated[
        int, typer.Option(min=1_000, help="Levels that change in each run.")
    ] = 1_000_000,
    runs: RunsOption = 5,
    as_json: JsonOption = False,
) -> None:
    """
    Differences a second that each exchange's local book takes on one core; without servers.
    """
    from spark.bench.book import BookBench, bench_book

    print_figures(bench_book(BookBench(differences=differences, runs=runs), say), as_json=as_json)


@app.command("restart")
def restart(
    *,
    rounds: Annotated[int, typer.Option(min=1, max=1_000, help="Kills of every process.")] = 10,
    rate: Annotated[float, typer.Option(min=1, help="Intents a second.")] = 100.0,
    venue: VenueOption = None,
    as_json: JsonOption = False,
) -> None:
    """
    From kill -9 to a process's first useful record, one at a time, under load.
    """
    from spark.bench.restart import RestartBench
    from spark.cli.bench_stacks import measure_restarts

    bench = RestartBench(rounds=rounds, rate=rate, venues=chosen_venues(venue))
    print_figures(asyncio.run(measure_restarts(bench, say)), as_json=as_json)


@app.command("audit")
def audit(
    *,
    records: Annotated[int, typer.Option(min=1_000, help="In each run.")] = 200_000,
    runs: RunsOption = 5,
    broker: Annotated[bool, typer.Option(help="Measure against a broker as well.")] = True,
    as_json: JsonOption = False,
) -> None:
    """
    Audited records a second that are chained and written, and that are verified.
    """
    from spark.bench.audit import AuditBench, bench_pure
    from spark.cli.bench_stacks import measure_audit

    bench = AuditBench(records=records, runs=runs)
    found = bench_pure(bench, say)
    if broker:
        found |= asyncio.run(measure_audit(bench))
    print_figures(found, as_json=as_json)


def print_figures(found: Mapping[str, object], *, as_json: bool) -> None:
    """Print what was measured."""
    if as_json:
        print_json(found)
        return
    for name, value in found.items():
        print_line(f"{name:<24} {_text(value)}")


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        return "  ".join(f"{name} {_text(part)}" for name, part in value.items())
    if isinstance(value, list):
        return " ".join(_text(part) for part in value)
    return f"{value:,.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
