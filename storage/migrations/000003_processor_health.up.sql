-- works with: 1
-- What each processor last said of its own health, which travels with the beats. No index covers these columns, so that
-- writing them, once in some seconds, is a HOT update.
ALTER TABLE processors
  ADD COLUMN failing boolean,
  ADD COLUMN min_response_millis bigint CHECK (min_response_millis >= 0),
  ADD COLUMN probed_at timestamptz, -- by this server's clock
  ADD COLUMN probed_by integer,     -- an epoch
  ADD CONSTRAINT a_probe_is_whole CHECK (
    num_nonnulls(failing, min_response_millis, probed_at, probed_by) IN (0, 4));
ALTER TABLE processors SET (fillfactor = 50);
