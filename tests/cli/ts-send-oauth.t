#!/bin/bash
# SPDX-License-Identifier: MIT
# --oauth: access tokens by client credentials and by refresh tokens that are good for one use, with the
# token service of tests/sim/oauth.py.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
for p in python3 curl jq; do
    command -v $p >/dev/null || skip_all "needs $p"
done
umask 077
shopt -s lastpipe # `… | send` sets $status and $got here

server_start() {
    : >"$T/port"
    spawn python3 -B "$ROOT/tests/sim/oauth.py" >"$T/port"
    wait_for 10 test -s "$T/port"
    url=http://127.0.0.1:$(cat "$T/port")
}
set_to() { curl -sS -d "$1" "$url/_set"; }
asked() { curl -sS "$url/log"; }
tokens() { asked | grep -c '^token'; }

# credentials [JSON of more members]: the file
credentials() {
    rm -f "$T/oauth.json" # it may be closed to us
    jq -n --arg url "$url" '{token_url: "\($url)/token", client_id: "bridge", client_secret: "client-s3cret"}'" + ${1-{\}}" \
        >"$T/oauth.json"
}
refreshing='{refresh_token: "refresh-s3cret-0"}'
member() { jq -r ".$1" "$T/oauth.json"; }
event() { printf '{"event_id":"%s","person_id":"p%s","time":"2026-01-07T10:34:08+08:00"}\n' "$1" "$1"; }
# send ARGS...: events of standard input; the outcomes in $got
send() {
    timeout 30 ts-send --retry-first 20ms --retry-max 100ms --oauth "$T/oauth.json" "$@" "$url/in" \
        >"$T/out" 2>"$T/err"
    status=$?
    got=$(sed -n 's/.*"outcome":"\([a-z]*\)".*/\1/p' "$T/out" | sort | uniq -c | awk '{ printf "%s%s %s", s, $2, $1; s = ", " }')
}

# --- client credentials ------------------------------------------------------------------------------

server_start
credentials
{ event 1; event 2; event 3; } | send -v
is "$status $got" "0 delivered 3" "client credentials"
is "$(asked | grep -v 200)" "token client_credentials" "one request for a token, for all connections"
like "$(cat "$T/err")" 'A new access token' "-v says so"
like "$(member access_token) $(member expires_at)" '^access-s3cret-0 20[0-9-]+T[0-9:]+\+00:00$' "the token is kept in the file"
is "$(stat -c %a "$T/oauth.json") $(member client_secret)" "600 client-s3cret" "… which stays closed, with all that was in it"
event 4 | send
is "$got $(tokens)" "delivered 1 1" "the next run uses it, until it ends"
credentials '{client_auth: "basic", scope: "punches:write", parameters: {api_key: "k"}, access_token: "old", expires_at: "2020-01-01T00:00:00Z"}'
event 5 | send
is "$got $(asked | tail -n 2 | head -n 1)" "delivered 1 token client_credentials basic scope=punches:write api_key=k" \
    "one that has ended is not used; Basic, a scope and more parameters"
credentials '{grant_type: "special"}'
event 6 | send -H "X-A: b" --header-file <(echo "X-Api-Key: only-for-the-receiver-s3cret")
is "$got $(asked | grep special)" "delivered 1 token special" \
    "another grant type; header fields of the receiver do not go to the token service"
chmod 400 "$T/oauth.json"
mkdir "$T/credentials"
credentials
cp "$T/oauth.json" "$T/credentials/hrms"
chmod 500 "$T/credentials"
CREDENTIALS_DIRECTORY=$T/credentials send --oauth hrms < <(event 7)
is "$got" "delivered 1" "from a folder that cannot be written: client credentials need no place"
send --oauth <(cat "$T/oauth.json") < <(event 8)
is "$got" "delivered 1" "by a descriptor"
chmod 700 "$T/credentials"

# --- refresh tokens ----------------------------------------------------------------------------------

