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
-- Of jobs in one of these statuses; each has its part of an index. A job that is QUEUED is listed
-- as SCHEDULED: who asks for QUEUED alone gets it from what workers hold.
WITH RECURSIVE claimed (job_id) AS (
    SELECT max(job_id) FROM attempts
    WHERE status IN ('QUEUED', 'RUNNING')
        AND job_id < $1
    UNION ALL
    SELECT (
        SELECT max(a.job_id) FROM attempts AS a
        WHERE a.status IN ('QUEUED', 'RUNNING')
            AND a.job_id < claimed.job_id)
    FROM claimed
    WHERE claimed.job_id IS NOT NULL
)
SELECT id FROM (
    SELECT found.id
    FROM unnest($3::text[]) AS wanted (status)
    CROSS JOIN LATERAL (
        SELECT j.id FROM jobs AS j
        WHERE j.listed_status >= wanted.status
            AND (j.listed_status, j.id) < (wanted.status, $1)
            AND j.status = ANY ($3)
        ORDER BY j.listed_status DESC, j.id DESC
        LIMIT $2) AS found
    UNION ALL
    SELECT j.id
    FROM claimed
    JOIN jobs AS j ON j.id = claimed.job_id
    WHERE j.status = 'QUEUED'
        AND 'QUEUED' = ANY ($3)
        AND NOT 'SCHEDULED' = ANY ($3)
) AS found
ORDER BY id DESC
LIMIT $2;

-- name: ids_by_name :rows
SELECT job_id
FROM job_specs
WHERE name >= $3
    AND (name, job_id) < ($3, $1)
ORDER BY name DESC, job_id DESC
LIMIT $2;

-- name: ids_by_namespace :rows
-- A range of the index for each trigger that there is. A trigger has neither a `/` nor a `0`,
-- which comes next.
WITH RECURSIVE cause (word) AS (
    SELECT split_part(min(("trigger" || '/' || namespace) COLLATE "C"), '/', 1) FROM job_specs
    UNION ALL
    SELECT (
        SELECT split_part(min((s."trigger" || '/' || s.namespace) COLLATE "C"), '/', 1)
        FROM job_specs AS s
        WHERE (s."trigger" || '/' || s.namespace) COLLATE "C" >= cause.word || '0')
    FROM cause
    WHERE cause.word IS NOT NULL
)
SELECT found.job_id
FROM cause
CROSS JOIN LATERAL (
    SELECT s.job_id FROM job_specs AS s
    WHERE (s."trigger" || '/' || s.namespace) COLLATE "C" >= cause.word || '/' || $3
        AND ((s."trigger" || '/' || s.namespace) COLLATE "C", s.job_id) < (cause.word || '/' || $3, $1)
    ORDER BY (s."trigger" || '/' || s.namespace) COLLATE "C" DESC, s.job_id DESC
    LIMIT $2) AS found
ORDER BY found.job_id DESC
LIMIT $2;

-- name: ids_by_trigger :rows
-- One look for each namespace; a page can only come from the $2 of them that have the newest jobs.
WITH RECURSIVE place (word) AS (
    SELECT min(("trigger" || '/' || namespace) COLLATE "C") FROM job_specs
    WHERE ("trigger" || '/' || namespace) COLLATE "C" >= $3 || '/'
        AND ("trigger" || '/' || namespace) COLLATE "C" < $3 || '0'
    UNION ALL
    SELECT (
        SELECT min((s."trigger" || '/' || s.namespace) COLLATE "C") FROM job_specs AS s
        WHERE (s."trigger" || '/' || s.namespace) COLLATE "C" > place.word
            AND (s."trigger" || '/' || s.namespace) COLLATE "C" < $3 || '0')
    FROM place
    WHERE place.word IS NOT NULL
),
newest (word, job_id) AS (
    SELECT place.word, (
        SELECT s.job_id FROM job_specs AS s
        WHERE (s."trigger" || '/' || s.namespace) COLLATE "C" >= place.word
            AND ((s."trigger" || '/' || s.namespace) COLLATE "C", s.job_id) < (place.word, $1)
        ORDER BY (s."trigger" || '/' || s.namespace) COLLATE "C" DESC, s.job_id DESC LIMIT 1)
    FROM place
    ORDER BY 2 DESC NULLS LAST
    LIMIT $2
)
SELECT found.job_id
FROM newest
CROSS JOIN LATERAL (
    SELECT s.job_id FROM job_specs AS s
    WHERE (s."trigger" || '/' || s.namespace) COLLATE "C" >= newest.word
        AND ((s."trigger" || '/' || s.namespace) COLLATE "C", s.job_id) < (newest.word, $1)
    ORDER BY (s."trigger" || '/' || s.namespace) COLLATE "C" DESC, s.job_id DESC
    LIMIT $2) AS found
ORDER BY found.job_id DESC
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

-- name: ids_by_revision :rows
-- Of the jobs of a dataset, those of one manifest.
SELECT job_id
FROM job_specs
WHERE dataset IS NOT NULL
    AND (dataset || '@' || manifest_hash) COLLATE "C" >= $3::text || '@' || $4::text
    AND ((dataset || '@' || manifest_hash) COLLATE "C", job_id) < ($3::text || '@' || $4::text, $1)
ORDER BY (dataset || '@' || manifest_hash) COLLATE "C" DESC, job_id DESC
LIMIT $2;

-- name: ids_by_label :rows
SELECT job_id
FROM job_labels
WHERE label >= $3
    AND (label, job_id) < ($3, $1)
