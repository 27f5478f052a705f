-- Which recordings of a job wait for a person, when it was last claimed: what the question in Airflow lists.
CREATE TABLE voiceman.quarantine (
    job_id  text PRIMARY KEY REFERENCES voiceman.job,
    sha256  text NOT NULL,                        -- of the intake.json that declares it
    names   text[] NOT NULL
);
