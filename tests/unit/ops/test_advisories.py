"""
The pinned set against advisories, where somebody brought them; else a stated skip (S16).
"""

import os
from pathlib import Path

import orjson
import pytest

from spark.errors import SettingError
from spark.ops.advisories import Known, advisories_about
from spark.ops.doctor_machine import pinned_versions

_PLACE = os.environ.get("SPARK_ADVISORIES_DIR", "")


def record(directory: Path, name: str, **affected: object) -> None:
    content = {
        "id": name,
        "summary": "it lets strangers in",
        "affected": [{"package": {"ecosystem": "PyPI", "name": "Some_Wheel"}, **affected}],
    }
    (directory / f"{name}.json").write_bytes(orjson.dumps(content))


def span(*events: dict[str, str]) -> list[dict[str, object]]:
    return [{"type": "ECOSYSTEM", "events": list(events)}]


@pytest.mark.parametrize(
    ("events", "concerned"),
    [
        (({"introduced": "0"},), ["1.0", "1.5", "2.0"]),
        (({"introduced": "0"}, {"fixed": "1.5"}), ["1.0"]),
        (({"introduced": "1.5"},), ["1.5", "2.0"]),
        (({"introduced": "0"}, {"last_affected": "1.5"}), ["1.0", "1.5"]),
        (({"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "2.0"}), ["1.0", "2.0"]),
    ],
)
def test_s16_an_advisory_concerns_the_versions_that_it_says(
    tmp_path: Path, events: tuple[dict[str, str], ...], concerned: list[str]
) -> None:
    """S16: ranges as the advisories' own form defines them."""
    record(tmp_path, "A-1", ranges=span(*events))
    found = [v for v in ("1.0", "1.5", "2.0") if advisories_about({"some.wheel": v}, tmp_path)[0]]
    assert found == concerned


def test_s16_a_finding_says_what_and_why(tmp_path: Path) -> None:
    """S16, fault X3: package, version, advisory; listed versions count as ranges do."""
    record(tmp_path, "A-1", versions=["1.0"])
    record(tmp_path, "A-2", ranges=span({"introduced": "0"}, {"fixed": "0.9"}))
    found, count = advisories_about({"some-wheel": "1.0", "other": "1.0"}, tmp_path)
    assert found == [Known("some-wheel", "1.0", "A-1", "it lets strangers in")]
    assert count == 2


def test_s16_nothing_to_compare_with_is_said(tmp_path: Path) -> None:
    """S16: an empty directory, none, or rubbish is no pass."""
    for place in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(SettingError, match="advisories"):
            advisories_about({"some-wheel": "1.0"}, place)
    (tmp_path / "A-1.json").write_bytes(b"{")
    with pytest.raises(SettingError, match="not JSON"):
        advisories_about({"some-wheel": "1.0"}, tmp_path)


@pytest.mark.skipif(
    not _PLACE, reason="SPARK_ADVISORIES_DIR names no advisories, and no network is used for them"
)
def test_s16_no_pinned_package_has_an_advisory() -> None:
    """S16: what is locked by hash is not known to be broken."""
    found, count = advisories_about(pinned_versions(), Path(_PLACE))
    assert count > 0
    assert found == []
