# shellcheck shell=bash disable=SC2154 # sourced by dev, whose functions it uses
# The stack in containers, from the images to a restore, with ports and volumes of its own; for `./dev stack-test`, which
# ctest calls. Ends with 77 where no engine can run: then it says which sentences nobody has tried here.

failures=0

# expect WHAT GOT WANTED
expect() {
  if [[ $2 == "$3" ]]; then
    say "$1: $2"
  else
    say "FAILED: $1: $2, and not $3"
    failures=$((failures + 1))
  fi
}

see_limits() {
  local service cpus=0 memory=0 swap=0
  for service in "${limited[@]}"; do
    cpus=$((cpus + $(cpus_of "$service")))
    memory=$((memory + $(memory_of "$service")))
    swap=$((swap + $(swap_of "$service")))
    expect "$service: user is root, root is writable, capabilities" \
      "$(engine inspect -f '{{.Config.User}} {{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}}' "$(container_of "$service")" | sed 's/^[1-9][0-9:]* /no /')" \
      'no true [ALL]'
  done
  expect 'thousandths of a CPU, at most 1500' $((cpus <= 1500 ? cpus : -cpus)) "$cpus"
  expect 'bytes of memory, at most 350 MB' $((memory <= 350000000 ? memory : -memory)) "$memory"
  expect 'bytes of swap' "$swap" 0
}

# post ID AMOUNT: the status.
post() {
  curl -s -o /dev/null -w '%{http_code}' --max-time 5 "http://localhost:$REPASSE_PORT/payments" \
    -H 'Content-Type: application/json' -d "{\"correlationId\": \"$1\", \"amount\": $2}"
}

# status_of ID: what GET says of it.
status_of() { curl -s --max-time 5 "http://localhost:$REPASSE_PORT/payments/$1" | sed -n 's/.*"status":"\([a-z]*\)".*/\1/p'; }

new_id() { cat /proc/sys/kernel/random/uuid; }

# Whichever server has the next request.
see_one_house() {
  local id answers=''
  id=$(new_id)
  for _ in 1 2 3; do answers+="$(post "$id" 19.90) "; done
  for _ in 1 2; do answers+="$(post "$id" 19.91) "; done
  expect 'a payment, twice its repeat, twice another amount, by two servers in turn' "$answers" '202 202 202 409 409 '
  sleep 1
  expect 'read twice' "$(status_of "$id") $(status_of "$id")" 'processed processed'
}

# load SECONDS [OPTION...]: the reference load in the background, ended by the strict audit; its lines in $stack_folder/load.
load() {
  local seconds=$1
  shift
  local try
  dev_reference --seconds "$seconds" --clients 100 "$@" >"$stack_folder/load" 2>&1 &
  load=$!
  for ((try = 0; try < 300; ++try)); do # it looks for what is to be built first
    pgrep -f 'bench/reference --attach' >/dev/null && break
    sleep 0.1
  done
}

# loaded WHAT: waits for it.
loaded() {
  local status=0
  wait "$load" || status=$?
  expect "$1: the strict audit" "$(grep -o '[0-9]* findings\?$\|no finding$' "$stack_folder/load" | tail -1)" 'no finding'
  ((failures == 0)) || tail -25 "$stack_folder/load"
  return "$status"
}

# Requests of that load that were not answered with 202.
failed() { sed -n 's/^posted  *[0-9]* payments in \([0-9]*\) posts: \([0-9]*\) x 202.*/\1 \2/p' "$stack_folder/load" | awk '{print $1 - $2}'; }

# As a crash would: the engine restarts a container only if it was not asked to end it.
kill_each() {
  local service
  for service in "${limited[@]}"; do
    load 8 --no-ramp --stages 20/20 --check-every 3600
    sleep 3
    as_root kill -KILL "$(engine inspect -f '{{.State.Pid}}' "$(container_of "$service")")"
    loaded "$service killed" || true
    # nginx alone is what clients see; of all others they see nothing.
    [[ $service == nginx ]] || expect 'its requests that failed' "$(failed)" 0
  done
  wait_for_books
}

see_restore() {
  local id ids=() status time
  load 30 --no-ramp --stages 20/20 --check-every 3600
  sleep 2
  dev_backup --keep 1
  sleep 3
  dev_restore
  loaded 'restored under load' || true
  sleep 1 # a moment is a whole second: the load shall lie before it
  time=$(date -u '+%Y-%m-%d %H:%M:%S+00')
  sleep 1
  for _ in 1 2 3 4 5 6 7 8 9 10; do
    id=$(new_id)
    ids+=("$id")
    status=$(post "$id" 7.77)
    [[ $status == 202 ]] || expect 'a payment before the restore to an earlier moment' "$status" 202
  done
  sleep 1
  dev_restore --at "$time"
  expect 'forgotten by a restore to an earlier moment' "$(status_of "${ids[0]}")" ''
  for id in "${ids[@]}"; do
    status=$(post "$id" 7.77)
    [[ $status == 202 ]] || expect 'a payment posted again after it' "$status" 202
  done
  sleep 2
  expect 'posted again and asked for: books' "$(books)" "$(books_of_processors)"
  dev_restore --done
}

# The totals, all processors: as repasse has them, and as they themselves do.
books() { curl -s --max-time 5 "http://localhost:$REPASSE_PORT/payments-summary" | grep -o '"total[A-Z][a-z]*":[0-9.]*' | cut -d: -f2 | xargs; }
books_of_processors() {
  local port
  for port in "$DEFAULT_PROCESSOR_PORT" "$FALLBACK_PROCESSOR_PORT"; do
    curl -s --max-time 5 -H 'X-Rinha-Token: 123' "http://localhost:$port/admin/payments-summary" |
      grep -o '"total[RA][a-z]*":[0-9.]*' | cut -d: -f2
  done | xargs
}

# An engine may answer and yet be unable to run a container within limits, as within another container.
can_run_containers() {
  (start_engine) || return 1
  [[ -n $(engine images -q repasse-base:bookworm) ]] || (build_base) || return 1
  engine run --rm --cpus 0.5 --memory 20m --memory-swap 20m --read-only repasse-base:bookworm /bin/true
}

dev_stack-test() {
  if ! can_run_containers; then
    say 'SKIPPED: images, limits, health, roll, a killed container, backup and restore in containers; the same programs'
    say 'are tested as plain processes by the other tests.'
    stop_engine
    exit 77
  fi
  export REPASSE_PORT=9997 DEFAULT_PROCESSOR_PORT=9995 FALLBACK_PROCESSOR_PORT=9996
  LANDING=5 # these processors answer after 20 ms
  trap 'dev_down --volumes' EXIT
  dev_up
  see_limits
  see_one_house
  load 12
  loaded 'the reference test' || expect 'its end' "$?" 0
  sed -n '/^== /!p' "$stack_folder/load"
  load 14 --no-ramp --stages 20/20
  sleep 2
  dev_roll
  loaded 'each server replaced' || expect 'its end' "$?" 0
  expect 'its requests that failed' "$(failed)" 0
  kill_each
  see_restore
  engine stats --no-stream --format '{{.Name}} {{.CPUPerc}} {{.MemUsage}}' | grep "^$stack"
  ((failures == 0)) || die "failed: $failures"
  say 'all passed'
}
