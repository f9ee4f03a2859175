"""
The commands, by group; each imports what it needs when it runs, so that help is quick.
"""

import sys
from typing import Annotated, NoReturn

import typer

from spark import __version__
from spark.cli import (
    access,
    audit,
    bench,
    breaker,
    db,
    doctor,
    drill,
    keys,
    kill,
    limits,
    mode,
    order,
    reconcile,
    replay,
    replay_feed,
    resume,
    session,
    simulate,
    status,
    topics,
    unknown,
    up,
)
from spark.cli.output import print_error, print_line
from spark.errors import SparkError

app = typer.Typer(
    name="spark",
    help="Event-driven trading on Kafka. Exit codes: runbook/cli.md.",
    no_args_is_help=True,
    add_completion=False,
    # An operating error is one line; a bug's traceback must not show locals (S18).
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
_RUN = "Run"
_TRADE = "Trade"
_CONTROL = "Control"
_OBSERVE = "Observe"
_MAINTAIN = "Maintain"

app.command("up", rich_help_panel=_RUN)(up.up)
app.command("down", rich_help_panel=_RUN)(up.down)
app.add_typer(simulate.app, name="simulate", rich_help_panel=_RUN)
app.add_typer(order.app, name="order", rich_help_panel=_TRADE)
app.add_typer(session.app, name="session", rich_help_panel=_OBSERVE)
app.add_typer(limits.app, name="limits", rich_help_panel=_CONTROL)
app.add_typer(mode.app, name="mode", rich_help_panel=_CONTROL)
app.add_typer(breaker.app, name="breaker", rich_help_panel=_CONTROL)
app.add_typer(reconcile.app, name="reconcile", rich_help_panel=_OBSERVE)
app.add_typer(unknown.app, name="unknown", rich_help_panel=_CONTROL)
app.command("kill", rich_help_panel=_CONTROL)(kill.kill)
app.command("resume", rich_help_panel=_CONTROL)(resume.resume)
app.command("approve", rich_help_panel=_CONTROL)(resume.approve)
app.command("proposals", rich_help_panel=_CONTROL)(resume.proposals)
app.add_typer(replay.app, name="replay", rich_help_panel=_OBSERVE)
app.command("replay-feed", rich_help_panel=_MAINTAIN)(replay_feed.replay_feed)
app.add_typer(audit.app, name="audit", rich_help_panel=_OBSERVE)
app.command("status", rich_help_panel=_OBSERVE)(status.status)
app.command("topics", rich_help_panel=_OBSERVE)(topics.topics)
app.command("doctor", rich_help_panel=_MAINTAIN)(doctor.doctor)
app.add_typer(access.app, name="access", rich_help_panel=_MAINTAIN)
app.add_typer(bench.app, name="bench", rich_help_panel=_MAINTAIN)
app.add_typer(drill.app, name="drill", rich_help_panel=_MAINTAIN)
app.add_typer(keys.app, name="keys", rich_help_panel=_MAINTAIN)
app.add_typer(db.app, name="db", rich_help_panel=_MAINTAIN)


@app.command("run", rich_help_panel=_RUN)
def run(
    process: Annotated[str, typer.Argument(help="guardrail, signer, gateway, auditor, …")],
    partitions: Annotated[
        str, typer.Option(help="Partitions to take, as 0-3 or 0,2; all by default.")
    ] = "",
) -> None:
    """
    Run one Spark process in the foreground; `spark up` runs them all.
    """
    from spark.cli.run import run as run_process

    run_process(process, partitions)


def main() -> NoReturn:
    """Run one command and end the process with a code of exit_codes.py."""
    try:
        app(prog_name="spark")
    except SparkError as error:
        print_error(error, as_json="--json" in sys.argv)
        sys.exit(int(error.exit_code))
    except BrokenPipeError:
        # The reader of our output has gone, which is its right; nothing is left to say.
        sys.stderr.close()
    sys.exit(0)


def _print_version(*, is_wanted: bool) -> None:
    if is_wanted:
        print_line(f"spark {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Print the version.", is_eager=True, callback=_print_version
        ),
    ] = False,
) -> None:
    pass
