"""
Secret files: private, ours, plain, and what their names promise (S15).
"""

from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys, log
from spark.errors import SettingError
from spark.keyring import Keyring

SECRET = b"hunter2hunter2hunter2hunter2!!!!"


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no registered secret behind."""
    monkeypatch.setattr(log, "_forms", [])


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    (tmp_path / "public").mkdir()
    (tmp_path / "public" / keys.LOG_EPOCH).write_text("epoch\n")
    return tmp_path


def put(home: Path, name: str, content: bytes) -> None:
    path = home / "secrets" / name
    path.write_bytes(content)
    path.chmod(0o400)


def keyring(home: Path, role: str = "signer") -> Keyring:
    return Keyring(role, home / "secrets", home / "public")


READERS: list[tuple[str, Callable[[Keyring], object]]] = [
    ("kafka.password", Keyring.kafka_password),
    (keys.SEAL, Keyring.seal),
    (keys.AUDIT_PRIVATE, Keyring.audit_key),
    (keys.tag_key("signer", "gateway"), lambda ring: ring.tagger(["gateway"])),
    (keys.tag_key("guardrail", "signer"), lambda ring: ring.checker(["guardrail"])),
]


@pytest.mark.parametrize(("name", "read"), READERS, ids=[name for name, _ in READERS])
def test_s15_each_key_is_read_from_its_own_file(
    home: Path, name: str, read: Callable[[Keyring], object]
) -> None:
    """S15: the table of keys names the file; without it one line says which."""
    with pytest.raises(SettingError, match=rf"{name}: No such file"):
        read(keyring(home))
    put(home, name, SECRET)
    assert read(keyring(home))


@pytest.mark.parametrize(("name", "read"), READERS, ids=[name for name, _ in READERS])
@pytest.mark.parametrize("content", [b"", b"\xff\xfehunter2hunter2", b"hunter2\0" * 3])
def test_s18_a_key_of_another_form_is_one_line_without_it(
    home: Path, name: str, read: Callable[[Keyring], object], content: bytes
) -> None:
    """S18: a truncated or garbled file is a setting to mend, and its content is not shown."""
    put(home, name, content)
    with pytest.raises(
        SettingError, match=r"its content is no such key$|must hold 1 to \d+ bytes$"
    ) as caught:
        read(keyring(home))
    assert "hunter2" not in str(caught.value)
    assert caught.value.__suppress_context__ or not content


def test_s4_the_two_exchange_keys_are_two_pairs_of_files(home: Path) -> None:
    """S4: the trade key and the read key are told by name; neither stands in for the other."""
    for kind in (keys.TRADE_KEY, keys.READ_KEY):
        with pytest.raises(SettingError, match="No such file"):
            keyring(home).binance_key(kind)
        id_file, secret_file = keys.exchange_key("binance", kind)
        put(home, id_file, f"id-of-{kind}key\n".encode())
        put(home, secret_file, SECRET)
        assert keyring(home).binance_key(kind).api_key == f"id-of-{kind}key"


def test_the_audit_keys_two_halves_fit(home: Path) -> None:
    """S14: what the auditor signs verifies with what lies in public."""
    put(home, keys.AUDIT_PRIVATE, SECRET)
    public = home / "public" / keys.AUDIT_PUBLIC
    with pytest.raises(SettingError, match="No such file"):
        keyring(home).audit_public_key()
    public.write_bytes(b"short")
    with pytest.raises(SettingError, match="not an Ed25519 key"):
        keyring(home).audit_public_key()
    private = Ed25519PrivateKey.from_private_bytes(SECRET)
    public.write_bytes(private.public_key().public_bytes_raw())
    signature = keyring(home).audit_key().sign(b"head")
    keyring(home).audit_public_key().verify(signature, b"head")


def test_without_the_logs_name_there_is_no_keyring(home: Path) -> None:
    """§3: tags are bound to one incarnation of the log, so its name must be there."""
    (home / "public" / keys.LOG_EPOCH).unlink()
    with pytest.raises(SettingError, match=keys.LOG_EPOCH):
        keyring(home)


def test_s18_a_keyring_shows_its_role_alone(home: Path) -> None:
    """S18: nothing that is printed of it names a key."""
    put(home, "kafka.password", SECRET)
    ring = keyring(home)
    assert ring.kafka_password() == SECRET.decode()
    assert repr(ring) == "Keyring(signer)"
    assert "hunter2" not in str(vars(ring))
