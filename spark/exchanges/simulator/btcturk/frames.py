"""
Models of the socket as text: `[number, model]`, each naming its number again. Pure.

Source: "WebSocket Feed" manual; docs.btcturk.com "models"; broker-api-docs issues 283, 412,
452 (0 buys and 1 sells, contrary to public trades), 591, 592, 604; recorded frames.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Final

import orjson

from spark.exchanges.simulator.book import Book
from spark.exchanges.simulator.btcturk.render import NS_PER_MS, public_id, transaction
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.btcturk.tape import Day
from spark.exchanges.simulator.btcturk.tariff import HELD_RATE
from spark.exchanges.simulator.orders import ZERO, Fill, Kind, Order, spelled
from spark.names import Side

HELLO: Final = b'[991,{"type":991,"current":"6.0.0","min":"2.3.0"}]'
INSERTED: Final = 451
DELETED: Final = 452
UPDATED: Final = 453
FULL: Final = 431
DIFFERENCE: Final = 432
_METHOD: Final = {Kind.LIMIT: 0, Kind.MARKET: 1}

#: Price and quantity, best first.
Levels = Sequence[tuple[Decimal, Decimal]]


def result(message: str, *, is_ok: bool) -> bytes:
    """Answer a subscription (100)."""
    return _model(100, {"ok": is_ok, "message": message})


def logged_in(message: str | None) -> bytes:
    """Answer a login (114): no message is success."""
    return _model(114, {"ok": message is None, "message": message})


def ticker_row(book: Book, rules: Rules, day: Day) -> dict[str, object]:
    """Return what a pair's ticker says; everything but the pair's number is text."""
    bid, bid_amount = book.top(Side.BUY)
    ask, ask_amount = book.top(Side.SELL)
    change = day.last - day.open
    return {
        "B": spelled(bid),
        "A": spelled(ask),
        "BA": spelled(bid_amount),
        "AA": spelled(ask_amount),
        "PS": rules.symbol,
        "H": spelled(day.high),
        "L": spelled(day.low),
        "LA": spelled(day.last),
        "O": spelled(day.open),
        "V": spelled(day.volume),
        "AV": spelled(day.average),
        "D": spelled(change),
        "DP": f"{change * 100 / day.open:.2f}",
        "DS": rules.quote,
        "NS": rules.base,
        "PId": rules.number,
    }


def ticker(row: Mapping[str, object]) -> bytes:
    """Return one pair's ticker (402)."""
    return _model(402, {**row, "channel": "ticker", "event": row["PS"]})


def tickers(rows: Sequence[Mapping[str, object]]) -> bytes:
    """Return all pairs' tickers (401)."""
    return _model(401, {"items": rows, "channel": "ticker", "event": "all"})


def trade_list(symbol: str, fills: Sequence[Fill]) -> bytes:
    """Return the last trades (421)."""
    rows = [_trade(fill) for fill in fills]
    return _model(421, {"symbol": symbol, "items": rows, "channel": "trade", "event": symbol})


def trade(fill: Fill) -> bytes:
    """Return one trade (422)."""
    return _model(
        422, {**_trade(fill), "PS": fill.symbol, "channel": "trade", "event": fill.symbol}
    )


def _trade(fill: Fill) -> dict[str, object]:
    return {
        "D": str(fill.at_ns // NS_PER_MS),
        "I": public_id(fill),
        "A": f"{fill.quantity:.10f}",
        "P": f"{fill.price:.10f}",
        # Of its taker: 1 bought, 0 sold.
        "S": int(fill.is_buyer),
    }


def book_full(channel: str, symbol: str, *, number: int, bids: Levels, asks: Levels) -> bytes:
    """Return a whole book (431)."""
    return _book(FULL, channel, symbol, CS=number, AO=_whole(asks), BO=_whole(bids))


def book_difference(
    symbol: str, *, number: int, bids: list[dict[str, object]], asks: list[dict[str, object]]
) -> bytes:
    """Return what changed in a book (432)."""
    return _book(DIFFERENCE, "obdiff", symbol, CS=number, AO=asks, BO=bids)


def _book(number: int, channel: str, symbol: str, **said: object) -> bytes:
    return _model(number, {**said, "PS": symbol, "channel": channel, "event": symbol})


def _whole(levels: Levels) -> list[dict[str, str]]:
    return [{"A": spelled(quantity), "P": spelled(price)} for price, quantity in levels]


def match(order: Order, fill: Fill, rules: Rules, *, user: int) -> bytes:
    """Tell an account of its half of a trade (441); neither time nor rest is in it."""
    return _model(
        441,
        {
            "id": order.order_id,
            "user": user,
            "isBid": fill.is_buyer,
            "method": _METHOD[order.terms.kind],
            "pair": rules.number,
            "symbol": rules.symbol,
            "amount": f"{fill.quantity:.10f}",
            "price": f"{fill.price:.10f}",
            "clientId": order.terms.client_id,
        },
    )


def user_trade(order: Order, fill: Fill, rules: Rules) -> bytes:
    """Tell an account of a fill as its transactions list it (423); it names no number again."""
    return orjson.dumps([423, transaction(fill, order, rules)])


def order_changed(number: int, order: Order, rules: Rules, *, user: int) -> bytes:
    """Tell an account of its order (451, 452, 453); there is no time in it."""
    terms = order.terms
    price, left = terms.price or ZERO, order.remaining
    is_buy = terms.side is Side.BUY
    rest = price * left * (1 + HELD_RATE if is_buy else 1 - HELD_RATE)
    # A deletion writes all sixteen decimals.
    write = spelled if number == INSERTED else "{:.16f}".format
    return _model(
        number,
        {
            "pairId": rules.number,
            "symbol": rules.symbol,
            "id": order.order_id,
            "method": _METHOD[terms.kind],
            "userId": user,
            "orderType": 0 if is_buy else 1,
            "price": write(price),
            "amount": write(order.quantity),
            "numLeft": write(left),
            "denomLeft": f"{rest:.16f}",
            "newOrderClientId": terms.client_id,
        },
    )


def balance_updated(user: int) -> bytes:
    """Tell an account that its balances changed (201): it has to ask how."""
    return _model(201, {"userId": user})


def _model(number: int, said: Mapping[str, object]) -> bytes:
    return orjson.dumps([number, {"type": number, **said}])
