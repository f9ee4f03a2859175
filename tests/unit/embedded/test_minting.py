"""Keys are made once, in both ends' directories."""

import base64
import uuid
from pathlib import Path

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.embedded.minting import (
    SIMULATOR_KEYS,
    mint_keys,
    mint_simulator_keys,
    renew_log_epoch,
    replace_secret,
)
from spark.embedded.processes import SIMULATORS
from spark.embedded.secrets import Secrets
from spark.errors import IntegrityError
from spark.keyring import Keyring
from spark.names import Role, Venue
from spark.people import sign, write_people
from spark.topics import BY_NAME, INTENTS, OPERATORS


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    (tmp_path / "public").mkdir()
    return Secrets(tmp_path / "secrets")


def _public(secrets: Secrets) -> Path:
    return secrets.root.parent / "public"


def _contents(secrets: Secrets) -> dict[str, bytes]:
    files = [path for path in secrets.root.rglob("*") if path.is_file()]
    return {str(path.relative_to(secrets.root)): path.read_bytes() for path in files}


def test_every_role_finds_its_keys(secrets: Secrets) -> None:
    """
    What is minted is what keyring.py reads: tags verify from each writer to each verifier.
    """
    mint_keys(secrets, _public(secrets))
    writers = BY_NAME[INTENTS].writers
    signer = Keyring(Role.SIGNER, secrets.root / Role.SIGNER, _public(secrets))
    checker = signer.checker({*writers, Role.GUARDRAIL})
    for writer in sorted(writers):
        ring = Keyring(writer, secrets.root / writer, _public(secrets))
        tagger = ring.tagger((Role.GUARDRAIL, Role.SIGNER))
        headers = tagger.headers(INTENTS, "place_order", b"{}")
        found = checker.writer_of(INTENTS, type_name="place_order", body=b"{}", headers=headers)
        assert found == writer


def test_shared_keys_are_the_same_at_both_ends_and_differ_from_each_other(
    secrets: Secrets,
) -> None:
    """
    Independent random keys, no shared master (S2).
    """
    mint_keys(secrets, _public(secrets))
    contents: list[bytes] = []
    for key in keys.SHARED_KEYS:
        held = {secrets.read(holder, key.name) for holder in key.holders}
        assert len(held) == 1
        contents += held
    assert len(set(contents)) == len(keys.SHARED_KEYS)
    assert {len(content) for content in contents} == {keys.KEY_BYTES}


def test_a_second_minting_changes_nothing(secrets: Secrets) -> None:
    """
    A key that changed would make every record before it a forgery.
    """
    mint_keys(secrets, _public(secrets))
    mint_simulator_keys(secrets)
    before, epoch = _contents(secrets), (_public(secrets) / keys.LOG_EPOCH).read_text()
    mint_keys(secrets, _public(secrets))
    mint_simulator_keys(secrets)
    assert _contents(secrets) == before
    assert (_public(secrets) / keys.LOG_EPOCH).read_text() == epoch


def test_a_key_that_one_end_lost_comes_back_from_the_other(secrets: Secrets) -> None:
    """
    A restored backup of one directory is enough.
    """
    mint_keys(secrets, _public(secrets))
    before = _contents(secrets)
    (secrets.root / Role.GATEWAY / keys.SEAL).unlink()
    mint_keys(secrets, _public(secrets))
    assert _contents(secrets) == before


def test_ends_that_differ_are_refused(secrets: Secrets) -> None:
    """
    Which of two keys is right is a person's question.
    """
    mint_keys(secrets, _public(secrets))
    replace_secret(secrets, Role.GATEWAY, keys.SEAL, content=b"x" * keys.KEY_BYTES)
    with pytest.raises(IntegrityError, match=r"seal\.signer\.gateway\.key"):
        mint_keys(secrets, _public(secrets))


def test_the_public_audit_key_belongs_to_the_private_one(secrets: Secrets) -> None:
    """
    Whoever verifies needs the public part only, and finds it where everybody reads.
    """
    mint_keys(secrets, _public(secrets))
    private = Ed25519PrivateKey.from_private_bytes(secrets.read(Role.AUDITOR, keys.AUDIT_PRIVATE))
    public = (_public(secrets) / keys.AUDIT_PUBLIC).read_bytes()
    assert private.public_key().public_bytes_raw() == public
    assert not (secrets.root / Role.SIGNER / keys.AUDIT_PRIVATE).exists()


