"""
`spark status`: what runs, and how it is.
"""

import asyncio
from time import monotonic
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, print_line

if TYPE_CHECKING:
    from spark.embedded.state import StackState
    from spark.embedded.view import Latency, StackView

_POLL_S = 0.25


def status(
    *,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until everything serves.")] = False,
    timeout: Annotated[
        float, typer.Option(parser=parse_duration, metavar="SPAN", help="How long to wait.")
    ] = "60s",  # type: ignore[assignment]
    as_json: JsonOption = False,
) -> None:
    """
    Show the running stack: its processes, its latencies, its kill switch.
    """
    state, view = asyncio.run(_find(timeout if wait else 0.0))
    if as_json:
        print_json(_as_json(state, view))
    else:
        _print(state, view)
    raise typer.Exit(ExitCode.OK if _is_whole(state, view) else ExitCode.UNAVAILABLE)


async def _find(wait_s: float) -> "tuple[StackState, StackView]":
    from spark.cli.attach import attach
    from spark.embedded.watch import Watch
    from spark.errors import NotRunningError

    deadline = monotonic() + wait_s
    while True:
        try:
            found = attach()
            children = found.state.children
            view = await Watch(found.home, lambda known=children: known).look()  # type: ignore[misc]
            if _is_whole(found.state, view) or monotonic() >= deadline:
                return found.state, view
        except NotRunningError:
            if monotonic() >= deadline:
                raise
        await asyncio.sleep(_POLL_S)


def _is_whole(state: "StackState", view: "StackView") -> bool:
    return state.phase == "running" and view.ready == len(view.children)


def _print(state: "StackState", view: "StackView") -> None:
    from spark.embedded import screen_text as words

    print_line(f"stack {state.name} · {state.phase} · pid {state.supervisor.pid} · {state.home}")
    print_line(f"mode {state.mode.upper()} on endpoint {state.endpoint}")
    print_line(words.isolation(state.isolation_reason))
    print_line(f"Kafka {state.kafka_bootstrap} · PostgreSQL {state.database_url}")
    for venue, place in state.simulators.items():
        print_line(f"exchange {place.url} ({venue} simulator)")
    print_line()
    for child in view.children:
        pid = "" if child.pid is None else str(child.pid)
        print_line(f"  {child.name:<18} {pid:>8}  {words.child_line(child)}")
    print_line()
    for name, latency in (("Place→ACK", view.place_ack), ("Feed→DB", view.feed_to_db)):
        quantiles = "  ".join(
            f"{label} {words.quantile(latency, value)}"
            for label, value in (
                ("p50", latency.p50_ms),
                ("p95", latency.p95_ms),
                ("p99", latency.p99_ms),
            )
        )
        print_line(f"  {name:<12} {quantiles}  n {latency.total:,}")
    print_line(
        f"  kill {words.kill(view)} · decisions {words.counted(view.decisions)} · "
        f"refusals {words.counted(view.blocks)}"
    )


def _as_json(state: "StackState", view: "StackView") -> dict[str, object]:
    return {
        "name": state.name,
        "phase": state.phase.value,
        "pid": state.supervisor.pid,
        "home": str(state.home),
        "mode": state.mode.value,
        "endpoint": state.endpoint.value,
        "isolated": state.is_isolated,
        "isolation_reason": state.isolation_reason,
        "kafka_bootstrap": state.kafka_bootstrap,
        "database_url": state.database_url,
        "simulator_url": state.simulator_url,
        "venues": {venue.value: place.url for venue, place in state.simulators.items()},
        "processes": {
            child.name: {
                "state": child.state.value,
                "pid": child.pid,
                "restarts": child.restarts,
                "detail": child.detail,
                "lag_records": view.lag_records.get(child.name),
            }
            for child in view.children
        },
        "place_ack_ms": _latency(view.place_ack),
        "feed_to_db_ms": _latency(view.feed_to_db),
        "killed": view.is_killed,
        "decisions": dict(view.decisions),
        "refusals": dict(view.blocks),
        "rows_written": view.rows_written,
        "records_audited": view.records_audited,
    }


def _latency(latency: "Latency") -> dict[str, object]:
    return {
        "p50": latency.p50_ms,
        "p95": latency.p95_ms,
        "p99": latency.p99_ms,
        "n": latency.total,
    }
