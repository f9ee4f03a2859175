"""The benchmark of local books: a small run says what a large one would."""

import pytest

from spark.bench.book import BookBench, bench_book
from spark.names import Venue


@pytest.mark.parametrize("venue", [Venue.BINANCE, Venue.BTCTURK])
def test_each_book_is_measured(venue: Venue) -> None:
    """Figures of every exchange's book, whole messages and single levels, from one command."""
    said: list[str] = []
    found = bench_book(BookBench(differences=2_000, runs=2), said.append)
    figures = found[venue]
    assert isinstance(figures, dict)
    assert figures["differences_per_s"] > figures["messages_per_s"] > 0
    assert figures["single"]["differences_per_s"] == figures["single"]["messages_per_s"]
    assert sum(line.startswith(venue) for line in said) == 2
