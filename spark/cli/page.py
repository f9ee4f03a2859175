"""
The runbook's page on the command line: `python -m spark.cli.page` writes it anew.

Run it after a change of a command or of exit_codes.py; a test holds them together.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import typer
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

from spark.cli.app import app
from spark.cli.exit_codes import MEANING

PAGE: Final = Path(__file__).parents[2] / "runbook" / "cli.md"
_HEAD: Final = """\
# The command line

Generated from `spark/cli` by `python -m spark.cli.page`; do not edit.

`.venv/bin/spark`, or `spark` after `. .venv/bin/activate`. Every command has `--help`.

- stdout is data, stderr is progress and messages. `--json` prints exactly one object on stdout,
  also when the command fails: then with `error`, `kind` and `exit_code`.
- An operating error is one line that begins with `error:`. A traceback is a bug.
- No escape codes off a terminal; `NO_COLOR` is honoured; `spark up --progress plain` forces lines.
- A span is `250ms`, `30s`, `5m`, `1h`, or seconds without a unit.
- A command finds the stack through `run/stack.json` in its home: `SPARK_HOME`, else
  `/var/lib/spark/<SPARK_NAME>` for root and `$XDG_STATE_HOME/spark/<SPARK_NAME>` for others.
- Secrets are never options. What may be set is in [.env.example](../.env.example).

## Exit codes

| code | meaning |
| --- | --- |"""
_AFTER_CODES: Final = """
A process of the stack ends with the same codes; what to do then is in [restart.md](restart.md).

- `spark order place` and `spark order cancel` end with 0 when the exchange answered, 6 when Spark
  refused, 1 when the exchange refused, 5 when the outcome is unknown or nothing was heard in time.
- `spark kill` ends with 0 when everybody who could let an order through has halted and drained,
  with 5 where one has not said so, an order is open, or Kafka did not answer: the kill stands.
- `spark drill kill` ends with 8 where an order came after the confirmations, or one was missing.
- `spark resume`, `spark mode set`, `spark limits set` and `spark approve` end with 0 when every
  process that beats obeys, 5 when one was not heard of in time, 6 when it was refused or every
  reader ignores it, 9 when it waits for `spark approve`.
- `spark status` ends with 0 only when everything serves, and with 5 otherwise.
- `spark audit verify` ends with 7 where the trail does not hold, `spark db compare` with 7 where a
  table differs from the topics, `spark doctor` with 8 where a check fails, `spark db status` with 4
  where a migration is missing and 7 where one was changed.
- `spark access check` ends with 8 where one cell differs from the tables; a part that could not be
  walked is named with its reason and does not count."""
_TAIL: Final = """
The benchmarks start a stack of their own and remove it; the rest attaches to the running one.

## Development

| command | what |
| --- | --- |
| `make up`, `make up FOR=30s` | The environment, then the stack. |
| `make test` | Everything, on real servers. |
| `make check` | Lint, format, types, structure. |
| `make fuzz`, `make fuzz CASES=1000 SEED=7` | Broken input, every reader ([input.md](input.md)). |
| `make bench` | Both benchmarks. |
| `make clean` | Remove what make made; the stack's data stay. |
| `python -m spark.schemas` | Write `schemas/` anew. |
| `python -m spark.cli.page`, `python -m spark.ops.pages` | Write the generated pages anew. |

Not there yet: ramp, canary, backtest.
"""
_PANELS: Final = ("Run", "Trade", "Control", "Observe", "Maintain")
#: Every command has these, or nobody looks for them here.
_EVERYWHERE: Final = frozenset({"--json", "--help", "--version"})


def page() -> str:
    """Write the page."""
    lines = [_HEAD, *(f"| {code.value} | {meaning} |" for code, meaning in MEANING.items())]
    lines.append(_AFTER_CODES)
    panel = ""
    for group, name, command in commands_of(typer.main.get_command(app)):
        if group != panel:
            panel = group
            lines += [f"\n## {panel}\n", "| command | what | options |", "| --- | --- | --- |"]
        lines.append(_row(name, command))
    return "\n".join([*lines, _TAIL])


def commands_of(root: object) -> Iterator[tuple[str, str, TyperCommand]]:
    """List commands by their panel, in the order of the panels: panel, full name, command."""
    assert isinstance(root, TyperGroup), "there are several commands"
    found: dict[str, list[tuple[str, TyperCommand]]] = {panel: [] for panel in _PANELS}
    for name, command in root.commands.items():
        assert isinstance(command, TyperGroup | TyperCommand), "typer made it"
        panel = found[str(command.rich_help_panel)]
        if isinstance(command, TyperCommand):
            panel.append((name, command))
            continue
        for under, one in command.commands.items():
            assert isinstance(one, TyperCommand), "groups are one deep"
            panel.append((f"{name} {under}", one))
    for title, commands in found.items():
        yield from ((title, name, command) for name, command in commands)


def _row(name: str, command: TyperCommand) -> str:
    arguments = [_value(one) for one in command.params if isinstance(one, TyperArgument)]
    options = [
        _option(one)
        for one in command.params
        if isinstance(one, TyperOption) and not _EVERYWHERE & set(one.opts)
    ]
    words = " ".join(["spark", name, *arguments])
    text = (command.help or "").strip().splitlines()[0]
    return f"| `{words}` | {text} | {'<br>'.join(options)} |"


def _option(one: TyperOption) -> str:
    words = ", ".join([*one.opts, *one.secondary_opts])
    value = "" if one.is_flag else f" {_value(one)}"
    text = f" {one.help}" if one.help else ""
    return f"`{words}{value}`{text}".replace("|", r"\|")


def _value(one: TyperArgument | TyperOption) -> str:
    return one.metavar or str(one.name).upper()


def main() -> None:
    """Write the page's file."""
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
