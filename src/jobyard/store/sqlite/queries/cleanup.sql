-- name: expired_jobs :rows
-- Finished jobs whose time to live has passed at ?1, held until the transaction ends.
SELECT id
FROM jobs
WHERE expires_at <= ?1
    AND finished_at IS NOT NULL
ORDER BY expires_at
LIMIT ?2;

-- name: delete_attempts :none
DELETE FROM attempts
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: delete_events :none
DELETE FROM job_events
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: delete_checkpoints :none
DELETE FROM checkpoints
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: delete_specs :none
DELETE FROM job_specs
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: delete_dependencies :none
-- Edges of the deleted jobs; an edge that leads to one has its result already.
DELETE FROM dependencies
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: delete_jobs :none
DELETE FROM jobs
WHERE id IN (SELECT value FROM json_each(?1));
