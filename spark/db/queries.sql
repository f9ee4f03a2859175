-- ping: answer whether this session may write, so that /healthz can tell both
SELECT current_setting('transaction_read_only') = 'off';

-- migrations_exist: tell a database that was never migrated from one that was
SELECT EXISTS (
    SELECT FROM pg_catalog.pg_class WHERE relname = 'schema_migrations'
    AND relnamespace = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public')
);

-- migrations_applied: list what was applied, with the digest of the file then
SELECT version, name, sha256, applied_at FROM public.schema_migrations ORDER BY version;

-- migration_note: note a migration as applied, in its own transaction
INSERT INTO public.schema_migrations (version, name, sha256)
VALUES (%(version)s, %(name)s, %(sha256)s);

-- migration_lock: let one migration run at a time; released with the transaction
SELECT pg_advisory_xact_lock(hashtext('spark.migrate'));

-- act_as_owner: act as the owner of the tables, who alone may seed and rebuild them
SET LOCAL ROLE spark_owner;

-- seed_user: the local operator
INSERT INTO public.users (email, name, role) VALUES ('operator@localhost', 'Operator', 'operator')
ON CONFLICT (email) DO NOTHING;

-- seed_strategy: the demo strategy of `spark up`
INSERT INTO public.strategies (name, owner_id, code, status)
SELECT 'demo', id, %(code)s, 'paper' FROM public.users WHERE email = 'operator@localhost'
ON CONFLICT (name) DO NOTHING;

-- feed_positions: where the writer stands on each partition
SELECT topic, partition, topic_id::text, next_offset, last_digest
FROM market.feed_offsets WHERE topic = ANY(%(topics)s);

-- feed_begin: take a partition for the first time; whoever came before stays
INSERT INTO market.feed_offsets (topic, partition, topic_id, next_offset, last_digest)
VALUES (%(topic)s, %(partition)s, %(topic_id)s, %(next_offset)s, '')
ON CONFLICT DO NOTHING;

-- feed_advance: move the offsets by compare-and-swap, or abort (R19)
SELECT market.move_offsets(
    %(topics)s::text[], %(partitions)s::int[], %(olds)s::bigint[], %(news)s::bigint[],
    %(digests)s::text[]
);

-- feed_prepare_day: make the partitions of a day before its first row
SELECT market.prepare_day(%(day)s);

-- copy_quotes: take quotes in the order in which they stand in a record
COPY market.quotes (received_ns, update_id, bid, bid_quantity, ask, ask_quantity,
                    venue, symbol, origin_partition, origin_offset) FROM STDIN;

-- copy_trades: take trades in the order in which they stand in a record
COPY market.trades (received_ns, exchange_ns, trade_id, price, quantity, is_buyer_maker,
                    venue, symbol, origin_partition, origin_offset) FROM STDIN;

-- copy_books: take depth updates in the order in which they stand in a record
COPY market.book_updates (received_ns, exchange_ns, first_update_id, last_update_id, bids, asks,
                          venue, symbol, origin_partition, origin_offset) FROM STDIN;

-- copy_gaps: take what is missing, beside the rows around it
COPY market.gaps (cause, kind, last_id, last_ns, next_id, resumed_ns,
                  venue, symbol, origin_partition, origin_offset) FROM STDIN;

-- copy_rejects: keep bad rows apart with their reasons, in the same transaction
COPY market.feed_rejects (topic, partition, record_offset, row_number, reason, detail, body)
    FROM STDIN;

-- projector_positions: where the projector stands on each partition
SELECT topic, partition, topic_id::text, next_offset, last_digest, epoch, seq
FROM projector_offsets WHERE topic = ANY(%(topics)s) AND partition = ANY(%(partitions)s);

-- projector_begin: take a partition for the first time; whoever came before stays
INSERT INTO projector_offsets (topic, partition, topic_id, next_offset, last_digest)
VALUES (%(topic)s, %(partition)s, %(topic_id)s, 0, '')
ON CONFLICT DO NOTHING;

