CREATE SCHEMA market;

ALTER SCHEMA market OWNER TO spark_owner;

COMMENT ON SCHEMA market IS 'What exchanges say, as it came';

CREATE SCHEMA public;

ALTER SCHEMA public OWNER TO spark_owner;

COMMENT ON SCHEMA public IS 'standard public schema';

CREATE SCHEMA reading;

ALTER SCHEMA reading OWNER TO spark_owner;

COMMENT ON SCHEMA reading IS 'Views for people: times as timestamps';

CREATE FUNCTION market.move_offsets(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION market.move_offsets(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[]) OWNER TO spark_owner;

COMMENT ON FUNCTION market.move_offsets(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[]) IS 'Move offsets by compare-and-swap, all of them or none; aborts the transaction otherwise';

CREATE FUNCTION market.prepare_day(day date) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION market.prepare_day(day date) OWNER TO spark_owner;

COMMENT ON FUNCTION market.prepare_day(day date) IS 'Make the partitions of one day (UTC); repeatable';

CREATE FUNCTION public.begin_rebuild() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION public.begin_rebuild() OWNER TO spark_owner;

COMMENT ON FUNCTION public.begin_rebuild() IS 'Put empty tables before the projected ones';

CREATE FUNCTION public.compare_projection() RETURNS TABLE(name text, rows bigint, differing bigint, kept text, rebuilt text)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $_$
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
END $_$;

ALTER FUNCTION public.compare_projection() OWNER TO spark_owner;

COMMENT ON FUNCTION public.compare_projection() IS 'Compare the rows that are there with the rebuilt ones; of those that differ, the first';

CREATE FUNCTION public.hold_projection() RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    -- Offsets first, as every projector does, so that nobody waits for each other.
    LOCK TABLE public.projector_offsets IN EXCLUSIVE MODE;
END $$;

ALTER FUNCTION public.hold_projection() OWNER TO spark_owner;

COMMENT ON FUNCTION public.hold_projection() IS 'Let no projector commit until this transaction ends';

CREATE FUNCTION public.move_projection(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[], epochs bigint[], seqs bigint[]) RETURNS void
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION public.move_projection(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[], epochs bigint[], seqs bigint[]) OWNER TO spark_owner;

COMMENT ON FUNCTION public.move_projection(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[], epochs bigint[], seqs bigint[]) IS 'Move offsets by compare-and-swap, all of them or none; aborts the transaction otherwise';

CREATE FUNCTION public.projected_tables() RETURNS text[]
    LANGUAGE sql IMMUTABLE
    RETURN ARRAY['intents'::text, 'order_parts'::text, 'orders'::text, 'trades'::text, 'positions'::text, 'projector_rejects'::text];

ALTER FUNCTION public.projected_tables() OWNER TO spark_owner;

COMMENT ON FUNCTION public.projected_tables() IS 'The tables whose rows follow from the topics alone';

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
BEGIN
    RAISE EXCEPTION '% is append only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

ALTER FUNCTION public.refuse_change() OWNER TO spark_owner;

CREATE FUNCTION public.replace_projection() RETURNS TABLE(name text, rows bigint)
    LANGUAGE plpgsql
    SET search_path TO 'pg_catalog', 'pg_temp'
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

ALTER FUNCTION public.replace_projection() OWNER TO spark_owner;

COMMENT ON FUNCTION public.replace_projection() IS 'Put the rebuilt rows in place of those that are there';

CREATE FUNCTION reading.at_time(ns bigint) RETURNS timestamp with time zone
    LANGUAGE sql IMMUTABLE PARALLEL SAFE
    RETURN ('1970-01-01 00:00:00+00'::timestamp with time zone + (((ns / 1000))::double precision * '00:00:00.000001'::interval));

ALTER FUNCTION reading.at_time(ns bigint) OWNER TO spark_owner;

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
)
PARTITION BY RANGE (received_ns);

ALTER TABLE market.book_updates OWNER TO spark_owner;

COMMENT ON COLUMN market.book_updates.first_update_id IS '0: a full book, which replaces what was before';

COMMENT ON COLUMN market.book_updates.bids IS '{{price, quantity}, …}; quantity 0 removes the level';

