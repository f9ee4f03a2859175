"""
What a process says when it begins: which program runs, under which settings (A5).
"""

import asyncio
import os
from hashlib import sha256
from pathlib import Path
from typing import Final

import spark
from spark.bus.port import Outgoing, Partition
from spark.cli.process import Process
from spark.codec import encode
from spark.events import ProcessStarted
from spark.settings import Settings
from spark.settings.section import Section
from spark.signing import lp
from spark.topics import CONTROL_STARTS

_PROGRAM: Final = Path(spark.__file__).parent
_SUFFIXES: Final = frozenset({".py", ".sql"})


async def say_started(process: Process) -> None:
    """
    Append the record of this start; a process that cannot say so does not go on.

    Raises: WriteError and AuthorisationError as the writer.
    """
    started = ProcessStarted(
        role=process.name,
        instance=process.instance,
        version=spark.__version__,
        build=await asyncio.to_thread(build_digest),
        configuration=configuration_digest(process.settings),
        uid=os.getuid(),
        started_ns=process.clock.wall_ns(),
    )
    writer = await process.bus.writer([CONTROL_STARTS])
    try:
        key = process.name.encode()
        await writer.write([Outgoing(Partition(CONTROL_STARTS, 0), key, encode(started))])
    finally:
        await writer.close()


def build_digest(directory: Path = _PROGRAM) -> str:
    """Digest the files of the program, each with its name."""
    digest = sha256()
    for path in sorted(directory.rglob("*")):
        if path.suffix in _SUFFIXES:
            digest.update(lp(path.relative_to(directory).as_posix().encode()))
            digest.update(lp(path.read_bytes()))
    return digest.hexdigest()


def configuration_digest(settings: Settings) -> str:
    """Digest every setting by its section and name; a secret could be guessed from a digest."""
    texts = sorted(_texts(settings))
    return sha256(b"".join(lp(text.encode()) for text in texts)).hexdigest()


def _texts(section: Section, path: str = "") -> list[str]:
    found = []
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, Section):
            found += _texts(value, f"{path}{name}.")
        elif field.repr:
            found.append(f"{path}{name}={value!r}")
    return found
