"""
The signer's Unix socket: signs questions for the gateway, with the read key.

Reads   one JSON line a request: account, symbol, client order id
Writes  control.keys: each use, before the signature leaves
Owns    nothing; the keys are the signer's
Fails   by answering `{"error": …}`; nothing that trades is ever signed here (S4)

The kernel tells who is at the other end (SO_PEERCRED); only listed uids are served.
"""

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

import orjson

from spark.bus.port import Outgoing, Partition, Writer
from spark.clock import Clock
from spark.codec import encode
from spark.errors import SparkError, VenueUnavailable
from spark.events import ClockMeasured, KeyUsed
from spark.exchanges.port import OrderSigner, SignedRequest
from spark.ids import is_ours
from spark.log import logger
from spark.names import AccountId, ClientOrderId, Symbol
from spark.topics import CONTROL_KEYS, partition_of

_LINE_BYTES_MAX: Final = 4096
_CREDENTIALS: Final = struct.Struct("3i")
_ANSWER_S_MAX: Final = 3.0
#: How long a connection may say nothing.
_SILENCE_S_MAX: Final = 10.0
_FIELDS: Final = frozenset({"account", "client_order_id", "symbol"})
_SYMBOL: Final = re.compile(r"[A-Z0-9_]{2,20}")
_CLOCK_AGE_NS_MAX: Final = 60_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningSocket:
    """The signer's end."""

    path: Path
    venues: Mapping[str, OrderSigner]
    writer: Writer
    clock: Clock
    latest_clock: Callable[[], ClockMeasured | None]
    #: User ids that may ask.
    uids: frozenset[int]

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
        async with asyncio.TaskGroup() as group:
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
        asked = _question(line)
        if asked is None:
            return {"error": "not a question"}
        account, symbol, order = asked
        signer = self.venues.get(account.partition(":")[0])
        if signer is None or partition_of(account) is None:
            return {"error": "no such account"}
        measured = self.latest_clock()
        now_ns = self.clock.wall_ns()
        if measured is None or now_ns - measured.measured_ns > _CLOCK_AGE_NS_MAX:
            return {"error": "the exchange's clock is not known"}
        used = KeyUsed(
            account=account,
            purpose="query",
            client_order_id=order,
            symbol=symbol,
            peer_uid=uid,
            used_ns=now_ns,
        )
        await self.writer.write(
            [Outgoing(Partition(CONTROL_KEYS, 0), account.encode(), encode(used))]
        )
        return asdict(signer.query(symbol, order, now_ns + measured.offset_ns))


class SigningClient:
    """The gateway's end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def query(
        self, account: AccountId, symbol: Symbol, order: ClientOrderId
    ) -> SignedRequest:
        """
        Have a question about one order signed.

        Raises:
            VenueUnavailable: the signer is not there or says no; ask again later.

        """
        question = {"account": account, "client_order_id": order, "symbol": symbol}
        try:
            async with asyncio.timeout(_ANSWER_S_MAX):
                reader, writer = await asyncio.open_unix_connection(self._path)
                try:
                    writer.write(orjson.dumps(question) + b"\n")
                    answer = orjson.loads(await reader.readline())
                finally:
                    writer.close()
        except (OSError, TimeoutError, orjson.JSONDecodeError) as error:
            raise VenueUnavailable(f"the signer does not answer: {type(error).__name__}") from None
        if "error" in answer:
            raise VenueUnavailable(f"the signer says: {answer['error']}")
        return SignedRequest(**answer)


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


def _question(line: bytes) -> tuple[AccountId, Symbol, ClientOrderId] | None:
    """Read a question; None for anything else, such as an id that is none of ours."""
    try:
        asked = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(asked, dict) or asked.keys() != _FIELDS:
        return None
    account, symbol, order = asked["account"], asked["symbol"], asked["client_order_id"]
    if not (isinstance(account, str) and isinstance(symbol, str) and isinstance(order, str)):
        return None
    if not _SYMBOL.fullmatch(symbol) or not is_ours(order):
        return None
    return AccountId(account), Symbol(symbol), ClientOrderId(order)


def _line(answer: dict[str, object]) -> bytes:
    return orjson.dumps(answer) + b"\n"
