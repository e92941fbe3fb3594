# shellcheck shell=bash disable=SC2154 # run.sh and postgres.sh set them
# The figures with Redis beside PostgreSQL, each on servers of our own. Sourced by run.sh.

redis_port=$((base_port + 4))

# start_redis [SETTING...]: sets REDIS_URL.
start_redis() {
  redis_folder=$(mktemp -d -p "${TMPDIR:-/tmp}" repasse-bench-redis.XXXXXX)
  start redis "$redis_port" redis-server --port "$redis_port" --bind 127.0.0.1 --dir "$redis_folder" --appendonly yes \
    --appendfsync always --save '' --loglevel warning "$@"
  export REDIS_URL=redis://127.0.0.1:$redis_port
}

stop_redis() {
  unset REDIS_URL
  [[ -n ${servers[redis]-} ]] || return 0
  stop redis
  rm -rf "$redis_folder"
}

redis_says() { redis-cli -p "$redis_port" "$@"; }

# kill_database: the postmaster by SIGKILL; its backends end by themselves.
kill_database() {
  kill -KILL "$(head -1 "$cluster_folder/postmaster.pid")"
  sleep 0.5
}

rows_in_database() { cluster_sql 'SELECT count(*) FROM payments' 2>/dev/null || echo 0; }

# What Redis costs the server: the whole flow at a fixed rate, in turns with and without.
bench_redis_cost() {
  local rate=${FLOW_RATE:-8000} seconds=4 run micros how posted unsettled settled_before url
  local -A all=()
  tell "whole flow in PostgreSQL at $rate payments per second, with Redis and without"
  start_database
  start_processors
  start_redis
  url=$REDIS_URL
  posted=0
  for ((run = 0; run < runs; ++run)); do
    for how in without with; do
      unset REDIS_URL
      [[ $how == without ]] || export REDIS_URL=$url
      REACTORS=1 start_repasse
      wait_until_ready
      load_cpu repasse "$repasse_port" "$rate" 1
      load_cpu repasse "$repasse_port" "$rate" "$seconds"
      all[$how]+=" $micros"
      stop repasse
    done
  done
  # shellcheck disable=SC2086
  row "redis: server's CPU per payment, on to off, us" "$(median ${all[with]})" "$(median ${all[without]})" 1.15
  stop_all
  stop_redis
  stop_database
}

# Redis alone takes in; then PostgreSQL comes back, and the processors are held back.
bench_redis_intake() {
  local requests before after run rates=() count=${INTAKE_PAYMENTS:-1000000} imported begun=0 rows
  start_database
  start_redis
  MAX_BACKLOG=10000000 start_repasse
  wait_until_ready
  kill_database
  tell 'intake by Redis alone: wrk with 256 connections, as fast as it goes'
  wrk_connections=256 wrk_requests "$repasse_port" 1 1 >/dev/null || fail 'not every payment was taken in'
  for ((run = 0; run < runs; ++run)); do
    requests=$(wrk_connections=256 wrk_requests "$repasse_port" 1 3) || fail 'not every payment was taken in'
    rates+=("$((requests / 3))")
  done
  row 'redis: payments taken in per second' "$(median "${rates[@]}")" - 30000 '>='
  while (($(redis_says XLEN repasse:intake) < count)); do
    wrk_connections=256 wrk_requests "$repasse_port" 1 3 >/dev/null || fail 'not every payment was taken in'
  done
  imported=$(redis_says XLEN repasse:intake)
  tell "$imported payments wait for PostgreSQL; it comes back"
  start_cluster "$cluster_folder" shared_buffers=512MB max_wal_size=4GB
  before=$(date +%s%N)
  while (($(redis_says XLEN repasse:intake) > 0)); do
    ((begun > 0 || $(redis_says XLEN repasse:intake) == imported)) || begun=$(date +%s%N)
    sleep 0.05
    (($(date +%s%N) - before < 120000000000)) || break
  done
  after=$(date +%s%N)
  rows=$(rows_in_database)
  ((rows >= imported)) || fail "$imported payments were taken in, $rows are in the database"
  row 'redis: ms from its return to the first import' $(((begun - before) / 1000000)) - 1000
  row 'redis: payments imported per second' $((imported * 1000 / ((after - begun) / 1000000 + 1))) - 30000 '>='
  stop_all
  stop_redis
  stop_database
}

