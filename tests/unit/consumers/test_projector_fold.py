"""
The projection as values: whatever is read first, and however it is cut, the rows are the same.
"""

import random
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spark import topics
from spark.bus.port import Partition, Record
from spark.consumers.projector_batch import SOURCES, Cutter, Mark
from spark.consumers.projector_rows import Line, dump
from spark.errors import GapError
from spark.events import Event
from spark.names import AccountId, ClientOrderId, Reason, Side, TradingMode
from tests.made import Life, cancel, place
from tests.projection import NUMBER, Past, interleaved, projected, random_past

EVENTS = Partition(topics.EVENTS, NUMBER)


def past() -> Past:
    made = Past()
    made.fence(topics.DECISIONS)
    made.fence(topics.EVENTS)
    return made


def in_turn(made: Past, order: tuple[str, ...] = SOURCES) -> Iterator[Record]:
    records = made.records()
    return (record for topic in order for record in records[topic])


def only(made: Past, table: str) -> Line:
    (line,) = projected(in_turn(made))[table]
    return line


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32), cut=st.integers(1, 60))
def test_any_interleaving_and_any_cut_gives_the_same_rows(seed: int, cut: int) -> None:
    """R15: each topic folds into its own part, so the order between topics cannot matter."""
    chance = random.Random(seed)
    made = random_past(chance, 25)
    expected = projected(in_turn(made))
    found = projected(interleaved(made.records(), chance), records_max=cut)
    assert {name: dump(lines) for name, lines in found.items()} == {
        name: dump(lines) for name, lines in expected.items()
    }


@settings(max_examples=60)
@given(seed=st.integers(0, 2**32))
def test_trades_add_up_to_what_was_filled(seed: int) -> None:
    """R4: repeated, shuffled and averaged fills cover each order once, and move positions once."""
    chance = random.Random(seed)
    made = random_past(chance, 25)
    tables = projected(in_turn(made))
    for order in tables["orders"]:
        trades = [t for t in tables["trades"] if t["client_order_id"] == order["client_order_id"]]
        total = sum((Decimal(str(trade["quantity"])) for trade in trades), Decimal(0))
        assert total == order["filled_quantity"]
    for position in tables["positions"]:
        moved = Decimal(0)
        for trade in tables["trades"]:
            if all(trade[name] == position[name] for name in ("account", "mode", "symbol")):
                quantity = Decimal(str(trade["quantity"]))
                moved += quantity if trade["side"] == Side.BUY else -quantity
        assert moved == position["quantity"]


def test_an_order_is_one_row_with_its_latency() -> None:
    """D1: status, what was asked, place latency from append to append."""
    made = past()
    order, life = place(quantity=Decimal(1)), Life()
    made.ask(order)
    made.decide(order)
    made.tell(life.claimed(), life.acked(), life.filled("0.4", "0.4", "t1"))
    row = only(made, "orders")
    assert (row["status"], row["filled_quantity"]) == ("partially_filled", Decimal("0.4"))
    assert (row["symbol"], row["side"], row["endpoint"], row["mode"]) == (
        "BTCUSDT", "buy", "sim", "live",
    )  # fmt: skip
    assert row["place_latency_ms"] == 3
    assert row["error_class"] is None
    assert row["exchange_order_id"] == "77"


def test_a_refused_order_keeps_what_was_asked_and_every_reason() -> None:
    """A2, D1: refused is `rejected`, with all reasons; the first one is its error class."""
    made = past()
    order = place(quantity=Decimal(-3))
    made.ask(order)
    made.decide(order, Reason.NOTIONAL_EXCEEDED, Reason.PRICE_PRECISION)
    row = only(made, "orders")
    assert (row["status"], row["error_class"]) == ("rejected", "notional_exceeded")
    assert row["quantity"] == Decimal(-3)
    assert [reason.code for reason in row["reasons"]] == ["notional_exceeded", "price_precision"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "code",
    [
        Reason.DUPLICATE_INTENT,
        Reason.INTENT_ID_REUSED,
        Reason.STRATEGY_MISMATCH,
        Reason.TAG_MISSING,
        Reason.INTENT_EXPIRED,
    ],
)
def test_a_second_or_forged_intent_leaves_the_order_as_it_is(code: Reason) -> None:
    """
    A7, S2: what another record asks under an order's id changes no row of that order.

    Fault K11.
    """
    made = past()
    order, life = place(), Life()
    made.ask(order)
    made.decide(order)
    made.tell(life.claimed(), life.acked())
    before = only(made, "orders")
    made.ask(replace(order, quantity=Decimal(9)))
    made.decide(order, code)
    assert only(made, "orders") == before
    refused = projected(in_turn(made))["intents"][-1]
    assert (refused["outcome"], refused["quantity"]) == ("refused", Decimal(9))


