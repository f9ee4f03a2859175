"""
Only what is locked by hash is loaded beside the exchange keys (S16).
"""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from spark.embedded import closed
from spark.embedded.command import closed_start
from spark.errors import SettingError
from spark.worker.loaded import ALLOWED, check_loaded, strangers

_SCRIPT = str(Path(closed.__file__))
_SHOWS = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the interpreter, and wait for its end."""
    return subprocess.run(
        [sys.executable, *arguments],
        env={"PATH": os.defpath},
        capture_output=True,
        timeout=60,
        check=False,
        text=True,
    )


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    """A directory of packages in which somebody left what Python runs at its start."""
    mark = tmp_path / "ran"
    evil = f"open({str(mark)!r}, 'w').close()"
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "evil.pth").write_text(f"import os; {evil}\n")
    for name in ("sitecustomize.py", "usercustomize.py", "json.py", "shows.py"):
        (packages / name).write_text(_SHOWS if name == "shows.py" else evil)
    return packages


def test_s16_no_start_up_code_of_any_wheel_runs(planted: Path, tmp_path: Path) -> None:
    """S16, fault X3: `.pth`, sitecustomize, a module named like Python's own: none of them runs."""
    done = run("-I", "-S", _SCRIPT, str(planted), "shows")
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "ran").exists()
    assert "shows" not in strangers(done.stdout.split())
    # The same directory, as Python itself would take it: so the trap is a real one.
    run("-I", "-c", f"import site; site.addsitedir({str(planted)!r})")
    assert (tmp_path / "ran").exists()


def test_s16_it_starts_in_a_closed_way_only() -> None:
    """S16: without -I -S it is too late: what it is to keep out has run."""
    done = run("-I", _SCRIPT, "", "spark", "--version")
    assert done.returncode != 0
    assert "python -I -S" in done.stderr


def test_s16_every_process_of_a_stack_starts_closed() -> None:
    """S16: by the interpreter alone, with the pinned packages' directories named."""
    command = closed_start("spark", "--version")
    assert command[1:3] == ("-I", "-S")
    assert sysconfig.get_path("purelib") in command[4]
    done = run(*command[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("spark ")


def test_s16_what_the_signer_is_made_of_is_on_the_list() -> None:
    """S16: everything that the signer loads by itself, and nothing else than what is allowed."""
    parts = (
        "spark.cli.run, spark.cli.wiring_orders, spark.cli.venues, spark.consumers.signer, "
        "spark.consumers.signing_socket, spark.ledger.ceilings, spark.worker.loop, "
        "spark.exchanges.binance.signer, spark.exchanges.btcturk.signer, uvloop"
    )
    paths = [str(Path(closed.__file__).parents[2]), sysconfig.get_path("purelib")]
    done = run("-I", "-S", "-c", f"import sys; sys.path += {paths!r}; import {parts}; {_SHOWS}")
    assert done.returncode == 0, done.stderr
    loaded = done.stdout.split()
    assert strangers(loaded) == []
    assert {"spark", "aiokafka", "cryptography"} <= set(loaded)


def test_s16_a_stranger_ends_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """S16, fault X3: one name too many, and the signer does not start; the line says which."""
    for name in list(sys.modules):
        if strangers([name]):
            # This process is a test's.
            monkeypatch.delitem(sys.modules, name)
    check_loaded()
    monkeypatch.setitem(sys.modules, "requests_helper.plugin", sys)
    with pytest.raises(SettingError, match=r"beside what the signer needs: requests_helper;"):
        check_loaded()


@pytest.mark.parametrize("name", ["sparks", "_cython_x", "aiohttp2", "psycopg", "_sysconfigdata"])
def test_s16_a_name_that_looks_like_one_is_a_stranger(name: str) -> None:
    """S16, fault D2: the list is of whole names."""
    assert strangers([name]) == [name]


def test_s16_the_list_holds_nothing_that_is_pythons_own() -> None:
    """S16: what is allowed anyway would only blur the list."""
    assert ALLOWED & sys.stdlib_module_names == frozenset()
