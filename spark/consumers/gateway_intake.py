"""
Opens and verifies what the signer sealed. Pure.

The gateway believes neither the topic nor the signer alone: the decision inside
must carry the guardrail's own tag for the gateway, say the same as the sealed
record, and have been made for this very gateway epoch, mode and endpoint.
"""

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass, field

import orjson

from spark import topics
from spark.codec import decode, type_name
from spark.errors import MalformedError, TagError
from spark.events import CancelApproved, OrderApproved, Refusal, RequestSealed, SigningSkipped
from spark.exchanges.port import SignedRequest
from spark.ledger.control import Control
from spark.ledger.control_state import named
from spark.names import AccountId, Action, Endpoint, Reason, TradingMode
from spark.signing import SealKey, TagChecker, bound_to
from spark.worker.contract import Given


@dataclass(frozen=True, slots=True)
class Now:
    """One reading of both clocks."""

    wall_ns: int
    monotonic_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayKeys:
    """What the gateway verifies and opens with."""

    seal: SealKey
    #: Verifies the guardrail's tags inside sealed records.
    guardrail: TagChecker
    log_epoch: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Permit:
    """What this gateway may send at all."""

    #: The environment's; what is in force follows from `control`.
    mode: TradingMode
    endpoint: Endpoint
    #: By partition: the epoch that this instance holds.
    epochs: dict[int, int]
    #: What people and protections have said, as this process folds it.
    control: Control = field(default_factory=Control)
    #: Looks now: every kill in force for an account, on the log and outside.
    kills: Callable[[AccountId], tuple[str, ...]] = lambda _: ()

    def refusal_now(self, approval: OrderApproved) -> Refusal | None:
        """
        Look whether an approval still holds: no kill, the mode, and no resume since (S9).

        Asked at intake, and again with no `await` before the first byte (R10).
        """
        if kills := self.kills(approval.account):
            return Refusal(code=Reason.KILL_SWITCH_ACTIVE, found=named(kills))
        mode = self.control.mode(approval.account, self.mode)
        if approval.mode is not mode:
            return Refusal(code=Reason.MODE_FORBIDS, found=approval.mode, limit=mode)
        resume = self.control.resume_offset
        if approval.resume_offset != resume:
            # Approved before a kill, or by a guardrail that has not read the resume yet.
            found, limit = str(approval.resume_offset), str(resume)
            return Refusal(code=Reason.RESUME_MISMATCH, found=found, limit=limit)
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A verified request."""

    sealed: RequestSealed
    approval: OrderApproved | CancelApproved
    request: SignedRequest


def open_request(
    given: Given, keys: GatewayKeys, permit: Permit, *, now_ns: int
) -> Opened | tuple[Refusal, ...]:
    """
    Open one signed record.

    Returns: what may be queued, or every reason why nothing will be sent.
    """
    if given.fault is not None:
        return (Refusal(code=given.fault.reason, found=given.fault.detail),)
    if isinstance(given.event, SigningSkipped):
        # Whoever reads what became of an order finds a reason, also of a signer gone wrong.
        return given.event.reasons or (Refusal(code=Reason.UPSTREAM_REFUSED),)
    if not isinstance(given.event, RequestSealed):
        return (Refusal(code=Reason.MALFORMED, found="not a signed record"),)
    try:
        opened = _opened(given.event, keys)
    except (MalformedError, TagError, ValueError, OverflowError, TypeError) as error:
        # Base64, hex, JSON and numbers out of range: whatever a signer gone wrong may write.
        return (Refusal(code=Reason.SEAL_INVALID, found=str(error)),)
    except _MismatchError as error:
        return (Refusal(code=Reason.APPROVAL_MISMATCH, found=str(error)),)
    wrong = _forbidden(opened, permit, partition=given.partition, now_ns=now_ns)
    return (wrong,) if wrong is not None else opened


class _MismatchError(Exception):
    pass


def _opened(sealed: RequestSealed, keys: GatewayKeys) -> Opened:
    body = sealed.decision.encode()
    tag = binascii.unhexlify(sealed.decision_tag)
    approval = decode(body)
    if not isinstance(approval, OrderApproved | CancelApproved):
        raise _MismatchError("the decision approves nothing")
    keys.guardrail.writer_of_tag(
        topics.DECISIONS, type_name(type(approval)), body, kid=sealed.decision_kid, tag=tag
    )
    for name in ("account", "strategy", "intent_id", "client_order_id", "symbol"):
        if getattr(sealed, name) != getattr(approval, name):
            raise _MismatchError(name)
    if (sealed.action is Action.PLACE) != isinstance(approval, OrderApproved):
        raise _MismatchError("action")
    # A cancel's mode is its target's: it goes the way on which the order went.
    if isinstance(approval, OrderApproved) and sealed.mode is not approval.mode:
        raise _MismatchError("mode")
    bound = bound_to(
        sealed.seal_kid,
        body,
        tag,
        src_offset=sealed.stamp.src_offset,
        log_epoch=keys.log_epoch,
        not_after_ns=sealed.not_after_ns,
    )
    plain = keys.seal.open(base64.b64decode(sealed.nonce), base64.b64decode(sealed.sealed), bound)
    return Opened(sealed=sealed, approval=approval, request=SignedRequest(**orjson.loads(plain)))


def _forbidden(opened: Opened, permit: Permit, *, partition: int, now_ns: int) -> Refusal | None:
    approval = opened.approval
    home = topics.partition_of(approval.account)
    if home != partition:
        return Refusal(code=Reason.WRONG_PARTITION, found=str(partition), limit=str(home))
    if approval.endpoint is not permit.endpoint:
        return Refusal(
            code=Reason.APPROVAL_MISMATCH, found=approval.endpoint, limit=permit.endpoint
        )
    if now_ns >= opened.sealed.not_after_ns:
        return Refusal(code=Reason.SIGNATURE_EXPIRED)
    if isinstance(approval, OrderApproved):
        if (refusal := permit.refusal_now(approval)) is not None:
            return refusal
        if approval.gateway_epoch != permit.epochs.get(partition):
            # Approved for a gateway that is gone: the guardrail must decide anew (R11).
            return Refusal(code=Reason.GATEWAY_NOT_READY, found=str(approval.gateway_epoch))
    return None
