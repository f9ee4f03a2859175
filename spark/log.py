"""
structlog, set up once: one JSON object a line on stderr, nothing secret in it.

Event names are constants in snake_case, ids are fields. Tracebacks carry no
locals, and a last filter removes every registered secret in the forms in which
they leak: as they are, base64, hex, URL and JSON escaped (S18). All that Python
itself writes to stderr passes it, whoever wrote it: warnings, threads, libraries.

The filter keeps no secret: of each form it knows the length, a salted hash of its
first characters, and a keyed digest of the whole.
"""

import atexit
import base64
import io
import json
import logging
import secrets
import sys
import traceback
from collections.abc import Iterator
from contextlib import suppress
from hashlib import blake2b
from types import TracebackType
from typing import Any, Final, TextIO, cast
from urllib.parse import quote, quote_plus

import structlog

_REDACTED: Final = "[redacted]"
_SECRET_CHARS_MIN: Final = 8
#: A line without an end is written when it is this long.
_LINE_CHARS_MAX: Final = 1_000_000
_DIGEST_KEY: Final = secrets.token_bytes(32)
#: By the hash of a form's first characters (Python salts it anew in each process): digests
#: of the whole forms, by their lengths.
_forms: dict[int, dict[int, set[bytes]]] = {}


def register_secret(secret: bytes) -> None:
    """Make the filter remove this secret, in every form, from every line from now on."""
    if len(secret) < _SECRET_CHARS_MIN:
        return
    for form in _forms_of(secret):
        lengths = _forms.setdefault(hash(form[:_SECRET_CHARS_MIN]), {})
        lengths.setdefault(len(form), set()).add(_digest(form))


def redact(text: str) -> str:
    """Remove every registered secret from a text."""
    parts: list[str] = []
    done = 0
    for start, end in _found(text):
        if start > done or not parts:
            parts += [text[done:start], _REDACTED]
        done = max(done, end)
    return "".join([*parts, text[done:]])


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Find where secrets stand, in order; the longest of those that begin at one place."""
    for start in range(len(text) - _SECRET_CHARS_MIN + 1):
        lengths = _forms.get(hash(text[start : start + _SECRET_CHARS_MIN]))
        if lengths is None:
            continue
        for length in sorted(lengths, reverse=True):
            if _digest(text[start : start + length]) in lengths[length]:
                yield start, start + length
                break


def _digest(form: str) -> bytes:
    # Surrogates stand in what Python shows of bytes that are no text.
    return blake2b(form.encode("utf-8", "surrogatepass"), key=_DIGEST_KEY, digest_size=16).digest()


def _forms_of(secret: bytes) -> set[str]:
    forms = {secret.hex(), secret.hex().upper(), repr(secret)[2:-1], quote(secret, safe="")}
    for encoded in (base64.b64encode(secret), base64.urlsafe_b64encode(secret)):
        forms.add(encoded.decode().rstrip("="))
    with suppress(UnicodeDecodeError):
        text = secret.decode()
        forms.update({text, quote(text), quote_plus(text)})
    # What is printed is JSON, or shown by Python, and so may be what it quotes: escaped twice.
    for _ in range(2):
        shown = {repr(form)[1:-1] for form in forms}
        for is_ascii in (True, False):
            forms |= {json.dumps(form, ensure_ascii=is_ascii)[1:-1] for form in forms}
        forms |= shown
    return {form for form in forms if len(form) >= _SECRET_CHARS_MIN}


class FilteredStream(io.TextIOBase):
    """
    What is put in place of stderr: it passes on whole lines, without a secret.

    A part of a line waits for the rest, or half of a secret would pass.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._rest = ""

    def write(self, text: str) -> int:
        """Take a text; write the lines that it ends."""
        lines, newline, self._rest = (self._rest + text).rpartition("\n")
        if newline:
            self._stream.write(redact(lines + newline))
            self._stream.flush()
        if len(self._rest) > _LINE_CHARS_MAX:
            self.end()
        return len(text)

    def end(self) -> None:
        """Write what has no end of line; nothing more of it will come."""
        rest, self._rest = self._rest, ""
        with suppress(OSError, ValueError):  # nobody is left to read it
            self._stream.write(redact(rest))
            self._stream.flush()

    def flush(self) -> None:
        """Whole lines are not held back."""

    def writable(self) -> bool:
        """Say that it is for writing."""
        return True

    def isatty(self) -> bool:
        """Say whether a person reads along."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """Give the number below, for whoever asks where it leads."""
        return self._stream.fileno()


class _FilteredStderr:
    """What structlog prints through."""

    def msg(self, message: str) -> None:
        is_filtered = isinstance(sys.stderr, FilteredStream)
        sys.stderr.write((message if is_filtered else redact(message)) + "\n")
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
    if not isinstance(sys.stderr, FilteredStream):
        filtered = FilteredStream(sys.stderr)
        sys.stderr = cast("TextIO", filtered)
        atexit.register(filtered.end)
    # A bug's traceback goes to the same place, and shows no more than the others.
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
