"""
Whatever stands before a stage, and around it, its output is one that its topic takes (R20).

A produce that is refused for its size is fatal, and the same record comes again after the
restart: one person's, or one strategy's, words would stop everybody for good.
"""

from decimal import Decimal
from typing import Final

import pytest

from spark import topics
from spark.codec import encode
from spark.errors import WireError
from spark.events import Balance, BalancesSeen, HaltConfirmed, Intent, RequestSealed, TradingHalted
from spark.exchanges.funds import ASSET_CHARS_MAX, HELD_MAX, balances_of
from spark.ledger.control_state import named as told_of
from spark.names import AccountId, HaltSource
from spark.topics import BY_NAME, INTENT_BYTES_MAX
from spark.worker.halts import shortened
from tests.hops import Chain, intent_written, opened, tick
from tests.made import NOW_NS, cancel, place

#: What a produce adds to a record, generously.
_OVERHEAD_BYTES: Final = 16 * 1024
#: Characters by what they become in JSON: as they are, longer in UTF-8, or escaped.
_FILLERS: Final = ("x", "₺", "\U0001f600", "\x01", '"', "\\")


def fits(body: bytes, topic: str) -> None:
    """A record of these bytes is written."""
    most = BY_NAME[topic].message_bytes_max
    assert len(body) + _OVERHEAD_BYTES < most, f"{len(body)} bytes for {topic}"


@pytest.mark.parametrize("filler", ["x", "₺", "\U0001f600", '"', "\\"])
def test_r20_the_largest_account_fits_its_topic(filler: str) -> None:
    """R20: as many assets as an account may hold, with the longest names and amounts."""
    most = Decimal("99999999999999999999.99999999999999999999")
    rows = [
        (f"{number:03}{filler * (ASSET_CHARS_MAX - 3)}", most, most) for number in range(HELD_MAX)
    ]
    seen = BalancesSeen(
        account=AccountId("binance:main"),
        balances=tuple(
            Balance(asset=one.asset, free=one.free, locked=one.locked) for one in balances_of(rows)
        ),
        is_complete=True,
        exchange_ns=NOW_NS,
        at_ns=NOW_NS,
    )
    fits(encode(seen), topics.ACCOUNT_EVENTS)
    with pytest.raises(WireError, match="901 assets are held"):
        balances_of([*rows, ("ONEMORE", most, most)])
    balances_of([*rows, ("EMPTY", Decimal(0), Decimal(0))])


@pytest.mark.parametrize("asset", ["", "x" * (ASSET_CHARS_MAX + 1), "\x01", "BTC\n"])
def test_h5_an_asset_without_a_name_is_none(asset: str) -> None:
    """H5: such a row is no balance, and the answer is refused with what it said."""
    with pytest.raises(WireError, match="an asset"):
        balances_of([(asset, Decimal(1), Decimal(0))])


def test_h5_an_asset_stands_there_once() -> None:
    """H5: of two balances nobody knows which one counts."""
    row = ("BTC", Decimal(1), Decimal(0))
    with pytest.raises(WireError, match="twice"):
        balances_of([row, row])


def killed(chain: Chain, count: int, name: str) -> None:
    """Let somebody kill so many times, by names of his choice."""
    for number in range(count):
        kill = TradingHalted(
            halt=f"{name}{number}",
            account="",
            source=HaltSource.WEBHOOK,
            by="webhook",
            reason="r",
            evidence={},
            at_ns=NOW_NS,
        )
        chain.see(kill, topics.CONTROL_HALT, number)