CREATE TABLE market.candles (
    venue text NOT NULL,
    symbol text NOT NULL,
    "interval" text NOT NULL,
    open_ns bigint NOT NULL,
    open numeric NOT NULL,
    high numeric NOT NULL,
    low numeric NOT NULL,
    close numeric NOT NULL,
    volume numeric NOT NULL,
    CONSTRAINT candles_interval_check CHECK (("interval" = ANY (ARRAY['1m'::text, '5m'::text, '15m'::text, '1h'::text, '4h'::text, '1d'::text])))
);

ALTER TABLE market.candles OWNER TO spark_owner;

CREATE TABLE market.feed_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL,
    last_digest text NOT NULL,
    CONSTRAINT feed_offsets_next_offset_check CHECK ((next_offset >= 0))
)
WITH (fillfactor='10');

ALTER TABLE market.feed_offsets OWNER TO spark_owner;

COMMENT ON COLUMN market.feed_offsets.topic_id IS 'The broker''s id of the topic''s incarnation (facts: R18)';

COMMENT ON COLUMN market.feed_offsets.last_digest IS 'Digest of the record before next_offset; empty before the first';

CREATE TABLE market.feed_rejects (
    id bigint NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    row_number integer,
    reason text NOT NULL,
    detail text NOT NULL,
    body bytea NOT NULL,
    rejected_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT feed_rejects_body_check CHECK ((octet_length(body) <= 4096))
);

ALTER TABLE market.feed_rejects OWNER TO spark_owner;

COMMENT ON COLUMN market.feed_rejects.row_number IS 'Position in the record, from 0; null: the whole record';

ALTER TABLE market.feed_rejects ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME market.feed_rejects_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE market.gaps (
    resumed_ns bigint NOT NULL,
    last_ns bigint NOT NULL,
    last_id bigint NOT NULL,
    next_id bigint NOT NULL,
    origin_offset bigint NOT NULL,
    origin_partition integer NOT NULL,
    venue text NOT NULL,
    symbol text NOT NULL,
    kind text NOT NULL,
    cause text NOT NULL
);

ALTER TABLE market.gaps OWNER TO spark_owner;

COMMENT ON TABLE market.gaps IS 'Between these two nothing was received of the stream, or its book was wrong';

COMMENT ON COLUMN market.gaps.last_ns IS '0: this process had received nothing before';

COMMENT ON COLUMN market.gaps.last_id IS 'As the venue counts; -1 where it does not';

COMMENT ON COLUMN market.gaps.kind IS 'quotes, trades or books: the topic that the record is of';

COMMENT ON COLUMN market.gaps.cause IS 'start, connection_lost, mute, sequence, crossed, differs_from_snapshot';

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
)
PARTITION BY RANGE (received_ns);

ALTER TABLE market.quotes OWNER TO spark_owner;

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
)
PARTITION BY RANGE (received_ns);

ALTER TABLE market.trades OWNER TO spark_owner;

CREATE TABLE public.audit_anchors (
    size bigint NOT NULL,
    witness text NOT NULL,
    root text NOT NULL,
    head text,
    lines bigint,
    record bigint,
    body text NOT NULL,
    anchored_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT audit_anchors_head_check CHECK ((head ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT audit_anchors_root_check CHECK ((root ~ '^[0-9a-f]{64}$'::text)),
    CONSTRAINT audit_anchors_size_check CHECK ((size >= 0))
);

ALTER TABLE public.audit_anchors OWNER TO spark_owner;

COMMENT ON COLUMN public.audit_anchors.size IS 'Links of the chain under the root';

COMMENT ON COLUMN public.audit_anchors.witness IS 'Whose receipt it is; empty for a checkpoint of the auditor itself';

COMMENT ON COLUMN public.audit_anchors.record IS 'Where the checkpoint stands on the topic audit';

COMMENT ON COLUMN public.audit_anchors.body IS 'The signed checkpoint, or the receipt';

CREATE TABLE public.audit_log (
    line bigint NOT NULL,
    action text NOT NULL,
    actor text NOT NULL,
    payload jsonb NOT NULL,
    hash text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    CONSTRAINT audit_log_hash_check CHECK ((hash ~ '^[0-9a-f]{64}$'::text))
);

ALTER TABLE public.audit_log OWNER TO spark_owner;

CREATE TABLE public.backtests (
    id text NOT NULL,
    strategy_id bigint,
    params jsonb NOT NULL,
    status text DEFAULT 'pending'::text NOT NULL,
    progress_pct numeric DEFAULT 0 NOT NULL,
    results jsonb,
    error text,
    data_from date NOT NULL,
    data_to date NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    started_at timestamp with time zone,
    finished_at timestamp with time zone,
    CONSTRAINT backtests_check CHECK ((data_to >= data_from)),
    CONSTRAINT backtests_id_check CHECK ((id ~ '^bt_[0-9]{13}_[0-9a-f]{8}$'::text)),
    CONSTRAINT backtests_progress_pct_check CHECK (((progress_pct >= (0)::numeric) AND (progress_pct <= (100)::numeric))),
    CONSTRAINT backtests_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'running'::text, 'completed'::text, 'failed'::text])))
);

