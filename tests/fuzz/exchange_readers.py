"""
Readers of what exchanges answer: every parser, and what is made of its result.

Accepted means more than read: what was read goes into events, so it must be something that
a record can hold.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass, replace
from decimal import Decimal
from functools import partial
from random import Random
from typing import Final

from spark.codec import decimal_text, decode, encode
from spark.errors import WireError
from spark.exchanges.answers import Accepted
from spark.exchanges.binance import evidence as binance_evidence
from spark.exchanges.binance import (
    wire_account,
    wire_answers,
    wire_info,
    wire_klines,
    wire_market,
    wire_marks,
    wire_orders,
    wire_private,
)
from spark.exchanges.btcturk import evidence as btcturk_evidence
from spark.exchanges.btcturk import wire_account as turk_account
from spark.exchanges.btcturk import wire_answers as turk_answers
from spark.exchanges.btcturk import wire_info as turk_info
from spark.exchanges.btcturk import wire_market as turk_market
from spark.exchanges.btcturk import wire_orders as turk_orders
from spark.exchanges.btcturk.unconfirmed import Unconfirmed
from spark.exchanges.btcturk.wire_news import Arrival
from spark.exchanges.btcturk.wire_news import private_frame as turk_private_frame
from spark.exchanges.http import RETRY_AFTER, seconds_away
from spark.exchanges.port import About, Answer, Outcome
from spark.exchanges.proof import Times
from spark.names import AccountId, ClientOrderId, Side, StrategyId, Symbol, TradingMode
from spark.topics import ACCOUNT_EVENTS, BY_NAME
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.mutator import Mutator
from tests.fuzz.samples import (
    BINANCE_ANSWERS,
    BINANCE_PRIVATE,
    BTCTURK_ANSWERS,
    BTCTURK_PRIVATE,
    OURS,
)
from tests.made import NOW_NS, SECOND_NS, named

_ACCOUNT: Final = AccountId("binance:main")
_STRATEGY: Final = StrategyId("strategy-demo")
_INT_MIN: Final = -(2**63)
_INT_MAX: Final = 2**63 - 1
_STATUSES: Final = (200, 200, 200, 200, 400, 400, 401, 403, 409, 418, 429, 500, 503, 504, 0, 302)
_RETRY_AFTER: Final = (None, None, None, "0", "5", "-1", "1e9", "9" * 400, "٣", " 7", "soon", "")


def about(order: str = OURS) -> About:
    """Describe the order that the answers are about."""
    return About(
        account=_ACCOUNT,
        strategy=_STRATEGY,
        intent_id=named("one"),
        client_order_id=ClientOrderId(order),
        cancel_intent_id=named("cancel"),
        symbol=Symbol("BTCUSDT"),
        side=Side.SELL,
        quantity=Decimal(10),
        mode=TradingMode.LIVE,
    )


def storable(found: object) -> None:  # noqa: C901  (a case for each type)
    """Check that records can hold what was read: whole numbers, amounts and texts of any depth."""
    match found:
        case bool() | None | bytes():
            return
        case int():
            assert _INT_MIN <= found <= _INT_MAX, f"a number beyond 64 bits: {str(found)[:40]}"
        case float():
            raise AssertionError("a float where money may be")
        case str():
            found.encode()
        case Decimal():
            decimal_text(found)
        case Mapping():
            for name, value in found.items():
                storable(name)
                storable(value)
        case Sequence() | frozenset():
            for value in found:
                storable(value)
        case _ if is_dataclass(found):
            for one in fields(found):
                storable(getattr(found, one.name))
        case _:
            raise AssertionError(f"nothing that a reader gives: {type(found).__name__}")


def outcome_holds(outcome: Outcome) -> bool:
    """Check what an answer is taken to prove; True where it proves anything."""
    most = BY_NAME[ACCOUNT_EVENTS].message_bytes_max
    for event in outcome.evidence:
        body = encode(event)
        assert decode(body) == event, "evidence that does not come back as it went"
        assert len(body) < most, f"evidence of {len(body)} bytes"
    storable(outcome.cause)
    return outcome.answer is not Answer.UNKNOWN


def _bytes_harness(
    samples: Sequence[bytes], read: Callable[[bytes], object]
) -> Callable[[], Iterator[Harness]]:
    def opened() -> Iterator[Harness]:
        def case(random: Random) -> bytes:
            return Mutator(random, samples).case()

        def checked(body: bytes) -> bool:
            storable(read(body))
            return True

        yield Harness(case, checked)

    return opened


def parser(name: str, samples: Sequence[bytes], read: Callable[[bytes], object]) -> Reader:
    """Make the reader of a function from bytes to values."""
    return Reader(name, contextmanager(_bytes_harness(samples, read)), refusals=(WireError,))


class Reply:
    """A case: an HTTP answer."""

    def __init__(self, random: Random, samples: Sequence[bytes]) -> None:
        self.status = random.choice(_STATUSES)
        self.retry_after = random.choice(_RETRY_AFTER)
        self.body = Mutator(random, samples).case()

    @property
    def wait_s(self) -> int:
        """What the header asks for."""
        return seconds_away({RETRY_AFTER: self.retry_after or ""})

    def __repr__(self) -> str:
        return f"{self.status}, {self.retry_after!r}, {self.body!r}"


def _answers(
    name: str, samples: Sequence[bytes], read: Callable[[Reply], Sequence[Outcome]]
) -> Reader:
    @contextmanager
    def opened() -> Iterator[Harness]:
        def case(random: Random) -> Reply:
            return Reply(random, samples)

        def checked(reply: Reply) -> bool:
            return any(outcome_holds(outcome) for outcome in read(reply))

        yield Harness(case, checked)

    return Reader(name, opened, weight=3)


def _binance_outcomes(reply: Reply) -> list[Outcome]:
    answer = wire_answers.classify(reply.status, reply.body, retry_after_s=reply.wait_s)
    times = Times(NOW_NS, NOW_NS + SECOND_NS)
    return [
        binance_evidence.of_place(answer, about(), times),
        binance_evidence.of_cancel(answer, about(), times),
        binance_evidence.of_query(answer, about()),
    ]


def _btcturk_outcomes(reply: Reply) -> list[Outcome]:
    times = Times(NOW_NS, NOW_NS + SECOND_NS)
    told = Symbol("BTCTRY")
    placed = turk_answers.classify_as(
        turk_orders.submitted, reply.status, reply.body, retry_after_s=reply.wait_s
    )
    cancelled = turk_answers.classify_as(
        turk_orders.cancelled, reply.status, reply.body, retry_after_s=reply.wait_s
    )
    of_ours = replace(about(), symbol=told, side=Side.BUY)
    return [
        btcturk_evidence.of_place(placed, of_ours, times),
        btcturk_evidence.of_cancel(cancelled, of_ours, times),
    ]


def _accepted(read: Callable[[object], object], body: bytes) -> object:
    answer = wire_answers.classify_as(read, 200, body)
    if isinstance(answer, Accepted):
        return answer.reply
    raise WireError(str(answer))


def _data_of(read: Callable[[object], object], body: bytes) -> object:
    return read(turk_answers.data_of(body))


def _of_symbol(read: Callable[[bytes, tuple[Symbol, ...]], object], body: bytes) -> object:
    return read(body, (Symbol("BTCTRY"),))


def _turk_marks(body: bytes) -> object:
    return turk_market.marks(body, (Symbol("BTCTRY"),), NOW_NS)


def _binance_marks(body: bytes) -> object:
    return wire_marks.book_tickers(body, NOW_NS)


def _turk_private(body: bytes) -> object:
    trusted = Unconfirmed(is_order_type_trusted=True)
    return turk_private_frame(body, Arrival(NOW_NS, trusted))


def _readers() -> Iterator[Reader]:
    binance: Mapping[str, Callable[[bytes], object]] = {
        "orders": partial(_accepted, wire_account.orders),
        "fills": partial(_accepted, wire_account.fills),
        "balances": partial(_accepted, wire_account.balances),
        "fees": partial(_accepted, wire_account.fees),
        "server_time": wire_info.server_time,
        "exchange_info": wire_info.exchange_info,
        "depth": wire_market.depth_snapshot,
        "klines": wire_klines.klines,
        "trades": wire_klines.public_trades,
        "book_tickers": _binance_marks,
    }
    yield _answers("binance-answers", BINANCE_ANSWERS["order"], _binance_outcomes)
    yield parser(
        "binance-order", BINANCE_ANSWERS["order"], partial(_accepted, wire_orders.order_reply)
    )
    yield parser(
        "binance-one_order", BINANCE_ANSWERS["order"], partial(_accepted, wire_account.one_order)
    )
    for name, read in binance.items():
        yield parser(f"binance-{name}", BINANCE_ANSWERS[name], read)
    yield parser("binance-private", BINANCE_PRIVATE, wire_private.private_frame)
    btcturk: Mapping[str, Callable[[bytes], object]] = {
        "one_order": partial(_data_of, turk_orders.one_order),
        "open_orders": partial(_data_of, turk_orders.open_orders),
        "all_orders": partial(_data_of, turk_orders.all_orders),
        "fills": partial(_data_of, turk_account.fills),
        "balances": partial(_data_of, turk_account.balances),
        "server_time": turk_info.server_time,
        "exchange_info": partial(_of_symbol, turk_info.exchange_info),
        "marks": _turk_marks,
        "order_book": turk_market.order_book,
        "trades": turk_market.trades,
        "klines": turk_market.klines,
        "ohlcs": turk_market.ohlcs,
    }
    samples = (*BTCTURK_ANSWERS["submitted"], *BTCTURK_ANSWERS["cancelled"])
    yield _answers("btcturk-answers", samples, _btcturk_outcomes)
    for name, read in btcturk.items():
        yield parser(f"btcturk-{name}", BTCTURK_ANSWERS[name], read)
    yield parser("btcturk-private", BTCTURK_PRIVATE, _turk_private)


READERS: Final = tuple(_readers())
