"""
`spark drill secrets`: a stack works, is hurt and changes its keys; then every place is searched.

Searched are all logs, all records of all topics with keys and headers, the database's
files, metric pages, states, latches, ledgers, and each process's arguments and environment.
First one leak is planted, which has to be found: a search that finds nothing may be blind.
"""

import asyncio
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spark import keys, topics
from spark.bench.children import child
from spark.bench.judges import Judges
from spark.bus.kafka import KafkaBus
from spark.bus.port import Outgoing, Pace, Partition
from spark.embedded.child import ChildState
from spark.embedded.kafka import BROKER
from spark.embedded.ops_client import ask, read_address
from spark.embedded.processes import KAFKA
from spark.embedded.rotation import rotate
from spark.embedded.rotation_audit import rotate_audit
from spark.embedded.throwaway import Throwaway
from spark.errors import GateError
from spark.names import Role
from spark.ops.secret_scan import Hit, Searcher, files_below, secrets_below

_STRATEGY: Final = "strategy-demo"
_FAULTS: Final = ("drop_reply", "error_5xx_after", "garble")
_STAGES: Final = (Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.AUDITOR, Role.ACCOUNT_FEED)
_ACKED: Final = b'"type":"order_acked"'
_RUBBISH: Final = (b"", b"{", b"\xff" * 40, b'{"type":"place_order","v":1}', b'{"type":"none"}')
_BACK_S_MAX: Final = 60.0
_LOOK_S: Final = 0.1
_READ_WAIT_MS: Final = 500
_CHUNK_BYTES: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretsDrill:
    """One drill's parameters."""

    seconds: float
    #: Intents a second.
    rate: float


@dataclass(slots=True, kw_only=True)
class Found:
    """What was searched, and what was found."""

    secrets: int
    pieces: int
    kills: int = 0
    rotated: int = 0
    acked: int = 0
    #: By kind of place: how many, and bytes of them.
    places: Counter[str] = field(default_factory=Counter)
    searched_bytes: Counter[str] = field(default_factory=Counter)
    hits: list[Hit] = field(default_factory=list)
    is_plant_found: bool = False

    @property
    def is_clean(self) -> bool:
        """Whether nothing was found but what was planted."""
        return self.is_plant_found and self.acked > 0 and not self.hits

    def result(self) -> dict[str, object]:
        """Give the object that `--json` prints."""
        return {
            "secrets": self.secrets,
            "forms_searched": self.pieces,
            "orders_acked": self.acked,
            "kills": self.kills,
            "keys_rotated": self.rotated,
            "places": dict(self.places),
            "bytes": dict(self.searched_bytes),
            "planted_found": self.is_plant_found,
            "hits": len(self.hits),
            "where": [f"{hit.secret} as {hit.form} in {hit.place}" for hit in self.hits[:20]],
        }


async def drill_secrets(
    stack: Throwaway, drill: SecretsDrill, *, judges: Judges, say: Callable[[str], None]
) -> Found:
    """
    Run the drill on a running stack.

    Args:
        judges: of the one exchange.
        say: takes lines of progress.

    Raises:
        GateError: a process did not come back.

    """
    before = secrets_below(stack.home.secrets)
    say(f"{len(before)} secrets; orders for {drill.seconds:g} s")
    plan = {
        "strategy": _STRATEGY,
        "uid": stack.state.uids.get(_STRATEGY),
        "bootstrap": stack.state.kafka_bootstrap,
        "secrets_dir": str(stack.home.secrets_of(_STRATEGY)),
        "public_dir": str(stack.home.public),
        "rate": drill.rate,
        "seconds": drill.seconds,
    }
    run = _Run(stack, judges, say)
    try:
        async with child("spark.bench.order_load", plan, stack.home.logs / "load.log") as load:
            await run.first_order()
            await run.misbehave()
            rotated = await rotate(stack.anchor, stack.home, stack.secrets, wanted=keys.SHARED_KEYS)
            rotate_audit(stack.secrets, stack.home.public)
            await run.kill_all()
            await load.finished()
    finally:
        await judges.close()
    searcher = Searcher(before | secrets_below(stack.home.secrets))
    found = Found(secrets=searcher.secrets, pieces=searcher.pieces)
    found.kills, found.rotated = run.kills, len(rotated) + 1
    say(f"{found.kills} kills, {found.rotated} keys changed; searching")
    search = Search(stack, searcher, found)
    found.is_plant_found = await search.finds_a_plant()
    await search.everything()
    return found


