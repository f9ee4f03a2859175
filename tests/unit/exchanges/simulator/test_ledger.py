"""
The ledger: numbered without gaps, kept through kills, read from anywhere.
"""

from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import SettingError
from spark.exchanges.simulator.ledger import INDEX_STRIDE_LINES, Ledger, Request


def request(number: int = 0) -> Request:
    return Request(
        at_ns=number,
        method="POST",
        path="/api/v3/order",
        key_id="key-1",
        account="main",
        symbol="BTCUSDT",
        client_order_id=f"o{number}",
        outcome="accepted",
        status=200,
        code=None,
        order_id=number,
        fault=None,
    )


def numbers(lines: list[bytes]) -> list[int]:
    return [orjson.loads(line)["seq"] for line in lines]


@pytest.mark.parametrize("runs", [1, 3])
def test_lines_are_found_from_any_number_on(tmp_path: Path, runs: int) -> None:
    """`since` is the last line one has seen, across restarts too."""
    count = 2 * INDEX_STRIDE_LINES + 7
    for _ in range(runs):
        ledger = Ledger(tmp_path / "ledger")
        for number in range(count):
            ledger.request(request(number))
        ledger.close()
    ledger = Ledger(tmp_path / "ledger")
    total = runs * count
    assert ledger.lines == total
    edges = {0, 1, INDEX_STRIDE_LINES - 1, INDEX_STRIDE_LINES, INDEX_STRIDE_LINES + 1, total - 1}
    for since in edges:
        assert numbers(ledger.read(since, 3)) == list(range(since + 1, min(since + 3, total) + 1))
    assert ledger.read(total, 5) == []
    assert numbers(ledger.read(0, total)) == list(range(1, total + 1))
    ledger.close()


@given(cut=st.integers(0, 80))
def test_a_torn_last_line_is_cut_off(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    """A kill in the middle of a write loses that line, and no number."""
    path = tmp_path_factory.mktemp("ledger") / "ledger"
    ledger = Ledger(path)
    ledger.request(request(1))
    whole = path.read_bytes()
    ledger.close()
    path.write_bytes(whole + whole[:cut])
    again = Ledger(path)
    again.request(request(2))
    assert numbers(again.read(0, 10)) == [1, 2]
    again.close()


def test_the_summary_counts_orders_not_requests() -> None:
    """Requests that were refused make no order; without a file it works the same."""
    ledger = Ledger(None)
    ledger.request(request(1))
    ledger.request(request(2)._replace(outcome="refused", status=400))
    summary = ledger.summary().as_json()
    assert (summary["lines"], summary["orders"]) == (2, 0)
    assert summary["by_outcome"] == {"POST /api/v3/order": {"accepted": 1, "refused": 1}}
    ledger.close()


def test_a_directory_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """The error names the file."""
    with pytest.raises(SettingError, match="ledger file"):
        Ledger(tmp_path / "missing" / "ledger")
