-- Which recordings of a job wait for a person, when it was last claimed: what the question in Airflow lists.
CREATE TABLE voiceman.quarantine (
    job_id  text PRIMARY KEY REFERENCES voiceman.job,
    sha256  text NOT NULL,                        -- of the intake.json that declares it
    names   text[] NOT NULL
);

-- A release is of the recordings that the person was shown; and who keeps a job held takes an earlier release back:
-- the newest of these rows is what holds for an intake.json.
ALTER TABLE voiceman.release
    ADD COLUMN decision text NOT NULL DEFAULT 'released' CHECK (decision IN ('released', 'kept held')),
    ADD COLUMN names    text[];                   -- NULL: of all that intake.json declares (releases before this)