-- projector_advance: move the offsets by compare-and-swap, or abort (R19)
SELECT public.move_projection(
    %(topics)s::text[], %(partitions)s::int[], %(olds)s::bigint[], %(news)s::bigint[],
    %(digests)s::text[], %(epochs)s::bigint[], %(seqs)s::bigint[]
);

-- projected_intents: intents by their places, as far as they are known
SELECT i.partition, i.record_offset,
    i.account, i.strategy, i.intent_id, i.action, i.symbol, i.side, i.order_type,
    i.time_in_force, i.quantity, i.price, i.target_intent_id, i.appended_ns,
    i.outcome, i.is_proven, i.client_order_id, i.mode, i.endpoint, i.reasons, i.decided_ns
FROM unnest(%(partitions)s::int[], %(offsets)s::bigint[]) AS k (partition, place)
CROSS JOIN LATERAL (
    SELECT * FROM intents WHERE partition = k.partition AND record_offset = k.place LIMIT 1
) AS i;

-- projected_parts: what is known of orders, topic by topic
SELECT o.account, o.client_order_id, o.parts::text
FROM unnest(%(accounts)s::text[], %(ids)s::text[]) AS k (account, id)
CROSS JOIN LATERAL (
    SELECT * FROM order_parts WHERE account = k.account AND client_order_id = k.id LIMIT 1
) AS o;

-- projected_trades: the trades of orders
SELECT t.account, t.client_order_id, t.cumulative, t.quantity, t.price, t.trade_id
FROM unnest(%(accounts)s::text[], %(ids)s::text[]) AS k (account, id)
CROSS JOIN LATERAL (
    SELECT * FROM trades WHERE account = k.account AND client_order_id = k.id OFFSET 0
) AS t;

-- projected_positions: positions by their keys
SELECT p.account, p.mode, p.symbol, p.exchange, p.quantity, p.average_price, p.realised_pnl
FROM unnest(%(accounts)s::text[], %(modes)s::text[], %(symbols)s::text[], %(exchanges)s::text[])
    AS k (account, mode, symbol, exchange)
CROSS JOIN LATERAL (
    SELECT * FROM positions WHERE account = k.account AND mode = k.mode
    AND symbol = k.symbol AND exchange = k.exchange LIMIT 1
) AS p;

-- project_intents: write intents, whole
INSERT INTO intents SELECT * FROM jsonb_populate_recordset(NULL::intents, %(rows)s::jsonb)
ON CONFLICT (partition, record_offset) DO UPDATE SET
    account = EXCLUDED.account, strategy = EXCLUDED.strategy, intent_id = EXCLUDED.intent_id,
    action = EXCLUDED.action, symbol = EXCLUDED.symbol, side = EXCLUDED.side,
    order_type = EXCLUDED.order_type, time_in_force = EXCLUDED.time_in_force,
    quantity = EXCLUDED.quantity, price = EXCLUDED.price,
    target_intent_id = EXCLUDED.target_intent_id, appended_ns = EXCLUDED.appended_ns,
    outcome = EXCLUDED.outcome, is_proven = EXCLUDED.is_proven,
    client_order_id = EXCLUDED.client_order_id, mode = EXCLUDED.mode,
    endpoint = EXCLUDED.endpoint, reasons = EXCLUDED.reasons, decided_ns = EXCLUDED.decided_ns;

-- project_parts: write what each topic says of orders
INSERT INTO order_parts SELECT * FROM jsonb_populate_recordset(NULL::order_parts, %(rows)s::jsonb)
ON CONFLICT (account, client_order_id) DO UPDATE SET parts = EXCLUDED.parts;