ALTER TABLE public.backtests OWNER TO spark_owner;

CREATE TABLE public.evidence (
    id bigint NOT NULL,
    kind text NOT NULL,
    path text NOT NULL,
    sha256 text NOT NULL,
    summary jsonb DEFAULT '{}'::jsonb NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT evidence_sha256_check CHECK ((sha256 ~ '^[0-9a-f]{64}$'::text))
);

ALTER TABLE public.evidence OWNER TO spark_owner;

ALTER TABLE public.evidence ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.evidence_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.intents (
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    account text,
    strategy text,
    intent_id text,
    action text,
    symbol text,
    side text,
    order_type text,
    time_in_force text,
    quantity numeric,
    price numeric,
    target_intent_id text,
    appended_ns bigint,
    outcome text,
    is_proven boolean,
    client_order_id text,
    mode text,
    endpoint text,
    reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    decided_ns bigint,
    CONSTRAINT intents_action_check CHECK ((action = ANY (ARRAY['place'::text, 'cancel'::text]))),
    CONSTRAINT intents_outcome_check CHECK ((outcome = ANY (ARRAY['approved'::text, 'refused'::text])))
);

ALTER TABLE public.intents OWNER TO spark_owner;

COMMENT ON TABLE public.intents IS 'Each record of orders.intents, readable or not, and what was decided of it';

COMMENT ON COLUMN public.intents.strategy IS 'As the intent says; whether it wrote the intent is is_proven';

COMMENT ON COLUMN public.intents.decided_ns IS 'Append time of the decision';

CREATE TABLE public.order_parts (
    account text NOT NULL,
    client_order_id text NOT NULL,
    parts jsonb NOT NULL
);

ALTER TABLE public.order_parts OWNER TO spark_owner;

COMMENT ON TABLE public.order_parts IS 'What each topic says of an order, folded apart; its row in orders follows from this alone';

CREATE TABLE public.orders (
    account text NOT NULL,
    client_order_id text NOT NULL,
    intent_id text NOT NULL,
    strategy text NOT NULL,
    exchange text NOT NULL,
    symbol text,
    mode text,
    endpoint text,
    side text,
    order_type text,
    time_in_force text,
    quantity numeric,
    price numeric,
    status text NOT NULL,
    filled_quantity numeric DEFAULT 0 NOT NULL,
    exchange_order_id text,
    place_latency_ms numeric,
    error_class text,
    reasons jsonb DEFAULT '[]'::jsonb NOT NULL,
    created_ns bigint NOT NULL,
    updated_ns bigint NOT NULL,
    CONSTRAINT orders_endpoint_check CHECK ((endpoint = ANY (ARRAY['sim'::text, 'real'::text]))),
    CONSTRAINT orders_filled_quantity_check CHECK ((filled_quantity >= (0)::numeric)),
    CONSTRAINT orders_mode_check CHECK ((mode = ANY (ARRAY['paper'::text, 'shadow'::text, 'trickle'::text, 'live'::text]))),
    CONSTRAINT orders_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text]))),
    CONSTRAINT orders_status_check CHECK ((status = ANY (ARRAY['pending'::text, 'claimed'::text, 'unknown'::text, 'submitted'::text, 'partially_filled'::text, 'filled'::text, 'settled'::text, 'rejected'::text, 'expired'::text, 'cancelled'::text, 'not_found'::text])))
);

ALTER TABLE public.orders OWNER TO spark_owner;

COMMENT ON TABLE public.orders IS 'Each order with a valid decision, refused ones included, or with an event that names it';

COMMENT ON COLUMN public.orders.place_latency_ms IS 'From the intent''s append to the acknowledgement''s append';

