"""
A webhook at work in this loop, its sender, and what it said.
"""

import asyncio
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from spark import topics
from spark.bus.memory import MemoryBroker, MemoryBus
from spark.bus.port import Bus
from spark.clock import SystemClock
from spark.codec import decode
from spark.events import ProcessPulsed, TradingHalted
from spark.producers.webhook import ADDRESS, Token, Webhook

TOKEN: Final = "a-long-secret-of-alertmanager"


def alert(**changes: Any) -> dict[str, Any]:  # noqa: ANN401  (JSON)
    """Make an alert that kills, but for the changes."""
    return {
        "status": "firing",
        "labels": {"alertname": "ErrorBudgetBurnt", "severity": "critical", "action": "kill"},
        "annotations": {"summary": "error budget burnt"},
        "startsAt": "2026-11-21T07:00:00Z",
        **changes,
    }


def notification(*alerts: dict[str, Any]) -> dict[str, Any]:
    """Make what Alertmanager sends."""
    return {"version": "4", "status": "firing", "receiver": "spark", "alerts": list(alerts)}


class Hook:
    """A running webhook and its sender."""

    def __init__(self, broker: MemoryBroker, place: Path, session: aiohttp.ClientSession) -> None:
        self.broker = broker
        self.latch = place / "kill.d"
        self.place = place
        self.session = session

    async def post(self, body: object, **changes: Any) -> tuple[int, str]:  # noqa: ANN401
        """Send; gives status and text."""
        port = orjson.loads((self.place / ADDRESS).read_bytes())["port"]
        headers: dict[str, str | None] = {
            "Authorization": f"Bearer {TOKEN}",
            "Content-Type": "application/json",
        }
        raw = body if isinstance(body, bytes) else orjson.dumps(body)
        url = f"http://127.0.0.1:{port}{changes.pop('path', '/alerts')}"
        headers |= changes.pop("headers", {})
        shown = {name: value for name, value in headers.items() if value is not None}
        method = changes.pop("method", "POST")
        async with self.session.request(method, url, data=raw, headers=shown) as answer:
            assert "Access-Control-Allow-Origin" not in answer.headers
            return answer.status, await answer.text()

    async def raw(self, lines: str, body: bytes = b"") -> int:
        """Send bytes as they are, with its address for {here}; gives the status."""
        port = orjson.loads((self.place / ADDRESS).read_bytes())["port"]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            head = "\r\n".join([*lines.format(here=f"127.0.0.1:{port}").splitlines(), "", ""])
            writer.write(head.encode() + body)
            return int((await reader.readline()).split()[1])
        finally:
            writer.close()

    def halts(self) -> list[TradingHalted]:
        """List what it said, on every topic but its pulse."""
        found = []
        for partition, log in self.broker._logs.items():
            for record in log:
                event = decode(record.value or b"")
                if isinstance(event, ProcessPulsed):
                    continue
                assert partition.topic == topics.CONTROL_HALT
                assert isinstance(event, TradingHalted)
                found.append(event)
        return found

    def files(self) -> list[str]:
        """List the latch."""
        return sorted(path.name for path in self.latch.iterdir())


def process(
    broker: MemoryBroker, place: Path, bus: Bus | None = None
) -> tuple[Webhook, asyncio.Event]:
    """Make the process, on a bus of its own unless one is given."""
    ready = asyncio.Event()
    hook = Webhook(
        bus=bus or MemoryBus(broker),
        clock=SystemClock(),
        latch_dir=place / "kill.d",
        token=Token(f"{TOKEN}\n".encode()),
        instance="here",
        port=0,
        run_dir=place,
        ready=ready,
    )
    return hook, ready
