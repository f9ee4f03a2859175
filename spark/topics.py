"""
The one table of topics: what each is for, who writes it, who reads it.

Broker topics, ACLs (embedded/provision.py), `schemas/asyncapi.yaml` and the
runbook are generated from here. Nothing is compacted: a tombstone erases, and
Spark never erases (facts: R9).
"""

from dataclasses import dataclass
from typing import Final

from spark.names import AccountId, Role

KEEP_MS: Final = -1
_DAY_MS: Final = 24 * 60 * 60 * 1000
_KIB: Final = 1024

#: Explicit, never hashed: a new account is a new line here and, where the
#: number grows, a stop of every stage (R16).
ACCOUNT_PARTITION: Final[dict[AccountId, int]] = {
    AccountId("binance:main"): 0,
    AccountId("btcturk:main"): 1,
    AccountId("bist:main"): 2,
}
ACCOUNT_PARTITIONS: Final = max(ACCOUNT_PARTITION.values()) + 1

#: A single intent; a larger one is refused as malformed and never embedded.
INTENT_BYTES_MAX: Final = 8 * _KIB

STRATEGIES: Final = frozenset({"strategy-demo"})
#: Persons; two, because going back towards risk takes two (S11).
OPERATORS: Final = frozenset({"op-local", "op-second"})
PROVISIONER: Final = "provisioner"
ROLES: Final = frozenset(role.value for role in Role)
#: Every Kafka user apart from the broker, the controller and the provisioner.
PRINCIPALS: Final = ROLES | STRATEGIES | OPERATORS


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """One topic; principals are Kafka user names."""

    name: str
    purpose: str
    key: str
    #: Event type names (spark/events.py) that may stand on it.
    events: tuple[str, ...]
    partitions: int
    #: True: the broker stamps records, so that no writer chooses its own time (S1).
    append_time: bool
    #: -1 keeps everything: what a state is folded from must not expire (R8).
    retention_ms: int
    #: Limits a whole batch, as Kafka does. Each hop embeds the one before, so each
    #: limit is far above its input's (R20); a writer keeps its batches below it.
    message_bytes_max: int
    #: How many of its last records tell all that is still true; 0 means all of them.
    tail_records: int = 0
    #: fsync every record; only for the rare and precious.
    flush_each: bool = False
    writers: frozenset[str]
    readers: frozenset[str]


def _who(*names: str) -> frozenset[str]:
    return frozenset(names)


_EVERYBODY: Final = PRINCIPALS
_WATCHERS: Final = _who(Role.AUDITOR) | OPERATORS

INTENTS: Final = "orders.intents"
DECISIONS: Final = "orders.decisions"
SIGNED: Final = "orders.signed"
EVENTS: Final = "orders.events"
ACCOUNT_EVENTS: Final = "account.events"
VENUE_STATE: Final = "venue.state"
CONTROL: Final = "control"
CONTROL_HALT: Final = "control.halt"
CONTROL_PULSE: Final = "control.pulse"
CONTROL_CONFIRMED: Final = "control.confirmed"
CONTROL_KEYS: Final = "control.keys"
CONTROL_STARTS: Final = "control.starts"
RISK_EQUITY: Final = "risk.equity"
VENUE_MARKS: Final = "venue.marks"
BINANCE_MARKS: Final = "market.binance.marks"
BINANCE_QUOTES: Final = "market.binance.quotes"
BINANCE_TRADES: Final = "market.binance.trades"
BINANCE_BOOKS: Final = "market.binance.books"
BTCTURK_MARKS: Final = "market.btcturk.marks"
BTCTURK_QUOTES: Final = "market.btcturk.quotes"
BTCTURK_TRADES: Final = "market.btcturk.trades"
BTCTURK_BOOKS: Final = "market.btcturk.books"
AUDIT: Final = "audit"
AUDIT_PULSE: Final = "audit.pulse"


def _orders(
    name: str,
    purpose: str,
    events: tuple[str, ...],
    *,
    message_bytes_max: int,
    writers: frozenset[str],
    readers: frozenset[str],
) -> Topic:
    return Topic(
        name=name,
        purpose=purpose,
        key="account",
        events=events,
        partitions=ACCOUNT_PARTITIONS,
        append_time=True,
        retention_ms=KEEP_MS,
        message_bytes_max=message_bytes_max,
        writers=writers,
        readers=readers | _WATCHERS,
    )


def _single(
    name: str,
    purpose: str,
    events: tuple[str, ...],
    *,
    writers: frozenset[str],
    readers: frozenset[str],
    key: str = "none",
    retention_ms: int = KEEP_MS,
    flush_each: bool = False,
    message_bytes_max: int = 64 * _KIB,
    tail_records: int = 0,
    append_time: bool | None = None,
) -> Topic:
    is_market = name.startswith(("market.", "audit"))
    return Topic(
        name=name,
        purpose=purpose,
        tail_records=tail_records,
        key=key,
        events=events,
        partitions=1,
        append_time=not is_market if append_time is None else append_time,
        retention_ms=retention_ms,
        message_bytes_max=message_bytes_max,
        flush_each=flush_each,
        writers=writers,
        readers=readers,
    )


