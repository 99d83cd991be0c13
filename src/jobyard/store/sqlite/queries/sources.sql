-- name: source_table :rows
-- The active revision of a table and its chain; the cost does not grow with its files.
SELECT id, path, network, chain_start, chain_stop, chain_hash, files, updated_at
FROM table_revisions
WHERE dataset = ?1
    AND manifest_hash = ?2
    AND table_name = ?3
    AND active = 1;

-- name: source_segments :rows
-- Some segments of a chain below a block, the last one first.
SELECT name, network, start_block, stop_block, hash, prev_hash, size, created_at
FROM segments
WHERE revision_id = ?1
    AND start_block < ?2
    AND chained = 1
ORDER BY start_block DESC
LIMIT ?3;
