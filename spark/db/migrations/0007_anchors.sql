-- Anchors of the audit trail and receipts of witnesses, as runbook/audit.md tells. Nothing
-- wrote the table that had this name before, which could not hold them.

SET LOCAL ROLE spark_owner;

DROP TABLE public.audit_anchors;

CREATE TABLE public.audit_anchors (
    size bigint NOT NULL CHECK (size >= 0),
    witness text NOT NULL,
    root text NOT NULL CHECK (root ~ '^[0-9a-f]{64}$'),
    head text CHECK (head ~ '^[0-9a-f]{64}$'),
    lines bigint,
    record bigint,
    body text NOT NULL,
    anchored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (size, witness)
);
COMMENT ON COLUMN public.audit_anchors.size IS 'Links of the chain under the root';
COMMENT ON COLUMN public.audit_anchors.witness IS
    'Whose receipt it is; empty for a checkpoint of the auditor itself';
COMMENT ON COLUMN public.audit_anchors.record IS 'Where the checkpoint stands on the topic audit';
COMMENT ON COLUMN public.audit_anchors.body IS 'The signed checkpoint, or the receipt';

CREATE TRIGGER audit_anchors_append_only BEFORE UPDATE OR DELETE OR TRUNCATE
    ON public.audit_anchors FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change();

GRANT SELECT, INSERT ON public.audit_anchors TO spark_auditor;
GRANT SELECT ON public.audit_anchors TO spark_api;
