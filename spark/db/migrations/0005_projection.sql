-- What the projector needs to keep orders, trades and positions equal to the topics (spec D1).
-- Each topic folds into its own part of a row, so that the order between topics cannot matter;
-- a column of which no topic has spoken yet is null.

SET LOCAL ROLE spark_owner;

-- An event may come before the decision that it follows from, and a refused intent may have
-- asked for anything.
ALTER TABLE public.orders
    ALTER COLUMN symbol DROP NOT NULL,
    ALTER COLUMN mode DROP NOT NULL,
    ALTER COLUMN endpoint DROP NOT NULL,
    ALTER COLUMN side DROP NOT NULL,
    ALTER COLUMN order_type DROP NOT NULL,
    ALTER COLUMN quantity DROP NOT NULL,
    DROP CONSTRAINT orders_quantity_check,
    DROP CONSTRAINT orders_price_check,
    -- The primary key is derived from these three; evidence that names them otherwise counts too.
    DROP CONSTRAINT orders_account_strategy_intent_id_key;
CREATE INDEX orders_intent ON public.orders (intent_id);
COMMENT ON TABLE public.orders IS
    'Each order with a valid decision, refused ones included, or with an event that names it';
COMMENT ON COLUMN public.orders.error_class IS
    'What went wrong last: a refusal''s code, the exchange''s code, the cause of an unknown outcome';

CREATE TABLE public.intents (
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    account text,
    strategy text,
    intent_id text,
    action text CHECK (action IN ('place', 'cancel')),
    symbol text,
    side text,
    order_type text,
    time_in_force text,
    quantity numeric,
    price numeric,
    target_intent_id text,
    appended_ns bigint,
    outcome text CHECK (outcome IN ('approved', 'refused')),
    is_proven boolean,
    client_order_id text,
    mode text,
    endpoint text,
    reasons jsonb NOT NULL DEFAULT '[]',
    decided_ns bigint,
    PRIMARY KEY (partition, record_offset)
);
COMMENT ON TABLE public.intents IS
    'Each record of orders.intents, readable or not, and what was decided of it';
COMMENT ON COLUMN public.intents.strategy IS
    'As the intent says; whether it wrote the intent is is_proven';
COMMENT ON COLUMN public.intents.decided_ns IS 'Append time of the decision';
CREATE INDEX intents_refused ON public.intents (decided_ns) WHERE outcome = 'refused';

CREATE TABLE public.order_parts (
    account text NOT NULL,
    client_order_id text NOT NULL,
    parts jsonb NOT NULL,
    PRIMARY KEY (account, client_order_id)
);
COMMENT ON TABLE public.order_parts IS
    'What each topic says of an order, folded apart; its row in orders follows from this alone';

CREATE TABLE public.projector_rejects (
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    body bytea NOT NULL CHECK (octet_length(body) <= 4096),
    appended_ns bigint NOT NULL,
    PRIMARY KEY (topic, partition, record_offset)
);
COMMENT ON TABLE public.projector_rejects IS 'Records that no table can be made from, and why';

ALTER TABLE public.projector_offsets
    ADD COLUMN epoch bigint NOT NULL DEFAULT -1,
    ADD COLUMN seq bigint NOT NULL DEFAULT -1;
COMMENT ON COLUMN public.projector_offsets.epoch IS
    'Offset of the last fence before next_offset; -1 before any';
COMMENT ON COLUMN public.projector_offsets.seq IS
    'The last valid seq before next_offset, on stamped topics; -1 before any';

CREATE FUNCTION public.move_projection(
    topics text[], partitions integer[], olds bigint[], news bigint[], digests text[],
    epochs bigint[], seqs bigint[]
) RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    moved bigint;
BEGIN
    WITH move AS (
        SELECT * FROM unnest(topics, partitions, olds, news, digests, epochs, seqs)
            AS m (topic, partition, old, new, digest, epoch, seq)
    ), locked AS (
        -- In one order, so that two projectors never wait for each other (facts: R19).
        SELECT o.topic, o.partition FROM public.projector_offsets AS o
        WHERE (o.topic, o.partition) IN (SELECT m.topic, m.partition FROM move AS m)
        ORDER BY o.topic, o.partition FOR UPDATE
    )
    UPDATE public.projector_offsets AS o
    SET next_offset = m.new, last_digest = m.digest, epoch = m.epoch, seq = m.seq
    FROM move AS m JOIN locked AS l USING (topic, partition)
    WHERE o.topic = m.topic AND o.partition = m.partition AND o.next_offset = m.old;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF moved <> cardinality(topics) THEN
        RAISE EXCEPTION 'another projector moved the offsets'
            USING ERRCODE = 'serialization_failure';
    END IF;
    -- What follows looks rows up by their keys; a plan made while the tables were small
    -- must not read them whole for ever.
    PERFORM set_config('enable_seqscan', 'off', true);
