"""
What a command prints: data on stdout, everything else on stderr.

With `--json` stdout holds exactly one object, also when the command fails.
"""

import sys
from collections.abc import Mapping
from typing import Annotated

import orjson
import typer

from spark.errors import SparkError

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on stdout, nothing else.")
]


def print_json(value: Mapping[str, object]) -> None:
    """Print the command's one object."""
    sys.stdout.write(orjson.dumps(value).decode() + "\n")
    sys.stdout.flush()


def print_line(text: str = "") -> None:
    """Print a line of data for a person."""
    sys.stdout.write(text + "\n")


def say(text: str) -> None:
    """Print a line about the work, which is no data."""
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def print_error(error: SparkError, *, as_json: bool) -> None:
    """Print a failure: one line for a person and, where asked, the one object."""
    say(f"error: {error}")
    if as_json:
        print_json(
            {
                "error": str(error),
                "kind": type(error).__name__,
                "exit_code": int(error.exit_code),
            }
        )
