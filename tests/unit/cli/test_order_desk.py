"""Orders as people type them."""

import pytest
import typer

from spark.cli.order_desk import Placing
from spark.names import Side, TimeInForce


def placed(quantity: str = "0.01", limit: str = "60000") -> Placing:
    return Placing.of(
        symbol="btcusdt",
        side=Side.BUY,
        quantity=quantity,
        limit=limit,
        time_in_force=TimeInForce.GTC,
        account="binance:main",
        ttl_s=5.0,
    )


def test_an_order_is_read_as_it_was_typed() -> None:
    """Every digit, and the symbol in upper case."""
    wish = placed("0.010").wish
    assert (wish.symbol, str(wish.quantity), str(wish.price)) == ("BTCUSDT", "0.010", "60000")


@pytest.mark.parametrize("text", ["1e999", "1e-400", "9" * 400, "1E+31"])
@pytest.mark.parametrize("field", ["quantity", "limit"])
def test_h5_a_number_that_no_record_holds_is_refused_in_words(field: str, text: str) -> None:
    """H5: who mistypes a number reads why, before anything is written."""
    with pytest.raises(typer.BadParameter, match="beyond any market"):
        placed(**{field: text})


@pytest.mark.parametrize("text", ["NaN", "sNaN", "Infinity", "0", "-1", "", "1,5", "ten"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    """H5: only a number above zero is one."""
    with pytest.raises(typer.BadParameter):
        placed(quantity=text)
