"""The broker for people with Docker is the broker of `spark up`."""

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from spark.embedded.jars import read_lock
from spark.embedded.kafka import DEPLOY, JARS_LOCK
from spark.embedded.ownership import fill


@pytest.fixture
def service() -> dict[str, Any]:
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    found: dict[str, Any] = yaml.safe_load(text)["services"]["kafka"]
    return found


def test_it_is_the_version_of_the_lock(service: dict[str, Any]) -> None:
    """One Kafka, wherever it runs."""
    (version,) = {jar.version for jar in read_lock(JARS_LOCK) if jar.group == "org.apache.kafka"}
    assert service["image"] == f"apache/kafka:{version}"


def test_it_is_published_on_loopback_alone(service: dict[str, Any]) -> None:
    """Loopback by default, and the controller not at all."""
    assert service["ports"] == ["127.0.0.1:9092:9092"]


def test_its_entry_makes_the_same_configuration(service: dict[str, Any], tmp_path: Path) -> None:
    """One server.properties: the container fills in the words that `spark up` fills in."""
    for directory in ("run", "secrets", "data", "etc"):
        (tmp_path / directory).mkdir()
    # As in the container, the path holds no blanks, whatever the checkout's does.
    shutil.copy(DEPLOY / "server.properties", tmp_path / "etc")
    for principal in ("broker", "controller", "provisioner"):
        (tmp_path / "secrets" / principal).write_text(f"{principal}-word", encoding="utf-8")
    script = service["command"][0].replace("$$", "$")
    for inside, here in (
        ("/run/spark", tmp_path / "run"),
        ("/run/secrets", tmp_path / "secrets"),
        ("/etc/spark", tmp_path / "etc"),
        ("/var/lib/kafka/data", tmp_path / "data"),
        # These two stand in for Kafka's own scripts, which are in the image.
        ("/opt/kafka/bin/kafka-storage.sh", "echo"),
        ("/opt/kafka/bin/kafka-server-start.sh", "cat"),
    ):
        script = script.replace(inside, str(here))
    done = subprocess.run(
        [*service["entrypoint"], script],
        env={"PATH": os.defpath},
        capture_output=True,
        check=True,
        text=True,
    )
    jaas = tmp_path / "run" / "kafka.jaas"
    assert done.stdout == fill(
        DEPLOY / "server.properties",
        host="0.0.0.0",  # noqa: S104  (inside the container)
        client_port=9092,
        controller_port=9093,
        data=tmp_path / "data",
        jaas=jaas,
    )
    assert 'user_controller="controller-word"' in jaas.read_text(encoding="utf-8")
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [
        "kafka.jaas",
        "server.properties",
    ]
    assert "-word" not in done.stdout + done.stderr
