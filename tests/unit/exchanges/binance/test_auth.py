"""
Signing, against the venue's own published vectors.
"""

import gc
import pickle
from typing import Final

import pytest

from spark.exchanges.binance.auth import SecretKey, payload_of, signed_message, signed_query

API_KEY: Final = "vmPUZE6mv9SD5VNHk4HlWFsOr6aKE2zvsw0MuIgwCIPy6utIco14y7Ju91duEh8A"
SECRET: Final = b"NhqPtmdSJYdKjVHjA7PZj4Mge3R5YNiP1e3UZjInClVN65XAbvqqM6A7H5fATj0j"
REST: Final = (
    ("side", "BUY"),
    ("type", "LIMIT"),
    ("timeInForce", "GTC"),
    ("quantity", "1"),
    ("price", "0.1"),
    ("recvWindow", "5000"),
    ("timestamp", "1499827319559"),
)


def test_the_published_rest_vector_is_reproduced() -> None:
    """A signature is the hex HMAC-SHA256 over the parameters in their order."""
    query = signed_query(SecretKey(SECRET), (("symbol", "LTCBTC"), *REST))
    assert query == (
        "symbol=LTCBTC&side=BUY&type=LIMIT&timeInForce=GTC&quantity=1&price=0.1"
        "&recvWindow=5000&timestamp=1499827319559"
        "&signature=c8db56825ae71d6d79447849e617115f4a920fa2acdcab2b053c4b2838bd6b71"
    )


def test_a_value_outside_ascii_is_encoded_before_it_is_signed() -> None:
    """Percent-encoding comes first, or the venue answers -1022."""
    params = (("symbol", "１２３４５６"), *REST)  # noqa: RUF001  (the published example)
    assert payload_of(params).startswith(
        "symbol=%EF%BC%91%EF%BC%92%EF%BC%93%EF%BC%94%EF%BC%95%EF%BC%96&side=BUY"
    )
    assert signed_query(SecretKey(SECRET), params).endswith(
        "&signature=e1353ec6b14d888f1164ae9af8228a3dbd508bc82eb867db8ab6046442f33ef3"
    )


def test_the_published_websocket_vector_is_reproduced() -> None:
    """A WebSocket API payload is sorted by name and holds the API key."""
    params = {
        "symbol": "BTCUSDT",
        "side": "SELL",
        "type": "LIMIT",
        "timeInForce": "GTC",
        "quantity": "0.01000000",
        "price": "52000.00",
        "recvWindow": "100",
        "timestamp": "1645423376532",
        "apiKey": API_KEY,
    }
    signed = signed_message(SecretKey(SECRET), params)
    assert signed.pop("signature") == (
        "aa1b5712c094bc4e57c05a1a5c1fd8d88dcd628338ea863fec7b88e59fe2db24"
    )
    assert signed == params


@pytest.mark.parametrize("value", ["a b", "a+b", "a&b=c", "a/b", "a%b", "ş"])
def test_a_value_cannot_break_out_of_its_parameter(value: str) -> None:
    """Whatever a value holds, the payload has as many pairs as were given."""
    payload = payload_of((("first", value), ("second", "x")))
    assert payload.isascii()
    assert payload.count("&") == 1
    assert payload.count("=") == 2
    assert " " not in payload
    assert "+" not in payload


def test_keying_wipes_the_callers_bytes() -> None:
    """S18: once keyed, no later frame holds the secret."""
    secret = bytearray(SECRET)
    key = SecretKey(secret)
    assert secret == bytes(len(SECRET))
    assert SECRET.decode() not in repr(key)
    assert not any(isinstance(held, bytes | str) for held in gc.get_referents(key))


def test_a_key_does_not_pickle() -> None:
    """S18: a secret cannot leave its process by being copied into a message."""
    with pytest.raises(TypeError, match="does not leave"):
        pickle.dumps(SecretKey(SECRET))


def test_an_empty_secret_is_refused() -> None:
    """An HMAC over no key would sign anything anyone can sign."""
    with pytest.raises(ValueError, match="not empty"):
        SecretKey(b"")
