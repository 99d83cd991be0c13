-- phase: before
-- All revisions of a table, not only the active one.
CREATE INDEX table_revisions_by_table ON table_revisions (dataset, manifest_hash, table_name);
