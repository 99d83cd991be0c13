-- name: ledger_horizon :rows
-- Below what every transaction is over that writes here. It counts those that hold a lock on a
-- relation beside ours, which a writer takes before it becomes a numbered transaction; so a long
-- transaction of another database or schema holds up nobody. Whoever is not known to be a
-- stranger counts. Only a snapshot that is taken after this answer sees all that is below.
WITH
    seen AS MATERIALIZED (SELECT pg_current_snapshot() AS snapshot),
    locks AS MATERIALIZED (SELECT * FROM pg_locks)
SELECT coalesce(
    (
        SELECT min(running::text::bigint)
        FROM pg_snapshot_xip((SELECT snapshot FROM seen)) AS running
        WHERE NOT EXISTS (
            SELECT
            FROM locks AS own
            WHERE own.transactionid = running::xid
                AND NOT EXISTS (
                    SELECT
                    FROM locks AS held
                    JOIN pg_class AS c ON c.oid = held.relation
                    WHERE held.virtualtransaction = own.virtualtransaction
                        AND held.mode <> 'AccessShareLock'
                        AND held.database =
                            (SELECT oid FROM pg_database WHERE datname = current_database())
                        AND c.relnamespace =
                            (SELECT relnamespace FROM pg_class
                             WHERE oid = 'job_events'::regclass)))
    ),
    (SELECT pg_snapshot_xmax(snapshot)::text::bigint FROM seen));

-- name: ledger_end :rows
-- The place behind all events that are in order already; $1 is the horizon.
SELECT $1::bigint, 0::bigint;

-- name: ledger_since :rows
-- Events of all jobs behind the place ($1, $2) and below the horizon $3, in the order in which
-- they appeared; those of deleted jobs without a name.
SELECT
    e.id, e.job_id, e.event, e.status, e.at, e.reason, e.message, e.worker_id,
    e.written_in, s.name, s.namespace, s.labels
FROM job_events AS e
LEFT JOIN job_specs AS s ON s.job_id = e.job_id
WHERE (e.written_in, e.id) > ($1, $2)
    AND e.written_in < $3
ORDER BY e.written_in, e.id
LIMIT $4;
