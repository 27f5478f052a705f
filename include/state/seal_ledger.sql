-- Takes the custody ledger away from the pipeline's own role: it can append and read, and nothing else. Run once after
-- migration 006 by a superuser in the pipeline's database (`./voiceman up` does it for the local stack):
--   psql --single-transaction --dbname voiceman --file include/state/seal_ledger.sql
-- Repeating it changes nothing.
DO $$
DECLARE
    app text := (SELECT pg_get_userbyid(nspowner) FROM pg_namespace WHERE nspname = 'voiceman');
    one regprocedure;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'voiceman_custody') THEN
        CREATE ROLE voiceman_custody NOLOGIN;
    END IF;
    ALTER SCHEMA custody OWNER TO voiceman_custody;
    ALTER TABLE custody.event OWNER TO voiceman_custody;
    ALTER TABLE custody.head OWNER TO voiceman_custody;
    FOR one IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
               WHERE n.nspname = 'custody' LOOP
        EXECUTE format('ALTER FUNCTION %s OWNER TO voiceman_custody', one);
        EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', one);
    END LOOP;
    EXECUTE format('REVOKE ALL ON SCHEMA custody FROM PUBLIC, %I', app);
    EXECUTE format('REVOKE ALL ON custody.event, custody.head FROM PUBLIC, %I', app);
    EXECUTE format('GRANT USAGE ON SCHEMA custody TO %I', app);
    EXECUTE format('GRANT SELECT ON custody.event, custody.head TO %I', app);
    FOR one IN SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
               WHERE n.nspname = 'custody' AND p.proname IN ('append', 'add_head') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO %I', one, app);
    END LOOP;
END $$;
