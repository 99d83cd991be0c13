-- Each `ids_…` finds the newest ids below $1, at most $2, that pass one filter, and costs what it
-- finds. Lists that ask for more than one thing choose among them (transactions/find.py).
--
-- A filter is asked for as a range of (filter, id), in that order: an equality would let the
-- planner walk all ids instead, hoping to meet it soon.

-- name: ids_of_jobs :rows
SELECT id
FROM jobs
WHERE id < $1
ORDER BY id DESC
LIMIT $2;

-- name: ids_by_status :rows
-- Of jobs in one of these statuses; each has its part of an index.
SELECT found.id
FROM unnest($3::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT j.id FROM jobs AS j
    WHERE j.status >= wanted.status
        AND (j.status, j.id) < (wanted.status, $1)
    ORDER BY j.status DESC, j.id DESC
    LIMIT $2) AS found
ORDER BY found.id DESC
LIMIT $2;

-- name: ids_by_name :rows
SELECT job_id
FROM job_specs
WHERE name >= $3
    AND (name, job_id) < ($3, $1)
ORDER BY name DESC, job_id DESC
LIMIT $2;

-- name: ids_by_namespace :rows
SELECT job_id
FROM job_specs
WHERE namespace >= $3
    AND (namespace, job_id) < ($3, $1)
ORDER BY namespace DESC, job_id DESC
LIMIT $2;

-- name: ids_by_trigger :rows
SELECT job_id
FROM job_specs
WHERE "trigger" >= $3
    AND ("trigger", job_id) < ($3, $1)
ORDER BY "trigger" DESC, job_id DESC
LIMIT $2;

-- name: ids_by_workflow :rows
SELECT job_id
FROM job_specs
WHERE workflow_id >= $3
    AND (workflow_id, job_id) < ($3, $1)
ORDER BY workflow_id DESC, job_id DESC
LIMIT $2;

-- name: ids_by_dataset :rows
SELECT job_id
FROM job_specs
WHERE dataset >= $3
    AND (dataset, job_id) < ($3, $1)
ORDER BY dataset DESC, job_id DESC
LIMIT $2;

-- name: ids_by_label :rows
SELECT job_id
FROM job_labels
WHERE (key, value) >= ($3, $4)
    AND (key, value, job_id) < ($3, $4, $1)
ORDER BY key DESC, value DESC, job_id DESC
LIMIT $2;

-- name: ids_by_worker :rows
SELECT id
FROM jobs
WHERE worker_id COLLATE "C" >= $3
    AND (worker_id COLLATE "C", id) < ($3, $1)
ORDER BY worker_id COLLATE "C" DESC, id DESC
LIMIT $2;

-- name: ids_by_workers :rows
-- Of workers whose id is from $3 up to, not with, $4. One look for each such worker; a page can
-- only come from the $2 of them that have the newest jobs.
WITH RECURSIVE worker (id) AS (
    (SELECT worker_id FROM jobs
     WHERE worker_id COLLATE "C" >= $3
         AND worker_id COLLATE "C" < $4
     ORDER BY worker_id COLLATE "C" LIMIT 1)
    UNION ALL
    SELECT (
        SELECT j.worker_id FROM jobs AS j
        WHERE j.worker_id COLLATE "C" > worker.id
            AND j.worker_id COLLATE "C" < $4
        ORDER BY j.worker_id COLLATE "C" LIMIT 1)
    FROM worker
    WHERE worker.id IS NOT NULL
),
newest (worker_id, id) AS (
    SELECT worker.id, (
        SELECT j.id FROM jobs AS j
        WHERE j.worker_id COLLATE "C" >= worker.id
            AND (j.worker_id COLLATE "C", j.id) < (worker.id, $1)
        ORDER BY j.worker_id COLLATE "C" DESC, j.id DESC LIMIT 1)
    FROM worker
    ORDER BY 2 DESC NULLS LAST
    LIMIT $2
)
SELECT found.id
FROM newest
CROSS JOIN LATERAL (
    SELECT j.id FROM jobs AS j
    WHERE j.worker_id COLLATE "C" >= newest.worker_id
        AND (j.worker_id COLLATE "C", j.id) < (newest.worker_id, $1)
    ORDER BY j.worker_id COLLATE "C" DESC, j.id DESC
    LIMIT $2) AS found
ORDER BY found.id DESC
LIMIT $2;

-- name: ids_created_after :rows
-- At most $2 jobs that were created after $1, in no order.
SELECT job_id
FROM job_specs
WHERE created_at > $1
LIMIT $2;

-- name: ids_by_end :rows
-- At most $2 jobs in one of these statuses that ended before $1, and when: the first that ended
-- first, after the end $4 and, of those that ended at it, the id $5.
SELECT found.id, found.finished_at
FROM unnest($3::text[]) AS wanted (status)
CROSS JOIN LATERAL (
    SELECT j.id, j.finished_at FROM jobs AS j
    WHERE j.finished_at IS NOT NULL
        AND j.status = wanted.status
        AND j.finished_at < $1
        AND (j.finished_at, j.id) > ($4, $5)
    ORDER BY j.finished_at, j.id
    LIMIT $2) AS found
ORDER BY found.finished_at, found.id
LIMIT $2;

-- name: matching :rows
-- Those of these jobs that pass every filter that is not NULL, newest first. $2 lists statuses;
-- $6 is a worker, $7 the beginning of one; $12 lists labels as (key, value, whether to have it).
SELECT j.id
FROM jobs AS j
JOIN job_specs AS s ON s.job_id = j.id
WHERE j.id = ANY ($1::bigint[])
    AND ($2::text[] IS NULL OR j.status = ANY ($2))
    AND ($3::text IS NULL OR s.name = $3)
    AND ($4::text IS NULL OR s.namespace = $4)
    AND ($5::text IS NULL OR s."trigger" = $5)
    AND ($6::text IS NULL OR j.worker_id = $6)
    AND ($7::text IS NULL OR starts_with(j.worker_id, $7))
    AND ($8::bigint IS NULL OR s.workflow_id = $8)
    AND ($9::text IS NULL OR s.dataset = $9)
    AND ($10::bigint IS NULL OR j.created_at > $10)
    AND ($11::bigint IS NULL OR j.finished_at < $11)
    AND ($12::text IS NULL OR NOT EXISTS (
        SELECT 1 FROM json_array_elements($12::json) AS wanted
        WHERE (wanted ->> 2)::boolean <> EXISTS (
            SELECT 1 FROM job_labels AS l
            WHERE l.key = wanted ->> 0
                AND l.value = wanted ->> 1
                AND l.job_id = j.id)))
ORDER BY j.id DESC;
