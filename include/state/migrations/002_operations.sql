-- Every way in and every failure out: drops, revisions, redo, devices, queue figures, scaling, deletions.

-- A recording dropped again with other bytes is a new revision: its own row, beside the first one.
ALTER TABLE voiceman.recording
    ADD COLUMN received_name text,                            -- the name as dropped; a revision is kept under another
    ADD COLUMN revision      integer NOT NULL DEFAULT 1 CHECK (revision >= 1),
    ADD COLUMN language      text,                            -- asked for this recording; NULL: the job's
    ADD COLUMN let_go        boolean NOT NULL DEFAULT false;  -- the try that worked on it ended by itself
UPDATE voiceman.recording SET received_name = name;
ALTER TABLE voiceman.recording ALTER COLUMN received_name SET NOT NULL;
CREATE INDEX recording_by_run ON voiceman.recording (run_id);
CREATE INDEX recording_by_received ON voiceman.recording (received_at);
CREATE INDEX recording_event_by_time ON voiceman.recording_event (at);

ALTER TABLE voiceman.job ADD COLUMN model text;               -- Whisper weights asked for; NULL: the setting's

-- Asked for again: everything, or the analysis and report with the transcript reused.
INSERT INTO voiceman.legal_transition (from_state, to_state) VALUES
    ('COMPLETED', 'PENDING'),
    ('COMPLETED', 'FORENSIC_QUEUE');

ALTER TABLE voiceman.artefact
    ADD COLUMN device_s double precision;                     -- seconds of a device slot spent on it; NULL: none

-- Results that newer ones replaced, and where each was put: a report that a court has seen is not lost.
CREATE TABLE voiceman.artefact_history (
    id               bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id           text NOT NULL,
    file_id          text NOT NULL,
    kind             text NOT NULL,
    uri              text NOT NULL,
    sha256           text NOT NULL,
    settings_digest  text NOT NULL,
    replaced_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (job_id, file_id, kind, sha256)
);
CREATE TRIGGER artefact_history_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voiceman.artefact_history
    FOR EACH STATEMENT EXECUTE FUNCTION voiceman.refuse_change();

-- What the last manifest.json of a job listed: it must come, whichever run claims it.
CREATE TABLE voiceman.delivery (
    job_id    text NOT NULL,
    name      text NOT NULL,
    sha256    text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    language  text,
    PRIMARY KEY (job_id, name)
);

-- What lies under incoming/: since when unchanged, and when Airflow was told. The watcher's memory.
CREATE TABLE voiceman.incoming_drop (
    job_id        text PRIMARY KEY,
    fingerprint   text NOT NULL,                              -- of the listing: another one means that something changed
    since         timestamptz NOT NULL DEFAULT clock_timestamp(),
    quiet_s       double precision,                           -- starts when unchanged for so long; NULL: not by itself
    look_at       timestamptz NOT NULL,                       -- when the look began that found it so
    announced     integer NOT NULL DEFAULT 0,                 -- how often an event was sent for this fingerprint
    announced_at  timestamptz,
    problem       text                                        -- why it doesn't start yet: one sentence for people
);

-- Device slots that workers found on their hosts; the pool `gpu` has as many slots as were seen lately.
CREATE TABLE voiceman.device (
    host          text NOT NULL,
    slot          text NOT NULL,                              -- a GPU's or MIG instance's UUID, or cpu-0
    kind          text NOT NULL CHECK (kind IN ('gpu', 'mig', 'cpu')),
    name          text NOT NULL,
    memory_bytes  bigint,
    seen_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (host, slot)
);

-- Memory that a model takes, measured on the device that ran it.
CREATE TABLE voiceman.model_memory (
    model            text NOT NULL,                           -- name and the first digits of the weights' digest
    device           text NOT NULL,                           -- the device's name
    compute_type     text NOT NULL,
    fixed_bytes      bigint NOT NULL,                         -- loaded, nothing decoded
    bytes_per_chunk  bigint NOT NULL,                         -- more for each 30-s chunk decoded together
    measured_at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (model, device, compute_type)
);

