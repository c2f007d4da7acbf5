#!/bin/bash
# SPDX-License-Identifier: MIT
# Each family of devices, and each path, against what happens to devices: a clock that is set back,
# and right again; a log that is cleared, also with its clock; one that wrapped; another device behind
# the address.  Each is said, nothing is lost, and by its id nothing is in the queue twice.
#
#     pulled   all three here; zk also in ts-read-zk-place.t, hikvision in ts-read-hikvision-log.t
#     live     all three here; zk also in ts-read-zk-live.t
#     pushed   hikvision and dahua here; zk in ts-read-iclock.t
# shellcheck disable=SC2317,SC2030,SC2031 # functions called by names that are made, in subshells
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-enrich ts-spool jq python3 curl; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
cd "$T" || exit 1
printf 'admin:Fine-2026\n' >login
chmod 600 login

# --- the families: start; at TIME… (one record each, on 2026-03-02); clear; lose N; other; now TIME ----

started() {
    [ -z "${sim:-}" ] || kill "$sim" 2>/dev/null
    : >port.out
    spawn python3 "$ROOT/tests/sim/$1" "${@:2}" >port.out
    sim=$spawned
    wait_for 20 grep -q '[0-9]' port.out
    port=$(grep -o '[0-9]*' port.out | head -n 1)
}
back_door() { curl -s "http://127.0.0.1:$port/_sim/$1" "${@:2}"; }

