"""
The projector's tables: fetches the rows that a batch needs, and writes what became of them.

Everything happens inside the caller's transaction. Table names carry no schema, so that
a rebuild can put temporary tables in the place of the real ones.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from spark.bus.port import Partition
from spark.consumers.projector_batch import Batch, Mark, refused
from spark.consumers.projector_fold import (
    Changes,
    IntentKey,
    OrderKey,
    Tables,
    fold_intents,
    fold_orders,
    intent_keys,
    order_keys,
    position_keys,
)
from spark.consumers.projector_rows import (
    Line,
    dump,
    intent_line,
    order_lines,
    parts_line,
    position_line,
    read_intent,
    read_parts,
    read_position,
    read_trade,
    reject_line,
    trade_line,
)
from spark.db.pool import Transaction
from spark.errors import MalformedError
from spark.events import OrderFilled


async def project(transaction: Transaction, batch: Batch) -> dict[str, int]:
    """
    Put a batch into the tables; a record whose rows the database refuses is kept apart.

    Returns: how many rows were written, by table.

    Raises: as the transaction.

    """
    try:
        async with transaction.part():
            return await _project(transaction, batch)
    except MalformedError:
        return await _project_one_by_one(transaction, batch)


async def _project_one_by_one(transaction: Transaction, batch: Batch) -> dict[str, int]:
    written = Counter[str]()
    for item in batch.items:
        try:
            async with transaction.part():
                one = replace(batch, items=[item], rejects=[])
                written.update(await _project(transaction, one))
        except MalformedError as error:
            batch.rejects.append(refused(item, str(error)))
    written.update(await _project(transaction, replace(batch, items=[])))
    return written


async def _project(transaction: Transaction, batch: Batch) -> dict[str, int]:
    tables = Tables()
    await _fetch_intents(transaction, tables, intent_keys(batch))
    asked = fold_intents(tables, batch)
    await _fetch_orders(transaction, tables, order_keys(asked, batch), batch=batch)
    changes = fold_orders(tables, asked, batch)
    return await _write(transaction, tables, changes, batch=batch)


async def advance(transaction: Transaction, batch: Batch) -> None:
    """
    Move the offset rows of every partition by compare-and-swap (R19).

    All of them, moved or not: rows are folded from several topics, so another projector
    must not have moved any of them.

    Raises:
        FencedError: it has.

    """
    olds = [batch.before[partition].next_offset for partition in sorted(batch.after)]
    await transaction.execute("projector_advance", mark_columns(batch.after) | {"olds": olds})


def mark_columns(after: Mapping[Partition, Mark]) -> dict[str, object]:
    """Write marks as columns, in the order of their partitions."""
    marks = [after[partition] for partition in sorted(after)]
    return {
        "topics": [partition.topic for partition in sorted(after)],
        "partitions": [partition.number for partition in sorted(after)],
        "news": [mark.next_offset for mark in marks],
        "digests": [mark.digest for mark in marks],
        "epochs": [mark.epoch for mark in marks],
        "seqs": [mark.seq for mark in marks],
    }


async def _fetch_intents(
    transaction: Transaction, tables: Tables, keys: Iterable[IntentKey]
) -> None:
    wanted = _columns(keys, ("partitions", "offsets"))
    if wanted["partitions"]:
        rows = await transaction.fetch("projected_intents", wanted)
        tables.intents.update(read_intent(row) for row in rows)


async def _fetch_orders(
    transaction: Transaction, tables: Tables, keys: Iterable[OrderKey], *, batch: Batch
) -> None:
    names = ("accounts", "ids")
    wanted = _columns(keys, names)
    if not wanted["accounts"]:
        return
    rows = await transaction.fetch("projected_parts", wanted)
    tables.orders.update(read_parts(*row) for row in rows)
    fills = [item.event for item in batch.items if isinstance(item.event, OrderFilled)]
    if not fills:
        return
    filled = {OrderKey(fill.account, fill.client_order_id) for fill in fills}
    for row in await transaction.fetch("projected_trades", _columns(filled, names)):
        key, execution = read_trade(row)
        tables.executions.setdefault(key, []).append(execution)
    wanted = _columns(position_keys(batch), ("accounts", "modes", "symbols", "exchanges"))
    rows = await transaction.fetch("projected_positions", wanted)
    tables.positions.update(read_position(row) for row in rows)


async def _write(
    transaction: Transaction, tables: Tables, changes: Changes, *, batch: Batch
) -> dict[str, int]:
    lines: dict[str, list[Line]] = {
        "intents": [intent_line(key, tables.intents[key]) for key in sorted(changes.intents)],
        "parts": [parts_line(key, tables.orders[key]) for key in sorted(changes.orders)],
        # Trades refer to orders, so orders come first.
        "orders": list(order_lines(tables, changes.orders)),
        "trades": [trade_line(trade) for trade in changes.trades],
        "positions": [
            position_line(key, tables.positions[key]) for key in sorted(changes.positions)
        ],
        "rejects": [reject_line(reject) for reject in batch.rejects],
    }
    for name, rows in lines.items():
        if rows:
            await transaction.execute(f"project_{name}", {"rows": dump(rows)})
    return {name: len(rows) for name, rows in lines.items()}


def _columns(keys: Iterable[tuple[Any, ...]], names: tuple[str, ...]) -> dict[str, object]:
    ordered = sorted(keys)
    return {name: [key[number] for key in ordered] for number, name in enumerate(names)}
