#!/usr/bin/env bash
# The figures that `./dev bench [NAME]` prints, each beside its yardstick of the same run: medians of five
# runs in turns. CPU is user and system time of the server, not wall time, so that other work on the same
# cores disturbs little. Exit status 1 if an answer or the books were wrong; a missed target is only shown.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=${BENCH_BUILD:-build/release}
# shellcheck source=bench/measure.sh
source bench/measure.sh
# shellcheck source=bench/postgres.sh
source bench/postgres.sh
# shellcheck source=bench/redis.sh
source bench/redis.sh
# shellcheck source=bench/nginx.sh
source bench/nginx.sh
# shellcheck source=bench/observe.sh
source bench/observe.sh
trap 'stop_all; stop_redis; stop_database' EXIT

# compare_wrk OUR_DEPTH SECONDS: sets `ours` and `yardstick` to microseconds of CPU per payment, `answered`
# to the payments that repasse took. The yardstick always gets one request at a time.
compare_wrk() {
  local run requests micros our_micros=() yardstick_micros=()
  wrk_requests "$yardstick_port" 1 1 >/dev/null
  answered=$(wrk_requests "$repasse_port" "$1" 1)
  for ((run = 0; run < runs; ++run)); do
    wrk_cpu yardstick "$yardstick_port" 1 "$2"
    yardstick_micros+=("$micros")
    wrk_cpu repasse "$repasse_port" "$1" "$2"
    our_micros+=("$micros")
    answered=$((answered + requests))
  done
  ours=$(median "${our_micros[@]}")
  yardstick=$(median "${yardstick_micros[@]}")
}

# Nothing listens where the processors should be: the breakers are open, and repasse only accepts.
start_accepting() { REACTORS=1 MAX_BACKLOG=10000000 start_repasse "$@"; }

bench_accept() {
  tell 'accept only: wrk with 64 connections'
  start_yardstick
  start_accepting
  compare_wrk 1 2
  row 'accept: CPU per payment, us' "$ours" "$yardstick" 1.5
  tell 'the processors come up, and take all of it'
  start_processors
  wait_until_settled "$answered" 120
  tell "$answered payments were answered with 202, $(settled) are in the books"
  stop_all
  bench_allocations
}

bench_allocations() {
  local file before after
  file=$(mktemp)
  start_accepting env LD_PRELOAD="$bin/bench/liballocation-counter.so" ALLOCATION_COUNT_FILE="$file"
  wrk_requests "$repasse_port" 1 2 >/dev/null
  before=$(od -An -t u8 "$file")
  answered=$(wrk_requests "$repasse_port" 1 3)
  after=$(od -An -t u8 "$file")
  rm "$file"
  row 'accept: allocations per payment' "$(awk "BEGIN {printf \"%.4f\", ($after - $before) / $answered}")" - 0.01
  stop_all
}

bench_pipelined() {
  tell 'accept only: 16 pipelined over 64 connections; the yardstick gets one at a time'
  start_yardstick
  start_accepting
  compare_wrk 16 1
  row 'pipelined: CPU per payment, us' "$ours" "$yardstick" 0.45
  stop_all
}

bench_flow() {
  local rate=${FLOW_RATE:-8000} seconds=3 run micros posted=0 unsettled=0 all_unsettled=() our_micros=() yardstick_micros=()
  tell "whole flow: both get $rate payments per second"
  start_yardstick
  start_processors
  REACTORS=1 start_repasse
  for ((run = 0; run < runs; ++run)); do
    load_cpu yardstick "$yardstick_port" "$rate" "$seconds"
    yardstick_micros+=("$micros")
    load_cpu repasse "$repasse_port" "$rate" "$seconds"
    our_micros+=("$micros")
    all_unsettled+=("$unsettled")
  done
  row 'flow: CPU per payment, us' "$(median "${our_micros[@]}")" "$(median "${yardstick_micros[@]}")" 3.5
  tell "unsettled at the end of each run: ${all_unsettled[*]}"
  stop_all
}

# Its yardstick is the same by plain http.
bench_https() {
  local rate=${FLOW_RATE:-4000} seconds=3 run micros folder sealed unsettled posted
  local our_micros=() plain_micros=()
  tell "whole flow at $rate payments per second, processors by https and by http"
  folder=$(mktemp -d)
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=bench \
    -addext subjectAltName=IP:127.0.0.1 -keyout "$folder/key" -out "$folder/certificate" 2>/dev/null
  start default "$default_port" "$bin/bench/processor-simulator" --port "$default_port" --fee 0.05 \
    --certificate "$folder/certificate" --key "$folder/key" --https-port $((fallback_port + 1))
  sealed=https://127.0.0.1:$((fallback_port + 1))
  for ((run = 0; run < runs; ++run)); do
    posted=0
    PROCESSORS=default PROCESSOR_FALLBACK_URL= REACTORS=1 start_repasse
    load_cpu repasse "$repasse_port" "$rate" "$seconds"
    plain_micros+=("$micros")
    stop repasse
    posted=0
    PROCESSOR_DEFAULT_URL=$sealed PROCESSOR_DEFAULT_CA_FILE=$folder/certificate \
      PROCESSORS=default PROCESSOR_FALLBACK_URL= REACTORS=1 start_repasse
    load_cpu repasse "$repasse_port" "$rate" "$seconds"
    our_micros+=("$micros")
    stop repasse
  done
  row 'https: CPU per payment, us' "$(median "${our_micros[@]}")" "$(median "${plain_micros[@]}")"
  stop_all
  rm -r "$folder"
}

