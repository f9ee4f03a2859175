"""How a gateway under test treats its exchange."""

from typing import Final

from spark.consumers.gateway_manners import Address, Manners, VenueRules
from spark.ledger.budget import Budget, Rules
from spark.names import AccountId
from tests.made import ACCOUNT

#: Binance with more to spend than a test sends.
BINANCE_RULES: Final = VenueRules(
    budget=Rules(weight_per_minute=100_000, question_cost=4, is_success_free=True)
)


def manners(epoch: int, rules: VenueRules = BINANCE_RULES, account: AccountId = ACCOUNT) -> Manners:
    """Make the manners of one account, alone on its address."""
    return Manners(account=account, epoch=epoch, address=Address(Budget(rules.budget)))