COMMENT ON COLUMN public.orders.error_class IS 'What went wrong last: a refusal''s code, the exchange''s code, the cause of an unknown outcome';

CREATE TABLE public.positions (
    account text NOT NULL,
    mode text NOT NULL,
    symbol text NOT NULL,
    exchange text NOT NULL,
    quantity numeric NOT NULL,
    average_price numeric,
    realised_pnl numeric DEFAULT 0 NOT NULL,
    updated_ns bigint NOT NULL,
    CONSTRAINT positions_mode_check CHECK ((mode = ANY (ARRAY['paper'::text, 'shadow'::text, 'trickle'::text, 'live'::text])))
);

ALTER TABLE public.positions OWNER TO spark_owner;

CREATE TABLE public.projector_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL,
    last_digest text NOT NULL,
    epoch bigint DEFAULT '-1'::integer NOT NULL,
    seq bigint DEFAULT '-1'::integer NOT NULL,
    CONSTRAINT projector_offsets_next_offset_check CHECK ((next_offset >= 0))
)
WITH (fillfactor='10');

ALTER TABLE public.projector_offsets OWNER TO spark_owner;

COMMENT ON COLUMN public.projector_offsets.epoch IS 'Offset of the last fence before next_offset; -1 before any';

COMMENT ON COLUMN public.projector_offsets.seq IS 'The last valid seq before next_offset, on stamped topics; -1 before any';

CREATE TABLE public.projector_rejects (
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    reason text NOT NULL,
    detail text NOT NULL,
    body bytea NOT NULL,
    appended_ns bigint NOT NULL,
    CONSTRAINT projector_rejects_body_check CHECK ((octet_length(body) <= 4096))
);

ALTER TABLE public.projector_rejects OWNER TO spark_owner;

COMMENT ON TABLE public.projector_rejects IS 'Records that no table can be made from, and why';

