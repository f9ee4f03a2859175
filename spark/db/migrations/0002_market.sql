-- Market data: a quote is a row, a trade is a row, a depth update is one row with its levels.
--
-- Times are nanoseconds since 1970, UTC, as on the wire; decimals are exact. Each row names
-- the record it came from. No unique index: the offsets, moved in the same transaction, are
-- what makes it exactly once (design §7).

SET LOCAL ROLE spark_owner;

CREATE TABLE market.quotes (
    received_ns bigint NOT NULL,
    update_id bigint NOT NULL,
    origin_offset bigint NOT NULL,
    origin_partition integer NOT NULL,
    bid numeric NOT NULL,
    bid_quantity numeric NOT NULL,
    ask numeric NOT NULL,
    ask_quantity numeric NOT NULL,
    venue text NOT NULL,
    symbol text NOT NULL
) PARTITION BY RANGE (received_ns);

CREATE TABLE market.trades (
    received_ns bigint NOT NULL,
    exchange_ns bigint NOT NULL,
    trade_id bigint NOT NULL,
    origin_offset bigint NOT NULL,
    origin_partition integer NOT NULL,
    is_buyer_maker boolean NOT NULL,
    price numeric NOT NULL,
    quantity numeric NOT NULL,
    venue text NOT NULL,
    symbol text NOT NULL
) PARTITION BY RANGE (received_ns);

CREATE TABLE market.book_updates (
    received_ns bigint NOT NULL,
    exchange_ns bigint NOT NULL,
    first_update_id bigint NOT NULL,
    last_update_id bigint NOT NULL,
    origin_offset bigint NOT NULL,
    origin_partition integer NOT NULL,
    bids numeric[] NOT NULL,
    asks numeric[] NOT NULL,
    venue text NOT NULL,
    symbol text NOT NULL
) PARTITION BY RANGE (received_ns);
COMMENT ON COLUMN market.book_updates.bids IS
    '{{price, quantity}, …}; quantity 0 removes the level';
COMMENT ON COLUMN market.book_updates.first_update_id IS
    '0: a full book, which replaces what was before';

-- Rows come in the order of time, so a range index of a few pages serves; BRIN costs
-- an insert nothing.
CREATE INDEX quotes_received ON market.quotes USING brin (received_ns)
    WITH (autosummarize = on);
CREATE INDEX trades_received ON market.trades USING brin (received_ns)
    WITH (autosummarize = on);
CREATE INDEX book_updates_received ON market.book_updates USING brin (received_ns)
    WITH (autosummarize = on);

CREATE TABLE market.candles (
    venue text NOT NULL,
    symbol text NOT NULL,
    interval text NOT NULL CHECK (interval IN ('1m', '5m', '15m', '1h', '4h', '1d')),
    open_ns bigint NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric NOT NULL,
    PRIMARY KEY (venue, symbol, interval, open_ns)
);

-- One row each that the writer updates in every transaction; room for updates in place.
CREATE TABLE market.feed_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    last_digest text NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10);
COMMENT ON COLUMN market.feed_offsets.topic_id IS
    'The broker''s id of the topic''s incarnation (facts: R18)';
COMMENT ON COLUMN market.feed_offsets.last_digest IS
    'Digest of the record before next_offset; empty before the first';