# errors_and_p99 SECONDS RATE: runs the load, prints how many were not answered with 202, and the p99.
errors_and_p99() {
  local json
  json=$(load_at "$repasse_port" "$2" "$1")
  echo "$(($2 * $1 - $(member 202 "$json"))) $(member p99 "${json#*latencyMicros}")"
}

# At 1,000 requests per second one of the stores is killed in the middle.
bench_redis_loss() {
  local rate=1000 before during killer
  start_database
  start_redis
  start_processors
  start_repasse
  wait_until_ready
  errors_and_p99 1 $rate >/dev/null
  before=$(errors_and_p99 3 $rate)
  (sleep 0.5 && kill -KILL "${servers[redis]}") &
  killer=$!
  during=$(errors_and_p99 1 $rate)
  wait "$killer"
  row 'redis killed: requests refused, of 1,000' "${during% *}" - 0
  row 'redis killed: p99 of that second, us' "${during#* }" "${before#* }" 2
  stop_redis
  start_redis
  sleep 2
  (sleep 0.5 && kill -KILL "$(head -1 "$cluster_folder/postmaster.pid")") &
  killer=$!
  during=$(errors_and_p99 3 $rate)
  wait "$killer"
  row 'PostgreSQL killed: requests refused, of 3,000' "${during% *}" - 1000
  row 'PostgreSQL killed: p99 of those 3 s, us' "${during#* }" "${before#* }"
  stop_all
  stop_redis
  stop_database
}

# fill_payments COUNT: posts so many, waits until they are settled, writes their ids to $ids.
fill_payments() {
  local before json
  before=$(settled)
  json=$(load_at "$repasse_port" 1000 $(($1 / 1000)))
  (($(member 202 "$json") == $1)) || fail "not every payment was taken: $json"
  wait_until_settled $((before + $1)) 20
  curl -fs "http://127.0.0.1:$repasse_port/payments?limit=1000" | grep -oE '"correlationId":"[^"]+"' | cut -d'"' -f4 >"$ids"
}

# read_micros: each of $ids once, over one connection; prints the median and the p99 of the latencies, in microseconds.
read_micros() {
  sed "s|.*|url = \"http://127.0.0.1:$repasse_port/payments/&\"\noutput = \"/dev/null\"|" "$ids" >"$ids.curl"
  curl -fs -w '%{time_total}\n' -K "$ids.curl" | sort -n |
    awk '{value[NR] = $1 * 1e6} END {printf "%.0f %.0f\n", value[int((NR + 1) / 2)], value[int(NR * 0.99)]}'
}

# What one GET of a payment costs all processes, from the cache, from PostgreSQL, and from the server's own memory: a
# bounded LRU in the reactor would cost the last one at best.
bench_redis_reads() {
  local run how requests url part before after database redis
  local -A all=()
  ids=$(mktemp)
  start_database
  start_processors
  start_redis
  database=$DATABASE_URL redis=$REDIS_URL
  for how in memory postgres cache; do
    export DATABASE_URL=$database REDIS_URL=$redis
    [[ $how != memory ]] || unset DATABASE_URL REDIS_URL
    USE_REDIS_SESSION_CACHE=$([[ $how == cache ]] && echo true || echo false) start_repasse
    wait_until_ready
    fill_payments 2000
    read_micros >/dev/null
    url=http://127.0.0.1:$repasse_port/payments/$(head -1 "$ids")
    for ((run = 0; run < runs; ++run)); do
      before=("$(cpu_nanos repasse)" "$(cpu_nanos redis)" "$(cluster_cpu_nanos)")
      requests=$(wrk -t1 -c16 -d3s "$url" | awk '/requests in/ {print $1}')
      after=("$(cpu_nanos repasse)" "$(cpu_nanos redis)" "$(cluster_cpu_nanos)")
      for part in 0 1 2; do
        all[$how$part]+=" $(per_request "${before[part]}" "${after[part]}" "$requests")"
      done
      all[$how]+=" $(per_request $((before[0] + before[1] + before[2])) $((after[0] + after[1] + after[2])) "$requests")"
    done
    # shellcheck disable=SC2086
    tell "$how: us of server, Redis and PostgreSQL: $(median ${all[${how}0]}) $(median ${all[${how}1]}) $(median ${all[${how}2]})"
    stop repasse
  done
  # shellcheck disable=SC2086
  row "redis: CPU of all per GET, cache to PostgreSQL" "$(median ${all[cache]})" "$(median ${all[postgres]})" 0.5
  # shellcheck disable=SC2086
  row "redis: CPU of all per GET, cache to memory" "$(median ${all[cache]})" "$(median ${all[memory]})"
  rm -f "$ids" "$ids.curl"
  stop_all
  stop_redis
  stop_database
}

# Memory, PostgreSQL, PostgreSQL with Redis, side by side.
bench_redis_table() {
  local how begun started cold hot json url database
  ids=$(mktemp)
  start_database
  start_redis
  url=$REDIS_URL database=$DATABASE_URL
  start_processors
  printf '%-22s %12s %12s %12s %12s %10s %10s\n' '' 'cold GET' 'hot GET' 'POST p50' 'POST p99' 'start' 'resident'
  for how in memory PostgreSQL 'PostgreSQL and Redis'; do
    unset REDIS_URL DATABASE_URL
    [[ $how == memory ]] || export DATABASE_URL=$database
    [[ $how != *Redis ]] || export REDIS_URL=$url
    begun=$(date +%s%N)
    start_repasse
    wait_until_ready
    started=$((($(date +%s%N) - begun) / 1000000))
    fill_payments 2000
    [[ $how != *Redis ]] || redis_says FLUSHALL >/dev/null
    [[ $how != *Redis ]] || sleep 2 # until a beat has told it again which edition is current
    cold=$(read_micros)
    hot=$(read_micros)
    json=$(load_at "$repasse_port" 1000 3)
    printf '%-22s %9s us %9s us %9s us %9s us %7s ms %7s MB\n' "$how" "${cold% *}" "${hot% *}" \
      "$(member p50 "${json#*latencyMicros}")" "$(member p99 "${json#*latencyMicros}")" "$started" "$(resident_megabytes repasse)"
    stop repasse
  done
  export DATABASE_URL=$database
  rm -f "$ids" "$ids.curl"
  stop_all
  stop_redis
  stop_database
}
