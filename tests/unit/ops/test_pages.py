"""The generated pages of the runbook are what the code says."""

import pytest

from spark.ledger.orders import Seen
from spark.metrics import Metrics
from spark.names import OrderState
from spark.ops.pages import DIRECTORY, PAGES
from spark.ops.states_page import page as states_page


@pytest.mark.parametrize("name", sorted(PAGES))
def test_a_committed_page_is_the_generated_one(name: str) -> None:
    """A change of a metric or of the table of states shows in the runbook of the same commit."""
    found = (DIRECTORY / name).read_text(encoding="utf-8")
    assert found == PAGES[name](), "run python -m spark.ops.pages and read the difference"


def test_every_metric_of_the_registry_is_declared() -> None:
    """G1: a metric that is served without its line on the page would be a riddle."""
    metrics = Metrics("test")
    served = {family.name for family in metrics.registry.collect()}
    assert served == {one.name.removesuffix("_total") for one in metrics.declared}


def test_every_pair_of_state_and_sight_is_shown() -> None:
    """A6: the page holds the whole cross product, what is impossible included."""
    table = states_page().partition("## Every pair")[2]
    rows = {line.split("**")[1]: line for line in table.splitlines() if line.startswith("| **")}
    assert rows.keys() == set(OrderState)
    assert {row.count("|") for row in rows.values()} == {len(Seen) + 2}
