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

# kill_database: the postmaster by SIGKILL, if it runs; its backends end by themselves.
kill_database() {
  local postmaster
  postmaster=$(head -1 "$cluster_folder/postmaster.pid")
  [[ -e /proc/$postmaster/comm && $(<"/proc/$postmaster/comm") == postgres ]] || return 0
  kill -KILL "$postmaster"
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

# import_of COUNT: takes in so many by Redis alone, then PostgreSQL comes back; sets `first` to the milliseconds until
# the first import, and `rate` to the payments per second from then on.
import_of() {
  local before after begun=0 rows waiting
  rows=$(rows_in_database)
  kill_database
  while (($(redis_says XLEN repasse:intake) < $1)); do
    wrk_connections=256 wrk_requests "$repasse_port" 1 3 >/dev/null || fail 'not every payment was taken in'
  done
  waiting=$(redis_says XLEN repasse:intake)
  tell "$waiting payments wait for PostgreSQL; it comes back"
  start_cluster "$cluster_folder" shared_buffers=512MB max_wal_size=4GB
  before=$(date +%s%N)
  while (($(redis_says XLEN repasse:intake) > 0)); do
    ((begun > 0 || $(redis_says XLEN repasse:intake) == waiting)) || begun=$(date +%s%N)
    sleep 0.05
    (($(date +%s%N) - before < 120000000000)) || break
  done
  after=$(date +%s%N)
  (($(rows_in_database) - rows >= waiting)) || fail "$waiting payments were taken in, $(rows_in_database) are in the database"
  first=$(((begun - before) / 1000000))
  rate=$((waiting * 1000 / ((after - begun) / 1000000 + 1)))
}

# Redis alone takes in; then PostgreSQL comes back, and the processors are held back, or at work.
bench_redis_intake() {
  local requests run rates=() first rate
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
  import_of "${INTAKE_PAYMENTS:-1000000}"
  row 'redis: ms from its return to the first import' "$first" - 1000
  row 'redis: payments imported per second' "$rate" - 30000 '>='
  tell 'and with processors that take them at once'
  start_processors
  import_of 300000
  row 'redis: ms to the first import, processors at work' "$first" - 1000
  row 'redis: imported per second, processors at work' "$rate" - 20000 '>='
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
  local rate=1000 before during killer run refused=0 p99_before=() p99_during=()
  start_database
  start_redis
  start_processors
  start_repasse
  wait_until_ready
  errors_and_p99 1 $rate >/dev/null
  for ((run = 0; run < runs; ++run)); do
    before=$(errors_and_p99 3 $rate)
    (sleep 0.5 && kill -KILL "${servers[redis]}") &
    killer=$!
    during=$(errors_and_p99 1 $rate)
    wait "$killer"
    refused=$((refused + ${before% *} + ${during% *}))
    p99_before+=("${before#* }") p99_during+=("${during#* }")
    stop_redis
    start_redis
    sleep 2
  done
  row "redis killed $runs times: requests refused" $refused - 0
  row 'redis killed: p99 of that second, us' "$(median "${p99_during[@]}")" "$(median "${p99_before[@]}")" 2
  (sleep 0.5 && kill_database) &
  killer=$!
  during=$(errors_and_p99 3 $rate)
  wait "$killer"
  row 'PostgreSQL killed: requests refused, of 3,000' "${during% *}" - 1000
  row 'PostgreSQL killed: p99 of those 3 s, us' "${during#* }" "$(median "${p99_before[@]}")"
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

# opened_at LOG: when that instance's breaker opened last, in milliseconds; 0: it has not.
opened_at() {
  local time
  time=$(grep 'breaker open' "$1" | tail -1 | cut -d' ' -f1) || true
  [[ -n $time ]] && date -d "$time" +%s%3N || echo 0
}

# is_closed PORT: the first processor's breaker, there.
is_closed() { curl -fs "http://127.0.0.1:$1/processors" | grep -oE '"breaker":"[a-z-]+"' | head -1 | grep -q closed; }

fails() {
  curl -fs -X PUT -H 'X-Rinha-Token: 123' -d "{\"failure\":$1}" "http://127.0.0.1:$default_port/admin/configurations/failure" >/dev/null
}

# Two instances, one of which alone is posted to: its processor fails, and the other's breaker opens by its word.
bench_redis_health() {
  local run port try other_port=$((base_port + 5)) here there lags=() logs
  logs=$(mktemp -d)
  start_database
  start_redis
  start_processors
  start repasse "$repasse_port" env REACTORS=1 LOG_LEVEL=info bash -c "exec '$bin/server/repasse' 2>'$logs/here'"
  start other "$other_port" env REACTORS=1 LOG_LEVEL=info LISTEN="127.0.0.1:$other_port" \
    bash -c "exec '$bin/server/repasse' 2>'$logs/there'"
  wait_until_ready
  sleep 1
  for ((run = 0; run < runs; ++run)); do
    for port in "$repasse_port" "$other_port"; do
      for ((try = 0; try < 300; ++try)); do
        is_closed "$port" && break
        load_at "$port" 50 1 >/dev/null
      done
    done
    sleep 1.2 # a success within the last second would outweigh the other's word
    here=$(opened_at "$logs/here") there=$(opened_at "$logs/there")
    fails true
    load_at "$repasse_port" 50 1 >/dev/null
    fails false
    (($(opened_at "$logs/here") > here && $(opened_at "$logs/there") > there)) || fail 'a breaker did not open'
    lags+=("$(($(opened_at "$logs/there") - $(opened_at "$logs/here")))")
  done
  tell "of each run: ${lags[*]} ms"
  row "redis: ms from a breaker's change to the other instance" "$(median "${lags[@]}")" - 10
  stop_all
  stop_redis
  stop_database
  rm -rf "$logs"
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
