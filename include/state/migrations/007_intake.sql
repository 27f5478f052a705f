-- What was said about a job's recordings when they were handed in, as it was written; and who released quarantined ones.
CREATE TABLE voiceman.intake (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id    text NOT NULL REFERENCES voiceman.job,
    sha256    text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    document  bytea NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX intake_by_job ON voiceman.intake (job_id, id);
CREATE TRIGGER intake_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voiceman.intake
    FOR EACH STATEMENT EXECUTE FUNCTION voiceman.refuse_change();

CREATE TABLE voiceman.release (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    job_id    text NOT NULL REFERENCES voiceman.job,
    sha256    text NOT NULL,                      -- of the intake.json that it is about: another one needs another release
    person    text NOT NULL CHECK (person <> ''),
    reason    text NOT NULL CHECK (reason <> ''),
    at        timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX release_by_job ON voiceman.release (job_id, sha256);
CREATE TRIGGER release_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON voiceman.release
    FOR EACH STATEMENT EXECUTE FUNCTION voiceman.refuse_change();
