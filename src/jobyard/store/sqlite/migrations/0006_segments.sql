-- phase: before
-- Tables of blocks: their revisions, the files of each, and the jobs that write them.

-- One generation of a table, in a folder of its own. What of it is complete (the chain) is kept
-- with it, so that telling how far it is costs the same however many files there are.
CREATE TABLE table_revisions (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    path TEXT NOT NULL UNIQUE,
    dataset TEXT NOT NULL,
    manifest_hash TEXT NOT NULL,
    table_name TEXT NOT NULL,
    network TEXT NOT NULL,
    active INTEGER NOT NULL CHECK (active IN (0, 1)),
    writer INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    chain_start INTEGER,
    chain_stop INTEGER,
    chain_hash TEXT,
    files INTEGER NOT NULL DEFAULT 0 CHECK (files >= 0),
    size INTEGER NOT NULL DEFAULT 0 CHECK (size >= 0),
    row_count INTEGER NOT NULL DEFAULT 0 CHECK (row_count >= 0),
    CHECK ((chain_start IS NULL) = (files = 0)),
    CHECK ((chain_stop IS NULL) = (files = 0)),
    CHECK ((chain_hash IS NULL) = (files = 0))
) STRICT;
CREATE UNIQUE INDEX table_revisions_active
ON table_revisions (dataset, manifest_hash, table_name) WHERE active = 1;

-- A file of a table: blocks [start_block, stop_block), `hash` the last one's, `prev_hash` that of
-- the block before the first. `chained` tells whether it is part of the canonical chain.
CREATE TABLE segments (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    revision_id INTEGER NOT NULL,
    name TEXT NOT NULL,
    network TEXT NOT NULL,
    start_block INTEGER NOT NULL CHECK (start_block >= 0),
    stop_block INTEGER NOT NULL CHECK (stop_block > start_block),
    hash TEXT NOT NULL,
    prev_hash TEXT NOT NULL,
    size INTEGER NOT NULL CHECK (size >= 0),
    row_count INTEGER NOT NULL CHECK (row_count >= 0),
    created_at INTEGER NOT NULL,
    chained INTEGER NOT NULL CHECK (chained IN (0, 1))
) STRICT;
CREATE UNIQUE INDEX segments_by_name ON segments (revision_id, name);
CREATE INDEX segments_by_link ON segments (revision_id, prev_hash, start_block);
CREATE INDEX segments_in_chain ON segments (revision_id, start_block) WHERE chained = 1;
CREATE INDEX segments_by_end ON segments (revision_id, hash) WHERE chained = 1;
CREATE INDEX segments_beside ON segments (revision_id, start_block) WHERE chained = 0;

-- What an extraction job has done, and what that cost.
CREATE TABLE extractions (
    job_id INTEGER PRIMARY KEY,
    head_block INTEGER,
    blocks INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    retries INTEGER NOT NULL DEFAULT 0,
    bytes_fetched INTEGER NOT NULL DEFAULT 0,
    failure TEXT
) STRICT;

-- The revisions that a job writes.
CREATE TABLE extraction_tables (
    job_id INTEGER NOT NULL,
    table_name TEXT NOT NULL,
    revision_id INTEGER NOT NULL,
    PRIMARY KEY (job_id, table_name)
) STRICT, WITHOUT ROWID;
