"""
Options that several commands have in common; light, because help reads them all.
"""

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spark.cli.durations import parse_duration

if TYPE_CHECKING:
    from spark.names import Venue

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


class VenueChoice(StrEnum):
    """Exchanges of a stack."""

    BINANCE = "binance"
    BTCTURK = "btcturk"
    ALL = "all"


VenueOption = Annotated[
    VenueChoice | None,
    typer.Option(help="Exchanges to work with; else SPARK_VENUES, else binance."),
]


def chosen_venues(choice: VenueChoice | None) -> "tuple[Venue, ...]":
    """Read the choice; empty where nobody chose."""
    from spark.embedded.processes import SIMULATORS

    if choice is None:
        return ()
    return tuple(one for one in SIMULATORS if choice in (VenueChoice.ALL, one.value))