-- What the scaling policy recommends, for an autoscaler to read: the newest row counts.
CREATE TABLE voiceman.scaling_recommendation (
    id                bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at                timestamptz NOT NULL DEFAULT clock_timestamp(),
    queue_depth       integer NOT NULL,
    oldest_age_s      double precision,
    action            text NOT NULL CHECK (action IN ('shrink', 'hold', 'grow')),
    stt_workers       integer NOT NULL,
    forensic_workers  integer NOT NULL,
    alert             boolean NOT NULL
);
CREATE INDEX scaling_recommendation_by_time ON voiceman.scaling_recommendation (at);

-- What housekeeping removed, and by which policy.
CREATE TABLE voiceman.deletion (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    key       text NOT NULL,
    sha256    text,                                           -- of originals always; else NULL when not read
    size_bytes bigint NOT NULL,
    modified  timestamptz NOT NULL,
    policy    text NOT NULL,
    actor     text NOT NULL
);
CREATE INDEX deletion_by_key ON voiceman.deletion (key);
CREATE TRIGGER deletion_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voiceman.deletion
    FOR EACH STATEMENT EXECUTE FUNCTION voiceman.refuse_change();

-- Waiting, working and the oldest recording of each stage.
CREATE VIEW voiceman.queue AS
    SELECT stage.position, stage.name AS stage,
           count(r.file_id) FILTER (WHERE r.state = ANY (stage.waiting)) AS waiting,
           count(r.file_id) FILTER (WHERE r.state = stage.working) AS working,
           min(r.received_at) AS oldest_received_at,
           extract(epoch FROM clock_timestamp() - min(r.received_at))::double precision AS oldest_age_s
    FROM (VALUES (1, 'transcribe', ARRAY['PENDING', 'STT_QUEUE'], 'STT_PROCESSING'),
                 (2, 'analyze', ARRAY['FORENSIC_QUEUE'], 'FORENSIC_PROCESSING'),
                 (3, 'report', ARRAY['REPORT_QUEUE'], 'REPORT_GENERATING')) AS stage (position, name, waiting, working)
    LEFT JOIN voiceman.recording r ON r.state = stage.working OR r.state = ANY (stage.waiting)
    GROUP BY stage.position, stage.name;

-- The depth that the batch table and the scaling policy ask for: recordings that wait for transcription.
CREATE VIEW voiceman.queue_depth AS
    SELECT count(*) AS depth,
           extract(epoch FROM clock_timestamp() - min(received_at))::double precision AS oldest_age_s
    FROM voiceman.recording WHERE state IN ('PENDING', 'STT_QUEUE');

-- Recordings that left each stage in the last hour, and how long the stage took them, from their last entry into it.
CREATE VIEW voiceman.stage_rate AS
    SELECT stage.position, stage.name AS stage,
           count(done.id) AS done_last_hour,
           percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM done.at - begun.at)) AS median_s,
           percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM done.at - begun.at)) AS p95_s
    FROM (VALUES (1, 'transcribe', 'STT_PROCESSING', 'FORENSIC_QUEUE'),
                 (2, 'analyze', 'FORENSIC_PROCESSING', 'REPORT_QUEUE'),
                 (3, 'report', 'REPORT_GENERATING', 'COMPLETED')) AS stage (position, name, working, done)
    LEFT JOIN voiceman.recording_event done
        ON done.to_state = stage.done AND done.from_state = stage.working
        AND done.at > clock_timestamp() - interval '1 hour'
    LEFT JOIN LATERAL (
        SELECT e.at FROM voiceman.recording_event e
        WHERE e.job_id = done.job_id AND e.file_id = done.file_id AND e.to_state = stage.working AND e.id < done.id
        ORDER BY e.id DESC LIMIT 1) begun ON true
    GROUP BY stage.position, stage.name;
