"""
What each process is made of, by its name.
"""

from typing import Final

from spark.cli import wiring_accounts, wiring_care, wiring_market, wiring_orders
from spark.cli.process import Build
from spark.names import Role

BUILDERS: Final[dict[str, Build]] = {
    Role.GUARDRAIL: wiring_orders.guardrail,
    Role.SIGNER: wiring_orders.signer,
    Role.GATEWAY: wiring_orders.gateway,
    Role.AUDITOR: wiring_care.auditor,
    Role.ACCOUNT_FEED: wiring_accounts.account_feed,
    Role.VENUE_WATCH: wiring_market.venue_watch,
    Role.BINANCE_FEED: wiring_market.binance_feed,
    Role.BTCTURK_FEED: wiring_market.btcturk_feed,
    Role.FEED_WRITER: wiring_market.feed_writer,
    Role.PROJECTOR: wiring_market.projector,
    Role.SENTINEL: wiring_care.sentinel,
    Role.WEBHOOK: wiring_care.webhook,
    "strategy-demo": wiring_care.strategy_demo,
}