def test_a_new_log_gets_a_new_epoch(secrets: Secrets) -> None:
    """
    Tags of an earlier incarnation of the log verify no more (security §3).
    """
    mint_keys(secrets, _public(secrets))
    before = (_public(secrets) / keys.LOG_EPOCH).read_text()
    renew_log_epoch(_public(secrets))
    assert (_public(secrets) / keys.LOG_EPOCH).read_text() != before


@pytest.mark.parametrize("venue", SIMULATORS)
def test_each_simulator_knows_two_keys_and_only_one_trades(secrets: Secrets, venue: Venue) -> None:
    """
    The read key signs queries and can place nothing (S4).
    """
    mint_simulator_keys(secrets)
    entries = orjson.loads(secrets.read(SIMULATORS[venue], SIMULATOR_KEYS))
    by_id = {entry["api_key"]: entry for entry in entries}
    trade_id, trade_secret = keys.exchange_key(venue, keys.TRADE_KEY)
    read_id, read_secret = keys.exchange_key(venue, keys.READ_KEY)
    trade = by_id[secrets.read(Role.SIGNER, trade_id).decode()]
    read = by_id[secrets.read(Role.SIGNER, read_id).decode()]
    assert trade["secret"] == secrets.read(Role.SIGNER, trade_secret).decode()
    assert read["secret"] == secrets.read(Role.SIGNER, read_secret).decode()
    assert "trade" in trade["permissions"]
    assert read["permissions"] == ["read"]


def test_btcturks_keys_are_of_its_own_form(secrets: Secrets) -> None:
    """
    Its public keys are UUIDs and its secrets base64, or its signatures would not verify.
    """
    mint_simulator_keys(secrets)
    for entry in orjson.loads(secrets.read(SIMULATORS[Venue.BTCTURK], SIMULATOR_KEYS)):
        assert str(uuid.UUID(entry["api_key"])) == entry["api_key"]
        assert len(base64.b64decode(entry["secret"], validate=True)) == keys.KEY_BYTES


def test_s11_each_person_has_a_key_of_their_own(secrets: Secrets) -> None:
    """
    S11: what one signs verifies by the public file, for nobody else; the directories are apart.
    """
    mint_keys(secrets, _public(secrets))
    rings = {
        person: Keyring(person, secrets.root / person, _public(secrets)) for person in OPERATORS
    }
    people = rings["op-local"].people()
    assert people.names == OPERATORS
    for person, ring in rings.items():
        made = sign(ring.operator_key(), person, b"{}", log_epoch=ring.log_epoch)
        public = (_public(secrets) / keys.person_public(person)).read_text().strip()
        assert bytes.fromhex(public) == ring.operator_key().public_key().public_bytes_raw()
        verified = {name for name in OPERATORS if people.has_signed(name, b"{}", made, offset=0)}
        assert verified == {person}
        private = secrets.directory(person) / keys.OPERATOR_PRIVATE
        assert private.stat().st_mode & 0o777 == 0o400
    assert (_public(secrets) / keys.OPERATORS).stat().st_mode & 0o777 == 0o644


def test_who_may_sign_is_peoples_own_file_once_it_is_there(secrets: Secrets) -> None:
    """
    A person taken out of it stays out, an entry added stays in, at every start.
    """
    mint_keys(secrets, _public(secrets))
    path = _public(secrets) / keys.OPERATORS
    kept = [line for line in path.read_text().splitlines() if not line.startswith("op-second")]
    third = Ed25519PrivateKey.generate().public_key().public_bytes_raw().hex()
    path.write_text("\n".join([*kept, f'op-third = "{third}"', ""]))
    mint_keys(secrets, _public(secrets))
    found = Keyring("op-local", secrets.root / "op-local", _public(secrets)).people()
    assert found.names == {"op-local", "op-third"}


def test_a_public_key_that_is_not_the_persons_stops_the_start(secrets: Secrets) -> None:
    """
    Somebody else's key under a person's name is an intruder's, or a half-done change.
    """
    mint_keys(secrets, _public(secrets))
    path = _public(secrets) / keys.OPERATORS
    stranger = Ed25519PrivateKey.generate().public_key()
    path.write_text(write_people({"op-second": stranger}))
    with pytest.raises(IntegrityError, match="another key for op-second"):
        mint_keys(secrets, _public(secrets))
