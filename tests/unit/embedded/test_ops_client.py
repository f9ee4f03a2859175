"""How a process says where it serves, and how it is asked."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from spark.embedded.ops_client import OpsAddress, ask, read_address


def _write(directory: Path, content: object) -> None:
    (directory / "signer.json").write_text(json.dumps(content))


def test_a_port_is_read(tmp_path: Path) -> None:
    """
    Most processes serve on a loopback port.
    """
    _write(tmp_path, {"pid": 7, "ops_port": 1234, "started_ns": 1})
    assert read_address(tmp_path, "signer") == OpsAddress(7, 1234, None)


def test_a_socket_is_read(tmp_path: Path) -> None:
    """
    The signer opens no port at all (S12).
    """
    socket = tmp_path / "signer.sock"
    _write(tmp_path, {"pid": 7, "ops_socket": str(socket)})
    assert read_address(tmp_path, "signer") == OpsAddress(7, None, socket)


@pytest.mark.parametrize(
    "content",
    [
        {},
        [],
        {"pid": 7},
        {"pid": "x", "ops_port": 1},
        {"pid": 7, "ops_port": 0},
        {"pid": 7, "ops_port": 65_536},
        {"pid": 7, "ops_port": "80"},
        {"pid": 7, "ops_socket": "/run/other.sock"},
        {"pid": 7, "ops_port": 1, "padding": "x" * 5000},
    ],
    ids=[
        "nothing", "list", "no address", "no pid", "port 0", "port too high", "port as text",
        "foreign socket", "too large",
    ],
)  # fmt: skip
def test_what_a_role_should_not_say_is_not_believed(tmp_path: Path, content: object) -> None:
    """
    The role owns this file, and the supervisor may be root.
    """
    _write(tmp_path, content)
    assert read_address(tmp_path, "signer") is None


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    """
    A role cannot make the supervisor read another file.
    """
    (tmp_path / "other.json").write_text('{"pid": 7, "ops_port": 1234}')
    (tmp_path / "signer.json").symlink_to(tmp_path / "other.json")
    assert read_address(tmp_path, "signer") is None


def test_no_file_is_no_address(tmp_path: Path) -> None:
    """
    A process that has not said where it serves does not serve yet.
    """
    assert read_address(tmp_path, "signer") is None


@pytest.fixture
async def echo() -> AsyncIterator[int]:
    """A server that answers with what it was asked; /mute says nothing."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if b"/mute" not in request:
            writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\n" + request)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def test_a_page_is_asked_for_with_a_loopback_host(echo: int) -> None:
    """
    Fault X2: every process turns other hosts away (S12).
    """
    answer = await ask(OpsAddress(0, echo, None), "/metrics", token="t0k3n")
    assert answer is not None
    status, text = answer
    assert status == 200
    assert text.startswith("GET /metrics HTTP/1.0\r\nHost: 127.0.0.1\r\n")
    assert "Authorization: Bearer t0k3n" in text


async def test_no_answer_is_none(echo: int) -> None:
    """
    Whatever goes wrong, the screen shows a dash instead of an error.
    """
    assert await ask(OpsAddress(0, echo, None), "/mute") is None
    assert await ask(OpsAddress(0, 1, None), "/metrics") is None
    assert await ask(OpsAddress(0, None, Path("/nowhere.sock")), "/metrics") is None
