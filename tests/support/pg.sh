# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Debian's PostgreSQL for tests: source it after tap.sh. Servers live in folders of $T, listen on
# the loopback and on a socket beside their data, run as an unprivileged user (root starts them as
# postgres or nobody), and end with the test. PG_BIN names another installation.
#
#     pg_there || skip_all "needs PostgreSQL"
#     pg_make NAME [SETTING...]     a new data folder; sets $pg_port
#     pg_start NAME, pg_stop NAME [MODE], pg_kill NAME
#     pg_url NAME [DATABASE]        its URL on the loopback
#     pg_sql NAME SQL               as the superuser; rows as lines, columns apart by |
pg_bin() {
    local d
    for d in "${PG_BIN:-}" /usr/lib/postgresql/*/bin; do
        [ -x "$d/initdb" ] && [ -x "$d/postgres" ] && echo "$d"
    done | tail -1
}
PG_BIN=$(pg_bin)
PG_DIR=$T/pg
PG_USER=
if [ "$(id -u)" -eq 0 ]; then
    PG_USER=$(id -un postgres 2>/dev/null || id -un nobody 2>/dev/null)
fi

pg_there() {
    [ -n "$PG_BIN" ] && command -v psql >/dev/null &&
        { [ "$(id -u)" -ne 0 ] || { [ -n "$PG_USER" ] && command -v setpriv >/dev/null; }; }
}

# Runs a command as the user of the servers.
pg_as() {
    if [ -n "$PG_USER" ]; then
        (cd / && exec setpriv --reuid="$PG_USER" --regid="$(id -gn "$PG_USER")" --clear-groups \
            env HOME="$PG_DIR" "$@")
    else
        (cd / && exec env HOME="$PG_DIR" "$@")
    fi
}

pg_folder() {
    [ -d "$PG_DIR" ] && return
    chmod 755 "$T"
    mkdir -p "$PG_DIR"
    chmod 700 "$PG_DIR"
    [ -z "$PG_USER" ] || chown "$PG_USER" "$PG_DIR"
}

# Settings beside those of the server: one connection more or less must not fail a test, and its
# memory stays small. Syncing stays on: the store refuses a server without.
pg_settings() {
    cat <<END
port = $pg_port
listen_addresses = '${PG_LISTEN:-127.0.0.1}'
unix_socket_directories = '$PG_DIR'
max_connections = 40
shared_buffers = 16MB
max_wal_size = 128MB
log_min_messages = warning
log_line_prefix = '%m [%p] %a '
END
    printf '%s\n' "$@"
}

pg_make() {
    local name=$1
    shift
    pg_folder
    pg_port=$(port_free)
    pg_as "$PG_BIN/initdb" -D "$PG_DIR/$name" -U super -A trust -E UTF8 --locale=C.UTF-8 \
        --no-sync >"$T/$name.initdb" 2>&1 || return 1
    pg_settings "$@" | pg_as tee -a "$PG_DIR/$name/postgresql.conf" >/dev/null
    eval "pg_port_$name=$pg_port"
}

# A server is a session of its own: something has to end it when the test is killed.
pg_guard() {
    [ -n "${pg_guarded:-}" ] && return
    pg_guarded=1
    # shellcheck disable=SC2016 # for the inner shell
    (setsid bash -c 'while kill -0 "$1"; do sleep 1; done
        for f in "$2"/pg/*/postmaster.pid; do
            [ -e "$f" ] && main=$(head -1 "$f") && kill -9 "$main" $(pgrep -P "$main")
        done
        rm -rf "$2"' guard $$ "$T" >/dev/null 2>&1 </dev/null &)
}

pg_start() {
    pg_guard
    pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/$1" -l "$PG_DIR/$1.log" -s -w -t 60 start >/dev/null
}

pg_stop() {
    pg_as "$PG_BIN/pg_ctl" -D "$PG_DIR/$1" -s -w -m "${2:-fast}" stop >/dev/null 2>&1
}

# kill -9 of the server and all its processes at once.
pg_kill() {
    local main
    main=$(pg_as head -1 "$PG_DIR/$1/postmaster.pid" 2>/dev/null) || return
    # shellcheck disable=SC2046 # one word a process
    kill -9 "$main" $(pgrep -P "$main") 2>/dev/null
}

pg_port_of() {
    eval "echo \$pg_port_$1"
}

pg_url() {
    echo "postgresql://super@${PG_HOST:-127.0.0.1}:$(pg_port_of "$1")/${2:-postgres}"
}

pg_sql() {
    psql -X -q -A -t -h "$PG_DIR" -p "$(pg_port_of "$1")" -U super -d "${3:-postgres}" -c "$2"
}

pg_end() {
    local d
    for d in "$PG_DIR"/*/postmaster.pid; do
        [ -e "$d" ] && pg_kill "$(basename "$(dirname "$d")")"
    done
    tap_end
}
trap pg_end EXIT
trap 'exit 143' TERM INT HUP
