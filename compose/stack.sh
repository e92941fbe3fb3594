# shellcheck shell=bash disable=SC2154 # sourced by dev, whose functions it uses
# The stack in containers: images, up, down, logs, roll, reference, backup, restore. STACK names it (several may run side
# by side, on ports of their own: REPASSE_PORT, DEFAULT_PROCESSOR_PORT, FALLBACK_PROCESSOR_PORT); its
# secrets and settings lie in build/stack-STACK/env.

stack=${STACK:-repasse}
stack_folder=build/stack-$stack
images=(nginx redis postgres repasse processor)
limited=(nginx one two postgres redis) # the services that share 1.5 CPUs and 350 MB

# setting NAME: empty if there is none, or no stack.
setting() { sed -n "s/^$1=//p" "$stack_folder/env" 2>/dev/null || true; }

# Where it was started, unless the environment says otherwise.
REPASSE_PORT=${REPASSE_PORT:-$(setting REPASSE_PORT)} REPASSE_PORT=${REPASSE_PORT:-9999}
DEFAULT_PROCESSOR_PORT=${DEFAULT_PROCESSOR_PORT:-$(setting DEFAULT_PROCESSOR_PORT)}
DEFAULT_PROCESSOR_PORT=${DEFAULT_PROCESSOR_PORT:-8001}
FALLBACK_PROCESSOR_PORT=${FALLBACK_PROCESSOR_PORT:-$(setting FALLBACK_PROCESSOR_PORT)}
FALLBACK_PROCESSOR_PORT=${FALLBACK_PROCESSOR_PORT:-8002}
export REPASSE_PORT DEFAULT_PROCESSOR_PORT FALLBACK_PROCESSOR_PORT
# Debian's docker-compose knows no other builder, and nothing here needs one.
export DOCKER_BUILDKIT=0

engine() {
  if docker info >/dev/null 2>&1; then
    docker "$@"
  else
    as_root docker "$@"
  fi
}

compose() {
  local program=(docker-compose)
  ! docker compose version >/dev/null 2>&1 || program=(docker compose)
  docker info >/dev/null 2>&1 || program=(as_root "${program[@]}")
  "${program[@]}" --env-file "$stack_folder/env" -p "$stack" -f compose/docker-compose.yml "$@"
}

# start_engine: 1, and why, where no engine can run.
start_engine() {
  ((EUID == 0)) || docker info >/dev/null 2>&1 || command -v sudo >/dev/null || {
    echo 'dev: the Docker engine needs root or sudo' >&2
    return 1
  }
  if command -v docker >/dev/null && { docker info >/dev/null 2>&1 || as_root docker info >/dev/null 2>&1; }; then
    docker compose version >/dev/null 2>&1 || require docker-compose
    return 0
  fi
  # The clients alone may be there, of another vendor.
  command -v dockerd >/dev/null || require docker.io
  docker compose version >/dev/null 2>&1 || require docker-compose
  local try
  mkdir -p build
  say 'starting the Docker engine'
  if [[ -d /run/systemd/system ]]; then
    as_root systemctl start docker || true
  else
    as_root setsid dockerd --pidfile /run/repasse-dockerd.pid >build/dockerd.log 2>&1 </dev/null &
  fi
  for ((try = 0; try < 150; ++try)); do
    ! as_root docker info >/dev/null 2>&1 || return 0
    sleep 0.2
  done
  echo "dev: no Docker engine can run here: $(grep -h -o 'msg=.*\|failed.*' build/dockerd.log 2>/dev/null | tail -1)" >&2
  return 1
}

# One that was started here ends with the last stack.
stop_engine() {
  local running pid
  [[ -e /run/repasse-dockerd.pid ]] || return 0
  running=$(engine ps -q) || return 0
  pid=$(</run/repasse-dockerd.pid)
  [[ -n $running || $(cat "/proc/$pid/comm" 2>/dev/null) != dockerd ]] || as_root kill "$pid"
}

require_engine() { start_engine || die 'the stack needs one; ./dev run works without'; }

