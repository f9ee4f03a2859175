"""
The gate: within one version nothing that was committed is taken back.

Compared with the last commit, and with the last release where one is tagged. Without
git or history, test_corpus.py is the gate: what was recorded must go on being read.
"""

import json

import pytest

from spark.events import EVENT_TYPES
from spark.schemas import ASYNCAPI, DIRECTORY, EXAMPLES, files
from spark.topics import BY_NAME, INTENTS
from tests.schemas.differ import Comparison
from tests.schemas.history import baselines, committed, text_at

COMMANDS = set(BY_NAME[INTENTS].events)


@pytest.fixture(params=["the last commit", "the last release"])
def baseline(request: pytest.FixtureRequest) -> str:
    """A commit that holds contracts."""
    position = 0 if request.param == "the last commit" else 1
    if len(baselines()) <= position or not committed(baselines()[position]):
        pytest.skip(f"no contracts at {request.param}")
    return baselines()[position]


def test_no_version_is_taken_back(baseline: str) -> None:
    """A schema that was committed stays: records of it are on the topics for ever (F5)."""
    kept = {name for name in committed(baseline) if not name.startswith(EXAMPLES)}
    assert kept <= files().keys()


def test_no_schema_breaks(baseline: str) -> None:
    """
    Events may gain optional fields, commands none; nothing goes, changes or narrows (F5).

    Faults K9 and O6.
    """
    now = files()
    breaks = [
        f"{name}: {found}"
        for name in sorted(committed(baseline) & (now.keys() - {ASYNCAPI}))
        for found in Comparison(
            json.loads(text_at(baseline, name)),
            json.loads(now[name]),
            is_command=name.split(".")[0] in COMMANDS,
        ).breaks()
    ]
    assert breaks == [], "make this a new version (v2) beside the old one"


def test_no_example_is_taken_back(baseline: str) -> None:
    """Recorded examples are only added: dropping one would hide what can no longer be read."""
    for name in committed(baseline):
        if name.startswith(EXAMPLES):
            now = (DIRECTORY / name).read_text(encoding="utf-8").splitlines()
            assert set(text_at(baseline, name).splitlines()) <= set(now), name


def test_every_command_is_an_event_type() -> None:
    """The closed set is found by its topic, so a new command is closed without being listed."""
    assert {kind.__dataclass_fields__["type"].default for kind in EVENT_TYPES} >= COMMANDS
