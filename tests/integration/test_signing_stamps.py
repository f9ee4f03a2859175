"""
Who may ask what at the signer's socket, and stamps that only grow (R12, S4).
"""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from spark.bus.memory import MemoryBus
from spark.clock import SystemClock
from spark.consumers.signing_socket import (
    GATEWAY_QUESTIONS,
    SigningClient,
    read_stamps,
)
from spark.errors import VenueUnavailable
from spark.exchanges.port import Asked, Question, SignedRequest, unsigned
from tests.made import ACCOUNT, SECOND_NS
from tests.signing_desk import (
    ASKED,
    Desk,
    desk_in,
    is_signed,
    line_of,
    measured,
    passable,
)


@pytest.fixture
def directory() -> Iterator[Path]:
    with passable() as made:
        yield made


@pytest.fixture
async def desk(directory: Path) -> Desk:
    return await desk_in(directory)


async def test_the_gateway_may_ask_for_single_orders_alone(desk: Desk) -> None:
    """
    Balances, trades and logins are the account feed's; the gateway gets none of them (S4).
    """
    desk.uids = {os.geteuid(): GATEWAY_QUESTIONS}
    others = [question.value for question in Question if question is not Question.ORDER]
    async with desk.served():
        said = await desk.ask(*(line_of(question=one).encode() for one in others))
        (good,) = await desk.ask(line_of().encode())
    assert [orjson.loads(one) for one in said] == [{"error": "this user may not ask that"}] * 6
    assert is_signed(good)
    assert len(desk.used()) == 1


class Increasing:
    """Signs for an exchange that wants each stamp above the last one."""

    stamps_increase = True

    def place(self, *_: object) -> SignedRequest:
        raise AssertionError("nothing is placed here")

    def cancel(self, *_: object, **__: object) -> SignedRequest:
        raise AssertionError("nothing is cancelled here")

    def ask(self, asked: Asked, exchange_ns: int) -> SignedRequest:
        del asked
        return unsigned(exchange_ns)


async def test_r12_stamps_of_questions_increase_also_across_restarts(desk: Desk) -> None:
    """
    R12: asked at once or after a restart with an earlier clock, no stamp comes twice.

    Faults P3 and S2.
    """
    desk.signer = Increasing()
    client = SigningClient(desk.path)
    async with desk.served():
        asked = await asyncio.gather(*(client.ask(ASKED) for _ in range(20)))
    stamps = sorted(request.stamp_ns for request in asked)
    assert len(set(stamps)) == 20
    assert all(stamp % 1_000_000 == 0 for stamp in stamps)
    desk.measured = replace(measured(), offset_ns=-SECOND_NS)
    desk.stamps = await read_stamps(MemoryBus(desk.broker))
    async with desk.served():
        request = await client.ask(ASKED)
    assert request.stamp_ns == stamps[-1] + 1_000_000
    assert [used.stamped_ns for used in desk.used()][-1] == request.stamp_ns


async def test_r12_a_stamp_far_ahead_of_the_exchange_is_not_signed(desk: Desk) -> None:
    """
    R12: after a clock that ran ahead was put right, nothing is signed until it is caught up.

    Fault S2.
    """
    desk.signer = Increasing()
    desk.stamps = {ACCOUNT: SystemClock().wall_ns() + 60 * SECOND_NS}
    async with desk.served():
        with pytest.raises(VenueUnavailable, match="ahead of the exchange"):
            await SigningClient(desk.path).ask(ASKED)
    assert desk.used() == []
