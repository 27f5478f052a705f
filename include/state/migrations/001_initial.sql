-- The state of every recording, and every change of it. PostgreSQL 15+.
-- Airflow's own tables hold run and task state; these hold what became of each recording.

CREATE TABLE voiceman.job (
    job_id      text PRIMARY KEY,
    language    text NOT NULL,
    priority    text NOT NULL,
    created_at  timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE voiceman.legal_transition (
    from_state  text NOT NULL,
    to_state    text NOT NULL,
    PRIMARY KEY (from_state, to_state)
);

INSERT INTO voiceman.legal_transition (from_state, to_state) VALUES
    ('PENDING', 'STT_QUEUE'),
    ('STT_QUEUE', 'STT_PROCESSING'),
    ('STT_PROCESSING', 'STT_PROCESSING'),            -- the next try of the same stage
    ('STT_PROCESSING', 'FORENSIC_QUEUE'),
    ('FORENSIC_QUEUE', 'FORENSIC_PROCESSING'),
    ('FORENSIC_PROCESSING', 'FORENSIC_PROCESSING'),
    ('FORENSIC_PROCESSING', 'REPORT_QUEUE'),
    ('REPORT_QUEUE', 'REPORT_GENERATING'),
    ('REPORT_GENERATING', 'REPORT_GENERATING'),
    ('REPORT_GENERATING', 'COMPLETED'),
    ('PENDING', 'FAILED'),
    ('STT_QUEUE', 'FAILED'),
    ('STT_PROCESSING', 'FAILED'),
    ('FORENSIC_QUEUE', 'FAILED'),
    ('FORENSIC_PROCESSING', 'FAILED'),
    ('REPORT_QUEUE', 'FAILED'),
    ('REPORT_GENERATING', 'FAILED'),
    ('FAILED', 'PENDING');                           -- dropped again, or asked for again

CREATE TABLE voiceman.recording (
    job_id         text NOT NULL REFERENCES voiceman.job,
    file_id        text NOT NULL,
    name           text NOT NULL,
    sha256         text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    size_bytes     bigint NOT NULL CHECK (size_bytes >= 0),
    duration_s     double precision,
    received_at    timestamptz NOT NULL,             -- when the store took the drop
    state          text NOT NULL DEFAULT 'PENDING',
    error_code     text,
    error_message  text,
    run_id         text NOT NULL,                    -- the run that owns the recording: only it changes the state
    try_number     integer NOT NULL,
    actor          text NOT NULL,
    updated_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, file_id),
    CHECK ((state = 'FAILED') = (error_code IS NOT NULL))
);
CREATE INDEX recording_by_state ON voiceman.recording (state);
CREATE INDEX recording_by_digest ON voiceman.recording (sha256);

CREATE TABLE voiceman.recording_event (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id      text NOT NULL,
    file_id     text NOT NULL,
    from_state  text,
    to_state    text NOT NULL,
    at          timestamptz NOT NULL DEFAULT clock_timestamp(),
    run_id      text NOT NULL,
    try_number  integer NOT NULL,
    actor       text NOT NULL,
    error_code  text,
    error_message text,
    FOREIGN KEY (job_id, file_id) REFERENCES voiceman.recording
);
CREATE INDEX recording_event_by_recording ON voiceman.recording_event (job_id, file_id, id);

CREATE TABLE voiceman.artefact (
    job_id           text NOT NULL,
    file_id          text NOT NULL,
    kind             text NOT NULL,
    uri              text NOT NULL,
    sha256           text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    settings_digest  text NOT NULL,
    cache_hit        boolean NOT NULL DEFAULT false,
    created_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, file_id, kind),
    FOREIGN KEY (job_id, file_id) REFERENCES voiceman.recording
);

-- The database, not the code, decides which change of state is legal.
CREATE FUNCTION voiceman.check_transition() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM voiceman.legal_transition WHERE from_state = OLD.state AND to_state = NEW.state) THEN
        RAISE EXCEPTION 'recording %/% may not go from % to %', OLD.job_id, OLD.file_id, OLD.state, NEW.state
            USING ERRCODE = 'VM001';
    END IF;
    NEW.updated_at := clock_timestamp();
    RETURN NEW;
END $$;
CREATE TRIGGER recording_transition BEFORE UPDATE OF state ON voiceman.recording
    FOR EACH ROW EXECUTE FUNCTION voiceman.check_transition();

CREATE FUNCTION voiceman.check_first_state() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.state <> 'PENDING' THEN
        RAISE EXCEPTION 'recording %/% must begin PENDING', NEW.job_id, NEW.file_id USING ERRCODE = 'VM001';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER recording_first_state BEFORE INSERT ON voiceman.recording
    FOR EACH ROW EXECUTE FUNCTION voiceman.check_first_state();

CREATE FUNCTION voiceman.write_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO voiceman.recording_event (job_id, file_id, from_state, to_state, run_id, try_number, actor, error_code,
                                          error_message)
    VALUES (NEW.job_id, NEW.file_id, CASE WHEN TG_OP = 'UPDATE' THEN OLD.state END, NEW.state,
            NEW.run_id, NEW.try_number, NEW.actor, NEW.error_code, NEW.error_message);
    RETURN NULL;
END $$;
CREATE TRIGGER recording_event_insert AFTER INSERT ON voiceman.recording
    FOR EACH ROW EXECUTE FUNCTION voiceman.write_event();
CREATE TRIGGER recording_event_update AFTER UPDATE OF state ON voiceman.recording
    FOR EACH ROW EXECUTE FUNCTION voiceman.write_event();

CREATE FUNCTION voiceman.refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'VM002';
END $$;
CREATE TRIGGER recording_event_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voiceman.recording_event
    FOR EACH STATEMENT EXECUTE FUNCTION voiceman.refuse_change();
