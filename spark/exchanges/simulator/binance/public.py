"""
Public endpoints: ping, time, exchangeInfo, depth, trades, klines, bookTicker.

Source: binance-spot-api-docs rest-api.md "General endpoints", "Market Data endpoints".
"""

from typing import Final

import orjson

from spark.exchanges.simulator.binance import frames, refusals, render, tape
from spark.exchanges.simulator.binance.api import Api, Handler, Handling, Route
from spark.exchanges.simulator.binance.parameters import Demands
from spark.exchanges.simulator.binance.symbols import exchange_info

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_MS_PER_S: Final = 1_000
#: Of trades or klines in one reply.
ROWS: Final = 500
ROWS_MAX: Final = 1_000
DEPTH_LEVELS: Final = 100
DEPTH_LEVELS_MAX: Final = 5_000
#: (levels up to, weight)
_DEPTH_WEIGHTS: Final = ((100, 5), (500, 25), (1_000, 50), (DEPTH_LEVELS_MAX, 250))


def _ping(_api: Api, _handling: Handling) -> object:
    return {}


def _time(api: Api, _handling: Handling) -> object:
    return {"serverTime": api.venue.clock.wall_ns() // _NS_PER_MS}


def _exchange_info(api: Api, handling: Handling) -> object:
    params = handling.params
    chosen = list(api.rules.values())
    if "symbol" in params and "symbols" in params:
        raise refusals.bad_combination()
    if "symbol" in params:
        chosen = [api.known(params)]
    elif "symbols" in params:
        chosen = [api.known({"symbol": symbol}) for symbol in _symbols(params["symbols"])]
    now_ms = api.venue.clock.wall_ns() // _NS_PER_MS
    return exchange_info(chosen, api.limits.as_json(), now_ms=now_ms)


def _symbols(text: str) -> list[str]:
    try:
        symbols = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise refusals.illegal_characters("symbols", "^\\[.*\\]$") from None
    if not isinstance(symbols, list) or not all(isinstance(one, str) for one in symbols):
        raise refusals.invalid_data("symbols")
    return symbols


def _depth(api: Api, handling: Handling) -> object:
    symbol = api.known(handling.params).symbol
    limit = min(int(handling.params.get("limit", DEPTH_LEVELS)), DEPTH_LEVELS_MAX)
    if limit == 0:
        raise refusals.invalid_data("limit")
    handling.weight = next(weight for levels, weight in _DEPTH_WEIGHTS if limit <= levels)
    snapshot = api.snapshots.get(symbol)
    return render.depth(api.venue.books[symbol], limit) if snapshot is None else snapshot


def _trades(api: Api, handling: Handling) -> object:
    symbol = api.known(handling.params).symbol
    return [render.public_trade(fill) for fill in api.tape.trades(symbol, _rows(handling))]


def _klines(api: Api, handling: Handling) -> object:
    params = handling.params
    symbol, limit = api.known(params).symbol, _rows(handling)
    interval = params["interval"]
    if interval not in tape.INTERVALS:
        raise refusals.invalid_interval()
    if params.get("timeZone", "0") != "0":
        raise refusals.invalid_data("timeZone")
    now_s = api.venue.clock.wall_ns() // _NS_PER_S
    first_ms, last_ms = (int(params.get(name, -1)) for name in ("startTime", "endTime"))
    found = [
        bar
        for bar in api.tape.bars(symbol, interval, now_s)
        if bar.start_s * _MS_PER_S >= first_ms
        and (last_ms < 0 or bar.start_s * _MS_PER_S <= last_ms)
    ]
    chosen = found[:limit] if first_ms >= 0 else found[-limit:]
    return [render.kline(bar, tape.end_of(interval, bar.start_s)) for bar in chosen]


def _rows(handling: Handling) -> int:
    rows = min(int(handling.params.get("limit", ROWS)), ROWS_MAX)
    if rows == 0:
        raise refusals.invalid_data("limit")
    return rows


def _book_ticker(api: Api, handling: Handling) -> object:
    params = handling.params
    if "symbol" in params and "symbols" in params:
        raise refusals.bad_combination()
    if "symbol" in params:
        handling.weight = 2
        return _top(api, api.known(params).symbol)
    chosen = list(api.rules)
    if "symbols" in params:
        chosen = [api.known({"symbol": one}).symbol for one in _symbols(params["symbols"])]
    return [_top(api, symbol) for symbol in chosen]


def _top(api: Api, symbol: str) -> dict[str, str]:
    """Give a symbol's best prices: of the last recorded frame where there is one."""
    ticker = orjson.loads(api.tickers.get(symbol) or frames.book_ticker(api.venue.books[symbol]))
    # A recorded frame is a combined one.
    ticker = ticker.get("data", ticker)
    return {
        "symbol": ticker["s"],
        "bidPrice": ticker["b"],
        "bidQty": ticker["B"],
        "askPrice": ticker["a"],
        "askQty": ticker["A"],
    }


def _route(handle: Handler, weight: int, *names: str, mandatory: tuple[str, ...] = ()) -> Route:
    return Route(handle, Demands(frozenset(names), mandatory, None), weight)


_INFO: Final = ("symbol", "symbols", "permissions", "showPermissionSets", "symbolStatus")
_KLINES: Final = "symbol interval startTime endTime timeZone limit"
ROUTES: Final = {
    ("GET", "/api/v3/ping"): _route(_ping, 1),
    ("GET", "/api/v3/time"): _route(_time, 1),
    ("GET", "/api/v3/exchangeInfo"): _route(_exchange_info, 20, *_INFO),
    ("GET", "/api/v3/depth"): _route(
        _depth, 5, "symbol", "limit", "symbolStatus", mandatory=("symbol",)
    ),
    ("GET", "/api/v3/trades"): _route(_trades, 25, "symbol", "limit", mandatory=("symbol",)),
    ("GET", "/api/v3/klines"): _route(
        _klines, 2, *_KLINES.split(), mandatory=("symbol", "interval")
    ),
    ("GET", "/api/v3/ticker/bookTicker"): _route(
        _book_ticker, 4, "symbol", "symbols", "symbolStatus"
    ),
}