server_start
credentials "$refreshing"
event 1 | send
is "$got $(member refresh_token) $(member previous_refresh_token)" "delivered 1 refresh-s3cret-1 null" \
    "the new refresh token is kept; the one before it is forgotten when the new access token was taken"
is "$(find "$T" -name 'oauth.json*' | wc -l)" 1 "nothing is left beside the file"
set_to '{"uses": 1}'
{ event 2; event 3; event 4; } | send -j 1
is "$got $(member refresh_token)" "delivered 3 refresh-s3cret-2" "a token that ends early is renewed"
is "$(asked | tail -n 5 | cut -d' ' -f1-2)" "event 200
event 401
token refresh_token
event 200
event 200" "… after the first 401, and before the next request"
is "$(grep -c '"attempts":1,' "$T/out") $(wc -l <"$T/err")" "3 0" "… which counts as no attempt, and is nobody's trouble"
set_to '{"uses": 3}'
for i in $(seq 40); do event "m$i"; done | send -j 8
is "$got $(tokens) $(member refresh_token)" "delivered 40 3 refresh-s3cret-3" "with eight connections: renewed once"
set_to '{"expires": 1}'
jq '.expires_at = "2026-01-01T00:00:00Z"' "$T/oauth.json" >"$T/o2" && mv "$T/o2" "$T/oauth.json"
mkfifo "$T/events"
send <"$T/events" &
sending=$!
exec 3>"$T/events"
event 5 >&3
wait_for 10 grep -q '"5"' "$T/out"
event 6 >&3
before=$(tokens)
refusals=$(asked | grep -c 'event 401')
# shellcheck disable=SC2317 # called by wait_for
renewed() {
    event "e$((++n))" >&3
    [ "$(tokens)" -gt "$before" ]
}
n=0
wait_for 10 renewed
ok $? "one that is near its end is renewed before it is refused"
exec 3>&-
wait $sending
is "$(asked | grep -c 'event 401')" "$refusals" "… so nothing was refused"
curl -sS "$url/bodies" | sort | uniq -d >"$T/doubled"
is "$(cat "$T/doubled")" "" "no event came twice"

# Another server that does not rotate: nothing is written but the token.
server_start
set_to '{"rotate": false}'
credentials "$refreshing + {rotates: false}"
event 1 | send
is "$got $(member refresh_token) $(member access_token)" "delivered 1 refresh-s3cret-0 access-s3cret-0" "a refresh token that stays"

# --- two at a time -----------------------------------------------------------------------------------

server_start
credentials "$refreshing"
for i in 1 2 3 4 5 6; do
    event "$i" | timeout 30 ts-send --oauth "$T/oauth.json" "$url/in" >"$T/out$i" 2>"$T/err$i" &
    tap_pids+=($!)
    pids[i]=$!
done
wait "${pids[@]}"
is "$(cat "$T"/out[1-6] | grep -c delivered) $(tokens) $(cat "$T"/err[1-6])" "6 1 " \
    "six at once with one file: one asks, all have it"
set_to '{"script": ["hold"]}'
jq 'del(.access_token)' "$T/oauth.json" >"$T/o2" && mv "$T/o2" "$T/oauth.json"
event 7 | ts-send --oauth "$T/oauth.json" "$url/in" >"$T/out7" 2>"$T/err7" &
first=$!
tap_pids+=("$first")
held() { asked | grep -q held; }
wait_for 10 held
event 8 | ts-send --oauth "$T/oauth.json" "$url/in" >"$T/out8" 2>"$T/err8" &
second=$!
tap_pids+=("$second")
locked() { grep -q "oauth.json" <(tr '\0' '\n' <"/proc/$second/cmdline"); }
wait_for 10 locked
kill -TERM $first
set_to '{"go": 1}'
wait $first $second
is "$(tokens) $(sed 's/.*outcome":"\([a-z]*\).*/\1/' "$T/out8") $(member refresh_token)" "2 delivered refresh-s3cret-2" \
    "one that is told to end waits for the reply, and keeps what is in it; the other one uses it"

