-- Ten questions that an operator or an analyst asks of the payments in PostgreSQL. Each is a comment that ends in
-- a question mark, and one statement; test/integration/ledger_queries_test.cpp runs them all. The view
-- payments_report has a row per payment; amounts are decimal(10,2), times are UTC. Questions of a day or less
-- read rows by accepted_at, which is indexed; sums over long windows are in `totals`.

-- What became of one payment?
SELECT * FROM payments_report WHERE correlation_id = '4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3';

-- What was done about a payment beside an undisturbed life, in order?
SELECT at, epoch, event, detail FROM audit WHERE correlation_id = '4a7901b8-7d26-4d9d-aa19-4dc1c7cf60b3' ORDER BY at;

-- How many payments of the last day are in each state, at which processor, and what are they worth?
SELECT status, processor, count(*) AS payments, sum(amount) AS amount
  FROM payments_report WHERE accepted_at > now() - interval '1 day'
 GROUP BY status, processor ORDER BY status, processor;

-- Which payments have waited longest for their end?
SELECT correlation_id, amount, status, processor, attempts, now() - accepted_at AS age
  FROM payments_report
 WHERE accepted_at >= (SELECT min(open_from[1]) FROM epochs WHERE NOT swept) AND status IN ('accepted', 'sending', 'unknown')
 ORDER BY accepted_at LIMIT 100;

-- How long did payments of the last hour take from acceptance to the answer, by processor?
SELECT processor, count(*) AS payments,
       percentile_cont(ARRAY[0.5, 0.99, 1.0]) WITHIN GROUP (ORDER BY extract(epoch FROM processed_at - accepted_at)) AS seconds
  FROM payments_report WHERE accepted_at > now() - interval '1 hour' AND status = 'processed'
 GROUP BY processor ORDER BY processor;

-- How many payments and how much money did each processor take on each day?
SELECT to_timestamp(t.begins / 86400 * 86400)::date AS day, p.name AS processor, sum(t.requests) AS payments,
       (sum(t.amount_cents) / 100.0)::decimal(14, 2) AS amount
  FROM (SELECT begins, processor, requests, amount_cents FROM totals WHERE level = 3
         UNION ALL SELECT begins, processor, requests, amount_cents FROM totals, folded WHERE level = 2 AND begins >= days
         UNION ALL SELECT begins, processor, requests, amount_cents FROM totals, folded WHERE level = 1 AND begins >= hours
         UNION ALL SELECT begins, processor, requests, amount_cents FROM totals, folded WHERE level = 0 AND begins >= minutes
         UNION ALL SELECT second, d.processor, requests, amount_cents FROM deltas d, folded f WHERE d.transaction >= f.transaction) AS t
  JOIN processors p ON p.id = t.processor
 GROUP BY day, p.name ORDER BY day, p.name;

-- What is each processor's share of the last day's money?
SELECT processor, sum(amount) AS amount, round(100 * sum(amount) / sum(sum(amount)) OVER (), 2) AS percent
  FROM payments_report WHERE accepted_at > now() - interval '1 day' AND status = 'processed'
 GROUP BY processor ORDER BY amount DESC;

-- Which payments of the last day had to be sent more than once?
SELECT correlation_id, amount, processor, status, attempts
  FROM payments_report WHERE accepted_at > now() - interval '1 day' AND attempts > 1
 ORDER BY attempts DESC, accepted_at LIMIT 100;

-- What went wrong lately, by kind?
SELECT date_trunc('hour', at) AS hour, event, count(*) AS times
  FROM audit WHERE at > now() - interval '1 day' GROUP BY hour, event ORDER BY hour, event;

-- Which instances live, since when, and how far back does what they owe reach?
SELECT epoch, instance, opened_at, now() - last_beat AS silent_for, now() - open_from[1] AS oldest_open
  FROM epochs WHERE NOT marked ORDER BY epoch;
