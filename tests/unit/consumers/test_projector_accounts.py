"""
Rows where gateway and account feed tell of the same order: once, whoever is read first.
"""

from collections.abc import Iterator
from itertools import permutations

import pytest

from spark import topics
from spark.bus.port import Record
from spark.events import Event
from spark.names import Side
from tests.made import Life
from tests.projection import Past, projected

_TOPICS = (topics.EVENTS, topics.ACCOUNT_EVENTS)


def told(gateway: list[Event], feed: list[Event]) -> Past:
    made = Past()
    made.fence(topics.DECISIONS)
    made.fence(topics.EVENTS)
    made.fence(topics.ACCOUNT_EVENTS)
    made.tell(*gateway)
    for event in feed:
        made.append(topics.ACCOUNT_EVENTS, event)
    return made


def in_turn(made: Past, order: tuple[str, ...]) -> Iterator[Record]:
    records = made.records()
    return (record for topic in (topics.DECISIONS, *order) for record in records[topic])


def fills(life: Life) -> list[Event]:
    return [life.filled("0.4", "0.4", "1", side=Side.BUY), life.filled("0.6", "1", "2")]


@pytest.mark.parametrize("order", list(permutations(_TOPICS)))
def test_the_same_fills_on_both_topics_are_one_trade_each(order: tuple[str, ...]) -> None:
    """R4: by their trade's id, in either order of reading."""
    life = Life()
    made = told([life.claimed(), life.acked(), *fills(life)], [life.acked(), *fills(life)])
    rows = projected(in_turn(made, order))
    assert sorted(str(one["quantity"]) for one in rows["trades"]) == ["0.4", "0.6"]
    (position,) = rows["positions"]
    assert position["quantity"] == 1
    (row,) = rows["orders"]
    assert (row["status"], row["filled_quantity"]) == ("filled", 1)


@pytest.mark.parametrize("order", list(permutations(_TOPICS)))
def test_what_only_the_account_feed_learnt_is_in_the_tables(order: tuple[str, ...]) -> None:
    """A8, A9: an unknown that the exchange's lists settled, with its trades and its end."""
    life = Life()
    feed: list[Event] = [life.acked(), life.filled("0.4", "0.4", "1"), life.cancelled("0.4")]
    rows = projected(in_turn(told([life.claimed(), life.unknown()], feed), order))
    (row,) = rows["orders"]
    assert (row["status"], str(row["filled_quantity"])) == ("cancelled", "0.4")
    assert [str(one["quantity"]) for one in rows["trades"]] == ["0.4"]
