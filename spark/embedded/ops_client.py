"""
Asks a Spark process how it is: /healthz and /metrics, at the address it left behind.

A role owns the directory where it leaves its address, so what stands there is checked
as a stranger's: no link, small, a loopback port or a socket in that same directory.
"""

import asyncio
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import orjson

_ADDRESS_BYTES_MAX: Final = 4096
_REPLY_BYTES_MAX: Final = 4 * 1024 * 1024
_REPLY_S_MAX: Final = 2.0
_LOOPBACK: Final = "127.0.0.1"
_PORTS: Final = range(1, 65_536)
_STATUS: Final = re.compile(rb"HTTP/1\.[01] (\d{3})\b")


@dataclass(frozen=True, slots=True)
class OpsAddress:
    """Where a process serves its ops port; exactly one of port and socket is given."""

    pid: int
    port: int | None
    socket: Path | None


def read_address(directory: Path, process: str) -> OpsAddress | None:
    """
    Read where a process says that it serves.

    Returns: None while it has not said so, or says something else.
    """
    try:
        fd = os.open(directory / f"{process}.json", os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return None
    with os.fdopen(fd, "rb") as file:
        text = file.read(_ADDRESS_BYTES_MAX)
    try:
        found = orjson.loads(text)
        pid, port, socket = int(found["pid"]), found.get("ops_port"), found.get("ops_socket")
    except (orjson.JSONDecodeError, AttributeError, KeyError, TypeError, ValueError):
        return None
    if isinstance(port, int) and port in _PORTS:
        return OpsAddress(pid, port, None)
    if isinstance(socket, str) and Path(socket).parent == directory:
        return OpsAddress(pid, None, Path(socket))
    return None


async def ask(address: OpsAddress, path: str, *, token: str = "") -> tuple[int, str] | None:
    """
    Ask for one page.

    Args:
        token: a bearer token, where one is asked for.

    Returns: status and text; None when there is no answer in time.
    """
    try:
        async with asyncio.timeout(_REPLY_S_MAX):
            return await _ask(address, path, token)
    except (OSError, TimeoutError, ValueError):
        return None


async def _ask(address: OpsAddress, path: str, token: str) -> tuple[int, str]:
    if address.socket is not None:
        reader, writer = await asyncio.open_unix_connection(address.socket)
    else:
        reader, writer = await asyncio.open_connection(_LOOPBACK, address.port)
    try:
        # 1.0: the reply ends with the connection, so no chunk has to be put together.
        authorisation = f"Authorization: Bearer {token}\r\n" if token else ""
        request = f"GET {path} HTTP/1.0\r\nHost: {_LOOPBACK}\r\n{authorisation}\r\n"
        writer.write(request.encode())
        reply = await _read_all(reader)
    finally:
        writer.close()
        await writer.wait_closed()
    status = _STATUS.match(reply)
    if status is None:
        raise ValueError("no HTTP reply")
    return int(status[1]), reply.partition(b"\r\n\r\n")[2].decode(errors="replace")


async def _read_all(reader: asyncio.StreamReader) -> bytes:
    reply = bytearray()
    while part := await reader.read(65_536):
        reply += part
        if len(reply) > _REPLY_BYTES_MAX:
            raise ValueError("the reply has no end")
    return bytes(reply)
