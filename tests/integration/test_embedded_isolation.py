"""One uid for each role, tried with an interpreter that other uids can reach (S7)."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from spark.embedded.isolation import UID_RANGE, plan_isolation
from spark.embedded.reach import obstacle
from spark.embedded.secrets import Secrets

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can separate uids")

CHECKOUT = Path(__file__).parents[2]
PLAN = """
import json, sys
from pathlib import Path
from spark.embedded.isolation import plan_isolation
found = plan_isolation(["signer", "strategy-demo"], Path(sys.argv[1]))
print(json.dumps({"uids": dict(found.uids), "reason": found.reason}))
"""
#: Each line is tried as the strategy; the answer is the name of the error, or nothing.
ATTEMPTS = """
import ctypes, json, os, sys
secrets, signer = sys.argv[1], int(sys.argv[2])
def ptrace():
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, signer, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")
attempts = {
    "own secret": lambda: open(f"{secrets}/strategy-demo/kafka.password").read(),
    "signer's secret": lambda: open(f"{secrets}/signer/kafka.password").read(),
    "signer's directory": lambda: os.listdir(f"{secrets}/signer"),
    "all names": lambda: os.listdir(secrets),
    "signer's memory": lambda: open(f"/proc/{signer}/mem", "rb"),
    "signer's environment": lambda: open(f"/proc/{signer}/environ", "rb").read(),
    "ptrace": ptrace,
    "signal": lambda: os.kill(signer, 15),
    "become the signer": lambda: os.setuid(os.stat(f"/proc/{signer}").st_uid),
    "replace a secret": lambda: os.rename(f"{secrets}/signer", f"{secrets}/mine"),
}
answers = {}
for name, attempt in attempts.items():
    try:
        attempt()
        answers[name] = None
    except OSError as error:
        answers[name] = type(error).__name__
print(json.dumps(answers))
"""


@dataclass
class Reachable:
    """A checkout and an environment that every uid can read."""

    python: Path
    home: Path

    def plan(self) -> dict[str, object]:
        answer: dict[str, object] = json.loads(self.run(PLAN, str(self.home / "uids.json")))
        return answer

    def run(self, program: str, *arguments: str, uid: int = 0) -> str:
        return subprocess.run(
            [self.python, "-I", "-c", program, *arguments],
            user=uid,
            group=uid,
            extra_groups=[],
            cwd="/",
            env={},
            stdout=subprocess.PIPE,
            check=True,
        ).stdout.decode()


@pytest.fixture
def reachable(open_directory: Path) -> Reachable:
    base = base_interpreter()
    if base is None:
        pytest.skip("no Python 3.11 or newer here that other uids can reach")
    checkout = open_directory / "checkout"
    for part in ("spark", "deploy"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / part, checkout / part, ignore=ignored)
    for path in (checkout, *checkout.rglob("*")):
        path.chmod(0o755 if path.is_dir() else 0o644)
    environment = open_directory / "venv"
    subprocess.run([base, "-m", "venv", "--without-pip", environment], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    (packages / "spark.pth").write_text(f"{checkout}\n", encoding="utf-8")
    home = open_directory / "home"
    # The stack opens its home only when it knows that there is isolation.
    home.mkdir(0o700)
    return Reachable(environment / "bin" / "python", home)


def base_interpreter() -> Path | None:
    """Find an interpreter outside every private directory."""
    places = (os.path.realpath(sys.executable), "/usr/bin/python3", "/usr/local/bin/python3")
    for place in map(Path, places):
        if not place.exists() or obstacle(place, UID_RANGE[0]) is not None:
            continue
        test = "import sys, venv; sys.exit(sys.version_info < (3, 11))"
        if subprocess.run([place, "-c", test], check=False).returncode == 0:
            return place
    return None


def test_a_strategy_reaches_nothing_of_the_signer(reachable: Reachable) -> None:
    """S7: as the strategy's uid, the signer's secret, memory, environment and process: denied."""
    plan = reachable.plan()
    assert plan["reason"] == ""
    uids = plan["uids"]
    assert isinstance(uids, dict)
    reachable.home.chmod(0o711)
    secrets = Secrets(reachable.home / "secrets", uids)
    for principal in uids:
        secrets.kafka_password(principal)
    signer = subprocess.Popen(
        [reachable.python, "-I", "-c", "import sys; print(); sys.stdout.flush(); input()"],
        user=uids["signer"],
        group=uids["signer"],
        extra_groups=[],
        cwd="/",
        env={"SECRET": "of the signer"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert signer.stdout is not None
        signer.stdout.readline()
        words = (str(secrets.root), str(signer.pid))
        answers = json.loads(reachable.run(ATTEMPTS, *words, uid=uids["strategy-demo"]))
    finally:
        signer.communicate(b"\n", timeout=10)
    assert answers.pop("own secret") is None
    assert answers == dict.fromkeys(answers, "PermissionError")
    assert len(answers) == 9


def test_the_same_numbers_at_the_next_start(reachable: Reachable) -> None:
    """Data on disk belongs to the numbers, so they are kept in a register."""
    assert reachable.plan() == reachable.plan()
    assert (reachable.home / "uids.json").is_file()


def test_a_private_checkout_says_why_there_is_no_isolation(reachable: Reachable) -> None:
    """From any checkout path: below a private directory the reason names that directory."""
    checkout = reachable.home.parent / "checkout"
    checkout.chmod(0o700)
    plan = reachable.plan()
    assert plan["uids"] == {}
    assert str(plan["reason"]).startswith("other users cannot reach the checkout")
    assert str(checkout) in str(plan["reason"])


def test_a_home_below_a_private_one_says_why_there_is_no_isolation(reachable: Reachable) -> None:
    """Roles must reach their secrets, so what is above the stack's home counts, too."""
    private = reachable.home / "private"
    (private / "home").mkdir(parents=True)
    reachable.home.chmod(0o711)
    private.chmod(0o700)
    reachable.home = private / "home"
    plan = reachable.plan()
    assert plan["uids"] == {}
    assert str(plan["reason"]).endswith(f"{private} is private")


def test_a_file_that_mode_bits_do_not_betray_says_why(reachable: Reachable) -> None:
    """An interpreter is really started as another uid before anybody is promised isolation."""
    checkout = reachable.home.parent / "checkout"
    (checkout / "spark" / "topics.py").chmod(0o600)
    plan = reachable.plan()
    assert plan["uids"] == {}
    assert "PermissionError" in str(plan["reason"])


def test_this_interpreter_is_isolated_or_the_reason_is_one_sentence(open_directory: Path) -> None:
    """S7: every screen shows either isolation or one sentence."""
    found = plan_isolation(["signer"], open_directory / "uids.json")
    assert found.is_isolated is (found.reason == "")
    assert "\n" not in found.reason
