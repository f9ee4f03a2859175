"""
`spark doctor`: every check, its finding, its remedy.
"""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, print_line, say

if TYPE_CHECKING:
    from spark.ops.doctor import Result

_MARK = {"ok": "✓", "warning": "!", "failure": "✗"}
_WIDTH = 16


def doctor(
    *,
    only: Annotated[str, typer.Option(metavar="A,B", help="Only these checks.")] = "",
    as_json: JsonOption = False,
) -> None:
    """
    Look at this machine and its stack; exit 8 when something is wrong.
    """
    from spark.cli.doctor_room import all_checks
    from spark.ops.doctor import examine

    checks, notice = all_checks()
    if only:
        wanted = {name.strip() for name in only.split(",")}
        unknown = wanted - {check.name for check in checks}
        if unknown:
            names = ", ".join(check.name for check in checks)
            raise typer.BadParameter(f"{min(unknown)!r} is none of {names}")
        checks = [check for check in checks if check.name in wanted]
    if notice:
        say(notice)
    each = (lambda _: None) if as_json else _print
    results = asyncio.run(examine(checks, each))
    levels = [result.level.value for result in results]
    counts = {name: levels.count(name) for name in _MARK}
    if as_json:
        print_json({"counts": counts, "checks": [_object(result) for result in results]})
    else:
        print_line(
            f"{counts['ok']} ok · {counts['warning']} warnings · {counts['failure']} failures"
        )
    raise typer.Exit(ExitCode.GATE if counts["failure"] else ExitCode.OK)


def _print(result: "Result") -> None:
    for finding in result.findings:
        fix = f"\n{'':{_WIDTH + 5}}fix: {finding.fix}" if finding.fix else ""
        print_line(f"  {_MARK[finding.level]} {result.name:<{_WIDTH}} {finding.text}{fix}")


def _object(result: "Result") -> dict[str, object]:
    return {
        "name": result.name,
        "level": result.level.value,
        "findings": [
            {"level": finding.level.value, "text": finding.text, "fix": finding.fix or None}
            for finding in result.findings
        ],
    }
