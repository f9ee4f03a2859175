"""
Exposure learnt on two ways: the gateway's topic and the account feed's, in any order (R5, R15).
"""

from decimal import Decimal
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from spark.events import Event, PartitionFenced
from spark.ledger.exposure import Entry, Exposure
from spark.ledger.fold import Orders, fold_event
from spark.ledger.rates import ACCOUNT_SCOPE
from spark.names import Book, Side
from tests.made import EPOCH, NOW_NS, STRATEGY, SYMBOL, Life

_LIFE: Final = Life(quantity=Decimal(3))
_FIRST: Final = _LIFE.filled("1", "1", "t1")
_SECOND: Final = _LIFE.filled("1", "2", "t2")
_LAST: Final = _LIFE.filled("1", "3", "t3")
#: Lives of one order as each way may tell them.
_GATEWAY: Final[tuple[tuple[Event, ...], ...]] = (
    (_LIFE.claimed(), _LIFE.unknown(), _LIFE.denied()),
    (_LIFE.claimed(), _LIFE.unknown(), _LIFE.acked(), _FIRST, _LIFE.cancelled("1")),
    (_LIFE.claimed(), _LIFE.acked(), _SECOND, _FIRST, _LIFE.cancelled("2")),
    (_LIFE.claimed(), _LIFE.rejected()),
)
_FEED: Final[tuple[tuple[Event, ...], ...]] = (
    (_LIFE.acked(), _FIRST, _SECOND, _LAST),
    (_SECOND, _LIFE.acked(), _LIFE.cancelled("2")),
    (_LIFE.expired("1"),),
    (),
)


class _Told:
    """An exposure and the book of orders behind it."""

    def __init__(self) -> None:
        self.exposure = Exposure()
        self.orders = Orders()
        fence = PartitionFenced(
            role="gateway", instance="g", topic_ids={}, settings={}, fenced_ns=NOW_NS
        )
        fold_event(self.orders, fence, EPOCH, NOW_NS)
        entry = Entry(
            strategy=STRATEGY,
            symbol=SYMBOL,
            side=Side.BUY,
            book=Book.LIVE,
            quantity=Decimal(3),
            worth_usd=Decimal(30),
            open_usd=Decimal(30),
        )
        self.exposure.approve(_LIFE.client_order_id, entry)

    def gateway(self, event: Event, offset: int) -> None:
        fold_event(self.orders, event, offset, NOW_NS)
        self.exposure.see(self.orders.by_id[_LIFE.client_order_id], NOW_NS)

    def feed(self, event: Event) -> None:
        self.exposure.see_account(event, NOW_NS)

    def result(self) -> tuple[object, ...]:
        total = self.exposure.total(Book.LIVE, ACCOUNT_SCOPE, SYMBOL)
        open_orders = self.exposure.open_orders(Book.LIVE, ACCOUNT_SCOPE)
        return (total.buys_usd, total.sells_usd, total.position, open_orders)


@given(
    st.sampled_from(_GATEWAY), st.sampled_from(_FEED), st.data()
)  # fmt: skip
def test_r15_the_order_between_the_two_ways_does_not_matter(
    gateway: tuple[Event, ...], feed: tuple[Event, ...], data: st.DataObject
) -> None:
    """R5, R15: so far as each was read, every interleaving leaves the same exposure."""
    gateway = gateway[: data.draw(st.integers(0, len(gateway)))]
    feed = feed[: data.draw(st.integers(0, len(feed)))]
    after, mixed = _Told(), _Told()
    for offset, event in enumerate(gateway, EPOCH + 1):
        after.gateway(event, offset)
    for event in feed:
        after.feed(event)
    turns = data.draw(st.permutations([True] * len(gateway) + [False] * len(feed)))
    ways = (enumerate(gateway, EPOCH + 1), iter(feed))
    for is_gateway in turns:
        if is_gateway:
            offset, event = next(ways[0])
            mixed.gateway(event, offset)
        else:
            mixed.feed(next(ways[1]))
    assert mixed.result() == after.result()


def test_what_the_feed_alone_saw_counts() -> None:
    """R5: a fill that the gateway never heard of is position, and no longer open."""
    told = _Told()
    told.gateway(_LIFE.claimed(), EPOCH + 1)
    told.gateway(_LIFE.unknown(), EPOCH + 2)
    told.feed(_SECOND)
    assert told.result() == (Decimal(10), Decimal(0), Decimal(2), 1)
    told.feed(_LIFE.cancelled("2"))
    assert told.result() == (Decimal(0), Decimal(0), Decimal(2), 0)


def test_what_the_feed_saw_reopens_a_denied_order() -> None:
    """R5: not found is no end; whatever comes first."""
    told = _Told()
    told.gateway(_LIFE.claimed(), EPOCH + 1)
    told.gateway(_LIFE.unknown(), EPOCH + 2)
    told.gateway(_LIFE.denied(), EPOCH + 3)
    assert told.result() == (Decimal(0), Decimal(0), Decimal(0), 0)
    told.feed(_LIFE.acked())
    assert told.result() == (Decimal(30), Decimal(0), Decimal(0), 1)
