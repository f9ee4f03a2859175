-- The audit trail beside the topic that holds it: append only, for every role (facts: S13).

SET LOCAL ROLE spark_owner;

CREATE TABLE public.audit_log (
    line bigint PRIMARY KEY,
    action text NOT NULL,
    actor text NOT NULL,
    payload jsonb NOT NULL,
    hash text NOT NULL CHECK (hash ~ '^[0-9a-f]{64}$'),
    occurred_at timestamptz NOT NULL
);

CREATE TABLE public.audit_anchors (
    lines bigint PRIMARY KEY,
    head text NOT NULL CHECK (head ~ '^[0-9a-f]{64}$'),
    witness text NOT NULL,
    receipt bytea NOT NULL,
    anchored_at timestamptz NOT NULL
);

CREATE FUNCTION public.refuse_change() RETURNS trigger
    LANGUAGE plpgsql
    SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    RAISE EXCEPTION '% is append only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE TRIGGER audit_log_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.audit_log
    FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();
CREATE TRIGGER audit_anchors_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON public.audit_anchors FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

GRANT SELECT, INSERT ON public.audit_log, public.audit_anchors TO spark_auditor;
GRANT SELECT ON public.audit_log, public.audit_anchors TO spark_api;

CREATE VIEW reading.audit_log AS
    SELECT line, occurred_at, actor, action, payload, hash FROM public.audit_log;
GRANT SELECT ON reading.audit_log TO spark_reader, spark_api;
