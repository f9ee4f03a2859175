"""
Keys change at both ends, in an order that can be cut off anywhere (S2, security §3).
"""

import os
from pathlib import Path

import pytest

from spark import keys
from spark.embedded import rotation
from spark.embedded.home import Home
from spark.embedded.minting import mint_keys, slots_of
from spark.embedded.rotation import chosen_keys, rotate
from spark.embedded.secrets import Secrets, remove_secret
from spark.errors import EmbeddedUnavailable, SettingError
from spark.key_slots import OLD_KEY_NS_MAX, slot_name
from spark.names import Role

KEY = next(key for key in keys.TAG_KEYS if key.holders == (Role.GUARDRAIL, Role.GATEWAY))


@pytest.fixture
def home(tmp_path: Path) -> Home:
    found = Home(tmp_path / "home")
    found.public.mkdir(parents=True)
    mint_keys(Secrets(found.secrets), found.public)
    return found


def generations(home: Home, holder: str, key: keys.SharedKey = KEY) -> list[int]:
    return [slot.generation for slot in slots_of(Secrets(home.secrets), holder, key.name)]


def content(home: Home, holder: str, generation: int) -> bytes:
    return (home.secrets_of(holder) / slot_name(KEY.name, generation)).read_bytes()


async def test_s2_both_ends_have_the_new_key_and_the_verifier_the_old(home: Home) -> None:
    """S2, §3: the writer keeps nothing old, the verifier for ten minutes; each pair alone."""
    (one,) = await rotate(home, home, Secrets(home.secrets), wanted=[KEY])
    assert (one.name, one.generation) == ("tag.guardrail.gateway", 2)
    assert generations(home, "guardrail") == [2]
    assert generations(home, "gateway") == [2, 1]
    assert content(home, "guardrail", 2) == content(home, "gateway", 2)
    assert content(home, "gateway", 2) != content(home, "gateway", 1)
    seal = next(key for key in keys.SHARED_KEYS if key.name == keys.SEAL)
    assert generations(home, "gateway", seal) == [1]


async def test_what_is_over_is_removed_at_the_next_start(home: Home) -> None:
    """§3: a copy of a key that counts no more is no use to anybody but a thief."""
    await rotate(home, home, Secrets(home.secrets), wanted=[KEY])
    mint_keys(Secrets(home.secrets), home.public)
    assert generations(home, "gateway") == [2, 1]
    fresh = home.secrets_of("gateway") / slot_name(KEY.name, 2)
    then_ns = fresh.stat().st_mtime_ns - OLD_KEY_NS_MAX
    os.utime(fresh, ns=(then_ns, then_ns))
    mint_keys(Secrets(home.secrets), home.public)
    assert generations(home, "gateway") == generations(home, "guardrail") == [2]


async def test_a_change_that_was_cut_off_goes_on_from_there(home: Home) -> None:
    """§3: killed after the verifier had it: the next run, or the next start, gives it on."""
    secrets = Secrets(home.secrets)
    for way in ("rotate", "start"):
        before = generations(home, "guardrail")[0]
        secrets.write("gateway", slot_name(KEY.name, before + 1), bytes([before]) * 32)
        if way == "rotate":
            (one,) = await rotate(home, home, secrets, wanted=[KEY])
            assert one.generation == before + 1
        else:
            mint_keys(secrets, home.public)
        assert generations(home, "guardrail") == [before + 1]
        assert content(home, "guardrail", before + 1) == bytes([before]) * 32


async def test_a_verifier_that_does_not_take_it_leaves_all_as_it_was(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S2: nobody writes with a key that its reader has not."""
    monkeypatch.setattr(rotation, "HELD_S_MAX", 0.0)
    monkeypatch.setattr(rotation, "_runs", lambda _state, role: role == "gateway")
    with pytest.raises(EmbeddedUnavailable, match="gateway did not take the new key"):
        await rotate(home, home, Secrets(home.secrets), wanted=keys.SHARED_KEYS)
    for key in keys.SHARED_KEYS:
        assert generations(home, key.writer, key) == generations(home, key.verifier, key) == [1]


async def test_a_key_that_is_missing_is_not_changed(home: Home) -> None:
    """§3: what is not there at both ends has to be made first; nothing else is touched."""
    remove_secret(home.secrets_of("gateway") / KEY.name)
    with pytest.raises(SettingError, match=r"tag\.guardrail\.gateway\.key is not there yet"):
        await rotate(home, home, Secrets(home.secrets), wanted=keys.SHARED_KEYS)
    assert generations(home, "signer", keys.SHARED_KEYS[-1]) == [1]


def test_keys_are_named_by_their_two_ends() -> None:
    """S2: a pair, the seal, or all; a pair that there is not is said, with those that there are."""
    assert chosen_keys((), has_seal=False, is_all=True) == keys.SHARED_KEYS
    (pair, seal) = chosen_keys(["guardrail:gateway"], has_seal=True, is_all=False)
    assert (pair, seal.name) == (KEY, keys.SEAL)
    with pytest.raises(SettingError, match="no pair 'gateway:guardrail'; there are: "):
        chosen_keys(["gateway:guardrail"], has_seal=False, is_all=False)
