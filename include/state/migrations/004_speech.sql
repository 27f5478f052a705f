-- What a reader of the summary must know of a result: why a transcript is empty, whose cached transcript it is.
ALTER TABLE voiceman.artefact ADD COLUMN note text;

-- What a recording sounds like (Chromaprint), to find copies of it in other containers. Nothing is merged by it.
CREATE TABLE voiceman.fingerprint (
    job_id      text NOT NULL,
    file_id     text NOT NULL,
    sha256      text NOT NULL,
    duration_s  double precision NOT NULL,
    fingerprint text NOT NULL,
    made_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (job_id, file_id),
    FOREIGN KEY (job_id, file_id) REFERENCES voiceman.recording
);
CREATE INDEX fingerprint_by_duration ON voiceman.fingerprint (duration_s);

CREATE TABLE voiceman.related_recording (
    job_id        text NOT NULL,
    file_id       text NOT NULL,
    other_job_id  text NOT NULL,
    other_file_id text NOT NULL,
    similarity    double precision NOT NULL CHECK (similarity BETWEEN 0 AND 1),
    PRIMARY KEY (job_id, file_id, other_job_id, other_file_id),
    FOREIGN KEY (job_id, file_id) REFERENCES voiceman.recording,
    FOREIGN KEY (other_job_id, other_file_id) REFERENCES voiceman.recording
);
