"""
The signer's Unix socket: signs questions and logins, with the read key.

Reads   one JSON line a request: the question and its subject (signing_question.py);
        control.keys at start, for the last stamps
Writes  control.keys: each use, before the signature leaves
Owns    nothing; the keys are the signer's
Fails   by answering `{"error": …}`; nothing that trades is ever signed here (S4)

The kernel tells who is at the other end (SO_PEERCRED); each listed uid has its questions.
"""

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

from spark.bus.port import Bus, Outgoing, Partition, Record, Writer
from spark.clock import Clock
from spark.codec import decode, encode
from spark.consumers.signing_question import read_question, write_question
from spark.crash_points import Point, reach
from spark.errors import MalformedError, SparkError, VenueUnavailable
from spark.events import ClockMeasured, KeyUsed
from spark.exchanges.port import (
    STAMP_AHEAD_NS_MAX,
    Asked,
    OrderSigner,
    Question,
    SignedRequest,
    VenueCannotError,
    next_stamp,
)
from spark.log import logger
from spark.names import AccountId, venue_of
from spark.quoting import one_line, shown
from spark.topics import CONTROL_KEYS, partition_of
from spark.worker.crew import Crew
from spark.worker.spans import read_through

_LINE_BYTES_MAX: Final = 4096
_ERROR_CHARS_MAX: Final = 200
#: What a record holds.
_STAMP_NS_MAX: Final = 2**63 - 1
_REQUEST: Final = TypeAdapter(SignedRequest)
_CREDENTIALS: Final = struct.Struct("3i")
_ANSWER_S_MAX: Final = 3.0
#: How long a connection may say nothing.
_SILENCE_S_MAX: Final = 10.0
_CLOCK_AGE_NS_MAX: Final = 60_000_000_000
#: Uses to look back for the last stamp of each account; more than a minute of questions.
_LOOK_BACK: Final = 2_000
#: What the gateway may ask; the account feed may ask all.
GATEWAY_QUESTIONS: Final = frozenset({Question.ORDER})
ALL_QUESTIONS: Final = frozenset(Question)


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSocket:
    """The signer's end."""

    path: Path
    venues: Mapping[str, OrderSigner]
    writer: Writer
    clock: Clock
    #: By venue: the venue watch's last word.
    latest_clock: Callable[[str], ClockMeasured | None]
    #: User ids that may ask, and what.
    uids: Mapping[int, frozenset[Question]]
    #: By account: the last stamp of its read key; `read_stamps` before serving.
    stamps: dict[AccountId, int] = field(default_factory=dict)

    @asynccontextmanager
    async def served(self) -> AsyncIterator[None]:
        """
        Serve while the body runs.

        Raises:
            ExitError: a use could not be written down; nothing may be signed any more.

        """
        failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.path.unlink(missing_ok=True)
        server = await asyncio.start_unix_server(
            partial(self._serve, failed), self.path, limit=_LINE_BYTES_MAX
        )
        # The directory lets others pass but not look; who may ask is the kernel's word.
        self.path.chmod(0o666)
        async with Crew() as group:
            failing = group.create_task(_raised(failed))
            try:
                yield
            finally:
                failing.cancel()
                server.close()
                self.path.unlink(missing_ok=True)

    async def _serve(
        self,
        failed: "asyncio.Future[None]",
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        try:
            uid = _peer_uid(writer)
            if uid not in self.uids:
                # Before a byte is read: strangers must not hold connections of ours.
                logger().error("signing_refused", uid=uid)
                writer.write(_line({"error": "this user may not ask"}))
                return
            while line := await _read_line(reader):
                writer.write(_line(await self._answer(line, uid)))
                await writer.drain()
        except (OSError, ValueError) as error:
            # Gone, silent for too long, or a line without an end.
            logger().warning("signing_socket_dropped", why=type(error).__name__)
        except SparkError as error:
            if not failed.done():
                failed.set_exception(error)
        finally:
            writer.close()

    async def _answer(self, line: bytes, uid: int) -> dict[str, object]:
        now_ns = self.clock.wall_ns()
        try:
            asked = self._allowed(line, uid)
            request = self._sign(asked, now_ns)
        except _NoAnswerError as no:
            return {"error": str(no)}
        used = KeyUsed(
            account=asked.account,
            purpose=asked.question,
            client_order_id=asked.client_order_id,
            symbol=asked.symbol,
            stamped_ns=request.stamp_ns,
            peer_uid=uid,
            used_ns=now_ns,
        )
        await self.writer.write(
            [Outgoing(Partition(CONTROL_KEYS, 0), asked.account.encode(), encode(used))]
        )
        reach(Point.KEY_USE_WRITTEN)
        return asdict(request)

    def _allowed(self, line: bytes, uid: int) -> Asked:
        asked = read_question(line)
        if asked is None:
            raise _NoAnswerError("not a question")
        if asked.question not in self.uids[uid]:
            logger().error("signing_refused", uid=uid, question=asked.question)
            raise _NoAnswerError("this user may not ask that")
        return asked

    def _sign(self, asked: Asked, now_ns: int) -> SignedRequest:
        venue = venue_of(asked.account)
        signer = self.venues.get(venue)
        if signer is None or partition_of(asked.account) is None:
            raise _NoAnswerError("no such account")
        measured = self.latest_clock(venue)
        if measured is None or now_ns - measured.measured_ns > _CLOCK_AGE_NS_MAX:
            raise _NoAnswerError("the exchange's clock is not known")
        exchange_ns = now_ns + measured.offset_ns
        if signer.stamps_increase:
            # Before the first await: two who ask at once get two stamps.
            stamp_ns = next_stamp(exchange_ns, self.stamps.get(asked.account, 0))
            if stamp_ns - exchange_ns > STAMP_AHEAD_NS_MAX:
                raise _NoAnswerError("the last stamp is ahead of the exchange's clock")
            exchange_ns = self.stamps[asked.account] = stamp_ns
        try:
            return signer.ask(asked, exchange_ns)
        except VenueCannotError as cannot:
            raise _NoAnswerError(f"not a question to this exchange: {cannot}") from None


class _NoAnswerError(Exception):
    """Why a question is not signed."""


async def read_stamps(bus: Bus) -> dict[AccountId, int]:
    """
    Read the last stamp of each account's read key, so that a restart goes beyond it (R12).

    Every use was written down before its signature left, so none is missing.
    """
    uses = Partition(CONTROL_KEYS, 0)
    starts, ends = await bus.starts([uses]), await bus.ends([uses])
    stamps: dict[AccountId, int] = {}

    def fold(record: Record) -> None:
        try:
            used = decode(record.value or b"")
        except MalformedError:
            return
        if isinstance(used, KeyUsed):
            stamps[used.account] = max(stamps.get(used.account, 0), used.stamped_ns)

    first = max(starts[uses], ends[uses] - _LOOK_BACK)
    await read_through(bus, {uses: (first, ends[uses])}, fold)
    return stamps


class SigningClient:
    """The other end: the gateway's, the account feed's."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def ask(self, asked: Asked) -> SignedRequest:
        """
        Have a question signed.

        Raises:
            VenueUnavailable: the signer is not there or says no; ask again later.

        """
        try:
            async with asyncio.timeout(_ANSWER_S_MAX):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(write_question(asked) + b"\n")
                    answer = await reader.readline()
                finally:
                    writer.close()
        except (OSError, TimeoutError, ValueError) as error:
            raise VenueUnavailable(f"the signer does not answer: {type(error).__name__}") from None
        return _read_answer(answer)


def _read_answer(line: bytes) -> SignedRequest:
    """Read what the signer said, which may be cut short or no signer's at all."""
    try:
        answer = orjson.loads(line)
    except orjson.JSONDecodeError:
        raise VenueUnavailable("the signer does not answer: no JSON") from None
    if isinstance(answer, dict) and "error" in answer:
        said = answer["error"]
        told = one_line(said, _ERROR_CHARS_MAX) if isinstance(said, str) else shown(said)
        raise VenueUnavailable(f"the signer says: {told}")
    try:
        request = _REQUEST.validate_json(line, strict=True)
    except ValidationError:
        raise VenueUnavailable("the signer does not answer: not a signed request") from None
    if not all(0 <= one <= _STAMP_NS_MAX for one in (request.stamp_ns, request.final_after_ns)):
        raise VenueUnavailable("the signer does not answer: a time beyond every clock")
    return request


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer: socket.socket = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(credentials)
    return int(uid)


async def _read_line(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(_SILENCE_S_MAX):
        return await reader.readline()


async def _raised(failed: "asyncio.Future[None]") -> None:
    await failed


def _line(answer: dict[str, object]) -> bytes:
    return orjson.dumps(answer) + b"\n"
