"""
The places of anchors one by one: the table, a witness's door, a witness behind a program.
"""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path

import aiohttp
import psycopg
import pytest

from spark.audit_anchor import make_receipt
from spark.audit_tree import Tree
from spark.audit_witness import Objection, Refused
from spark.codec import encode
from spark.consumers.auditor_file import AnchorFile
from spark.consumers.auditor_table import AnchorTable
from spark.consumers.auditor_witness import CommandWitness, HttpWitness
from spark.db.pool import Database
from spark.errors import DatabaseUnavailable, SettingError, WitnessUnavailable
from spark.events import Receipt
from spark.metrics import Metrics
from spark.ops.audit_witness import Desk, open_desk, serve
from spark.settings import DatabaseSettings
from spark.signing import signature_check
from tests import keyed
from tests.database import ask, make_tables, tell
from tests.made import NOW_NS
from tests.servers import RunningPostgres
from tests.trails import KEY, Trail, is_signed

ANCHORS = Trail().fence().sign().page(0, 1).sign().page(0).sign().anchors


def table_at(url: str) -> AnchorTable:
    """Reach the table as a role, when it is needed."""
    return AnchorTable(
        Database(url, name="test", settings=DatabaseSettings(), metrics=Metrics("test"))
    )


async def test_s13_rows_of_anchors_can_only_be_added(postgres_server: RunningPostgres) -> None:
    """S13, S14: the auditor inserts and reads; update, delete and truncate are refused to all."""
    await make_tables(postgres_server)
    table = table_at(postgres_server.url("auditor"))
    try:
        assert await table.size() == 0
        await table.add(ANCHORS[:2], [])
        # As after a commit of which nobody heard.
        await table.add(ANCHORS, [make_receipt(Tree(), "witness:w", KEY.sign, at_ns=NOW_NS)])
        assert await table.size() == ANCHORS[-1].size
    finally:
        await table.close()
    rows = await ask(postgres_server.url("api"), "SELECT size, witness, body FROM audit_anchors")
    assert {(size, body) for size, witness, body in rows if not witness} == {
        (one.size, one.checkpoint) for one in ANCHORS
    }
    assert len(rows) == len(ANCHORS) + 1
    for change in ("UPDATE audit_anchors SET size = 9", "DELETE FROM audit_anchors"):
        for url in (postgres_server.url("auditor"), postgres_server.superuser_url):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                await tell(url, change)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await tell(postgres_server.superuser_url, "TRUNCATE audit_anchors")


async def test_a_table_that_is_away_can_be_asked_again() -> None:
    """S14: the auditor's own start waits for no database, and each try is a new one."""
    table = table_at("postgresql://nobody@127.0.0.1:9/spark")
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await table.size()
    await table.close()


@asynccontextmanager
async def witness(directory: Path, token: bytes = b"") -> AsyncIterator[tuple[str, Desk]]:
    """Run a witness on a port of its own."""
    desk = open_desk(directory, is_signed, wall_ns=lambda: NOW_NS)
    stop = asyncio.Event()
    address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(
        serve(desk, ("127.0.0.1", 0), token=token, stop=stop, told=address.set_result)
    )
    try:
        yield await address, desk
    finally:
        stop.set()
        await task


async def test_a_witness_asks_for_its_token(tmp_path: Path) -> None:
    """S14: with a token, nobody without it learns or says anything."""
    async with witness(tmp_path, b"sesame") as (url, desk):
        for token, is_known in (("", False), ("open", False), ("sesame", True)):
            way = HttpWitness(url, token=token, verify=signature_check(desk.key.public_key()))
            try:
                if is_known:
                    assert isinstance(await way.show(ANCHORS[0]), Receipt)
                else:
                    with pytest.raises(WitnessUnavailable, match="401"):
                        await way.show(ANCHORS[0])
            finally:
                await way.close()
        async with aiohttp.ClientSession() as session, session.get(f"{url}/checkpoints") as reply:
            assert reply.status == 401


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[" * 99_999, 400), (b"x" * (17 * 1024 * 1024), 413)],
    ids=["nothing", "half", "deep", "too much"],
)
async def test_h5_a_witness_takes_no_nonsense(tmp_path: Path, body: bytes, status: int) -> None:
    """H5, fault X2: a body that is none, or too large, gets an answer and leaves nothing behind."""
    async with witness(tmp_path) as (url, desk), aiohttp.ClientSession() as session:
        async with session.post(f"{url}/checkpoints", data=BytesIO(body)) as reply:
            assert reply.status == status
        assert desk.memory.tree.size == 0
        assert desk.file.path.read_bytes() == b""


async def test_a_receipt_of_another_key_counts_as_none(tmp_path: Path) -> None:
    """S14: who answers in the witness's place cannot sign in its name."""
    async with witness(tmp_path) as (url, _):
        way = HttpWitness(url, verify=signature_check(KEY.public_key()))
        with pytest.raises(WitnessUnavailable, match="another key"):
            await way.show(ANCHORS[0])
        await way.close()


def test_a_trail_is_not_shown_in_plain_text_over_a_network() -> None:
    """S15, fault N5: beyond loopback it is https, or nothing."""
    with pytest.raises(SettingError, match="https"):
        HttpWitness("http://witness.example:8790")


async def test_a_witness_behind_a_program(tmp_path: Path) -> None:
    """S14: the witness may be a command, as over ssh: it remembers from one run to the next."""
    key = tmp_path / "audit.pub"
    key.write_bytes(keyed.audit().public_key().public_bytes_raw())
    words = f"-m spark audit witness --once --directory {tmp_path / 'w'} --key {key}"
    way = CommandWitness(f"{sys.executable} {words}")
    first = await way.show(ANCHORS[0])
    assert isinstance(first, Receipt)
    assert isinstance(await way.show(ANCHORS[1]), Receipt)
    other = Trail().fence("another").sign().anchors[0]
    refused = await way.show(other)
    assert isinstance(refused, Refused)
    assert refused.why is Objection.SMALLER
    for command in ("/nowhere/at/all", "/bin/false", "/bin/echo {}"):
        with pytest.raises(WitnessUnavailable):
            await CommandWitness(command).show(ANCHORS[0])


def test_a_file_of_something_else_is_left_alone(tmp_path: Path) -> None:
    """S14: what stands there and is no anchor is not written after."""
    path = tmp_path / "anchors.jsonl"
    path.write_bytes(b"a diary\n")
    with pytest.raises(SettingError, match="neither an anchor nor a receipt"):
        AnchorFile(path).append([ANCHORS[0]])
    assert path.read_bytes() == b"a diary\n"
    link = tmp_path / "link.jsonl"
    link.symlink_to(path)
    with pytest.raises(OSError, match="symbolic"):
        AnchorFile(link).open()


def test_the_last_anchor_is_found_behind_receipts(tmp_path: Path) -> None:
    """A long line, and many receipts behind it: the place to go on from is the same."""
    file = AnchorFile(tmp_path / "anchors.jsonl")
    long = ANCHORS[-1].__class__(
        offset=1, first=0, heads=("0" * 64,) * 40_000, void={}, checkpoint="{}"
    )
    receipt = make_receipt(Tree(), "witness:w", KEY.sign, at_ns=NOW_NS)
    file.append([ANCHORS[0], long, *[receipt] * 9])
    assert file.open() == long
    assert [one.size for one in file.after(2)] == [long.size]
    file.close()
    assert encode(long) in file.path.read_bytes()
