"""
Servers and their clients in a loop that is turned case by case, with an ear for their errors.
"""

import asyncio
import logging
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Any

from aiohttp import web_app
from aiohttp.http_exceptions import HttpProcessingError


class Errors(logging.Handler):
    """What servers and the loop say of handlers that failed."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            # It is no HTTP: the server has answered 400 and says so.
            return
        self.found.append(f"{record.getMessage()}: {error!r}")


@contextmanager
def overheard() -> Iterator[Errors]:
    """Hear what servers and the loop say while the body runs; nobody else does."""
    errors = Errors()
    names = ("aiohttp.server", "aiohttp.web", "asyncio")
    heard = [logging.getLogger(name) for name in names]
    before = [logger.propagate for logger in heard]
    for logger in heard:
        logger.addHandler(errors)
        # What hears all of a test keeps all of it, which would count as the reader's growth.
        logger.propagate = False
    try:
        yield errors
    finally:
        for logger, propagates in zip(heard, before, strict=True):
            logger.propagate = propagates
            logger.removeHandler(errors)


@contextmanager
def running_in_turns(
    start: Callable[[AsyncExitStack, Path], Awaitable[Any]],
) -> Iterator[tuple[asyncio.Runner, Any, Errors]]:
    """Run servers and clients in a loop that is turned case by case."""
    with (
        tempfile.TemporaryDirectory(prefix="spark-fuzz-") as place,
        overheard() as errors,
        asyncio.Runner() as runner,
    ):
        stack = AsyncExitStack()

        async def begin() -> Any:  # noqa: ANN401
            return await start(stack, Path(place))

        try:
            yield runner, runner.run(begin()), errors
        finally:
            runner.run(stack.aclose())
            # The client library remembers the handlers of every server there ever was.
            web_app._cached_build_middleware.cache_clear()
