"""
The alert webhook: what fires with `action: kill` kills, and nothing else can be said to it.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest

from spark import topics
from spark.events import TradingHalted
from spark.names import HaltSource, Role
from spark.producers.webhook import ADDRESS
from spark.worker import listener
from tests.hooks import TOKEN, Hook, alert, notification, process
from tests.order_path import memory_log
from tests.worlds import running

_EXAMPLES = Path(__file__).parents[2] / "schemas" / "examples"


@pytest.fixture
async def hook(tmp_path: Path) -> AsyncIterator[Hook]:
    broker = memory_log()
    (tmp_path / "kill.d").mkdir()
    made, ready = process(broker, tmp_path)
    async with aiohttp.ClientSession() as session, running(made.run, ready):
        yield Hook(broker, tmp_path, session)


async def test_b2_an_alert_kills_by_file_and_on_the_log(hook: Hook) -> None:
    """B2: one firing alert is one kill, with what it said as evidence."""
    status, _ = await hook.post(notification(alert()))
    assert status == 200
    (halted,) = hook.halts()
    assert hook.files() == [halted.halt]
    assert (halted.source, halted.account, halted.reason) == (
        HaltSource.WEBHOOK,
        "",
        "error budget burnt",
    )
    assert halted.evidence == {"alertname": "ErrorBudgetBurnt", "severity": "critical"}


async def test_the_same_alert_said_again_is_the_same_kill(hook: Hook) -> None:
    """
    R9: what people resumed after it was said stays so; fired anew, it is another kill.

    Fault O2.
    """
    for _ in range(3):
        assert (await hook.post(notification(alert(), alert())))[0] == 200
    assert len(hook.halts()) == 1
    await hook.post(notification(alert(startsAt="2026-11-21T08:00:00Z")))
    assert len(hook.halts()) == len(hook.files()) == 2


async def test_an_alert_is_known_over_a_restart(hook: Hook, tmp_path: Path) -> None:
    """R9, fault O2: the log says which alerts have killed."""
    await hook.post(notification(alert()))
    made, ready = process(hook.broker, tmp_path)
    async with running(made.run, ready):
        await hook.post(notification(alert()))
    assert len(hook.halts()) == 1


@pytest.mark.parametrize(
    "quiet",
    [
        alert(status="resolved"),
        alert(labels={"alertname": "A", "severity": "critical"}),
        alert(labels={"action": "KILL"}),
        alert(labels={"action": ["kill"]}),
        alert(labels=None),
        alert(status=None),
    ],
)
async def test_an_alert_that_does_not_fire_or_is_not_meant_to_kill_does_nothing(
    hook: Hook, quiet: dict[str, Any]
) -> None:
    """B2, fault O2: only what an operator labelled so kills."""
    assert (await hook.post(notification(quiet)))[0] == 200
    assert hook.halts() == []
    assert hook.files() == []


@pytest.mark.parametrize("path", sorted(_EXAMPLES.glob("*.jsonl")), ids=lambda path: path.stem)
async def test_s6_no_record_of_any_kind_can_be_said_through_it(hook: Hook, path: Path) -> None:
    """S6: its credential times every record kind: nothing but its own kills, ever."""
    for line in path.read_bytes().splitlines():
        event = orjson.loads(line)
        assert (await hook.post(line))[0] == 400
        assert (await hook.post({"alerts": event}))[0] == 400
        assert (await hook.post({"alerts": [event]}))[0] == 200
        hidden = alert(annotations={"summary": line.decode()}, generatorURL=line.decode())
        assert (await hook.post(notification(hidden)))[0] == 200
    assert {type(one) for one in hook.halts()} <= {TradingHalted}
    assert {one.source for one in hook.halts()} <= {HaltSource.WEBHOOK}


def test_s6_its_rights_are_the_halts_and_its_pulse() -> None:
    """S6: the broker lets it write nothing else but that it started."""
    own = {topics.CONTROL_HALT, topics.CONTROL_PULSE, topics.CONTROL_STARTS}
    assert topics.writable_by(Role.WEBHOOK) == own
    assert topics.BY_NAME[topics.CONTROL_HALT].events == ("trading_halted", "trading_demoted")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"headers": {"Authorization": None}}, 401),
        ({"headers": {"Authorization": "Bearer "}}, 401),
        ({"headers": {"Authorization": "Bearer wrong"}}, 401),
        ({"headers": {"Authorization": f"Basic {TOKEN}"}}, 401),
        ({"headers": {"Authorization": None, "Cookie": f"token={TOKEN}"}}, 401),
        ({"headers": {"Host": "attacker.example"}}, 421),
        ({"headers": {"Host": "127.0.0.1"}}, 421),
        ({"headers": {"Origin": "http://attacker.example"}}, 403),
        ({"headers": {"Origin": "null"}}, 403),
        ({"headers": {"Sec-Fetch-Site": "cross-site"}}, 403),
        ({"headers": {"Content-Type": "text/plain"}}, 415),
        ({"headers": {"Content-Type": "application/x-www-form-urlencoded"}}, 415),
        ({"method": "GET"}, 405),
        ({"method": "OPTIONS"}, 405),
        ({"path": "/"}, 404),
        ({"path": "/alerts?token=x"}, 200),
    ],
)
async def test_s12_who_may_ask_and_how(hook: Hook, changes: dict[str, Any], status: int) -> None:
    """S12, fault X2: exact host, no page, bearer header alone, JSON alone, one path."""
    assert (await hook.post(notification(alert()), **changes))[0] == status
    assert len(hook.halts()) == (1 if status == 200 else 0)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"[]", 400),
        (b'{"alerts": {}}', 400),
        (b'{"alerts": [1]}', 400),
        (b"\xff\xfe", 400),
        (b" " * (64 * 1024 + 1), 413),
    ],
    ids=["nothing", "half", "list", "object", "number", "no text", "too long"],
)
async def test_s12_a_body_that_is_none_is_refused(hook: Hook, body: bytes, status: int) -> None:
    """S12, fault X2: 64 KiB of JSON at most, of one form."""
    assert (await hook.post(body))[0] == status
    assert hook.halts() == []


async def test_what_others_wrote_is_cut_to_what_may_be_printed(hook: Hook) -> None:
    """An alert's text comes from anywhere; no terminal is to obey it."""
    nasty = {"summary": "\x1b[2Jgone\n" + "x" * 10_000}
    assert (await hook.post(notification(alert(annotations=nasty))))[0] == 200
    (halted,) = hook.halts()
    assert halted.reason.isprintable()
    assert len(halted.reason) <= 200


