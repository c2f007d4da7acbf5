#!/bin/bash
# SPDX-License-Identifier: MIT
# --oauth, broken at every call that has to do with files: by an error once, or by SIGKILL before it.
# The event arrives, a spent refresh token never goes out again, and the one that counts is not lost:
# but for the gap between the reply and the write, which is counted here.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
[ "${MODE:-}" = asan ] && skip_all "the sanitizers have to be the first library"
for p in python3 curl jq; do
    command -v $p >/dev/null || skip_all "needs $p"
done
faults=$B/tests/support/fault_calls.so
[ -e "$faults" ] || skip_all "tests/support/fault_calls.so is not built"
umask 077
shopt -s lastpipe
PAGE_BYTES=2848 # struct page of fault_calls.c
event='{"event_id":"k1","person_id":"1","time":"2026-01-07T10:34:08+08:00"}'

: >"$T/port"
spawn python3 -B "$ROOT/tests/sim/oauth.py" >"$T/port"
wait_for 10 test -s "$T/port"
url=http://127.0.0.1:$(cat "$T/port")

# A new refresh token there and here, and no access token.
anew() {
    rm -rf "${T:?}/home"
    mkdir "$T/home"
    n=$((${n:-0} + 1))
    curl -sS -d "{\"refresh\": \"r$n\", \"spent\": [], \"access\": [], \"dead\": [], \"bodies\": []}" "$url/_set"
    printf '{"token_url": "%s", "client_id": "bridge", "client_secret": "client-s3cret", "refresh_token": "%s"}\n' \
        "$url/token" "r$n" >"$T/home/oauth"
    touch -d '1 minute ago' "$T/home/oauth"
}
send() {
    echo "$event" | timeout 20 ts-send --retry-first 5ms --retry-max 20ms --give-up-after 2s \
        --oauth "$T/home/oauth" "$url/in" >"$T/out" 2>"$T/err"
}
# broken CLASSES AT DO: the same, with a fault; its page in $T/page
broken() {
    head -c $PAGE_BYTES /dev/zero >"$T/page"
    # shellcheck disable=SC2030 # for this program alone
    (
        export LD_PRELOAD=$faults FAULT_PROGRAM=ts-send FAULT_PAGE=$T/page FAULT_CLASSES=$1 FAULT_AT=$2 FAULT_DO=$3
        send
    ) 2>/dev/null
}
calls() { od -An -t u8 -N 8 "$T/page" | tr -d ' '; }
# field NAME: of a JSON object; jq takes too long for hundreds of them
field() { sed -n 's/.*"'"$1"'": *"\([^"]*\)".*/\1/p'; }
counts() { curl -sS "$url/state" | field refresh; }

# each CLASSES DO: breaks it at every call; counts what became of the event and of the refresh token
each() {
    local at most now
    anew
    broken "$1" 0 before
    most=$(calls)
    points=0 arrived=0 kept=0 told=0
    for ((at = 1; at <= most; at++)); do
        anew
        broken "$1" "$at" "$2"
        points=$((points + 1))
        grep -q delivered "$T/out" || send
        if grep -q delivered "$T/out"; then
            arrived=$((arrived + 1))
        elif grep -q 'deferred' "$T/out" && grep -q 'an earlier renewal was cut off' "$T/err"; then
            told=$((told + 1))
        fi
        now=$(counts)
        [ -n "$now" ] && [ "$now" = "$(field refresh_token <"$T/home/oauth")" ] && kept=$((kept + 1))
    done
    echo "# $1 $2: $points points, $arrived arrived, $kept refresh tokens kept, $told cut off and told"
}

for fault in "sync 5" "name 5" "size 28" "open 28" "write 28" "lock 37"; do
    # shellcheck disable=SC2086 # two words
    each $fault
    [ "$points" -gt 0 ] || skip "no such calls"
    is "$arrived $kept" "$points $points" "error ${fault#* } at every call of ${fault% *}: it arrives, and no token is lost"
done

# Killed before each call: the gap is one call wide, the write of the new file.
killed=0 lost=0
for class in sync name size lock open write stat; do
    each $class before
    is "$((arrived + told))" "$points" "SIGKILL before every call of $class: it arrives, or waits and says why"
    killed=$((killed + points)) lost=$((lost + told))
done
echo "# SIGKILL: $killed points, $lost of them in the gap"
[ "$lost" -le 3 ]
ok $? "the gap is a few calls wide: from the reply to the end of the write"
done_testing
