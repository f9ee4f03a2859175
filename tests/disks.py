"""Small disks for tests that fill them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from spark.bench.crash.rooms import small_disk
from spark.errors import GateError


@contextmanager
def small_disk_or_skip(directory: Path, size_bytes: int) -> Iterator[None]:
    """Put an empty disk in a directory's place; where none can be put there, say why and skip."""
    with ExitStack() as around:
        try:
            around.enter_context(small_disk(directory, None, size_bytes=size_bytes))
        except GateError as error:
            pytest.skip(str(error))
        yield
