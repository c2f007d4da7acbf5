# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Debian's Tryton server for tests, with the module attendance and an SQLite database of its own:
# source it after tap.sh. It listens on a free port of the loopback and ends with the test.
#
#     tryton_there || skip_all "needs Tryton"
#     tryton_make ZONE              a database with company 1 in this zone, and the user `bridge`, whose
#                                   password is in $TRYTON/password; sets $tryton_port
#     tryton_start, tryton_stop     and tryton_kill: kill -9
#     tryton_employees N            so many more; prints their numbers
#     tryton_lines                  the attendance lines: "employee 2026-03-02T06:55:10Z in 2026-03-02"
#     tryton_period DAY             closes everything before this day, 00:00 UTC
#     tryton_log_out                all sessions end
#     tryton_call METHOD JSON...    any other call; prints the result
TRYTON=$T/tryton
tryton_context='{}'

tryton_there() {
    command -v trytond >/dev/null && command -v trytond-admin >/dev/null && /usr/bin/python3 -c '
import importlib.util, sys
sys.exit(not importlib.util.find_spec("trytond.modules.attendance"))' 2>/dev/null
}

tryton_make() {
    mkdir -p "$TRYTON/db"
    tryton_port=$(port_free)
    # A login shall not take a quarter of a second: how hard its password is to guess is no matter.
    printf '[passlib]\nschemes = pbkdf2_sha256\npbkdf2_sha256__rounds = 100\n' >"$TRYTON/passlib"
    printf '[database]\nuri = sqlite://\npath = %s\n[web]\nlisten = 127.0.0.1:%s\n[password]\npasslib = %s\n' \
        "$TRYTON/db" "$tryton_port" "$TRYTON/passlib" >"$TRYTON/conf"
    : >"$TRYTON/db/hr.sqlite"
    (umask 077 && printf 'Kq7-bridge-Zx2' | tee "$TRYTON/admin" >"$TRYTON/password")
    TRYTONPASSFILE=$TRYTON/admin trytond-admin -c "$TRYTON/conf" -d hr -u attendance \
        --activate-dependencies --email a@example.org >"$TRYTON/made" 2>&1 || return 1
    tryton_start || return 1
    tryton_call model.currency.currency.create '[{"name":"Euro","symbol":"E","code":"EUR"}]' &&
        tryton_call model.party.party.create '[{"name":"Plant"}]' &&
        tryton_call model.company.company.create \
            "[{\"party\":1,\"currency\":1,\"timezone\":\"$1\"}]" &&
        tryton_call model.res.user.write '[1]' '{"companies":[["add",[1]]],"company":1}' || return 1
    tryton_context='{"company":1}'
    tryton_bridge
} >"$T/tryton.made"

# Somebody who may do what the manual says, and no more.
tryton_bridge() {
    local group
    group=$(tryton_call model.res.group.search '[["name","=","Attendance Administration"]]' 0 null null | jq '.[0]')
    tryton_call model.res.user.create "[{\"name\":\"Bridge\",\"login\":\"bridge\",
        \"password\":\"$(cat "$TRYTON/password")\",\"groups\":[[\"add\",[$group]]],
        \"companies\":[[\"add\",[1]]],\"company\":1}]"
}

tryton_start() {
    spawn trytond -c "$TRYTON/conf" >>"$TRYTON/log" 2>&1
    # shellcheck disable=SC2154 # spawn sets it
    tryton=$spawned
    wait_for 30 port_open "$tryton_port"
}

tryton_stop() {
    kill -TERM "$tryton" && wait "$tryton" 2>/dev/null
    return 0
}

tryton_kill() {
    kill -KILL "$tryton" && wait "$tryton" 2>/dev/null
    return 0
}

tryton_post() {
    curl -sS -H 'Content-Type: application/json' "$@" "http://127.0.0.1:$tryton_port/hr/"
}

tryton_log_in() {
    jq -nc --rawfile p "$TRYTON/admin" \
        '{id: 0, method: "common.db.login", params: ["admin", {password: $p}]}' | tryton_post -d @- |
        jq -r '"admin:\(.result[0]):\(.result[1])" | @base64' >"$TRYTON/session"
}

tryton_call() {
    local method=$1
    shift
    [ -s "$TRYTON/session" ] || tryton_log_in
    jq -nc --arg m "$method" --argjson c "$tryton_context" \
        '{id: 1, method: $m, params: ($ARGS.positional + [$c])}' --jsonargs "$@" |
        tryton_post -H "Authorization: Session $(cat "$TRYTON/session")" -d @- |
        jq -ec 'if has("result") then .result
            else error("'"$method"': \(.error[:2] | tostring | .[:300])") end | . // true'
}

tryton_employees() {
    tryton_call model.party.party.create \
        "$(jq -nc --argjson n "$1" '[range($n) | {name: "Test Person"}]')" |
        jq -c 'map({party: ., company: 1})' | {
        read -r all && tryton_call model.company.employee.create "$all"
    } | jq '.[]'
}

tryton_lines() {
    tryton_call model.attendance.line.search_read '[]' 0 null null \
        '["employee","at","type","date"]' | jq -r '
        def two: tostring | if length < 2 then "0" + . else . end;
        def day: "\(.year)-\(.month | two)-\(.day | two)";
        .[] | "\(.employee) \(.at | day)T" + (.at | [.hour, .minute, .second] | map(. // 0 | two) | join(":"))
            + "Z \(.type) \(.date | day)"' | sort
}

tryton_period() {
    local at
    at=$(jq -nc --arg d "$1" '$d | split("-") | map(tonumber) |
        {"__class__": "datetime", year: .[0], month: .[1], day: .[2], hour: 0, minute: 0, second: 0, microsecond: 0}')
    tryton_call model.attendance.period.create "[{\"company\":1,\"ends_at\":$at}]" |
        { read -r id && tryton_call model.attendance.period.close "$id"; }
}

tryton_log_out() {
    sqlite3 -cmd '.timeout 20000' "$TRYTON/db/hr.sqlite" 'DELETE FROM ir_session'
    rm -f "$TRYTON/session"
}
