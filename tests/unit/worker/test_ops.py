"""
The ops page of a process: two paths, for loopback and its own socket.
"""

from pathlib import Path

import aiohttp
import orjson
import pytest

from spark.embedded.ops_client import ask, read_address
from spark.metrics import Metrics
from spark.worker.ops import served


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("127.0.0.1", "/healthz", 503),
        ("localhost:1", "/metrics", 200),
        ("attacker.example", "/healthz", 421),
        ("attacker.example", "/metrics", 421),
        ("127.0.0.1.attacker.example", "/healthz", 421),
        ("", "/healthz", 421),
        ("127.0.0.1", "/", 404),
        ("127.0.0.1", "/healthz/", 404),
        ("127.0.0.1", "/debug", 404),
    ],
)
async def test_x2_the_page_is_for_loopback(
    tmp_path: Path, host: str, path: str, status: int
) -> None:
    """Fault X2, S12: no page of another name is rebound to it, and there is nothing else."""
    async with (
        served(Metrics("test"), tmp_path, port=0, is_ready=lambda: False, over_socket=False),
        aiohttp.ClientSession() as session,
    ):
        port = orjson.loads((tmp_path / "test.json").read_bytes())["ops_port"]
        url = f"http://127.0.0.1:{port}{path}"
        async with session.get(url, headers={"Host": host}) as answer:
            assert answer.status == status


async def test_s12_over_a_socket_it_takes_no_port(tmp_path: Path) -> None:
    """S12: the signer's page; who may open the file may ask."""
    async with served(Metrics("test"), tmp_path, port=0, is_ready=lambda: True, over_socket=True):
        address = read_address(tmp_path, "test")
        assert address is not None
        assert address.port is None
        assert await ask(address, "/healthz") == (200, "ok")
    assert read_address(tmp_path, "test") is None
