# shellcheck shell=bash disable=SC2154 # run.sh sets them
# The figures with payments in PostgreSQL, on a cluster of our own that is made for the measurement and removed
# after it. Sourced by run.sh.

source bench/postgres_cluster.sh

postgres_payments=${POSTGRES_PAYMENTS:-1000000}

start_database() {
  bench_folder=$(mktemp -d -p "${TMPDIR:-/tmp}" repasse-bench.XXXXXX)
  chmod 755 "$bench_folder"
  start_cluster "$bench_folder/cluster" shared_buffers=512MB max_wal_size=4GB
  export DATABASE_URL=$cluster_url
}

stop_database() {
  [[ -n ${bench_folder-} ]] || return 0
  stop_cluster
  rm -rf "$bench_folder"
  bench_folder=
  unset DATABASE_URL
}

# With the database: with Redis it is ready before.
wait_until_ready() {
  local try
  for ((try = 0; try < 200; ++try)); do
    curl -fs "http://127.0.0.1:$repasse_port/readyz" | grep -q '^database: up' && return
    sleep 0.05
  done
  fail 'repasse is not ready'
}

# CPU time of all processes of the cluster so far, those included that have ended, in nanoseconds.
cluster_cpu_nanos() {
  local postmaster child
  sleep 0.3 # those that have ended count once the postmaster has seen it
  postmaster=$(head -1 "$cluster_folder/postmaster.pid")
  {
    sed 's/.*) //' "/proc/$postmaster/stat"
    for child in $(<"/proc/$postmaster/task/$postmaster/children"); do
      sed 's/.*) //' "/proc/$child/stat" 2>/dev/null | awk '{print 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, $12, $13, 0, 0}' || true
    done
  } | awk -v tick="$(getconf CLK_TCK)" '{sum += $12 + $13 + $14 + $15} END {printf "%.0f\n", sum / tick * 1e9}'
}

# What PostgreSQL has done so far: commits, WAL bytes, syncs of it, rows touched.
cluster_work() {
  cluster_sql "SELECT pg_stat_clear_snapshot()" >/dev/null
  cluster_sql "SELECT d.xact_commit, w.wal_bytes::bigint, w.wal_sync,
      (SELECT sum(n_tup_ins + n_tup_upd + n_tup_del) FROM pg_stat_user_tables)
    FROM pg_stat_database d, pg_stat_wal w WHERE d.datname = current_database()"
}

# The yardstick's table, with as many rows as ours holds by now, since an index costs by its size.
fill_bare_payments() {
  cluster_sql "SET client_min_messages = warning; SET synchronous_commit = off;
    DROP TABLE IF EXISTS bare_payments;
    CREATE TABLE bare_payments (correlation_id uuid PRIMARY KEY, amount_cents bigint NOT NULL,
      accepted_at timestamptz NOT NULL, requested_at timestamptz, processed_at timestamptz, token bigint NOT NULL,
      owner integer NOT NULL, version integer NOT NULL, attempts smallint NOT NULL, status smallint NOT NULL,
      processor smallint);
    INSERT INTO bare_payments
    SELECT correlation_id, amount_cents, accepted_at, requested_at, processed_at, token, owner, version, attempts, status,
           processor FROM payments"
}

