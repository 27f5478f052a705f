-- Whether a job wants an emotion model applied to the voices; NULL: as configured.
ALTER TABLE voiceman.job ADD COLUMN emotion boolean;
