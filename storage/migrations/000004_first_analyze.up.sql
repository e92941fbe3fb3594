-- works with: 1
-- The first vacuum and analyze of payments come with two thousand changes rather than fifty: a connection keeps the
-- plans that it makes after an analyze until the next one, and those for a few rows read many rows for each of a batch.
ALTER TABLE payments SET (autovacuum_vacuum_threshold = 2000, autovacuum_vacuum_insert_threshold = 2000,
                          autovacuum_analyze_threshold = 2000);
