"""
Secret files: private, ours, plain, and what their names promise (S15).
"""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys, log
from spark.audit_keys import succeed
from spark.errors import SettingError
from spark.key_slots import slot_name
from spark.keyring import Keyring
from spark.ops.audit_reader import keys_in
from spark.people import sign, write_people

SECRET = b"hunter2hunter2hunter2hunter2!!!!"


@pytest.fixture(autouse=True)
def forms(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave no registered secret behind."""
    monkeypatch.setattr(log, "_forms", {})


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
    (keys.AUDIT_PRIVATE, Keyring.audit_signer),
    (keys.OPERATOR_PRIVATE, Keyring.operator_key),
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
    """S14: what the auditor signs verifies with what lies in public, and on with the list."""
    first = Ed25519PrivateKey.from_private_bytes(SECRET)
    put(home, keys.AUDIT_PRIVATE, SECRET)
    signer = keyring(home).audit_signer()
    public = home / "public"
    with pytest.raises(SettingError, match="No such file"):
        keys_in(public)
    (public / keys.AUDIT_PUBLIC).write_bytes(b"short")
    with pytest.raises(SettingError, match="neither a public key"):
        keys_in(public)
    (public / keys.AUDIT_PUBLIC).write_bytes(first.public_key().public_bytes_raw())
    assert keys_in(public).is_signed(9, b"head", signer.at(9)[1](b"head"))
    second = Ed25519PrivateKey.generate()
    grown = succeed(keys_in(public), first, second, from_ns=9)
    put(home, slot_name(keys.AUDIT_PRIVATE, 2), second.private_bytes_raw())
    put(home, keys.AUDIT_KEYS, grown.content())
    (public / keys.AUDIT_KEYS).write_bytes(grown.content())
    for ring in (signer, keyring(home).audit_signer()):
        kid, sign = ring.at(9)
        assert kid == "audit:2"
        assert keys_in(public).is_signed(9, b"head", sign(b"head"))
        assert not keys_in(public).is_signed(8, b"head", sign(b"head"))


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


def operators(home: Path, mode: int = 0o644) -> Path:
    """Write who may sign: the person whose key is SECRET."""
    key = Ed25519PrivateKey.from_private_bytes(SECRET).public_key()
    path = home / "public" / keys.OPERATORS
    path.write_text(write_people({"op-local": key}))
    path.chmod(mode)
    return path


def test_s11_who_may_sign_stands_in_a_public_file(home: Path) -> None:
    """S11: each process reads it itself; a signature counts for this log's name."""
    operators(home)
    put(home, keys.OPERATOR_PRIVATE, SECRET)
    ring = keyring(home)
    made = sign(ring.operator_key(), "op-local", b"{}", log_epoch="epoch")
    assert ring.people().has_signed("op-local", b"{}", made, offset=0)


def test_s11_without_the_file_nobodys_signature_counts(home: Path) -> None:
    """S11: doubt is safe: with nobody known no resume and no mode comes into force."""
    found = keyring(home).people()
    assert found.names == frozenset()
    assert found.log_epoch == "epoch"
    assert keyring(home).people(home / "nowhere.toml").names == frozenset()


@pytest.mark.parametrize("mode", [0o664, 0o646, 0o666])
def test_s11_a_file_that_others_may_write_is_refused(home: Path, mode: int) -> None:
    """S11: whoever can write it could make themselves a person."""
    path = operators(home, mode)
    with pytest.raises(SettingError, match="others may write it; chmod 0644"):
        keyring(home).people()
    path.chmod(0o644)
    assert keyring(home).people().names == {"op-local"}


def test_s11_who_may_sign_is_a_plain_small_text(home: Path, tmp_path: Path) -> None:
    """S11: no link, no directory, nothing endless, nothing that is no text stands in its place."""
    path = operators(home)
    other = path.rename(tmp_path / "moved.toml")
    path.symlink_to(other)
    with pytest.raises(SettingError, match="symbolic links"):
        keyring(home).people()
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingError, match="not a plain file"):
        keyring(home).people()
    path.rmdir()
    for content in (b"\xff\xfe", b"#" * 65_537):
        path.write_bytes(content)
        with pytest.raises(SettingError, match=r"not UTF-8|larger than"):
            keyring(home).people()
    assert keyring(home).people(other).names == {"op-local"}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's file")
def test_s11_a_file_of_another_user_is_refused(home: Path) -> None:
    """S11: it is root's, or this user's own."""
    os.chown(operators(home), 12_345, 12_345)
    with pytest.raises(SettingError, match="owned by uid 12345"):
        keyring(home).people()
