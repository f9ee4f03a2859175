"""The runbook's page on the command line is the command line."""

from spark.cli.exit_codes import ExitCode
from spark.cli.page import PAGE, page


def test_the_page_is_what_the_code_says() -> None:
    """
    A command or a code that the page does not have is found here: `python -m spark.cli.page`.
    """
    assert PAGE.read_text(encoding="utf-8") == page()


def test_the_page_has_every_code() -> None:
    """
    Users branch on the published table.
    """
    assert all(f"| {code.value} |" in page() for code in ExitCode)
