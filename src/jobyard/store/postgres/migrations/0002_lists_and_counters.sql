-- phase: before
SELECT 1;
