"""
Options that several commands have in common; light, because help reads them all.
"""

from typing import Annotated, Final

import typer

from spark.cli.durations import parse_duration

#: The person at the terminal of this machine.
LOCAL_PERSON: Final = "op-local"
DEFAULT_ACCOUNT: Final = "binance:main"

AccountOption = Annotated[str, typer.Option(help="Trading account.")]
AsOption = Annotated[str, typer.Option("--as", metavar="PERSON", help="As whom to speak.")]
ReasonOption = Annotated[str, typer.Option(metavar="TEXT", help="Why; it stays on the log.")]
YesOption = Annotated[bool, typer.Option("--yes", help="Do not ask; needed off a terminal.")]
ObeyedOption = Annotated[
    float,
    typer.Option(
        "--timeout", parser=parse_duration, metavar="SPAN", help="How long to wait to be obeyed."
    ),
]
