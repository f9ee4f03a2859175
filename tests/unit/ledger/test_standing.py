"""How an account stands with its exchange, folded from the account feed's records (A9)."""

from decimal import Decimal
from typing import Final

import pytest

from spark.events import (
    AccountDoubted,
    DifferenceClosed,
    DifferenceFound,
    Event,
    ForeignOrderSeen,
)
from spark.ledger.standing import Standing, fold_account
from spark.names import (
    DifferenceKind,
    DifferenceRule,
    Side,
    Symbol,
    VenueOrderState,
)
from tests.made import ACCOUNT, NOW_NS, SYMBOL
from tests.surroundings import account_fenced, account_reconciled

_FENCE: Final = account_fenced()


def folded(*events: Event) -> Standing:
    standing = Standing()
    for offset, event in enumerate(events):
        fold_account(standing, event, offset, appended_ns=NOW_NS + offset)
    return standing


def doubted(epoch: int = 0) -> AccountDoubted:
    return AccountDoubted(epoch=epoch, account=ACCOUNT, cause="stream_lost", at_ns=NOW_NS)


def differs(rule: DifferenceRule = DifferenceRule.HALTED, epoch: int = 0) -> DifferenceFound:
    return DifferenceFound(
        epoch=epoch,
        account=ACCOUNT,
        difference="d1",
        kind=DifferenceKind.BALANCE,
        rule=rule,
        subject="BTC",
        symbol=Symbol(""),
        ours="1",
        theirs="2",
        amount=Decimal(1),
        at_ns=NOW_NS,
    )


def foreign(
    state: VenueOrderState = VenueOrderState.OPEN, filled: str = "0", side: Side = Side.BUY
) -> ForeignOrderSeen:
    return ForeignOrderSeen(
        account=ACCOUNT,
        symbol=SYMBOL,
        exchange_order_id="7",
        client_order_id="by-hand",
        side=side,
        state=state,
        quantity=Decimal(3),
        filled=Decimal(filled),
        price=Decimal(60_000),
        exchange_ns=NOW_NS,
        at_ns=NOW_NS,
    )


@pytest.mark.parametrize(
    ("events", "reconciled_ns", "doubt"),
    [
        ((), None, "never reconciled"),
        ((_FENCE,), None, "the account feed starts"),
        ((_FENCE, account_reconciled(ACCOUNT, 0, NOW_NS)), NOW_NS + 1, ""),
        ((_FENCE, account_reconciled(ACCOUNT, 0, NOW_NS), doubted()), None, "stream_lost"),
        # Another instance's words, before or after, count for nothing (R11).
        ((_FENCE, account_reconciled(ACCOUNT, 7, NOW_NS)), None, "the account feed starts"),
        (
            (_FENCE, account_reconciled(ACCOUNT, 0, NOW_NS), _FENCE),
            None,
            "the account feed starts",
        ),
        (
            (_FENCE, _FENCE, account_reconciled(ACCOUNT, 0, NOW_NS)),
            None,
            "the account feed starts",
        ),
        ((_FENCE, account_reconciled(ACCOUNT, 0, NOW_NS), doubted(7)), NOW_NS + 1, ""),
    ],
)
def test_only_the_latest_feed_s_word_counts(
    events: tuple[Event, ...], reconciled_ns: int | None, doubt: str
) -> None:
    """R11: what an older instance reconciled is not believed after a new one began."""
    standing = folded(*events)
    assert (standing.reconciled_ns, standing.doubt) == (reconciled_ns, doubt)


def test_a_halting_difference_stands_until_it_is_closed() -> None:
    """A9: also over the start of another feed, which has to find it gone itself."""
    closed = DifferenceClosed(epoch=1, account=ACCOUNT, difference="d1", how="agreed", at_ns=NOW_NS)
    standing = folded(_FENCE, differs())
    assert standing.halting == {"d1": "balance BTC: 1 here, 2 there"}
    assert folded(_FENCE, differs(), _FENCE).halting
    assert folded(_FENCE, differs(), closed).halting, "closed by nobody who may"
    assert not folded(_FENCE, _FENCE, differs(epoch=1), closed).halting
    assert not folded(_FENCE, differs(DifferenceRule.ALERTED)).halting


def test_a_foreign_order_only_grows_or_ends() -> None:
    """A9, fault V6: told again, or late, it changes nothing back."""
    alive = folded(foreign(), foreign(VenueOrderState.PARTIALLY_FILLED, "1"), foreign())
    assert alive.foreign_of(SYMBOL) == (Decimal(2), Decimal(0), Decimal(1))
    over = folded(foreign(VenueOrderState.CANCELLED, "1"), foreign())
    assert over.foreign_of(SYMBOL) == (Decimal(0), Decimal(0), Decimal(1))
    sold = folded(foreign(VenueOrderState.FILLED, "3", Side.SELL))
    assert sold.foreign_of(SYMBOL) == (Decimal(0), Decimal(0), Decimal(-3))
    assert sold.foreign_of("ETHUSDT") == (Decimal(0), Decimal(0), Decimal(0))
