"""The jury's caps: what the exchange's ledger shows above one is found, at its own instant."""

from decimal import Decimal
from typing import Any, Final

import pytest

from spark.bench.jury.limits import Caps, CapWatch
from spark.events import OrderApproved
from spark.names import Side
from tests.made import ACCOUNT, NOW_NS, SECOND_NS
from tests.venues import approved

_WIDE: Final = 10**9
_NAMES: Final = ("one", "two", "three")


def caps(**changes: object) -> Caps:
    made: dict[str, Any] = {
        "orders_per_minute_max": _WIDE,
        "notional_try_per_s_max": Decimal(_WIDE),
        "order_notional_usd_max": Decimal(_WIDE),
        "open_orders_max": _WIDE,
        "exposure_usd_max": Decimal(_WIDE),
        **changes,
    }
    return Caps(**made)


def orders(**changes: object) -> dict[str, OrderApproved]:
    made = [approved(ACCOUNT, name, **{"worth_try": Decimal(100)} | changes) for name in _NAMES]
    return {order.client_order_id: order for order in made}


def line(number: int, order: OrderApproved, after_ns: int, **changes: object) -> dict[str, Any]:
    return {
        "client_order_id": order.client_order_id,
        "order_id": number,
        "at_ns": NOW_NS + after_ns,
        "status": "open",
        "executed": "0",
        **changes,
    }


def arrivals(*after_ns: int, known: dict[str, OrderApproved]) -> list[dict[str, Any]]:
    return [
        line(number, order, after)
        for number, (order, after) in enumerate(zip(known.values(), after_ns, strict=True))
    ]


@pytest.mark.parametrize(
    ("cap", "after_ns", "breaches"),
    [
        ({"orders_per_minute_max": 2}, (0, 1, 60 * SECOND_NS - 1), 1),
        ({"orders_per_minute_max": 2}, (0, 1, 60 * SECOND_NS), 0),
        ({"notional_try_per_s_max": Decimal(200)}, (0, 1, SECOND_NS - 1), 1),
        ({"notional_try_per_s_max": Decimal(200)}, (0, 1, SECOND_NS), 0),
        ({"open_orders_max": 2}, (0, 1, 2), 1),
        ({"open_orders_max": 3}, (0, 1, 2), 0),
        ({"order_notional_usd_max": Decimal(599)}, (0, 1, 2), 3),
        ({"order_notional_usd_max": Decimal(600)}, (0, 1, 2), 0),
        ({"exposure_usd_max": Decimal(1799)}, (0, 1, 2), 1),
        ({"exposure_usd_max": Decimal(1800)}, (0, 1, 2), 0),
    ],
)
def test_a_cap_holds_in_every_window_of_the_ledger(
    cap: dict[str, object], after_ns: tuple[int, int, int], breaches: int
) -> None:
    """H2, R7: windows slide over the exchange's own times; one order too many is one breach."""
    known = orders()
    watch = CapWatch(caps(**cap))
    watch.go_on(arrivals(*after_ns, known=known), known)
    assert len(watch.breaches) == breaches


def test_what_ended_makes_room() -> None:
    """R5: a cancelled order is open no longer, and what it filled is a position."""
    known = orders()
    one, two, three = known.values()
    watch = CapWatch(caps(open_orders_max=2, exposure_usd_max=Decimal(1500)))
    watch.go_on([line(1, one, 0), line(2, two, 1)], known)
    watch.go_on([line(1, one, 2, status="cancelled", executed="0.005"), line(3, three, 3)], known)
    assert watch.breaches == []
    assert watch.open_orders() == {two.client_order_id, three.client_order_id}
    assert watch.positions() == {"BTCUSDT": Decimal("0.005")}


def test_a_position_counts_against_its_own_side() -> None:
    """B5: bought and about to buy add up; a sale on top does not."""
    known = orders(side=Side.SELL) | {}
    bought = approved(ACCOUNT, "bought", quantity=Decimal("0.03"), worth_usd=Decimal(1800))
    known[bought.client_order_id] = bought
    watch = CapWatch(caps(exposure_usd_max=Decimal(1800)))
    watch.go_on([line(1, bought, 0), line(1, bought, 1, status="filled", executed="0.03")], known)
    watch.go_on(
        [line(2 + n, order, 2 + n) for n, order in enumerate(orders(side=Side.SELL).values())],
        known,
    )
    assert watch.breaches == []


def test_an_order_without_an_approval_is_left_to_another_judge() -> None:
    """H2: what nobody approved has no worth; it is counted as unapproved, not here."""
    known = orders()
    watch = CapWatch(caps(open_orders_max=0))
    watch.go_on(arrivals(0, 1, 2, known=known), {})
    assert watch.breaches == []
