# shellcheck shell=bash disable=SC2154 # sourced by dev, beside compose/stack.sh and containers.sh
# What the stack in containers does within its limits, and what its settings are worth. Starts a stack of its own.

bin=build/release
# Its functions alone: nothing here is started by it.
# shellcheck source=bench/measure.sh
source <(sed '/^trap/d' bench/measure.sh)
row_format='%-58s %10s %10s %7s %8s  %s\n'

start_measured_stack() {
  stack=repasse-bench stack_folder=build/stack-repasse-bench
  export REPASSE_PORT=9987 DEFAULT_PROCESSOR_PORT=9985 FALLBACK_PROCESSOR_PORT=9986
  trap 'engine rm -f repasse-constant >/dev/null 2>&1; dev_down --volumes' EXIT
  dev_up >/dev/null
  repasse_port=$REPASSE_PORT
}

# The same nginx, with the same limits, that answers by itself.
start_constant() {
  local file=$PWD/$stack_folder/constant.conf nanos bytes
  read -r nanos bytes <<<"$(engine inspect -f '{{.HostConfig.NanoCpus}} {{.HostConfig.Memory}}' "$(container_of nginx)")"
  sed '0,/proxy_pass.*/s//return 202;/' compose/nginx/nginx.conf >"$file"
  chmod 644 "$file"
  engine run -d --name repasse-constant --cpus "$(awk "BEGIN {print $nanos / 1e9}")" --memory "$bytes" --read-only --network "${stack}_outside" \
    --tmpfs /tmp:uid=10001 -v "$file:/etc/nginx/nginx.conf:ro" repasse-nginx >/dev/null
}

# loaded_at HOST RATE SECONDS: sets `p50`, `p99` in microseconds; all have to be answered with 202.
loaded_at() {
  local json
  json=$("$bin/bench/load" --host "$1" --rate "$2" --seconds "$3" --connections 256 --json)
  (($(member 202 "$json") == $2 * $3)) || fail "not every payment was answered with 202: $json"
  p50=$(member p50 "${json#*latencyMicros}") p99=$(member p99 "${json#*latencyMicros}")
}

# count SIGN: adds what each container has used so far, with that sign.
count() {
  local service nanos ran_so_far held_so_far
  for service in "${limited[@]}"; do
    read -r nanos ran_so_far held_so_far <<<"$(used_by "$service") $(periods_of "$service")"
    used[$service]+=" $1$nanos" ran[$service]+=" $1$ran_so_far" held[$service]+=" $1$held_so_far"
  done
}

bench_stack() {
  local rate run service nginx constant seconds=10 posted=0
  local -A used ran held
  start_measured_stack
  start_constant
  nginx=$(address_of "$(container_of nginx)") constant=$(address_of repasse-constant)
  # shellcheck disable=SC2059
  printf "$row_format" figure ours yardstick ratio target ''
  for rate in 550 2000 4000; do
    used=() ran=() held=()
    local ours50=() ours99=() theirs50=() theirs99=()
    for ((run = 0; run < runs; ++run)); do
      loaded_at "$constant" "$rate" "$seconds"
      theirs50+=("$p50") theirs99+=("$p99")
      count -
      loaded_at "$nginx" "$rate" "$seconds"
      ours50+=("$p50") ours99+=("$p99")
      posted=$((posted + rate * seconds))
      count ''
      sleep 2
      (($(settled) == posted)) || fail "$posted were answered with 202, $(settled) are in the books 2 s later"
    done
    row "$rate/s: p50 of POST, us, and of a constant 202" "$(median "${ours50[@]}")" "$(median "${theirs50[@]}")"
    row "$rate/s: p99" "$(median "${ours99[@]}")" "$(median "${theirs99[@]}")"
    [[ $rate != 550 ]] || row "$rate/s: p99, promised" "$(median "${ours99[@]}")" - 3000
    for service in "${limited[@]}"; do
      row "$rate/s: $service: CPU of a payment, us" "$(sum_of "${used[$service]}" | awk "{printf \"%.0f\", \$1 / 1000 / $rate / $seconds / $runs}")" -
      row "$rate/s: $service: periods held back, %" \
        "$(echo "$(sum_of "${held[$service]}") $(sum_of "${ran[$service]}")" | awk '{printf "%.1f", 100 * $1 / ($2 > 0 ? $2 : 1)}')" - "$( ((rate == 550)) && echo 1)"
    done
  done
  ((failures == 0))
}

# sum_of "NUMBER NUMBER..."
sum_of() { tr ' ' '\n' <<<"$1" | awk '{sum += $1} END {printf "%.0f\n", sum}'; }

# What each setting is worth: PostgreSQL's CPU of a payment and the p99 of POST, at 2,000/s, beside the settings as shipped.
bench_stack_settings() {
  local ways=('' '-c shared_buffers=16MB' '-c shared_buffers=96MB' '-c wal_compression=lz4' '-c max_wal_size=64MB'
    '-c archive_mode=off' '-c autovacuum_naptime=15s' '-c bgwriter_lru_maxpages=0') way run before rate=2000 seconds=8
  local -A cpu=() tail=()
  runs=${BENCH_RUNS:-3}
  start_measured_stack
  # shellcheck disable=SC2059
  printf "$row_format" figure ours shipped ratio target ''
  for ((run = 0; run < runs; ++run)); do
    for way in "${ways[@]}"; do
      POSTGRES_OPTIONS=$way compose up -d postgres >/dev/null 2>&1
      wait_for_books
      loaded_at "$(address_of "$(container_of nginx)")" 500 1
      before=$(used_by postgres)
      loaded_at "$(address_of "$(container_of nginx)")" "$rate" "$seconds"
      cpu[x$way]+=" $(per_request "$before" "$(used_by postgres)" $((rate * seconds)))" tail[x$way]+=" $p99"
    done
  done
  for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    {
      row "${way:-as shipped}: PostgreSQL's CPU of a payment, us" "$(median ${cpu[x$way]})" "$(median ${cpu[x]})"
      row "${way:-as shipped}: p99 of POST, us" "$(median ${tail[x$way]})" "$(median ${tail[x]})"
    }
  done
  ((failures == 0))
}
