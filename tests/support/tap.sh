# shellcheck shell=bash
# TAP for shell tests: source this file, call ok/is/like/run_test, end with `done_testing`.
# Gives: $T (own temporary folder, removed at the end), $PATH with the built programs first,
# port_free, wait_for. Nothing here sleeps for a fixed time.
set -u
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
B=${B:-$ROOT/build/release}
PATH=$B:$B/tests/sim:$PATH
export PATH LC_ALL=C.UTF-8 TZ=UTC
T=$(mktemp -d "${TMPDIR:-/tmp}/ts-test.XXXXXX")
TS_CORPUS=${TS_CORPUS:-$ROOT/../shared/corpus}
tap_n=0
tap_failed=0
tap_pids=()

# A background process that the test stops at its end: `spawn COMMAND...` sets $spawned.
spawn() {
    "$@" &
    spawned=$!
    tap_pids+=("$spawned")
}

tap_end() {
    local p
    for p in "${tap_pids[@]:-}"; do
        [ -n "$p" ] && kill -9 "$p" 2>/dev/null
    done
    wait 2>/dev/null
    rm -rf "$T"
}
trap tap_end EXIT

# ok STATUS NAME: passes when STATUS is 0.
ok() {
    tap_n=$((tap_n + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $tap_n - $2"
    else
        echo "not ok $tap_n - $2"
        tap_failed=1
    fi
}

# is GOT WANTED NAME
is() {
    [ "$1" = "$2" ]
    local rc=$?
    ok $rc "$3"
    if [ $rc -ne 0 ]; then
        printf '%s\n' "$1" | head -c 2000 | sed 's/^/#  got:    /'
        printf '%s\n' "$2" | head -c 2000 | sed 's/^/#  wanted: /'
    fi
}

# like GOT REGEX NAME (extended, over the whole text)
like() {
    [[ $1 =~ $2 ]]
    local rc=$?
    ok $rc "$3"
    if [ $rc -ne 0 ]; then
        printf '%s\n' "$1" | head -c 2000 | sed 's/^/#  got:    /'
        printf '%s\n' "$2" | sed 's/^/#  regex:  /'
    fi
}

skip() {
    tap_n=$((tap_n + 1))
    echo "ok $tap_n # SKIP $1"
}

skip_all() {
    echo "1..0 # SKIP $1"
    exit 0
}

# wait_for SECONDS COMMAND...: polls until COMMAND succeeds; fails after SECONDS.
wait_for() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -ge "$end" ] && return 1
        sleep 0.02
    done
}

# A TCP port that nobody listens on now.
port_free() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

port_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

done_testing() {
    echo "1..$tap_n"
    exit $tap_failed
}
