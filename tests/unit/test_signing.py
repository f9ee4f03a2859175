"""
Tags and seals: bound to each of their parts, and the bytes fixed for ever.
"""

import hashlib
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import TagError
from spark.signing import (
    SealKey,
    TagChecker,
    Tagger,
    TagKey,
    bound_to,
    find_tag,
    lp,
    short_digest,
)

KEY = bytes(range(32))
TOPIC, TYPE, KID, EPOCH = "orders.intents", "place_order", "strategy-demo:1", "epoch-1"
BODY = b'{"type":"place_order","v":1}'
#: Computed by hand from security §3: HMAC-SHA256 over the length-prefixed parts.
TAG = "ad9b5e98d2269fa73a37695f07f715598a63306e325fa1ad1dfd4f513a368f02"
BOUND = "b65f72e6c9da4d7061a076ca21cd15d7f42e89e47b83076e044e37bf0ab51127"
SEALED = "7ed0d4b7dbdeb1c822be731d3531e0df96c51aebdd"


def key(secret: bytes = KEY, kid: str = KID, epoch: str = EPOCH) -> TagKey:
    return TagKey(kid, secret, epoch)


def test_a_tag_is_these_bytes() -> None:
    """§3: a vector that another implementation can check, and that no refactoring may move."""
    assert key().tag(TOPIC, TYPE, BODY).hex() == TAG
    assert key().verifies(TOPIC, TYPE, BODY, tag=bytes.fromhex(TAG))


@pytest.mark.parametrize(
    "other",
    [
        lambda: key(bytes(32)).tag(TOPIC, TYPE, BODY),
        lambda: key(kid="strategy-demo:2").tag(TOPIC, TYPE, BODY),
        lambda: key(epoch="epoch-2").tag(TOPIC, TYPE, BODY),
        lambda: key().tag("orders.decisions", TYPE, BODY),
        lambda: key().tag(TOPIC, "cancel_order", BODY),
        lambda: key().tag(TOPIC, TYPE, BODY + b" "),
        lambda: key().tag(TOPIC, TYPE, b""),
        lambda: key().tag(TOPIC + TYPE, "", BODY),
        lambda: key().tag("", TOPIC + TYPE, BODY),
        lambda: key(kid="strategy-demo:", epoch="1epoch-1").tag(TOPIC, TYPE, BODY),
    ],
    ids=[
        "key",
        "kid",
        "log",
        "topic",
        "type",
        "body",
        "no body",
        "moved",
        "moved back",
        "kid moved",
    ],
)
def test_a_tag_is_bound_to_each_of_its_parts(other: Callable[[], bytes]) -> None:
    """§3: key, key id, log, topic, type and body; no byte can move from one part to the next."""
    assert other().hex() != TAG
    assert not key().verifies(TOPIC, TYPE, BODY, tag=other())


def test_a_key_that_was_used_tags_like_a_fresh_one() -> None:
    """Precomputed prefixes change nothing."""
    used = key()
    for topic in ("a", "b", TOPIC):
        used.tag(topic, TYPE, b"other")
    assert used.tag(TOPIC, TYPE, BODY).hex() == TAG


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_no_two_lists_of_parts_read_the_same(one: list[bytes], other: list[bytes]) -> None:
    """§3: length prefixes make the joined bytes unambiguous."""
    assert (b"".join(map(lp, one)) == b"".join(map(lp, other))) is (one == other)


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_key_has_its_length(length: int) -> None:
    """A truncated key file is no key, nor a shorter cipher."""
    with pytest.raises(ValueError, match="32 bytes"):
        key(bytes(length))
    with pytest.raises(ValueError, match="32 bytes"):
        SealKey("seal:1", bytes(length))


def test_s2_each_verifier_has_its_own_tag() -> None:
    """S2: one header for each reader that verifies; each proves the writer to that one alone."""
    guard, sign = key(b"g" * 32), key(b"s" * 32)
    headers = Tagger({"guardrail": guard, "signer": sign}).headers(TOPIC, TYPE, BODY)
    assert [name for name, _ in headers] == ["tag.guardrail", "tag.signer"]
    checker = TagChecker("signer", {"strategy-demo": sign})
    assert checker.writer_of(TOPIC, TYPE, BODY, headers=headers) == "strategy-demo"
    swapped = (("tag.signer", headers[0][1]),)
    with pytest.raises(TagError, match="does not verify"):
        checker.writer_of(TOPIC, TYPE, BODY, headers=swapped)


