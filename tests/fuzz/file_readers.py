"""
Readers of files: latches, kept states, settings, keys, recordings, exported trails.

A file is written for each case and read as by the program; what is refused is refused in
words that name it.
"""

import gzip
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import Final

import orjson

from spark.audit import verify
from spark.audit_anchor import read_outside
from spark.audit_keys import AuditKeys, succeed
from spark.cli.start_values import sentinel_rules, start_of
from spark.consumers.guardrail_state import GuardState
from spark.embedded.home import Home
from spark.embedded.isolation import _read_register
from spark.embedded.jars import read_lock
from spark.embedded.ops_client import read_address
from spark.embedded.state import read_state
from spark.errors import IntegrityError, SettingError
from spark.exchanges.bist.overrides import read_overrides
from spark.exchanges.simulator.accounts import load
from spark.exchanges.simulator.binance.replay import open_recording
from spark.exchanges.simulator.ledger import Ledger
from spark.ledger.ceilings import read_ceilings
from spark.ops.audit_reader import read_keys
from spark.people import read_people
from spark.settings import read_settings
from spark.signing import signature_check
from spark.worker.cache import Kept, Mark, StateCache
from spark.worker.fence import NO_SEQ
from spark.worker.halts import shortened
from spark.worker.latch import KillLatch
from spark.worker.latch_copy import LatchCopy, make_empty_copy
from tests import keyed, simulated_venue
from tests.fuzz.campaign import Harness, Reader
from tests.fuzz.mutator import AMOUNTS, NUMBERS, TEXTS, Mutator
from tests.fuzz.samples import BINANCE_FRAMES
from tests.hops import guardrail

_AUDIT: Final = AuditKeys(keyed.audit().public_key())
_KEYS: Final = succeed(_AUDIT, keyed.audit(), keyed.witness(), from_ns=10**18).content()
_ROOT: Final = Path(__file__).resolve().parents[2]
#: Of the names of kills that a decision takes.
_KILLS_BYTES_MAX: Final = 200 * 1024
_FRESH: Final = 500
_DAY: Final = (
    b'2026-12-31 = { opens = "09:30", closes = "12:50", reason = "half day" }\n'
    b'2027-02-08 = { closed = true, reason = "trading suspended" }\n'
)
_OPERATORS: Final = b"".join(
    (
        b'[operators]\nop-local = "%b"\n' % (b"ab" * 32),
        b'op-second = "%b"\n' % (b"cd" * 32),
        b'[[retired]]\nname = "op-old"\nkey = "%b"\nbefore_offset = 5\n' % (b"ef" * 32),
        b"[since]\nop-second = 3\n",
    )
)
_STATE: Final = {
    "version": 1, "name": "dev", "phase": "running", "supervisor": {"pid": 1, "birth": "b"},
    "started_ns": 1, "home": "/x", "mode": "paper", "endpoint": "sim", "isolation_reason": "",
    "uids": {"gateway": 61001}, "kafka_bootstrap": "h:1", "is_kafka_embedded": True,
    "database_url": "", "is_database_embedded": True, "simulators": {}, "ports": {"kafka": 1},
    "children": [],
}  # fmt: skip
_RECORDED: Final = b"".join(b"1723161253937085768 %b\n" % frame for frame in BINANCE_FRAMES[:4])
_LINES: Final = b"".join(
    orjson.dumps(line) + b"\n"
    for line in (
        {"seq": 1, "kind": "request", "method": "POST", "path": "/api/v3/order",
         "outcome": "accepted"},
        {"seq": 2, "kind": "order", "status": "open", "executed": "0", "account": "one",
         "client_order_id": "a", "order_id": 1},
        {"seq": 3, "kind": "fill"},
    )
)  # fmt: skip

_Read = Callable[[Path], object]


def _of_file(
    samples: Sequence[bytes],
    read: _Read,
    *,
    name: str = "file",
    mode: int = 0o600,
    broken: Callable[[Random, bytes], bytes] | None = None,
) -> Callable[[], Iterator[Harness]]:
    """Write each case to a file and read it."""

    def opened() -> Iterator[Harness]:
        with tempfile.TemporaryDirectory(prefix="spark-fuzz-") as place:
            path = Path(place) / name
            path.parent.mkdir(exist_ok=True)

            def case(random: Random) -> bytes:
                body = Mutator(random, samples).case()
                return body if broken is None else broken(random, body)

            def checked(body: bytes) -> bool:
                path.unlink(missing_ok=True)
                path.write_bytes(body)
                path.chmod(mode)
                return read(path) is not None

            yield Harness(case, checked)

    return opened


