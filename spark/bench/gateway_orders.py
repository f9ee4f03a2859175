"""
Sealed orders for the gateway's benchmark: what guardrail and signer would have written.

Made before the measurement, with keys that live as long as it does.
"""

import base64
import os
from dataclasses import asdict
from decimal import Decimal
from typing import Final

import orjson

from spark import topics
from spark.bus.port import Outgoing, Partition
from spark.clock import Clock
from spark.codec import encode, type_name
from spark.consumers.gateway_intake import GatewayKeys
from spark.events import (
    Basis,
    OrderApproved,
    PartitionFenced,
    Proof,
    RequestSealed,
    Stamp,
)
from spark.exchanges.binance.auth import SecretKey
from spark.exchanges.binance.signer import BinanceKey, BinanceSigner
from spark.ids import client_order_id, intent_id
from spark.ledger.control_state import NO_RESUME
from spark.names import (
    TAG_PREFIX,
    AccountId,
    Action,
    Endpoint,
    OrderType,
    Role,
    Side,
    StrategyId,
    Symbol,
    TimeInForce,
    TradingMode,
)
from spark.signing import (
    NONCE_BYTES,
    SEAL_BYTES,
    TAG_BYTES,
    SealKey,
    TagChecker,
    Tagger,
    TagKey,
    bound_to,
    find_tag,
)

ACCOUNT: Final = AccountId("binance:main")
_STRATEGY: Final = StrategyId("strategy-demo")
_LOG_EPOCH: Final = "bench"
#: So long the simulated exchange takes a stamp: the longest that Binance allows.
RECV_WINDOW_MS: Final = 60_000
_LIFE_NS: Final = 55_000_000_000
#: Resting below the market; two symbols, because one may take half of the slots.
_ORDERS: Final = (
    (Symbol("BTCUSDT"), Decimal("0.0002"), Decimal(50_000)),
    (Symbol("ETHUSDT"), Decimal("0.01"), Decimal(2_000)),
)


class SealedOrders:
    """The keys of one benchmark, and the orders that are sealed with them."""

    def __init__(self, clock: Clock) -> None:
        self.api_key, self.secret = os.urandom(32).hex(), os.urandom(32).hex()
        self._clock = clock
        self._seal = SealKey("seal:1", os.urandom(SEAL_BYTES))
        own = BinanceKey(self.api_key, SecretKey(self.secret.encode()))
        self._venue = BinanceSigner(own, own, RECV_WINDOW_MS)
        signs = TagKey("signer:1", os.urandom(TAG_BYTES), _LOG_EPOCH)
        decides = TagKey("guardrail:1", os.urandom(TAG_BYTES), _LOG_EPOCH)
        self._signer = Tagger({Role.GATEWAY: signs})
        self._guardrail = Tagger({Role.GATEWAY: decides})
        self.checker = TagChecker(Role.GATEWAY, {Role.SIGNER: signs})
        self.keys = GatewayKeys(
            seal=self._seal,
            guardrail=TagChecker(Role.GATEWAY, {Role.GUARDRAIL: decides}),
            log_epoch=_LOG_EPOCH,
        )

    @property
    def guardrail(self) -> Tagger:
        """Give the keys with which the guardrail would prove itself to the gateway."""
        return self._guardrail

    def fence(self) -> Outgoing:
        """Make the record that begins the signer's log."""
        event = PartitionFenced(
            role=Role.SIGNER,
            instance="bench",
            topic_ids={},
            settings={},
            fenced_ns=self._clock.wall_ns(),
        )
        body = encode(event)
        headers = self._signer.headers(topics.SIGNED, type_name(PartitionFenced), body)
        return Outgoing(Partition(topics.SIGNED, 0), ACCOUNT.encode(), body, headers)

    def order(self, number: int) -> Outgoing:
        """Make one sealed place; it lives for most of a minute."""
        approval = self._approved(number)
        decision = encode(approval)
        decided = self._guardrail.headers(topics.DECISIONS, type_name(OrderApproved), decision)
        kid, tag = find_tag(decided, TAG_PREFIX + Role.GATEWAY)
        now_ns = self._clock.wall_ns()
        request = self._venue.place(approval, now_ns)
        bound = bound_to(
            self._seal.kid,
            decision,
            tag,
            src_offset=number,
            log_epoch=_LOG_EPOCH,
            not_after_ns=now_ns + _LIFE_NS,
        )
        nonce, plain = os.urandom(NONCE_BYTES), orjson.dumps(asdict(request))
        sealed = RequestSealed(
            stamp=approval.stamp,
            action=Action.PLACE,
            account=ACCOUNT,
            strategy=_STRATEGY,
            intent_id=approval.intent_id,
            client_order_id=approval.client_order_id,
            symbol=approval.symbol,
            decision=decision.decode(),
            decision_kid=kid,
            decision_tag=tag.hex(),
            seal_kid=self._seal.kid,
            mode=TradingMode.LIVE,
            nonce=base64.b64encode(nonce).decode(),
            sealed=base64.b64encode(self._seal.seal(nonce, plain, bound)).decode(),
            stamped_ns=request.stamp_ns,
            signed_ns=now_ns,
            not_after_ns=now_ns + _LIFE_NS,
        )
        body = encode(sealed)
        headers = self._signer.headers(topics.SIGNED, type_name(RequestSealed), body)
        return Outgoing(Partition(topics.SIGNED, 0), ACCOUNT.encode(), body, headers)

    def _approved(self, number: int) -> OrderApproved:
        now_ns = self._clock.wall_ns()
        symbol, quantity, price = _ORDERS[number % len(_ORDERS)]
        intent = intent_id(now_ns, f"{number:08d}")
        return OrderApproved(
            stamp=Stamp(epoch=0, seq=number, src_offset=number, src_epoch=-1, src_digest=""),
            account=ACCOUNT,
            strategy=_STRATEGY,
            intent_id=intent,
            client_order_id=client_order_id(ACCOUNT, _STRATEGY, intent),
            endpoint=Endpoint.SIM,
            mode=TradingMode.LIVE,
            symbol=symbol,
            side=Side.BUY,
            order_type=OrderType.LIMIT,
            time_in_force=TimeInForce.GTC,
            quantity=quantity,
            price=price,
            worth_usd=quantity * price,
            worth_try=quantity * price,
            proof=Proof(body="", kid="", tag=""),
            basis=Basis(
                decided_ns=now_ns,
                appended_ns=now_ns,
                seen={},
                halts=(),
                mode=TradingMode.LIVE,
                prices={},
                limits_version=0,
                policy="",
            ),
            # The first record of a new log: the gateway's own fence.
            gateway_epoch=0,
            resume_offset=NO_RESUME,
            expires_ns=now_ns + _LIFE_NS,
        )