# Bare Debian 12 with its security updates, made here: no registry is asked for it.
build_base() {
  require debootstrap
  say 'making the base of the images by debootstrap'
  as_root rm -rf build/base
  as_root debootstrap --variant=minbase bookworm build/base "${MIRROR:-http://deb.debian.org/debian}" >build/debootstrap.log ||
    die "debootstrap has failed: $(tail -1 build/debootstrap.log)"
  as_root tar -C build/base -c . | engine import - repasse-base:bookworm >/dev/null
  as_root rm -rf build/base
}

image_name() { if [[ $1 == repasse ]]; then echo repasse; else echo "repasse-$1"; fi; }

# build_image TARGET [ARGUMENT...]
build_image() {
  local target=$1 name
  name=$(image_name "$target")
  shift
  engine build --quiet --network host -f compose/Dockerfile --build-arg BASE="$base" --target "$target" \
    -t "$name:${REPASSE_VERSION:-latest}" "$@" . 2>build/image.log >/dev/null ||
    die "the image $name cannot be built: $(grep -v '^$' build/image.log | tail -3)"
}

# file_of IMAGE PATH: from an image, which has no shell to ask.
file_of() {
  local container
  container=$(engine create "$1" none)
  engine cp "$container:$2" - | tar -xO
  engine rm "$container" >/dev/null
}

# The packages of an image, as CycloneDX has them.
sbom() {
  file_of "$1" /usr/share/sbom/packages | awk '
    BEGIN { printf "{\"bomFormat\":\"CycloneDX\",\"specVersion\":\"1.4\",\"version\":1,\"components\":[" }
    { printf "%s{\"type\":\"library\",\"name\":\"%s\",\"version\":\"%s\",\"purl\":\"pkg:deb/debian/%s@%s?arch=%s\"}", \
        (NR > 1 ? "," : ""), $1, $2, $1, $2, $3 }
    END { printf "]}" }'
}

build_images() {
  local fresh='' target name version
  [[ ${1-} != --fresh ]] || fresh=$(date +%s)
  base=${BASE:-repasse-base:bookworm}
  build release repasse processor-simulator
  if [[ -z ${BASE-} && (-n $fresh || -z $(engine images -q "$base")) ]]; then
    build_base
  fi
  say 'building the images'
  version=$(build/release/server/repasse --version)
  for target in "${images[@]}"; do
    build_image "$target" --build-arg FRESH="$fresh"
    name=$(image_name "$target"):${REPASSE_VERSION:-latest}
    build_image "$target" --build-arg FRESH="$fresh" --label "org.opencontainers.image.title=${name%:*}" \
      --label "org.opencontainers.image.version=${version##* }" \
      --label "org.opencontainers.image.revision=$(git describe --always --dirty 2>/dev/null)" \
      --label "repasse.sbom=$(sbom "$name")"
  done
}

# The layers of every image, one line each.
layers() {
  local target
  for target in "${images[@]}"; do
    engine inspect -f "$target {{.RootFS.Layers}}" "$(image_name "$target"):${REPASSE_VERSION:-latest}"
  done
}

dev_images() {
  require_engine
  local first
  build_images "${1-}"
  if [[ ${1-} == --check ]]; then
    first=$(layers)
    build_images --fresh
    [[ $first == "$(layers)" ]] || die 'built again the images differ'
    say 'built again, from nothing, every image has the same layers'
  fi
  engine images --format '{{.Repository}}:{{.Tag}}\t{{.Size}}' | grep '^repasse'
}

random_hex() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }

# What the stack is started with; made once, since the password is also in the volume.
make_settings() {
  mkdir -p "$stack_folder"
  [[ ! -e $stack_folder/env ]] || return 0
  (
    umask 077
    printf '%s\n' "POSTGRES_PASSWORD=$(random_hex 16)" "REDIS_PASSWORD=$(random_hex 16)" \
      "ADMIN_TOKEN=$(random_hex 24)" ASK_FIRST=false >"$stack_folder/env"
  )
}