bench_idle() {
  local few many
  few=$("$bin/bench/footprint" idle "$bin/server/repasse" "$repasse_port" 1000)
  # Each reactor has its share of the connections, and the kernel does not spread them evenly.
  many=$(MAX_CONNECTIONS=12000 "$bin/bench/footprint" idle "$bin/server/repasse" "$repasse_port" 10000)
  row 'idle: MB resident with 1,000 connections' "$few" - 30
  row 'idle: MB resident with 10,000 connections' "$many" - 100
}

bench_start() {
  row 'start: ms to the first answer' "$("$bin/bench/footprint" start "$bin/server/repasse" "$repasse_port" $runs)" - 100
}

# Its yardstick is the same with ten thousand payments, as many per second.
bench_summary() {
  local few=10000 many=10000000 run few_p99s=() many_p99s=()
  tell "summaries of random windows with $many payments; the yardstick has $few"
  start yardstick "$yardstick_port" "$bin/bench/filled-repasse" "$yardstick_port" "$few"
  start repasse "$repasse_port" "$bin/bench/filled-repasse" "$repasse_port" "$many"
  for ((run = 0; run < runs; ++run)); do
    few_p99s+=("$("$bin/bench/summary-load" "$yardstick_port" "$few" "${servers[yardstick]}")")
    many_p99s+=("$("$bin/bench/summary-load" "$repasse_port" "$many" "${servers[repasse]}")")
  done
  row 'summary: p99 of the CPU per answer, us' "$(median "${many_p99s[@]}")" "$(median "${few_p99s[@]}")" 1.5
  row "summary: MB resident with $many payments" "$(resident_megabytes repasse)" - 1500
  stop_all
}

bench_rate() {
  local rate run json
  local -A p50 p99 late
  for rate in 1000 5000; do
    tell "latency at $rate payments per second, whole flow"
    start_yardstick
    start_processors
    start_repasse
    p50=() p99=() late=()
    for ((run = 0; run < runs; ++run)); do
      measure_latency yardstick "$yardstick_port"
      measure_latency repasse "$repasse_port"
    done
    # shellcheck disable=SC2086
    for what in p50 p99 late; do
      declare -n values=$what
      row "rate: $what at $rate/s, us" "$(median ${values[repasse]})" "$(median ${values[yardstick]})"
    done
    stop_all
  done
  tell 'late: how late the generator itself was, p99'
}

# measure_latency NAME PORT: adds a run to bench_rate's figures.
measure_latency() {
  json=$(load_at "$2" "$rate" 2)
  p50[$1]+=" $(member p50 "${json#*latencyMicros}")"
  p99[$1]+=" $(member p99 "${json#*latencyMicros}")"
  late[$1]+=" $(member p99 "${json#*latenessMicros}")"
}

bench_reference() {
  tell "the reference load ${*:-in full}"
  "$bin/bench/reference" --ports "$repasse_port" "$default_port" "$fallback_port" "$@" ||
    fail 'the reference load found something wrong'
}

print_head() {
  # shellcheck disable=SC2059
  printf "$row_format" figure ours yardstick ratio target ''
}

case ${1-} in
  reference) bench_reference ;;
  postgres)
    print_head
    bench_postgres
    bench_postgres_latency
    bench_postgres_reads
    ;;
  postgres-latency | postgres-reads | postgres-hot | postgres-snapshot)
    print_head
    "bench_${1//-/_}"
    ;;
  redis)
    print_head
    for figure in cost reads intake loss health table; do "bench_redis_$figure"; done
    ;;
  redis-cost | redis-reads | redis-intake | redis-loss | redis-health | redis-table)
    print_head
    "bench_${1//-/_}"
    ;;
  accept | pipelined | flow | https | idle | start | summary | rate | nginx | observe)
    print_head
    "bench_$1"
    ;;
  '')
    print_head
    for figure in accept pipelined flow idle start summary rate; do "bench_$figure"; done
    bench_reference --seconds 12 --clients 200 --check-every 4
    ;;
  *)
    echo "bench: no such figure: $1; there are accept, pipelined, flow, https, idle, start, summary, rate, reference, postgres," \
      'postgres-latency, postgres-reads, postgres-hot, postgres-snapshot, redis, redis-cost, redis-reads, redis-intake, redis-loss,' \
      'redis-health, redis-table, nginx, observe' >&2
    exit 2
    ;;
esac
((failures == 0))
