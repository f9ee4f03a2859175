"""
Webhook: an alert that fires may kill; it can do nothing else (B2, S6, S12).

Reads   Alertmanager's notifications over HTTP on loopback; control.halt, to know which
        alerts have killed before
Writes  the latch directory, then control.halt: `trading_halted` alone; control.pulse
Owns    its bearer token, as a digest
Fails   towards a kill: the file stands before Kafka is asked; the sender is told to
        come again where Kafka does not take the record

An alert kills when it fires and carries the label `action: kill`. The same alert said
again (same fingerprint, same start) is the same kill: what people resumed after it was
said stays resumed, until it ends and fires anew.
"""

import asyncio
import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import orjson
from aiohttp import web

from spark.bus.port import Bus, Pace, Partition, Record, Writer
from spark.clock import Clock
from spark.codec import decode
from spark.errors import ExitError, MalformedError, SettingError
from spark.events import TradingHalted
from spark.ledger.control_state import ALL_ACCOUNTS
from spark.log import logger
from spark.names import HaltSource, Role
from spark.producers.kills import Kill, pull_latch, say_kill
from spark.topics import CONTROL_HALT, CONTROL_PULSE
from spark.worker.crew import Crew
from spark.worker.listener import body_of, listening
from spark.worker.pulse import Pulse
from spark.worker.sides import follow
from spark.worker.spans import read_through

_PATH: Final = "/alerts"
_HALT: Final = Partition(CONTROL_HALT, 0)
_LOOPBACK: Final = "127.0.0.1"
_HOSTS: Final = ("127.0.0.1", "localhost", "[::1]")
_BODY_BYTES_MAX: Final = 64 * 1024
#: Of one notification; each further one is one too many to be told apart.
_KILLS_MAX: Final = 20
_TEXT_CHARS_MAX: Final = 200
_EVIDENCE: Final = ("alertname", "severity", "instance", "job")
_ID_HEX: Final = 16
#: Where its address is left, in its run directory.
ADDRESS: Final = "alerts.json"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Token:
    """A bearer token that can be compared, and not read."""

    def __init__(self, secret: bytes) -> None:
        self._digest = sha256(secret.strip()).digest()

    def __repr__(self) -> str:
        return "Token()"

    def is_right(self, given: bytes) -> bool:
        """Compare in constant time."""
        return hmac.compare_digest(sha256(given).digest(), self._digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """The process."""

    bus: Bus
    clock: Clock
    latch_dir: Path
    token: Token
    instance: str
    #: 0 lets the system pick.
    port: int
    #: Where the address is left.
    run_dir: Path
    #: Set once it listens.
    ready: asyncio.Event

    async def run(self, stop: asyncio.Event) -> None:
        """
        Listen until told to stop.

        Raises:
            ExitError: a write failed; the latch file stands.

        """
        writer = await self.bus.writer([CONTROL_HALT, CONTROL_PULSE])
        pulse = Pulse(Role.WEBHOOK, self.instance, writer, clock=self.clock)
        said = _Said()
        positions = await said.read(self.bus)
        desk = _Desk(writer, self.clock, self.latch_dir, self.token, said.kills)
        try:
            async with listening(desk.app(), (_LOOPBACK, self.port)) as desk.port, Crew() as group:
                _leave_address(self.run_dir / ADDRESS, desk.port)
                self.ready.set()
                sides = [
                    group.create_task(pulse.beat(list, dict)),
                    group.create_task(desk.failed()),
                    # There may be another one of us, for the same alerts (P10).
                    group.create_task(said.follow(self.bus, positions)),
                ]
                await stop.wait()
                for side in sides:
                    side.cancel()
        finally:
            await writer.close()


@dataclass(slots=True)
class _Desk:
    """Turns one notification into kills."""

    writer: Writer
    clock: Clock
    latch_dir: Path
    token: Token
    #: Alerts that have killed, by the kill's id.
    said: set[str]
    port: int = 0
    failure: "asyncio.Future[None]" = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._guard], client_max_size=_BODY_BYTES_MAX)
        app.router.add_post(_PATH, self._alerts)
        return app

    async def failed(self) -> None:
        """Wait for a write that failed, and raise what it raised."""
        await self.failure

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        headers = request.headers
        if headers.getall("Host", []) not in [[f"{host}:{self.port}"] for host in _HOSTS]:
            return web.Response(status=421, text="misdirected")
        if "Origin" in headers or headers.get("Sec-Fetch-Site", "none") != "none":
            return web.Response(status=403, text="no page may ask this")
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or not self.token.is_right(given.encode("utf-8", "replace")):
            return web.Response(status=401, text="a bearer token is needed")
        # As it came: escaped dots and whole addresses are other ways to write it, for those
        # who want to pass a rule of somebody in front.
        if request.raw_path.partition("?")[0] != _PATH:
            return web.Response(status=404, text="there is /alerts alone")
        return await handler(request)

    async def _alerts(self, request: web.Request) -> web.Response:
        if request.content_type != "application/json":
            return web.Response(status=415, text="the body is application/json")
        try:
            found = _kills(orjson.loads(await body_of(request)), self.clock.wall_ns())
        except (orjson.JSONDecodeError, _FormError):
            return web.Response(status=400, text="not a notification of Alertmanager")
        fresh = [kill for kill in found if kill.halt not in self.said]
        try:
            for kill in fresh:
                await self._kill(kill)
        except ExitError as error:
            if not self.failure.done():
                self.failure.set_exception(error)
            return web.Response(status=503, text="killed by file; not on the log, come again")
        said = {"killed": [kill.halt for kill in fresh], "known": len(found) - len(fresh)}
        return web.Response(body=orjson.dumps(said), content_type="application/json")

    async def _kill(self, kill: Kill) -> None:
        try:
            pull_latch(self.latch_dir, kill)
        except SettingError as error:
            # The record is what everybody reads, if Kafka takes it.
            logger().warning("latch_not_pulled", why=str(error))
        offset = await say_kill(self.writer, kill)
        self.said.add(kill.halt)
        logger().warning("alert_killed", halt=kill.halt, offset=offset)


