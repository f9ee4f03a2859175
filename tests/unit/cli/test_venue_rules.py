"""
What each exchange is like, out of the settings.
"""

import pytest

from spark.cli.venue_rules import venue_rules
from spark.settings import read_settings

_S = 1_000_000_000


def test_a4_the_defaults_are_what_is_documented(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4, exchanges.md §1.8: 1200 and 600 a minute; 10 places a second and 300 a minute."""
    monkeypatch.setenv("SPARK_VENUES", "binance,btcturk")
    rules = venue_rules(read_settings())
    binance, btcturk = rules["binance"], rules["btcturk"]
    assert (binance.budget.weight_per_minute, btcturk.budget.weight_per_minute) == (1200, 600)
    assert btcturk.budget.order_windows == ((10, _S), (300, 60 * _S))
    assert binance.budget.is_success_free
    assert binance.has_questions
    assert not btcturk.has_questions


@pytest.mark.parametrize(("said", "is_strict"), [("", True), ("strict", True), ("free", False)])
def test_r12_stamps_are_kept_in_order_unless_a_setting_says_otherwise(
    monkeypatch: pytest.MonkeyPatch, said: str, *, is_strict: bool
) -> None:
    """R12, trap 1: the safe reading is the default; Binance has its queues for each symbol."""
    monkeypatch.setenv("SPARK_VENUES", "btcturk,binance")
    monkeypatch.setenv("SPARK_BTCTURK_STAMP_ORDER", said)
    rules = venue_rules(read_settings())
    assert rules["btcturk"].is_in_stamp_order is is_strict
    assert not rules["binance"].is_in_stamp_order


def test_only_exchanges_that_orders_may_go_to_have_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    """A4: one address for each exchange that is enabled."""
    monkeypatch.setenv("SPARK_VENUES", "btcturk")
    assert set(venue_rules(read_settings())) == {"btcturk"}
