-- name: ledger_horizon :rows
-- Below what every transaction is over. SQLite's writer is alone: what can be seen is in order.
SELECT 9223372036854775807;

-- name: ledger_end :rows
-- The place behind all events; ?1 is the horizon.
SELECT 0 * ?1, coalesce(max(id), 0)
FROM job_events;

-- name: ledger_since :rows
-- Events of all jobs behind ?2, in the order in which they appeared; those of deleted jobs without
-- a name.
SELECT
    e.id, e.job_id, e.event, e.status, e.at, e.reason, e.message, e.worker_id,
    0, s.name, s.namespace, s.labels
FROM job_events AS e
LEFT JOIN job_specs AS s ON s.job_id = e.job_id
WHERE e.id > ?2
ORDER BY e.id
LIMIT ?4;
