-- name: active_revision :rows
-- The active revision of a dataset's table; nobody else changes it until the transaction ends.
SELECT r.id, r.path, r.writer, w.finished_at
FROM table_revisions AS r
LEFT JOIN jobs AS w ON w.id = r.writer
WHERE r.dataset = ?1
    AND r.manifest_hash = ?2
    AND r.table_name = ?3
    AND r.active = 1;

-- name: insert_revision :rows
INSERT INTO table_revisions (
    path, dataset, manifest_hash, table_name, network, active, writer, created_at, updated_at)
VALUES (?1, ?2, ?3, ?4, ?5, 1, ?6, ?7, ?7)
RETURNING id;

-- name: take_revision :none
UPDATE table_revisions
SET writer = ?2, updated_at = ?3
WHERE id = ?1;

-- name: insert_extraction :none
INSERT INTO extractions (job_id) VALUES (?1)
ON CONFLICT (job_id) DO NOTHING;

-- name: insert_extraction_table :none
INSERT INTO extraction_tables (job_id, table_name, revision_id) VALUES (?1, ?2, ?3)
ON CONFLICT (job_id, table_name) DO NOTHING;

-- name: extraction :rows
SELECT
    s.stop_block, e.head_block, e.blocks, e.requests, e.retries, e.bytes_fetched, e.failure
FROM extractions AS e
JOIN job_specs AS s ON s.job_id = e.job_id
WHERE e.job_id = ?1;

-- name: extraction_tables :rows
-- The tables of a job and how far they are; the cost does not grow with their files.
SELECT
    t.table_name, r.id, r.path, r.network, r.chain_start, r.chain_stop, r.chain_hash, r.files,
    r.size, r.row_count
FROM extraction_tables AS t
JOIN table_revisions AS r ON r.id = t.revision_id
WHERE t.job_id = ?1
ORDER BY t.table_name;

-- name: revision_of_job :rows
-- The revision that a job writes as this table, with its chain; nobody else changes it until the
-- transaction ends.
SELECT r.id, r.chain_start, r.chain_stop, r.chain_hash, r.files, r.size, r.row_count
FROM extraction_tables AS t
JOIN table_revisions AS r ON r.id = t.revision_id
WHERE t.job_id = ?1
    AND t.table_name = ?2
    AND r.writer = ?1;

-- name: same_segment :rows
-- A file of this name, or one of the very same blocks; each found by an index of its own.
SELECT name, id, chained
FROM segments
WHERE revision_id = ?1
    AND name = ?2
UNION ALL
SELECT name, id, chained
FROM segments
WHERE revision_id = ?1
    AND prev_hash = ?3
    AND start_block = ?4
    AND stop_block = ?5
    AND hash = ?6;

-- name: insert_segment :rows
INSERT INTO segments (
    revision_id, name, network, start_block, stop_block, hash, prev_hash, size, row_count,
    created_at, chained)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0)
RETURNING id;

-- name: chain_before :rows
-- The segment of the chain that one with this parent would follow.
SELECT stop_block
FROM segments
WHERE revision_id = ?1
    AND hash = ?2
    AND stop_block <= ?3
    AND network = ?4
    AND chained = 1
-- The sign has it look for the hash: an index that has this order would lead through the chain.
ORDER BY +start_block DESC
LIMIT 1;

-- name: chain_from :rows
-- The segments of the chain from a block on, in its order.
SELECT id, name, start_block, size, row_count, created_at
FROM segments
WHERE revision_id = ?1
    AND start_block >= ?2
    AND chained = 1
ORDER BY start_block;

-- name: chain_end :rows
-- The last segments of the chain, the last one first.
SELECT name, network, start_block, stop_block, hash, prev_hash, size, created_at
FROM segments
WHERE revision_id = ?1
    AND chained = 1
ORDER BY start_block DESC
LIMIT ?2;

-- name: chain_ahead :rows
-- The segments that go on where the chain ends, at most ?5: after each the lowest that is linked to
-- it, of several the newest. None of them is chained.
WITH RECURSIVE ahead (place, id, stop_block, hash, size, row_count) AS (
    SELECT 0, NULL, ?3, ?2, 0, 0
    UNION ALL
    SELECT a.place + 1, s.id, s.stop_block, s.hash, s.size, s.row_count
    FROM ahead AS a
    JOIN segments AS s
        ON s.id = (
            SELECT n.id
            FROM segments AS n
            WHERE n.revision_id = ?1
                AND n.prev_hash = a.hash
                AND n.start_block >= a.stop_block
                AND n.network = ?4
            ORDER BY n.start_block, n.created_at DESC, n.id DESC
            LIMIT 1)
    WHERE a.place < ?5
)
SELECT id, stop_block, hash, size, row_count
FROM ahead
WHERE place > 0
ORDER BY place;

-- name: chain_segments :none
UPDATE segments
SET chained = ?2
WHERE id IN (SELECT value FROM json_each(?1));

