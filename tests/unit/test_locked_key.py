"""
A person's key under a passphrase: who has the file alone cannot sign.
"""

import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.cli import keys_desk, passphrase
from spark.embedded.minting import mint_keys
from spark.embedded.secrets import Secrets
from spark.errors import SettingError
from spark.keyring import Keyring
from spark.locked_key import is_locked, lock, unlock
from spark.people import sign

_PHRASE = "correct horse battery"
_PERSON = "op-second"


@pytest.fixture
def stack(tmp_path: Path) -> Secrets:
    secrets = Secrets(tmp_path / "secrets", {})
    (tmp_path / "public").mkdir()
    mint_keys(secrets, tmp_path / "public")
    return secrets


def keyring(stack: Secrets) -> Keyring:
    return Keyring(_PERSON, stack.directory(_PERSON), stack.root.parent / "public")


def says(monkeypatch: pytest.MonkeyPatch, *phrases: str) -> None:
    """Sit at a terminal and type these."""
    typed = iter(phrases)
    monkeypatch.setattr(passphrase, "getpass", lambda _: next(typed))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)


def test_what_is_locked_opens_with_its_passphrase_alone() -> None:
    """Security §3: no other one, and none that is short."""
    key = Ed25519PrivateKey.generate()
    locked = lock(key.private_bytes_raw(), _PHRASE)
    assert is_locked(locked)
    assert not is_locked(key.private_bytes_raw())
    assert key.private_bytes_raw() not in locked
    assert unlock(locked, _PHRASE).private_bytes_raw() == key.private_bytes_raw()
    with pytest.raises(SettingError, match="not the one"):
        unlock(locked, _PHRASE + "!")
    with pytest.raises(SettingError, match="12 characters"):
        lock(key.private_bytes_raw(), "short")


def test_s11_a_person_locks_their_key_and_signs_on(
    stack: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S11: the same signature counts; who does not know the passphrase makes none."""
    before = keyring(stack).operator_key().private_bytes_raw()
    says(monkeypatch, _PHRASE, _PHRASE)
    path = keys_desk.lock_person(_PERSON, stack.directory(_PERSON))
    assert path.stat().st_mode & 0o777 == 0o400
    assert before not in path.read_bytes()
    assert [one.name for one in path.parent.iterdir() if one.name.startswith(".")] == []
    with pytest.raises(SettingError, match="nobody is there"):
        keyring(stack).operator_key()
    with pytest.raises(SettingError, match="not the one"):
        keyring(stack).operator_key(lambda: "somebody else's words")
    opened = keyring(stack).operator_key(lambda: _PHRASE)
    made = sign(opened, _PERSON, b"{}", log_epoch=keyring(stack).log_epoch)
    assert keyring(stack).people().has_signed(_PERSON, b"{}", made, offset=0)


def test_the_next_start_leaves_it_locked(stack: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """S11: `spark up` knows the public part; without it, or with another's, it says so."""
    says(monkeypatch, _PHRASE, _PHRASE)
    path = keys_desk.lock_person(_PERSON, stack.directory(_PERSON))
    locked, public = path.read_bytes(), stack.root.parent / "public"
    mint_keys(stack, public)
    assert path.read_bytes() == locked
    (public / keys.person_public(_PERSON)).write_text("nobody's\n")
    with pytest.raises(SettingError, match="put it back"):
        mint_keys(stack, public)


def test_a_slip_changes_nothing(stack: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two different words, a second lock, no terminal, nobody of that name: one line each."""
    directory = stack.directory(_PERSON)
    before = (directory / keys.OPERATOR_PRIVATE).read_bytes()
    says(monkeypatch, _PHRASE, "another one altogether")
    with pytest.raises(SettingError, match="differ"):
        keys_desk.lock_person(_PERSON, directory)
    monkeypatch.setattr("sys.stdin.isatty", lambda: False)
    with pytest.raises(SettingError, match="no terminal"):
        keys_desk.lock_person(_PERSON, directory)
    with pytest.raises(SettingError, match="no person"):
        keys_desk.lock_person("guardrail", directory)
    assert (directory / keys.OPERATOR_PRIVATE).read_bytes() == before
    says(monkeypatch, _PHRASE, _PHRASE)
    keys_desk.lock_person(_PERSON, directory)
    with pytest.raises(SettingError, match="already"):
        keys_desk.lock_person(_PERSON, directory)


def test_openssl_reads_it(stack: Secrets, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A standard form: it opens without Spark, too."""
    says(monkeypatch, _PHRASE, _PHRASE)
    path = keys_desk.lock_person(_PERSON, stack.directory(_PERSON))
    (tmp_path / "phrase").write_text(_PHRASE)
    command = ["openssl", "pkey", "-in", str(path), "-passin", f"file:{tmp_path / 'phrase'}"]
    try:
        done = subprocess.run(
            [*command, "-pubout", "-outform", "DER"], capture_output=True, check=False
        )
    except FileNotFoundError:
        pytest.skip("no openssl on this machine")
    public = (stack.root.parent / "public" / keys.person_public(_PERSON)).read_text().strip()
    assert done.stdout.hex().endswith(public)
