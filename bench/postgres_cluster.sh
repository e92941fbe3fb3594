# shellcheck shell=bash
# A PostgreSQL cluster of our own in a folder, reached by a socket file there, so that it needs no port and no
# password. Sourced by ./dev and bench/run.sh.

postgres_bin=/usr/lib/postgresql/15/bin

# PostgreSQL refuses to run as root. The caller's folder may be closed to others, which is no matter.
as_postgres() {
  if ((EUID == 0)); then
    (cd / && runuser -u postgres -- "$@")
  else
    "$@"
  fi
}

# start_cluster FOLDER [SETTING...]: initialises the folder if it is new, starts the cluster unless it runs, sets
# cluster_folder and cluster_url. A folder that the user postgres cannot reach is replaced by one that it can.
start_cluster() {
  local folder=$1 setting options
  shift
  if ((EUID == 0)); then
    install -d -o postgres -m 700 "$folder"
    as_postgres test -w "$folder" || folder=/var/lib/postgresql/repasse-${folder##*/}
    install -d -o postgres -m 700 "$folder"
  else
    mkdir -p "$folder"
  fi
  if ((${#folder} >= 90)); then
    echo "a socket file cannot have a path as long as $folder" >&2
    return 1
  fi
  if [[ ! -s $folder/PG_VERSION ]]; then
    as_postgres "$postgres_bin/initdb" -D "$folder" -U postgres --auth=trust --encoding=UTF8 \
      --locale=C.UTF-8 >/dev/null
  fi
  options="-c listen_addresses='' -c unix_socket_directories='$folder'"
  for setting in "$@"; do
    options+=" -c $setting"
  done
  # One may still run there, whose script was killed.
  if ! as_postgres "$postgres_bin/pg_ctl" -D "$folder" status >/dev/null; then
    as_postgres "$postgres_bin/pg_ctl" -D "$folder" -l "$folder/log" -w start -o "$options" >/dev/null || {
      echo "PostgreSQL does not start; its log is $folder/log" >&2
      return 1
    }
  fi
  cluster_folder=$folder
  cluster_url="postgresql:///postgres?host=${folder// /%20}&user=postgres"
}

# stop_cluster: unless it has been killed.
stop_cluster() {
  as_postgres "$postgres_bin/pg_ctl" -D "$cluster_folder" status >/dev/null || return 0
  as_postgres "$postgres_bin/pg_ctl" -D "$cluster_folder" -m fast -w stop >/dev/null || true
}

# cluster_sql TEXT: rows as lines, columns separated by spaces.
cluster_sql() { psql -qAt -F ' ' -v ON_ERROR_STOP=1 -d "$cluster_url" -c "$1"; }
