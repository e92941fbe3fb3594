# shellcheck shell=bash disable=SC2154 # run.sh and measure.sh set them
# What nginx costs before two servers, in the ways in which it could be set up. Sourced by run.sh.

nginx_port=$((base_port + 4))
other_port=$((base_port + 5))
status_port=$((base_port + 6))

# write_nginx WAY: its files in $sockets; `as shipped` is compose/nginx on a port and with sockets of our own.
write_nginx() {
  sed -e "s|/run/repasse/|$sockets/|; s|/tmp/nginx|$sockets/nginx|; s|listen 9145|listen 127.0.0.1:$status_port|" compose/nginx/servers.conf >"$sockets/servers.conf"
  sed -e "s|listen 9999|listen 127.0.0.1:$nginx_port|; s|/tmp/nginx|$sockets/nginx|; s|^daemon off;|& master_process off;|" \
    compose/nginx/nginx.conf >"$sockets/nginx.conf"
  case $1 in
    'over TCP') sed -i "s|unix:.*one.sock|127.0.0.1:$repasse_port|; s|unix:.*two.sock|127.0.0.1:$other_port|" "$sockets/servers.conf" ;;
    'a connection each') sed -i '/^  keepalive/d' "$sockets/servers.conf" ;;
    'a constant 202') sed -i '0,/proxy_pass.*/s//return 202;/' "$sockets/nginx.conf" ;;
    stream)
      cat >"$sockets/nginx.conf" <<END
load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; master_process off; pid $sockets/nginx.pid; error_log stderr crit; worker_rlimit_nofile 16384;
events { worker_connections 8192; }
stream {
  upstream repasse { server unix:$sockets/one.sock; server unix:$sockets/two.sock; }
  server { listen 127.0.0.1:$nginx_port backlog=4096; proxy_pass repasse; }
}
END
      ;;
  esac
}

# start_nginx WAY
start_nginx() {
  write_nginx "$1"
  start nginx "$nginx_port" nginx -p "$sockets" -c "$sockets/nginx.conf"
  load_at "$nginx_port" 500 1 >/dev/null
}

bench_nginx() {
  local ways=('as shipped' 'over TCP' 'a connection each' 'stream' 'a constant 202') way rate=${NGINX_RATE:-1000} json before run
  local -A cpu=() p99=() p50=()
  sockets=$(mktemp -d)
  start_processors
  start repasse "$repasse_port" env REACTORS=1 LISTEN="127.0.0.1:$repasse_port,unix:$sockets/one.sock" "$bin/server/repasse"
  start other "$other_port" env REACTORS=1 LISTEN="127.0.0.1:$other_port,unix:$sockets/two.sock" "$bin/server/repasse"
  chmod 755 "$sockets"
  chmod 666 "$sockets"/*.sock
  for ((run = 0; run < runs; ++run)); do
    for way in "${ways[@]}"; do
      start_nginx "$way"
      before=$(cpu_nanos nginx)
      json=$(load_at "$nginx_port" $rate 3)
      cpu[$way]+=" $(per_request "$before" "$(cpu_nanos nginx)" $((3 * rate)))"
      p50[$way]+=" $(member p50 "${json#*latencyMicros}")" p99[$way]+=" $(member p99 "${json#*latencyMicros}")"
      (($(member 202 "$json") == 3 * rate)) || fail "nginx, $way: not every payment was answered with 202: $json"
      stop nginx
    done
  done
  for way in "${ways[@]}"; do
    # shellcheck disable=SC2086
    {
      row "nginx $way: its CPU per request, us" "$(median ${cpu[$way]})" "$(median ${cpu['a constant 202']})"
      row "nginx $way: p50, us" "$(median ${p50[$way]})" "$(median ${p50['a constant 202']})"
      row "nginx $way: p99, us" "$(median ${p99[$way]})" "$(median ${p99['a constant 202']})"
    }
  done
  start_nginx 'as shipped'
  (sleep 1 && kill -KILL "${servers[other]}") &
  json=$(load_at "$nginx_port" $rate 3)
  row "nginx as shipped, a server killed: requests failed" "$((3 * rate - $(member 202 "$json")))" - 0
  stop_all
  rm -rf "$sockets"
}
