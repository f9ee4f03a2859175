"""
A past of the order path for the projector: every kind of record, good and bad, in its place.

Each topic has its own list of records with append times; in which order they are read
is the test's choice.
"""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final

from spark import topics
from spark.bus.port import Partition, Record
from spark.codec import encode
from spark.consumers.projector_batch import SOURCES, Cutter, Mark
from spark.consumers.projector_fold import Tables, Trade, fold_intents, fold_orders
from spark.consumers.projector_rows import (
    Line,
    dump,
    intent_line,
    order_lines,
    position_line,
    reject_line,
    trade_line,
)
from spark.events import (
    Basis,
    CancelApproved,
    CancelOrder,
    Event,
    IntentRefused,
    OrderApproved,
    OrderFilled,
    PartitionFenced,
    PlaceOrder,
    Proof,
    Refusal,
    RequestNotSent,
    Stamp,
)
from spark.ids import client_order_id
from spark.names import (
    BOOK_OF,
    AccountId,
    Book,
    ClientOrderId,
    Endpoint,
    IntentId,
    Reason,
    Side,
    StrategyId,
    Symbol,
    TradingMode,
)
from tests.made import ACCOUNT, NOW_NS, Life, cancel, place

NS_PER_MS: Final = 1_000_000
NUMBER: Final = topics.ACCOUNT_PARTITION[ACCOUNT]
_MODES: Final = (TradingMode.LIVE, TradingMode.LIVE, TradingMode.PAPER)
_SYMBOLS: Final = (Symbol("BTCUSDT"), Symbol("ETHUSDT"))


@dataclass
class Past:
    """What stands on the topics."""

    logs: dict[str, list[bytes]] = field(default_factory=lambda: {name: [] for name in SOURCES})
    #: Append times, ms, beside the values.
    times: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in SOURCES})
    now_ms: int = NOW_NS // NS_PER_MS
    epochs: dict[str, int] = field(default_factory=dict)
    seq: int = -1

    def append(self, topic: str, value: Event | bytes) -> int:
        """Append a record, a millisecond after the one before."""
        self.now_ms += 1
        self.logs[topic].append(value if isinstance(value, bytes) else encode(value))
        self.times[topic].append(self.now_ms)
        return len(self.logs[topic]) - 1

    def fence(self, topic: str) -> None:
        """Let another instance take a topic."""
        fence = PartitionFenced(
            role="stage", instance="here", topic_ids={}, settings={}, fenced_ns=NOW_NS
        )
        self.epochs[topic] = self.append(topic, fence)

    def tell(self, *events: Event) -> None:
        """
        Append what the gateway says; opinions in the epoch in force.

        Fills of what is really sent the account feed tells as well.
        """
        for event in events:
            epoch = self.epochs[topics.EVENTS]
            opinion: Any = event
            said = replace(opinion, epoch=epoch) if hasattr(event, "epoch") else event
            self.append(topics.EVENTS, said)
            if isinstance(event, OrderFilled) and BOOK_OF[event.mode] is Book.LIVE:
                self.append(topics.ACCOUNT_EVENTS, event)

    def ask(self, intent: PlaceOrder | CancelOrder | bytes) -> int:
        """Append an intent."""
        return self.append(topics.INTENTS, intent)

    def decide(
        self,
        intent: PlaceOrder | CancelOrder | None,
        *codes: Reason,
        mode: TradingMode = TradingMode.LIVE,
    ) -> None:
        """Decide the next intent that is not decided yet: approved, or refused for reasons."""
        self.seq += 1
        self.append(topics.DECISIONS, self.decision(intent, *codes, mode=mode))

    def decision(
        self,
        intent: PlaceOrder | CancelOrder | None,
        *codes: Reason,
        mode: TradingMode = TradingMode.LIVE,
    ) -> Event:
        """Make a decision about the intent at `seq`."""
        stamp = Stamp(
            epoch=self.epochs[topics.DECISIONS],
            seq=self.seq,
            src_offset=self.seq,
            src_epoch=-1,
            src_digest="",
        )
        basis = Basis(
            decided_ns=NOW_NS,
            appended_ns=self.times[topics.INTENTS][self.seq] * NS_PER_MS,
            seen={},
            halts=(),
            mode=mode,
            prices={},
            limits_version=0,
            policy="",
        )
        if codes or intent is None:
            return IntentRefused(
                stamp=stamp,
                account=intent.account if intent else AccountId(""),
                strategy=intent.strategy if intent else StrategyId(""),
                intent_id=intent.intent_id if intent else IntentId(""),
                reasons=tuple(Refusal(code=code, found="1", limit="2") for code in codes),
                basis=basis,
            )
        if isinstance(intent, CancelOrder):
            return _cancel_approved(intent, stamp, basis)
        return _approved(intent, stamp, basis)

    def records(self, number: int = NUMBER) -> dict[str, list[Record]]:
        """Give the records as the broker would."""
        return {
            topic: [
                Record(Partition(topic, number), offset, self.times[topic][offset], None, value, ())
                for offset, value in enumerate(log)
            ]
            for topic, log in self.logs.items()
        }


