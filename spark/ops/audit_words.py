"""
What each record of an order's life says, in words, with every reason. Pure.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from spark.codec import decimal_text, decode
from spark.errors import MalformedError
from spark.events import (
    Basis,
    CancelAccepted,
    CancelApproved,
    CancelOrder,
    CancelRejected,
    Event,
    IntentRefused,
    KeyUsed,
    OrderAcked,
    OrderApproved,
    OrderCancelled,
    OrderClaimed,
    OrderExpired,
    OrderFilled,
    OrderRejected,
    OrderResolved,
    OutcomeUnknown,
    PlaceOrder,
    ProposalSigned,
    Refusal,
    RequestNotSent,
    RequestSealed,
    SigningSkipped,
    TradingDemoted,
    TradingHalted,
)

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
#: Of a proposal, what is about the proposal and not about what it asks for.
_FORMALITIES: Final = frozenset(
    {"type", "v", "proposed_by", "created_ns", "expires_ns", "log_epoch"}
)


def words_of(event: Event) -> tuple[str, list[str]]:
    """
    Tell one record.

    Returns: a line, and further lines that belong under it.
    """
    match event:
        case PlaceOrder() | CancelOrder():
            return _asked(event), []
        case OrderApproved() | CancelApproved() | IntentRefused():
            return _decided(event)
        case RequestSealed() | SigningSkipped():
            return _signed(event)
        case ProposalSigned() | TradingHalted() | TradingDemoted():
            return _said(event)
        case KeyUsed():
            why = f"the signer used an exchange key: {event.purpose}"
            return f"{why}, for uid {event.peer_uid}, stamp {_time(event.stamped_ns)}", []
        case _:
            return _happened(event)


def _asked(event: PlaceOrder | CancelOrder) -> str:
    span = f"may live {event.ttl_ns // _NS_PER_MS} ms"
    if isinstance(event, CancelOrder):
        whose = "" if event.target_strategy == event.strategy else f" of {event.target_strategy}"
        return f"{event.strategy} asks to cancel {event.target_intent_id}{whose}; {span}"
    price = "at the market" if event.price is None else f"at {decimal_text(event.price)}"
    kind = (
        event.order_type
        if event.time_in_force is None
        else (f"{event.order_type}, {event.time_in_force}")
    )
    what = f"{event.side} {decimal_text(event.quantity)} {event.symbol} {price} ({kind})"
    return f"{event.strategy} asks to {what} on {event.account}; {span}"


def _decided(event: OrderApproved | CancelApproved | IntentRefused) -> tuple[str, list[str]]:
    under = _basis(event.basis)
    if isinstance(event, IntentRefused):
        reasons = [f"because {reason_text(one)}" for one in event.reasons]
        return f"refused by the guardrail, {_count(reasons, 'reason')}", reasons + under
    until = _time(event.expires_ns)
    if isinstance(event, CancelApproved):
        return f"cancel approved in mode {event.mode}, until {until}", under
    worth = f"{decimal_text(event.worth_usd)} USD, {decimal_text(event.worth_try)} TRY"
    resume = "no resume" if event.resume_offset < 0 else f"the resume at {event.resume_offset}"
    under.append(f"for the gateway of epoch {event.gateway_epoch}, under {resume}")
    where = f"mode {event.mode}, endpoint {event.endpoint}, as {event.client_order_id}"
    return f"approved: every guard passed; {where}; counts as {worth}; until {until}", under


def _basis(basis: Basis) -> list[str]:
    places = [f"{place} up to {one - 1}" for place, one in sorted(basis.seen.items()) if one]
    seen = ", ".join(places)
    prices = ", ".join(f"{name} {decimal_text(one)}" for name, one in sorted(basis.prices.items()))
    halts, decided = ", ".join(basis.halts) or "none", f"decided {_time(basis.decided_ns)}"
    return [
        f"it had seen {seen or 'nothing beside the intent'}",
        f"prices used: {prices or 'none'}; kills outside the log: {halts}; mode {basis.mode}",
        f"limits version {basis.limits_version}, policy {basis.policy}, {decided}",
    ]


def _signed(event: RequestSealed | SigningSkipped) -> tuple[str, list[str]]:
    if isinstance(event, SigningSkipped):
        reasons = [f"because {reason_text(one)}" for one in event.reasons]
        return f"not signed, {_count(reasons, 'reason')}", reasons
    spare_ms = (event.not_after_ns - event.signed_ns) // _NS_PER_MS
    stamp = f"stamp {_time(event.stamped_ns)}"
    return f"{event.action} signed and sealed for the gateway; {stamp}; {spare_ms} ms to send", []


def _said(event: ProposalSigned | TradingHalted | TradingDemoted) -> tuple[str, list[str]]:
    if isinstance(event, ProposalSigned):
        try:
            proposal = decode(event.proposal.encode())
        except MalformedError:
            return f"{event.person} signed something that nobody can read", []
        asked = {
            name: getattr(proposal, name)
            for name in proposal.__dataclass_fields__
            if name not in _FORMALITIES
        }
        return f"{event.person} signed {proposal.type}", [_pairs(asked)]
    kind = "killed" if isinstance(event, TradingHalted) else "demoted"
    whom = event.account or "every account"
    return f"{whom} {kind} by {event.by} ({event.source}): {event.reason}", _evidence(event)


def _evidence(event: TradingHalted | TradingDemoted) -> list[str]:
    return [_pairs(event.evidence)] if event.evidence else []


def _happened(event: Event) -> tuple[str, list[str]]:  # noqa: C901, PLR0911  (a case for each event)
    match event:
        case OrderClaimed():
            return f"{event.action} claimed by the gateway of epoch {event.epoch}", []
        case RequestNotSent():
            reasons = [f"because {reason_text(one)}" for one in event.reasons]
            return f"not a byte of the {event.action} was sent", reasons
        case OutcomeUnknown():
            return f"outcome of the {event.action} unknown: {event.cause}; counts as exposure", []
        case OrderResolved(outcome="by_person"):
            return "resolved by persons: counts as never placed until evidence comes", []
        case OrderResolved():
            final = _time(event.final_after_ns)
            return f"the exchange denies it, which is final since {final}: never placed", []
        case OrderAcked():
            return f"the exchange has it as {event.exchange_order_id}{_took(event)}", []
        case OrderRejected() | CancelRejected():
            what = "order" if isinstance(event, OrderRejected) else "cancel"
            said = f"{event.code}, HTTP {event.http_status}"
            return f"the exchange rejects the {what}: {said}{_took(event)}", []
        case CancelAccepted():
            return f"the exchange takes the cancel{_took(event)}", []
        case OrderFilled():
            traded = f"{decimal_text(event.quantity)} at {decimal_text(event.price)}"
            total = f"{decimal_text(event.cumulative)} of {decimal_text(event.order_quantity)}"
            fee = f"{decimal_text(event.commission)} {event.commission_asset}".strip()
            return f"filled {traded}, {total} in all; fee {fee}; trade {event.trade_id}", []
        case OrderCancelled() | OrderExpired():
            ended = "cancelled" if isinstance(event, OrderCancelled) else "expired at the exchange"
            by = getattr(event, "cancel_intent_id", "")
            why = f" by {by}" if by else ""
            return f"{ended}{why}, {decimal_text(event.filled)} filled", []
        case _:
            return event.type, []


def _took(event: OrderAcked | OrderRejected | CancelRejected | CancelAccepted) -> str:
    if not event.sent_ns:
        return ", as its private stream or a list says"
    return f", {(event.answered_ns - event.sent_ns) / _NS_PER_MS:.1f} ms after the first byte"


def reason_text(refusal: Refusal) -> str:
    """Say a reason with what was found and what the limit is."""
    found = f": found {refusal.found}" if refusal.found is not None else ""
    limit = f", limit {refusal.limit}" if refusal.limit is not None else ""
    return f"{refusal.code}{found}{limit}"


def _pairs(values: Mapping[str, object]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _count(things: list[str], name: str) -> str:
    return f"{len(things)} {name}" + ("" if len(things) == 1 else "s")


def _time(at_ns: int) -> str:
    at = datetime.fromtimestamp(at_ns // _NS_PER_S, UTC)
    return f"{at:%H:%M:%S}.{at_ns % _NS_PER_S // _NS_PER_MS:03d}"
