-- name: now :rows
-- The clock of the database; it decides.
SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint;

-- name: take_ids :rows
-- Runs of fresh ids as (first, length); an id is never given twice.
SELECT nextval('job_ids'), 1
FROM generate_series(1, $1::integer);

-- name: lock_jobs :rows
-- Lock those of these jobs that nobody else holds, ids ascending, and read their narrow rows.
SELECT
    j.id, j.status, j.outcome, j.outcome_at, j.reason, j.message, j.request, j.waiting_on,
    j.dependency_failed, j.active, j.terminating, j.succeeded, j.failed, j.restarts,
    j.completed_indexes, j.failed_indexes, j.live_indexes, j.leaving_indexes, j.held, j.overall,
    j.tries, j.worker_id, j.retry_at, j.scheduled_at, j.admitted_at, j.queued_at, j.started_at,
    j.finished_at, j.expires_at, j.created_at, j.decide_at
FROM jobs AS j
WHERE j.id = ANY ($1::bigint[])
ORDER BY j.id
FOR NO KEY UPDATE OF j SKIP LOCKED;

-- name: lock_job :rows
-- Lock one job, waiting for whoever holds it, and read its narrow row.
SELECT
    j.id, j.status, j.outcome, j.outcome_at, j.reason, j.message, j.request, j.waiting_on,
    j.dependency_failed, j.active, j.terminating, j.succeeded, j.failed, j.restarts,
    j.completed_indexes, j.failed_indexes, j.live_indexes, j.leaving_indexes, j.held, j.overall,
    j.tries, j.worker_id, j.retry_at, j.scheduled_at, j.admitted_at, j.queued_at, j.started_at,
    j.finished_at, j.expires_at, j.created_at, j.decide_at
FROM jobs AS j
WHERE j.id = $1
FOR NO KEY UPDATE OF j;

-- name: placements :rows
-- What held jobs were asked as. A query of its own, after the lock: one that locks and joins
-- would read these columns as they were before whoever held the job changed them.
SELECT
    job_id, policy, executor, priority, request_cpu, request_memory, worker_pin, worker_selector
FROM job_specs
WHERE job_id = ANY ($1::bigint[]);

-- name: insert_jobs :many
INSERT INTO jobs (
    id, status, outcome, outcome_at, reason, message, request, waiting_on, dependency_failed,
    active, terminating, succeeded, failed, restarts, completed_indexes, failed_indexes,
    live_indexes, leaving_indexes, held, overall, tries, worker_id, retry_at, scheduled_at,
    admitted_at, queued_at, started_at, finished_at, expires_at, created_at, decide_at, updated_at,
    listed_status, listed_worker)
SELECT r.*, CASE r.status WHEN 'QUEUED' THEN 'SCHEDULED' ELSE r.status END, r.worker_id
FROM unnest($1::job_row[]) AS r;

-- name: update_jobs :many
-- The caller holds the rows. A terminal job is never written again.
UPDATE jobs AS j
SET
    status = n.status, outcome = n.outcome, outcome_at = n.outcome_at, reason = n.reason,
    message = n.message, request = n.request, waiting_on = n.waiting_on,
    dependency_failed = n.dependency_failed, active = n.active, terminating = n.terminating,
    succeeded = n.succeeded, failed = n.failed, restarts = n.restarts,
    completed_indexes = n.completed_indexes, failed_indexes = n.failed_indexes,
    live_indexes = n.live_indexes, leaving_indexes = n.leaving_indexes, held = n.held,
    overall = n.overall, tries = n.tries, worker_id = n.worker_id, retry_at = n.retry_at,
    scheduled_at = n.scheduled_at, admitted_at = n.admitted_at, queued_at = n.queued_at,
    started_at = n.started_at, finished_at = n.finished_at, expires_at = n.expires_at,
    created_at = n.created_at, decide_at = n.decide_at, updated_at = n.updated_at,
    listed_status = CASE n.status WHEN 'QUEUED' THEN 'SCHEDULED' ELSE n.status END,
    listed_worker = CASE n.status WHEN 'QUEUED' THEN j.listed_worker ELSE n.worker_id END
FROM unnest($1::job_row[]) AS n
WHERE j.id = n.id
    AND j.status NOT IN ('COMPLETED', 'FAILED', 'STOPPED', 'CANCELED');