CREATE TABLE public.schema_migrations (
    version integer NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE public.schema_migrations OWNER TO spark_owner;

CREATE TABLE public.strategies (
    id bigint NOT NULL,
    name text NOT NULL,
    owner_id bigint,
    code text NOT NULL,
    params jsonb DEFAULT '{}'::jsonb NOT NULL,
    status text DEFAULT 'draft'::text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT strategies_status_check CHECK ((status = ANY (ARRAY['draft'::text, 'paper'::text, 'shadow'::text, 'trickle'::text, 'live'::text, 'stopped'::text])))
);

ALTER TABLE public.strategies OWNER TO spark_owner;

ALTER TABLE public.strategies ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.strategies_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE public.trades (
    account text NOT NULL,
    client_order_id text NOT NULL,
    cumulative numeric NOT NULL,
    trade_id text NOT NULL,
    strategy text NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    mode text NOT NULL,
    side text NOT NULL,
    quantity numeric NOT NULL,
    price numeric NOT NULL,
    commission numeric NOT NULL,
    commission_asset text NOT NULL,
    pnl numeric,
    exchange_ns bigint NOT NULL,
    CONSTRAINT trades_cumulative_check CHECK ((cumulative > (0)::numeric)),
    CONSTRAINT trades_mode_check CHECK ((mode = ANY (ARRAY['paper'::text, 'shadow'::text, 'trickle'::text, 'live'::text]))),
    CONSTRAINT trades_price_check CHECK ((price > (0)::numeric)),
    CONSTRAINT trades_quantity_check CHECK ((quantity > (0)::numeric)),
    CONSTRAINT trades_side_check CHECK ((side = ANY (ARRAY['buy'::text, 'sell'::text])))
);

ALTER TABLE public.trades OWNER TO spark_owner;

COMMENT ON COLUMN public.trades.cumulative IS 'Filled so far, this trade included: names it where the venue gives no id';

COMMENT ON COLUMN public.trades.pnl IS 'Realised by this trade, in the quote asset; null where it only opens';

CREATE TABLE public.users (
    id bigint NOT NULL,
    email text NOT NULL,
    name text NOT NULL,
    role text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT users_email_check CHECK (((email = lower(email)) AND (email ~~ '%_@_%'::text))),
    CONSTRAINT users_role_check CHECK ((role = ANY (ARRAY['viewer'::text, 'quant'::text, 'operator'::text])))
);

ALTER TABLE public.users OWNER TO spark_owner;

ALTER TABLE public.users ALTER COLUMN id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME public.users_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE VIEW reading.audit_log AS
 SELECT line,
    occurred_at,
    actor,
    action,
    payload,
    hash
   FROM public.audit_log;

ALTER VIEW reading.audit_log OWNER TO spark_owner;

CREATE VIEW reading.book_updates AS
 SELECT reading.at_time(received_ns) AS received_at,
    reading.at_time(exchange_ns) AS exchange_at,
    venue,
    symbol,
    first_update_id,
    last_update_id,
    bids,
    asks
   FROM market.book_updates;

ALTER VIEW reading.book_updates OWNER TO spark_owner;

CREATE VIEW reading.executions AS
 SELECT reading.at_time(exchange_ns) AS exchange_at,
    account,
    strategy,
    exchange,
    symbol,
    mode,
    side,
    quantity,
    price,
    commission,
    commission_asset,
    pnl,
    trade_id,
    client_order_id
   FROM public.trades;

ALTER VIEW reading.executions OWNER TO spark_owner;

CREATE VIEW reading.gaps AS
 SELECT reading.at_time(NULLIF(last_ns, 0)) AS last_at,
    reading.at_time(resumed_ns) AS resumed_at,
    (((resumed_ns - NULLIF(last_ns, 0)))::numeric / '1000000000'::numeric) AS seconds,
    venue,
    symbol,
    kind,
    cause,
    NULLIF(last_id, '-1'::integer) AS last_id,
    NULLIF(next_id, '-1'::integer) AS next_id
   FROM market.gaps;

ALTER VIEW reading.gaps OWNER TO spark_owner;

CREATE VIEW reading.orders AS
 SELECT reading.at_time(created_ns) AS created_at,
    reading.at_time(updated_ns) AS updated_at,
    account,
    strategy,
    exchange,
    symbol,
    mode,
    endpoint,
    side,
    order_type,
    time_in_force,
    quantity,
    price,
    status,
    filled_quantity,
    place_latency_ms,
    error_class,
    reasons,
    intent_id,
    client_order_id,
    exchange_order_id
   FROM public.orders;

ALTER VIEW reading.orders OWNER TO spark_owner;

CREATE VIEW reading.positions AS
 SELECT reading.at_time(updated_ns) AS updated_at,
    account,
    mode,
    exchange,
    symbol,
    quantity,
    average_price,
    realised_pnl
   FROM public.positions;

ALTER VIEW reading.positions OWNER TO spark_owner;

CREATE VIEW reading.quotes AS
 SELECT reading.at_time(received_ns) AS received_at,
    venue,
    symbol,
    bid,
    bid_quantity,
    ask,
    ask_quantity,
    update_id
   FROM market.quotes;

ALTER VIEW reading.quotes OWNER TO spark_owner;

CREATE VIEW reading.refusals AS
 SELECT reading.at_time(appended_ns) AS asked_at,
    reading.at_time(decided_ns) AS decided_at,
    account,
    strategy,
    action,
    symbol,
    side,
    order_type,
    quantity,
    price,
    mode,
    reasons,
    is_proven,
    intent_id,
    partition,
    record_offset
   FROM public.intents
  WHERE (outcome = 'refused'::text);

ALTER VIEW reading.refusals OWNER TO spark_owner;

CREATE VIEW reading.trades AS
 SELECT reading.at_time(received_ns) AS received_at,
    reading.at_time(exchange_ns) AS exchange_at,
    venue,
    symbol,
    price,
    quantity,
    is_buyer_maker,
    trade_id
   FROM market.trades;

ALTER VIEW reading.trades OWNER TO spark_owner;

ALTER TABLE ONLY market.candles
    ADD CONSTRAINT candles_pkey PRIMARY KEY (venue, symbol, "interval", open_ns);

ALTER TABLE ONLY market.feed_offsets
    ADD CONSTRAINT feed_offsets_pkey PRIMARY KEY (topic, partition);

ALTER TABLE ONLY market.feed_rejects
    ADD CONSTRAINT feed_rejects_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.audit_anchors
    ADD CONSTRAINT audit_anchors_pkey PRIMARY KEY (size, witness);

ALTER TABLE ONLY public.audit_log
    ADD CONSTRAINT audit_log_pkey PRIMARY KEY (line);

ALTER TABLE ONLY public.backtests
    ADD CONSTRAINT backtests_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.evidence
    ADD CONSTRAINT evidence_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.intents
    ADD CONSTRAINT intents_pkey PRIMARY KEY (partition, record_offset);

ALTER TABLE ONLY public.order_parts
    ADD CONSTRAINT order_parts_pkey PRIMARY KEY (account, client_order_id);

ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (account, client_order_id);

ALTER TABLE ONLY public.positions
    ADD CONSTRAINT positions_pkey PRIMARY KEY (account, mode, symbol, exchange);

ALTER TABLE ONLY public.projector_offsets
    ADD CONSTRAINT projector_offsets_pkey PRIMARY KEY (topic, partition);

ALTER TABLE ONLY public.projector_rejects
    ADD CONSTRAINT projector_rejects_pkey PRIMARY KEY (topic, partition, record_offset);

ALTER TABLE ONLY public.schema_migrations
    ADD CONSTRAINT schema_migrations_pkey PRIMARY KEY (version);

ALTER TABLE ONLY public.strategies
    ADD CONSTRAINT strategies_name_key UNIQUE (name);

ALTER TABLE ONLY public.strategies
    ADD CONSTRAINT strategies_pkey PRIMARY KEY (id);

ALTER TABLE ONLY public.trades
    ADD CONSTRAINT trades_pkey PRIMARY KEY (account, client_order_id, cumulative);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_email_key UNIQUE (email);

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);

