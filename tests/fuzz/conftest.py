"""The count of the fuzzing as the run's last lines, whatever pytest captures."""

import pytest

from tests.fuzz.campaign import TALLY, seed


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print reader by reader how many cases there were, and what became of them."""
    lines = TALLY.lines()
    if lines:
        terminalreporter.section(f"fuzzing, seed {seed()}")
        for line in lines:
            terminalreporter.write_line(line)
