"""The table of processes."""

import pytest

from spark.cli.wiring import BUILDERS
from spark.embedded.processes import (
    KAFKA,
    POSTGRES,
    PROCESSES,
    SIMULATORS,
    Process,
    StopWave,
    processes_of,
)
from spark.names import Role, Venue
from spark.topics import STRATEGIES


def test_every_process_of_the_table_can_be_run() -> None:
    """
    `spark up` starts nothing that `spark run` does not know, and leaves none out.
    """
    assert {process.name for process in PROCESSES} == {str(name) for name in BUILDERS}


def test_a_stack_has_the_feeds_of_its_exchanges_alone() -> None:
    """
    A feed without its exchange would fail for ever; all else serves whichever there are.
    """
    binance, btcturk = (set(processes_of((one,))) for one in (Venue.BINANCE, Venue.BTCTURK))
    assert Role.BINANCE_FEED in binance - btcturk
    assert Role.BINANCE_FEED not in btcturk
    assert binance - {Role.BINANCE_FEED} <= btcturk
    assert set(processes_of(tuple(SIMULATORS))) == {process.name for process in PROCESSES}


def test_a_process_is_named_like_its_principal() -> None:
    """
    Name, Kafka user, uid and directory of secrets are one word.
    """
    assert {process.name for process in PROCESSES} <= {role.value for role in Role} | STRATEGIES
    assert all(type(process.name) is str for process in PROCESSES)


@pytest.mark.parametrize("process", PROCESSES, ids=lambda process: process.name)
def test_what_a_process_needs_ends_after_it(process: Process) -> None:
    """
    A stage may finish its work because what it works on is still there.
    """
    waves = {
        KAFKA: StopWave.SERVERS,
        POSTGRES: StopWave.SERVERS,
        **dict.fromkeys(SIMULATORS.values(), StopWave.EXCHANGE),
    }
    assert all(waves[need] > process.stop_wave for need in process.needs)


def test_the_order_path_ends_from_its_source_down() -> None:
    """
    What was approved is still signed, and what was signed still sent.
    """
    wave = {process.name: process.stop_wave for process in PROCESSES}
    path = ["strategy-demo", Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.AUDITOR]
    assert [wave[name] for name in path] == sorted(wave[name] for name in path)