-- name: segments_inside :rows
-- Segments beside the chain that a newer one, which is in it, covers.
SELECT id, name
FROM segments
WHERE revision_id = ?1
    AND start_block >= ?2
    AND start_block < ?3
    AND stop_block <= ?3
    AND chained = 0;

-- name: chain_of_revision :rows
-- A revision's chain; nobody else changes it until the transaction ends.
SELECT id, chain_start, chain_stop, chain_hash, files, size, row_count
FROM table_revisions
WHERE id = ?1;

-- name: first_in_chain :rows
-- The first segment of a chain among some.
SELECT start_block
FROM segments
WHERE id IN (SELECT value FROM json_each(?1))
    AND chained = 1
ORDER BY start_block
LIMIT 1;

-- name: lowest_segment :rows
-- The segment that a chain begins with while it has none: the lowest, of several the newest.
SELECT id, stop_block, hash, size, row_count, start_block, network
FROM segments
WHERE revision_id = ?1
    AND chained = 0
ORDER BY start_block, created_at DESC, id DESC
LIMIT 1;

-- name: update_chain :none
UPDATE table_revisions
SET chain_start = ?2, chain_stop = ?3, chain_hash = ?4, files = ?5, size = ?6, row_count = ?7,
    updated_at = ?8
WHERE id = ?1;

-- name: covered_beside :rows
-- The blocks that segments beside the chain have above one of the chain's, by their starts.
SELECT start_block, stop_block
FROM segments
WHERE revision_id = ?1
    AND stop_block > ?2
    AND chained = 0
ORDER BY start_block;

-- name: segments_beside :rows
-- The segments that are not in the chain (yet).
SELECT name, network, start_block, stop_block, hash, prev_hash, size, created_at
FROM segments
WHERE revision_id = ?1
    AND chained = 0
ORDER BY start_block;

-- name: gaps_beside :rows
-- What no segment beside the chain covers from a block up to the last of them: the first gaps, and
-- how many there are.
SELECT before, start_block, count(*) OVER ()
FROM (
    SELECT
        start_block,
        coalesce(
            max(stop_block) OVER (
                ORDER BY start_block, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
            ),
            ?2
        ) AS before
    FROM segments
    WHERE revision_id = ?1
        AND stop_block > ?2
        AND chained = 0
)
WHERE start_block > before
    AND before < ?3
ORDER BY start_block
LIMIT ?4;

-- name: files_of_revision :rows
SELECT name, size, start_block, stop_block
FROM segments
WHERE revision_id = ?1
ORDER BY name;

-- name: count_traffic :none
UPDATE extractions
SET head_block = coalesce(?2, head_block), blocks = blocks + ?3, requests = requests + ?4,
    retries = retries + ?5, bytes_fetched = bytes_fetched + ?6
WHERE job_id = ?1;

-- name: note_failure :none
UPDATE extractions
SET failure = ?2
WHERE job_id = ?1;

-- name: delete_extractions :none
DELETE FROM extractions
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: delete_extraction_tables :none
DELETE FROM extraction_tables
WHERE job_id IN (SELECT value FROM json_each(?1));

-- name: chain_part :rows
-- The segments of the chain that begin in [?2, ?3), in its order, at most ?4.
SELECT
    id, name, network, start_block, stop_block, hash, prev_hash, size, created_at, row_count
FROM segments
WHERE revision_id = ?1
    AND start_block >= ?2
    AND start_block < ?3
    AND chained = 1
ORDER BY start_block
LIMIT ?4;

-- name: segments_across :rows
-- The segments that have blocks of [?2, ?3): of the chain, and beside it.
SELECT id, start_block, stop_block
FROM segments
WHERE revision_id = ?1
    AND chained = 1
    AND start_block < ?3
    AND start_block >= coalesce(
        (SELECT max(b.start_block)
        FROM segments AS b
        WHERE b.revision_id = ?1
            AND b.chained = 1
            AND b.start_block <= ?2),
        0)
    AND stop_block > ?2
UNION ALL
SELECT id, start_block, stop_block
FROM segments
WHERE revision_id = ?1
    AND chained = 0
    AND start_block < ?3
    AND stop_block > ?2;

-- name: top_of_revision :rows
-- The block behind the highest that a revision has or had until its file was retired.
SELECT max(stop_block)
FROM (
    SELECT chain_stop AS stop_block FROM table_revisions WHERE id = ?1
    UNION ALL
    SELECT max(stop_block) FROM segments WHERE revision_id = ?1 AND chained = 0
    UNION ALL
    SELECT max(stop_block) FROM retired_files WHERE revision_id = ?1
) AS known;

-- name: segments_by_name :rows
-- The segments of a revision with these names, and the blocks that they have.
SELECT id, name, start_block, stop_block
FROM segments
WHERE revision_id = ?1
    AND name IN (SELECT value FROM json_each(?2))
ORDER BY name;
