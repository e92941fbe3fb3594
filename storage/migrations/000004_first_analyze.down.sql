ALTER TABLE payments RESET (autovacuum_vacuum_threshold, autovacuum_vacuum_insert_threshold,
                            autovacuum_analyze_threshold);
