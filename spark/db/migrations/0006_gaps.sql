-- What is missing from the market tables: the feed says so on the topic of the stream, and the
-- writer keeps it in the same transaction as the rows around it (spec C2, C5).

SET LOCAL ROLE spark_owner;

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
COMMENT ON TABLE market.gaps IS
    'Between these two nothing was received of the stream, or its book was wrong';
COMMENT ON COLUMN market.gaps.kind IS 'quotes, trades or books: the topic that the record is of';
COMMENT ON COLUMN market.gaps.cause IS
    'start, connection_lost, mute, sequence, crossed, differs_from_snapshot';
COMMENT ON COLUMN market.gaps.last_ns IS '0: this process had received nothing before';
COMMENT ON COLUMN market.gaps.last_id IS 'As the venue counts; -1 where it does not';
CREATE INDEX gaps_resumed ON market.gaps (resumed_ns);

CREATE VIEW reading.gaps AS
    SELECT reading.at_time(NULLIF(last_ns, 0)) AS last_at, reading.at_time(resumed_ns) AS resumed_at,
           (resumed_ns - NULLIF(last_ns, 0)) / 1e9 AS seconds,
           venue, symbol, kind, cause, NULLIF(last_id, -1) AS last_id, NULLIF(next_id, -1) AS next_id
    FROM market.gaps;

GRANT INSERT ON market.gaps TO spark_feed_writer;
GRANT SELECT ON market.gaps TO spark_api;
GRANT SELECT ON reading.gaps TO spark_reader, spark_api;
