"""
Every rule has its test, or says what it waits for; the page of proofs is what the tests say.
"""

from tests.tidy.proofs import ALL, PAGE, page, proofs
from tests.tidy.rules import WAITS


def test_every_rule_is_proved_or_waits() -> None:
    """A rule without a test and without a reason would be a wish."""
    unproved = [one for one in ALL if one not in proofs() and one not in WAITS]
    assert unproved == []


def test_no_test_names_a_rule_that_is_none() -> None:
    """A slip of the keyboard must not look like a proof."""
    assert set(proofs()) <= set(ALL)


def test_the_page_is_the_generated_one() -> None:
    """A test that comes, goes or changes its rule shows in the runbook of the same commit."""
    found = PAGE.read_text(encoding="utf-8")
    assert found == page(), "run python -m tests.tidy.proofs and read the difference"
