"""
A served signing socket, and somebody who asks at it.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import orjson

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import SystemClock
from spark.codec import decode
from spark.consumers.signing_question import write_question
from spark.consumers.signing_socket import (
    ALL_QUESTIONS,
    SigningSocket,
)
from spark.errors import WriteError
from spark.events import ClockMeasured, KeyUsed
from spark.exchanges.port import Asked, OrderSigner, Question
from spark.ids import client_order_id
from spark.names import AccountId, Venue
from tests import keyed
from tests.made import ACCOUNT, STRATEGY, SYMBOL, named

_MS: Final = 1_000_000
#: Somebody on this machine; no process of ours runs as it.
STRANGER: Final = 64_999
ORDER: Final = client_order_id(ACCOUNT, STRATEGY, named("asked"))
ASKED: Final = Asked(question=Question.ORDER, account=ACCOUNT, client_order_id=ORDER, symbol=SYMBOL)
QUESTION: Final = orjson.loads(write_question(ASKED))
#: Asks as another user: the interpreter is started as ours, who may read it, and steps down.
_ASK_AS: Final = """
import os, socket, sys
os.setgroups([]); os.setresgid(*[int(sys.argv[2])] * 3); os.setresuid(*[int(sys.argv[2])] * 3)
peer = socket.socket(socket.AF_UNIX); peer.settimeout(10); peer.connect(sys.argv[1])
said = b""
try:
    peer.sendall(sys.argv[3].encode() + b"\\n")
    while not said.endswith(b"\\n") and (part := peer.recv(4096)):
        said += part
except ConnectionError:
    pass
sys.stdout.buffer.write(said)
"""


@contextmanager
def passable() -> Iterator[Path]:
    """A directory that others may pass; a socket's path is short, and pytest's are not."""
    made = Path(tempfile.mkdtemp(prefix="spk-"))
    made.chmod(0o711)
    yield made
    shutil.rmtree(made)


class Ink:
    """The writer of control.keys: dries when the test says so, or runs out."""

    def __init__(self, inner: Writer) -> None:
        self._inner = inner
        self.is_dry = asyncio.Event()
        self.is_dry.set()
        self.asked = asyncio.Event()
        self.is_out = False

    async def write(self, records: Sequence[Outgoing]) -> list[int]:
        self.asked.set()
        await self.is_dry.wait()
        if self.is_out:
            raise WriteError("no acknowledgement")
        return await self._inner.write(records)

    async def close(self) -> None:
        await self._inner.close()


@dataclass
class Desk:
    """A served socket, and what it is served with."""

    path: Path
    broker: MemoryBroker
    ink: Ink
    measured: ClockMeasured | None
    uids: dict[int, frozenset[Question]] = field(
        default_factory=lambda: {os.geteuid(): ALL_QUESTIONS}
    )
    signer: OrderSigner = field(default_factory=keyed.venue_signer)
    stamps: dict[AccountId, int] = field(default_factory=dict)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        questions = SigningSocket(
            path=self.path,
            venues={Venue.BINANCE: self.signer},
            writer=self.ink,
            clock=SystemClock(),
            latest_clock=lambda venue: self.measured if venue == Venue.BINANCE else None,
            uids=self.uids,
            stamps=self.stamps,
        )
        async with questions.served():
            yield

    def used(self) -> list[KeyUsed]:
        """List what stands on control.keys."""
        log = self.broker.log(Partition(topics.CONTROL_KEYS, 0))
        found = [decode(record.value or b"") for record in log]
        return [event for event in found if isinstance(event, KeyUsed)]

    async def ask(self, *lines: bytes) -> list[bytes]:
        """Send lines on one connection, one after the other; ends with the connection."""
        reader, writer = await asyncio.open_unix_connection(self.path)
        said: list[bytes] = []
        try:
            for line in lines:
                writer.write(line + b"\n")
                said.append(await reader.readline())
        except ConnectionError:
            said.append(b"")
        finally:
            writer.close()
        return said

    async def ask_as(self, uid: int) -> bytes:
        """Ask a good question as another user."""
        command = (sys.executable, "-I", "-c", _ASK_AS, str(self.path), str(uid), line_of())
        child = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
        said, _ = await child.communicate()
        assert child.returncode == 0
        return said


async def desk_in(directory: Path) -> Desk:
    """Make a desk whose socket is not served yet."""
    broker = MemoryBroker({topics.CONTROL_KEYS: 1})
    return Desk(directory / "q.sock", broker, Ink(await MemoryBus(broker).writer([])), measured())


def measured(age_ns: int = 0) -> ClockMeasured:
    """Say that the clocks agree, so long ago."""
    now_ns = SystemClock().wall_ns()
    return ClockMeasured(
        venue=Venue.BINANCE, offset_ns=0, uncertainty_ns=_MS, measured_ns=now_ns - age_ns
    )


def line_of(**changes: object) -> str:
    """Write the question, but for the changes."""
    return orjson.dumps({**QUESTION, **changes}).decode()


def is_signed(answer: bytes) -> bool:
    """Tell a signature from a refusal."""
    return b"signature" in answer