-- project_orders: write orders, whole
INSERT INTO orders SELECT * FROM jsonb_populate_recordset(NULL::orders, %(rows)s::jsonb)
ON CONFLICT (account, client_order_id) DO UPDATE SET
    intent_id = EXCLUDED.intent_id, strategy = EXCLUDED.strategy, exchange = EXCLUDED.exchange,
    symbol = EXCLUDED.symbol, mode = EXCLUDED.mode, endpoint = EXCLUDED.endpoint,
    side = EXCLUDED.side, order_type = EXCLUDED.order_type,
    time_in_force = EXCLUDED.time_in_force, quantity = EXCLUDED.quantity, price = EXCLUDED.price,
    status = EXCLUDED.status, filled_quantity = EXCLUDED.filled_quantity,
    exchange_order_id = EXCLUDED.exchange_order_id,
    place_latency_ms = EXCLUDED.place_latency_ms, error_class = EXCLUDED.error_class,
    reasons = EXCLUDED.reasons, created_ns = EXCLUDED.created_ns,
    updated_ns = EXCLUDED.updated_ns;

-- project_trades: add trades; each is written once
INSERT INTO trades SELECT * FROM jsonb_populate_recordset(NULL::trades, %(rows)s::jsonb);

-- project_positions: write positions, whole
INSERT INTO positions SELECT * FROM jsonb_populate_recordset(NULL::positions, %(rows)s::jsonb)
ON CONFLICT (account, mode, symbol, exchange) DO UPDATE SET
    quantity = EXCLUDED.quantity, average_price = EXCLUDED.average_price,
    realised_pnl = EXCLUDED.realised_pnl, updated_ns = EXCLUDED.updated_ns;

-- project_rejects: keep bad records apart with their reasons, in the same transaction
INSERT INTO projector_rejects
SELECT * FROM jsonb_populate_recordset(NULL::projector_rejects, %(rows)s::jsonb);

-- rebuild_begin: put empty temporary tables before the projected ones
SELECT public.begin_rebuild();

-- rebuild_hold: let no projector commit until this transaction ends
SELECT public.hold_projection();

-- rebuild_replace: put the rebuilt rows in place of those that are there
SELECT name, rows FROM public.replace_projection();

-- rebuild_compare: compare the rows that are there with the rebuilt ones
SELECT name, rows, differing, kept, rebuilt FROM public.compare_projection();

-- rebuild_offsets: say how far the rebuilt rows go
INSERT INTO projector_offsets
    (topic, partition, topic_id, next_offset, last_digest, epoch, seq)
SELECT * FROM unnest(
    %(topics)s::text[], %(partitions)s::int[], %(ids)s::uuid[], %(news)s::bigint[],
    %(digests)s::text[], %(epochs)s::bigint[], %(seqs)s::bigint[]
)
ON CONFLICT (topic, partition) DO UPDATE SET
    topic_id = EXCLUDED.topic_id, next_offset = EXCLUDED.next_offset,
    last_digest = EXCLUDED.last_digest, epoch = EXCLUDED.epoch, seq = EXCLUDED.seq;

-- jury_places: how far the projected tables go
SELECT topic, partition, next_offset FROM projector_offsets;

-- jury_market_rows: rows of each market topic in the tables, at the place up to which they go
SELECT o.topic, o.next_offset,
    CASE split_part(o.topic, '.', 3)
        WHEN 'quotes' THEN
            (SELECT count(*) FROM market.quotes WHERE venue = split_part(o.topic, '.', 2))
        WHEN 'trades' THEN
            (SELECT count(*) FROM market.trades WHERE venue = split_part(o.topic, '.', 2))
        ELSE
            (SELECT count(*) FROM market.book_updates WHERE venue = split_part(o.topic, '.', 2))
    END
FROM market.feed_offsets o;

-- audit_anchored: how many links of the audit's chain have an anchor in the table
SELECT coalesce(max(size), 0) FROM audit_anchors WHERE witness = '';

-- audit_anchor_add: keep an anchor or a receipt
INSERT INTO audit_anchors (size, witness, root, head, lines, record, body)
VALUES (%(size)s, %(witness)s, %(root)s, %(head)s, %(lines)s, %(record)s, %(body)s)
ON CONFLICT (size, witness) DO NOTHING;

-- audit_anchors_all: every anchor and receipt, in the order of the chain
SELECT size, witness, record, body FROM audit_anchors ORDER BY size, witness;
