-- name: expired_jobs :rows
-- Finished jobs whose time to live has passed at $1 and that nobody else holds.
SELECT id
FROM jobs
WHERE expires_at <= $1
    AND finished_at IS NOT NULL
ORDER BY expires_at
LIMIT $2
FOR UPDATE SKIP LOCKED;

-- name: ids_to_retire :rows
-- At most $2 jobs in this status that ended before $1 and that no time to live takes away: the
-- first that ended first.
SELECT id
FROM jobs
WHERE finished_at IS NOT NULL
    AND listed_status = $3
    AND finished_at < $1
    AND (CASE WHEN expires_at IS NULL THEN 1 ELSE 0 END) = 1
ORDER BY finished_at, id
LIMIT $2;

-- name: hold_finished :rows
-- Those of these jobs that are over and that nobody else holds, until the transaction ends.
SELECT id, status, expires_at IS NULL
FROM jobs
WHERE id = ANY ($1::bigint[])
    AND finished_at IS NOT NULL
ORDER BY id
FOR UPDATE SKIP LOCKED;

-- name: delete_jobs :none
-- With this the jobs are gone for everybody; what is left of them goes by and by.
DELETE FROM jobs
WHERE id = ANY ($1::bigint[]);

-- name: delete_specs :none
DELETE FROM job_specs
WHERE job_id = ANY ($1::bigint[]);

-- name: delete_checkpoints :none
DELETE FROM checkpoints
WHERE job_id = ANY ($1::bigint[]);

-- name: delete_dependencies :none
-- Edges of the deleted jobs; an edge that leads to one has its result already.
DELETE FROM dependencies
WHERE job_id = ANY ($1::bigint[]);

-- name: note_deletions :none
INSERT INTO deletions (job_id)
SELECT *
FROM unnest($1::bigint[]);

-- name: open_deletions :rows
-- Deleted jobs of which something is left, at most $1 of them, for nobody else to sweep.
SELECT job_id
FROM deletions
ORDER BY job_id
LIMIT $1
FOR UPDATE SKIP LOCKED;

-- name: sweep_attempts :rows
-- Delete at most $2 attempts of deleted jobs.
DELETE FROM attempts
WHERE id = ANY (ARRAY(
    SELECT id FROM attempts
    WHERE job_id = ANY ($1::bigint[])
    LIMIT $2))
RETURNING id;

-- name: sweep_events :rows
-- Delete at most $2 ledger lines of deleted jobs.
DELETE FROM job_events
WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM job_events
    WHERE job_id = ANY ($1::bigint[])
    LIMIT $2))
RETURNING id;

-- name: forget_deletions :none
DELETE FROM deletions
WHERE job_id = ANY ($1::bigint[]);
