"""
What the exchanges say when all is well, as their documents have it, to be broken.
"""

from collections.abc import Mapping
from typing import Any, Final

import orjson

#: Ours, as both venues carry it.
OURS: Final = "spk" + "0" * 29

_ORDER: Final[dict[str, Any]] = {
    "symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": OURS,
    "transactTime": 1507725176595, "price": "0.00000000", "origQty": "10.00000000",
    "executedQty": "10.00000000", "origQuoteOrderQty": "0.000000",
    "cummulativeQuoteQty": "10.00000000", "status": "FILLED", "timeInForce": "GTC",
    "type": "MARKET", "side": "SELL", "workingTime": 1507725176595, "time": 1499827319559,
    "updateTime": 1499827319560, "stopPrice": "0.0", "icebergQty": "0.0", "isWorking": True,
    "selfTradePreventionMode": "NONE",
    "fills": [
        {"price": "4000.00000000", "qty": "1.00000000", "commission": "4.00000000",
         "commissionAsset": "USDT", "tradeId": 56},
        {"price": "3999.00000000", "qty": "9.00000000", "commission": "19.99500000",
         "commissionAsset": "USDT", "tradeId": 57},
    ],
}  # fmt: skip
_OPEN: Final = {**_ORDER, "status": "PARTIALLY_FILLED", "executedQty": "1.0", "type": "LIMIT",
                "price": "4000.1", "side": "BUY", "fills": []}  # fmt: skip
_ACK: Final = {"symbol": "BTCUSDT", "orderId": 28, "orderListId": -1, "clientOrderId": OURS,
               "transactTime": 1507725176595}  # fmt: skip
_CANCELLED: Final = {**_OPEN, "origClientOrderId": OURS, "clientOrderId": "cancel-1",
                     "status": "CANCELED"}  # fmt: skip
