"""
What a stack that is thrown away takes of its surroundings.
"""

from pathlib import Path

import pytest

from spark.embedded.throwaway import ThrowawayOptions, stack_options

_SAID = {
    "SPARK_AUDIT_WITNESS_URL": "https://witness.example",
    "SPARK_AUDIT_WITNESS_KEY_FILE": "/witness.pub",
    "SPARK_AUDIT_ANCHORS_FILE": "/anchors.jsonl",
    "SPARK_AUDIT_ANCHOR_S": "5",
}


@pytest.mark.parametrize(("said", "ramp"), [({}, "100"), ({"VOLUME_RAMP_PCT": "5"}, "5")])
def test_it_shows_its_trail_to_nobody_and_trades_with_the_whole_of_the_caps(
    said: dict[str, str], ramp: str
) -> None:
    """S14: a real witness that saw a trail that is gone would refuse the real one."""
    options = ThrowawayOptions(
        jar_directory=Path("/jars"), environment=tuple((_SAID | said).items())
    )
    made = dict(stack_options(options, Path("/home")).environment)
    assert made == {"SPARK_AUDIT_ANCHOR_S": "5", "VOLUME_RAMP_PCT": ramp}
