"""
Exchange keys that settings name: files or values, all of both keys or nothing.
"""

import base64
from pathlib import Path

import pytest

from spark import keys
from spark.cli.venue_keys import SaidKeys
from spark.errors import SettingError
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.btcturk import auth as btcturk
from spark.names import Venue
from spark.settings import read_settings

_SECRET = "s3cret-of-nobody-at-all"
_ENCODED = base64.b64encode(_SECRET.encode()).decode()


def said(monkeypatch: pytest.MonkeyPatch, **values: object) -> SaidKeys:
    for name, value in values.items():
        monkeypatch.setenv(name, str(value))
    return SaidKeys(read_settings())


def secret_file(directory: Path, content: str, mode: int = 0o400) -> Path:
    path = directory / f"key{len(list(directory.iterdir()))}"
    path.write_text(f"{content}\n")
    path.chmod(mode)
    return path


def test_without_a_word_they_are_the_directory_s(monkeypatch: pytest.MonkeyPatch) -> None:
    """A3: `spark up` gives its signer a directory, and no variable."""
    none = said(monkeypatch)
    assert not any(none.are_said(venue) for venue in (Venue.BINANCE, Venue.BTCTURK))


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize(("kind", "prefix"), [(keys.TRADE_KEY, ""), (keys.READ_KEY, "READ_")])
def test_a3_both_keys_of_both_exchanges(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, is_file: bool, kind: str, prefix: str
) -> None:
    """A3, S4: four names, each also as a file; and the same for the key that only reads."""
    values = {
        f"BINANCE_{prefix}API_KEY": "the-name",
        f"BINANCE_{prefix}SECRET": _SECRET,
        f"BTCTURK_{prefix}API_KEY": "the-name",
        f"BTCTURK_{prefix}SECRET": _ENCODED,
    }
    if is_file:
        values = {f"{k}_FILE": str(secret_file(tmp_path, v)) for k, v in values.items()}
    found = said(monkeypatch, **values)
    assert found.are_said(Venue.BINANCE)
    assert found.are_said(Venue.BTCTURK)
    key = found.binance_key(kind, 1)
    assert key.api_key == "the-name"
    assert key.secret.sign("x") == SecretKey(_SECRET.encode()).sign("x")
    other = found.btcturk_key(kind, 1)
    assert other.api_key == "the-name"
    assert other.secret.sign("x") == btcturk.SecretKey(_ENCODED.encode()).sign("x")


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"BINANCE_API_KEY": "name"}, "BINANCE_SECRET or BINANCE_SECRET_FILE: missing"),
        ({"BINANCE_SECRET": _SECRET}, "BINANCE_API_KEY or BINANCE_API_KEY_FILE: missing"),
        (
            {"BINANCE_API_KEY": "name", "BINANCE_API_KEY_FILE": "/key"},
            "BINANCE_API_KEY and BINANCE_API_KEY_FILE: one of both",
        ),
        ({"BINANCE_API_KEY": "nämé", "BINANCE_SECRET": _SECRET}, "no such key"),
        ({"BINANCE_API_KEY": "name", "BINANCE_SECRET_FILE": "/none"}, "/none"),
        (
            {"BINANCE_API_KEY": "name", "BINANCE_SECRET": _SECRET, "SPARK_ENDPOINT": "real"},
            "BINANCE_API_KEY: a real exchange's key comes from a file",
        ),
    ],
)
def test_a_word_too_few_or_too_many_is_refused(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, str], why: str
) -> None:
    """S15: the text names the setting, never what it holds."""
    with pytest.raises(SettingError, match=why) as caught:
        said(monkeypatch, **values).binance_key(keys.TRADE_KEY, 1)
    assert _SECRET not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_trade_key_alone_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """S4: questions are never signed with the key that trades."""
    found = said(monkeypatch, BINANCE_API_KEY="name", BINANCE_SECRET=_SECRET)
    assert found.binance_key(keys.TRADE_KEY, 1).api_key == "name"
    with pytest.raises(SettingError, match="BINANCE_READ_API_KEY"):
        found.binance_key(keys.READ_KEY, 1)


def test_a_secret_that_is_no_base64_is_named_without_a_word_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """S18: BTCTurk's secrets are base64; what is wrong with one is nobody's to read."""
    found = said(monkeypatch, BTCTURK_API_KEY="name", BTCTURK_SECRET="%%%not-base64%%%")
    with pytest.raises(SettingError, match="BTCTURK_SECRET: no such key") as caught:
        found.btcturk_key(keys.TRADE_KEY, 1)
    assert "%%%" not in str(caught.value)


def test_a_file_that_others_may_read_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """S15: mode 0400 and the signer's own, as every secret."""
    path = secret_file(tmp_path, _SECRET, mode=0o444)
    found = said(monkeypatch, BINANCE_API_KEY="name", BINANCE_SECRET_FILE=path)
    with pytest.raises(SettingError, match="others may read it"):
        found.binance_key(keys.TRADE_KEY, 1)
