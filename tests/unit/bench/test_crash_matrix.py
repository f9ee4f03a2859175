"""
The kill matrix: the same of the same, and nothing hidden in it.
"""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark.bench.crash.campaign import Campaign, kept_beside, read_campaign, write_campaign
from spark.bench.crash.fates import Fate, Fates
from spark.bench.crash.matrix import matrix_page
from spark.bench.crash.plan import Fault
from spark.bench.crash.tally import COUNTS, Tally, figures
from spark.errors import SettingError
from spark.events import (
    Event,
    OrderAcked,
    OrderFilled,
    OrderResolved,
    OutcomeUnknown,
    RequestNotSent,
)
from tests.made import events_of, place


def _tally() -> Tally:
    tally = Tally(seed=5, rounds=2, intents=3_000, orders=900, fills=400)
    row = tally.row(Fault.KILL_AT, "gateway at claims_written")
    row.times, row.kills, row.restart_ms = 2, 2, [900.0, 1_100.0]
    row.fates.update({Fate.SETTLED: 3, Fate.NOT_SENT: 1})
    tally.row(Fault.KILL, "signer").missed = 1
    tally.kills.update({"gateway": 2})
    tally.restart_ms["gateway"] = [900.0, 1_100.0]
    tally.skipped["cut the network: gateway + kafka"] = "only root may"
    return tally


def _campaign(*tallies: Tally) -> Campaign:
    campaign = Campaign()
    for tally in tallies:
        campaign.add(f"spark drill crash --rounds {tally.rounds} --seed {tally.seed}", tally)
    return campaign


def test_the_page_is_of_what_was_counted_alone() -> None:
    """H2: generated twice it is the same; no date and no machine stand in it."""
    page = matrix_page(_campaign(_tally()))
    assert page == matrix_page(_campaign(_tally()))
    assert (
        "| kill at a point | gateway at claims_written | 2 | 2 | 0 | 1 | 0 | 3 | 0 | 1100 / 1100 |"
        in page
    )
    assert "--rounds 2 --seed 5" in page
    assert "150.00%" in page, "3/n of two kills promises nothing, and says so"
    assert "only root may" in page
    assert "| kill | signer |" not in page, "what did not happen has no row"


def test_what_failed_stands_on_the_page() -> None:
    """H2: no bound is claimed for what was seen."""
    tally = _tally()
    tally.counts["lost"] = 1
    tally.failures.append("seed 5, round 2: an order twice")
    page = matrix_page(_campaign(tally))
    assert "**Failed**: seed 5, round 2: an order twice" in page
    assert "confidence" not in page
    assert not tally.is_clean


def test_runs_add_up(tmp_path: Path) -> None:
    """H2: two runs, written down between them, count as both; a failure of one stays."""
    other = _tally()
    other.seed = 6
    other.failures.append("seed 6, round 1: an order twice")
    other.counts["duplicated"] = 1
    path = kept_beside(tmp_path / "matrix.md")
    write_campaign(path, _campaign(_tally()))
    campaign = read_campaign(path)
    campaign.add("spark drill crash --rounds 2 --seed 6", other)
    both = _campaign(_tally(), other)
    assert campaign == both
    page = matrix_page(campaign)
    assert page == matrix_page(both)
    assert "kills: 4; intents: 6000" in page
    assert "claims_written | 4 | 4 | 0 | 2 | 0 | 6 | 0 | 1100 / 1100 |" in page
    assert "| `spark drill crash --rounds 2 --seed 6` | 2 | 2 | **failed** |" in page
    assert "**Failed**: seed 6" in page


def test_counts_that_nobody_can_read_are_refused(tmp_path: Path) -> None:
    """H5: a file of another kind is said to be one, and nothing is written over it."""
    path = tmp_path / "matrix.json"
    assert read_campaign(path) == Campaign()
    path.write_text("{}")
    with pytest.raises(SettingError, match="not the counts"):
        read_campaign(path)


def test_every_count_is_printed() -> None:
    """H2: what `--json` prints has each of the jury's counts, and the seed."""
    found = _tally().result()
    assert {"rounds", "kills", "intents", "restart_ms", "seed", *COUNTS} <= found.keys()
    assert found["restart_ms"] == figures([900.0, 1_100.0]) == {"p50": 1100, "p99": 1100}


@pytest.mark.parametrize(
    ("said", "fate"),
    [
        ((), Fate.OPEN),
        ((RequestNotSent,), Fate.NOT_SENT),
        ((OrderAcked, OrderFilled), Fate.ANSWERED),
        ((OutcomeUnknown,), Fate.OPEN),
        ((OutcomeUnknown, OrderResolved), Fate.SETTLED),
        ((OutcomeUnknown, OrderAcked), Fate.SETTLED),
    ],
)
@given(st.data())
@settings(max_examples=5)
def test_a_fate_is_the_first_word_that_ends_the_question(
    said: tuple[type[Event], ...], fate: Fate, data: st.DataObject
) -> None:
    """H2: of the orders on their way at a kill, each is counted by what became of it."""
    order = place()
    fates = Fates()
    fates.add(order, 1_000)
    for number, kind in enumerate(said):
        event = data.draw(events_of(kind))
        fates.add(replace(event, intent_id=order.intent_id), 2_000 + number)  # type: ignore[arg-type]
    assert fates.at(1_500) == {fate: 1}
    assert fates.at(999) == {}
    fates.forget()
    assert fates.at(1_500) == ({Fate.OPEN: 1} if fate is Fate.OPEN else {})
