-- Orders, trades and positions as the topics tell them, and what people keep beside them
-- (spec D1). The projector makes the former equal to the topics; nothing else writes them.

SET LOCAL ROLE spark_owner;

CREATE TABLE public.users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    email text NOT NULL UNIQUE CHECK (email = lower(email) AND email LIKE '%_@_%'),
    name text NOT NULL,
    role text NOT NULL CHECK (role IN ('viewer', 'quant', 'operator')),
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.strategies (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL UNIQUE,
    owner_id bigint REFERENCES public.users (id),
    code text NOT NULL,
    params jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL DEFAULT 'draft'
        CHECK (status IN ('draft', 'paper', 'shadow', 'trickle', 'live', 'stopped')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE public.backtests (
    id text PRIMARY KEY CHECK (id ~ '^bt_[0-9]{13}_[0-9a-f]{8}$'),
    strategy_id bigint REFERENCES public.strategies (id),
    params jsonb NOT NULL,
    status text NOT NULL DEFAULT 'pending'
        CHECK (status IN ('pending', 'running', 'completed', 'failed')),
    progress_pct numeric NOT NULL DEFAULT 0 CHECK (progress_pct BETWEEN 0 AND 100),
    results jsonb,
    error text,
    data_from date NOT NULL,
    data_to date NOT NULL CHECK (data_to >= data_from),
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);

CREATE TABLE public.orders (
    account text NOT NULL,
    client_order_id text NOT NULL,
    intent_id text NOT NULL,
    strategy text NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('paper', 'shadow', 'trickle', 'live')),
    endpoint text NOT NULL CHECK (endpoint IN ('sim', 'real')),
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    order_type text NOT NULL,
    time_in_force text,
    quantity numeric NOT NULL CHECK (quantity > 0),
    price numeric CHECK (price > 0),
    status text NOT NULL CHECK (status IN (
        'pending', 'claimed', 'unknown', 'submitted', 'partially_filled', 'filled', 'settled',
        'rejected', 'expired', 'cancelled', 'not_found')),
    filled_quantity numeric NOT NULL DEFAULT 0 CHECK (filled_quantity >= 0),
    exchange_order_id text,
    place_latency_ms numeric,
    error_class text,
    reasons jsonb NOT NULL DEFAULT '[]',
    created_ns bigint NOT NULL,
    updated_ns bigint NOT NULL,
    PRIMARY KEY (account, client_order_id),
    UNIQUE (account, strategy, intent_id)
);
COMMENT ON COLUMN public.orders.place_latency_ms IS
    'From the intent''s append to the acknowledgement''s append';
CREATE INDEX orders_open ON public.orders (account, symbol)
    WHERE status IN ('pending', 'claimed', 'unknown', 'submitted', 'partially_filled');
CREATE INDEX orders_created ON public.orders (created_ns);

CREATE TABLE public.trades (
    account text NOT NULL,
    client_order_id text NOT NULL,
    cumulative numeric NOT NULL CHECK (cumulative > 0),
    trade_id text NOT NULL,
    strategy text NOT NULL,
    exchange text NOT NULL,
    symbol text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('paper', 'shadow', 'trickle', 'live')),
    side text NOT NULL CHECK (side IN ('buy', 'sell')),
    quantity numeric NOT NULL CHECK (quantity > 0),
    price numeric NOT NULL CHECK (price > 0),
    commission numeric NOT NULL,
    commission_asset text NOT NULL,
    pnl numeric,
    exchange_ns bigint NOT NULL,
    PRIMARY KEY (account, client_order_id, cumulative),
    FOREIGN KEY (account, client_order_id) REFERENCES public.orders
);
COMMENT ON COLUMN public.trades.cumulative IS
    'Filled so far, this trade included: names it where the venue gives no id';
COMMENT ON COLUMN public.trades.pnl IS
    'Realised by this trade, in the quote asset; null where it only opens';
CREATE INDEX trades_time ON public.trades (exchange_ns);

CREATE TABLE public.positions (
    account text NOT NULL,
    mode text NOT NULL CHECK (mode IN ('paper', 'shadow', 'trickle', 'live')),
    symbol text NOT NULL,
    exchange text NOT NULL,
    quantity numeric NOT NULL,
    average_price numeric,
    realised_pnl numeric NOT NULL DEFAULT 0,
    updated_ns bigint NOT NULL,
    PRIMARY KEY (account, mode, symbol, exchange)
);

CREATE TABLE public.projector_offsets (
    topic text NOT NULL,
    partition integer NOT NULL,
    topic_id uuid NOT NULL,
    next_offset bigint NOT NULL CHECK (next_offset >= 0),
    last_digest text NOT NULL,
    PRIMARY KEY (topic, partition)
) WITH (fillfactor = 10);

CREATE TABLE public.evidence (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL,
    path text NOT NULL,
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    summary jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now()
);

GRANT SELECT, INSERT, UPDATE ON public.orders, public.trades, public.positions,
    public.projector_offsets TO spark_projector;
GRANT SELECT ON public.users, public.strategies, public.backtests, public.orders, public.trades,
    public.positions, public.evidence TO spark_api;
GRANT INSERT, UPDATE ON public.backtests TO spark_api;

CREATE VIEW reading.orders AS
    SELECT reading.at_time(created_ns) AS created_at, reading.at_time(updated_ns) AS updated_at,
           account, strategy, exchange, symbol, mode, endpoint, side, order_type, time_in_force,
           quantity, price, status, filled_quantity, place_latency_ms, error_class, reasons,
           intent_id, client_order_id, exchange_order_id
    FROM public.orders;
CREATE VIEW reading.executions AS
    SELECT reading.at_time(exchange_ns) AS exchange_at, account, strategy, exchange, symbol, mode,
           side, quantity, price, commission, commission_asset, pnl, trade_id, client_order_id
    FROM public.trades;
CREATE VIEW reading.positions AS
    SELECT reading.at_time(updated_ns) AS updated_at, account, mode, exchange, symbol, quantity,
           average_price, realised_pnl
    FROM public.positions;
GRANT SELECT ON reading.orders, reading.executions, reading.positions TO spark_reader, spark_api;
