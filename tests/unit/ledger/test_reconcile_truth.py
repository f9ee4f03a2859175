"""
Any stream, one reconciliation: the log ends with the exchange's truth.
"""

from hypothesis import given, settings
from hypothesis import strategies as st

from spark.events import (
    Event,
    OrderFilled,
)
from spark.ledger.orders import CLOSED
from spark.ledger.reconcile import fold_account
from spark.ledger.reconcile_orders import release
from spark.names import VenueOrderState
from tests.made import Life
from tests.reconciling import book_of, hear, look, only, write
from tests.scripted_exchange import ScriptedExchange, order_of

ACTIONS = st.lists(
    st.tuples(st.sampled_from(["trade", "trade", "cancel", "expire"]), st.integers(0, 2)),
    max_size=12,
)


def played(actions: list[tuple[str, int]], lives: list[Life]) -> ScriptedExchange:
    exchange = ScriptedExchange()
    names = [order_of(life, exchange) for life in lives]
    for action, number in actions:
        order = exchange.orders[names[number]]
        if order.state not in {VenueOrderState.OPEN, VenueOrderState.PARTIALLY_FILLED}:
            continue
        if action == "trade":
            exchange.trade(names[number], "0.25", str(9 + number))
        elif action == "cancel":
            exchange.cancel(names[number])
        else:
            exchange.expire(names[number])
    return exchange


@settings(max_examples=300)
@given(actions=ACTIONS, data=st.data())
def test_any_stream_and_one_reconciliation_give_the_truth(
    actions: list[tuple[str, int]], data: st.DataObject
) -> None:
    """
    R4, R5, R14, fault V5: one comparison gives the exchange's orders, quantities, trades and fees.

    Whatever the stream repeated, lost or mixed up before it; and then nothing differs.
    """
    lives = [Life(f"life{number}") for number in range(3)]
    exchange = played(actions, lives)
    heard = data.draw(st.lists(st.sampled_from(exchange.told), max_size=20), label="heard")
    late = data.draw(st.booleans(), label="claims come last")
    book = book_of(*([] if late else [life.claimed() for life in lives]))
    evidence: list[Event] = []
    for news in heard:
        evidence += hear(book, exchange, news)
    if late:
        write(book, *[life.claimed() for life in lives])
        evidence += release(book, at_ns=exchange.now_ns)
    evidence += look(book, exchange)
    assert not book.differences.open
    for life in lives:
        order = only(book, life)
        (truth,) = [
            o for o in exchange.orders.values() if o.client_order_id == order.client_order_id
        ]
        assert order.filled == truth.filled
        assert (order.state in CLOSED) == (
            truth.state not in {VenueOrderState.OPEN, VenueOrderState.PARTIALLY_FILLED}
        )
    written = {one.trade_id: one for one in evidence if isinstance(one, OrderFilled)}
    assert {one.trade_id: (one.quantity, one.price, one.commission) for one in exchange.fills} == {
        key: (one.quantity, one.price, one.commission) for key, one in written.items()
    }


@settings(max_examples=150)
@given(actions=ACTIONS, looks=st.integers(1, 6))
def test_absence_never_ends_an_order(actions: list[tuple[str, int]], looks: int) -> None:
    """R14: an exchange that lists nothing at all ends nothing here."""
    lives = [Life(f"life{number}") for number in range(3)]
    exchange = played(actions, lives)
    book = book_of(*[life.claimed() for life in lives])
    for news in exchange.told:
        hear(book, exchange, news)
    before = {key: (one.state, one.filled) for key, one in book.orders.by_id.items()}
    empty = ScriptedExchange(now_ns=exchange.now_ns, totals=exchange.totals)
    for _ in range(looks):
        look(book, empty)
    assert {key: (one.state, one.filled) for key, one in book.orders.by_id.items()} == before


@settings(max_examples=100)
@given(actions=ACTIONS)
def test_folding_what_was_written_gives_the_same_book(actions: list[tuple[str, int]]) -> None:
    """A9: a feed that starts anew knows from the log what the one before it knew."""
    lives = [Life(f"life{number}") for number in range(3)]
    exchange = played(actions, lives)
    claims = [life.claimed() for life in lives]
    book = book_of(*claims)
    said = look(book, exchange)
    fresh = book_of(*claims)
    for event in said:
        fold_account(fresh, event, offset=9, appended_ns=exchange.now_ns)
    states = {key: (one.state, one.filled) for key, one in fresh.orders.by_id.items()}
    assert states == {key: (one.state, one.filled) for key, one in book.orders.by_id.items()}
    assert fresh.funds.base == book.funds.base
    assert fresh.differences.open == book.differences.open
