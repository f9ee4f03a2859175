"""
The file of a simulator's keys: read, or refused in words that hold nothing of it.
"""

from pathlib import Path

import pytest

from spark.errors import SettingError
from spark.exchanges.simulator.accounts import Permission, load
from tests.simulated import write_keys_file

_KEY: dict[str, object] = {"api_key": "k", "secret": "a-secret", "permissions": ["read"]}


@pytest.mark.parametrize("word", ["x" * 70_000, "a-secret", "", 7, None, ["read"], {"a": 1}])
def test_h5_a_permission_that_is_none_is_not_repeated(tmp_path: Path, word: object) -> None:
    """H5, S18: it may be as long as the file, or the secret itself in the wrong place."""
    path = write_keys_file(tmp_path / "keys.json", [{**_KEY, "permissions": ["trade", word]}])
    with pytest.raises(SettingError, match="a permission is read or trade") as caught:
        load(path)
    assert str(caught.value).removeprefix(str(path)) == (
        ": key 1 is not as it must be: a permission is read or trade"
    )


@pytest.mark.parametrize("amount", ["[" * 1_010 + "]" * 1_010, "{}", "null", '"x"', '"NaN"', "-1"])
def test_h5_a_balance_that_is_none_is_refused(tmp_path: Path, amount: str) -> None:
    """H5: a list may be nested deeper than Python could write it as a text."""
    path = write_keys_file(tmp_path / "keys.json", [{**_KEY, "balances": {"BTC": 5}}])
    assert load(path).keys["k"].permissions == {Permission.READ}
    path.chmod(0o600)
    path.write_text(path.read_text().replace("5", amount))
    with pytest.raises(SettingError, match="key 1 is not as it must be"):
        load(path)
