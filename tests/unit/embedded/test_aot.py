"""The ahead-of-time cache: used only when it is exactly what was kept."""

from pathlib import Path

import pytest

from spark.embedded.aot import AotCache


@pytest.fixture
def trained(tmp_path: Path) -> Path:
    path = tmp_path / "trained"
    path.write_bytes(b"classes" * 1000)
    return path


def test_a_cache_is_used_only_for_what_it_was_trained_with(tmp_path: Path, trained: Path) -> None:
    """Another Java, other jars or other options are another key, and the old file goes."""
    first = AotCache(tmp_path / "aot", "java 25, these jars")
    assert not first.is_usable()
    first.keep(trained)
    assert first.is_usable()
    second = AotCache(tmp_path / "aot", "java 26, these jars")
    assert not second.is_usable()
    second.keep(trained)
    assert not first.is_usable()
    assert len(list((tmp_path / "aot").iterdir())) == 2


@pytest.mark.parametrize(
    "damaged", [b"", b"classes" * 500, b"classes" * 999 + b"garbage"], ids=["empty", "cut", "bent"]
)
def test_a_damaged_cache_is_not_used(tmp_path: Path, trained: Path, damaged: bytes) -> None:
    """Java hangs on a damaged cache, so a start must never see one."""
    cache = AotCache(tmp_path / "aot", "key")
    cache.keep(trained)
    cache.path.write_bytes(damaged)
    assert not cache.is_usable()


def test_a_discarded_cache_is_gone_and_discarding_again_is_harmless(
    tmp_path: Path, trained: Path
) -> None:
    """After a start that failed with it, the next one does without."""
    cache = AotCache(tmp_path / "aot", "key")
    cache.keep(trained)
    cache.discard()
    cache.discard()
    assert not cache.is_usable()
    assert list((tmp_path / "aot").iterdir()) == []
