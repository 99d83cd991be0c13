-- name: insert_dependencies :many
INSERT INTO dependencies (job_id, on_job, condition)
SELECT *
FROM unnest($1::edge_row[]);

-- name: resolve_dependencies :rows
-- Write what became of an ended job into the edges that lead to it; each is resolved once.
UPDATE dependencies AS d
SET satisfied = (d.condition = 'finished' OR d.condition = lower(ended.status))
FROM unnest($1::outcome_row[]) AS ended
WHERE d.on_job = ended.id
    AND d.satisfied IS NULL
RETURNING d.job_id;

-- name: apply_dependencies :rows
-- Take the resolved edges of held jobs, each once.
UPDATE dependencies
SET applied = true
WHERE job_id = ANY ($1::bigint[])
    AND NOT applied
    AND satisfied IS NOT NULL
RETURNING job_id, on_job, satisfied;

-- name: forget_keys :none
-- Forget keys from before $1: these, and at most $3 of the oldest.
DELETE FROM idempotency_keys
WHERE created_at < $1
    AND key = ANY ($2::text[] || ARRAY(
        SELECT key FROM idempotency_keys
        WHERE created_at < $1
        ORDER BY created_at
        LIMIT $3
        FOR UPDATE SKIP LOCKED));

-- name: find_keys :rows
SELECT key, request_hash, job_id
FROM idempotency_keys
WHERE key = ANY ($1::text[]);

-- name: insert_keys :many
INSERT INTO idempotency_keys (key, request_hash, job_id, created_at)
SELECT *
FROM unnest($1::key_row[]);

-- name: lock_names :rows
-- Let nobody else apply these names before this transaction ends. Always in the same order, so
-- that two who apply the same names do not wait for each other.
SELECT count(*)
FROM (
    SELECT pg_advisory_xact_lock(wanted.key)
    FROM (
        SELECT DISTINCT hashtextextended(name, 0) AS key
        FROM unnest($1::text[]) AS name
        ORDER BY key) AS wanted) AS locked;

-- name: newest_by_name :rows
-- The newest job of each of these names, $1 their namespaces. Asked for as a range, because an
-- equality would let the planner walk all ids instead, hoping to meet the name soon.
SELECT wanted.namespace, wanted.name, s.job_id, s.retried_from
FROM unnest($1::text[], $2::text[]) AS wanted (namespace, name)
CROSS JOIN LATERAL (
    SELECT t.job_id, t.retried_from
    FROM job_specs AS t
    WHERE (t.namespace, t.name) >= (wanted.namespace, wanted.name)
        AND (t.namespace, t.name, t.job_id) <= (wanted.namespace, wanted.name, 9223372036854775807)
    ORDER BY t.namespace DESC, t.name DESC, t.job_id DESC
    LIMIT 1) AS s;
