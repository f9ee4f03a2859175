"""Jars: nothing reaches Java that is not in the lock, byte for byte (S16)."""

import gc
import hashlib
import threading
import warnings
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from spark.embedded.jars import Jar, class_path, fetch, read_lock
from spark.embedded.kafka import JARS_LOCK
from spark.errors import EmbeddedUnavailable, IntegrityError, SettingError


class Repository:
    """A Maven repository on loopback, of jars made up here."""

    def __init__(self, files: Path, url: str) -> None:
        self.files = files
        self.url = url

    def publish(self, artifact: str, content: bytes, sha256: str | None = None) -> Jar:
        place = self.files / "org" / "example" / artifact / "1.0"
        place.mkdir(parents=True)
        (place / f"{artifact}-1.0.jar").write_bytes(content)
        return Jar("org.example", artifact, "1.0", sha256 or hashlib.sha256(content).hexdigest())


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def repository(tmp_path: Path) -> Iterator[Repository]:
    files = tmp_path / "repository"
    files.mkdir()
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=files))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield Repository(files, f"http://127.0.0.1:{server.server_port}")
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_the_committed_lock_lists_the_broker_once_and_no_host() -> None:
    """The class path is Kafka, its dependencies and a log binding, each once, sorted."""
    jars = read_lock(JARS_LOCK)
    coordinates = [(jar.group, jar.artifact, jar.version) for jar in jars]
    assert len(jars) == 46
    assert coordinates == sorted(coordinates)
    assert ("org.apache.kafka", "kafka_2.13", "4.3.1") in coordinates
    assert "://" not in JARS_LOCK.read_text(encoding="utf-8")


def test_jars_are_fetched_once_and_progress_is_told(repository: Repository, cache: Path) -> None:
    """The second start needs no network."""
    jars = [repository.publish(f"part{number}", b"%d" % number) for number in range(12)]
    told: list[tuple[int, int]] = []
    fetch(jars, cache, progress=lambda *now: told.append(now), repository_url=repository.url)
    assert told[0] == (0, 12)
    assert told[-1] == (12, 12)
    assert told == sorted(told)
    fetch(jars, cache, repository_url="http://127.0.0.1:9")
    assert class_path(jars, cache).count(".jar") == 12


def test_a_jar_with_another_hash_is_refused(repository: Repository, cache: Path) -> None:
    """S16, fault X3: what arrives is hashed before Java can see it, and is not kept."""
    jar = repository.publish("part", b"tampered", sha256="0" * 64)
    with pytest.raises(IntegrityError, match="nothing was started"):
        fetch([jar], cache, repository_url=repository.url)
    assert list(cache.iterdir()) == []


def test_a_jar_changed_after_it_was_fetched_is_refused(repository: Repository, cache: Path) -> None:
    """S16: hashes are compared again at each start."""
    jar = repository.publish("part", b"content")
    fetch([jar], cache, repository_url=repository.url)
    (cache / jar.file_name).write_bytes(b"tampered")
    with pytest.raises(IntegrityError, match=r"org\.example:part:1\.0"):
        class_path([jar], cache)


def test_half_a_jar_is_fetched_again(repository: Repository, cache: Path) -> None:
    """A download that broke off never counts."""
    jar = repository.publish("part", b"content")
    cache.mkdir()
    (cache / jar.file_name).write_bytes(b"con")
    fetch([jar], cache, repository_url=repository.url)
    assert (cache / jar.file_name).read_bytes() == b"content"


def test_a_file_that_is_not_in_the_lock_is_not_on_the_class_path(
    repository: Repository, cache: Path
) -> None:
    """S16: the class path comes from the lock, never from a directory."""
    jar = repository.publish("part", b"content")
    fetch([jar], cache, repository_url=repository.url)
    (cache / "aaa-dropped.jar").write_bytes(b"hostile")
    assert class_path([jar], cache) == str(cache / jar.file_name)


@pytest.fixture
def jgo_forgets_connections() -> Iterator[None]:
    """Collect the answers that jgo does not close after a 404, before pytest complains."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@pytest.mark.usefixtures("jgo_forgets_connections")
@pytest.mark.parametrize("is_served", [True, False], ids=["not found", "no network"])
def test_a_jar_that_cannot_be_fetched_is_one_line_with_the_remedy(
    repository: Repository, cache: Path, is_served: bool
) -> None:
    """Bad input: no network is one line with the remedy."""
    missing = Jar("org.example", "missing", "1.0", "0" * 64)
    url = repository.url if is_served else "http://127.0.0.1:9"
    with pytest.raises(EmbeddedUnavailable) as raised:
        fetch([missing], cache, repository_url=url)
    assert "SPARK_KAFKA_BOOTSTRAP" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "text",
    [
        "org.example:part:1.0",
        "org.example:part:1.0 " + "0" * 63,
        "org.example:part:1.0 " + "g" * 64,
        "../../etc:part:1.0/../.. " + "0" * 64,
        "# only a comment",
        "a:b:1 " + "0" * 64 + "\na:b:1 " + "1" * 64,
        "a:b:1 " + "0" * 64 + "\udcff",
    ],
    ids=["no hash", "short hash", "no hex", "a path", "empty", "twice", "no UTF-8"],
)
def test_a_damaged_lock_is_refused(tmp_path: Path, text: str) -> None:
    """H5: a lock that says anything else than coordinates and hashes starts nothing."""
    lock = tmp_path / "jars.lock"
    with pytest.raises(SettingError, match=r"jars\.lock: No such file"):
        read_lock(lock)
    lock.write_text(text, encoding="utf-8", errors="surrogateescape")
    with pytest.raises(SettingError, match=r"jars\.lock"):
        read_lock(lock)
