-- phase: before
-- What lists filter by, and what is counted as it happens.

ALTER TABLE job_specs ADD COLUMN dataset TEXT;
ALTER TABLE job_specs ADD COLUMN manifest_hash TEXT;

-- One job in 64 tells where to look for those created after some time: ids and times rise together.
CREATE INDEX jobs_by_creation ON jobs (created_at) WHERE id % 64 = 0;
CREATE INDEX jobs_by_worker ON jobs (worker_id, id) WHERE worker_id IS NOT NULL;
-- Those without a time to live apart, for retention.
CREATE INDEX jobs_by_end
    ON jobs (status, (CASE WHEN expires_at IS NULL THEN 1 ELSE 0 END), finished_at, id)
    WHERE finished_at IS NOT NULL;
-- One index for two filters, for each index costs every submission: there are few triggers.
DROP INDEX job_specs_by_namespace;
CREATE INDEX job_specs_by_place ON job_specs ("trigger", namespace, job_id);
CREATE INDEX job_specs_by_workflow ON job_specs (workflow_id, job_id) WHERE workflow_id IS NOT NULL;
CREATE INDEX job_specs_by_dataset ON job_specs (dataset, job_id) WHERE dataset IS NOT NULL;

-- The labels of `job_specs` once more, one a row as "key=value", for lists that ask for them.
CREATE TABLE job_labels (
    label TEXT NOT NULL,
    job_id INTEGER NOT NULL,
    PRIMARY KEY (label, job_id)
) STRICT, WITHOUT ROWID;
INSERT INTO job_labels (label, job_id)
SELECT label.key || '=' || label.value, s.job_id
FROM job_specs AS s, json_each(s.labels) AS label;

-- Sums that grow and shrink with what they count, in the same transaction.
CREATE TABLE counters (
    kind TEXT NOT NULL,
    label TEXT NOT NULL,
    n INTEGER NOT NULL,
    PRIMARY KEY (kind, label)
) STRICT, WITHOUT ROWID;
INSERT INTO counters (kind, label, n)
SELECT 'jobs', status, count(*) FROM jobs GROUP BY status;
INSERT INTO counters (kind, label, n)
SELECT 'kept', status, count(*) FROM jobs
WHERE finished_at IS NOT NULL AND expires_at IS NULL GROUP BY status;
INSERT INTO counters (kind, label, n)
SELECT 'waiting', executor, count(*) FROM attempts WHERE status = 'SCHEDULED' GROUP BY executor;
INSERT INTO counters (kind, label, n)
SELECT 'running', '', count(*) FROM attempts WHERE status IN ('QUEUED', 'RUNNING');
