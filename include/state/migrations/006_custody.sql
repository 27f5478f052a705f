-- The custody ledger: who did what to which bytes, when and why. Append-only, hash-linked per case, written by the
-- database itself in the transaction that changes a state. The formats: docs/evidence.md. Who owns it: seal_ledger.sql.
CREATE SCHEMA custody;

CREATE TABLE custody.event (
    case_name text NOT NULL CHECK (case_name <> '' AND case_name !~ '[[:cntrl:]]'),
    seq       bigint NOT NULL CHECK (seq >= 1),
    job       text NOT NULL,
    recording text NOT NULL,                         -- file_id; '': what concerns the whole job
    own_seq   integer NOT NULL CHECK (own_seq >= 1), -- number within the job's and recording's own chain
    prev      text NOT NULL,
    body      text NOT NULL,                         -- the exact text that is hashed
    hash      text NOT NULL,
    PRIMARY KEY (case_name, seq),
    UNIQUE (case_name, job, recording, own_seq)
);

CREATE TABLE custody.head (
    case_name      text NOT NULL,
    job            text NOT NULL,                    -- '': the case's whole chain
    recording      text NOT NULL,                    -- '': the job's own chain
    number         integer NOT NULL CHECK (number >= 1),
    seq            bigint NOT NULL,
    hash           text NOT NULL,
    payload_sha256 text NOT NULL,
    envelope       text NOT NULL,                    -- DSSE, as signed
    at             timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (case_name, job, recording, number),
    FOREIGN KEY (case_name, seq) REFERENCES custody.event
);

CREATE FUNCTION custody.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'custody.% is append-only', TG_TABLE_NAME USING ERRCODE = 'VM002';
END $$;
CREATE TRIGGER event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody.event
    FOR EACH STATEMENT EXECUTE FUNCTION custody.refuse_change();
CREATE TRIGGER head_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON custody.head
    FOR EACH STATEMENT EXECUTE FUNCTION custody.refuse_change();

-- One event more, without a lock: for append, and for the beginning below.
-- to_json escapes as RFC 8785 does and the keys are sorted: the body is canonical as it is put together.
CREATE FUNCTION custody.write(
    p_case text, p_job text, p_recording text, p_action text, p_from text, p_to text, p_run text, p_try integer,
    p_actor text, p_digests jsonb, p_reason text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    none     constant text := repeat('0', 64);
    last     record;
    own      record;
    number   bigint;
    prev     text;
    body     text;
    moment   timestamptz := clock_timestamp();
BEGIN
    SELECT e.seq, e.hash INTO last FROM custody.event e WHERE e.case_name = p_case ORDER BY e.seq DESC LIMIT 1;
    SELECT e.own_seq, e.hash INTO own FROM custody.event e
        WHERE e.case_name = p_case AND e.job = p_job AND e.recording = p_recording ORDER BY e.own_seq DESC LIMIT 1;
    number := coalesce(last.seq, 0) + 1;
    prev := coalesce(last.hash, none);
    body := '{"action":' || to_json(p_action)
        || ',"actor":' || to_json(p_actor)
        || ',"at":"' || to_char(moment AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
        || '","digests":{' || coalesce((
            SELECT string_agg(to_json(d.key)::text || ':' || to_json(d.value)::text, ',' ORDER BY d.key COLLATE "C")
            FROM jsonb_each_text(p_digests) d), '')
        || '},"from_state":' || coalesce(to_json(p_from)::text, 'null')
        || ',"job":' || to_json(p_job)
        || ',"local":"' || to_char(moment AT TIME ZONE 'Asia/Seoul', 'YYYY-MM-DD"T"HH24:MI:SS.US"+09:00"')
        || '","own_prev":"' || coalesce(own.hash, none)
        || '","own_seq":' || coalesce(own.own_seq, 0) + 1
        || ',"reason":' || coalesce(to_json(p_reason)::text, 'null')
        || ',"recording":' || coalesce(to_json(nullif(p_recording, ''))::text, 'null')
        || ',"run":' || coalesce(to_json(p_run)::text, 'null')
        || ',"to_state":' || coalesce(to_json(p_to)::text, 'null')
        || ',"try":' || coalesce(p_try::text, 'null') || '}';
    INSERT INTO custody.event (case_name, seq, job, recording, own_seq, prev, body, hash)
    VALUES (p_case, number, p_job, p_recording, coalesce(own.own_seq, 0) + 1, prev, body,
            encode(sha256(convert_to(concat_ws(E'\n', 'voiceman.event/1', p_case, number, prev, body), 'UTF8')), 'hex'));
    RETURN number;
END $$;

-- Held until the transaction ends, so that the next event sees this one: a case's events are written one by one.
CREATE FUNCTION custody.append(
    p_case text, p_job text, p_recording text, p_action text, p_from text, p_to text, p_run text, p_try integer,
    p_actor text, p_digests jsonb, p_reason text
) RETURNS bigint LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(p_case, 2));
    RETURN custody.write(p_case, p_job, p_recording, p_action, p_from, p_to, p_run, p_try, p_actor, p_digests, p_reason);
END $$;

CREATE FUNCTION custody.add_head(
    p_case text, p_job text, p_recording text, p_previous text, p_seq bigint, p_hash text, p_payload_sha256 text,
    p_envelope text
) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    last record;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended(concat_ws(E'\n', p_case, p_job, p_recording), 3));
    SELECT h.number, h.payload_sha256 INTO last FROM custody.head h
        WHERE h.case_name = p_case AND h.job = p_job AND h.recording = p_recording ORDER BY h.number DESC LIMIT 1;
    IF last.payload_sha256 IS DISTINCT FROM p_previous THEN
        RAISE EXCEPTION 'another head of % was signed meanwhile', p_case USING ERRCODE = 'VM003';
    END IF;
    IF NOT EXISTS (SELECT FROM custody.event e WHERE e.case_name = p_case AND e.seq = p_seq AND e.hash = p_hash) THEN
        RAISE EXCEPTION 'the chain of % has no event % with that hash', p_case, p_seq USING ERRCODE = 'VM003';
    END IF;
    INSERT INTO custody.head (case_name, job, recording, number, seq, hash, payload_sha256, envelope)
    VALUES (p_case, p_job, p_recording, coalesce(last.number, 0) + 1, p_seq, p_hash, p_payload_sha256, p_envelope);
    RETURN coalesce(last.number, 0) + 1;