# Everything on the same cores: wrk, repasse, PostgreSQL, processors.
bench_postgres() {
  local run before after requests batch every busy json seconds=5 connections=${CONNECTIONS:-256}
  local rates=() server_micros=() database_micros=() yardstick_micros=() bare_micros=() per_payment=()
  local work_before work_after server_before database_before settled_before
  start_database
  start_yardstick
  start_processors
  start_repasse
  wait_until_ready
  tell "whole flow in PostgreSQL: wrk with $connections connections, as fast as it goes"
  for ((run = 0; run < runs; ++run)); do
    wrk_cpu yardstick "$yardstick_port" 1 2
    yardstick_micros+=("$micros")
    sleep 1
    work_before=$(cluster_work)
    database_before=$(cluster_cpu_nanos)
    server_before=$(cpu_nanos repasse)
    settled_before=$(settled)
    before=$(date +%s%N)
    requests=$(wrk_connections=$connections wrk_requests "$repasse_port" 1 "$seconds") ||
      fail 'repasse did not answer every request well'
    wait_until_settled $((settled_before + requests)) 20
    after=$(date +%s%N)
    rates+=("$((requests * 1000 * 1000000 / (after - before - 1000000000)))") # wrk waits a second for late answers
    server_micros+=("$(per_request "$server_before" "$(cpu_nanos repasse)" "$requests")")
    database_micros+=("$(per_request "$database_before" "$(cluster_cpu_nanos)" "$requests")")
    sleep 1
    work_after=$(cluster_work)
    per_payment+=("$(paste -d' ' <(echo "$work_before") <(echo "$work_after") |
      awk -v n="$requests" '{printf "%.4f %.0f %.4f %.2f", ($5-$1)/n, ($6-$2)/n, ($7-$3)/n, ($8-$4)/n}')")
    batch=$(awk "BEGIN {print int(2 / ${per_payment[-1]%% *} + 0.5)}") # an append and a settle
    # As many rows a second in batches as large, beside wrk and the yardstick, so that the cores are as busy and
    # the caches as cold as they were.
    every=$((batch * 1000 / rates[-1]))
    fill_bare_payments
    wrk_requests "$yardstick_port" 1 4 >/dev/null &
    busy=$!
    database_before=$(cluster_cpu_nanos)
    json=$("$bin/bench/bare-insert" "$cluster_url" "$((batch > 0 ? batch : 1))" 3 "$every")
    wait "$busy" || fail 'the yardstick did not answer'
    bare_micros+=("$(per_request "$database_before" "$(cluster_cpu_nanos)" "$(member rows "$json")")")
  done
  row 'postgres: settled payments per second' "$(median "${rates[@]}")" - 15000 '>='
  row "postgres: server's CPU per payment, us" "$(median "${server_micros[@]}")" "$(median "${yardstick_micros[@]}")" 5
  row "postgres: PostgreSQL's CPU per payment, us" "$(median "${database_micros[@]}")" "$(median "${bare_micros[@]}")" 3
  tell "commits, WAL bytes, syncs and rows touched per payment of each run:"
  printf '     %s\n' "${per_payment[@]}" >&2
  stop_all
  stop_database
}

