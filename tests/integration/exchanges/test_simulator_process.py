"""
The simulator as a process: how it starts, what it refuses, how it stops.
"""

import asyncio
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import aiohttp
import orjson
import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.server import Options, running
from tests.simulated_venue import FULL, Client, signed_text, write_keys

MODULE: Final = "spark.exchanges.simulator"
HEADERS: Final = {"X-MBX-APIKEY": FULL[0]}
ORDER: Final = {
    "symbol": "BTCUSDT",
    "side": "BUY",
    "type": "LIMIT",
    "timeInForce": "GTC",
    "quantity": "0.01",
    "price": "60000",
    "newClientOrderId": "a-1",
}


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        *arguments,
        cwd=Path(__file__).parents[3],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def ready(path: Path, process: asyncio.subprocess.Process) -> dict[str, object]:
    """Wait for the line that says it listens; the ready file is there by then."""
    assert process.stdout is not None
    async with asyncio.timeout(30):
        assert (await process.stdout.readline()).startswith(b"simulator: ")
    found = orjson.loads(path.read_bytes())
    assert isinstance(found, dict)
    return found


async def test_it_tells_where_it_listens_and_stops_when_told(
    keys_file: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """The ready file names ports and token; SIGTERM ends it cleanly, sockets or not."""
    process = await start(
        *("--keys-file", str(keys_file), "--port", "0", "--admin-port", "0"),
        *("--limits", "off", "--seed", "42", "--ready-file", str(tmp_path / "ready.json")),
    )
    found = await ready(tmp_path / "ready.json", process)
    token_file = Path(str(found["admin_token_file"]))
    assert token_file.stat().st_mode & 0o777 == 0o400
    headers = {"Authorization": f"Bearer {token_file.read_text()}"}
    async with session.get(f"{found['admin_url']}/ledger/summary", headers=headers) as response:
        assert (await response.json())["orders"] == 0
    async with session.ws_connect(f"{found['stream_url']}/ws/btcusdt@depth@100ms") as socket:
        await socket.receive()
        process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(10):
            assert await process.wait() == 0
        assert process.stderr is not None
        assert await process.stderr.read() == b""


async def test_h2_a_kill_takes_nothing_back(
    keys_file: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """What was answered stands in the ledger; a new process has the order, and numbers on."""
    ledger = tmp_path / "ledger.jsonl"
    for run in (1, 2):
        path = tmp_path / f"ready-{run}.json"
        process = await start(
            *("--keys-file", str(keys_file), "--market-rate", "0"),
            *("--ready-file", str(path), "--ledger-file", str(ledger)),
        )
        found = await ready(path, process)
        if run == 1:
            query = signed_text(FULL[1], {**ORDER, "timestamp": time.time_ns() // 1_000_000})
            call = session.post(f"{found['url']}/api/v3/order?{query}", headers=HEADERS)
        else:
            asked = {"symbol": "BTCUSDT", "origClientOrderId": "a-1"}
            query = signed_text(FULL[1], {**asked, "timestamp": time.time_ns() // 1_000_000})
            call = session.get(f"{found['url']}/api/v3/order?{query}", headers=HEADERS)
        async with call as response:
            assert (await response.json())["status"] == "NEW"
        process.kill()
        await process.wait()
    entries = [orjson.loads(line) for line in ledger.read_bytes().splitlines()]
    assert [entry["seq"] for entry in entries] == [1, 2, 3]
    assert [entry["kind"] for entry in entries] == ["order", "request", "request"]


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.1", "example.org", ""])  # noqa: S104
async def test_it_binds_loopback_only(keys_file: Path, host: str) -> None:
    """A simulator is never offered to a network."""
    with pytest.raises(SettingError, match="loopback"):
        async with running(Options(keys_file=keys_file, host=host)):
            pass


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
async def test_each_name_of_loopback_is_good(
    keys_file: Path, host: str, session: aiohttp.ClientSession
) -> None:
    """All of this machine's own addresses work."""
    try:
        async with running(Options(keys_file=keys_file, host=host)) as venue:
            assert (await Client(session, venue).public("/api/v3/ping")).status == 200
    except SettingError as error:
        if host != "::1":
            raise
        pytest.skip(f"no IPv6 here: {error}")


def _others_may_read(path: Path) -> None:
    path.chmod(0o440)


def _link(path: Path) -> None:
    path.rename(path.with_suffix(".moved"))
    path.symlink_to(path.with_suffix(".moved"))


def _rewrite(content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        path.chmod(0o600)
        path.write_bytes(content)
        path.chmod(0o400)

    return change


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (Path.unlink, "No such file"),
        (_others_may_read, "mode must be 0400"),
        (_link, "Too many levels|symbolic"),
        (_rewrite(b"{"), "not JSON"),
        (_rewrite(b"[]"), "at least one key"),
        (_rewrite(b"[1]"), "key 1"),
        (_rewrite(b'[{"api_key":"a","secret":"hidden"}]'), "key 1"),
        (_rewrite(b'[{"api_key":"a","secret":"hidden","permissions":["fly"]}]'), "key 1"),
        (
            _rewrite(
                b'[{"api_key":"a","secret":"hidden","permissions":[],"balances":{"BTC":"x"}}]'
            ),
            "key 1",
        ),
        (_rewrite(b'[{"api_key":"a","secret":"hidden","permissions":[],"more":1}]'), "key 1"),
    ],
)
async def test_s15_a_bad_keys_file_is_one_line_without_its_secret(
    tmp_path: Path, change: Callable[[Path], None], text: str
) -> None:
    """S15: the file is private, no link, and what is wrong with it is said without showing it."""
    path = write_keys(tmp_path)
    change(path)
    with pytest.raises(SettingError, match=text) as caught:
        async with running(Options(keys_file=path)):
            pass
    assert "hidden" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


async def test_a_port_that_is_taken_is_one_line(keys_file: Path) -> None:
    """The second on one port says which port it is."""
    async with running(Options(keys_file=keys_file)) as venue:
        with pytest.raises(SettingError, match=f"port {venue.port}"):
            async with running(Options(keys_file=keys_file, port=venue.port)):
                pass


async def test_an_unknown_symbol_is_one_line(keys_file: Path) -> None:
    """It names what there is."""
    with pytest.raises(SettingError, match="'XXXYYY' not among BTCUSDT"):
        async with running(Options(keys_file=keys_file, symbols=("XXXYYY",))):
            pass


async def test_a_setting_error_ends_the_process_with_its_code(tmp_path: Path) -> None:
    """One line on standard error, no traceback, the documented exit code."""
    process = await start("--keys-file", str(tmp_path / "missing"))
    assert process.stderr is not None
    text = (await process.stderr.read()).decode()
    assert await process.wait() == SettingError.exit_code
    assert text.startswith("simulator: ")
    assert text.count("\n") == 1


async def test_the_judges_token_can_be_given(
    keys_file: Path, tmp_path: Path, session: aiohttp.ClientSession
) -> None:
    """A supervisor that has a token hands it over in a private file."""
    token_file = tmp_path / "token"
    token_file.write_text("given-token\n")
    token_file.chmod(0o400)
    options = Options(keys_file=keys_file, admin_token_file=token_file)
    async with running(options) as venue:
        assert venue.admin_token == "given-token"
        assert await Client(session, venue).judge("GET", "/faults") == {"armed": []}