END $$;

-- The case whose chain a job's events are in: fixed with its first event, else a chain would end without a word.
ALTER TABLE voiceman.job ADD COLUMN case_name text CHECK (case_name <> '' AND case_name !~ '[[:cntrl:]]');
UPDATE voiceman.job SET case_name = job_id;
CREATE FUNCTION voiceman.fix_case() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        NEW.case_name := coalesce(NEW.case_name, NEW.job_id);
    ELSE
        NEW.case_name := OLD.case_name;
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER job_case BEFORE INSERT OR UPDATE ON voiceman.job FOR EACH ROW EXECUTE FUNCTION voiceman.fix_case();

-- What each stage of each recording consumed, ran and produced: signed in-toto statements.
CREATE TABLE voiceman.attestation (
    id       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id   text NOT NULL,
    file_id  text NOT NULL,
    stage    text NOT NULL,
    sha256   text NOT NULL,
    envelope text NOT NULL,
    at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    FOREIGN KEY (job_id, file_id) REFERENCES voiceman.recording
);
CREATE INDEX attestation_by_recording ON voiceman.attestation (job_id, file_id, stage, id);
CREATE TRIGGER attestation_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voiceman.attestation
    FOR EACH STATEMENT EXECUTE FUNCTION voiceman.refuse_change();

-- Every change of state is a link. What the task adds (an action, a reason, digests that it verified) it leaves in the
-- setting voiceman.custody of its transaction, as JSON.
CREATE FUNCTION voiceman.chain_event() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    known   record;
    digests jsonb;
    added   jsonb := nullif(current_setting('voiceman.custody', true), '')::jsonb;
BEGIN
    SELECT r.sha256, j.case_name INTO known FROM voiceman.recording r JOIN voiceman.job j ON j.job_id = r.job_id
        WHERE r.job_id = NEW.job_id AND r.file_id = NEW.file_id;
    digests := jsonb_build_object('recording', known.sha256);
    IF NEW.to_state <> NEW.from_state AND NEW.to_state <> 'FAILED'
            AND NEW.from_state IN ('STT_PROCESSING', 'FORENSIC_PROCESSING', 'REPORT_GENERATING') THEN
        digests := digests || coalesce((SELECT jsonb_object_agg(a.kind, a.sha256) FROM voiceman.artefact a
                                        WHERE a.job_id = NEW.job_id AND a.file_id = NEW.file_id), '{}');
    END IF;
    PERFORM custody.append(
        known.case_name, NEW.job_id, NEW.file_id,
        coalesce(added ->> 'action', CASE WHEN NEW.from_state IS NULL THEN 'claimed' ELSE 'state' END),
        NEW.from_state, NEW.to_state, NEW.run_id, NEW.try_number, NEW.actor,
        digests || coalesce(added -> 'digests', '{}'),
        coalesce(NEW.error_code || ': ' || NEW.error_message, added ->> 'reason'));
    RETURN NULL;
END $$;
CREATE TRIGGER recording_event_chain AFTER INSERT ON voiceman.recording_event
    FOR EACH ROW EXECUTE FUNCTION voiceman.chain_event();

-- Deletions of a known job's objects, in its case; cached transcripts belong to no job, their row is all there is.
CREATE FUNCTION voiceman.chain_deletion() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    parts   text[] := string_to_array(NEW.key, '/');
    its     text;
    about   text;
BEGIN
    SELECT j.case_name INTO its FROM voiceman.job j WHERE j.job_id = parts[2];
    IF its IS NULL OR parts[1] = 'cache' THEN
        RETURN NULL;
    END IF;
    SELECT r.file_id INTO about FROM voiceman.recording r WHERE r.job_id = parts[2] AND r.name = parts[3];
    PERFORM custody.append(
        its, parts[2], coalesce(about, ''), 'deleted', NULL, NULL, NULL, NULL, NEW.actor,
        CASE WHEN NEW.sha256 IS NULL THEN '{}' ELSE jsonb_build_object(NEW.key, NEW.sha256) END,
        format('%s: %s (%s bytes)', NEW.policy, NEW.key, NEW.size_bytes));
    RETURN NULL;
END $$;
CREATE TRIGGER deletion_chain AFTER INSERT ON voiceman.deletion
    FOR EACH ROW EXECUTE FUNCTION voiceman.chain_deletion();

-- Recordings from before: their chain begins with where they stand now.
DO $$
DECLARE
    r record;
BEGIN
    FOR r IN SELECT one.*, j.case_name FROM voiceman.recording one JOIN voiceman.job j ON j.job_id = one.job_id
             ORDER BY one.job_id, one.file_id LOOP
        PERFORM custody.write(
            r.case_name, r.job_id, r.file_id, 'ledger began', NULL, r.state, r.run_id, r.try_number, 'migration 006',
            jsonb_build_object('recording', r.sha256) || coalesce((
                SELECT jsonb_object_agg(a.kind, a.sha256) FROM voiceman.artefact a
                WHERE a.job_id = r.job_id AND a.file_id = r.file_id), '{}'),
            'what the database said when the ledger began; nothing before is vouched for');
    END LOOP;
END $$;