# What happens at the simulated zk device happens later: as many records as it holds tell when.
zk_start() {
    rm -f fifo
    mkfifo fifo
    exec 8<>fifo
    started zk.py --records 0 --happens fifo --log sent
    url=(zk://127.0.0.1:"$port")
    held=0
}
zk_holds() { [ "$(ts-read --count "${url[@]}" 2>/dev/null | tail -n 1 | jq .records)" = "$held" ]; }
zk_at() {
    printf "${live:-mute} 105 2026-03-02T%s\n" "$@" >&8
    held=$((held + $#))
    wait_for 10 zk_holds
}
zk_clear() { echo clear >&8; held=0; wait_for 10 zk_holds; }
zk_lose() { echo "wrap $1" >&8; held=$((held - $1)); wait_for 10 zk_holds; }
zk_other() { echo "serial OTHER7654321" >&8; }
zk_now() { :; }

hikvision_start() {
    started hikvision.py now=2026-03-02T08:05:00
    url=(--password-file ../login hikvision://127.0.0.1:"$port")
}
hikvision_at() {
    printf '%s\n' "$@" | jq -Rsc '[split("\n")[:-1][] | {time: "2026-03-02T\(.)+03:00"}]' |
        back_door log --data-binary @- >/dev/null
}
hikvision_clear() { back_door clear >/dev/null; }
hikvision_lose() { back_door "lose?n=$1" >/dev/null; }
hikvision_other() { back_door 'set?serial=DS-K1T673DX20240101V031000ENFZ7654321' >/dev/null; }
hikvision_now() { back_door "set?now=2026-03-02T$1" >/dev/null; }

dahua_start() {
    started dahua.py
    url=(--password-file ../login dahua://127.0.0.1:"$port")
}
dahua_at() {
    printf '%s\n' "$@" | jq -Rsc '[split("\n")[:-1][] | {CreateTime: ("2026-03-02T\(.)Z" | fromdate)}]' |
        back_door log --data-binary @- >/dev/null
}
dahua_clear() { back_door clear >/dev/null; }
dahua_lose() { back_door "lose?n=$1" >/dev/null; }
dahua_other() { back_door 'set?serial=6G9OTHER' >/dev/null; }
dahua_now() { :; }

# --- pulled ----------------------------------------------------------------------------------------
stored() { ts-spool stat --json q.db | jq .stored; }
fetch() {
    ts-read --checkpoint cp "${url[@]}" --into 'ts-enrich 2>/dev/null | ts-spool put q.db' >out 2>err
}
# came WANTED REGEX NAME: after another reading.
came() {
    fetch
    is "$(stored)" "$1" "$family, pulled: $3: all of it is there, once"
    like "$(<err)" "$2" "$family, pulled: $3: is said"
}
begin() {
    rm -f q.db q.db-* cp cp.lock
    "${family}_start"
    "${family}_at" 08:00:01 08:00:02 08:00:03
    fetch
}
pulled() {
    family=$1
    begin
    "${family}_now" 06:05:00
    "${family}_at" 06:00:01 06:00:02
    came 5 "set back" "a clock that is set back"
    begin
    "${family}_at" 06:00:01 06:00:02
    "${family}_now" 09:05:00
    "${family}_at" 09:00:00 09:00:01
    came 7 "set back" "and set right before anybody looked"
    begin
    "${family}_clear"
    "${family}_now" 10:05:00
    "${family}_at" 10:00:01 10:00:02
    came 5 "cleared|emptied" "a log that was cleared"
    begin
    "${family}_clear"
    "${family}_now" 05:05:00
    "${family}_at" 05:00:01 05:00:02
    came 5 "cleared|emptied" "cleared, and its clock lost too"
    begin
    "${family}_now" 11:05:00
    "${family}_at" 11:00:01 11:00:02 11:00:03 11:00:04 11:00:05
    "${family}_lose" 5
    came 6 "$2" "a log that wrapped beyond the place"
    begin
    "${family}_other"
    "${family}_clear"
    "${family}_at" 08:00:01 08:00:02
    came 5 'another device' "another device behind the address"
    begin
    "${family}_at" 08:00:04
    url=("${url[@]//127.0.0.1/localhost}")
    came 4 '' "the device at another address"
    is "$(jq '.sources | length' cp)" 2 "$family, pulled: which has a place of its own"
}
# --- live ------------------------------------------------------------------------------------------
arrived() { [ "$(stored)" -ge "$1" ]; }
says() { grep -qE "$1" err; }
follows() {
    rm -f q.db q.db-* cp cp.lock err
    live=punch
    "${family}_start"
    "${family}_at" 08:00:01 08:00:02 08:00:03
    spawn ts-read -F "${more[@]}" --checkpoint cp "${url[@]}" --into 'ts-enrich 2>/dev/null | ts-spool put q.db >/dev/null' 2>err
    reader=$spawned
    wait_for 20 arrived 3
    "${family}_attached"
}
zk_attached() { wait_for 20 grep -q ' 1502$' sent; }
zk_drop() { echo drop >&8; }
hikvision_attached() { wait_for 20 streams alertStream; }
dahua_attached() { wait_for 20 streams eventManager.cgi; }
streams() { [ "$(back_door get | jq ".counts[\"$1\"] // 0")" -ge 1 ]; }
hikvision_drop() { back_door cut >/dev/null; }
dahua_drop() { back_door cut >/dev/null; }
# arrives WANTED REGEX NAME
arrives() {
    wait_for 20 arrived "$1"
    ok $? "$family, live: $3: all of it came"
    wait_for 20 says "$2"
    like "$(<err)" "$2" "$family, live: $3: is said"
}
follow_live() {
    family=$1
    more=("${@:2}")
    follows
    "${family}_at" 06:00:01 06:00:02
    wait_for 20 arrived 5
    "${family}_drop"
    arrives 5 "set back" "a clock that is set back"
    "${family}_clear"
    "${family}_at" 10:00:01 10:00:02
    "${family}_drop"
    arrives 7 "cleared|emptied" "a log that was cleared"
    "${family}_clear"
    "${family}_other"
    "${family}_drop"
    "${family}_at" 08:00:01 08:00:02
    arrives 9 "another device" "another device behind the address"
    is "$(stored)" 9 "$family, live: and nothing of it is there twice"
    kill -TERM "$reader"
    wait "$reader"
    live=
}

# --- pushed ----------------------------------------------------------------------------------------
listening() {
    rm -f out err
    spawn ts-read -l "$@" http://:0 >out 2>err
    reader=$spawned
    wait_for 10 grep -q '^listening on ' err
    lport=$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' err)
}
ends() {
    kill -TERM "$reader" 2>/dev/null
    wait "$reader"
}
# NUMBER TIME [DEVICE] [CURL OPTION…]: a push.
hikvision_push() {
    printf '{"shortSerialNumber":"%s","dateTime":"2026-03-02T%s+03:00","eventType":"AccessControllerEvent",
        "eventState":"active","AccessControllerEvent":{"majorEventType":5,"subEventType":75,"serialNo":%d,
        "employeeNoString":"7"}}' "${3:-FZ1234567}" "$2" "$1" |
        curl -s --data-binary @- -H 'Content-Type: application/json' "${@:4}" "http://127.0.0.1:$lport/x"
}
dahua_push() {
    printf '{"Action":"Pulse","Code":"AccessControl","Data":{"Method":15,"RealUTC":%d,"RecNo":%d,"Status":1,
        "UserID":"7"},"Index":0}' "$(date -ud "2026-03-02T$2Z" +%s)" "$1" |
        curl -s --data-binary @- -H 'Content-Type: application/json' "http://127.0.0.1:$lport/x"
}
pushed() {
    for family in hikvision dahua; do
        listening -d GATE
        "${family}_push" 100 10:00:00 >/dev/null
        "${family}_push" 99 09:00:00 >/dev/null
        "${family}_push" 100 10:00:00 >/dev/null
        is "$(grep -vc listening err)" 0 "$family, pushed: what comes late, or again, is nothing to talk about"
        "${family}_push" 101 09:00:00 >/dev/null
        like "$(<err)" "its clock went back: a record of 2026-03-02T09:00:00.* stands behind one of 2026-03-02T10:00:00" \
            "$family, pushed: a clock that is set back is said"
        "${family}_push" 1 11:00:00 >/dev/null
        like "$(<err)" "its counter is at 1 and was at 101: its log was erased, or it was reset" \
            "$family, pushed: a log that was cleared is said"
        is "$(jq -r .serial_no out | tr '\n' ' ')" "100 99 100 101 1 " "$family, pushed: all of it came"
        ends
    done
    if [ "${MODE:-release}" = release ] && [ -e "$B/tests/support/fault_warp.so" ]; then
        warp=$ROOT/tests/support/warp.py
        later() { [ "$(python3 "$warp" clock)" -gt 600 ]; }
        python3 "$warp" clock 1
        TS_WARP=$PWD/clock LD_PRELOAD=$B/tests/support/fault_warp.so listening
        hikvision_push 100 10:00:00 OLD >/dev/null
        python3 "$warp" clock 5000
        wait_for 5 later
        python3 "$warp" clock 1
        hikvision_push 5 10:00:00 NEW >/dev/null
        is "$(grep -o 'serial number.*' err)" 'serial number NEW where OLD was: was the device replaced?' \
            "hikvision, pushed: another device behind the address is said"
        ends
    else
        skip "another device in the place of one that pushes: needs MODE=release"
    fi
}

# --- all of them, side by side: most of the time is waiting ------------------------------------------
# apart NAME COMMAND…: in a folder of its own; its results are told at the end.
apart() {
    mkdir "$1"
    names+=("$1")
    (
        trap - EXIT
        tap_pids=()
        cd "$1" || exit 1
        "${@:2}" >results 2>&1
        kill -9 "${tap_pids[@]}" 2>/dev/null
    ) 2>/dev/null &
    tap_pids+=("$!")
}
names=()
apart zk-pulled pulled zk 'cleared, or goes on behind what was read last'
apart zk-live follow_live zk
apart hikvision-pulled pulled hikvision 'records 4 to 5 cannot be had'
apart hikvision-live follow_live hikvision -o sweep=1
apart pushed pushed
apart dahua-pulled pulled dahua 'records 4 to 5 are not in its log'
apart dahua-live follow_live dahua -o sweep=1
wait
for name in "${names[@]}"; do
    tested=0
    while IFS= read -r line; do
        case $line in
        "ok "*) ok 0 "${line#ok * - }" ;;
        "not ok "*) ok 1 "${line#not ok * - }" ;;
        "#"*) printf '%s\n' "$line" ;;
        esac
        tested=1
    done <"$name/results"
    [ $tested -eq 1 ] || ok 1 "$name: ran"
done
done_testing