# Beside a program that commits one row at a time, under the same load.
bench_postgres_latency() {
  local run json single rate=1000 ours50=() ours99=() single50=() single99=()
  start_database
  start_processors
  start_repasse
  wait_until_ready
  tell "latency at $rate payments per second; the yardstick is a commit of one row meanwhile"
  fill_bare_payments
  for ((run = 0; run < runs; ++run)); do
    "$bin/bench/bare-insert" "$cluster_url" 1 4 5 >"$bench_folder/single" &
    single=$!
    json=$(load_at "$repasse_port" $rate 4)
    wait "$single" || fail 'the yardstick did not commit'
    ours50+=("$(member p50 "${json#*latencyMicros}")")
    ours99+=("$(member p99 "${json#*latencyMicros}")")
    single50+=("$(member p50 "$(<"$bench_folder/single")")")
    single99+=("$(member p99 "$(<"$bench_folder/single")")")
  done
  row "postgres: p50 of POST at $rate/s, us" "$(median "${ours50[@]}")" "$(median "${single50[@]}")" 2
  row "postgres: p99 of POST at $rate/s, us" "$(median "${ours99[@]}")" "$(median "${single99[@]}")" 4
  stop_all
  stop_database
}

# With a snapshot that someone holds, as a dump does; nothing that has died since can be cleared away.
bench_postgres_snapshot() {
  local part run seconds=5 held=${SNAPSHOT_SECONDS:-120} requests before settled_before holder session end line
  local -A parts=()
  start_database
  start_processors
  start_repasse
  wait_until_ready
  for part in free held; do
    if [[ $part == held ]]; then
      coproc psql -qAt -d "$cluster_url"
      holder=${COPROC[1]}
      session=$COPROC_PID
      echo "BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM epochs;" >&"$holder"
      read -r line <&"${COPROC[0]}"
      [[ $line -gt 0 ]] || fail 'no snapshot is held'
      tell "a snapshot is held for $held seconds under full load"
      end=$((SECONDS + held))
      while ((SECONDS < end)); do
        wrk_requests "$repasse_port" 1 "$seconds" >/dev/null || fail 'repasse did not answer every request well'
      done
    else
      wrk_requests "$repasse_port" 1 "$seconds" >/dev/null # the table is no longer empty
    fi
    sleep 3 # until all of it is settled
    for ((run = 0; run < 3; ++run)); do
      settled_before=$(settled)
      before=$(cluster_cpu_nanos)
      requests=$(wrk_requests "$repasse_port" 1 "$seconds") || fail 'repasse did not answer every request well'
      wait_until_settled $((settled_before + requests)) 20
      parts[$part]+=" $(per_request "$before" "$(cluster_cpu_nanos)" "$requests")"
    done
  done
  # shellcheck disable=SC2086
  row "postgres: CPU per payment, a snapshot held" "$(median ${parts[held]})" "$(median ${parts[free]})" 1.5
  echo 'COMMIT;' >&"$holder"
  eval "exec $holder>&-"
  wait "$session" || true
  stop_all
  stop_database
}

# fill_database PAYMENTS: settled ones, a millisecond after one another, every fourth at the second processor, with
# the books that settling them leaves.
fill_database() {
  cluster_sql "
    INSERT INTO processors (name) VALUES ('default'), ('fallback');
    INSERT INTO payments (correlation_id, amount_cents, accepted_at, requested_at, processed_at, token, owner, version,
                          attempts, status, processor)
    SELECT gen_random_uuid(), 1990, t, t, t, i, 0, 1, 1, 3,
           (SELECT id FROM processors WHERE name = CASE WHEN i % 4 = 3 THEN 'fallback' ELSE 'default' END)
      FROM (SELECT i, to_timestamp(1752580000) + i * interval '1 ms' AS t FROM generate_series(0, $1 - 1) AS i) AS x;
    INSERT INTO milliseconds (second, processor, millis, requests, cents)
    SELECT s, processor, array_agg(m::smallint), array_agg(1::bigint), array_agg(1990::bigint)
      FROM (SELECT floor(extract(epoch FROM requested_at))::bigint AS s,
                   (extract(milliseconds FROM requested_at)::integer % 1000) AS m, processor FROM payments) AS x
     GROUP BY s, processor;
    INSERT INTO totals (level, begins, processor, requests, amount_cents)
    SELECT 0, second, processor, cardinality(millis), cardinality(millis) * 1990 FROM milliseconds" ||
    fail 'the database could not be filled'
  cluster_sql 'VACUUM ANALYZE payments'
}

# The yardstick is the same with ten thousand payments.
bench_postgres_reads() {
  local few=10000 many=$postgres_payments count run
  local -A summaries=() pages=() starts=() sizes=()
  start_database
  start_processors
  for count in $few $many; do
    tell "summaries and pages with $count payments"
    PGOPTIONS="-c client_min_messages=warning" cluster_sql "DROP DATABASE IF EXISTS filled"
    cluster_sql "CREATE DATABASE filled"
    cluster_url=${cluster_url/\/postgres?/\/filled?} DATABASE_URL=${DATABASE_URL/\/postgres?/\/filled?} read_filled
  done
  # shellcheck disable=SC2086
  row 'postgres: p99 of a summary, us' "$(median ${summaries[$many]})" - 2000
  # shellcheck disable=SC2086
  row "postgres: p99 of a summary with $many" "$(median ${summaries[$many]})" "$(median ${summaries[$few]})" 1.3
  # shellcheck disable=SC2086
  row 'postgres: p99 of a page of 100, us' "$(median ${pages[$many]})" - 5000
  row "postgres: start with $many payments, ms" "${starts[$many]}" - 2000
  row "postgres: resident after it, MB" "${sizes[$many]}" - 100
  stop_all
  stop_database
}

# Of one count of payments.
read_filled() {
  local before
  "$bin/server/repasse" migrate up >/dev/null
  fill_database "$count"
  before=$(date +%s%N)
  start_repasse
  wait_until_ready
  starts[$count]=$((($(date +%s%N) - before) / 1000000))
  sizes[$count]=$(resident_megabytes repasse)
  # One payment more, so that the eldest folds.
  curl -fs -o /dev/null "http://127.0.0.1:$repasse_port/payments" -H 'Content-Type: application/json' \
    -d "{\"correlationId\": \"$(</proc/sys/kernel/random/uuid)\", \"amount\": 19.90}"
  wait_until_settled $((count + 1)) 30
  sleep 2
  for ((run = 0; run < runs; ++run)); do
    summaries[$count]+=" $("$bin/bench/summary-load" "$repasse_port" "$count" summary)"
    pages[$count]+=" $("$bin/bench/summary-load" "$repasse_port" "$count" page)"
  done
  stop repasse
}

# What chose the indexes and the fill factor: the same work on the real schema, changed in one thing.
bench_postgres_hot() {
  local what change part before micros first='' batches=2000 batch=100 figures
  start_database
  for what in 'as it is' 'fill factor 70' 'fill factor 100' 'an index of what is unsettled' 'eight hash partitions'; do
    case $what in
      'as it is') change= ;;
      eight*)
        change="CREATE TABLE parted (LIKE payments INCLUDING ALL) PARTITION BY HASH (correlation_id);
          DROP TABLE payments CASCADE; ALTER TABLE parted RENAME TO payments"
        for part in 0 1 2 3 4 5 6 7; do
          change+="; CREATE TABLE payments_$part PARTITION OF payments
            FOR VALUES WITH (MODULUS 8, REMAINDER $part) WITH (fillfactor = 50)"
        done
        ;;
      'an index'*) change='CREATE INDEX ON payments (owner) WHERE status < 3' ;;
      *) change="ALTER TABLE payments SET (fillfactor = ${what##* })" ;;
    esac
    cluster_sql 'SET client_min_messages = warning; DROP SCHEMA public CASCADE; CREATE SCHEMA public'
    psql -q -v ON_ERROR_STOP=1 -d "$cluster_url" -f storage/migrations/000001_create_payments.up.sql \
      -f bench/hot_updates.sql
    [[ -z $change ]] || cluster_sql "SET client_min_messages = warning; $change"
    cluster_sql CHECKPOINT
    before=$(cluster_cpu_nanos)
    psql -q -v ON_ERROR_STOP=1 -d "$cluster_url" -c "CALL append_and_settle($batches, $batch, 20)"
    micros=$(per_request "$before" "$(cluster_cpu_nanos)" $((batches * batch)))
    : "${first:=$micros}"
    row "hot: $what: CPU a payment, us" "$micros" "$first"
    figures=$(cluster_sql "SELECT 'of the settles ' || round(100.0 * sum(n_tup_hot_upd) / sum(n_tup_upd)) || ' % HOT; table ' ||
        pg_size_pretty(sum(pg_table_size(relid))) || ', indexes ' || pg_size_pretty(sum(pg_indexes_size(relid)))
      FROM pg_stat_user_tables WHERE relname ~ '^payments(_[0-7])?$'")
    tell "$what: $figures"
  done
  stop_database
}