def test_s2_a_writer_is_who_holds_the_key() -> None:
    """S2: among several writers the key id finds the key, and the key names the writer."""
    keys = {name: TagKey(f"{name}:1", name.encode().ljust(32), EPOCH) for name in ("a", "b")}
    checker = TagChecker("v", keys)
    for name, one in keys.items():
        headers = Tagger({"v": one}).headers(TOPIC, TYPE, BODY)
        assert checker.writer_of(TOPIC, TYPE, BODY, headers=headers) == name
    forged = (("tag.v", b"b:1\0" + keys["a"].tag(TOPIC, TYPE, BODY)),)
    with pytest.raises(TagError, match="tag of b does not verify"):
        checker.writer_of(TOPIC, TYPE, BODY, headers=forged)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [b"k\0" + bytes(32)] * 2,
        [b""],
        [b"k"],
        [b"\0"],
        [b"k\0" + bytes(31)],
        [b"k\0" + bytes(33)],
        [b"\xff\0" + bytes(32)],
        [b"k" + bytes([1]) * 40],
    ],
)
def test_a_header_of_another_form_is_an_error(values: list[bytes]) -> None:
    """Strangers write headers: none, two, short, long or no text: an error, never a crash."""
    with pytest.raises(TagError):
        find_tag(tuple(("tag.v", value) for value in values), "tag.v")


@given(st.binary(max_size=80))
def test_any_header_is_a_tag_or_an_error(value: bytes) -> None:
    """No bytes raise anything else."""
    try:
        kid, tag = find_tag((("tag.v", value),), "tag.v")
    except TagError:
        return
    assert kid.encode() + b"\0" + tag == value


def bound(**changes: object) -> bytes:
    parts: dict[str, object] = {
        "seal_kid": "seal:1",
        "decision": b"decision",
        "decision_tag": b"\x01" * 32,
        "src_offset": 5,
        "log_epoch": EPOCH,
        "not_after_ns": 9,
        **changes,
    }
    return bound_to(**parts)  # type: ignore[arg-type]


def test_a_seal_is_these_bytes() -> None:
    """§3: AES-256-GCM with the bound bytes as associated data; a vector to check against."""
    assert hashlib.sha256(bound()).hexdigest() == BOUND
    sealed = SealKey("seal:1", KEY).seal(bytes(12), b"plain", bound())
    assert sealed.hex() == SEALED
    assert SealKey("seal:1", KEY).open(bytes(12), sealed, bound()) == b"plain"


@pytest.mark.parametrize(
    "change",
    [
        {"seal_kid": "seal:2"},
        {"decision": b"decisioN"},
        {"decision_tag": b"\x02" * 32},
        {"src_offset": 6},
        {"log_epoch": "epoch-2"},
        {"not_after_ns": 10},
        {"decision": b"decision" + b"\x01" * 32, "decision_tag": b""},
    ],
    ids=str,
)
def test_a_seal_opens_only_for_what_it_was_bound_to(change: dict[str, object]) -> None:
    """§3: kid, decision, its tag, place, log and deadline: change one, and it is shut."""
    seal = SealKey("seal:1", KEY)
    with pytest.raises(TagError, match="does not open"):
        seal.open(bytes(12), bytes.fromhex(SEALED), bound(**change))


def test_a_seal_opens_only_with_its_key_nonce_and_bytes() -> None:
    """Every single byte of the cipher text is guarded."""
    sealed = bytes.fromhex(SEALED)
    seal = SealKey("seal:1", KEY)
    attempts = [(SealKey("seal:1", bytes(32)), bytes(12), sealed)]
    attempts += [(seal, nonce, sealed) for nonce in (b"\1" * 12, b"", bytes(11), bytes(200))]
    attempts += [(seal, bytes(12), text) for text in (b"", sealed[:-1], sealed + b"\0")]
    for number in range(len(sealed)):
        changed = bytearray(sealed)
        changed[number] ^= 1
        attempts.append((seal, bytes(12), bytes(changed)))
    for one, nonce, text in attempts:
        with pytest.raises(TagError, match="does not open"):
            one.open(nonce, text, bound())


def test_s18_no_key_shows_itself() -> None:
    """S18: neither a key's name nor its parts hold the bytes that it was made of."""
    secret = b"hunter2hunter2hunter2hunter2!!!!"
    for made in (TagKey(KID, secret, EPOCH), SealKey("seal:1", secret)):
        shown = repr(made) + str(vars(made))
        assert "hunter2" not in shown
        assert secret.hex() not in shown


def test_digests_of_different_values_differ() -> None:
    """A stamp's digest is 16 hex digits of SHA-256."""
    values = [b"", b"a", b"b", b"\0", b"a" * 10_000]
    digests = [short_digest(value) for value in values]
    assert all(one != other for one, other in pairwise(sorted(digests)))
    assert digests[0] == hashlib.sha256(b"").hexdigest()[:16]