# --- trouble with the token service ------------------------------------------------------------------

server_start
credentials "$refreshing"
set_to '{"script": ["page", "busy"]}'
event 1 | send
is "$got $(tokens) $(cat "$T/err")" "delivered 1 3 " "a page, and overload: asked again, and nothing is said"
credentials '{refresh_token: "refresh-s3cret-1", token_url: "http://127.0.0.1:1/token"}'
event 2 | send --give-up-after 400ms
is "$status $got" "69 deferred 1" "no token service: status 69, no event is used up"
like "$(cat "$T/err")" 'the token service does not answer' "… and it says what does not answer"
credentials '{refresh_token: "refresh-s3cret-1", client_secret: "another-s3cret"}'
event 2 | send --give-up-after 300ms
is "$status $got" "78 deferred 1" "the client is refused: status 78, no event is used up"
like "$(cat "$T/err")" "the token service refuses the client \(401 Unauthorized\): what is in .*/oauth.json must be renewed; then send SIGHUP" \
    "… and says what to do"
is "$(grep -c 'one is tried from time to time' "$T/err")" 1 "… once"
credentials '{refresh_token: "never-s3cret"}'
event 2 | send --give-up-after 300ms
like "$(cat "$T/err")" 'refuses the refresh token: it has ended, or was used elsewhere' "a refresh token that is none"
set_to '{"script": ["away", "away", "away", "away", "away", "away", "away", "away", "away", "away", "away", "away"]}'
credentials "{refresh_token: \"refresh-s3cret-1\"}"
event 2 | send --give-up-after 300ms
like "$(cat "$T/err")" 'token_url is not that of a token service \(302 Found\)' "a redirect is not followed"
for answer in '{"access_token": "a b"}' '{"access_token": 7}' '{"access_token": "x", "token_type": "mac"}' '{"error": "surprise-s3cret"}'; do
    set_to "{\"script\": [$answer,$answer,$answer,$answer,$answer,$answer,$answer,$answer,$answer,$answer,$answer,$answer]}"
    event 2 | send --give-up-after 200ms
    is "$got" "deferred 1" "its answer $answer is no token"
done
is "$(grep -c s3cret "$T/err")" 0 "… and its own words are not repeated"
set_to '{"script": []}'

# A fresh token that the receiver does not take: not asked for again and again.
server_start
credentials "$refreshing"
set_to '{"uses": 0}'
before=$(tokens)
event 1 | send --give-up-after 500ms
like "$status $got $(cat "$T/err")" '78 deferred 1 .*credentials are refused' "a token that is never taken stops the destination"
is "$(($(tokens) - before))" 1 "… with one request for a token"

# --- what is lost, and what is not -------------------------------------------------------------------

server_start
credentials "$refreshing"
set_to '{"script": ["drop"]}'
event 1 | send --give-up-after 500ms
is "$status $got" "78 deferred 1" "the reply with the new refresh token is lost"
like "$(cat "$T/err")" 'an earlier renewal was cut off, and the new token went with it; authorise anew' "… and that is said plainly"
server_start
set_to '{"grace": true, "script": ["drop"]}'
credentials "$refreshing"
event 1 | send
is "$got" "delivered 1" "… where the service bears with it, the one before does"

# kill -9 while the reply is on its way: the old one stands in the file.
server_start
set_to '{"script": ["hold"]}'
credentials "$refreshing"
event 1 | ts-send --oauth "$T/oauth.json" "$url/in" >"$T/out" 2>"$T/err" &
sender=$!
tap_pids+=("$sender")
wait_for 10 held
kill -9 $sender
wait $sender 2>/dev/null
set_to '{"go": 1}'
is "$(member refresh_token) $(find "$T" -name 'oauth.json.new' | wc -l)" "refresh-s3cret-0 1" "kill -9 before the reply: the old one is in the file"
event 1 | send --give-up-after 300ms
like "$got $(cat "$T/err")" 'deferred 1 .*an earlier renewal was cut off' "… and it is known that a renewal was cut off"
server_start
credentials "$refreshing"
jq '. + {refresh_token: "refresh-s3cret-0"}' "$T/oauth.json" >"$T/oauth.json.new"
credentials '{refresh_token: "spent-s3cret"}'
touch -d '1 hour ago' "$T/oauth.json"
event 1 | send
is "$got $(find "$T" -name 'oauth.json.new' | wc -l)" "delivered 1 0" "kill -9 between writing and renaming: what was written is used"

