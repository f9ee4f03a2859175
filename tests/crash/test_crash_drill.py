"""
The short kill matrix, as the command gives it, and one run in which it has to find something.

`spark drill crash --rounds …` makes a longer one; runbook/kill-matrix.md is one of those.
"""

import os
import subprocess
import sys
from collections import Counter
from typing import Any, Final

import orjson
import pytest

from spark.bench.crash.plan import Fault
from spark.bench.crash.tally import COUNTS
from spark.cli.exit_codes import ExitCode
from spark.crash_points import REACHED_BY, Point
from spark.embedded.processes import KAFKA, POSTGRES, SIMULATORS
from spark.names import Role
from tests.servers import jar_cache

_S_MAX: Final = 900
#: A sentinel that has nothing to protect from decides nothing, whatever is done to provoke it.
_MAY_MISS: Final = frozenset({Point.PROTECTION_DECIDED})
pytestmark = pytest.mark.timeout(_S_MAX + 60)


def _drill(*words: str) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-m", "spark", "drill", "crash", "--json", *words],
        env={**os.environ, "XDG_CACHE_HOME": str(jar_cache().parents[1])},
        stdout=subprocess.PIPE,
        timeout=_S_MAX,
        check=False,
    )
    return done.returncode, orjson.loads(done.stdout)


@pytest.fixture(scope="module")
def drill() -> tuple[int, dict[str, Any]]:
    """One round that comes by every place once."""
    return _drill("--each", "--rounds", "1", "--seed", "1")


def test_nothing_is_lost_and_nothing_done_twice(drill: tuple[int, dict[str, Any]]) -> None:
    """
    H2, A7, A8, A11: killed everywhere once, the ledgers hold what was approved, once.

    Faults P2, P3, P4, P5, P6, P8, K1, D1, C2 and N2.
    """
    code, found = drill
    assert found["failures"] == []
    assert {name: found[name] for name in COUNTS} == dict.fromkeys(COUNTS, 0)
    assert code == ExitCode.OK
    assert found["orders"] > 100, "the load reached the exchanges"


def test_every_process_and_server_was_killed(drill: tuple[int, dict[str, Any]]) -> None:
    """
    H2: each process at each of its points, the servers, the supervisor, everything at once.

    Faults P8, P9 and D1.
    """
    _, found = drill
    at_points = Counter(role.value for roles in REACHED_BY.values() for role in roles)
    for role in Role:
        assert found["kills"][role.value] > at_points[role.value] - 1, role
    for name in (KAFKA, POSTGRES, "supervisor", *SIMULATORS.values()):
        assert found["kills"][name] == 1, name


def test_every_point_was_come_by(drill: tuple[int, dict[str, Any]]) -> None:
    """
    H2: a place that nobody reaches any more would make the matrix say too much.

    Faults P2 and P7.
    """
    _, found = drill
    missed = {
        (point, role)
        for point, roles in REACHED_BY.items()
        for role in roles
        if f"{Fault.KILL_AT}: {role} at {point}" in found["missed"]
    }
    assert {one for one in missed if one[0] not in _MAY_MISS} == set()


def test_an_order_sent_past_spark_is_found() -> None:
    """H2: a check that can fail: one planted order, and the drill ends with 8 and says so."""
    words = ("--only", Role.WEBHOOK.value, "--rounds", "1", "--planted")
    code, found = _drill(*words)
    assert code == ExitCode.GATE
    assert found["duplicated"] >= 1
    assert found["failures"], "the seed and what was done"