_ACCOUNT_TRADE: Final = {
    "symbol": "BNBBTC", "id": 28457, "orderId": 100234, "orderListId": -1, "price": "4.00000100",
    "qty": "12.00000000", "quoteQty": "48.000012", "commission": "10.10000000",
    "commissionAsset": "BNB", "time": 1499865549590, "isBuyer": True, "isMaker": False,
    "isBestMatch": True,
}  # fmt: skip
_RATES: Final = {"maker": "0.001", "taker": "0.002", "buyer": "0.0003", "seller": "0.0004"}
_SYMBOL: Final = {
    "symbol": "BTCUSDT", "status": "TRADING", "baseAsset": "BTC", "quoteAsset": "USDT",
    "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
    "filters": [
        {"filterType": "PRICE_FILTER", "minPrice": "0.01000000", "maxPrice": "1000000.00000000",
         "tickSize": "0.01000000"},
        {"filterType": "LOT_SIZE", "minQty": "0.00001000", "maxQty": "9000.00000000",
         "stepSize": "0.00001000"},
        {"filterType": "MARKET_LOT_SIZE", "minQty": "0.00000000", "maxQty": "123.45000000",
         "stepSize": "0.00000000"},
        {"filterType": "NOTIONAL", "minNotional": "5.00000000", "applyMinToMarket": True,
         "maxNotional": "9000000.00000000", "applyMaxToMarket": False, "avgPriceMins": 5},
        {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": 200},
    ],
}  # fmt: skip
_KLINE: Final = [
    1499040000000, "0.01634790", "0.80000000", "0.01575800", "0.01577100", "148976.11427815",
    1499644799999, "2434.19055334", 308, "1756.87402397", "28.46694368", "0",
]  # fmt: skip
_REPORT: Final = {
    "e": "executionReport", "E": 1499405658658, "s": "ETHBTC", "c": OURS, "S": "BUY",
    "o": "LIMIT", "f": "GTC", "q": "1.00000000", "p": "0.10264410", "P": "0.00000000",
    "F": "0.00000000", "g": -1, "C": "", "x": "NEW", "X": "NEW", "r": "NONE", "i": 4293153,
    "l": "0.00000000", "z": "0.00000000", "L": "0.00000000", "n": "0", "N": None,
    "T": 1499405658657, "t": -1, "I": 8641984, "w": True, "m": False, "M": False,
    "O": 1499405658657, "Z": "0.00000000", "Y": "0.00000000", "Q": "0.00000000",
    "W": 1499405658657, "V": "NONE",
}  # fmt: skip
_TRADED: Final = {**_REPORT, "x": "TRADE", "X": "FILLED", "t": 7, "l": "0.6", "L": "0.1",
                  "n": "0.0006", "N": "ETH", "z": "1.0", "Z": "0.1"}  # fmt: skip
_BTCTURK_ORDER: Final = {
    "id": 61912740, "price": "3842925", "amount": "0.02", "quantity": "0.02", "stopPrice": "0",
    "pairsymbol": "BTCTRY", "pairSymbolNormalized": "BTC_TRY", "type": "sell", "method": "limit",
    "orderClientId": OURS, "time": 0, "updateTime": 1543996112263, "status": "Partial",
    "leftAmount": "0.015",
}  # fmt: skip
_BTCTURK_TRADE: Final = {
    "price": "3842925.0000", "numeratorSymbol": "BTC", "denominatorSymbol": "TRY",
    "orderType": "sell", "orderId": 61912740, "orderClientId": None, "id": 7,
    "timestamp": 1543996112263, "amount": "-0.0100000000000000", "preciseAmount": -0.01,
    "fee": "-3.25", "tax": "-0.58",
}  # fmt: skip
_PAIR: Final = {
    "id": 1, "name": "BTCTRY", "nameNormalized": "BTC_TRY", "status": "TRADING",
    "numerator": "BTC", "denominator": "TRY", "numeratorScale": 8, "denominatorScale": 2,
    "hasFraction": False,
    "filters": [{"filterType": "PRICE_FILTER", "minPrice": "0.0000000000001",
                 "maxPrice": "10000000", "tickSize": "10", "minExchangeValue": "99.91",
                 "minAmount": None, "maxAmount": None}],
    "orderMethods": ["MARKET", "LIMIT", "STOP_MARKET", "STOP_LIMIT"],
    "maximumLimitOrderPrice": 37541350, "minimumLimitOrderPrice": 375413.5,
    "maximumOrderAmount": None,
}  # fmt: skip


def _json(value: object) -> bytes:
    return orjson.dumps(value)


def _error(code: int, message: str) -> bytes:
    return _json({"code": code, "msg": message})


def _enveloped(data: object, *, is_good: bool = True, message: str | None = None) -> bytes:
    code = 0 if is_good else 1047
    return _json({"data": data, "success": is_good, "message": message, "code": code})


def _event(event: Mapping[str, object]) -> bytes:
    return _json({"subscriptionId": 0, "event": event})


def _stream(name: str, data: object) -> bytes:
    return _json({"stream": f"btcusdt@{name}", "data": data})


def _frame(kind: int, **model: object) -> bytes:
    return _json([kind, {"type": kind, **model}])


#: What Binance answers, by what was asked.
BINANCE_ANSWERS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "order": (
        *map(_json, (_ACK, _ORDER, _OPEN, _CANCELLED)),
        _error(-2010, "Account has insufficient balance for requested action."),
        _error(-2010, "Duplicate order sent."),
        _error(-1021, "Timestamp for this request is outside of the recvWindow."),
        _error(-1007, "Timeout waiting for response from backend server."),
        _error(-1003, "Too many requests; current limit is 6000 request weight per 1 MINUTE."),
        _error(-1013, "Filter failure: LOT_SIZE"),
        _error(-2011, "Unknown order sent."),
        _error(-2013, "Order does not exist."),
        b"<html><body>502 Bad Gateway</body></html>",
    ),
    "orders": (_json([_ORDER, _OPEN]), _json([])),
    "fills": (_json([_ACCOUNT_TRADE]),),
    "balances": (
        _json({"makerCommission": 15, "canTrade": True, "uid": 354937868, "balances": [
            {"asset": "BTC", "free": "4723846.89208129", "locked": "0.00000000"},
            {"asset": "LTC", "free": "4763368.68006011", "locked": "1.00000000"}]}),
    ),
    "fees": (
        _json({"symbol": "BTCUSDT", "standardCommission": _RATES, "specialCommission": _RATES,
               "taxCommission": {**_RATES, "taker": "0.01"},
               "discount": {"enabledForAccount": True, "discount": "0.75"}}),
    ),
    "server_time": (b'{"serverTime":1499827319559}',),
    "exchange_info": (
        _json({"timezone": "UTC", "serverTime": 1565246363776, "rateLimits": [
            {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
             "limit": 6000}], "symbols": [_SYMBOL]}),
    ),
    "depth": (_json({"lastUpdateId": 5, "bids": [["4.0", "431.0"]], "asks": [["4.1", "1.0"]]}),),
    "klines": (_json([_KLINE, _KLINE]),),
    "trades": (
        _json([{"id": 28457, "price": "4.00000100", "qty": "12.0", "quoteQty": "48.0",
                "time": 1499865549590, "isBuyerMaker": True, "isBestMatch": True}]),
    ),
    "book_tickers": (
        _json([{"symbol": "BTCUSDT", "bidPrice": "4.0", "bidQty": "431.0", "askPrice": "4.1",
                "askQty": "9.0"}]),
    ),
}  # fmt: skip

