#!/usr/bin/env bash
# run_test.sh BUILD: `./dev run` prints a link, the page opens there, and it stops in order. With the programs of BUILD,
# where it would build a release, on a free port, with processors that are nowhere.
# shellcheck disable=SC2154 # sourced: dev, whose functions it uses
set -euo pipefail
built=$(realpath "$1")
# shellcheck source=dev
source "$(dirname "${BASH_SOURCE[0]}")/../../dev" help >/dev/null
require() { :; }
build() { :; }
start() { setsid "${@/#build\/release/$built}" & }

port=$(python3 -c 'import socket; free = socket.socket(); free.bind(("127.0.0.1", 0)); print(free.getsockname()[1])')
export LISTEN=127.0.0.1:$port PROCESSOR_DEFAULT_URL=http://127.0.0.1:1 PROCESSOR_FALLBACK_URL=http://127.0.0.1:1
output=$(mktemp)
dev_run >"$output" 2>&1 &
running=$!
trap 'kill "$running" 2>/dev/null || true; rm -f "$output"' EXIT

link=
for ((try = 0; try < 300; ++try)); do
  link=$(sed -n 's/^== see it work: //p' "$output")
  [[ -z $link ]] || break
  kill -0 "$running" 2>/dev/null || break
  sleep 0.1
done
[[ -n $link ]] || die "no link is printed: $(<"$output")"
page=$(curl -fs "$link") || die "nothing is at $link"
[[ $page == *'<title>repasse</title>'* ]] || die "no dashboard is at $link"
kill "$running"
status=0
wait "$running" || status=$?
((status == 0)) || die "it ends with $status: $(<"$output")"
grep -q '^== repasse ended with status 0$' "$output" || die "it does not stop in order: $(<"$output")"
echo "the page is at $link, and all has stopped in order"
