# shellcheck shell=bash disable=SC2154 # run.sh sets them
# What it costs to be looked at: the whole flow with a hundred viewers of the dashboard and a scrape of /metrics
# each second, and with none. Sourced by run.sh.

viewers=${OBSERVE_VIEWERS:-100}

start_looking() {
  curl -sN --parallel --parallel-immediate --parallel-max "$viewers" -o /dev/null \
    "http://127.0.0.1:$repasse_port/events?viewer=[1-$viewers]" 2>/dev/null &
  watching=$!
  while sleep 1; do curl -fs -o /dev/null "http://127.0.0.1:$repasse_port/metrics"; done &
  scraping=$!
  sleep 1
  seen_viewers=$(curl -fs "http://127.0.0.1:$repasse_port/metrics" | awk '$1 ~ /^repasse_http_viewers$/ {print $2}')
  ((seen_viewers == viewers)) || fail "$seen_viewers of $viewers viewers are there"
}

stop_looking() {
  kill "$watching" "$scraping" 2>/dev/null || true
  wait "$watching" "$scraping" 2>/dev/null || true
}

# Nine pairs in turns, as the machine is noisy and the difference small.
bench_observe() {
  local rate=${FLOW_RATE:-8000} seconds=4 run micros how posted=0 unsettled=0 ratios=() answer
  local -A all=()
  tell "whole flow at $rate payments per second, with $viewers viewers and a scrape a second, and without"
  start_processors
  REACTORS=1 start_repasse
  load_cpu repasse "$repasse_port" "$rate" 2
  for ((run = 0; run < ${OBSERVE_PAIRS:-9}; ++run)); do
    for how in unseen seen; do
      [[ $how == unseen ]] || start_looking
      load_cpu repasse "$repasse_port" "$rate" "$seconds"
      [[ $how == unseen ]] || stop_looking
      all[$how]+=" $micros"
      declare "last_$how=$micros"
    done
    ratios+=("$(awk "BEGIN {printf \"%.4f\", $last_seen / $last_unseen}")")
  done
  # shellcheck disable=SC2086
  row "observe: CPU per payment, seen to unseen, us" "$(median ${all[seen]})" "$(median ${all[unseen]})"
  row 'observe: median ratio of the pairs' "$(median "${ratios[@]}")" - 1.03
  answer=$(curl -fs "http://127.0.0.1:$repasse_port/metrics" | scrape_micros)
  row 'observe: reactor time of a scrape, us' "$answer" - 1000
  stop_all
}

# The mean of all scrapes before this one.
scrape_micros() {
  awk '$1 ~ /^repasse_scrape_duration_seconds_sum/ {sum = $2} $1 ~ /^repasse_scrape_duration_seconds_count/ {count = $2}
    END {printf "%.0f\n", (count > 0 ? sum / count * 1e6 : 0)}'
}