#: Frames of its market streams.
BINANCE_FRAMES: Final = (
    _stream("bookTicker", {"u": 400900217, "s": "BTCUSDT", "b": "25.35190000",
                           "B": "31.21000000", "a": "25.36520000", "A": "40.66000000"}),
    _stream("trade", {"e": "trade", "E": 1723161255343, "s": "BTCUSDT", "t": 3735683259,
                      "p": "61837.63000000", "q": "0.02000000", "T": 1723161255342, "m": True,
                      "M": True}),
    _stream("depth@100ms", {"e": "depthUpdate", "E": 1723161255208, "s": "BTCUSDT", "U": 157,
                            "u": 160, "b": [["0.0024", "10"]], "a": [["0.0026", "100"]]}),
    _stream("depth", {"e": "depthUpdate", "E": 1723161255308, "s": "BTCUSDT", "U": 161, "u": 165,
                      "b": [], "a": [["0.0026", "0"], ["0.0027", "5"]]}),
    b'{"result":null,"id":1}',
    b'{"error":{"code":3,"msg":"Invalid JSON: expected value at line 1 column 1"},"id":1}',
    _json({"stream": "!serverShutdown", "data": {"e": "serverShutdown", "E": 1770123456789}}),
)  # fmt: skip
#: Frames of its private streams.
BINANCE_PRIVATE: Final = (
    _event(_REPORT),
    _event(_TRADED),
    _event({**_REPORT, "x": "CANCELED", "X": "CANCELED", "C": OURS}),
    _event({**_REPORT, "x": "REJECTED", "X": "REJECTED", "r": "INSUFFICIENT_BALANCES", "i": -1}),
    _event({"e": "outboundAccountPosition", "E": 1564034571105, "u": 1564034571073,
            "B": [{"a": "ETH", "f": "10000.000000", "l": "0.000000"}]}),
    _event({"e": "balanceUpdate", "E": 1573200697110, "a": "BTC", "d": "-100.00000000",
            "T": 1573200697068}),
    _event({"e": "eventStreamTerminated", "E": 1728973001334}),
    _json({"id": 1, "status": 200, "result": {"subscriptionId": 0}, "rateLimits": [
        {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1,
         "limit": 6000, "count": 4}]}),
    _json({"id": 2, "status": 429, "error": {"code": -1003, "msg": "Too many requests.",
           "data": {"serverTime": 1659260500000, "retryAfter": 1659260505000}}}),
    _json({"id": 2, "status": 200, "result": {"userDataStream": True}, "rateLimits": []}),
)  # fmt: skip