# The successor never became valid at the service: the one before it still is.
server_start
credentials '{refresh_token: "unborn-s3cret", previous_refresh_token: "refresh-s3cret-0"}'
event 1 | send
is "$got $(member refresh_token)" "delivered 1 refresh-s3cret-1" "the previous refresh token is tried when the new one is refused"

# No place for the new one: it is not even asked for.
server_start
credentials "$refreshing"
mkdir "$T/oauth.json.new" # nothing can be created there, not even by root
event 1 | send --give-up-after 300ms
is "$status $got $(tokens)" "78 deferred 1 0" "where nothing can be kept the refresh token is not spent"
like "$(cat "$T/err")" 'oauth.json.new: cannot create' "… and it says why"
rmdir "$T/oauth.json.new"
server_start
credentials "$refreshing"
event 1 | send --oauth <(cat "$T/oauth.json") --give-up-after 300ms
is "$status $got $(tokens)" "78 deferred 1 0" "a descriptor: the refresh token is not spent"
like "$(cat "$T/err")" 'cannot be kept in a descriptor: give a file' "… and it says why"

# The user authorises anew while it runs.
credentials '{refresh_token: "spent-s3cret"}'
rm -f "$T/events"
mkfifo "$T/events"
ts-send --retry-first 1h --retry-max 1h --oauth "$T/oauth.json" "$url/in" <"$T/events" >"$T/out" 2>"$T/err" &
sending=$!
tap_pids+=("$sending")
exec 3>"$T/events"
event 1 >&3
wait_for 10 grep -q 'refuses the refresh token' "$T/err"
credentials "$refreshing"
kill -HUP "$sending"
wait_for 10 grep -q delivered "$T/out"
ok $? "a new refresh token in the file, and SIGHUP: at once"
exec 3>&-
wait $sending

# --- profiles ----------------------------------------------------------------------------------------

server_start
cat >"$T/hr.jq" <<'END'
def defaults: {secrets: {token: {required: true}}};
def request: {path: "/punch", headers: bearer, json: (.events[0] | {id: .key})};
def verdict: if .body.said then stop("auth"; "the token is refused") elif .status == 200 then "delivered" else null end;
END
credentials "$refreshing"
event 1 | send -p "$T/hr.jq"
is "$got $(asked | tail -n 1)" "delivered 1 event 200 access-s3cret-0" "a profile has it as its secret token"
set_to '{"uses": 0}'
event 2 | send -p "$T/hr.jq"
is "$got $(grep -c '"attempts":1,' "$T/out")" "delivered 1 1" "a 401 renews it before the profile is asked"
set_to '{"uses": 0, "status": 200}'
event 3 | send -p "$T/hr.jq"
is "$got $(grep -c '"attempts":1,' "$T/out")" "delivered 1 1" "… and so does a profile that finds it refused in a 200"
event 4 | ts-send -p "$T/hr.jq" --oauth "$T/none" --explain "$url" >"$T/out"
like "$(cat "$T/out")" '"authorization":"Bearer \{token\}"' "--explain reads nothing"
event 4 | ts-send -p "$T/hr.jq" --oauth "$T/none" -n "$url" >"$T/out"
like "$(cat "$T/out")" 'authorization: Bearer \{token\}' "-n neither"
event 4 | ts-send --oauth "$T/none" -n "$url" >"$T/out"
like "$(cat "$T/out")" 'Authorization: \*\*\*' "-n with the plain profile"

# --- --check -----------------------------------------------------------------------------------------

