"""
Signing, against a vector that third parties use on live accounts.
"""

import base64
import hashlib
import hmac
import pickle
from typing import Final

import orjson
import pytest

from spark.exchanges.btcturk.auth import LOGIN_NONCE, SecretKey, login_model, signed_headers
from spark.exchanges.btcturk.wire_frames import login_frame

API_KEY: Final = "test-public-key"
SECRET: Final = b"dGVzdC1zZWNyZXQta2V5LWZvci11bml0LXRlc3Rz"
STAMP_MS: Final = 1_735_689_600_000


def test_the_rest_vector_is_reproduced() -> None:
    """The signature is base64 of HMAC-SHA256 over key and stamp, keyed by the decoded secret."""
    assert signed_headers(SecretKey(SECRET), API_KEY, STAMP_MS) == {
        "X-PCK": API_KEY,
        "X-Stamp": "1735689600000",
        "X-Signature": "7gyFGcOS+qnq46h/rl83VtpaEAsh8Th3Z3lQrF7g2I0=",
        "Content-Type": "application/json",
    }


def test_a_secret_that_is_not_decoded_signs_something_else() -> None:
    """Skipping base64 gives the vector's known wrong result, so that nobody signs with it."""
    wrong = hmac.new(SECRET, f"{API_KEY}{STAMP_MS}".encode(), hashlib.sha256).digest()
    assert base64.b64encode(wrong).decode() == "38qSfoys8cvFpd0FBe50RUaqT6Dl3iMO7iyblkzlqnw="
    assert SecretKey(SECRET).sign(f"{API_KEY}{STAMP_MS}") != base64.b64encode(wrong).decode()


def test_the_login_vector_is_reproduced() -> None:
    """Trap 24: the nonce is the integer 3000, signed after the key; the time stands beside it."""
    frame = login_frame(login_model(SecretKey(SECRET), API_KEY, STAMP_MS))
    assert orjson.loads(frame) == [
        114,
        {
            "type": 114,
            "publicKey": API_KEY,
            "timestamp": STAMP_MS,
            "nonce": 3000,
            "signature": "uLpuzhycwQqE+aC+WnmBoPSIyBrCPo4I0pyJyq6uF98=",
        },
    ]
    assert b'"nonce":3000' in frame.encode()
    assert type(LOGIN_NONCE) is int


@pytest.mark.parametrize("secret", [b"", b"   ", b"not base64!", b"YWJjZ"])
def test_a_secret_that_is_not_base64_is_refused_without_showing_it(secret: bytes) -> None:
    """A wrong secret stops at start, and its text stays out of the message (S18)."""
    with pytest.raises(ValueError, match="base64") as caught:
        SecretKey(secret)
    assert not secret.strip() or secret.decode() not in str(caught.value)


def test_the_secret_leaves_no_copy_with_its_caller() -> None:
    """What was keyed is wiped, and neither printed nor pickled (S18)."""
    given = bytearray(SECRET)
    key = SecretKey(given)
    assert given == bytes(len(SECRET))
    assert SECRET.decode() not in repr(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)
