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

# wait_for SECONDS COMMAND...: polls until COMMAND succeeds; fails after SECONDS. What takes long to
# look at is looked at less often: a fifth of the time goes into it.
wait_for() {
    local end=$((${EPOCHREALTIME/./} + $1 * 1000000)) began pause
    shift
    began=${EPOCHREALTIME/./}
    until "$@" >/dev/null 2>&1; do
        pause=$((${EPOCHREALTIME/./} - began))
        [ $((began + pause)) -ge "$end" ] && return 1
        pause=$((pause < 2500 ? 10000 : pause > 50000 ? 200000 : pause * 4))
        sleep "$(printf '0.%06d' $pause)"
        began=${EPOCHREALTIME/./}
    done
}

# spool_has STORE NAME VALUE: a number of its stat, for wait_for: jq takes ten times as long.
spool_has() {
    ts-spool stat --json "$1" | grep -q "\"$2\":$3[,}]"
}

# A TCP port that nobody listens on now.
port_free() {
    perl -MSocket -e 'socket(S, PF_INET, SOCK_STREAM, 0) and bind(S, sockaddr_in(0, INADDR_LOOPBACK))
        or die $!; print +(sockaddr_in(getsockname(S)))[0], "\n"'
}

port_open() {
    (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null
}

done_testing() {
    echo "1..$tap_n"
    exit $tap_failed
}
