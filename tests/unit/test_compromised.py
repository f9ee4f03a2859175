"""
What a thief can make who holds everything that one role holds (S2, S3).

The files are made as `spark up` makes them; the thief uses every byte of every file of a
role's directory as a key, under every key id, and the others check with their own.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from spark import topics
from spark.embedded.home import Home
from spark.embedded.minting import mint_keys
from spark.embedded.secrets import Secrets
from spark.errors import TagError
from spark.keyring import Keyring
from spark.keys import KEY_BYTES, SHARED_KEYS, TAG_KEYS
from spark.names import Role
from spark.signing import TagChecker, Tagger, TagKey
from spark.topics import PRINCIPALS

_TOPIC = topics.INTENTS
_TYPE = "place_order"
_BODY = b'{"type":"place_order"}'
_VERIFIERS = sorted({key.holders[1] for key in TAG_KEYS})


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    home = Home(tmp_path_factory.mktemp("thief") / "home")
    home.make(is_shared=False)
    mint_keys(Secrets(home.secrets, {}), home.public)
    return home


def keyring(home: Home, role: str) -> Keyring:
    return Keyring(role, home.secrets_of(role), home.public)


def checker(home: Home, verifier: str) -> TagChecker:
    """The verifier's own: everybody that it listens to."""
    writers = [key.holders[0] for key in TAG_KEYS if key.holders[1] == verifier]
    return keyring(home, verifier).checker(writers)


def loot(directory: Path) -> Iterator[bytes]:
    """Every key that can be cut from what a role can read."""
    for path in sorted(directory.iterdir()):
        content = path.read_bytes()
        if len(content) >= KEY_BYTES:
            yield content[:KEY_BYTES]
            yield content[-KEY_BYTES:]


def kids(home: Home) -> list[str]:
    """Every key id that any writer has used: they are no secret."""
    found: set[str] = set()
    for key in TAG_KEYS:
        writer, verifier = key.holders
        ((_, value),) = keyring(home, writer).tagger((verifier,)).headers(_TOPIC, _TYPE, _BODY)
        found.add(value.partition(b"\0")[0].decode())
        found |= {f"{writer}:{number}" for number in range(1, 4)}
    return sorted(found)


def impersonated(home: Home, thief: str, verifier: str) -> set[str]:
    """As whom the thief is believed by a verifier."""
    believing, epoch = checker(home, verifier), keyring(home, verifier).log_epoch
    believed = set()
    for secret in loot(home.secrets_of(thief)):
        for kid in kids(home):
            headers = Tagger({verifier: TagKey(kid, secret, epoch)}).headers(_TOPIC, _TYPE, _BODY)
            try:
                believed.add(believing.writer_of(_TOPIC, _TYPE, _BODY, headers=headers))
            except TagError:
                continue
    return believed


@pytest.mark.parametrize("thief", sorted(PRINCIPALS))
def test_with_all_files_of_a_role_a_thief_is_nobody_but_that_role(home: Home, thief: str) -> None:
    """
    S2: each role's whole directory by each verifier; an honest role is believed as itself.

    What a verifier could tell itself does not count: it holds those keys to check with them.

    Fault K12.
    """
    Secrets(home.secrets, {}).directory(thief)
    for verifier in _VERIFIERS:
        if verifier == thief:
            continue
        has_key = any(key.holders == (thief, verifier) for key in TAG_KEYS)
        assert impersonated(home, thief, verifier) == ({thief} if has_key else set()), verifier


def test_the_whole_gateway_makes_nothing_that_the_signer_believes(home: Home) -> None:
    """S2: no approval and no intent: none of the gateway's files is a key of the signer's."""
    assert impersonated(home, Role.GATEWAY, Role.SIGNER) == set()
    names = {path.name for path in home.secrets_of(Role.GATEWAY).iterdir()}
    to_signer = {key.name for key in SHARED_KEYS if key.holders[1] == Role.SIGNER}
    assert not names & to_signer


def test_the_whole_guardrail_makes_no_intent(home: Home) -> None:
    """S3: to the signer the guardrail is the guardrail, so an order needs a strategy's own tag."""
    assert impersonated(home, Role.GUARDRAIL, Role.SIGNER) == {Role.GUARDRAIL.value}
    writers = topics.BY_NAME[topics.INTENTS].writers
    intents = keyring(home, Role.SIGNER).checker(writers)
    mine = keyring(home, Role.GUARDRAIL).tagger((Role.SIGNER,))
    headers = mine.headers(_TOPIC, _TYPE, _BODY)
    with pytest.raises(TagError):
        intents.writer_of(_TOPIC, _TYPE, _BODY, headers=headers)