# set_setting NAME VALUE
set_setting() {
  sed -i "/^$1=/d" "$stack_folder/env"
  echo "$1=$2" >>"$stack_folder/env"
}

wait_until_up() {
  local try
  for ((try = 0; try < 600; ++try)); do
    ! curl -fs -o /dev/null --max-time 1 "http://localhost:$REPASSE_PORT/readyz" || return 0
    sleep 0.1
  done
  die "the stack is not ready after a minute: $(curl -s --max-time 2 "http://localhost:$REPASSE_PORT/readyz"); ./dev logs says more"
}

# Ready is also who takes payments in while PostgreSQL recovers; this waits until it answers.
wait_for_books() {
  local until=$((SECONDS + 300)) answer service
  while ((SECONDS < until)); do
    answer=$(curl -si --max-time 2 "http://localhost:$REPASSE_PORT/payments-summary" || true)
    [[ $answer != 'HTTP/1.1 200'* || ${answer,,} == *repasse-source:* ]] || return 0
    for service in postgres one; do
      if [[ $(engine inspect -f '{{.State.Restarting}}' "$(container_of "$service")" 2>/dev/null) == true ]]; then
        die "$service does not start: $(engine logs --tail 3 "$(container_of "$service")" 2>&1)"
      fi
    done
    sleep 0.5
  done
  die 'PostgreSQL is not back after five minutes: ./dev logs postgres'
}

require_stack() {
  [[ -e $stack_folder/env ]] || die 'the stack is not up: ./dev up'
  require_engine
}

dev_up() {
  local name
  require curl
  require_engine
  make_settings
  for name in REPASSE_PORT DEFAULT_PROCESSOR_PORT FALLBACK_PROCESSOR_PORT; do
    set_setting "$name" "${!name}"
  done
  build_images
  if [[ -z $(compose ps -q nginx 2>/dev/null) ]]; then
    require_free_port "$REPASSE_PORT" nginx
  fi
  local begun=${EPOCHREALTIME/./}
  say 'starting the stack'
  compose up -d --remove-orphans >"$stack_folder/log" 2>&1 || die "it cannot be started: $(tail -3 "$stack_folder/log")"
  wait_until_up
  cat <<END
== ready after $(((${EPOCHREALTIME/./} - begun) / 1000)) ms: http://localhost:$REPASSE_PORT (nginx, servers \`one\` and \`two\`), the processors at
   http://localhost:$DEFAULT_PROCESSOR_PORT and $FALLBACK_PROCESSOR_PORT; settings and secrets in $stack_folder/env. ./dev reference, ./dev logs, ./dev down. Try:
curl -i http://localhost:$REPASSE_PORT/payments -H 'Content-Type: application/json' -d '{"correlationId": "$(</proc/sys/kernel/random/uuid)", "amount": 19.90}'
curl http://localhost:$REPASSE_PORT/payments-summary
END
}