async def test_p10_two_webhooks_kill_as_one(hook: Hook, tmp_path: Path) -> None:
    """Fault P10: none is fenced, for an alarm must not end; what one has said, the other knows."""
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "kill.d").mkdir(parents=True)
    made, ready = process(hook.broker, elsewhere)
    async with running(made.run, ready):
        other = Hook(hook.broker, elsewhere, hook.session)
        assert (await hook.post(notification(alert())))[0] == 200
        async with asyncio.timeout(20):
            while orjson.loads((await other.post(notification(alert())))[1])["known"] == 0:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        names = [one.halt for one in hook.halts()]
    assert len(set(names)) == 1


_BODY = orjson.dumps(notification(alert()))
_KNOWN = f"Authorization: Bearer {TOKEN}\nContent-Type: application/json\nConnection: close"
#: More than a listener has room for.
_DRIPS = listener.CONNECTIONS_MAX + 50
_LENGTH = f"Content-Length: {len(_BODY)}"


@pytest.mark.parametrize(
    ("target", "headers"),
    [
        ("//alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("/%2e/alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("/./alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("/x/../alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("/%61lerts", f"Host: {{here}}\n{_LENGTH}"),
        ("/alerts/", f"Host: {{here}}\n{_LENGTH}"),
        ("alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("http://{here}/alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("http://attacker.example/alerts", f"Host: {{here}}\n{_LENGTH}"),
        ("/alerts", f"Host: {{here}}\nHost: {{here}}\n{_LENGTH}"),
        ("/alerts", f"Host: {{here}}\nHost: attacker.example\n{_LENGTH}"),
        ("/alerts", _LENGTH),
        ("/alerts", f"Host: {{here}}\n{_LENGTH}\nTransfer-Encoding: chunked"),
        ("/alerts", f"Host: {{here}}\n{_LENGTH}\nContent-Length: 2"),
        ("/alerts", "Host: {here}\nContent-Length: -1"),
    ],
)
async def test_x2_another_way_to_write_a_request_is_none(
    hook: Hook, target: str, headers: str
) -> None:
    """Fault X2, S12: one spelling of path, host and length; whatever else is said kills nothing."""
    status = await hook.raw(f"POST {target} HTTP/1.1\n{_KNOWN}\n{headers}", _BODY)
    assert 400 <= status < 500
    assert hook.halts() == []
    assert hook.files() == []
    assert (
        await hook.raw(f"POST /alerts HTTP/1.1\n{_KNOWN}\nHost: {{here}}\n{_LENGTH}", _BODY) == 200
    )
    assert len(hook.halts()) == 1


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"POST /al",
        b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nX: ",
        b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAuthorization: Bearer "
        + TOKEN.encode()
        + b"\r\nContent-Type: application/json\r\nContent-Length: 60000\r\n\r\n{",
        b"POST /alerts HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Length: 60000\r\n\r\n{",
    ],
    ids=["nothing", "a word", "head", "body", "a stranger's body"],
)
async def test_x2_who_drips_keeps_no_kill_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Fault X2: hundreds that speak a byte at a time: the alert kills, and each of them is cut."""
    monkeypatch.setattr(listener, "REQUEST_S_MAX", 0.5)
    (tmp_path / "kill.d").mkdir()
    broker = memory_log()
    made, ready = process(broker, tmp_path)
    async with aiohttp.ClientSession() as session, running(made.run, ready):
        hook = Hook(broker, tmp_path, session)
        port = orjson.loads((tmp_path / ADDRESS).read_bytes())["port"]
        first = begun.replace(b"%d", b"%d" % port)
        drips = []
        for _ in range(_DRIPS):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(first)
            drips.append(asyncio.create_task(_drip(reader, writer, b"x" if first else b"")))
        assert (await hook.post(notification(alert())))[0] == 200
        assert len(hook.files()) == 1
        await asyncio.gather(*drips)


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, drop: bytes) -> None:
    """Go on drop by drop until one is cut."""
    end = asyncio.create_task(reader.read())
    with suppress(ConnectionError):
        while not end.done():
            writer.write(drop)
            await writer.drain()
            await asyncio.wait({end}, timeout=0.05)
        await end
    writer.close()