def _zipped(random: Random, body: bytes) -> bytes:
    packed = gzip.compress(body, mtime=0)
    return Mutator(random).broken_bytes(packed) if random.random() < 0.3 else packed


def _ledger(path: Path) -> object:
    ledger = Ledger(path)
    try:
        return ledger.read(0, 100)
    finally:
        ledger.close()


def _address(path: Path) -> object:
    return read_address(path.parent, path.stem)


def _stack(path: Path) -> object:
    return read_state(Home(path.parent.parent))


def _overrides(path: Path) -> object:
    return read_overrides(path.read_bytes(), "overrides.toml")


def _people(path: Path) -> object:
    return read_people(path.read_bytes().decode("utf-8", "replace"), keyed.LOG_EPOCH)


def _ceilings(path: Path) -> object:
    return read_ceilings(path.read_bytes().decode("utf-8", "replace"))


def _trail(path: Path) -> object:
    return verify(iter(path.read_bytes().split(b"\n")), _AUDIT.is_signed)


def _outside(path: Path) -> object:
    witness = signature_check(keyed.audit().public_key())
    return read_outside(iter(path.read_bytes().split(b"\n")), _AUDIT.is_signed, witness)


def _trails() -> tuple[bytes, ...]:
    examples = _ROOT / "schemas" / "examples"
    kinds = ("partition_fenced", "audit_paged", "audit_checkpointed")
    return tuple((examples / f"{kind}.v1.jsonl").read_bytes().strip() for kind in kinds)


def _copies() -> Iterator[Harness]:
    """A process's copy of kills: whatever stands there, it kills or is what was written."""
    with tempfile.TemporaryDirectory(prefix="spark-fuzz-") as place:
        latch, own = Path(place) / "kill.d", Path(place) / "own"
        latch.mkdir()
        samples = (b"[]", b'["latch:kill-1@1763700000000000000","latch:own copy: rubbish@5"]')

        def case(random: Random) -> bytes:
            return Mutator(random, samples).case()

        def read(body: bytes) -> bool:
            shutil.rmtree(own, ignore_errors=True)
            own.mkdir()
            make_empty_copy(own)
            path = own / "kills.json"
            path.write_bytes(body)
            watched = KillLatch(latch, is_killed_by_environment=False, copy=LatchCopy(own))
            kills = watched.in_force()
            try:
                written = orjson.loads(body)
            except orjson.JSONDecodeError:
                written = None
            assert list(kills) == written or kills, "rubbish that does not kill"
            assert len(orjson.dumps(kills)) < _KILLS_BYTES_MAX
            shortened(kills)
            return bool(list(kills) == written)

        yield Harness(case, read)


def _latches() -> Iterator[Harness]:
    """The latch directory: entries of any name and kind, all of them kills."""
    with tempfile.TemporaryDirectory(prefix="spark-fuzz-") as place:
        latch = Path(place) / "kill.d"

        def case(random: Random) -> list[bytes]:
            pool = [text.encode("utf-8", "surrogatepass") for text in TEXTS]
            names = [random.choice((random.choice(pool), random.randbytes(random.randrange(1, 40))))
                     for _ in range(random.choice((0, 1, 1, 3, 70)))]  # fmt: skip
            kept = (name.replace(b"\0", b"").replace(b"/", b"")[:255] for name in names)
            return [name for name in kept if name not in {b"", b".", b".."}]

        def read(names: list[bytes]) -> bool:
            shutil.rmtree(latch, ignore_errors=True)
            latch.mkdir()
            for number, name in enumerate(names):
                path = os.path.join(os.fsencode(latch), name)  # noqa: PTH118  (names of any bytes)
                if os.path.lexists(path):
                    continue
                match number % 4:
                    case 0:
                        os.symlink("/nowhere", path)  # noqa: PTH211
                    case 1:
                        os.mkdir(path)  # noqa: PTH102
                    case _:
                        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0))
            kills = KillLatch(latch, is_killed_by_environment=False).in_force()
            assert bool(kills) == bool(names), "an entry that does not kill"
            assert len(orjson.dumps(kills)) < _KILLS_BYTES_MAX
            return not kills

        yield Harness(case, read)


