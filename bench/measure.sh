# What the measurements of run.sh share: servers that are started and ended, CPU time, wrk, medians, the
# table. Sourced; every server that it starts is ended when the script ends.

base_port=${BENCH_PORT:-18200}
yardstick_port=$base_port
repasse_port=$((base_port + 1))
default_port=$((base_port + 2))
fallback_port=$((base_port + 3))
runs=${BENCH_RUNS:-5}

export LOG_LEVEL=${LOG_LEVEL:-error}
export PROCESSOR_DEFAULT_URL=http://127.0.0.1:$default_port PROCESSOR_FALLBACK_URL=http://127.0.0.1:$fallback_port
export LISTEN=127.0.0.1:$repasse_port

declare -A servers=()
failures=0

tell() { printf '   %s\n' "$*" >&2; }

# A wrong result, other than a missed target.
fail() {
  printf 'bench: %s\n' "$*" >&2
  failures=$((failures + 1))
}

# start NAME PORT COMMAND...: returns once it listens.
start() {
  local name=$1 port=$2 try
  shift 2
  if (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
    printf 'bench: port %s is taken; BENCH_PORT names the first of five others\n' "$port" >&2
    exit 1
  fi
  "$@" >/dev/null &
  servers[$name]=$!
  for ((try = 0; try < 2000; ++try)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null && return
    kill -0 "${servers[$name]}" 2>/dev/null || break
    sleep 0.01
  done
  printf 'bench: %s does not listen\n' "$name" >&2
  exit 1
}

start_yardstick() { start yardstick "$yardstick_port" "$bin/bench/yardstick" --port "$yardstick_port"; }
start_repasse() { start repasse "$repasse_port" "$@" "$bin/server/repasse"; }
start_processors() {
  start default "$default_port" "$bin/bench/processor-simulator" --port "$default_port" --fee 0.05
  start fallback "$fallback_port" "$bin/bench/processor-simulator" --port "$fallback_port" --fee 0.15
}

# stop NAME...: returns once those that run have ended.
stop() {
  local name
  for name in "$@"; do
    [[ -n ${servers[$name]-} ]] || continue
    kill -TERM "${servers[$name]}" 2>/dev/null || true
    wait "${servers[$name]}" 2>/dev/null || true
    unset "servers[$name]"
  done
}

stop_all() { stop repasse other nginx yardstick default fallback; }
trap stop_all EXIT

# User and system time of all threads of a server so far, in nanoseconds.
cpu_nanos() { awk '{sum += $1} END {printf "%.0f\n", sum}' "/proc/${servers[$1]}"/task/*/schedstat; }

resident_megabytes() { awk '/VmRSS/ {printf "%.0f\n", $2 * 1024 / 1e6}' "/proc/${servers[$1]}/status"; }

# wrk_requests PORT DEPTH SECONDS: posts fresh payments over 64 connections, or wrk_connections; prints how many were answered.
wrk_requests() {
  local output
  output=$(wrk -t1 -c"${wrk_connections:-64}" -d"$(($3 + 1))s" -s bench/wrk/fresh_payments.lua "http://127.0.0.1:$1" -- "$2" "$3")
  if grep -E 'Non-2xx|Socket errors' <<<"$output" >&2; then
    echo 'bench: wrk saw these answers, or errors, at port' "$1" >&2
    return 1
  fi
  awk '/requests in/ {print $1}' <<<"$output"
}

# wrk_cpu NAME PORT DEPTH SECONDS: sets `requests`, and `micros` to the CPU time per request.
wrk_cpu() {
  local before
  before=$(cpu_nanos "$1")
  requests=$(wrk_requests "$2" "$3" "$4") || fail "$1 did not answer every request well"
  micros=$(per_request "$before" "$(cpu_nanos "$1")" "$requests")
}

# per_request BEFORE AFTER REQUESTS: nanoseconds to microseconds per request.
per_request() { awk "BEGIN {printf \"%.3f\n\", ($2 - $1) / 1000 / ${3:-0}}"; }

# load_at PORT RATE SECONDS: the JSON of the program `load`.
load_at() { "$bin/bench/load" --port "$1" --rate "$2" --seconds "$3" --json; }

# member NAME JSON: the first number of that name.
member() { grep -oE "\"$1\":[0-9.]+" <<<"$2" | head -1 | cut -d: -f2; }

# The payments in the books of repasse.
settled() {
  curl -fs "http://127.0.0.1:$repasse_port/payments-summary" | grep -oE '"totalRequests":[0-9]+' |
    awk -F: '{sum += $2} END {printf "%.0f\n", sum}'
}

# wait_until_settled COUNT SECONDS
wait_until_settled() {
  local second
  for ((second = 0; second < $2 * 10; ++second)); do
    (($(settled) < $1)) || break
    sleep 0.1
  done
  (($(settled) == $1)) || fail "$1 payments were answered with 202, $(settled) are in the books"
}

# load_cpu NAME PORT RATE SECONDS: sets `micros` to the CPU time per payment, until all is settled. For repasse
# it adds the payments to `posted`, and sets `unsettled` to how many were open when the load ended.
load_cpu() {
  local before json
  before=$(cpu_nanos "$1")
  json=$(load_at "$2" "$3" "$4")
  (($(member 202 "$json") == $3 * $4)) || fail "$1 did not answer every payment with 202: $json"
  if [[ $1 == repasse ]]; then
    posted=$((posted + $3 * $4))
    unsettled=$((posted - $(settled)))
    wait_until_settled "$posted" 10
  fi
  micros=$(per_request "$before" "$(cpu_nanos "$1")" $(($3 * $4)))
}

median() { printf '%s\n' "$@" | sort -n | awk '{value[NR] = $1} END {print value[int((NR + 1) / 2)]}'; }

row_format='%-42s %10s %10s %7s %8s  %s\n'

# row FIGURE OURS YARDSTICK [TARGET [OPERATOR]]: the target is one of their ratio, or of ours if the yardstick is
# `-`. The operator is <=, or what is given.
row() {
  local ratio=- judged=$2 verdict= operator=${5:-<=}
  if [[ $3 != - ]]; then
    ratio=$(awk "BEGIN {printf \"%.2f\", $2 / $3}")
    judged=$ratio
  fi
  if [[ -n ${4-} ]]; then
    verdict=$(awk "BEGIN {print ($judged $operator $4) ? \"ok\" : \"missed\"}")
  fi
  # shellcheck disable=SC2059
  printf "$row_format" "$1" "$2" "$3" "$ratio" "${4:+$operator $4}" "$verdict"
}
