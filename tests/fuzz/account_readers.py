"""
What an exchange says of an account, from its bytes to the records that come of it.

Whatever it says, every record that the account feed would write is one that its topic takes.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from random import Random
from typing import Any, Final

from spark.codec import decode, encode
from spark.errors import WireError
from spark.events import Event
from spark.exchanges.answers import Accepted
from spark.exchanges.binance import wire_account, wire_answers, wire_private
from spark.exchanges.btcturk import wire_account as turk_account
from spark.exchanges.btcturk import wire_answers as turk_answers
from spark.exchanges.btcturk import wire_orders as turk_orders
from spark.exchanges.btcturk.unconfirmed import Unconfirmed
from spark.exchanges.btcturk.wire_news import Arrival
from spark.exchanges.btcturk.wire_news import private_frame as turk_private_frame
from spark.exchanges.port import BalanceSeen, FundsMoved, OrderSeen
from spark.ledger.reconcile_funds import Span
from spark.ledger.reconcile_look import Look, compare
from spark.ledger.reconcile_orders import learn
from spark.names import Symbol
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
from tests.made import NOW_NS, SECOND_NS, Life
from tests.reconciling import book_of
from tests.scripted_exchange import PAIRS

_FRESH: Final = 60
_OVERHEAD_BYTES: Final = 8 * 1024
_SAID_MAX: Final = 5

Told = tuple[Any, ...]


def _binance(random: Random) -> tuple[Told, Told]:
    def asked(name: str, read: Callable[[object], Told]) -> Told:
        body = Mutator(random, BINANCE_ANSWERS[name]).case()
        answer = wire_answers.classify_as(read, 200, _ours(body))
        return answer.reply if isinstance(answer, Accepted) else ()

    news: Told = ()
    for _ in range(random.randrange(_SAID_MAX)):
        try:
            frame = wire_private.private_frame(_ours(Mutator(random, BINANCE_PRIVATE).case()))
        except WireError:
            continue
        news += frame if isinstance(frame, tuple) else ()
    news += asked("orders", wire_account.orders) + asked("fills", wire_account.fills)
    return news, asked("balances", wire_account.balances)


def _btcturk(random: Random) -> tuple[Told, Told]:
    def asked(name: str, read: Callable[[object], Told]) -> Told:
        body = Mutator(random, BTCTURK_ANSWERS[name]).case()
        answer = turk_answers.classify_as(read, 200, _ours(body))
        return answer.reply if isinstance(answer, Accepted) else ()

    arrival = Arrival(NOW_NS, Unconfirmed(is_order_type_trusted=random.random() < 0.5))
    news: Told = ()
    for _ in range(random.randrange(_SAID_MAX)):
        try:
            frame = turk_private_frame(_ours(Mutator(random, BTCTURK_PRIVATE).case()), arrival)
        except WireError:
            continue
        # A hello and an answer to a login are tuples, too, of texts.
        news += tuple(one for one in frame if not isinstance(one, str | bool))
    news += asked("all_orders", turk_orders.all_orders) + asked("fills", turk_account.fills)
    return news, asked("balances", turk_account.balances)


_LIFE: Final = Life("one")


def _ours(body: bytes) -> bytes:
    """Let it be about an order that the log knows."""
    return body.replace(OURS.encode(), _LIFE.client_order_id.encode())


def _reader(name: str, hear: Callable[[Random], tuple[Told, Told]]) -> Reader:
    @contextmanager
    def opened() -> Iterator[Harness]:
        book = book_of(_LIFE.claimed(), _LIFE.acked())
        now_ns = NOW_NS

        def read(told: tuple[Told, Told]) -> bool:
            nonlocal now_ns
            news, balances = told
            now_ns += 30 * SECOND_NS
            said: list[Event] = []
            book.funds.moves += [one for one in news if isinstance(one, FundsMoved)]
            said += learn(book, news, at_ns=now_ns, is_asked=True)
            opens = tuple(one for one in news if isinstance(one, OrderSeen))
            said += compare(book, _look(opens, balances, now_ns)).said
            most = BY_NAME[ACCOUNT_EVENTS].message_bytes_max
            for event in said:
                body = encode(event)
                assert decode(body) == event
                assert len(body) + _OVERHEAD_BYTES < most, f"{type(event).__name__}: {len(body)}"
            return bool(said)

        yield Harness(hear, read)

    return Reader(name, opened, weight=2, fresh_every=_FRESH)


def _look(opens: tuple[OrderSeen, ...], balances: Sequence[BalanceSeen], now_ns: int) -> Look:
    fills_asked_ns: Mapping[Symbol, int] = dict.fromkeys(PAIRS, now_ns)
    return Look(
        at_ns=now_ns,
        asked_ns=now_ns,
        open_orders=opens,
        open_span=Span(now_ns, now_ns),
        fills_asked_ns=fills_asked_ns,
        balances=tuple(balances),
        balances_span=Span(now_ns, now_ns),
        pairs=PAIRS,
    )


READERS: Final = (
    _reader("account-binance", _binance),
    _reader("account-btcturk", _btcturk),
)
