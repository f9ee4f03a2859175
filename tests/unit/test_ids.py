"""
Ids that are derived, so that a retry and a replay repeat them.
"""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spark.exchanges.binance.wire import CLIENT_ORDER_ID
from spark.ids import CLIENT_ORDER_PREFIX, client_order_id, created_ms, intent_id
from spark.names import AccountId, IntentId, StrategyId
from tests.made import ACCOUNT, NOW_NS, STRATEGY

ENTROPY = st.text("0123456789abcdefghijklmnopqrstuvwxyz", min_size=8, max_size=24)


@given(st.integers(0, 16**11 * 1_000_000 - 1), ENTROPY)
def test_an_intent_id_carries_its_time(created_ns: int, entropy: str) -> None:
    """R16: the time inside is what bounds the set of ids to remember."""
    made = intent_id(created_ns, entropy)
    assert created_ms(made) == created_ns // 1_000_000
    assert made.endswith(f"-{entropy}")


@pytest.mark.parametrize(
    "entropy", ["", "short77", "x" * 25, "UPPERCASE", "with-dash", "with blank", "ünicode0", "a\nb"]
)
def test_entropy_of_another_form_is_refused(entropy: str) -> None:
    """One form only, so that an id can be read back."""
    with pytest.raises(ValueError, match="8 to 24"):
        intent_id(NOW_NS, entropy)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0" * 11,
        "0" * 11 + "-",
        "0" * 11 + "-abcdefg",
        "0" * 10 + "-abcdefgh",
        "0" * 12 + "-abcdefgh",
        "0" * 10 + "G-abcdefgh",
        "0" * 10 + "A-abcdefgh",
        "0" * 11 + "-abcdefgh\n",
        "\n" + "0" * 11 + "-abcdefgh",
        "\u0660" * 11 + "-abcdefgh",
    ],
)
def test_what_is_no_intent_id_has_no_time(text: str) -> None:
    """A strategy writes its ids; one of another form is told, not misread."""
    assert created_ms(IntentId(text)) is None


def test_a_client_order_id_is_these_characters() -> None:
    """A vector: the id at the exchange must never change for an intent that is under way."""
    made = client_order_id(ACCOUNT, STRATEGY, IntentId("019aa4b6450-00000one"))
    assert made == "spk570167ae2d8093625d0fc98510944"


@given(st.text(), st.text(), st.text())
def test_a_client_order_id_fits_every_exchange(account: str, strategy: str, intent: str) -> None:
    """R14: our prefix, 32 characters of a-z0-9, whatever the parts are."""
    made = client_order_id(AccountId(account), StrategyId(strategy), IntentId(intent))
    assert re.fullmatch(r"spk[0-9a-f]{29}", made)
    assert made.startswith(CLIENT_ORDER_PREFIX)
    assert CLIENT_ORDER_ID.fullmatch(made)


def test_account_strategy_and_intent_are_each_in_the_id() -> None:
    """R16: ids are scoped; no strategy can name another's order."""
    one = (AccountId("a"), StrategyId("s"), IntentId("i"))
    others = [
        (AccountId("b"), StrategyId("s"), IntentId("i")),
        (AccountId("a"), StrategyId("t"), IntentId("i")),
        (AccountId("a"), StrategyId("s"), IntentId("j")),
        (AccountId("as"), StrategyId(""), IntentId("i")),
    ]
    assert client_order_id(*one) == client_order_id(*one)
    assert len({client_order_id(*parts) for parts in [one, *others]}) == 5
