ALTER TABLE processors RESET (fillfactor);
ALTER TABLE processors DROP COLUMN failing, DROP COLUMN min_response_millis, DROP COLUMN probed_at, DROP COLUMN probed_by;
