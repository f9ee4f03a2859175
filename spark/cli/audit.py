"""
`spark audit`: the tail of the audit trail, its verification, its export.
"""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.durations import parse_duration
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.audit import Report
    from spark.ops.audit_reader import NumberedLine

app = typer.Typer(no_args_is_help=True, help="The audit trail: tail, verify, export.")

_MS_PER_S = 1000
_HEAD_DIGITS = 16


@app.command("tail")
def tail_lines(
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    intent: Annotated[str, typer.Option(help="Only of this intent.")] = "",
    kind: Annotated[str, typer.Option(help="Only of this kind, as order_acked.")] = "",
    account: Annotated[str, typer.Option(help="Only of this account.")] = "",
    since: Annotated[
        float | None,
        typer.Option(parser=parse_duration, metavar="SPAN", help="Only of the last 10m, 1h."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Show the latest audited records: number, time, kind, place, intent, digest.
    """
    from spark.cli.audit_desk import Filters, follow_trail, latest_lines

    if follow and as_json:
        raise typer.BadParameter("--json prints one object, so it cannot follow")
    filters = Filters(intent=intent, kind=kind, account=account, since_s=since)
    lines = asyncio.run(latest_lines(count, filters))
    if as_json:
        print_json({"lines": [{"number": one.number, **asdict(one.line)} for one in lines]})
        return
    for one in lines:
        print_line(line_text(one))
    if follow:
        asyncio.run(follow_trail(filters, lambda one: print_line(line_text(one))))


@app.command()
def verify(
    *,
    file: Annotated[
        Path | None, typer.Option(help="An exported trail, instead of the log.")
    ] = None,
    key: Annotated[Path | None, typer.Option(help="The auditor's public key.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every line with its record on the log.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Verify the chain and its signatures from the first record on; exit 7 where they do not hold.
    """
    from spark.cli.audit_desk import verify_exported, verify_running

    if file is not None and deep:
        raise typer.BadParameter("--deep needs the log; --file verifies a copy")
    compared = None
    if file is not None:
        report = verify_exported(file, key)
    else:
        report, compared = asyncio.run(verify_running(key, is_deep=deep))
    if as_json:
        print_json({**asdict(report), "compared_with_log": compared})
    else:
        _print_report(report, compared)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Written anew; must not exist.")],
    *,
    as_json: JsonOption = False,
) -> None:
    """
    Write the trail to a file that `spark audit verify --file` verifies anywhere.
    """
    from spark.cli.audit_desk import export_running

    count = asyncio.run(export_running(file))
    if as_json:
        print_json({"file": str(file), "records": count})
    else:
        say(f"{count} records written to {file}")


def line_text(one: "NumberedLine") -> str:
    """Write one line of the trail."""
    from datetime import UTC, datetime

    line = one.line
    at = datetime.fromtimestamp(line.appended_ms / _MS_PER_S, UTC).strftime("%H:%M:%S.%f")[:-3]
    place = f"{line.topic}/{line.partition}@{line.offset}"
    what = f"{line.kind:<20} {place:<28} {line.intent_id:<26}"
    return f"#{one.number:<8} {at}  {what} {line.sha256[:12]}"


def _print_report(report: "Report", compared: int | None) -> None:
    print_line(f"audit · {report.pages} pages · {report.lines} lines · {report.fences} tenures")
    print_line("  ✓ hash chain unbroken, pages and lines numbered without a gap")
    print_line(f"  ✓ {report.checkpoints} signed checkpoints verify")
    if report.unsigned_lines:
        print_line(f"  · {report.unsigned_lines} lines came after the last signature")
    if report.void:
        print_line(f"  · {report.void} records of epochs that were over, which count for nothing")
    if compared is not None:
        print_line(f"  ✓ {compared} records on the log are the ones that were audited")
    anchored = "anchored outside" if report.is_anchored else "self-consistent, NOT anchored"
    print_line(f"head {report.head[:_HEAD_DIGITS]} · {anchored}")
