-- phase: before
-- A portion of what a worker measures counts once, also when it is told again.

ALTER TABLE workers ADD COLUMN portions INTEGER NOT NULL DEFAULT 0;