def test_a_forged_intent_before_the_real_one_makes_no_row() -> None:
    """S2: an intent whose writer is not proven is no order, not even a refused one."""
    made = past()
    forged = place(quantity=Decimal(9))
    made.ask(forged)
    made.decide(forged, Reason.STRATEGY_MISMATCH)
    assert projected(in_turn(made))["orders"] == []
    made.ask(place())
    made.decide(place())
    assert only(made, "orders")["quantity"] == place().quantity


def test_an_id_of_another_form_names_no_order() -> None:
    """H5: a refused intent may carry any text as its id; it stays among the intents."""
    made = past()
    odd = place(intent_id="x" * 5000)
    made.ask(odd)
    made.decide(odd, Reason.MALFORMED)
    tables = projected(in_turn(made))
    assert tables["orders"] == []
    assert [line["outcome"] for line in tables["intents"]] == ["refused"]


@pytest.mark.parametrize(
    ("code", "status"),
    [(Reason.APPROVAL_EXPIRED, "expired"), (Reason.SIGNER_CEILING, "rejected")],
)
def test_an_approved_order_that_was_never_signed_ends(code: Reason, status: str) -> None:
    """R6: the end of a request that nobody made names no order id; it is found by its intent."""
    made = past()
    order = place()
    made.ask(order)
    made.decide(order)
    made.tell(replace(Life().not_sent(code), client_order_id=ClientOrderId("")))
    row = only(made, "orders")
    assert (row["status"], row["error_class"]) == (status, code)


def test_the_end_of_a_cancel_is_no_order() -> None:
    """A cancel that was never signed ends under its own intent id, and no order has that."""
    made = past()
    about = cancel(place())
    made.ask(about)
    made.decide(about)
    end = Life("cancel").not_sent(Reason.APPROVAL_EXPIRED)
    made.tell(replace(end, client_order_id=ClientOrderId("")))
    tables = projected(in_turn(made))
    assert tables["orders"] == []
    assert [line["action"] for line in tables["intents"]] == ["cancel"]


def test_evidence_alone_makes_a_row() -> None:
    """R5: what the exchange says is applied, also where no decision is known."""
    made = past()
    made.tell(Life().filled("1", "1", "t1"))
    row = only(made, "orders")
    assert (row["status"], row["endpoint"], row["mode"]) == ("filled", None, TradingMode.LIVE)
    assert only(made, "trades")["quantity"] == 1


def test_opinions_of_another_epoch_and_void_decisions_do_not_count() -> None:
    """R3, R4: decisions count by epoch and `seq`, opinions in the epoch in force."""
    made = past()
    order, life = place(), Life()
    made.ask(order)
    made.decide(order)
    void = made.decision(order, Reason.NOTIONAL_EXCEEDED)
    made.append(topics.DECISIONS, void)
    made.append(topics.EVENTS, life.claimed(epoch=-4))
    made.append(topics.EVENTS, life.unknown(epoch=-4))
    assert only(made, "orders")["status"] == "pending"
    assert only(made, "orders")["error_class"] is None


def test_an_unknown_outcome_leaves_its_cause() -> None:
    """A8: what was in doubt stays visible after evidence settled it."""
    made = past()
    life = Life()
    made.tell(life.claimed(), life.unknown(), life.acked())
    row = only(made, "orders")
    assert (row["status"], row["error_class"]) == ("submitted", "timeout")


