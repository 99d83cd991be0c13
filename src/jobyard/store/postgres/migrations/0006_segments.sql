-- phase: before
-- Tables of blocks: their revisions, the files of each, and the jobs that write them.

-- One generation of a table, in a folder of its own. What of it is complete (the chain) is kept
-- with it, so that telling how far it is costs the same however many files there are.
CREATE TABLE table_revisions (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    path text NOT NULL UNIQUE,
    dataset text NOT NULL,
    manifest_hash text NOT NULL,
    table_name text NOT NULL,
    network text NOT NULL,
    active boolean NOT NULL,
    writer bigint,
    created_at bigint NOT NULL,
    updated_at bigint NOT NULL,
    chain_start bigint,
    chain_stop bigint,
    chain_hash text,
    files bigint NOT NULL DEFAULT 0 CHECK (files >= 0),
    size bigint NOT NULL DEFAULT 0 CHECK (size >= 0),
    row_count bigint NOT NULL DEFAULT 0 CHECK (row_count >= 0),
    CHECK ((chain_start IS NULL) = (files = 0)),
    CHECK ((chain_stop IS NULL) = (files = 0)),
    CHECK ((chain_hash IS NULL) = (files = 0))
);
CREATE UNIQUE INDEX table_revisions_active
ON table_revisions (dataset, manifest_hash, table_name) WHERE active;

-- A file of a table: blocks [start_block, stop_block), `hash` the last one's, `prev_hash` that of
-- the block before the first. `chained` tells whether it is part of the canonical chain.
CREATE TABLE segments (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    revision_id bigint NOT NULL,
    name text NOT NULL,
    network text NOT NULL,
    start_block bigint NOT NULL CHECK (start_block >= 0),
    stop_block bigint NOT NULL CHECK (stop_block > start_block),
    hash text NOT NULL,
    prev_hash text NOT NULL,
    size bigint NOT NULL CHECK (size >= 0),
    row_count bigint NOT NULL CHECK (row_count >= 0),
    created_at bigint NOT NULL,
    chained boolean NOT NULL
);
CREATE UNIQUE INDEX segments_by_name ON segments (revision_id, name);
CREATE INDEX segments_by_link ON segments (revision_id, prev_hash, start_block);
CREATE INDEX segments_in_chain ON segments (revision_id, start_block) WHERE chained;
CREATE INDEX segments_by_end ON segments (revision_id, hash) WHERE chained;
CREATE INDEX segments_beside ON segments (revision_id, start_block) WHERE NOT chained;

-- What an extraction job has done, and what that cost.
CREATE TABLE extractions (
    job_id bigint PRIMARY KEY,
    head_block bigint,
    blocks bigint NOT NULL DEFAULT 0,
    requests bigint NOT NULL DEFAULT 0,
    retries bigint NOT NULL DEFAULT 0,
    bytes_fetched bigint NOT NULL DEFAULT 0,
    failure text
);

-- The revisions that a job writes.
CREATE TABLE extraction_tables (
    job_id bigint NOT NULL,
    table_name text NOT NULL,
    revision_id bigint NOT NULL,
    PRIMARY KEY (job_id, table_name)
);