def random_past(chance: random.Random, intents: int) -> Past:
    """Make a past with a bit of everything."""
    past = Past()
    past.fence(topics.DECISIONS)
    past.fence(topics.EVENTS)
    lives: list[tuple[PlaceOrder, Life]] = []
    for number in range(intents):
        _one_intent(past, chance, lives, name=f"n{number}")
        if lives and chance.random() < 0.3:
            _late_word(past, chance, lives)
        if chance.random() < 0.1:
            _bad_record(past, chance, lives)
        if chance.random() < 0.1:
            past.fence(chance.choice([topics.DECISIONS, topics.EVENTS]))
    return past


def _one_intent(
    past: Past, chance: random.Random, lives: list[tuple[PlaceOrder, Life]], *, name: str
) -> None:
    kind = chance.choice(["good"] * 6 + ["refused", "again", "forged", "unread", "cancel", "skip"])
    symbol = chance.choice(_SYMBOLS)
    side = chance.choice(list(Side))
    order = place(name, symbol=symbol, side=side, quantity=Decimal(chance.randint(1, 4)))
    if kind in {"again", "forged", "cancel"} and not lives:
        kind = "good"
    match kind:
        case "refused":
            past.ask(order)
            past.decide(order, Reason.NOTIONAL_EXCEEDED, Reason.PRICE_PRECISION)
            past.tell(_nameless(order, Reason.UPSTREAM_REFUSED, Reason.NOTIONAL_EXCEEDED))
        case "again" | "forged":
            known = chance.choice(lives)[0]
            code = Reason.DUPLICATE_INTENT if kind == "again" else Reason.STRATEGY_MISMATCH
            past.ask(replace(known, quantity=Decimal(9)))
            past.decide(known, code)
        case "unread":
            past.ask(chance.choice([b"", b"\x00", b'{"type":"place_order"}']))
            past.decide(None, Reason.MALFORMED)
        case "cancel":
            about = cancel(chance.choice(lives)[0], name)
            past.ask(about)
            past.decide(about)
            past.tell(_nameless(about, Reason.APPROVAL_EXPIRED))
        case "skip":
            past.ask(order)
            past.decide(order)
            past.tell(_nameless(order, Reason.APPROVAL_EXPIRED))
        case _:
            past.ask(order)
            past.decide(order, mode=chance.choice(_MODES))
            life = Life(name, quantity=order.quantity, symbol=symbol)
            lives.append((order, life))
            _live(past, chance, life, side=side)


def _live(past: Past, chance: random.Random, life: Life, *, side: Side) -> None:
    if chance.random() < 0.1:
        past.tell(life.not_sent(Reason.SIGNATURE_EXPIRED))
        return
    past.tell(life.claimed())
    if chance.random() < 0.2:
        past.tell(life.unknown())
        if chance.random() < 0.5:
            past.tell(life.denied())
    match chance.choice(["filled", "filled", "rejected", "cancelled", "silent"]):
        case "rejected":
            past.tell(life.rejected())
        case "cancelled":
            past.tell(life.acked(), life.cancelled())
        case "filled":
            past.tell(life.acked(), *_fills(chance, life, side))
        case _:
            return


def _fills(chance: random.Random, life: Life, side: Side) -> list[OrderFilled]:
    price = Decimal(chance.randint(900, 1100)) / 100
    fills = [
        replace(
            life.filled("1", str(done + 1), f"{life.intent_id}-{done}"),
            side=side,
            price=price + done,
            commission=Decimal("0.001"),
        )
        for done in range(int(life.quantity))
    ]
    if chance.random() < 0.3:
        total = sum((fill.price for fill in fills), Decimal(0))
        average = life.filled(str(life.quantity), str(life.quantity))
        fills.append(replace(average, side=side, price=total / len(fills)))
    if chance.random() < 0.5:
        chance.shuffle(fills)
    return fills + chance.sample(fills, chance.randint(0, len(fills)))


