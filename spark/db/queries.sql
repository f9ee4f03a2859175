-- ping: answer, so that /healthz can tell whether the database does
SELECT 1;

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

-- seed_role: act as the owner of the tables, who alone may seed
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

-- copy_rejects: keep bad rows apart with their reasons, in the same transaction
COPY market.feed_rejects (topic, partition, record_offset, row_number, reason, detail, body)
    FROM STDIN;
