"""
What the order commands do: write an intent as the operator, read its story back.
"""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from time import monotonic
from typing import Final

import typer

from spark.bus.port import Bus, Pace, Reader
from spark.cli.attach import OPERATOR, Attached, attach
from spark.clock import SystemClock
from spark.codec import decimal_text
from spark.errors import BusUnavailable, NotRunningError
from spark.events import Intent, PlaceOrder
from spark.names import AccountId, IntentId, Role, Side, StrategyId, Symbol, TimeInForce
from spark.ops.order_reader import partitions_of, read_latest, read_order, read_place, take
from spark.ops.order_view import SOURCES, OrderRow, OrderView
from spark.producers.intents import IntentWriter, OrderWish
from spark.topics import INTENTS, partition_of

_NS_PER_S: Final = 1_000_000_000
_READ_WAIT_MS: Final = 100
#: What was acknowledged can be read within this.
_ECHO_S_MAX: Final = 5.0
_SYMBOL: Final = re.compile(r"[A-Z0-9]{2,20}")


@dataclass(frozen=True, slots=True)
class Placing:
    """A wish and how long it lives."""

    wish: OrderWish
    ttl_ns: int

    @classmethod
    def of(
        cls,
        *,
        symbol: str,
        side: Side,
        quantity: str,
        limit: str,
        time_in_force: TimeInForce,
        account: str,
        ttl_s: float,
    ) -> "Placing":
        """
        Read what was typed.

        Raises:
            typer.BadParameter: a number, a symbol or an account is none.

        """
        name = symbol.strip().upper()
        if not _SYMBOL.fullmatch(name):
            raise typer.BadParameter(f"{symbol!r} is no symbol")
        if partition_of(AccountId(account)) is None:
            raise typer.BadParameter(f"there is no account {account!r}")
        wish = OrderWish(
            account=AccountId(account),
            symbol=Symbol(name),
            side=side,
            quantity=_number(quantity, "quantity"),
            price=_number(limit, "price") if limit else None,
            time_in_force=time_in_force,
        )
        return cls(wish, int(ttl_s * _NS_PER_S))


async def place_order(placing: Placing, *, wait_s: float) -> OrderRow:
    """
    Place, and follow the order until it is answered or the time is up.

    Raises:
        NotRunningError: no stack runs.

    """
    async with _desk() as (attached, bus), _intents(attached, bus) as writer:
        return await _send(
            bus, writer, writer.place(placing.wish, ttl_ns=placing.ttl_ns), wait_s=wait_s
        )


async def cancel_order(intent_id: str, *, wait_s: float) -> OrderRow:
    """
    Cancel, and follow the cancel until it is answered or the time is up.

    Raises:
        NotRunningError: no stack runs, or no such order.

    """
    async with _desk() as (attached, bus), _intents(attached, bus) as writer:
        order = await _order(bus, intent_id)
        return await _send(bus, writer, writer.cancel(order), wait_s=wait_s)


async def find_order(intent_id: str) -> OrderRow:
    """
    Read one order's story.

    Raises:
        NotRunningError: no stack runs, or no such order.

    """
    async with _desk() as (_, bus):
        row = await read_order(bus, intent_id)
    if row is None:
        raise NotRunningError(f"no intent {intent_id}")
    return row


async def latest_orders(count: int) -> list[OrderRow]:
    """
    Read the latest orders' stories.

    Raises:
        NotRunningError: no stack runs.

    """
    async with _desk() as (_, bus):
        return await read_latest(bus, count)


@asynccontextmanager
async def _desk() -> AsyncIterator[tuple[Attached, Bus]]:
    attached = attach()
    bus = attached.bus()
    try:
        yield attached, bus
    finally:
        await bus.close()


@asynccontextmanager
async def _intents(attached: Attached, bus: Bus) -> AsyncIterator[IntentWriter]:
    tagger = attached.keyring().tagger((Role.GUARDRAIL, Role.SIGNER))
    writer = await bus.writer([INTENTS])
    try:
        yield IntentWriter(StrategyId(OPERATOR), writer, tagger, clock=SystemClock())
    finally:
        await writer.close()


async def _order(bus: Bus, intent_id: str) -> PlaceOrder:
    order = await read_place(bus, intent_id)
    if order is None:
        raise NotRunningError(f"no order {intent_id}")
    return order


async def _send(bus: Bus, writer: IntentWriter, intent: Intent, *, wait_s: float) -> OrderRow:
    partitions = partitions_of(SOURCES)
    reader = await bus.reader(await bus.ends(partitions), Pace.HOT)
    try:
        await writer.send([intent])
        return await _story(reader, intent.intent_id, wait_s)
    finally:
        await reader.close()


async def _story(reader: Reader, intent_id: IntentId, wait_s: float) -> OrderRow:
    """
    Read until the order is answered; without waiting, until the intent itself is seen.
    """
    view, wanted = OrderView(), intent_id.encode()
    deadline = monotonic() + wait_s
    while True:
        for record in await reader.read(_READ_WAIT_MS):
            if wanted in (record.value or b""):
                take(view, record)
        row = view.rows.get(intent_id)
        if row is not None and (row.is_settled or monotonic() >= deadline):
            return row
        if row is None and monotonic() >= deadline + _ECHO_S_MAX:
            raise BusUnavailable(f"{intent_id} was written and cannot be read back")


def _number(text: str, what: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise typer.BadParameter(f"{what} {text!r} is no number") from None
    if not value.is_finite() or value <= 0:
        raise typer.BadParameter(f"{what} {text} must be above 0")
    try:
        decimal_text(value)
    except ValueError:
        raise typer.BadParameter(f"{what} {text} is beyond any market's") from None
    return value
