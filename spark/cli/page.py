"""
The runbook's page on the command line: `python -m spark.cli.page` writes it anew.

Run it after a change of a command or of exit_codes.py; a test holds them together.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer

from spark.cli.app import app
from spark.cli.exit_codes import MEANING

PAGE: Final = Path(__file__).parents[2] / "runbook" / "cli.md"
_HEAD: Final = """\
# The command line

Generated from `spark/cli` by `python -m spark.cli.page`; do not edit.

- stdout is data, stderr is progress and messages. `--json` prints exactly one object on stdout,
  also when the command fails: then with `error`, `kind` and `exit_code`.
- No escape codes off a terminal; `NO_COLOR` is honoured; `spark up --progress plain` forces lines.
- A command finds the stack through `run/stack.json` in its home: `SPARK_HOME`, else
  `/var/lib/spark/<SPARK_NAME>` for root and `$XDG_STATE_HOME/spark/<SPARK_NAME>` for others.
- Secrets are never options. What may be set is in `.env.example`.

"""


def page() -> str:
    """Write the page."""
    codes = [f"| {code.value} | {meaning} |" for code, meaning in MEANING.items()]
    commands = [f"| `spark {name}` | {help_text} |" for name, help_text in commands_of(app)]
    return "\n".join(
        [
            f"{_HEAD}## Exit codes\n\n| code | meaning |\n|---|---|",
            *codes,
            "\n## Commands\n\n`-h` after any of them lists its options.\n",
            "| command | what |\n|---|---|",
            *commands,
            "",
        ]
    )


def commands_of(group: typer.Typer, above: str = "") -> Iterator[tuple[str, str]]:
    """List commands with the first line of their help, groups after single commands."""
    for command in group.registered_commands:
        assert command.callback is not None, "a command does something"
        name = command.name or command.callback.__name__
        text = (command.callback.__doc__ or "").strip().splitlines()[0]
        yield f"{above}{name}", text
    for inner in group.registered_groups:
        assert inner.typer_instance is not None, "a group has commands"
        yield from commands_of(inner.typer_instance, f"{above}{inner.name} ")


def main() -> None:
    """Write the page's file."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