CREATE INDEX book_updates_received ON ONLY market.book_updates USING brin (received_ns) WITH (autosummarize='on');

CREATE INDEX gaps_resumed ON market.gaps USING btree (resumed_ns);

CREATE INDEX quotes_received ON ONLY market.quotes USING brin (received_ns) WITH (autosummarize='on');

CREATE INDEX trades_received ON ONLY market.trades USING brin (received_ns) WITH (autosummarize='on');

CREATE INDEX intents_refused ON public.intents USING btree (decided_ns) WHERE (outcome = 'refused'::text);

CREATE INDEX orders_created ON public.orders USING btree (created_ns);

CREATE INDEX orders_intent ON public.orders USING btree (intent_id);

CREATE INDEX orders_open ON public.orders USING btree (account, symbol) WHERE (status = ANY (ARRAY['pending'::text, 'claimed'::text, 'unknown'::text, 'submitted'::text, 'partially_filled'::text]));

CREATE INDEX trades_time ON public.trades USING btree (exchange_ns);

CREATE TRIGGER audit_anchors_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_anchors FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

CREATE TRIGGER audit_log_append_only BEFORE DELETE OR UPDATE OR TRUNCATE ON public.audit_log FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

ALTER TABLE ONLY public.backtests
    ADD CONSTRAINT backtests_strategy_id_fkey FOREIGN KEY (strategy_id) REFERENCES public.strategies(id);

ALTER TABLE ONLY public.strategies
    ADD CONSTRAINT strategies_owner_id_fkey FOREIGN KEY (owner_id) REFERENCES public.users(id);

ALTER TABLE ONLY public.trades
    ADD CONSTRAINT trades_account_client_order_id_fkey FOREIGN KEY (account, client_order_id) REFERENCES public.orders(account, client_order_id);

GRANT USAGE ON SCHEMA market TO spark_feed_writer;
GRANT USAGE ON SCHEMA market TO spark_api;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO spark_feed_writer;
GRANT USAGE ON SCHEMA public TO spark_projector;
GRANT USAGE ON SCHEMA public TO spark_auditor;
GRANT USAGE ON SCHEMA public TO spark_api;
GRANT USAGE ON SCHEMA public TO spark_reader;

GRANT USAGE ON SCHEMA reading TO spark_reader;
GRANT USAGE ON SCHEMA reading TO spark_api;

REVOKE ALL ON FUNCTION market.move_offsets(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[]) FROM PUBLIC;
GRANT ALL ON FUNCTION market.move_offsets(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[]) TO spark_feed_writer;

REVOKE ALL ON FUNCTION market.prepare_day(day date) FROM PUBLIC;
GRANT ALL ON FUNCTION market.prepare_day(day date) TO spark_feed_writer;

