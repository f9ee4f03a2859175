"""Fixtures that several test directories share."""

import gc
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from tests.servers import RunningKafka, RunningPostgres

# No test asserts a time, Hypothesis's own rule included.
settings.register_profile("spark", deadline=None)
settings.load_profile("spark")


@pytest.fixture(autouse=True)
def _nothing_left_at_the_broker(request: pytest.FixtureRequest) -> Iterator[None]:
    """A connection that a test leaves open is found at that test, not at some later one."""
    yield
    if "kafka_server" in request.fixturenames:
        gc.collect()


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that other uids can read, as pytest's own tmp_path is not."""
    path = Path(tempfile.mkdtemp(prefix="spark-test-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def server_home() -> Iterator[Path]:
    """A short-lived directory that other uids can traverse, because PostgreSQL may need one."""
    home = Path(tempfile.mkdtemp(prefix="spark-test-"))
    home.chmod(0o711)
    yield home
    shutil.rmtree(home)


@pytest.fixture(scope="session")
def kafka_server(server_home: Path) -> Iterator[RunningKafka]:
    """A real broker, provisioned from the table; shared, so use own topics or recreate_topics."""
    server = RunningKafka(server_home / "broker")
    try:
        server.start()
        server.provision()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def postgres_server(server_home: Path) -> Iterator[RunningPostgres]:
    """A real PostgreSQL with every role and no tables; shared, so use recreate_database."""
    home = server_home / "database"
    home.mkdir(mode=0o711)
    server = RunningPostgres(home)
    try:
        server.start()
        server.provision()
        yield server
    finally:
        server.stop()
