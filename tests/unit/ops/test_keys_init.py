"""
A role's own keys, made by its own user in its own directory (S2, S7, S15).
"""

import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from spark import keys
from spark.errors import SettingError
from spark.key_slots import label_of
from spark.names import Role
from spark.ops.keys_init import Item, Origin, init_keys, new_audit_key, new_slot
from spark.ops.keys_list import AGE_DAYS_MAX, list_keys, now_ns

_NOBODY = 64_998
_DAY_NS = 86_400 * 10**9


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory below which the role's user, who is not root, may work."""
    made = Path(tempfile.mkdtemp(prefix="spk-"))
    mine = os.geteuid()
    if mine == 0:
        os.chown(made, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
    try:
        yield made
    finally:
        os.seteuid(mine)
        shutil.rmtree(made)


def by_file(items: list[Item]) -> dict[str, Item]:
    return {item.file: item for item in items}


@pytest.mark.parametrize("role", [Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, "strategy-demo"])
def test_s2_a_role_makes_what_it_verifies_with_and_is_told_the_rest(place: Path, role: str) -> None:
    """S2, §3: each shared key has one maker, its verifier; its writer waits for it."""
    items = by_file(init_keys(role, place / "own"))
    for key in keys.SHARED_KEYS:
        if role == key.verifier:
            assert items[key.name].origin is Origin.MADE
            assert key.writer in items[key.name].step
            assert len((place / "own" / key.name).read_bytes()) == keys.KEY_BYTES
        elif role == key.writer:
            assert items[key.name].origin is Origin.CARRIED_HERE
            assert key.verifier in items[key.name].step
            assert not (place / "own" / key.name).exists()
        else:
            assert key.name not in items


def test_s15_every_file_is_the_roles_alone(place: Path) -> None:
    """S7, S15: directory 0700, files 0400, owned by who runs it."""
    items = init_keys(Role.GATEWAY, place / "own")
    assert stat.S_IMODE((place / "own").stat().st_mode) == 0o700
    made = [item.file for item in items if item.origin is Origin.MADE]
    assert len(made) > 3
    for name in made:
        state = (place / "own" / name).stat()
        assert (stat.S_IMODE(state.st_mode), state.st_uid) == (0o400, os.geteuid())


def test_nothing_that_exists_is_overwritten(place: Path) -> None:
    """S15: a key that changed by itself would make every record before it a forgery."""
    init_keys(Role.GATEWAY, place / "own")
    before = {path.name: path.read_bytes() for path in (place / "own").iterdir()}
    again = init_keys(Role.GATEWAY, place / "own")
    assert {item.origin for item in again if item.file in before} == {Origin.KEPT}
    assert {path.name: path.read_bytes() for path in (place / "own").iterdir()} == before


def test_s4_the_exchange_makes_the_exchanges_keys(place: Path) -> None:
    """S4: the signer waits for two keys of each exchange, the other roles for none."""
    items = by_file(init_keys(Role.SIGNER, place / "signer"))
    for venue in ("binance", "btcturk"):
        for kind in (keys.TRADE_KEY, keys.READ_KEY):
            for name in keys.exchange_key(venue, kind):
                assert items[name].origin is Origin.EXCHANGE
    others = init_keys(Role.GATEWAY, place / "gateway")
    assert not [item for item in others if item.origin is Origin.EXCHANGE]


@pytest.mark.parametrize(
    ("role", "private", "public"),
    [
        (Role.AUDITOR, keys.AUDIT_PRIVATE, keys.AUDIT_PUBLIC),
        ("op-local", keys.OPERATOR_PRIVATE, keys.person_public("op-local")),
    ],
)
def test_s14_of_a_signing_key_the_public_half_is_carried(
    place: Path, role: str, private: str, public: str
) -> None:
    """S11, S14: the private half stays; what leaves is no secret, and listed by fingerprint."""
    items = by_file(init_keys(role, place / "own"))
    assert public in items[private].step
    key = Ed25519PrivateKey.from_private_bytes((place / "own" / private).read_bytes())
    raw = key.public_key().public_bytes_raw()
    content = (place / "own" / public).read_bytes()
    assert content in {raw, f"{raw.hex()}\n".encode()}
    rows = list_keys([(role, place / "own")], place / "own")
    (row,) = (row for row in rows if row.holder == "public")
    assert len(row.fingerprint) == 32
    assert not any(row.fingerprint for row in rows if row.file == private)


def test_s2_the_next_generation_is_the_verifiers_to_make(place: Path) -> None:
    """S2, §3: beside the one in use, in the same directory; its writer gets it within 10 min."""
    gateway = place / "gateway"
    init_keys(Role.GATEWAY, gateway)
    key = next(key for key in keys.TAG_KEYS if key.holders == (Role.GUARDRAIL, Role.GATEWAY))
    item = new_slot(Role.GATEWAY, gateway, key)
    assert item.file == "tag.guardrail.gateway.2.key"
    assert "Within 10 minutes" in item.step
    assert (gateway / item.file).read_bytes() != (gateway / key.name).read_bytes()
    rows = {r.kid: r for r in list_keys([(Role.GATEWAY, gateway)], gateway) if "guardrail" in r.kid}
    assert rows["guardrail:1"].until_ns > rows["guardrail:2"].since_ns
    with pytest.raises(SettingError, match="is made by gateway"):
        new_slot(Role.GUARDRAIL, place / "guardrail", key)
    with pytest.raises(SettingError, match="is not there"):
        new_slot(Role.GATEWAY, place / "empty", key)


def test_s14_the_auditor_makes_its_keys_successor_itself(place: Path) -> None:
    """S14, §3: the list is carried to everybody in time; what was made is never made again."""
    own = place / "own"
    init_keys(Role.AUDITOR, own)
    item = new_audit_key(Role.AUDITOR, own)
    assert item.file == "audit.2.ed25519"
    assert keys.AUDIT_KEYS in item.step
    assert "Within 10 minutes" in item.step
    (own / keys.AUDIT_PRIVATE).unlink()
    items = by_file(init_keys(Role.AUDITOR, own))
    assert items[keys.AUDIT_KEYS].origin is Origin.KEPT
    assert not (own / keys.AUDIT_PRIVATE).exists()
    with pytest.raises(SettingError, match="signs no checkpoints"):
        new_audit_key(Role.GATEWAY, place / "gateway")
    with pytest.raises(SettingError, match=keys.AUDIT_PRIVATE):
        new_audit_key(Role.AUDITOR, place / "empty")


def test_s7_the_wrong_place_or_user_is_refused(place: Path) -> None:
    """S7, S15: a directory that others may read, a link, a role that there is not."""
    (place / "open").mkdir()
    (place / "open").chmod(0o750)
    (place / "link").symlink_to(place)
    for name in ("open", "link"):
        with pytest.raises(SettingError, match="must be this user's own, mode 0700"):
            init_keys(Role.GATEWAY, place / name)
    with pytest.raises(SettingError, match="no role 'gatway'"):
        init_keys("gatway", place / "own")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be refused as root")
def test_s7_root_is_told_to_be_the_role(tmp_path: Path) -> None:
    """S7: a key that root made belongs to nobody who needs it."""
    with pytest.raises(SettingError, match="not as root"):
        init_keys(Role.GATEWAY, tmp_path / "own")


def test_a_rotation_that_was_cut_off_and_old_keys_are_seen(tmp_path: Path) -> None:
    """§3: a verifier that has a generation its writer has not; a key that is older than 90 d."""
    key = next(key for key in keys.TAG_KEYS if key.holders == (Role.GUARDRAIL, Role.GATEWAY))
    holders = [(role, tmp_path / role) for role in key.holders]
    for _, directory in holders:
        directory.mkdir()
        (directory / key.name).write_bytes(b"1" * 32)
    (tmp_path / "gateway" / f"{label_of(key.name)}.2.key").write_bytes(b"2" * 32)
    path = tmp_path / "guardrail" / key.name
    long_ago_ns = now_ns() - (AGE_DAYS_MAX + 1) * _DAY_NS
    os.utime(path, ns=(long_ago_ns, long_ago_ns))
    rows = {(row.holder, row.kid): row for row in list_keys(holders, tmp_path / "public")}
    assert rows["gateway", "guardrail:2"].is_unfinished
    assert not rows["guardrail", "guardrail:1"].is_unfinished
    assert rows["guardrail", "guardrail:1"].age_days(now_ns()) == AGE_DAYS_MAX + 1
    assert rows["gateway", "guardrail:1"].until_ns
    assert not rows["gateway", "guardrail:1"].is_aging
