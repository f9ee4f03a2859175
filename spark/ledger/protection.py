"""
What Spark does by itself when orders fare badly, in the order of spec B10. Pure.

Each reaction fires once, with the numbers that it found, and then waits for a person: it
is in force as long as a halt that it said is, and after a resume it looks only at what
came later. It goes towards safety alone; nothing here ever lets go of anything.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Final

from spark.events import ClockMeasured, DifferenceFound, TradingDemoted, TradingHalted
from spark.ledger.control_state import ALL_ACCOUNTS, Control
from spark.ledger.health import (
    BOUNDS_MS,
    HOUR_NS,
    Health,
    Sums,
    Told,
    class_text,
    p95_class,
    sums,
    sums_by_minute,
)
from spark.ledger.protection_case import Case, Finding, Rule, Thresholds
from spark.names import (
    AccountId,
    DifferenceKind,
    DifferenceRule,
    HaltSource,
    Role,
    TradingMode,
)

_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _NS_PER_S
NONCE_WINDOW_NS: Final = 5 * _MINUTE_NS
LIMITED_WINDOW_NS: Final = 3 * _MINUTE_NS
PLACE_ACK_WINDOW_NS: Final = 10 * _MINUTE_NS
#: P95 above which a kill is due; one of the latency classes' bounds.
PLACE_ACK_MS_MAX: Final = 2000
BUDGET_WINDOW_NS: Final = HOUR_NS
#: A budget that was spent long ago burns no more; the last five minutes must be bad, too.
BURN_WINDOW_NS: Final = 5 * _MINUTE_NS
#: One mishap among few requests is a large part of them and proves nothing.
NONCE_ERRORS_MIN: Final = 2
ERRORS_MIN: Final = 5
ACKS_MIN: Final = 10
#: Minutes without an acknowledgement after which slowness is not the same slowness.
_PAUSE_MINUTES_MAX: Final = 3


#: Differences that cannot come from outside: a balance may, by a deposit, and halts its account.
KILLING: Final = frozenset({DifferenceKind.FILL_UNPROVEN, DifferenceKind.ORDER_STATE})


def judge(
    health: Health,
    control: Control,
    *,
    account: AccountId,
    thresholds: Thresholds,
    clock: ClockMeasured | None,
    now_ns: int,
    differences: Sequence[DifferenceFound] = (),
) -> list[Finding]:
    """Look at one account; returns what is due and not in force yet, in the order of B10."""
    case = Case(
        account=account,
        health=health,
        control=control,
        thresholds=thresholds,
        clock=clock,
        now_ns=now_ns,
        differences=differences,
        since_ns={rule: resumed_ns(control, rule, account) for rule in Rule},
    )
    found = (look(case) for rule, look in _LOOKS.items() if not in_force(control, rule, account))
    return [finding for finding in found if finding is not None]


def halt_prefix(rule: Rule, account: AccountId) -> str:
    """Begin the name of a rule's halts; it is a file's name, too."""
    return f"{Role.SENTINEL}-{rule}-{account.replace(':', '.')}-"


def in_force(control: Control, rule: Rule, account: AccountId) -> bool:
    """Say whether a reaction has been made and nobody has resumed after it."""
    prefix = halt_prefix(rule, account)
    return any(halt.halt.startswith(prefix) for halt in control.halts_in_force())


def resumed_ns(control: Control, rule: Rule, account: AccountId) -> int:
    """Give when a person last resumed after this reaction; 0 for never."""
    prefix = halt_prefix(rule, account)
    return max(
        (
            control.resumed_ns[resume]
            for name, resume in control.cleared.items()
            if name.startswith(prefix) and name in control.halts
        ),
        default=0,
    )


def reaction(finding: Finding, at_ns: int) -> tuple[TradingHalted | TradingDemoted, ...]:
    """Write what is to be said on `control.halt`: the kill first, then the demotion."""
    halt = f"{halt_prefix(finding.rule, finding.account)}{at_ns // _NS_PER_MS}"
    said: tuple[TradingHalted | TradingDemoted, ...] = ()
    if finding.is_kill:
        # Whatever is wrong with one account may be wrong with us: all stop.
        said = (
            TradingHalted(
                halt=halt,
                account=ALL_ACCOUNTS,
                source=HaltSource.SENTINEL,
                by=Role.SENTINEL,
                reason=finding.reason,
                evidence=finding.evidence,
                at_ns=at_ns,
            ),
        )
        halt += "-paper"
    demoted = TradingDemoted(
        halt=halt,
        account=finding.account,
        mode=TradingMode.PAPER if finding.is_kill else None,
        orders_per_minute_max=finding.orders_per_minute_max,
        concurrency_max=finding.concurrency_max,
        source=HaltSource.SENTINEL,
        by=Role.SENTINEL,
        reason=finding.reason,
        evidence=finding.evidence,
        at_ns=at_ns,
    )
    return (*said, demoted)


def _nonce(case: Case) -> Finding | None:
    found = case.window(Rule.NONCE, NONCE_WINDOW_NS)
    if not _is_nonce_bad(found, case) or found.nonce < NONCE_ERRORS_MIN:
        return None
    return Finding(
        rule=Rule.NONCE,
        account=case.account,
        reason="the exchange refuses our time or nonce too often: one order a minute",
        evidence=_nonce_evidence(found, case)
        | {"clock_resync": "the venue watch measures the clock every 2 s and the signer uses it"},
        orders_per_minute_max=1,
    )


def _nonce_lasts(case: Case) -> Finding | None:
    prefix = halt_prefix(Rule.NONCE, case.account)
    demoted = [h for h in case.control.halts_in_force() if h.halt.startswith(prefix)]
    since_ns = min((halt.appended_ns for halt in demoted), default=case.now_ns)
    if case.now_ns - since_ns < NONCE_WINDOW_NS:
        return None
    # Only what came after the first reaction says whether it helped.
    after_ns = max(since_ns, case.now_ns - NONCE_WINDOW_NS, case.since_ns.get(Rule.NONCE_LASTS, 0))
    found = sums(case.health, after_ns=after_ns, now_ns=case.now_ns)
    if not _is_nonce_bad(found, case):
        return None
    return Finding(
        rule=Rule.NONCE_LASTS,
        account=case.account,
        reason="the exchange still refuses our time or nonce after 5 minutes at one order a minute",
        evidence=_nonce_evidence(found, case)
        | {"slowed_for": f"{(case.now_ns - since_ns) // _NS_PER_S} s"},
        is_kill=True,
    )


def _is_nonce_bad(found: Sums, case: Case) -> bool:
    return found.nonce > case.thresholds.nonce_part_max * found.ended


def _nonce_evidence(found: Sums, case: Case) -> dict[str, str]:
    clock = case.clock
    measured = "never measured"
    if clock is not None:
        offset_ms, doubt_ms = clock.offset_ns // _NS_PER_MS, clock.uncertainty_ns // _NS_PER_MS
        age_s = (case.now_ns - clock.measured_ns) // _NS_PER_S
        measured = f"{offset_ms} ms ahead, within {doubt_ms} ms, {age_s} s ago"
    return {
        "found": f"{found.nonce} of {found.ended} requests, {_part(found.nonce, found.ended)}",
        "limit": f"{case.thresholds.nonce_part_max:.2%} (NONCE_ERROR_RATE_MAX)",
        "window": _seconds(NONCE_WINDOW_NS),
        "exchange_clock": measured,
    }


def _rate_limit(case: Case) -> Finding | None:
    found = case.window(Rule.RATE_LIMIT, LIMITED_WINDOW_NS)
    rate = Decimal(found.limited) / (LIMITED_WINDOW_NS // _NS_PER_S)
    if rate <= case.thresholds.limited_per_s_max:
        return None
    return Finding(
        rule=Rule.RATE_LIMIT,
        account=case.account,
        reason="the exchange limits our rate again and again: one request at a time",
        evidence={
            "found": f"{found.limited} answers of {found.ended}, {rate:.3f}/s",
            "limit": f"{case.thresholds.limited_per_s_max}/s (RATE_LIMIT_BURST_MAX)",
            "window": _seconds(LIMITED_WINDOW_NS),
        },
        concurrency_max=1,
    )


def _place_ack(case: Case) -> Finding | None:
    since_ns = case.since_ns.get(Rule.PLACE_ACK, 0)
    after_ns = max(case.now_ns - 2 * PLACE_ACK_WINDOW_NS, since_ns)
    minutes = sums_by_minute(case.health, after_ns=after_ns, now_ns=case.now_ns)
    slow_max = BOUNDS_MS.index(PLACE_ACK_MS_MAX)
    acks, first, last = 0, case.now_ns // _MINUTE_NS, case.now_ns // _MINUTE_NS
    total = [0] * (len(BOUNDS_MS) + 1)
    for minute, found in minutes.items():
        p95 = p95_class(found.latencies)
        if p95 is None or p95 <= slow_max or first - minute > _PAUSE_MINUTES_MAX:
            break
        first = minute
        acks += sum(found.latencies)
        total = [a + b for a, b in zip(total, found.latencies, strict=True)]
    # From the first slow minute's end on, so that ten whole minutes were slow.
    lasted_ns = case.now_ns - (first + 1) * _MINUTE_NS
    p95 = p95_class(total)
    if p95 is None or first == last or lasted_ns < PLACE_ACK_WINDOW_NS or acks < ACKS_MIN:
        return None
    return Finding(
        rule=Rule.PLACE_ACK,
        account=case.account,
        reason="orders take too long from intent to acknowledgement",
        evidence={
            "found": f"P95 {class_text(p95)}, in each of {last - first + 1} minutes",
            "limit": f"{PLACE_ACK_MS_MAX} ms for 10 minutes",
            "window": f"{lasted_ns // _NS_PER_S + 60} s",
            "orders": str(acks),
        },
        is_kill=True,
    )


def _error_budget(case: Case) -> Finding | None:
    hour = case.window(Rule.ERROR_BUDGET, BUDGET_WINDOW_NS)
    burn = case.window(Rule.ERROR_BUDGET, BURN_WINDOW_NS)
    if hour.errors < ERRORS_MIN or hour.errors <= case.thresholds.error_part_max * hour.ended:
        return None
    if burn.errors <= case.thresholds.error_part_max * burn.ended:
        return None
    return Finding(
        rule=Rule.ERROR_BUDGET,
        account=case.account,
        reason="the error budget of the hour is spent, and errors go on",
        evidence={
            "found": f"{hour.errors} of {hour.ended} requests, {_part(hour.errors, hour.ended)}",
            "limit": f"{case.thresholds.error_part_max:.2%}",
            "window": _seconds(BUDGET_WINDOW_NS),
            "last_5_min": f"{burn.errors} of {burn.ended}",
            "without_answer": str(hour.unknown),
            "nonce": str(hour.nonce),
            "rate_limited": str(hour.limited),
        },
        is_kill=True,
    )


def _late_fill(case: Case) -> Finding | None:
    reason = "the exchange filled an order that it had ended: our picture of it is wrong"
    return _at_first_sight(case, Rule.LATE_FILL, case.health.odd, reason=reason)


def _overfill(case: Case) -> Finding | None:
    reason = "the exchange filled more than was ordered: it has another order than we have"
    return _at_first_sight(case, Rule.OVERFILL, case.health.overfills, reason=reason)


def _key_refused(case: Case) -> Finding | None:
    # Whatever goes next is refused as well, and BTCTurk shuts out an address for it.
    reason = "the exchange refuses the key that orders are signed with"
    return _at_first_sight(case, Rule.KEY_REFUSED, case.health.refused_keys, reason=reason)


def _at_first_sight(case: Case, rule: Rule, told: Sequence[Told], *, reason: str) -> Finding | None:
    """Kill for one of its kind: nothing that should ever be seen."""
    since_ns = case.since_ns.get(rule, 0)
    new = [one for one in told if one.at_ns > since_ns]
    if not new:
        return None
    last = new[-1]
    return Finding(
        rule=rule,
        account=case.account,
        reason=reason,
        evidence={
            "found": f"{len(new)}, the last: {last.order} {last.what}",
            "limit": "0",
            "window": "since the last resume",
            "at_ns": str(last.at_ns),
        },
        is_kill=True,
    )


def _disagreement(case: Case) -> Finding | None:
    """S9: what the exchange told the gateway and the account feed cannot both be true."""
    since_ns = case.since_ns.get(Rule.DISAGREEMENT, 0)
    found = [
        one
        for one in case.differences
        if one.kind in KILLING and one.rule is DifferenceRule.HALTED and one.at_ns > since_ns
    ]
    if not found:
        return None
    last = found[-1]
    return Finding(
        rule=Rule.DISAGREEMENT,
        account=case.account,
        reason="log and exchange disagree about our own orders: one of them is not to be believed",
        evidence={
            "found": f"{len(found)}, the last: {last.kind} {last.subject}",
            "limit": "0, two seconds after it was written",
            "difference": last.difference,
            "ours": last.ours,
            "theirs": last.theirs,
        },
        is_kill=True,
    )


#: The order of B10; a dict keeps it.
_LOOKS: Final[dict[Rule, Callable[[Case], Finding | None]]] = {
    Rule.NONCE: _nonce,
    Rule.RATE_LIMIT: _rate_limit,
    Rule.PLACE_ACK: _place_ack,
    Rule.NONCE_LASTS: _nonce_lasts,
    Rule.ERROR_BUDGET: _error_budget,
    Rule.LATE_FILL: _late_fill,
    Rule.OVERFILL: _overfill,
    Rule.DISAGREEMENT: _disagreement,
    Rule.KEY_REFUSED: _key_refused,
}


def _part(count: int, total: int) -> str:
    return f"{Decimal(count) / total:.2%}" if total else "of none"


def _seconds(length_ns: int) -> str:
    return f"{length_ns // _NS_PER_S} s"
