"""
structlog, set up once: one JSON object a line on stderr, nothing secret in it.

Event names are constants in snake_case, ids are fields. Tracebacks carry no
locals, and a last filter removes every registered secret in the forms in which
they leak: as they are, base64, hex, URL and JSON escaped (S18).
"""

import base64
import json
import logging
import sys
import traceback
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, cast
from urllib.parse import quote, quote_plus

import structlog

_REDACTED: Final = "[redacted]"
_SECRET_CHARS_MIN: Final = 8
#: Every form of every secret, the longest first: a short one may be part of a long one.
_forms: list[str] = []


def register_secret(secret: bytes) -> None:
    """Make the filter remove this secret, in every form, from every line from now on."""
    if len(secret) < _SECRET_CHARS_MIN:
        return
    forms = {secret.hex(), secret.hex().upper(), repr(secret)[2:-1], quote(secret, safe="")}
    for encoded in (base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
        forms.add(encoded.decode().rstrip("="))
    with suppress(UnicodeDecodeError):
        text = secret.decode()
        forms.update({text, quote(text), quote_plus(text)})
    # What is printed is JSON, and what it quotes may be JSON itself: escaped twice.
    for _ in range(2):
        for is_ascii in (True, False):
            forms |= {json.dumps(form, ensure_ascii=is_ascii)[1:-1] for form in forms}
    _forms[:] = sorted(forms.union(_forms), key=len, reverse=True)


def redact(text: str) -> str:
    """Remove every registered secret from a text."""
    for form in _forms:
        if form in text:
            text = text.replace(form, _REDACTED)
    return text


class _FilteredStderr:
    """What structlog prints through."""

    def msg(self, message: str) -> None:
        sys.stderr.write(redact(message) + "\n")
        sys.stderr.flush()

    log = debug = info = warning = error = critical = exception = msg


def set_up(role: str, log_format: str) -> None:
    """
    Configure logging of this process.

    Args:
        role: bound to every line.
        log_format: `json`, or `console` for a person.

    """
    renderer: Any = (
        structlog.processors.JSONRenderer(sort_keys=True)
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(
            exception_formatter=structlog.dev.plain_traceback, colors=sys.stderr.isatty()
        )
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="ts"),
            structlog.processors.ExceptionRenderer(
                structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
            )
            if log_format == "json"
            else structlog.processors.StackInfoRenderer(),
            renderer,
        ],
        logger_factory=lambda *_: _FilteredStderr(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(role=role)
    # A bug's traceback goes to the same place, through the same filter.
    sys.excepthook = _print_bug
    # Client libraries log through the standard library; keep what a person must see.
    handler = logging.StreamHandler(_LibraryStream())
    handler.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)


def _print_bug(
    kind: type[BaseException], error: BaseException, where: TracebackType | None
) -> None:
    """Print a bug as Python does, without its locals and without a secret."""
    sys.stderr.write(redact("".join(traceback.format_exception(kind, error, where))))


class _LibraryStream:
    """Turns a library's log line into one of ours."""

    def write(self, text: str) -> None:
        if text.strip():
            logger().warning("library_says", text=text.strip())

    def flush(self) -> None:
        """Nothing is held back."""


def logger(**bound: object) -> structlog.stdlib.BoundLogger:
    """Get a logger with fields bound."""
    return cast("structlog.stdlib.BoundLogger", structlog.get_logger(**bound))
