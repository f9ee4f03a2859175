"""
Named SQL: queries.sql holds each statement once, under a name and a line of purpose.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_HEAD: Final = re.compile(r"^-- (?P<name>[a-z_]+): (?P<purpose>\S.*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Query:
    """One statement; its name is a metric label."""

    name: str
    purpose: str
    sql: str


def parse_queries(text: str) -> dict[str, Query]:
    """
    Read the format of queries.sql: `-- name: purpose`, then one statement.
    """
    heads = list(_HEAD.finditer(text))
    ends = [head.start() for head in heads[1:]] + [len(text)]
    found = {}
    for head, end in zip(heads, ends, strict=True):
        name = head["name"]
        assert name not in found, f"query {name} is there twice"
        found[name] = Query(name, head["purpose"], text[head.end() : end].strip().rstrip(";"))
    return found


QUERIES: Final = parse_queries(Path(__file__).with_name("queries.sql").read_text(encoding="utf-8"))
