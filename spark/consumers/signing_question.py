"""
Questions as lines on the signer's socket. Pure.
"""

import re
from typing import Final

import orjson

from spark.exchanges.port import Asked, Question
from spark.ids import is_ours
from spark.names import AccountId, ClientOrderId, Symbol

_TEXTS: Final = ("account", "client_order_id", "exchange_order_id", "symbol", "after_id")
_FIELDS: Final = frozenset({*_TEXTS, "question", "since_ns"})
_SYMBOL: Final = re.compile(r"[A-Z0-9_]{2,20}")
_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_SINCE_NS_MAX: Final = 1 << 63


def write_question(asked: Asked) -> bytes:
    """Write a question as one line, without its end."""
    return orjson.dumps({name: getattr(asked, name) for name in sorted(_FIELDS)})


def read_question(line: bytes) -> Asked | None:
    """Read a question; None for anything else, such as an id that is none of ours."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(fields, dict) or fields.keys() != _FIELDS:
        return None
    if not all(isinstance(fields[name], str) for name in _TEXTS):
        return None
    question, since_ns = fields["question"], fields["since_ns"]
    if not isinstance(question, str) or question not in set(Question):
        return None
    if type(since_ns) is not int:
        return None
    asked = Asked(
        question=Question(question),
        account=AccountId(fields["account"]),
        symbol=Symbol(fields["symbol"]),
        client_order_id=ClientOrderId(fields["client_order_id"]),
        exchange_order_id=fields["exchange_order_id"],
        since_ns=since_ns,
        after_id=fields["after_id"],
    )
    return asked if _is_sane(asked) else None


def _is_sane(asked: Asked) -> bool:
    if asked.symbol and not _SYMBOL.fullmatch(asked.symbol):
        return False
    if asked.client_order_id and not is_ours(asked.client_order_id):
        return False
    if not all(_NUMBER.fullmatch(one) for one in (asked.exchange_order_id, asked.after_id) if one):
        return False
    if asked.question is Question.ORDER and not (
        asked.symbol and (asked.client_order_id or asked.exchange_order_id)
    ):
        return False
    return 0 <= asked.since_ns < _SINCE_NS_MAX
