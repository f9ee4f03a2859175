"""Spans of time as people write them: `30s`, `5m`, `1h`, `90`."""

import re
from typing import Final

import typer

_SPAN: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)?")
_SECONDS: Final = {"ms": 0.001, None: 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}


def parse_duration(text: str) -> float:
    """
    Read a span.

    Returns: seconds.

    Raises:
        typer.BadParameter: it is none, or it is nothing.

    """
    match = _SPAN.fullmatch(text.strip().lower())
    span = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if span <= 0:
        raise typer.BadParameter(f"{text!r} is no span of time; write 30s, 5m or 1h")
    return span
