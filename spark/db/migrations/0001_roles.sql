-- Roles by process (facts: S13), the home of the tables and the list of applied migrations.
--
-- A role that the server lacks is made here without the right to log in: on the embedded
-- server provisioning gives each its password, on a foreign one its administrator does, or
-- grants the role to users of theirs. Whoever may not create roles is told which are missing.

DO $$
DECLARE
    wanted text[] := ARRAY[
        'spark_owner', 'spark_migrate', 'spark_feed_writer', 'spark_projector',
        'spark_auditor', 'spark_api', 'spark_reader'
    ];
    missing text[];
    name text;
BEGIN
    missing := ARRAY(
        SELECT w FROM unnest(wanted) AS w WHERE w NOT IN (SELECT rolname FROM pg_roles)
    );
    FOREACH name IN ARRAY missing LOOP
        EXECUTE format('CREATE ROLE %I NOLOGIN', name);
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION
        'these roles do not exist and % may not create them: %', current_user,
        array_to_string(missing, ', ')
        USING HINT = 'let an administrator run CREATE ROLE for each, then migrate again';
END $$;

DO $$
DECLARE
    name text;
BEGIN
    IF NOT pg_has_role('spark_migrate', 'spark_owner', 'MEMBER') THEN
        GRANT spark_owner TO spark_migrate;
    END IF;
    IF NOT pg_has_role(current_user, 'spark_owner', 'MEMBER') THEN
        EXECUTE format('GRANT spark_owner TO %I', current_user);
    END IF;
    IF NOT has_database_privilege('spark_owner', current_database(), 'CREATE') THEN
        EXECUTE format('GRANT CREATE ON DATABASE %I TO spark_owner', current_database());
    END IF;
    IF NOT has_schema_privilege('spark_owner', 'public', 'CREATE') THEN
        GRANT CREATE, USAGE ON SCHEMA public TO spark_owner;
    END IF;
    FOREACH name IN ARRAY ARRAY[
        'spark_feed_writer', 'spark_projector', 'spark_auditor', 'spark_api', 'spark_reader'
    ] LOOP
        IF NOT has_schema_privilege(name, 'public', 'USAGE') THEN
            EXECUTE format('GRANT USAGE ON SCHEMA public TO %I', name);
        END IF;
    END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
    RAISE EXCEPTION
        'spark_owner cannot own tables in database %, and % may not change that',
        current_database(), current_user
        USING HINT = 'let the database''s owner make spark_owner its owner, and grant spark_owner'
            ' to the user that migrates';
END $$;

-- From here on everything belongs to a role that nobody can log in as.
SET LOCAL ROLE spark_owner;

CREATE SCHEMA market;
COMMENT ON SCHEMA market IS 'What exchanges say, as it came';
CREATE SCHEMA reading;
COMMENT ON SCHEMA reading IS 'Views for people: times as timestamps';

CREATE TABLE public.schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);

GRANT USAGE ON SCHEMA market TO spark_feed_writer, spark_api;
GRANT USAGE ON SCHEMA reading TO spark_reader, spark_api;
GRANT SELECT ON public.schema_migrations
    TO spark_feed_writer, spark_projector, spark_auditor, spark_api, spark_reader;