_FEEDS: Final = {"binance": Role.BINANCE_FEED, "btcturk": Role.BTCTURK_FEED}
_VENUE_NAMES: Final = {"binance": "Binance", "btcturk": "BTCTurk"}


def _market(venue: str, kind: str, event: str) -> Topic:
    return _single(
        f"market.{venue}.{kind}",
        f"{_VENUE_NAMES[venue]} {kind} as they came from the socket, one record for each read "
        "and symbol; what is missing is a record too",
        (event, "feed_gapped", "partition_fenced"),
        writers=_who(_FEEDS[venue]),
        readers=_who(Role.FEED_WRITER, Role.GATEWAY) | STRATEGIES | OPERATORS,
        key="symbol",
        retention_ms=3 * _DAY_MS,
        message_bytes_max=1024 * _KIB,
    )


def _marks(name: str, purpose: str, writer: Role) -> Topic:
    return _single(
        name,
        purpose,
        ("prices_marked", "partition_fenced"),
        writers=_who(writer),
        readers=_who(Role.GUARDRAIL, Role.SENTINEL) | STRATEGIES | OPERATORS,
        key="venue",
        append_time=True,
        # Decisions are recomputed from them for as long; later only from what they recorded.
        retention_ms=30 * _DAY_MS,
        tail_records=20,
    )


def _dead_letters(role: Role) -> Topic:
    return _single(
        f"dlq.{role.value}",
        f"What {role.value} could not use, with the reason",
        ("dead_lettered",),
        writers=_who(role),
        readers=OPERATORS,
        retention_ms=28 * _DAY_MS,
        message_bytes_max=256 * _KIB,
    )


#: Who may meet bad input.
_QUARANTINING: Final = (
    Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.BINANCE_FEED,
    Role.BTCTURK_FEED, Role.ACCOUNT_FEED, Role.FEED_WRITER,
)  # fmt: skip
_OF_ORDERS: Final = (
    "partition_fenced", "gateway_ready", "order_claimed", "request_not_sent", "outcome_unknown",
    "order_resolved", "order_acked", "order_rejected", "order_filled", "order_cancelled",
    "order_expired", "cancel_accepted", "cancel_rejected", "breaker_changed",
)  # fmt: skip