def _late_word(past: Past, chance: random.Random, lives: list[tuple[PlaceOrder, Life]]) -> None:
    order, life = chance.choice(lives)
    stale: list[Event] = [life.claimed(epoch=-7), life.unknown(epoch=-7), life.denied(epoch=-7)]
    late: list[Event] = [life.acked(), life.cancelled(), life.expired(), life.rejected()]
    fills: list[Event] = [*_fills(chance, life, order.side)]
    past.append(topics.EVENTS, chance.choice(stale))
    past.tell(*chance.choice([[chance.choice(late)], fills, []]))


def _bad_record(past: Past, chance: random.Random, lives: list[tuple[PlaceOrder, Life]]) -> None:
    topic = chance.choice([topics.DECISIONS, topics.EVENTS, topics.ACCOUNT_EVENTS])
    bad: list[Event | bytes] = [b"{}", b"\xff", place("elsewhere")]
    if lives:
        order, life = chance.choice(lives)
        if topic == topics.EVENTS:
            foreign = AccountId("btcturk:main")
            bad += [
                replace(life.acked(), account=foreign),
                replace(life.filled("1", "1", "none"), price=Decimal(0)),
            ]
        if topic == topics.DECISIONS:
            void = replace(past, epochs={topics.DECISIONS: -5}, seq=past.seq)
            bad.append(void.decision(order))
    past.append(topic, chance.choice(bad))


def _nameless(intent: PlaceOrder | CancelOrder, *codes: Reason) -> RequestNotSent:
    about = Life().not_sent(*codes)
    return replace(
        about,
        strategy=intent.strategy,
        intent_id=intent.intent_id,
        client_order_id=ClientOrderId(""),
    )


def _approved(intent: PlaceOrder, stamp: Stamp, basis: Basis) -> OrderApproved:
    return OrderApproved(
        stamp=stamp,
        account=intent.account,
        strategy=intent.strategy,
        intent_id=intent.intent_id,
        client_order_id=client_order_id(intent.account, intent.strategy, intent.intent_id),
        endpoint=Endpoint.SIM,
        mode=basis.mode,
        symbol=intent.symbol,
        side=intent.side,
        order_type=intent.order_type,
        time_in_force=intent.time_in_force,
        quantity=intent.quantity,
        price=intent.price,
        worth_usd=Decimal(1),
        worth_try=Decimal(1),
        proof=Proof(body="{}", kid="", tag=""),
        basis=basis,
        gateway_epoch=0,
        resume_offset=-1,
        expires_ns=NOW_NS,
    )


def _cancel_approved(intent: CancelOrder, stamp: Stamp, basis: Basis) -> CancelApproved:
    return CancelApproved(
        stamp=stamp,
        account=intent.account,
        strategy=intent.strategy,
        intent_id=intent.intent_id,
        target_intent_id=intent.target_intent_id,
        target_strategy=intent.target_strategy,
        client_order_id=client_order_id(
            intent.account, intent.target_strategy, intent.target_intent_id
        ),
        endpoint=Endpoint.SIM,
        mode=basis.mode,
        symbol=intent.symbol,
        proof=Proof(body="{}", kid="", tag=""),
        basis=basis,
        expires_ns=NOW_NS,
    )


def interleaved(logs: Mapping[str, Sequence[Record]], chance: random.Random) -> Iterator[Record]:
    """Read all topics to their ends, in any order between them."""
    left = {topic: list(log) for topic, log in logs.items() if log}
    while left:
        topic = chance.choice(sorted(left))
        for _ in range(min(chance.randint(1, 9), len(left[topic]))):
            yield left[topic].pop(0)
        if not left[topic]:
            del left[topic]


def projected(records: Iterator[Record], *, records_max: int = 50) -> dict[str, list[Line]]:
    """Project records in memory; gives every table's lines in the order of their keys."""
    marks = {Partition(topic, NUMBER): Mark() for topic in SOURCES}
    cutter = Cutter(marks, records_max=records_max)
    tables, trades, rejects = Tables(), list[Trade](), list[Line]()
    for record in [*records, None]:
        batch = cutter.end() if record is None else cutter.add(record)
        if batch is not None:
            changes = fold_orders(tables, fold_intents(tables, batch), batch)
            trades += changes.trades
            rejects += [reject_line(reject) for reject in batch.rejects]
    lines = {
        "intents": [intent_line(key, card) for key, card in tables.intents.items()],
        "orders": list(order_lines(tables, tables.orders)),
        "trades": [trade_line(trade) for trade in trades],
        "positions": [position_line(key, one) for key, one in tables.positions.items()],
        "rejects": rejects,
    }
    return {name: sorted(found, key=lambda line: dump([line])) for name, found in lines.items()}
