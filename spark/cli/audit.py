"""
`spark audit`: the audit trail's tail, its verification, its export, an order's life, a witness.
"""

import asyncio
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.audit_explain import explain
from spark.cli.audit_witness import witness
from spark.cli.durations import parse_duration
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.audit import Report
    from spark.cli.audit_desk import Verified
    from spark.ops.audit_reader import NumberedLine

app = typer.Typer(no_args_is_help=True, help="The audit trail: what happened, and that it did.")

app.command()(explain)
app.command()(witness)

_MS_PER_S = 1000
_HEAD_DIGITS = 16


@app.command("tail")
def tail_lines(
    *,
    count: Annotated[int, typer.Option("--count", "-n", min=1, max=10_000)] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until Ctrl-C.")] = False,
    intent: Annotated[str, typer.Option(help="Only of this intent.")] = "",
    order: Annotated[
        str, typer.Option(help="Only of this order, by its client order id or its intent's.")
    ] = "",
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
    from spark.cli.audit_desk import Filters, find_intent, follow_trail, latest_lines

    if intent and order:
        raise typer.BadParameter("--intent and --order: one of both")
    if follow and as_json:
        raise typer.BadParameter("--json prints one object, so it cannot follow")
    intent = asyncio.run(find_intent(order)) if order else intent
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
    key: Annotated[Path | None, typer.Option(help="The auditor's public keys.")] = None,
    anchors: Annotated[
        Path | None, typer.Option(help="Anchors and receipts that the auditor kept.")
    ] = None,
    receipts: Annotated[
        Path | None, typer.Option(help="A witness's own file; instead of --anchors.")
    ] = None,
    witness_key: Annotated[
        Path | None, typer.Option(help="The witness's public key; no receipt counts without it.")
    ] = None,
    table: Annotated[
        bool, typer.Option("--table", help="Compare with the anchors in PostgreSQL, too.")
    ] = False,
    deep: Annotated[
        bool, typer.Option("--deep", help="Compare every line with its record on the log.")
    ] = False,
    against_venue: Annotated[
        bool, typer.Option("--against-venue", help="Compare with the exchanges' own history, too.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """
    Verify the chain and its signatures from the first record on; exit 7 where they do not hold.
    """
    from spark.cli.audit_desk import Proofs, Verified, verify_exported, verify_running

    if file is not None and (deep or table or against_venue):
        raise typer.BadParameter(
            "--deep, --table and --against-venue need the stack; --file verifies a copy"
        )
    if anchors is not None and receipts is not None:
        raise typer.BadParameter("--anchors and --receipts: one of both")
    proofs = Proofs(key=key, anchors=anchors or receipts, witness_key=witness_key)
    if file is not None:
        found = Verified(report=verify_exported(file, proofs))
    else:
        found = asyncio.run(
            verify_running(proofs, has_table=table, is_deep=deep, is_against_venue=against_venue)
        )
    if as_json:
        report = {**asdict(found.report), "is_anchored": found.report.is_anchored}
        venues = [asdict(one) for one in found.held]
        print_json({**report, "compared_with_log": found.compared, "venues": venues})
    else:
        _print_report(found)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Written anew; must not exist.")],
    *,
    anchors: Annotated[
        Path | None, typer.Option(help="Copy anchors and receipts to this file as well.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Write the trail to a file that `spark audit verify --file` verifies anywhere.
    """
    from spark.cli.audit_desk import export_running

    count = asyncio.run(export_running(file, anchors))
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


def _print_report(found: "Verified") -> None:
    report, compared = found.report, found.compared
    print_line(f"audit · {report.pages} pages · {report.lines} lines · {report.fences} tenures")
    print_line("  ✓ hash chain unbroken, pages and lines numbered without a gap")
    print_line(f"  ✓ {report.checkpoints} signed checkpoints verify")
    if report.unsigned_lines:
        print_line(f"  · {report.unsigned_lines} lines came after the last signature")
    if report.void:
        print_line(f"  · {report.void} records of epochs that were over, which count for nothing")
    if compared is not None:
        print_line(f"  ✓ {compared} records on the log are the ones that were audited")
    if report.anchored_links:
        print_line(f"  ✓ {report.anchored_links} links are those that were anchored on this host")
    for one in found.held:
        others = f", {one.foreign} are not ours" if one.foreign else ""
        print_line(f"  ✓ {one.orders} orders at {one.account} are those of the log{others}")
        if one.unasked:
            print_line(f"  · {one.unasked} older ones were not asked for at {one.account}")
    print_line(f"head {report.head[:_HEAD_DIGITS]} · {anchored_text(report)}")


def anchored_text(report: "Report") -> str:
    """Say how far somebody outside would notice a change."""
    if not report.is_anchored:
        return "self-consistent, NOT anchored"
    return f"anchored outside up to record {report.anchored_record} ({report.witness})"
