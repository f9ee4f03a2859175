"""
Where recorded market data is, if it is on this machine.
"""

import os
from pathlib import Path
from typing import Final

import pytest

_VARIABLE: Final = "SPARK_RECORDED_DATA"


def recorded(name: str) -> Path:
    """Return a recorded file, or skip the test and say why."""
    given = os.environ.get(_VARIABLE)
    checkout = Path(__file__).resolve().parents[1]
    beside = [above / "shared" / "data" for above in (checkout, *checkout.parents)]
    places = [Path(given)] if given else beside
    for place in places:
        if (place / name).is_file():
            return place / name
    pytest.skip(f"{name} is not here; set {_VARIABLE} to the directory of recorded data")
