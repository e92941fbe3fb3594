-- works with: 1
-- What comparing the books with those of the processors has found. Small tables: a row an hour and processor.

-- Who compares now. Only one does, whatever the number of instances; who is silent until held_until is over.
CREATE TABLE reconciliation_turn (
  one boolean PRIMARY KEY DEFAULT true CHECK (one),
  holder bigint NOT NULL DEFAULT 0,
  held_until timestamptz NOT NULL DEFAULT '-infinity',
  begun_at timestamptz NOT NULL DEFAULT '-infinity',
  is_over boolean NOT NULL DEFAULT true
) WITH (fillfactor = 50);
INSERT INTO reconciliation_turn DEFAULT VALUES;

CREATE TABLE reconciliation_runs (
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  processor smallint NOT NULL,
  window_from timestamptz NOT NULL, -- of requested_at, both bounds inclusive
  window_to timestamptz NOT NULL,
  status smallint NOT NULL CHECK (status BETWEEN 0 AND 2), -- 0 running, 1 done, 2 failed
  our_requests bigint NOT NULL DEFAULT 0,
  our_cents bigint NOT NULL DEFAULT 0,
  their_requests bigint NOT NULL DEFAULT 0,
  their_cents bigint NOT NULL DEFAULT 0,
  matched boolean NOT NULL DEFAULT false, -- nothing is left open
  started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_at timestamptz,
  error text NOT NULL DEFAULT '',
  UNIQUE (processor, window_from, window_to)
);

CREATE TABLE reconciliation_findings (
  processor smallint NOT NULL,
  -- 0 not settled, 1 ours not theirs, 2 theirs not ours, 3 other amount, 4 other time.
  kind smallint NOT NULL CHECK (kind BETWEEN 0 AND 4),
  subject text NOT NULL, -- the payment, or, where that is not known, where its window begins
  run bigint NOT NULL,   -- that saw it first
  correlation_id uuid,
  window_from timestamptz NOT NULL,
  window_to timestamptz NOT NULL,
  our_requests bigint NOT NULL,
  our_cents bigint NOT NULL,
  their_requests bigint NOT NULL,
  their_cents bigint NOT NULL,
  state smallint NOT NULL CHECK (state BETWEEN 0 AND 1), -- 0 open, 1 mended
  first_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
  last_seen timestamptz NOT NULL DEFAULT clock_timestamp(),
  history text NOT NULL, -- a line for each change of state
  PRIMARY KEY (processor, kind, subject)
);
CREATE INDEX reconciliation_findings_by_run ON reconciliation_findings (run);
