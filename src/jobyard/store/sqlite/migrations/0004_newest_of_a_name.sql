-- phase: before
-- Applying a document asks for the newest job of a name in its namespace.

CREATE INDEX job_specs_by_full_name ON job_specs (namespace, name, job_id);