dev_down() {
  require_stack
  local volumes=()
  [[ ${1-} != --volumes ]] || volumes=(--volumes)
  compose down "${volumes[@]}" >"$stack_folder/log" 2>&1 || die "$(tail -3 "$stack_folder/log")"
  if ((${#volumes[@]})); then
    rm -rf "$stack_folder"
    say 'the stack is down, and its payments are gone'
  else
    say 'the stack is down; its payments and backups stay in volumes (down --volumes removes them)'
  fi
  stop_engine
}

dev_logs() {
  require_stack
  compose logs --tail 100 -f "$@"
}

container_of() { compose ps -q "$1"; }

# address_of CONTAINER: within its network. Not by the published port: the engine's own proxy would be a part of what is
# measured.
address_of() { engine inspect -f '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}' "$1"; }

# Replaces the servers by the images that are there now (./dev images), one after the other.
dev_roll() {
  require_stack
  local server try
  for server in one two; do
    say "replacing $server"
    compose up -d --no-deps --force-recreate "$server" >"$stack_folder/log" 2>&1 || die "$(tail -3 "$stack_folder/log")"
    for ((try = 0; try < 100; ++try)); do
      ! engine exec "$(container_of "$server")" /usr/bin/repasse --healthcheck >/dev/null 2>&1 || break
      sleep 0.1
    done
    ((try < 100)) || die "$server does not answer; the other one goes on"
  done
  wait_until_up
}

dev_reference() {
  require_stack
  build release reference
  local address service arguments=()
  address=$(address_of "$(container_of nginx)")
  for service in "${limited[@]}"; do
    arguments+=(--container "$service:$(engine inspect -f '{{.Id}}' "$(container_of "$service")")")
  done
  ADMIN_TOKEN=$(setting ADMIN_TOKEN) build/release/bench/reference --attach --host "$address" \
    --ports 9999 "$DEFAULT_PROCESSOR_PORT" "$FALLBACK_PROCESSOR_PORT" "${arguments[@]}" \
    --report "$stack_folder/report.html" "$@"
  say "the report: $stack_folder/report.html"
}

in_postgres() { engine exec "$(container_of postgres)" "$@"; }

# backup [--keep N]: a base backup beside the WAL that is archived all the time; all but the newest N go, seven if not
# said otherwise, with the WAL that only they needed.
dev_backup() {
  require_stack
  local keep=7
  case ${1-} in
    '') ;;
    --keep) keep=${2:?how many to keep} ;;
    *) die "backup takes --keep N, not: $1" ;;
  esac
  say "backing up into the volume ${stack}_backups"
  in_postgres backup "$keep" || die 'there is no new backup'
  in_postgres ls /var/backups/base
}

# restore [NAME] [--at TIME]: the newest backup if none is named, up to TIME, or as far as the WAL goes; restore --done
# ends the asking after it.
dev_restore() {
  require_stack
  local name='' time=''
  while (($#)); do
    case $1 in
      --at)
        time=${2:?a time, such as "2026-01-31 12:34:56+00"}
        shift
        ;;
      --done)
        set_setting ASK_FIRST false
        dev_roll
        say 'the processors are no longer asked before a first send'
        return
        ;;
      -*) die "restore takes NAME, --at TIME and --done, not: $1" ;;
      *) name=$1 ;;
    esac
    shift
  done
  engine exec "$(container_of redis)" redis-cli -e ping >/dev/null || die 'Redis has to be up: ./dev up'
  # First of all, so that nobody starts on the older books without it, whatever fails here.
  local before stopped
  before=$(setting ASK_FIRST)
  set_setting ASK_FIRST true
  say 'stopping the servers and PostgreSQL'
  compose stop one two postgres >"$stack_folder/log" 2>&1
  stopped=$SECONDS
  if ! compose run --rm --no-deps --entrypoint /usr/bin/restore postgres "$name" "$time" 2>"$stack_folder/log"; then
    set_setting ASK_FIRST "$before"
    die "$(grep '^restore:' "$stack_folder/log" || tail -1 "$stack_folder/log") (the data were not changed; ./dev up starts them again)"
  fi
  # What Redis knows of payments may never have been, as the books now say. What was taken in is not in them yet.
  engine exec "$(container_of redis)" redis-cli -e eval \
    "for _, pattern in ipairs(ARGV) do for _, key in ipairs(redis.call('KEYS', pattern)) do redis.call('UNLINK', key) end end" \
    0 'repasse:payment:*' repasse:totals >/dev/null || die 'Redis has gone: ./dev up, and then ./dev restore once more'
  compose up -d postgres >"$stack_folder/log" 2>&1 || die "$(tail -3 "$stack_folder/log")"
  # A call that was under way may land so late; asked before, its processor does not know of it yet.
  local landing=${LANDING:-60}
  say "waiting until $landing s after the last call"
  ((SECONDS - stopped >= landing)) || sleep $((landing - SECONDS + stopped))
  compose up -d >"$stack_folder/log" 2>&1 || die "$(tail -3 "$stack_folder/log")"
  wait_for_books
  say 'restored; every processor is asked before a first send, since what was charged after that moment is not in the books.'
  say 'When clients have posted again what they miss: ./dev restore --done'
}