server_start
credentials "$refreshing"
check() { timeout 20 ts-send --check --oauth "$T/oauth.json" "$url/in" >"$T/out" 2>"$T/err"; }
check
like "$(cat "$T/out")" 'ok +token +the token service gives us one; it is kept' "--check gets a token"
is "$(member refresh_token) $(tokens)" "refresh-s3cret-1 1" "… and keeps what came with it"
check
like "$(cat "$T/out") $(tokens)" 'ok +token +there is one that has not ended.* 1$' "… which it finds the next time"
credentials '{refresh_token: "never-s3cret"}'
check
like "$? $(cat "$T/out")" '^78 .*failed +token +the token service refuses the refresh token' "a refused one is found"
is "$(grep -c s3cret "$T/out" "$T/err" | cut -d: -f2 | tr '\n' ' ')" "0 0 " "no secret is told"

# --- --watermark, with a token that has ended unseen -----------------------------------------------------

server_start
cat >"$T/wm.jq" <<'END'
def defaults: {secrets: {token: {required: true}}};
def watermark: {path: "/mark", headers: bearer, json: .devices};
def verdict: if .status == 200 then "delivered" else stop("auth"; "the token is refused") end;
END
credentials "$refreshing + {access_token: \"ended-s3cret\", expires_at: \"2099-01-01T00:00:00Z\"}"
printf '{"device_id":"G","time":"2026-01-07T10:34:08+08:00","marks":1}\n' |
    send -p "$T/wm.jq" --watermark
is "$status $(asked | cut -d' ' -f1-2 | tr '\n' ';')" "0 event 401;token refresh_token;event 200;" \
    "--watermark renews a token that is refused"

# --- pictures go with the token too --------------------------------------------------------------------

server_start
credentials
printf '\xff\xd8\xff\xe0face' >"$T/a.jpg"
sha=$(sha256sum "$T/a.jpg" | cut -d' ' -f1)
jq -nc --arg sha "$sha" '{event_id: "s1", person_id: "p1", time: "2026-01-07T10:34:08+08:00",
    snapshot: {file: "a.jpg", sha256: $sha, media_type: "image/jpeg", bytes: 8}}' |
    send --snapshots upload="$url/media" --snapshot-dir "$T" --give-up-after 2s
is "$got $(asked | cut -d' ' -f1-2 | tr '\n' ';')" "delivered 1 token client_credentials;event 200;event 200;" \
    "an upload waits for the token, as the event does"

# --- calling it --------------------------------------------------------------------------------------

refused() { # STATUS WORDS TEXT [ARGS]
    printf '%s' "$3" >"$T/oauth.json"
    event 1 | send "${@:4}"
    like "$status $(cat "$T/err")" "^$1 .*$2" "status $1: $2"
}
refused 78 'must hold a JSON object' 'token'
refused 78 'has no token_url' '{}'
refused 78 'has no client_id' '{"token_url": "https://a/b"}'
refused 78 'client_secrt: not known' '{"token_url": "https://a/b", "client_secrt": "s3cret"}'
refused 78 'client_id: must be a string' '{"token_url": "https://a/b", "client_id": 7}'
refused 78 'must begin with https' '{"token_url": "http://login.example/t", "client_id": "a"}'
refused 78 'token_url: no user or password' '{"token_url": "https://a:s3cret@login.example/t", "client_id": "a"}'
refused 78 'client_auth: body or basic' '{"token_url": "/t", "client_id": "a", "client_auth": "x"}'
refused 64 'one of them' '{}' --token-file "$T/oauth.json"
is "$(grep -c s3cret "$T/err")" 0 "no message has a secret in it"
credentials
chmod 640 "$T/oauth.json"
event 1 | send
like "$status $(cat "$T/err")" '^77 .*chmod 600' "an open file is refused"
rm -f "$T/oauth.json"
event 1 | send
like "$status $(cat "$T/err")" '^66 .*cannot open' "… and a missing one"
done_testing
