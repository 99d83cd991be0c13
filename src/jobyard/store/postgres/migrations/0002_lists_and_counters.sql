-- phase: before
-- What lists filter by, and what is counted as it happens.

ALTER TABLE job_specs ADD COLUMN dataset text;
ALTER TABLE job_specs ADD COLUMN manifest_hash text;

-- A claim stays within its page (HOT): the columns that lists by status and by worker go by are
-- written with a job's start and its end. A QUEUED job is listed as SCHEDULED, and with the worker
-- from before; the few that are QUEUED are found by their claimed attempts.
ALTER TABLE jobs ADD COLUMN listed_status text;
ALTER TABLE jobs ADD COLUMN listed_worker text;
UPDATE jobs SET
    listed_status = CASE status WHEN 'QUEUED' THEN 'SCHEDULED' ELSE status END,
    listed_worker = CASE WHEN status <> 'QUEUED' THEN worker_id END;
DROP INDEX jobs_active;
DROP INDEX jobs_by_outcome;
CREATE INDEX jobs_by_status ON jobs (listed_status, id);
-- Bytewise, so that a prefix is a range.
CREATE INDEX jobs_by_worker ON jobs (listed_worker COLLATE "C", id)
    WHERE listed_worker IS NOT NULL;
-- Those without a time to live apart, for retention.
CREATE INDEX jobs_by_end
    ON jobs (listed_status, (CASE WHEN expires_at IS NULL THEN 1 ELSE 0 END), finished_at, id)
    WHERE finished_at IS NOT NULL;
-- One job in 64 tells where to look for those created after some time: ids and times rise together.
CREATE INDEX jobs_by_creation ON jobs (created_at) WHERE id % 64 = 0;

-- One index for two filters, for each index costs every submission: there are few triggers.
DROP INDEX job_specs_by_namespace;
-- It is of one text, bytewise, because a range over two columns does not end where it should.
CREATE INDEX job_specs_by_place ON job_specs (("trigger" || '/' || namespace) COLLATE "C", job_id);
CREATE INDEX job_specs_by_workflow ON job_specs (workflow_id, job_id) WHERE workflow_id IS NOT NULL;
CREATE INDEX job_specs_by_dataset ON job_specs (dataset, job_id) WHERE dataset IS NOT NULL;

-- The labels of `job_specs` once more, one a row as "key=value", for lists that ask for them.
CREATE TABLE job_labels (
    label text NOT NULL,
    job_id bigint NOT NULL,
    PRIMARY KEY (label, job_id)
);
INSERT INTO job_labels (label, job_id)
SELECT label.key || '=' || label.value, s.job_id
FROM job_specs AS s
CROSS JOIN LATERAL json_each_text(s.labels::json) AS label;

-- Sums that grow and shrink with what they count, in the same transaction. Each is spread over
-- shards, one for each connection or so: those who count at the same time do not wait.
CREATE TABLE counters (
    shard integer NOT NULL,
    kind text NOT NULL,
    label text NOT NULL,
    n bigint NOT NULL,
    PRIMARY KEY (shard, kind, label)
) WITH (
    fillfactor = 20,
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);
INSERT INTO counters (shard, kind, label, n)
SELECT 0, 'jobs', status, count(*) FROM jobs GROUP BY status;
INSERT INTO counters (shard, kind, label, n)
SELECT 0, 'kept', status, count(*) FROM jobs
WHERE finished_at IS NOT NULL AND expires_at IS NULL GROUP BY status;
INSERT INTO counters (shard, kind, label, n)
SELECT 0, 'waiting', executor, count(*) FROM attempts WHERE session IS NULL GROUP BY executor;
INSERT INTO counters (shard, kind, label, n)
SELECT 0, 'running', '', count(*) FROM attempts WHERE status IN ('QUEUED', 'RUNNING');

CREATE TYPE label_row AS (
    label text, job_id bigint
);
CREATE TYPE count_row AS (
    kind text, label text, n bigint
);

-- Deletion gives room back that these tables should use again soon.
ALTER TABLE job_specs SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE job_events SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE job_labels SET (autovacuum_vacuum_scale_factor = 0.05);
ALTER TABLE log_chunks SET (
    autovacuum_vacuum_scale_factor = 0.05, toast.autovacuum_vacuum_scale_factor = 0.05
);