CREATE TABLE market.feed_rejects (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    row_number integer,
    reason text NOT NULL,
    detail text NOT NULL,
    body bytea NOT NULL CHECK (octet_length(body) <= 4096),
    rejected_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN market.feed_rejects.row_number IS
    'Position in the record, from 0; null: the whole record';

CREATE FUNCTION market.prepare_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    day_ns constant bigint := 86400 * 1000000000::bigint;
    starts_ns constant bigint := (day - date '1970-01-01') * day_ns;
    parent text;
    child text;
BEGIN
    -- Bounded, so that a wrong clock cannot fill the catalogue.
    IF day < date '2009-01-01' OR day > (now() AT TIME ZONE 'UTC')::date + 2 THEN
        RAISE EXCEPTION 'no partition for %: out of range', day
            USING ERRCODE = 'datetime_field_overflow';
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('market.prepare_day'));
    FOREACH parent IN ARRAY ARRAY['quotes', 'trades', 'book_updates'] LOOP
        child := parent || '_' || to_char(day, 'YYYYMMDD');
        CONTINUE WHEN to_regclass(format('market.%I', child)) IS NOT NULL;
        -- Attaching blocks no insert, which CREATE … PARTITION OF would.
        -- Levels stay in their row as they are: moving or compressing those of a
        -- larger update costs more than all the rest of its insert.
        EXECUTE format(
            'CREATE TABLE market.%I (LIKE market.%I INCLUDING ALL)'
            ' WITH (toast_tuple_target = 8160)', child, parent);
        EXECUTE format(
            'ALTER TABLE market.%I ATTACH PARTITION market.%I FOR VALUES FROM (%s) TO (%s)',
            parent, child, starts_ns, starts_ns + day_ns);
    END LOOP;
END $$;
COMMENT ON FUNCTION market.prepare_day IS
    'Make the partitions of one day (UTC); repeatable';
REVOKE EXECUTE ON FUNCTION market.prepare_day FROM PUBLIC;
GRANT EXECUTE ON FUNCTION market.prepare_day TO spark_feed_writer;

CREATE FUNCTION market.move_offsets(
    topics text[], partitions integer[], olds bigint[], news bigint[], digests text[]
) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved bigint;
BEGIN
    WITH move AS (
        SELECT * FROM unnest(topics, partitions, olds, news, digests)
            AS m (topic, partition, old, new, digest)
    ), locked AS (
        -- In one order, so that two writers never wait for each other (facts: R19).
        SELECT o.topic, o.partition FROM market.feed_offsets AS o
        WHERE (o.topic, o.partition) IN (SELECT m.topic, m.partition FROM move AS m)
        ORDER BY o.topic, o.partition FOR UPDATE
    )
    UPDATE market.feed_offsets AS o SET next_offset = m.new, last_digest = m.digest
    FROM move AS m JOIN locked AS l USING (topic, partition)
    WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'another feed writer moved the offsets'
            USING ERRCODE = 'serialization_failure';
    END IF;
END $$;
COMMENT ON FUNCTION market.move_offsets IS
    'Move offsets by compare-and-swap, all of them or none; aborts the transaction otherwise';
REVOKE EXECUTE ON FUNCTION market.move_offsets FROM PUBLIC;
GRANT EXECUTE ON FUNCTION market.move_offsets TO spark_feed_writer;

CREATE FUNCTION reading.at_time(ns bigint) RETURNS timestamptz
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN timestamptz 'epoch' + (ns / 1000) * interval '1 microsecond';

CREATE VIEW reading.quotes AS
    SELECT reading.at_time(received_ns) AS received_at, venue, symbol,
           bid, bid_quantity, ask, ask_quantity, update_id
    FROM market.quotes;

CREATE VIEW reading.trades AS
    SELECT reading.at_time(received_ns) AS received_at,
           reading.at_time(exchange_ns) AS exchange_at, venue, symbol,
           price, quantity, is_buyer_maker, trade_id
    FROM market.trades;

CREATE VIEW reading.book_updates AS
    SELECT reading.at_time(received_ns) AS received_at,
           reading.at_time(exchange_ns) AS exchange_at, venue, symbol,
           first_update_id, last_update_id, bids, asks
    FROM market.book_updates;

GRANT INSERT ON market.quotes, market.trades, market.book_updates, market.candles,
    market.feed_rejects TO spark_feed_writer;
GRANT SELECT, INSERT, UPDATE ON market.feed_offsets TO spark_feed_writer;
GRANT SELECT ON ALL TABLES IN SCHEMA market TO spark_api;
GRANT SELECT ON ALL TABLES IN SCHEMA reading TO spark_reader, spark_api;
