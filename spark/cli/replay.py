"""
`spark replay`: what was decided, decided again.
"""

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spark.cli.exit_codes import ExitCode
from spark.cli.output import JsonOption, print_json, print_line

if TYPE_CHECKING:
    from spark.ops.replay_decisions import Outcome

app = typer.Typer(no_args_is_help=True, help="Make what was decided again, from the log.")

_NS_PER_S: Final = 1_000_000_000


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no moment; write 2026-10-28T12:45+03:00") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@app.command("decisions")
def decisions(
    *,
    account: Annotated[str, typer.Option(help="One account; all by default.")] = "",
    since: Annotated[
        datetime | None,
        typer.Option("--from", parser=_moment, metavar="TIME", help="From intents of this time."),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option("--to", parser=_moment, metavar="TIME", help="Up to this time; UTC."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """
    Make recorded decisions again and compare bytes; the first difference is shown, with its cause.
    """
    from spark.cli.replay_decisions_desk import replay

    outcomes, seconds = asyncio.run(
        replay(account, since_ns=_ns(since, 0), until_ns=_ns(until, 2**63 - 1))
    )
    total = sum(one.decisions for one in outcomes)
    identical = sum(one.identical for one in outcomes)
    if as_json:
        print_json(
            {
                "decisions": total,
                "identical": identical,
                "different": total - identical,
                "seconds": round(seconds, 3),
                "partitions": [_plain(one) for one in outcomes],
            }
        )
    else:
        for one in outcomes:
            _print(one)
        rate = total / seconds if seconds else 0
        print_line(f"{identical} of {total} identical, {seconds:.1f} s, {rate:.0f} decisions/s")
    if identical != total:
        raise typer.Exit(ExitCode.VERIFICATION)


def _print(outcome: "Outcome") -> None:
    print_line(
        f"partition {outcome.partition}: {outcome.decisions} decisions "
        f"({outcome.approved} approved, {outcome.refused} refused) of {outcome.fences} guardrail "
        f"starts, {outcome.identical} identical"
    )
    if outcome.first is None:
        return
    print_line(f"  first difference: offset {outcome.first.offset}, {outcome.first.intent_id}")
    print_line(f"  cause: {outcome.first.cause}")
    for name, (before, after) in outcome.first.fields.items():
        print_line(f"    {name}: was {before}, is {after}")


def _plain(outcome: "Outcome") -> dict[str, object]:
    first = outcome.first
    return {
        "partition": outcome.partition,
        "decisions": outcome.decisions,
        "identical": outcome.identical,
        "approved": outcome.approved,
        "refused": outcome.refused,
        "guardrail_starts": outcome.fences,
        "first_difference": None
        if first is None
        else {
            "offset": first.offset,
            "intent_id": first.intent_id,
            "cause": first.cause,
            "fields": {name: list(pair) for name, pair in first.fields.items()},
        },
    }


def _ns(moment: datetime | None, default: int) -> int:
    return default if moment is None else int(moment.timestamp()) * _NS_PER_S
