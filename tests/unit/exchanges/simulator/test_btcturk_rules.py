"""
BTCTurk's simulator, its pure parts: signatures, orders read, rules, limits, habits.
"""

import base64
import json
from collections.abc import Callable
from decimal import Decimal
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.errors import SettingError
from spark.exchanges.simulator.accounts import Account, Accounts, ApiKey, Permission
from spark.exchanges.simulator.btcturk import credentials
from spark.exchanges.simulator.btcturk.catalogue import CATALOGUE, choose
from spark.exchanges.simulator.btcturk.control import Login, Subscription, read
from spark.exchanges.simulator.btcturk.limits import (
    SHUT_OUT_S,
    UNAUTHORIZED_MAX,
    Limits,
    Policy,
    Quota,
)
from spark.exchanges.simulator.btcturk.refusals import Refusal
from spark.exchanges.simulator.btcturk.terms import NewOrder, read_object, read_order
from spark.exchanges.simulator.orders import Kind
from spark.names import Side

_SECRET = "dGVzdC1zZWNyZXQta2V5LWZvci11bml0LXRlc3Rz"
_NS = 1_000_000_000


def _key() -> ApiKey:
    return ApiKey(
        "key-1",
        Account("main"),
        api_key="test-public-key",
        permissions=frozenset(Permission),
        secret=credentials.secret_bytes(_SECRET),
    )


@pytest.mark.parametrize(
    ("said", "signature"),
    [
        ("1735689600000", "7gyFGcOS+qnq46h/rl83VtpaEAsh8Th3Z3lQrF7g2I0="),
        ("3000", "uLpuzhycwQqE+aC+WnmBoPSIyBrCPo4I0pyJyq6uF98="),
    ],
)
def test_a_signature_is_over_the_keys_name_and_what_was_said(said: str, signature: str) -> None:
    """The vectors that others accepted on the live venue; without base64 they do not fit."""
    assert credentials.is_signed(_key(), said, signature)
    assert not credentials.is_signed(_key(), said, signature.lower())
    assert not credentials.is_signed(_key(), said + "0", signature)
    raw = "38qSfoys8cvFpd0FBe50RUaqT6Dl3iMO7iyblkzlqnw="
    assert not credentials.is_signed(_key(), said, raw)


def test_a_secret_is_base64() -> None:
    """Anything else could never verify."""
    with pytest.raises(ValueError, match="base64"):
        credentials.secret_bytes("no base64!")


@given(st.text(), st.text(), st.text())
def test_h5_any_headers_are_a_refusal(name: str, stamp: str, signature: str) -> None:
    """Whatever the headers hold: 1037, and no error of another kind."""
    accounts = Accounts()
    accounts.keys["test-public-key"] = _key()
    for api_key in (name, "test-public-key"):
        with pytest.raises(Refusal) as caught:
            credentials.authenticate(
                accounts,
                credentials.Signed(api_key, stamp, signature),
                permission=Permission.READ,
                now_ms=1_735_689_600_000,
                stamps=credentials.Stamps(is_strict=True),
            )
        assert (caught.value.status, caught.value.code) == (401, 1037)


def _refusal(act: Callable[[], object]) -> Refusal | None:
    """Do something; return what it is refused with."""
    try:
        act()
    except Refusal as refusal:
        return refusal
    return None


def _order(**changes: object) -> dict[str, object]:
    return {
        "pairSymbol": "BTCTRY",
        "orderMethod": "limit",
        "orderType": "buy",
        "quantity": "0.01",
        "price": "2000000",
        **changes,
    }


def test_a_market_buys_quantity_is_what_to_spend() -> None:
    """Of the four kinds of order one alone counts in the quote (issues 177, 200)."""
    rules = CATALOGUE["BTCTRY"]
    for side in ("buy", "sell"):
        for method in ("limit", "market"):
            terms = read_order(_order(orderType=side, orderMethod=method)).terms(
                rules, client_id="x"
            )
            is_spending = (side, method) == ("buy", "market")
            assert terms.quote_quantity == (Decimal("0.01") if is_spending else None)
            assert terms.quantity == (None if is_spending else Decimal("0.01"))
            assert (terms.price is None) is (method == "market")


def test_words_are_read_in_either_case_and_numbers_exactly() -> None:
    """`stopLimit` is documented beside `limit`; a JSON number keeps its digits."""
    body = json.dumps(_order(orderMethod="LIMIT", orderType="SELL")).replace(
        '"0.01"', "0.1234567890123456"
    )
    found = read_order(read_object(body))
    assert found == NewOrder(
        "BTCTRY", Side.SELL, Kind.LIMIT, Decimal("0.1234567890123456"), Decimal(2_000_000), ""
    )


@pytest.mark.parametrize("number", ["1e999999999", "1e-999999999", "-1", "1" * 5_000])
def test_a_number_beyond_all_bounds_is_refused_at_once(number: str) -> None:
    """What would not fit into memory when written out is not written out."""
    body = json.dumps(_order()).replace('"0.01"', number)
    refusal = _refusal(lambda: read_order(read_object(body)))
    assert refusal is not None
    assert refusal.status == 400