REVOKE ALL ON FUNCTION public.begin_rebuild() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.compare_projection() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.hold_projection() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.move_projection(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[], epochs bigint[], seqs bigint[]) FROM PUBLIC;
GRANT ALL ON FUNCTION public.move_projection(topics text[], partitions integer[], olds bigint[], news bigint[], digests text[], epochs bigint[], seqs bigint[]) TO spark_projector;

REVOKE ALL ON FUNCTION public.projected_tables() FROM PUBLIC;

REVOKE ALL ON FUNCTION public.replace_projection() FROM PUBLIC;

GRANT INSERT ON TABLE market.book_updates TO spark_feed_writer;
GRANT SELECT ON TABLE market.book_updates TO spark_api;

GRANT INSERT ON TABLE market.candles TO spark_feed_writer;
GRANT SELECT ON TABLE market.candles TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE market.feed_offsets TO spark_feed_writer;
GRANT SELECT ON TABLE market.feed_offsets TO spark_api;

GRANT INSERT ON TABLE market.feed_rejects TO spark_feed_writer;
GRANT SELECT ON TABLE market.feed_rejects TO spark_api;

GRANT INSERT ON TABLE market.gaps TO spark_feed_writer;
GRANT SELECT ON TABLE market.gaps TO spark_api;

GRANT INSERT ON TABLE market.quotes TO spark_feed_writer;
GRANT SELECT ON TABLE market.quotes TO spark_api;

GRANT INSERT ON TABLE market.trades TO spark_feed_writer;
GRANT SELECT ON TABLE market.trades TO spark_api;

GRANT SELECT,INSERT ON TABLE public.audit_anchors TO spark_auditor;
GRANT SELECT ON TABLE public.audit_anchors TO spark_api;

GRANT SELECT,INSERT ON TABLE public.audit_log TO spark_auditor;
GRANT SELECT ON TABLE public.audit_log TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE public.backtests TO spark_api;

GRANT SELECT ON TABLE public.evidence TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE public.intents TO spark_projector;
GRANT SELECT ON TABLE public.intents TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE public.order_parts TO spark_projector;

GRANT SELECT,INSERT,UPDATE ON TABLE public.orders TO spark_projector;
GRANT SELECT ON TABLE public.orders TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE public.positions TO spark_projector;
GRANT SELECT ON TABLE public.positions TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE public.projector_offsets TO spark_projector;

GRANT INSERT ON TABLE public.projector_rejects TO spark_projector;
GRANT SELECT ON TABLE public.projector_rejects TO spark_api;

GRANT SELECT ON TABLE public.schema_migrations TO spark_feed_writer;
GRANT SELECT ON TABLE public.schema_migrations TO spark_projector;
GRANT SELECT ON TABLE public.schema_migrations TO spark_auditor;
GRANT SELECT ON TABLE public.schema_migrations TO spark_api;
GRANT SELECT ON TABLE public.schema_migrations TO spark_reader;

GRANT SELECT ON TABLE public.strategies TO spark_api;

GRANT SELECT,INSERT,UPDATE ON TABLE public.trades TO spark_projector;
GRANT SELECT ON TABLE public.trades TO spark_api;

GRANT SELECT ON TABLE public.users TO spark_api;

GRANT SELECT ON TABLE reading.audit_log TO spark_reader;
GRANT SELECT ON TABLE reading.audit_log TO spark_api;

GRANT SELECT ON TABLE reading.book_updates TO spark_reader;
GRANT SELECT ON TABLE reading.book_updates TO spark_api;

GRANT SELECT ON TABLE reading.executions TO spark_reader;
GRANT SELECT ON TABLE reading.executions TO spark_api;

GRANT SELECT ON TABLE reading.gaps TO spark_reader;
GRANT SELECT ON TABLE reading.gaps TO spark_api;

GRANT SELECT ON TABLE reading.orders TO spark_reader;
GRANT SELECT ON TABLE reading.orders TO spark_api;

GRANT SELECT ON TABLE reading.positions TO spark_reader;
GRANT SELECT ON TABLE reading.positions TO spark_api;

GRANT SELECT ON TABLE reading.quotes TO spark_reader;
GRANT SELECT ON TABLE reading.quotes TO spark_api;

GRANT SELECT ON TABLE reading.refusals TO spark_reader;
GRANT SELECT ON TABLE reading.refusals TO spark_api;

GRANT SELECT ON TABLE reading.trades TO spark_reader;
GRANT SELECT ON TABLE reading.trades TO spark_api;
