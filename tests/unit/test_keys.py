"""The table of keys: who holds which, and that nobody holds more."""

from itertools import combinations

import pytest

from spark import keys
from spark.names import Role
from spark.topics import BY_NAME, INTENTS, OPERATORS, STRATEGIES


def test_every_intent_writer_has_a_key_with_guardrail_and_with_signer() -> None:
    """
    An intent is tagged for both of its verifiers (S3).
    """
    names = {key.name for key in keys.SHARED_KEYS}
    for writer in BY_NAME[INTENTS].writers:
        assert keys.tag_key(writer, Role.GUARDRAIL) in names
        assert keys.tag_key(writer, Role.SIGNER) in names


def test_a_key_has_exactly_two_holders_and_its_own_name() -> None:
    """
    One key for each writer and verifier: a third holder could forge (S2).
    """
    assert all(len(set(key.holders)) == 2 for key in keys.SHARED_KEYS)
    assert len({key.name for key in keys.SHARED_KEYS}) == len(keys.SHARED_KEYS)


@pytest.mark.parametrize("principal", sorted(STRATEGIES | OPERATORS))
def test_a_strategy_holds_only_its_own_keys(principal: str) -> None:
    """
    With a strategy's whole directory nobody speaks for another writer (S2).
    """
    held = keys.shared_keys_of(principal)
    assert held
    assert all(name.startswith(f"tag.{principal}.") for name in held)


def test_the_gateway_cannot_make_an_approval_that_the_signer_accepts() -> None:
    """
    No key of the gateway verifies at the signer (S2).
    """
    verified_by_signer = {k.name for k in keys.TAG_KEYS if k.holders[1] == Role.SIGNER}
    assert not keys.shared_keys_of(Role.GATEWAY) & verified_by_signer


def test_two_principals_share_at_most_the_keys_between_them() -> None:
    """
    A name appears in two directories only if both are its holders.
    """
    principals = {holder for key in keys.SHARED_KEYS for holder in key.holders}
    for one, other in combinations(sorted(principals), 2):
        for name in keys.shared_keys_of(one) & keys.shared_keys_of(other):
            assert {one, other} == set(next(k for k in keys.SHARED_KEYS if k.name == name).holders)
