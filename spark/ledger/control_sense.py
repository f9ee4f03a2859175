"""
Which words of people make sense, and which of them go back towards risk (S11). Pure.

Computed by each reader from what it has folded, never declared by the writer.
"""

from typing import Final

from spark.events import (
    AcceptDifference,
    Proposal,
    ResolveUnknown,
    ResumeTrading,
    SetBreaker,
    SetLimits,
    SetMode,
)
from spark.ids import is_ours
from spark.ledger.control_state import ALL_ACCOUNTS, MODES, Control, strictest
from spark.ledger.limit_sense import absurd, loosened
from spark.names import AccountId, BreakerState, TradingMode
from spark.topics import ACCOUNT_PARTITION

REASON_CHARS_MAX: Final = 500
_RAMP_PCT_MAX: Final = 100
_NAME_CHARS_MAX: Final = 40
_RISKY: Final = frozenset({TradingMode.TRICKLE, TradingMode.LIVE})


class VoidError(Exception):
    """Why a signature or a proposal does not count."""


def check(control: Control, proposal: Proposal) -> None:
    """
    Look whether a proposal can have a sense, whoever signs it.

    Raises:
        VoidError: it cannot.

    """
    if not 0 < len(proposal.reason.strip()) <= REASON_CHARS_MAX:
        raise VoidError(f"a reason of 1 to {REASON_CHARS_MAX} characters is needed")
    if isinstance(proposal, ResumeTrading):
        if not proposal.halts:
            raise VoidError("it names no halt")
        return
    if proposal.account not in ACCOUNT_PARTITION:
        raise VoidError(f"there is no account {proposal.account[:_NAME_CHARS_MAX]!r}")
    match proposal:
        case SetMode() if not 1 <= proposal.volume_ramp_pct <= _RAMP_PCT_MAX:
            raise VoidError(f"volume_ramp_pct is {proposal.volume_ramp_pct}, not 1 to 100")
        case ResolveUnknown() if not is_ours(proposal.client_order_id):
            raise VoidError("it names no order of ours")
        case AcceptDifference() if not proposal.difference:
            raise VoidError("it names no difference")
        case SetLimits():
            _check_limits(control, proposal)
        case _:
            return


def is_risky(control: Control, proposal: Proposal, start_mode: TradingMode) -> bool:
    """Tell whether a proposal goes back towards risk, in trickle or live."""
    if isinstance(proposal, ResumeTrading):
        # The nameless one stands for the accounts of which nobody has said anything.
        accounts = {*control.modes, AccountId(ALL_ACCOUNTS)}
        return any(control.said_mode(account, start_mode) in _RISKY for account in accounts)
    before = control.said_mode(proposal.account, start_mode)
    match proposal:
        case SetBreaker():
            return before in _RISKY and proposal.state is not BreakerState.OPEN
        case ResolveUnknown() | AcceptDifference():
            return before in _RISKY
        case SetLimits():
            known = control.limit_values(proposal.account, proposal.strategy)
            return before in _RISKY and bool(loosened(known, proposal.limits))
        case SetMode():
            return _is_mode_risky(control, proposal, before, start_mode=start_mode)


def _is_mode_risky(
    control: Control, proposal: SetMode, before: TradingMode, *, start_mode: TradingMode
) -> bool:
    after = strictest((start_mode, proposal.mode))
    word = control.modes.get(proposal.account)
    ramp_before = _RAMP_PCT_MAX if word is None else word.volume_ramp_pct
    is_looser = MODES.index(after) > MODES.index(before)
    return after in _RISKY and (is_looser or proposal.volume_ramp_pct > ramp_before)


def _check_limits(control: Control, proposal: SetLimits) -> None:
    known = control.limits_version(proposal.account, proposal.strategy)
    if proposal.version != known + 1:
        raise VoidError(f"version {proposal.version} does not follow {known}")
    problems = absurd(proposal.limits, proposal.strategy)
    if problems:
        raise VoidError("; ".join(problems))