END $$;
COMMENT ON FUNCTION public.move_projection IS
    'Move offsets by compare-and-swap, all of them or none; aborts the transaction otherwise';
REVOKE EXECUTE ON FUNCTION public.move_projection FROM PUBLIC;
GRANT EXECUTE ON FUNCTION public.move_projection TO spark_projector;

-- A rebuild folds the topics into temporary tables, which stand before those of the same name
-- for as long as its transaction lasts; then they are compared with these, or replace them.

CREATE FUNCTION public.projected_tables() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    -- Trades refer to orders, so orders come first.
    RETURN ARRAY['intents', 'order_parts', 'orders', 'trades', 'positions', 'projector_rejects'];
COMMENT ON FUNCTION public.projected_tables IS 'The tables whose rows follow from the topics alone';

CREATE FUNCTION public.begin_rebuild() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY public.projected_tables() LOOP
        EXECUTE format(
            'CREATE TEMPORARY TABLE %I (LIKE public.%I INCLUDING ALL) ON COMMIT DROP', name, name);
    END LOOP;
    PERFORM set_config('enable_seqscan', 'off', true);
    -- It waits for the log in between.
    PERFORM set_config('idle_in_transaction_session_timeout', '60s', true);
END $$;
COMMENT ON FUNCTION public.begin_rebuild IS 'Put empty tables before the projected ones';

CREATE FUNCTION public.hold_projection() RETURNS void
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Offsets first, as every projector does, so that nobody waits for each other.
    LOCK TABLE public.projector_offsets IN EXCLUSIVE MODE;
END $$;
COMMENT ON FUNCTION public.hold_projection IS 'Let no projector commit until this transaction ends';

CREATE FUNCTION public.replace_projection() RETURNS TABLE (name text, rows bigint)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    TRUNCATE public.intents, public.order_parts, public.orders, public.trades, public.positions,
        public.projector_rejects;
    FOREACH name IN ARRAY public.projected_tables() LOOP
        EXECUTE format('INSERT INTO public.%I SELECT * FROM pg_temp.%I', name, name);
        GET DIAGNOSTICS rows = ROW_COUNT;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION public.replace_projection IS 'Put the rebuilt rows in place of those that are there';

CREATE FUNCTION public.compare_projection()
    RETURNS TABLE (name text, rows bigint, differing bigint, kept text, rebuilt text)
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    key text;
BEGIN
    FOREACH name IN ARRAY public.projected_tables() LOOP
        SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY array_position(i.indkey, a.attnum))
        INTO key FROM pg_index AS i JOIN pg_attribute AS a
            ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
        WHERE i.indrelid = format('public.%I', name)::regclass AND i.indisprimary;
        EXECUTE format('SELECT count(*) FROM pg_temp.%I', name) INTO rows;
        -- As text: two spellings of one number are a difference too.
        EXECUTE format(
            'SELECT count(*), (array_agg(k))[1], (array_agg(r))[1] FROM (SELECT k::text AS k,'
            ' r::text AS r FROM (SELECT *, row_to_json(p)::text AS k FROM public.%1$I AS p) AS p'
            ' FULL JOIN (SELECT *, row_to_json(p)::text AS r FROM pg_temp.%1$I AS p) AS q'
            ' USING (%2$s) WHERE k IS DISTINCT FROM r ORDER BY %2$s) AS d',
            name, key) INTO differing, kept, rebuilt;
        RETURN NEXT;
    END LOOP;
END $$;
COMMENT ON FUNCTION public.compare_projection IS
    'Compare the rows that are there with the rebuilt ones; of those that differ, the first';

REVOKE EXECUTE ON FUNCTION public.projected_tables, public.begin_rebuild, public.hold_projection,
    public.replace_projection, public.compare_projection FROM PUBLIC;

GRANT SELECT, INSERT, UPDATE ON public.intents, public.order_parts TO spark_projector;
GRANT INSERT ON public.projector_rejects TO spark_projector;
GRANT SELECT ON public.intents, public.projector_rejects TO spark_api;

CREATE VIEW reading.refusals AS
    SELECT reading.at_time(appended_ns) AS asked_at, reading.at_time(decided_ns) AS decided_at,
           account, strategy, action, symbol, side, order_type, quantity, price, mode, reasons,
           is_proven, intent_id, partition, record_offset
    FROM public.intents WHERE outcome = 'refused';
GRANT SELECT ON reading.refusals TO spark_reader, spark_api;