@pytest.mark.parametrize("code", [Reason.SHADOW_MODE, Reason.CANCELLED_BEFORE_SEND])
def test_an_end_that_somebody_wanted_is_no_error(code: Reason) -> None:
    """B1: a shadow order ends where its send would be; its reason is said, no error class."""
    made = past()
    made.ask(place())
    made.decide(place())
    made.tell(Life().not_sent(code))
    row = only(made, "orders")
    assert (row["status"], row["error_class"]) == ("cancelled", None)
    assert [reason.code for reason in row["reasons"]] == [code]  # type: ignore[attr-defined]


BAD: list[tuple[str, Event | bytes, str]] = [
    (topics.EVENTS, b"\xff", "malformed"),
    (topics.EVENTS, b'{"type":"order_acked","v":9}', "malformed"),
    (topics.EVENTS, place(), "unexpected_type"),
    (topics.ACCOUNT_EVENTS, place(), "unexpected_type"),
    (topics.EVENTS, replace(Life().acked(), account=AccountId("btcturk:main")), "wrong_partition"),
    (topics.EVENTS, replace(Life().acked(), account=AccountId("nobody")), "wrong_partition"),
    (topics.EVENTS, Life().filled("0", "1"), "impossible_fill"),
    (topics.EVENTS, replace(Life().filled("1", "1"), price=Decimal(-1)), "impossible_fill"),
    (topics.EVENTS, replace(Life().filled("1", "1"), exchange_ns=2**63), "impossible_fill"),
]


@pytest.mark.parametrize(
    ("topic", "value", "reason"), BAD, ids=[f"{bad[2]}-{n}" for n, bad in enumerate(BAD)]
)
def test_a_bad_record_is_kept_apart(topic: str, value: Event | bytes, reason: str) -> None:
    """H5: a record that no table can be made from is kept with its reason; the next is served."""
    made = past()
    made.append(topic, value)
    made.tell(Life().acked())
    tables = projected(in_turn(made))
    assert [line["reason"] for line in tables["rejects"]] == [reason]
    assert [line["status"] for line in tables["orders"]] == ["submitted"]


def test_a_text_with_a_nul_is_kept_without_it() -> None:
    """H5: no text of PostgreSQL holds a NUL; what a strategy asked stays readable."""
    made = past()
    for symbol in ("A\0B", "A\\u0000B", "\\\0\0"):
        made.ask(place(symbol=symbol))
    found = [line["symbol"] for line in projected(in_turn(made))["intents"]]
    assert sorted(map(str, found)) == sorted(["A\ufffdB", "A\\u0000B", "\\\ufffd\ufffd"])


def test_a_missing_record_halts() -> None:
    """R19: the first offset of a batch must be the next one, else halt."""
    made = past()
    made.tell(Life().claimed())
    records = made.records()[topics.EVENTS]
    cutter = Cutter({EVENTS: Mark()}, records_max=9)
    cutter.add(records[0])
    with pytest.raises(GapError, match="at 1 comes offset 2"):
        cutter.add(records[1]._replace(offset=2))


def test_a_lost_decision_halts() -> None:
    """R6: a `seq` that is missing is a loss, and shows here as at every hop."""
    made = past()
    for _ in range(2):
        made.ask(place())
    made.seq = 0
    made.decide(place())
    with pytest.raises(GapError, match="after seq -1 comes 1"):
        projected(in_turn(made))


@pytest.mark.parametrize("order", list(permutations(SOURCES[:3])))
def test_topics_may_be_read_one_after_another(order: tuple[str, ...]) -> None:
    """R15: also the extreme interleavings, each topic whole before the next."""
    made = random_past(random.Random(4), 40)
    assert projected(in_turn(made, (*order, topics.ACCOUNT_EVENTS))) == projected(in_turn(made))


def test_the_random_past_has_a_bit_of_everything() -> None:
    """The properties above are about something."""
    tables = projected(in_turn(random_past(random.Random(1), 80)))
    statuses = {str(order["status"]) for order in tables["orders"]}
    assert {"rejected", "filled", "expired", "cancelled", "claimed"} <= statuses
    assert {"live", "paper"} <= {str(order["mode"]) for order in tables["orders"]}
    assert tables["trades"]
    assert tables["rejects"]
