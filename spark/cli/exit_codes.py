"""
The one table of exit codes; every command of `spark` ends with one of these.

Scripts branch on the code, never on the text. An error's class carries its code
(spark/errors.py); a test holds the two files together.
"""

from enum import IntEnum
from typing import Final


class ExitCode(IntEnum):
    """What a finished command says to the shell."""

    OK = 0
    ERROR = 1
    #: The command line itself was wrong; typer's own number.
    USAGE = 2
    NOT_RUNNING = 3
    CONFIGURATION = 4
    UNAVAILABLE = 5
    REFUSED = 6
    VERIFICATION = 7
    GATE = 8
    WAITING = 9
    FENCED = 10
    INTERRUPTED = 130


MEANING: Final[dict[ExitCode, str]] = {
    ExitCode.OK: "done",
    ExitCode.ERROR: "an operating error",
    ExitCode.USAGE: "the command line is wrong",
    ExitCode.NOT_RUNNING: "no stack is running, or what was asked for does not exist",
    ExitCode.CONFIGURATION: "a setting, a secret or a right is missing or wrong",
    ExitCode.UNAVAILABLE: "no answer in time; the same command may work later",
    ExitCode.REFUSED: "understood, and refused by a guard",
    ExitCode.VERIFICATION: "a hash, a chain, a signature or a position does not verify",
    ExitCode.GATE: "a gate failed: doctor, ramp or SLO",
    ExitCode.WAITING: "said, and not in force before a second person signs",
    ExitCode.FENCED: "another instance of this process took over; it works, this one has ended",
    ExitCode.INTERRUPTED: "interrupted before it was done",
}
