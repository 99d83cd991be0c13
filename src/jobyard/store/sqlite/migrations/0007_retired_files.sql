-- phase: before
-- Files that are not part of their table any more, until they are collected.

-- `id` is the one that the file had as a segment, `path` its revision's folder: a file outlives
-- the revision that it was of.
CREATE TABLE retired_files (
    id INTEGER PRIMARY KEY,
    revision_id INTEGER NOT NULL,
    path TEXT NOT NULL,
    name TEXT NOT NULL,
    start_block INTEGER NOT NULL CHECK (start_block >= 0),
    stop_block INTEGER NOT NULL CHECK (stop_block > start_block),
    size INTEGER NOT NULL CHECK (size >= 0),
    reason TEXT NOT NULL,
    retired_at INTEGER NOT NULL,
    collect_at INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX retired_files_by_name ON retired_files (revision_id, name);
CREATE INDEX retired_files_by_time ON retired_files (collect_at);