@dataclass(slots=True)
class _Run:
    """The drill at work."""

    stack: Throwaway
    judges: Judges
    say: Callable[[str], None]
    kills: int = 0

    async def first_order(self) -> None:
        """Wait until the exchange has an order of ours: what follows is hurt while it works."""
        deadline = time.monotonic() + _BACK_S_MAX
        while not any(map(_is_ours, await self.judges.new_lines())):
            if time.monotonic() > deadline:
                raise GateError(f"no order reached the exchange within {_BACK_S_MAX:g} s")
            await asyncio.sleep(_LOOK_S)

    async def misbehave(self) -> None:
        """Let the exchange swallow answers, and somebody write what nobody can read."""
        for kind in _FAULTS:
            for route in ("POST /api/v3/order", "DELETE /api/v3/order"):
                await self.judges.arm({"kind": kind, "count": 1, "route": route})
        bus = KafkaBus(self.stack.login(_STRATEGY))
        writer = await bus.writer([topics.INTENTS])
        try:
            place = Partition(topics.INTENTS, 0)
            await writer.write([Outgoing(place, b"binance:main", body, ()) for body in _RUBBISH])
        finally:
            await writer.close()
            await bus.close()

    async def kill_all(self) -> None:
        """End each stage and the broker as by kill -9, one after the other."""
        names = [name for name in (*_STAGES, KAFKA) if name in self.stack.pids()]
        for name in names:
            await self._kill(name)
            self.kills += 1

    async def _kill(self, name: str) -> None:
        before = next(one for one in self.stack.state.children if one.name == name)
        assert before.pid is not None, "it runs"
        os.kill(before.pid, signal.SIGKILL)
        deadline = time.monotonic() + _BACK_S_MAX
        while True:
            now = next(one for one in self.stack.state.children if one.name == name)
            if now.restarts > before.restarts and now.state is ChildState.READY:
                return
            if time.monotonic() > deadline:
                raise GateError(f"{name} does not come back: {now.state} {now.detail}")
            await asyncio.sleep(_LOOK_S)


@dataclass(slots=True)
class Search:
    """Looks through all places of a stack."""

    stack: Throwaway
    searcher: Searcher
    found: Found

    async def finds_a_plant(self) -> bool:
        """Leave half of a key in a log, and say whether the search finds it; it goes again."""
        home = self.stack.home
        secret = (home.secrets_of(Role.GATEWAY) / keys.SEAL).read_bytes()
        plant = home.logs / "planted.log"
        plant.write_text(f"why: {secret.hex()[:32]}\n")
        try:
            return bool(self._file(plant, "planted"))
        finally:
            plant.unlink()

    async def everything(self) -> None:
        """Search every place, and note what was searched."""
        hits: list[Hit] = []
        home = self.stack.home
        left_out = [home.secrets, *self._topic_directories()]
        for path in files_below(home.root, left_out):
            kind = path.relative_to(home.root).parts[0]
            with suppress(FileNotFoundError):  # servers remove files as they work
                hits += await asyncio.to_thread(self._file, path, kind)
        hits += self._processes()
        hits += await self._pages()
        hits += await self._topics()
        self.found.hits = sorted(set(hits))

    def _file(self, path: Path, kind: str) -> list[Hit]:
        hits: list[Hit] = []
        rest = b""
        place = str(path.relative_to(self.stack.home.root))
        with path.open("rb") as file:
            while part := file.read(_CHUNK_BYTES):
                hits += self._look(kind, place, rest + part)
                # What stands across two parts is in the next one whole.
                rest = part[-1024:]
        self.found.places[kind] += 1
        return hits

    def _processes(self) -> list[Hit]:
        hits: list[Hit] = []
        for name, pid in self.stack.pids().items():
            for what in ("cmdline", "environ"):
                content = Path(f"/proc/{pid}/{what}").read_bytes()
                hits += self._look(what, f"{what} of {name}", content)
                self.found.places[what] += 1
        return hits

    async def _pages(self) -> list[Hit]:
        hits: list[Hit] = []
        for name in self.stack.pids():
            address = read_address(self.stack.home.run_of(name), name)
            reply = None if address is None else await ask(address, "/metrics")
            if reply is not None:
                hits += self._look("metrics", f"metrics of {name}", reply[1].encode())
                self.found.places["metrics"] += 1
        return hits

    async def _topics(self) -> list[Hit]:
        """Read every record: as its readers get it, unpacked."""
        bus = KafkaBus(self.stack.login(BROKER))
        hits: list[Hit] = []
        try:
            everything = [Partition(t.name, n) for t in topics.TOPICS for n in range(t.partitions)]
            starts, ends = await bus.starts(everything), await bus.ends(everything)
            for partition in everything:
                if starts[partition] >= ends[partition]:
                    continue
                content = await _content(bus, partition, (starts[partition], ends[partition]))
                place = f"topic {partition}"
                self.found.acked += content.count(_ACKED)
                hits += await asyncio.to_thread(self._look, "topics", place, content)
                self.found.places["topics"] += 1
        finally:
            await bus.close()
        return hits

    def _topic_directories(self) -> list[Path]:
        """List where the broker keeps what is read through it: packed, it says nothing there."""
        data = self.stack.home.root / "kafka" / "data"
        names = {topic.name for topic in topics.TOPICS}
        return [path for path in data.iterdir() if path.name.rpartition("-")[0] in names]

    def _look(self, kind: str, place: str, content: bytes) -> list[Hit]:
        self.found.searched_bytes[kind] += len(content)
        return self.searcher.search(place, content)


def _is_ours(line: Mapping[str, object]) -> bool:
    # The self-made market has orders there, too, under accounts of its own.
    return line["kind"] == "order" and line["account"] == "main"


async def _content(bus: KafkaBus, partition: Partition, span: tuple[int, int]) -> bytes:
    """Put a partition's keys, values and headers into one text."""
    parts: list[bytes] = []
    position, end = span
    reader = await bus.reader({partition: position}, Pace.BULK)
    try:
        while position < end:
            records = await reader.read(_READ_WAIT_MS)
            if not records:
                raise GateError(f"{partition}: records do not come at {position}")
            for record in records:
                position = record.offset + 1
                parts += [record.key or b"", record.value or b""]
                parts += [part for name, value in record.headers for part in (name.encode(), value)]
    finally:
        await reader.close()
    return b"\n".join(parts)