#: What BTCTurk answers, by what was asked.
BTCTURK_ANSWERS: Final[Mapping[str, tuple[bytes, ...]]] = {
    "submitted": (
        _enveloped({"id": 9932534, "datetime": 1543996112263, "type": "Buy", "method": "Limit",
                    "price": "20000.00", "stopPrice": None, "quantity": "0.001",
                    "pairSymbol": "BTCTRY", "pairSymbolNormalized": "BTC_TRY",
                    "newOrderClientId": OURS}),
        _enveloped(None, is_good=False, message="FAILED_MIN_TOTAL_AMOUNT"),
        _enveloped(None, is_good=False, message="Invalid Nonce"),
        _json({"success": False, "message": "Too many requests", "code": 429, "policy": "ip"}),
        b"<html><body>403 Forbidden</body></html>",
    ),
    "cancelled": (_enveloped(None, message="SUCCESS"),),
    "one_order": (_enveloped(_BTCTURK_ORDER),),
    "open_orders": (
        _enveloped({"asks": [_BTCTURK_ORDER], "bids": [{**_BTCTURK_ORDER, "type": "buy"}]}),
    ),
    "all_orders": (_enveloped([_BTCTURK_ORDER, {**_BTCTURK_ORDER, "status": "Closed",
                                                "leftAmount": "0"}]),),
    "fills": (_enveloped([_BTCTURK_TRADE, {**_BTCTURK_TRADE, "id": "8", "amount": "1"}]),),
    "balances": (
        _enveloped([{"asset": "TRY", "assetname": "Lira", "balance": "1500.5000000000000001",
                     "locked": "500", "free": "1000.5000000000000001", "orderFund": "500",
                     "requestFund": "0", "precision": 2}]),
    ),
    "server_time": (b'{"serverTime":1543996112263,"serverTime2":"2018-12-05T07:48:32"}',),
    "exchange_info": (
        _enveloped({"timeZone": "UTC", "serverTime": 1, "symbols": [_PAIR], "currencies": []}),
    ),
    "marks": (
        _enveloped([{"pair": "BTCTRY", "pairNormalized": "BTC_TRY", "timestamp": 1763700000000,
                     "last": 3842925, "bid": 3842925, "ask": 3843111.5}]),
    ),
    "order_book": (
        _enveloped({"timestamp": 1763700000000.0, "bids": [["10", "1.5"]],
                    "asks": [["11", "0.2"]]}),
    ),
    "trades": (
        _enveloped([{"pair": "BTCTRY", "date": 1763700000000, "tid": "110063781755340883",
                     "price": "3842925", "amount": "0.01", "side": "sell"}]),
    ),
    "klines": (b'{"s":"ok","t":[60],"o":[1.5],"h":[3],"l":[1],"c":[2],"v":[0.25]}',),
    "ohlcs": (
        (b'[{"pair":"BTCTRY","time":60,"open":"1.5","high":"3","low":"1","close":"2",'
        b'"volume":0.25}]'),
    ),
}  # fmt: skip

_SEEN: Final = {"pairId": 1, "symbol": "BTCTRY", "id": 61912740, "method": 0, "userId": 1,
                "orderType": 0, "price": "3842925", "amount": "0.02", "numLeft": "0.02",
                "denomLeft": "0", "newOrderClientId": OURS}  # fmt: skip
#: Frames of its public stream.
BTCTURK_FRAMES: Final = (
    _frame(991, current="5.1.0", min="2.3.0"),
    _frame(100, ok=True, message="join|orderbook:BTCTRY"),
    _frame(402, B="3842925", A="3843111", BA="0.5", AA="0.25", LA="3842950", PS="BTCTRY", PId=1),
    _frame(422, D="1647357507716", I="110063781755340883", A="0.0000503001", P="1011.3",
           PS="BTCTRY", S=1, channel="trade", event="BTCTRY"),
    _frame(421, symbol="BTCTRY", items=[{"D": "1647357507716", "I": "110063781755340883",
                                         "A": "0.5", "P": "1011.3", "S": 0}]),
    _frame(431, CS=10, PS="BTCTRY", AO=[{"A": "0.4", "P": "40678"}],
           BO=[{"A": "0.6", "P": "40670"}], channel="obdiff", event="BTCTRY"),
    _frame(432, CS=11, PS="BTCTRY", AO=[{"CP": 3, "P": "67.64", "A": "7"},
                                        {"CP": 0, "P": "67.74", "A": "1.9"}],
           BO=[{"CP": 1, "P": "67.49", "A": "12.4"}], channel="obdiff", event="BTCTRY"),
)  # fmt: skip
#: Frames of its private stream.
BTCTURK_PRIVATE: Final = (
    _frame(991, current="5.1.0", min="2.3.0"),
    _frame(114, ok=True, message=None),
    _frame(441, id=61912740, user=1, isBid=True, method=0, pair="BTC_TRY", symbol="BTCTRY",
           amount="0.01", price="3842925", clientId=OURS),
    _frame(451, **_SEEN),
    _frame(452, **_SEEN),
    _frame(453, **{**_SEEN, "numLeft": "0.005"}),
    _json([423, {**_BTCTURK_TRADE, "orderClientId": OURS, "amount": "-0.01"}]),
    _frame(201, asset="TRY"),
)  # fmt: skip
