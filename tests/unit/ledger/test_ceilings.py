"""
The signer's own ceilings, and how they are written.
"""

from decimal import Decimal

import pytest

from spark.errors import SettingError
from spark.ledger.ceilings import OrderRate, read_ceilings
from spark.names import Symbol
from tests.made import NOW_NS, SECOND_NS


def test_ceilings_are_read_from_their_setting() -> None:
    """A quantity for each symbol that may be signed at all, and one rate."""
    found = read_ceilings(" BTCUSDT=1.5, ethusdt=20 ,rate=1000,")
    assert found.quantity_max == {Symbol("BTCUSDT"): Decimal("1.5"), Symbol("ETHUSDT"): Decimal(20)}
    assert found.orders_per_second_max == 1000


@pytest.mark.parametrize(
    "text",
    [
        "",
        "BTCUSDT=1",
        "rate=0",
        "rate=-5",
        "rate=many",
        "rate=1.5",
        "rate",
        "BTCUSDT,rate=1",
        "BTCUSDT=,rate=1",
        "BTCUSDT=much,rate=1",
        "BTCUSDT=0,rate=1",
        "BTCUSDT=-1,rate=1",
        "BTCUSDT=NaN,rate=1",
        "BTCUSDT=sNaN,rate=1",
        "BTCUSDT=Infinity,rate=1",
    ],
)
def test_a_ceiling_that_is_none_is_one_line(text: str) -> None:
    """S3: what cannot be compared with is refused at start; there is no way to say unlimited."""
    with pytest.raises(SettingError, match=r"^signer ceilings: [^\n]+$"):
        read_ceilings(text)


def test_h5_a_ceiling_of_any_length_is_a_short_line() -> None:
    """H5: the reason names what is wrong and does not repeat all of it."""
    with pytest.raises(SettingError) as caught:
        read_ceilings("x" * 70_000)
    assert len(str(caught.value)) < 200


def test_a_rate_counts_the_second_before_now() -> None:
    """Exactly one second: what is older is no longer counted and no longer kept."""
    rate = OrderRate()
    for at_ns in (0, 1, SECOND_NS // 2, SECOND_NS - 1):
        rate.count(NOW_NS + at_ns)
    assert rate.within(NOW_NS + SECOND_NS - 1) == 4
    assert rate.within(NOW_NS + SECOND_NS) == 3
    rate.count(NOW_NS + SECOND_NS + 1)
    assert len(rate.times_ns) == 3
    assert rate.within(NOW_NS + 5 * SECOND_NS) == 0