TOPICS: Final[tuple[Topic, ...]] = (
    _orders(
        INTENTS,
        "What strategies and operators ask for; nothing else starts an order",
        ("place_order", "cancel_order"),
        message_bytes_max=64 * _KIB,
        writers=STRATEGIES | OPERATORS,
        readers=_who(Role.GUARDRAIL, Role.PROJECTOR),
    ),
    _orders(
        DECISIONS,
        "One decision for each intent: approved or refused, with every reason",
        ("partition_fenced", "order_approved", "cancel_approved", "intent_refused"),
        message_bytes_max=256 * _KIB,
        writers=_who(Role.GUARDRAIL),
        readers=_who(Role.SIGNER, Role.PROJECTOR, Role.SENTINEL) | STRATEGIES,
    ),
    _orders(
        SIGNED,
        "One sealed request, or the reason why there is none, for each decision",
        ("partition_fenced", "request_sealed", "signing_skipped"),
        message_bytes_max=1024 * _KIB,
        writers=_who(Role.SIGNER),
        readers=_who(Role.GATEWAY),
    ),
    _orders(
        EVENTS,
        "What the gateway claims (opinions) and what the exchange answered (evidence)",
        _OF_ORDERS,
        message_bytes_max=256 * _KIB,
        writers=_who(Role.GATEWAY),
        readers=_who(Role.GUARDRAIL, Role.SIGNER, Role.PROJECTOR, Role.SENTINEL, Role.ACCOUNT_FEED)
        | STRATEGIES,
    ),
    _orders(
        ACCOUNT_EVENTS,
        "What the exchange's private stream and reconciliation report",
        (
            "partition_fenced",
            "account_doubted",
            "account_reconciled",
            "difference_found",
            "difference_closed",
            "foreign_order_seen",
            "balances_seen",
            "fees_seen",
            "order_acked",
            "order_rejected",
            "order_filled",
            "order_cancelled",
            "order_expired",
        ),
        message_bytes_max=256 * _KIB,
        writers=_who(Role.ACCOUNT_FEED),
        readers=_who(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.PROJECTOR, Role.SENTINEL)
        | STRATEGIES,
    ),
    _single(
        VENUE_STATE,
        "Instruments, fees and the clock of each exchange",
        ("instrument_published", "clock_measured", "sessions_published", "partition_fenced"),
        writers=_who(Role.VENUE_WATCH),
        readers=_who(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.SENTINEL, Role.ACCOUNT_FEED)
        | _WATCHERS,
        key="venue",
        # The clock is said every 2 s and each instrument every 10 min: some hours' worth.
        tail_records=5_000,
    ),
    _single(
        CONTROL,
        "Signed words of people: resume, mode, limits, breakers, what they take over",
        ("proposal_signed",),
        writers=OPERATORS,
        readers=_who(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.SENTINEL, Role.ACCOUNT_FEED)
        | _WATCHERS,
        flush_each=True,
    ),
    _single(
        CONTROL_HALT,
        "Kill and demote, nothing else",
        ("trading_halted", "trading_demoted"),
        writers=OPERATORS | _who(Role.GUARDRAIL, Role.GATEWAY, Role.SENTINEL, Role.WEBHOOK),
        readers=_who(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY, Role.SENTINEL, Role.WEBHOOK)
        | _WATCHERS,
        flush_each=True,
    ),
    _single(
        CONTROL_PULSE,
        "Each process says that it lives, where it stands and what it believes",
        ("process_pulsed",),
        writers=_EVERYBODY,
        readers=_EVERYBODY,
        key="role",
        retention_ms=2 * _DAY_MS,
    ),
    _single(
        CONTROL_CONFIRMED,
        "Who could let an order through says that it does not: no strategy may say so for it",
        ("halt_confirmed",),
        writers=_who(Role.GUARDRAIL, Role.SIGNER, Role.GATEWAY),
        readers=_WATCHERS,
        key="role",
        retention_ms=2 * _DAY_MS,
    ),
    _single(
        CONTROL_KEYS,
        "Each use of an exchange key beside orders.signed",
        ("key_used",),
        writers=_who(Role.SIGNER),
        readers=_WATCHERS,
        key="account",
    ),
    _single(
        CONTROL_STARTS,
        "Each start of a process: its version, its program's digest and its settings'",
        ("process_started",),
        writers=ROLES | STRATEGIES,
        readers=_WATCHERS,
        key="role",
    ),
    _single(
        RISK_EQUITY,
        "Equity marked once a second for each strategy and account",
        ("partition_fenced", "equity_marked"),
        writers=_who(Role.SENTINEL),
        readers=_who(Role.GUARDRAIL) | _WATCHERS,
        key="account",
        # Each record tells the peak of 24 h itself, so the last one of each book is enough.
        tail_records=1_000,
    ),
    _marks(
        VENUE_MARKS, "Prices as the venue watch asks for them, to check the feeds", Role.VENUE_WATCH
    ),
    _marks(BINANCE_MARKS, "Binance prices as the feed has them, a few a second", Role.BINANCE_FEED),
    _marks(BTCTURK_MARKS, "BTCTurk prices as the feed has them, a few a second", Role.BTCTURK_FEED),
    *(
        _market(venue, kind, event)
        for venue in _FEEDS
        for kind, event in (
            ("quotes", "quotes_received"),
            ("trades", "trades_received"),
            ("books", "books_changed"),
        )
    ),
    _single(
        AUDIT,
        "The hash chain over every order and control record",
        ("partition_fenced", "audit_paged", "audit_checkpointed"),
        writers=_who(Role.AUDITOR),
        readers=_who(Role.GUARDRAIL) | OPERATORS,
        message_bytes_max=1024 * _KIB,
    ),
    _single(
        AUDIT_PULSE,
        "How far the audit has come, and what a witness saw: new orders wait for it",
        ("process_pulsed", "receipt"),
        writers=_who(Role.AUDITOR),
        readers=_who(Role.GUARDRAIL) | OPERATORS,
        key="role",
        retention_ms=2 * _DAY_MS,
        append_time=True,
        # Four pulses a second, over the 600 s for which a receipt may count (R15).
        tail_records=2_600,
    ),
    *map(_dead_letters, _QUARANTINING),
)

BY_NAME: Final[dict[str, Topic]] = {topic.name: topic for topic in TOPICS}
#: What the auditor chains: everything that can start, change or stop an order.
AUDITED: Final[tuple[str, ...]] = (
    INTENTS, DECISIONS, SIGNED, EVENTS, ACCOUNT_EVENTS, VENUE_STATE, CONTROL, CONTROL_HALT,
    CONTROL_KEYS, CONTROL_STARTS,
)  # fmt: skip
#: Whose records carry their writer's epoch in a header, because they bear no stamps (fence.py).
HELD: Final = frozenset(name for name in BY_NAME if name.startswith(("market.", "venue.")))


def partition_of(account: AccountId) -> int | None:
    """
    Find the partition of an account on every `orders.*` topic.

    Returns: None for an account that the table does not have.
    """
    return ACCOUNT_PARTITION.get(account)


def readable_by(principal: str) -> frozenset[str]:
    """List the topics that a principal may read: its own outputs and what is granted."""
    return frozenset(t.name for t in TOPICS if principal in t.readers | t.writers)


def writable_by(principal: str) -> frozenset[str]:
    """List the topics that a principal may write."""
    return frozenset(t.name for t in TOPICS if principal in t.writers)
