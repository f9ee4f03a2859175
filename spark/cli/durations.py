"""Spans of time as people write them: `30s`, `5m`, `1h`, `90`."""

import re
from typing import Final

import typer

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
#: A hundred years: more is a slip, and no clock counts so far.
_SPAN_S_MAX: Final = 100 * 365 * 86_400.0
_SECONDS: Final = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_duration(text: str) -> float:
    """
    Read a span.

    Returns: seconds.

    Raises:
        typer.BadParameter: it is none, it is nothing, or more than a hundred years.

    """
    match = _SPAN.fullmatch(text.strip().lower())
    span = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < span <= _SPAN_S_MAX:
        raise typer.BadParameter(f"{text!r} is no span of time; write 30s, 5m or 1h")
    return span
