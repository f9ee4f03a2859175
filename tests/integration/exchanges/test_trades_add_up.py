"""
What an account's stream tells and what is asked, together, against the venue's ledger.
"""

import asyncio
from contextlib import aclosing
from decimal import Decimal
from pathlib import Path
from typing import Final

import pytest

from spark.exchanges.port import Answer, FillSeen, News, Question
from spark.names import Side, Venue
from tests.contract.venue_scenes import PATIENCE_S, SYMBOL, TAKES, Scene, playing

#: Under the best bid.
_SELLS: Final = Decimal(61_000)
_SPOILED: Final = ("duplicate_message", "reorder_messages", "drop_message")


async def hear(scene: Scene, told: list[News], listening: asyncio.Event) -> None:
    """Listen to the private stream for as long as it goes."""
    async with aclosing(scene.stream.news(scene.log_in)) as news:  # type: ignore[type-var]
        async for some in news:
            told.extend(some)
            listening.set()


@pytest.mark.parametrize("count", [40])
async def test_each_trade_is_known_once_whatever_the_stream_does(
    tmp_path: Path, count: int
) -> None:
    """R4, R5: messages twice, late and lost; with the question every trade, to the last decimal."""
    told: list[News] = []
    listening = asyncio.Event()
    async with playing(Venue.BINANCE, tmp_path) as scene:
        task = asyncio.ensure_future(hear(scene, told, listening))
        async with asyncio.timeout(PATIENCE_S):
            await listening.wait()
        for kind in _SPOILED:
            await scene.arm(kind, route="private", count=7)
        for number in range(count):
            is_buy = number % 2 == 1
            side, price = (Side.BUY, TAKES) if is_buy else (Side.SELL, _SELLS)
            order = scene.order(f"order{number}", side=side, price=price)
            assert (await scene.place(order)).answer is Answer.DEFINITE
        await scene.used_up()
        task.cancel()
        asked = await scene.account_venue.fills(scene.ask(Question.FILLS, symbol=SYMBOL))
        entries = await scene.entries("fill")
    seen = [one for one in told if isinstance(one, FillSeen)]
    known = {one.trade_id: one for one in (*seen, *asked)}
    assert {
        one.trade_id: (one.exchange_order_id, one.quantity, one.price, one.commission)
        for one in known.values()
    } == {
        str(one["trade_id"]): (
            str(one["order_id"]),
            *(Decimal(one[what]) for what in ("quantity", "price", "commission")),
        )
        for one in entries
    }
    # The stream was spoiled, or this proved nothing.
    assert len(seen) != len({one.trade_id for one in seen})
    assert {one.trade_id for one in seen} != known.keys()
