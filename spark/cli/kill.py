"""
`spark kill`: no new order from now on, and the word of everybody who could send one.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.exit_codes import ExitCode
from spark.cli.options import LOCAL_PERSON, AsOption, ReasonOption
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.cli.kill_desk import Killed
    from spark.ops.kill import Confirmed


def kill(
    *,
    reason: ReasonOption,
    account: Annotated[
        str, typer.Option(help="One account alone; without the latch, so Kafka must be up.")
    ] = "",
    cancel_open: Annotated[
        bool, typer.Option("--cancel-open", help="Then take back every order that rests.")
    ] = False,
    wait: Annotated[
        float,
        typer.Option(parser=parse_duration, metavar="SPAN", help="How long to wait to be obeyed."),
    ] = "10s",  # type: ignore[assignment]
    person: AsOption = LOCAL_PERSON,
    as_json: JsonOption = False,
) -> None:
    """
    Stop new orders now; cancels pass. Ends with 5 where somebody has not confirmed.
    """
    from spark.cli.kill_desk import kill_now

    killed = asyncio.run(
        kill_now(reason, account=account, person=person, cancels=cancel_open, wait_s=wait)
    )
    if as_json:
        print_json(kill_object(killed))
    else:
        _print(killed)
    for missing in killed.unconfirmed:
        say(f"NOT CONFIRMED: {missing}")
    raise typer.Exit(ExitCode.UNAVAILABLE if killed.unconfirmed else ExitCode.OK)


def kill_object(killed: "Killed") -> dict[str, object]:
    """Turn a kill into what `--json` prints."""
    report, taken_back = killed.report, killed.taken_back
    return {
        "halt": report.kill.halt,
        "account": report.kill.account or None,
        "latch_file": None if report.latch is None else str(report.latch),
        "offset": report.offset,
        "kafka": report.kafka_down or "up",
        "confirmed": [
            {
                "role": holder.role,
                "instance": holder.instance,
                "halted_ms": one.halted_ms,
                "drained_ms": one.drained_ms,
                "in_flight": list(one.in_flight),
            }
            for holder, one in sorted(report.holders.items())
        ],
        "cancelled": None
        if taken_back is None
        else {
            "asked": taken_back.asked,
            "closed": taken_back.closed,
            "open": list(taken_back.open),
        },
        "unconfirmed": killed.unconfirmed,
    }


def _print(killed: "Killed") -> None:
    report, taken_back = killed.report, killed.taken_back
    whom = report.kill.account or "every account"
    print_line(f"killed {whom}: {report.kill.halt}")
    if report.latch is not None:
        print_line(f"  latch    {report.latch}")
    if report.offset is not None:
        print_line(f"  log      control.halt@{report.offset}")
    if report.kafka_down:
        print_line(f"  log      NOT written: {report.kafka_down}")
        print_line("  the file alone stops guardrail, signer and gateway; nobody's word was read")
    for holder, one in sorted(report.holders.items()):
        print_line(f"  {holder.role:<10} {_how_far(one)}  {holder.instance}")
    if taken_back is not None:
        print_line(f"  cancels  {taken_back.asked} asked, {taken_back.closed} closed")
        for order in taken_back.open:
            print_line(f"  OPEN     {order}")
    print_line("to go on: spark resume --reason …")


def _how_far(one: "Confirmed") -> str:
    halted = "SILENT" if one.halted_ms is None else f"halted {one.halted_ms} ms"
    drained = "NOT DRAINED" if one.drained_ms is None else f"drained {one.drained_ms} ms"
    flying = f"{len(one.in_flight)} in flight then"
    return f"{halted:<14} {drained:<16} {flying}"