ORDER BY label DESC, job_id DESC
LIMIT $2;

-- name: ids_by_worker :rows
-- Those that are QUEUED come from what workers hold.
WITH RECURSIVE claimed (job_id) AS (
    SELECT max(job_id) FROM attempts
    WHERE status IN ('QUEUED', 'RUNNING')
        AND job_id < $1
    UNION ALL
    SELECT (
        SELECT max(a.job_id) FROM attempts AS a
        WHERE a.status IN ('QUEUED', 'RUNNING')
            AND a.job_id < claimed.job_id)
    FROM claimed
    WHERE claimed.job_id IS NOT NULL
)
SELECT id FROM (
    (SELECT j.id FROM jobs AS j
     WHERE j.listed_worker COLLATE "C" >= $3
         AND (j.listed_worker COLLATE "C", j.id) < ($3, $1)
         AND j.worker_id = $3
     ORDER BY j.listed_worker COLLATE "C" DESC, j.id DESC
     LIMIT $2)
    UNION
    SELECT j.id
    FROM claimed
    JOIN jobs AS j ON j.id = claimed.job_id
    WHERE j.status = 'QUEUED'
        AND j.worker_id = $3
) AS found
ORDER BY id DESC
LIMIT $2;

-- name: ids_by_workers :rows
-- Of workers whose id is from $3 up to, not with, $4. One look for each such worker; a page can
-- only come from the $2 of them that have the newest jobs, and from what workers hold.
WITH RECURSIVE claimed (job_id) AS (
    SELECT max(job_id) FROM attempts
    WHERE status IN ('QUEUED', 'RUNNING')
        AND job_id < $1
    UNION ALL
    SELECT (
        SELECT max(a.job_id) FROM attempts AS a
        WHERE a.status IN ('QUEUED', 'RUNNING')
            AND a.job_id < claimed.job_id)
    FROM claimed
    WHERE claimed.job_id IS NOT NULL
),
worker (id) AS (
    SELECT min(listed_worker COLLATE "C") FROM jobs
    WHERE listed_worker COLLATE "C" >= $3
        AND listed_worker COLLATE "C" < $4
    UNION ALL
    SELECT (
        SELECT min(j.listed_worker COLLATE "C") FROM jobs AS j
        WHERE j.listed_worker COLLATE "C" > worker.id
            AND j.listed_worker COLLATE "C" < $4)
    FROM worker
    WHERE worker.id IS NOT NULL
),
newest (worker_id, id) AS (
    SELECT worker.id, (
        SELECT j.id FROM jobs AS j
        WHERE j.listed_worker COLLATE "C" >= worker.id
            AND (j.listed_worker COLLATE "C", j.id) < (worker.id, $1)
            AND j.status <> 'QUEUED'
        ORDER BY j.listed_worker COLLATE "C" DESC, j.id DESC LIMIT 1)
    FROM worker
    ORDER BY 2 DESC NULLS LAST
    LIMIT $2
)
SELECT id FROM (
    SELECT found.id
    FROM newest
    CROSS JOIN LATERAL (
        SELECT j.id FROM jobs AS j
        WHERE j.listed_worker COLLATE "C" >= newest.worker_id
            AND (j.listed_worker COLLATE "C", j.id) < (newest.worker_id, $1)
            AND j.status <> 'QUEUED'
        ORDER BY j.listed_worker COLLATE "C" DESC, j.id DESC
        LIMIT $2) AS found
    UNION ALL
    SELECT j.id
    FROM claimed
    JOIN jobs AS j ON j.id = claimed.job_id
    WHERE j.status = 'QUEUED'
        AND j.worker_id COLLATE "C" >= $3
        AND j.worker_id COLLATE "C" < $4
) AS found
ORDER BY id DESC
LIMIT $2;

-- name: created_after :rows
-- About the oldest of the jobs that were created after $1: the lowest id among the first of those
-- that the index has, NULL when it has none.
SELECT min(id)
FROM (
    SELECT id FROM jobs
    WHERE id % 64 = 0
        AND created_at > $1
    ORDER BY created_at
    LIMIT 64) AS soon;

-- name: ids_by_end :rows
-- At most $2 jobs in one of these statuses that ended before $1, and when: the first that ended
-- first, after the end $4 and, of those that ended at it, the id $5.
SELECT found.id, found.finished_at
FROM unnest($3::text[]) AS wanted (status)
CROSS JOIN (VALUES (0), (1)) AS without_ttl (flag)
CROSS JOIN LATERAL (
    SELECT j.id, j.finished_at FROM jobs AS j
    WHERE j.finished_at IS NOT NULL
        AND j.listed_status = wanted.status
        AND (CASE WHEN j.expires_at IS NULL THEN 1 ELSE 0 END) = without_ttl.flag
        AND j.finished_at < $1
        AND (j.finished_at, j.id) > ($4, $5)
    ORDER BY j.finished_at, j.id
    LIMIT $2) AS found
ORDER BY found.finished_at, found.id
LIMIT $2;

-- name: matching :rows
-- Those of these jobs that pass every filter that is not NULL, newest first. $2 lists statuses;
-- $6 is a worker, $7 the beginning of one; $12 lists labels as ("key=value", whether to have it).
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
        WHERE (wanted ->> 1)::boolean <> EXISTS (
            SELECT 1 FROM job_labels AS l
            WHERE l.label = wanted ->> 0
                AND l.job_id = j.id)))
    AND ($13::text IS NULL OR s.manifest_hash = $13)
ORDER BY j.id DESC;
