-- phase: before
-- Files that are not part of their table any more, until they are collected.

-- `id` is the one that the file had as a segment, `path` its revision's folder: a file outlives
-- the revision that it was of.
CREATE TABLE retired_files (
    id bigint PRIMARY KEY,
    revision_id bigint NOT NULL,
    path text NOT NULL,
    name text NOT NULL,
    start_block bigint NOT NULL CHECK (start_block >= 0),
    stop_block bigint NOT NULL CHECK (stop_block > start_block),
    size bigint NOT NULL CHECK (size >= 0),
    reason text NOT NULL,
    retired_at bigint NOT NULL,
    collect_at bigint NOT NULL
);
CREATE UNIQUE INDEX retired_files_by_name ON retired_files (revision_id, name);
CREATE INDEX retired_files_by_time ON retired_files (collect_at);