-- name: insert_specs :many
INSERT INTO job_specs (
    job_id, namespace, name, labels, executor, priority, request_cpu, request_memory, worker_pin,
    worker_selector, "trigger", retried_from, policy, spec)
SELECT *
FROM unnest($1::spec_row[]);

-- name: insert_labels :many
INSERT INTO job_labels (label, job_id)
SELECT *
FROM unnest($1::label_row[]);

-- name: labels_of :rows
-- The labels of these jobs as `job_labels` has them, by what their specs say.
SELECT label.key || '=' || label.value, s.job_id
FROM job_specs AS s
CROSS JOIN LATERAL json_each_text(s.labels::json) AS label
WHERE s.job_id = ANY ($1::bigint[]);

-- name: delete_labels :many
DELETE FROM job_labels AS l
USING unnest($1::label_row[]) AS gone
WHERE l.label = gone.label
    AND l.job_id = gone.job_id;

-- name: update_spec :none
-- Everything of a job that its spec decides; its executor never changes.
UPDATE job_specs
SET
    labels = $2, priority = $3, request_cpu = $4, request_memory = $5, worker_pin = $6,
    worker_selector = $7, policy = $8, spec = $9
WHERE job_id = $1;

-- name: touch_finished :none
-- The time to live of a finished job that the caller holds changed: it goes at $2, or never.
UPDATE jobs
SET expires_at = $2, updated_at = $3
WHERE id = $1;

-- name: specs_of :rows
SELECT job_id, name, namespace, spec
FROM job_specs
WHERE job_id = ANY ($1::bigint[]);

-- name: jobs_by_id :rows
-- These jobs as people see them, ids ascending.
SELECT
    j.id, j.status, j.outcome, j.outcome_at, j.reason, j.message, j.request, j.waiting_on,
    j.dependency_failed, j.active, j.terminating, j.succeeded, j.failed, j.restarts,
    j.completed_indexes, j.failed_indexes, j.live_indexes, j.leaving_indexes, j.held, j.overall,
    j.tries, j.worker_id, j.retry_at, j.scheduled_at, j.admitted_at, j.queued_at, j.started_at,
    j.finished_at, j.expires_at, j.created_at,
    s.policy, s.name, s.namespace, s.labels, s.executor, s.priority, s."trigger", s.workflow_id,
    s.retried_from, j.updated_at, s.spec,
    (SELECT a.result FROM attempts AS a
     WHERE a.job_id = j.id AND a.result IS NOT NULL AND a.status = 'SUCCEEDED'
     ORDER BY a.id DESC LIMIT 1),
    s.dataset, s.manifest_hash
FROM jobs AS j
JOIN job_specs AS s ON s.job_id = j.id
WHERE j.id = ANY ($1::bigint[])
ORDER BY j.id;

-- name: unplaced_among :rows
-- Those of these jobs of which no program started yet, or which no worker has; and whether one
-- was claimed and has not started.
SELECT id, status = 'QUEUED'
FROM jobs
WHERE id = ANY ($1::bigint[])
    AND (status IN ('SCHEDULED', 'QUEUED') OR worker_id IS NULL);

-- name: due_jobs :rows
-- Jobs whose time has come, and jobs with news that nobody counted or applied.
(SELECT id FROM jobs WHERE decide_at <= $1 ORDER BY decide_at LIMIT $2)
UNION
(SELECT DISTINCT job_id FROM attempts WHERE NOT counted AND finished_at IS NOT NULL
 ORDER BY job_id LIMIT $2)
UNION
(SELECT DISTINCT job_id FROM dependencies WHERE NOT applied AND satisfied IS NOT NULL
 ORDER BY job_id LIMIT $2)
LIMIT $2;

-- name: next_wake :rows
-- When the next job is due.
SELECT decide_at
FROM jobs
WHERE decide_at IS NOT NULL
ORDER BY decide_at
LIMIT 1;

-- name: insert_events :many
INSERT INTO job_events (job_id, event, status, at, reason, message, worker_id)
SELECT *
FROM unnest($1::ledger_row[]);

-- name: list_events :rows
-- A job's ledger, oldest first, ids above $2.
SELECT id, job_id, event, status, at, reason, message, worker_id
FROM job_events
WHERE job_id = $1
    AND id > $2
ORDER BY id
LIMIT $3;