class _FormError(Exception):
    """The body is no notification."""


def _kills(body: object, now_ns: int) -> list[Kill]:
    """Find the alerts that fire and are meant to kill, each once."""
    alerts = body.get("alerts") if isinstance(body, dict) else None
    if not isinstance(alerts, list) or not all(isinstance(one, dict) for one in alerts):
        raise _FormError
    kills: dict[str, Kill] = {}
    for alert in alerts:
        labels = _texts(alert.get("labels"))
        if alert.get("status") != "firing" or labels.get("action") != "kill":
            continue
        kill = _kill(alert, labels, now_ns)
        if len(kills) < _KILLS_MAX:
            kills.setdefault(kill.halt, kill)
    return list(kills.values())


def _kill(alert: Mapping[str, Any], labels: Mapping[str, str], now_ns: int) -> Kill:
    named = orjson.dumps([labels, str(alert.get("startsAt"))], option=orjson.OPT_SORT_KEYS)
    about = _texts(alert.get("annotations")).get("summary") or labels.get("alertname", "alert")
    return Kill(
        halt=f"{HaltSource.WEBHOOK}-{sha256(named).hexdigest()[:_ID_HEX]}",
        account=ALL_ACCOUNTS,
        source=HaltSource.WEBHOOK,
        by=Role.WEBHOOK,
        reason=_plain(about),
        evidence={name: _plain(labels[name]) for name in _EVIDENCE if name in labels},
        at_ns=now_ns,
    )


def _texts(found: object) -> dict[str, str]:
    if not isinstance(found, dict):
        return {}
    return {name: value for name, value in found.items() if isinstance(value, str)}


def _plain(text: str) -> str:
    """Cut what others wrote down to what a terminal and a log may print."""
    kept = "".join(char if char.isprintable() else " " for char in text)
    return kept.encode("utf-8", "replace").decode()[:_TEXT_CHARS_MAX].strip() or "alert"


class _Said:
    """Which alerts have killed: before, and by whomever else meanwhile."""

    def __init__(self) -> None:
        self.kills: set[str] = set()

    async def read(self, bus: Bus) -> dict[Partition, int]:
        """Read what was said up to now; gives where to follow on from."""
        starts, ends = await bus.starts([_HALT]), await bus.ends([_HALT])
        await read_through(bus, {_HALT: (starts[_HALT], ends[_HALT])}, self._see)
        return ends

    async def follow(self, bus: Bus, positions: dict[Partition, int]) -> None:
        """Read what is said from now on; runs until cancelled."""
        await follow(bus, positions, self._see, partitions=[_HALT], pace=Pace.SIDE)

    def _see(self, record: Record) -> None:
        try:
            event = decode(record.value or b"")
        except MalformedError:
            return
        if isinstance(event, TradingHalted) and event.source is HaltSource.WEBHOOK:
            self.kills.add(event.halt)


def _leave_address(path: Path, port: int) -> None:
    part = path.with_suffix(".part")
    part.write_bytes(orjson.dumps({"pid": os.getpid(), "port": port}))
    part.replace(path)
