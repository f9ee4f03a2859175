"""
Public endpoints: clock, exchange's rules, tickers, book, trades, days, candles.

Source: broker-api-docs README; docs.btcturk.com "public endpoints", "rate-limits"; what
others observed of the live API (the book says "SUCCESS" where others say 0).
"""

from typing import Final

from spark.exchanges.simulator.btcturk import refusals, render
from spark.exchanges.simulator.btcturk.api import Api, Handling, Route
from spark.exchanges.simulator.btcturk.limits import per_minute
from spark.exchanges.simulator.btcturk.symbols import Rules
from spark.exchanges.simulator.btcturk.tape import DAY_MINUTES, TRADES_MAX
from spark.exchanges.simulator.orders import spelled

_NS_PER_S: Final = 1_000_000_000
#: Minutes of each resolution; how days and longer are spelled nobody has confirmed.
RESOLUTIONS: Final = {
    **{str(minutes): minutes for minutes in (1, 5, 15, 30, 60, 240)},
    **dict.fromkeys(("1D", "1 d", "D"), DAY_MINUTES),
    **dict.fromkeys(("1W", "1 w", "W"), 7 * DAY_MINUTES),
}


def _time(api: Api, _handling: Handling) -> object:
    return render.server_time(api.now_ns)


def _ping(_api: Api, _handling: Handling) -> object:
    return {"pong": True}


def _exchange_info(api: Api, _handling: Handling) -> object:
    parts = api.parts
    currencies = sorted({asset for one in parts.rules.values() for asset in (one.base, one.quote)})
    return render.success(
        {
            "timeZone": "UTC",
            "serverTime": api.now_ns // render.NS_PER_MS,
            "symbols": [
                one.as_json(reference=parts.venue.last_price.get(one.symbol, one.start_price))
                for one in parts.rules.values()
            ],
            "currencies": [
                {"id": number, "symbol": name, "precision": 8, "currencyType": _kind(name)}
                for number, name in enumerate(currencies, start=1)
            ],
            "currencyOperationBlocks": [
                {"currencySymbol": name, "withdrawalDisabled": False, "depositDisabled": False}
                for name in currencies
            ],
        },
        message=None,
    )


def _kind(currency: str) -> str:
    return "FIAT" if currency == "TRY" else "CRYPTO"


def _ticker(api: Api, handling: Handling) -> object:
    name = handling.param("pairSymbol")
    chosen = list(api.parts.rules.values())
    if name:
        rules = api.rules_of(name)
        # A pair that is none has no row; it is no error.
        chosen = [] if rules is None else [rules]
    return render.success([_row(api, one) for one in chosen], message=None)


def _tickers_of(api: Api, handling: Handling) -> object:
    quote = (handling.param("symbol") or "").upper()
    chosen = [one for one in api.parts.rules.values() if one.quote == quote]
    return render.success([_row(api, one) for one in chosen], message=None)


def _row(api: Api, rules: Rules) -> dict[str, object]:
    book = api.parts.venue.books[rules.symbol]
    day = api.parts.tape.day(rules.symbol, api.now_ns)
    return render.ticker(book, rules, day, now_ns=api.now_ns)


def _book(api: Api, handling: Handling) -> object:
    rules = _known(api, handling.param("pairSymbol"))
    most = handling.whole("limit") or render.LEVELS_MAX
    book = api.parts.venue.books[rules.symbol]
    most = min(most, render.LEVELS_MAX)
    return render.success(
        {
            "timestamp": api.now_ns // render.NS_PER_MS,
            "bids": render.levels(book.bids, most),
            "asks": render.levels(book.asks, most),
        },
        message=None,
        code="SUCCESS",
    )


def _trades(api: Api, handling: Handling) -> object:
    rules = _known(api, handling.param("pairSymbol"))
    most = min(handling.whole("last") or TRADES_MAX, TRADES_MAX)
    found = api.parts.tape.trades(rules.symbol, most)
    return render.success([render.public_trade(fill, rules) for fill in found], message=None)


def _days(api: Api, handling: Handling) -> object:
    rules = _known(api, handling.param("pairSymbol"))
    most = handling.whole("last") or TRADES_MAX
    now_s = api.now_ns // _NS_PER_S
    found = api.parts.tape.candles(rules.symbol, minutes=DAY_MINUTES, from_s=0, until_s=now_s)
    rows = [
        {
            "pairSymbol": rules.symbol,
            "pairSymbolNormalized": rules.normalized,
            "time": start_s,
            "open": spelled(one.open),
            "high": spelled(one.high),
            "low": spelled(one.low),
            "close": spelled(one.close),
            "volume": spelled(one.volume),
        }
        for start_s, one in reversed(found)
    ]
    return render.success(rows[:most], message=None)


def _klines(api: Api, handling: Handling) -> object:
    """Answer in columns, without an envelope, times in seconds."""
    rules = _known(api, handling.param("symbol"))
    minutes = RESOLUTIONS.get(handling.param("resolution") or "")
    if minutes is None:
        raise refusals.invalid_request()
    found = api.parts.tape.candles(
        rules.symbol,
        minutes=minutes,
        from_s=handling.whole("from") or 0,
        until_s=_until(api, handling),
    )
    return {
        "s": "ok",
        "t": [start_s for start_s, _ in found],
        "h": [float(one.high) for _, one in found],
        "o": [float(one.open) for _, one in found],
        "l": [float(one.low) for _, one in found],
        "c": [float(one.close) for _, one in found],
        "v": [float(one.volume) for _, one in found],
    }


def _ohlcs(api: Api, handling: Handling) -> object:
    """Answer in rows of a day, without an envelope, times in seconds."""
    rules = _known(api, handling.param("pair"))
    found = api.parts.tape.candles(
        rules.symbol,
        minutes=DAY_MINUTES,
        from_s=handling.whole("from") or 0,
        until_s=_until(api, handling),
    )
    return [
        {
            "pair": rules.symbol,
            "time": start_s,
            "open": float(one.open),
            "high": float(one.high),
            "low": float(one.low),
            "close": float(one.close),
            "volume": float(one.volume),
            "total": float(one.total),
            "average": float(one.total / one.volume),
            "dailyChangeAmount": float(one.close - one.open),
            "dailyChangePercentage": float(round((one.close - one.open) * 100 / one.open, 2)),
        }
        for start_s, one in found
    ]


def _until(api: Api, handling: Handling) -> int:
    given = handling.whole("to")
    return api.now_ns // _NS_PER_S if given is None else given


def _known(api: Api, name: str | None) -> Rules:
    rules = api.rules_of(name)
    if rules is None:
        raise refusals.no_such_pair(name or "")
    return rules


ROUTES: Final = {
    ("GET", "/api/v2/server/time"): Route(_time, None),
    ("GET", "/api/v2/server/ping"): Route(_ping, None),
    ("GET", "/api/v2/server/exchangeinfo"): Route(_exchange_info, None),
    ("GET", "/api/v2/ticker"): Route(_ticker, None, per_minute(600)),
    ("GET", "/api/v2/ticker/currency"): Route(_tickers_of, None, per_minute(600)),
    ("GET", "/api/v2/orderbook"): Route(_book, None, per_minute(180)),
    ("GET", "/api/v2/trades"): Route(_trades, None, per_minute(90)),
    ("GET", "/api/v2/ohlc"): Route(_days, None),
    ("GET", "/v1/klines/history"): Route(_klines, None),
    ("GET", "/v1/ohlcs"): Route(_ohlcs, None, per_minute(120)),
}
