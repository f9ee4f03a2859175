"""A short run of the exchange drill: both exchanges misbehave, and the account is settled."""

from pathlib import Path

from tests.stacks import environment, spark


def test_after_a_bad_quarter_of_a_minute_nothing_differs(tmp_path: Path) -> None:
    """
    H2, A8, A9: orders, fills, fees and balances equal the exchanges' ledgers to the last decimal.

    The long one is `spark drill exchange --minutes 30`.

    Faults V1 and N4.
    """
    done = spark(
        *("drill", "exchange", "--minutes", "0.3", "--seed", "7", "--json"),
        env=environment(tmp_path),
    )
    assert done.code == 0, done.out + done.err
    found = done.object
    nothing = ("duplicates", "unapproved", "lost", "unknown_open", "fills_differing")
    assert {name: found[name] for name in nothing} == dict.fromkeys(nothing, 0)
    assert set(found["balance_difference"].values()) == {"0"}
    assert found["intents"] > 100
    for account in ("binance:main", "btcturk:main"):
        assert found["accounts"][account]["orders_in_ledger"] > 10
        assert found["accounts"][account]["fills_in_ledger"] > 0
    assert sum(found["faults"].values()) > 0
