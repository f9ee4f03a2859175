"""
The projector's values as rows, and back: JSON that the database spreads into columns. Pure.

Decimals travel as strings in plain notation, so that every digit arrives, and one value
has one spelling.
"""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from spark.consumers.projector_batch import Reject
from spark.consumers.projector_fold import (
    IntentKey,
    OrderKey,
    Position,
    PositionKey,
    Tables,
    Trade,
)
from spark.errors import IntegrityError
from spark.ledger.executions import Execution
from spark.ledger.holdings import Holding
from spark.ledger.story import Decided, IntentCard, OrderCard, Said
from spark.ledger.story_row import row_of
from spark.names import AccountId, ClientOrderId

_ORDER: Final = TypeAdapter(OrderCard)
_INTENT: Final = TypeAdapter(IntentCard)
_SAID: Final = tuple(Said.__dataclass_fields__)
_DECIDED: Final = tuple(Decided.__dataclass_fields__)
_ZERO: Final = Decimal(0)

Line = dict[str, object]


def dump(lines: Iterable[Line]) -> str:
    """Write lines as the one parameter that the database makes rows of."""
    return orjson.dumps(list(lines), default=_plain).decode()


def intent_line(key: IntentKey, card: IntentCard) -> Line:
    """Write an intent's card."""
    line: Line = {"partition": key.partition, "record_offset": key.offset}
    line |= {name: getattr(card.said, name, None) for name in _SAID}
    line |= {name: getattr(card.decided, name, None) for name in _DECIDED}
    return line | {"reasons": card.decided.reasons if card.decided else ()}


def read_intent(row: Sequence[Any]) -> tuple[IntentKey, IntentCard]:
    """Read an intent's card, as `projected_intents` selects it."""
    partition, offset, *values = row
    named = dict(zip((*_SAID, *_DECIDED), values, strict=True))
    said = {name: named[name] for name in _SAID}
    decided = {name: named[name] for name in _DECIDED}
    card = {
        "said": None if said["appended_ns"] is None else said,
        "decided": None if decided["outcome"] is None else decided,
    }
    # Through JSON, in which a reason's code may be a text.
    return IntentKey(partition, offset), _INTENT.validate_json(orjson.dumps(card, default=_plain))


def parts_line(key: OrderKey, card: OrderCard) -> Line:
    """Write an order's parts."""
    return {**_named(key), "parts": orjson.Fragment(_ORDER.dump_json(card, exclude_none=True))}


def read_parts(account: str, client_order_id: str, parts: str) -> tuple[OrderKey, OrderCard]:
    """
    Read an order's parts.

    Raises:
        IntegrityError: they are not what this version of Spark writes; a rebuild mends it.

    """
    key = OrderKey(AccountId(account), ClientOrderId(client_order_id))
    try:
        return key, _ORDER.validate_json(parts)
    except ValidationError:
        raise IntegrityError(
            f"order_parts of {client_order_id} are of another version or were changed;"
            " `spark db rebuild` makes them anew"
        ) from None


def order_lines(tables: Tables, keys: Iterable[OrderKey]) -> Iterable[Line]:
    """Write the rows of orders; one that may be none has none."""
    for key in sorted(keys):
        row = row_of(key.account, key.client_order_id, tables.orders[key])
        if row is not None:
            yield {name: getattr(row, name) for name in row.__dataclass_fields__}


def trade_line(trade: Trade) -> Line:
    """Write a trade."""
    fill, execution = trade.fill, trade.execution
    return {
        "account": fill.account,
        "client_order_id": fill.client_order_id,
        "cumulative": execution.cumulative,
        "trade_id": execution.trade_id,
        "strategy": fill.strategy,
        "exchange": fill.account.partition(":")[0],
        "symbol": fill.symbol,
        "mode": fill.mode,
        "side": fill.side,
        "quantity": execution.quantity,
        "price": execution.price,
        "commission": trade.commission,
        "commission_asset": fill.commission_asset,
        "pnl": trade.pnl,
        "exchange_ns": fill.exchange_ns,
    }


def read_trade(row: Iterable[Any]) -> tuple[OrderKey, Execution]:
    """Read what a trade covers of its order."""
    account, client_order_id, *covers = row
    return OrderKey(account, client_order_id), Execution(*covers)


def position_line(key: PositionKey, position: Position) -> Line:
    """Write a position."""
    holding = position.holding
    return {
        **key._asdict(),
        "quantity": holding.quantity,
        "average_price": holding.average_price,
        "realised_pnl": holding.realised_pnl,
        "updated_ns": position.updated_ns,
    }


def read_position(row: Iterable[Any]) -> tuple[PositionKey, Position]:
    """Read a position."""
    account, mode, symbol, exchange, quantity, average, realised = row
    key = PositionKey(account, mode, symbol, exchange)
    return key, Position(Holding(quantity, average, realised))


def reject_line(reject: Reject) -> Line:
    """Write a record that is kept apart."""
    line: Line = {name: getattr(reject, name) for name in reject.__dataclass_fields__}
    # In hexadecimal, behind the server's own mark for that.
    return line | {"body": f"\\x{reject.body.hex()}"}


def _named(key: OrderKey) -> Line:
    return {"account": key.account, "client_order_id": key.client_order_id}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        text = format(value, "f")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return "0" if value == _ZERO else text
    raise TypeError(type(value).__name__)