@pytest.mark.parametrize("half", ["\\ud800", "\\uDFFF", "a\\udc00b"])
def test_h5_half_a_character_is_refused_wherever_it_stands(half: str) -> None:
    """H5: neither the reply nor the ledger could say it again."""
    for name in ("newOrderClientId", "pairSymbol", "anything"):
        body = json.dumps(_order(**{name: "?"})).replace('"?"', f'"{half}"')
        refusal = _refusal(partial(read_object, body))
        assert refusal is not None
        assert refusal.status == 400
    whole = json.dumps(_order(newOrderClientId="\U0001f600"))
    assert read_order(read_object(whole)).client_id == "\U0001f600"


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


@given(st.text() | _JSON.map(json.dumps))
def test_h5_any_body_is_an_order_or_a_refusal(body: str) -> None:
    """Bytes of any kind: never an error of another kind."""
    refusal = _refusal(lambda: read_order(read_object(body)))
    assert refusal is None or refusal.status == 400


@given(st.sampled_from([*_order(), "newOrderClientId"]), _JSON)
def test_h5_any_value_of_a_field_is_read_or_refused(name: str, value: object) -> None:
    """One field of any form among good ones."""
    body = json.dumps(_order(**{name: value}))
    refusal = _refusal(lambda: read_order(read_object(body)))
    assert refusal is None or refusal.status == 400


@given(st.text() | _JSON.map(json.dumps))
def test_h5_any_frame_is_read_or_passed_over(text: str) -> None:
    """What a client says on the socket never ends it."""
    assert read(text) is None or isinstance(read(text), Login | Subscription)


def test_a_pair_that_is_none() -> None:
    """What is not in the catalogue cannot be offered."""
    with pytest.raises(SettingError, match="XXXYYY"):
        choose(("BTCTRY", "XXXYYY"))


@given(
    st.sampled_from(sorted(CATALOGUE)),
    st.decimals(0, 10**9, allow_nan=False, places=4),
    st.decimals(0, 10**6, allow_nan=False, places=9),
)
def test_what_passes_the_rules_keeps_them(symbol: str, price: Decimal, quantity: Decimal) -> None:
    """An order is refused, or its price and quantity have the scales and bounds of the pair."""
    rules = CATALOGUE[symbol]
    new = NewOrder(symbol, Side.BUY, Kind.LIMIT, quantity, price, "")
    terms = new.terms(rules, client_id="x")
    refusal = _refusal(lambda: rules.check(terms, reference=rules.start_price))
    if refusal is not None:
        assert refusal.code in {1121, 1123, 1126, 1127, 1226, 1227}
        return
    assert price == price.quantize(Decimal(1).scaleb(-rules.price_scale))
    assert quantity == quantity.quantize(Decimal(1).scaleb(-rules.numerator_scale))
    assert price * quantity >= rules.min_total
    assert rules.start_price / 10 <= price <= rules.start_price * 10


def _admitted(limits: Limits, quota: Quota, at_s: float, caller: str = "a") -> int:
    """Ask once; return the seconds to wait."""
    now_ns = int(at_s * _NS)
    refusal = _refusal(
        lambda: limits.admit("x", (quota,), policy=Policy.IP, caller=caller, now_ns=now_ns)
    )
    return 0 if refusal is None else refusal.retry_after_s or -1


def test_a_window_begins_with_its_first_request() -> None:
    """Not with the clock's minute; a breach blocks for its own time, and then it is over."""
    limits, quota = Limits(is_enforced=True), Quota(2, 60, 30)
    assert [_admitted(limits, quota, at_s) for at_s in (50, 109, 110, 111)] == [0, 0, 0, 0]
    assert _admitted(limits, quota, 112) == 30
    # Asking on does not make it longer.
    assert [_admitted(limits, quota, at_s) for at_s in (113, 141.5)] == [29, 1]
    assert _admitted(limits, quota, 112, caller="b") == 0
    assert _admitted(limits, quota, 142) == 0


def test_refused_logins_count_in_a_row() -> None:
    """After fifty one more shuts the address out, for a while."""
    limits = Limits(is_enforced=True)
    for _ in range(UNAUTHORIZED_MAX):
        limits.unauthorized("a", 0)
    limits.authorized("a")
    for _ in range(UNAUTHORIZED_MAX):
        limits.unauthorized("a", 0)
    limits.check_address("a", 1)
    limits.unauthorized("a", 0)
    with pytest.raises(Refusal):
        limits.check_address("a", 1)
    limits.check_address("b", 1)
    limits.check_address("a", SHUT_OUT_S * _NS)


def test_secrets_of_the_vector_are_what_they_say() -> None:
    """The published secret is text in base64."""
    assert base64.b64decode(_SECRET) == b"test-secret-key-for-unit-tests"