def _caches() -> Iterator[Harness]:
    """A kept state: damaged, of another shape or with a right digest over rubbish."""
    with tempfile.TemporaryDirectory(prefix="spark-fuzz-") as place:
        path = Path(place) / "guardrail.state"
        cache = StateCache(path, GuardState)
        mark = Mark("orders.decisions", 0, 5, "d" * 16)
        cache.save(
            Kept(
                state=guardrail().initial(0),
                marks=(mark,),
                topic_ids={"orders.decisions": "x"},
                epoch=0,
                seq=NO_SEQ,
                last=None,
            )
        )
        good = path.read_bytes()
        shape, body = good[:32], good[64:]

        def case(random: Random) -> bytes:
            if random.random() < 0.3:
                return Mutator(random).broken_bytes(good)
            made = Mutator(random, (body,)).case()
            return shape + sha256(made).digest() + made

        def read(raw: bytes) -> bool:
            path.write_bytes(raw)
            return cache._read() is not None

        yield Harness(case, read)


def _settings() -> Iterator[Harness]:
    """The environment: every setting of .env.example with any value."""
    lines = (_ROOT / ".env.example").read_text().splitlines()
    pairs = [line.partition("=")[::2] for line in lines if "=" in line and line[:1].isupper()]
    words = (*AMOUNTS, *(one.text for one in NUMBERS), *TEXTS, "true", "live", "real", "[1,2]")
    before = dict(os.environ)

    def case(random: Random) -> Mapping[str, str]:
        chosen = {}
        for name, value in random.sample(pairs, random.randint(1, 4)):
            text = random.choice((random.choice(words), value + random.choice(words), value))
            chosen[name] = text.replace("\0", "").encode("utf-8", "replace").decode()
        return chosen

    def read(chosen: Mapping[str, str]) -> bool:
        os.environ.update(chosen)
        try:
            settings = read_settings()
            start_of(settings)
            sentinel_rules(settings)
            read_ceilings(settings.signer.ceilings)
        finally:
            for name in chosen:
                os.environ.pop(name)
                if name in before:
                    os.environ[name] = before[name]
        return True

    yield Harness(case, read)


def _readers() -> Iterator[Reader]:
    jars = (_ROOT / "deploy" / "kafka" / "jars.lock").read_bytes()[:2_000]
    files: Mapping[str, Callable[[], Iterator[Harness]]] = {
        "latch": _latches,
        "latch-copy": _copies,
        "kept-state": _caches,
        "settings": _settings,
        "operators": _of_file((_OPERATORS,), _people),
        "bist-overrides": _of_file((_DAY,), _overrides),
        "signer-ceilings": _of_file((b"BTCUSDT=1,ETHUSDT=20,rate=1000",), _ceilings),
        "jars-lock": _of_file((jars,), read_lock),
        "uids": _of_file((b'{"gateway": 61001, "signer": 61002}',), _read_register),
        "stack-state": _of_file((orjson.dumps(_STATE),), _stack, name="run/stack.json"),
        "process-address": _of_file(
            (b'{"pid":5,"ops_port":8080}', b'{"pid":5,"ops_socket":"/x/y"}'),
            _address,
            name="run/gateway.json",
        ),
        "sim-keys": _of_file(
            (orjson.dumps(simulated_venue._KEYS),), load, mode=0o400
        ),
        "sim-ledger": _of_file((_LINES,), _ledger),
        "sim-recording": _of_file((_RECORDED,), open_recording, broken=_zipped),
        "audit-keys": _of_file((_KEYS, _AUDIT.content()), read_keys),
        "audit-export": _of_file((b"\n".join(_trails()), *_trails()), _trail),
        "audit-anchors": _of_file(
            (b'{"checkpoint":"{}","first":0,"heads":["%b"],"offset":1,"type":"anchor","v":1}'
             % (b"a" * 64),
             b'{"at_ns":1,"root":"r","signature":"ab","size":1,"type":"receipt","v":1,"witness":"w"}'),
            _outside,
        ),
    }  # fmt: skip
    for name, opened in files.items():
        yield Reader(
            f"file-{name}",
            contextmanager(opened),
            refusals=(SettingError, IntegrityError),
            fresh_every=_FRESH,
            # These flush to the disk, or make dozens of files.
            weight=0.25 if name.startswith("latch") else 1,
        )


READERS: Final = tuple(_readers())
