"""
Every place of a stack that worked, was hurt and changed its keys is searched for secrets (S18).
"""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
import pytest_asyncio

from spark import keys
from spark.bench.caps import WIDE_CAPS
from spark.bench.judges import Judges
from spark.bench.secrets import Found, Search, SecretsDrill, drill_secrets
from spark.embedded.plan import SimulatorOptions
from spark.embedded.processes import DEMO, processes_of
from spark.embedded.throwaway import Throwaway, ThrowawayOptions, throwaway
from spark.names import Role, Venue
from spark.ops.secret_scan import Searcher, secrets_below
from tests.servers import jar_cache

pytestmark = [pytest.mark.timeout(600), pytest.mark.asyncio(loop_scope="module")]
#: What a child may be told by its environment; none of it is secret.
_VARIABLES: Final = (
    "SPARK_", "LC_ALL", "PATH", "DATABASE_URL", "TRADING_MODE", "KILL_SWITCH", "VOLUME_RAMP_PCT",
)  # fmt: skip


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def searched() -> AsyncIterator[tuple[Throwaway, Found]]:
    """A stack with everything that there is, after the drill; it still runs."""
    options = ThrowawayOptions(
        jar_directory=jar_cache(),
        processes=tuple(name for name in processes_of((Venue.BINANCE,)) if name != DEMO),
        simulator=SimulatorOptions(is_limited=False, market_rate=1.0),
        environment=(*WIDE_CAPS, ("SPARK_ERROR_RATE_MAX", "1")),
    )
    async with throwaway(options) as stack:
        judges = Judges(stack.state.simulator_admin_url, stack.admin_token())
        drill = SecretsDrill(seconds=10, rate=30)
        yield stack, await drill_secrets(stack, drill, judges=judges, say=lambda _: None)


async def test_s18_no_secret_is_anywhere_but_in_its_file(
    searched: tuple[Throwaway, Found],
) -> None:
    """
    S15, S18, H4: logs, topics, tables' files, pages, states, arguments, environments: none.

    Fault X1.
    """
    _, found = searched
    assert found.result()["where"] == []
    assert found.secrets > 60
    assert found.acked > 0
    assert found.kills >= 6
    assert found.rotated == len(keys.SHARED_KEYS) + 1, "and the auditor's"
    kinds = {"logs", "run", "latches", "public", "postgres", "kafka", "simulator"}
    assert found.places.keys() >= kinds | {"topics", "metrics", "cmdline", "environ"}
    assert found.searched_bytes["topics"] > 1_000_000


async def test_s18_a_planted_leak_is_found_wherever_it_is(
    searched: tuple[Throwaway, Found],
) -> None:
    """S18: half of a key in a log, in a state, in an argument: the search is not blind."""
    stack, found = searched
    assert found.is_plant_found
    known = secrets_below(stack.home.secrets)
    search = Search(stack, Searcher(known), Found(secrets=0, pieces=0))
    name, secret = next((n, s) for n, s in known.items() if n.startswith(f"{Role.SIGNER}/tag."))
    plants = [stack.home.run / "planted", stack.home.state_of(Role.SIGNER) / "planted.state"]
    for plant in plants:
        plant.write_bytes(b"\0" * 5_000 + secret.hex().encode()[32:] + b"\0")
    try:
        await search.everything()
    finally:
        for plant in plants:
            plant.unlink()
    file = name.partition("/")[2]
    hits = {hit.place for hit in search.found.hits if hit.secret.endswith(file)}
    assert hits == {str(plant.relative_to(stack.home.root)) for plant in plants}


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
async def test_s15_a_childs_environment_is_made_from_nothing(
    searched: tuple[Throwaway, Found],
) -> None:
    """
    S15: no variable of who started the stack reaches a process; what does is on a list.

    Fault X1.
    """
    stack, _ = searched
    known = {*dict(WIDE_CAPS), *_VARIABLES}
    for name, pid in stack.pids().items():
        try:
            content = Path(f"/proc/{pid}/environ").read_bytes()
        except PermissionError:
            continue
        names = {part.partition(b"=")[0].decode() for part in content.split(b"\0") if part}
        strange = {one for one in names if not any(one.startswith(known_) for known_ in known)}
        assert strange <= {"PGDATA", "LANG", "TZ", "LOG_DIR", "KAFKA_OPTS"}, name


@pytest.mark.skipif(sys.platform != "linux", reason="there is no /proc")
async def test_s15_who_holds_keys_writes_no_core_and_gains_no_rights(
    searched: tuple[Throwaway, Found],
) -> None:
    """
    S15, §4: no core dump, no new privileges; the signer's memory is root's alone to read.

    Fault X1.
    """
    stack, _ = searched
    for name, pid in stack.pids().items():
        limits = Path(f"/proc/{pid}/limits").read_text()
        core = next(line for line in limits.splitlines() if line.startswith("Max core"))
        assert core.split()[4:6] == ["0", "0"], name
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text(), name
    for name in (Role.SIGNER, Role.GUARDRAIL, Role.AUDITOR):
        # What is not dumpable belongs to root in /proc, whoever runs it.
        assert Path(f"/proc/{stack.pids()[name]}/environ").stat().st_uid == 0, name