@pytest.mark.parametrize("filler", _FILLERS)
@pytest.mark.parametrize(("count", "length"), [(12, 9_000), (6_000, 40), (1, 60_000)])
def test_r20_kills_of_any_name_and_number_fit_every_decision(
    count: int, length: int, filler: str
) -> None:
    """R20, fault O3: a refusal that names the kills is one that can be written, on every hop."""
    chain = Chain()
    approved = chain.decide(intent_written(place()))
    killed(chain, count, filler * length)
    refused = chain.decide(intent_written(place("two")), offset=1)
    fits(encode(refused), topics.DECISIONS)
    # Approved before, killed now: the signer names them too.
    for decision in (approved, refused):
        signed, out = chain.sign(decision)
        assert not isinstance(signed, RequestSealed)
        fits(encode(signed), topics.SIGNED)
        ended = opened(out, seq=decision.stamp.seq)
        assert isinstance(ended, tuple)
        fits(encode(ended), topics.EVENTS)


@pytest.mark.parametrize("filler", _FILLERS)
def test_r20_a_full_latch_directory_fits_every_hop(filler: str) -> None:
    """R20: as many kills as a latch keeps, by the longest names that a file may have."""
    stem = filler * (255 // len(filler.encode()))
    halts = tuple(f"latch:{stem}@{NOW_NS + number}" for number in range(100))
    chain = Chain()
    order = place()
    approved = chain.decide(intent_written(order))
    chain.sign(approved)
    intents: tuple[Intent, ...] = (place("two"), cancel(order))
    for number, intent in enumerate(intents, 1):
        decision = chain.decide(intent_written(intent), offset=number, at=tick(halts=halts))
        fits(encode(decision), topics.DECISIONS)
        signed, out = chain.sign(decision, at=tick(halts=halts))
        fits(encode(signed), topics.SIGNED)
        assert isinstance(signed, RequestSealed) == (number == 2), "a cancel goes on"
        opened(out, seq=number)


@pytest.mark.parametrize("filler", _FILLERS)
def test_r20_what_is_confirmed_of_kills_fits_its_topic(filler: str) -> None:
    """R20: a pulse and a confirmation name kills as far as there is room, and are written."""
    said = HaltConfirmed(
        role="gateway",
        instance="i" * 100,
        epochs={f"orders.events/{number}": 2**62 for number in range(3)},
        halts=shortened(filler * 5_000 for _ in range(5_000)),
        stage="halted",
        in_flight=(),
        at_ns=NOW_NS,
    )
    assert said.halts
    fits(encode(said), topics.CONTROL_PULSE)


def test_a_refusal_names_the_first_kills_whole_and_counts_the_others() -> None:
    """Who reads a refusal finds the kill that it is about, and how many there are besides."""
    assert told_of(("kill-1", "latch:a@1")) == "kill-1, latch:a@1"
    many = told_of([f"kill-{number}" for number in range(50)])
    assert many.startswith("kill-0, kill-1, ")
    assert many.endswith("kill-19 and 30 more")


@pytest.mark.parametrize("filler", _FILLERS)
@pytest.mark.parametrize(
    "field", ["symbol", "strategy", "account", "intent_id", "target_intent_id"]
)
def test_r20_the_largest_intent_of_either_sort_fits_every_hop(filler: str, field: str) -> None:
    """R20: each hop embeds the one before; what a strategy may write every hop can pass on."""
    is_cancel = field.startswith("target")
    length = INTENT_BYTES_MAX // max(len(filler.encode()), len(encode(filler)) - 2)
    while True:
        changes: dict[str, object] = {field: filler * length}
        order = place("one", **({} if is_cancel else changes))
        intent: Intent = cancel(place(), "two", **changes) if is_cancel else order
        if len(encode(intent)) <= INTENT_BYTES_MAX:
            break
        length -= 16
    assert len(encode(intent)) > INTENT_BYTES_MAX * 0.9
    chain = Chain()
    decision = chain.decide(intent_written(intent))
    fits(encode(decision), topics.DECISIONS)
    signed, out = chain.sign(decision)
    fits(encode(signed), topics.SIGNED)
    ended = opened(out)
    assert isinstance(ended, tuple)
    fits(encode(ended), topics.EVENTS)
