"""`spark up` on somebody else's Kafka and PostgreSQL: used, never started or stopped."""

import shutil
import stat
from pathlib import Path

from spark.embedded.home import Home
from spark.embedded.secrets import KAFKA_PASSWORD
from spark.topics import PROVISIONER
from tests.servers import RunningKafka, RunningPostgres
from tests.stacks import environment, processes_of, spark


def test_the_same_commands_work_on_real_servers(
    server_home: Path, kafka_server: RunningKafka, postgres_server: RunningPostgres
) -> None:
    """
    SPARK_KAFKA_BOOTSTRAP and DATABASE_URL replace the embedded servers, secrets still in files.
    """
    postgres_server.recreate_database()
    place = server_home / "foreign"
    place.mkdir(mode=0o711)
    home = Home(place / "spark")
    url = postgres_server.superuser_url
    env = environment(place, SPARK_KAFKA_BOOTSTRAP=kafka_server.bootstrap, DATABASE_URL=url)
    names = ("auditor", "feed_writer")
    words = ("up", "--for", "1s", "--processes", ",".join(names))

    refused = spark(*words, env=env)
    assert refused.code == 4
    password = home.secrets_of(PROVISIONER) / KAFKA_PASSWORD
    assert str(password) in refused.err

    # The other tests' passwords stay right: this home has the same ones.
    shutil.rmtree(home.secrets)
    # Persons are known by the keys of the first start, and now have others.
    shutil.rmtree(home.public)
    shutil.copytree(kafka_server.secrets.root, home.secrets)
    result = spark(*words, env=env)
    assert result.code == 0, result.err
    assert "kafka: done in" in result.out
    assert f"yours · {kafka_server.bootstrap}" in result.out
    assert "postgres: done" not in result.out
    assert not (home.root / "kafka").exists()
    assert not (home.root / "postgres").exists()
    assert all(f" {name}" in result.out for name in names)
    assert processes_of(place) == []
    _assert_hidden(home, url)
    assert kafka_server.process.is_alive()
    assert postgres_server.process.is_alive()
    kafka_server.recreate_topics()
    postgres_server.recreate_database()


def _assert_hidden(home: Home, url: str) -> None:
    """
    The password of the address stands in the role's own file and nowhere else.
    """
    password = url.partition("@")[0].rpartition(":")[2]
    passfile = home.secrets_of("feed_writer") / "pgpass"
    assert password in passfile.read_text()
    assert stat.S_IMODE(passfile.stat().st_mode) == 0o400
    texts = [path.read_text() for path in home.logs.iterdir()]
    texts.append((home.run / "stack.json").read_text())
    assert not any(password in text for text in texts)
