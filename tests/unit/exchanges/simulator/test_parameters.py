"""
A request's parameters and its time window, at their edges.
"""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.simulator.binance.credentials import check_window, signed_payload
from spark.exchanges.simulator.binance.parameters import Demands, check_syntax, parameters
from spark.exchanges.simulator.binance.refusals import Refusal

NOW_MS: Final = 1_700_000_000_000
NOW_NS: Final = NOW_MS * 1_000_000


@pytest.mark.parametrize(
    ("stamp", "window", "text"),
    [
        (NOW_MS, None, None),
        (NOW_MS + 999, None, None),
        (NOW_MS + 1_000, None, "ahead"),
        (NOW_MS - 5_000, None, None),
        (NOW_MS - 5_001, None, "outside"),
        (NOW_MS - 100, "100", None),
        (NOW_MS - 101, "100", "outside"),
        (NOW_MS - 60_000, "60000", None),
        (NOW_MS - 60_001, "60000", "outside"),
        (NOW_MS, "60000.001", "60000"),
        (NOW_MS, "60001", "60000"),
        (NOW_MS * 1_000 - 100_500, "100.5", None),
        (NOW_MS * 1_000 - 100_501, "100.5", "outside"),
        (NOW_MS * 1_000 + 999_999, None, None),
        (NOW_MS * 1_000 + 1_000_000, None, "ahead"),
        (0, "60000", "outside"),
    ],
)
def test_the_window_is_exact_at_its_edges(stamp: int, window: str | None, text: str | None) -> None:
    """Accepted iff stamp < now + 1 s and now - stamp ≤ recvWindow, in ms or µs."""
    params = {"timestamp": str(stamp)} | ({} if window is None else {"recvWindow": window})
    if text is None:
        check_window(params, NOW_NS)
        return
    with pytest.raises(Refusal, match=text):
        check_window(params, NOW_NS)


def test_a_fraction_of_a_millisecond_counts() -> None:
    """The venue's clock is finer than the stamp."""
    params = {"timestamp": str(NOW_MS), "recvWindow": "1"}
    check_window(params, NOW_NS + 1_000_000)
    with pytest.raises(Refusal):
        check_window(params, NOW_NS + 1_001_000)


@pytest.mark.parametrize(
    ("query", "body", "payload"),
    [
        ("a=1&signature=xy", "", "a=1"),
        ("a=1", "b=2&signature=xy", "a=1b=2"),
        ("", "a=1&signature=xy", "a=1"),
        ("signature=xy&a=1", "", "a=1"),
        ("a=1&signature=xy", "b=2", "a=1b=2"),
    ],
)
def test_the_payload_is_everything_but_the_signature(query: str, body: str, payload: str) -> None:
    """Query and body are joined as they are, wherever the signature stands."""
    assert signed_payload(query, body) == (payload, "xy")


def test_a_query_parameter_wins_over_the_bodys() -> None:
    """Documented, and so a signature over both is not enough to know what is meant."""
    assert parameters("symbol=A", "symbol=B&side=BUY") == {"symbol": "A", "side": "BUY"}


@given(query=st.text(max_size=60), body=st.text(max_size=60))
def test_any_text_gives_parameters_or_a_refusal(query: str, body: str) -> None:
    """H5: no text breaks the reader."""
    try:
        params = parameters(query, body)
        signed_payload(query, body)
        check_syntax(params, Demands(frozenset({"symbol"}), ("symbol",), None))
    except Refusal:
        return
    assert set(params) == {"symbol"}
