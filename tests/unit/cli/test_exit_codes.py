"""The table of exit codes and the tree of errors say the same."""

from spark import errors
from spark.cli.exit_codes import MEANING, ExitCode
from spark.errors import SparkError


def test_every_exit_code_has_its_meaning() -> None:
    """
    The table that users read is complete.
    """
    assert set(MEANING) == set(ExitCode)


def test_every_error_ends_with_a_code_of_the_table() -> None:
    """
    A script can branch on any error's exit code.
    """
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, SparkError)
    ]
    assert len(kinds) > 10
    assert {kind.exit_code for kind in kinds} <= set(ExitCode)
    assert all(kind.exit_code != ExitCode.OK for kind in kinds)


def test_the_codes_that_scripts_know_stay() -> None:
    """
    The numbers are published; changing one breaks somebody's script.
    """
    assert {code.name: code.value for code in ExitCode} == {
        "OK": 0,
        "ERROR": 1,
        "USAGE": 2,
        "NOT_RUNNING": 3,
        "CONFIGURATION": 4,
        "UNAVAILABLE": 5,
        "REFUSED": 6,
        "VERIFICATION": 7,
        "GATE": 8,
        "WAITING": 9,
        "FENCED": 10,
        "INTERRUPTED": 130,
    }
