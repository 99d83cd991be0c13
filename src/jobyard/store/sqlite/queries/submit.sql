-- name: insert_dependencies :many
INSERT INTO dependencies (job_id, on_job, condition)
VALUES (?1, ?2, ?3);

-- name: resolve_dependencies :rows
-- Write what became of an ended job into the edges that lead to it; each is resolved once.
UPDATE dependencies
SET satisfied = (condition = 'finished' OR condition = lower(ended.value ->> 1))
FROM json_each(?1) AS ended
WHERE on_job = ended.value ->> 0
    AND satisfied IS NULL
RETURNING job_id;

-- name: apply_dependencies :rows
-- Take the resolved edges of held jobs, each once.
UPDATE dependencies
SET applied = 1
WHERE job_id IN (SELECT value FROM json_each(?1))
    AND applied = 0
    AND satisfied IS NOT NULL
RETURNING job_id, on_job, satisfied;

-- name: forget_keys :none
-- Forget keys from before ?1: these, and at most ?3 of the oldest.
DELETE FROM idempotency_keys
WHERE created_at < ?1
    AND key IN (
        SELECT value FROM json_each(?2)
        UNION ALL
        SELECT key FROM (
            SELECT key FROM idempotency_keys
            WHERE created_at < ?1
            ORDER BY created_at
            LIMIT ?3));

-- name: find_keys :rows
SELECT key, request_hash, job_id
FROM idempotency_keys
WHERE key IN (SELECT value FROM json_each(?1));

-- name: insert_keys :many
INSERT INTO idempotency_keys (key, request_hash, job_id, created_at)
VALUES (?1, ?2, ?3, ?4);

-- name: lock_names :rows
-- Let nobody else apply these names before this transaction ends. SQLite's writer is alone.
SELECT count(*) FROM json_each(?1);

-- name: newest_by_name :rows
-- The newest job of each of these names, ?1 their namespaces.
SELECT space.value, called.value, s.job_id, s.retried_from
FROM json_each(?1) AS space
JOIN json_each(?2) AS called ON called.key = space.key
JOIN job_specs AS s ON s.job_id = (
    SELECT t.job_id FROM job_specs AS t
    WHERE t.namespace = space.value
        AND t.name = called.value
    ORDER BY t.job_id DESC
    LIMIT 1);
