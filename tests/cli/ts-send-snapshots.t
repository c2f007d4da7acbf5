#!/bin/bash
# SPDX-License-Identifier: MIT
# Snapshots: left as they are, inline, uploaded, left out; what a hostile name, file or reply can do
# (nothing); what an outage, a crash or a lost index costs (time, or one more upload).
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
command -v python3 >/dev/null || skip_all "python3 is not installed"
command -v jq >/dev/null || skip_all "jq is not installed"
command -v curl >/dev/null || skip_all "curl is not installed"
umask 077
shopt -s lastpipe
pics=$T/pics
index=$pics/.ts-send-uploads
mkdir -p "$pics/day"

# --- events with pictures ------------------------------------------------------------------------

# picture NAME BYTES: makes one.
picture() {
    { printf '\xff\xd8\xff\xe0'; head -c "$2" /dev/urandom; } >"$pics/$1"
}
# event ID PERSON SNAPSHOT [MORE]: a line.
event() {
    printf '{"event_id":"%s","person_id":"%s","time":"2026-01-07T10:34:08+08:00","snapshot":%s%s}\n' \
        "$1" "$2" "$3" "${4-}"
}
# shot NAME: its reference.
shot() {
    printf '{"file":"%s","sha256":"%s","media_type":"image/jpeg","bytes":%s}' "$1" \
        "$(sha256sum "$pics/$1" | cut -c 1-64)" "$(stat -c %s "$pics/$1")"
}
receiver() {
    : >"$T/port"
    spawn python3 "$ROOT/tests/sim/media.py" "$T/ledger" >"$T/port" 2>"$T/media.err"
    media=$spawned
    wait_for 10 grep -q listening "$T/port"
    at=http://127.0.0.1:$(cut -d ' ' -f 2 "$T/port")
}
control() { curl -s -X PUT -d "$1" "$at/x"; }
state() { curl -s "$at/state" | jq -r "$1"; }
# send ARGS...: events on standard input, pictures of $pics; $status, $T/out, $T/err
send() {
    timeout 60 ts-send --snapshot-dir "$pics" --retry-first 20ms --retry-max 100ms "$@" \
        >"$T/out" 2>"$T/err"
    status=$?
}
outcomes() { jq -r '.event_id + " " + .outcome' "$T/out" | sort | tr '\n' ' '; }
# snapshot_of ID: what the receiver got.
snapshot_of() { curl -s "$at/snapshot/$1"; }
uploads() { state '.uploads | length'; }
# Of these, not by jq: what is waited for lasts a moment.
number() { curl -s "$at/state" | sed -n 's/.*"'"$1"'": \([0-9]*\).*/\1/p'; }
under_way() { [ "$(number now)" -gt 0 ]; }
begun_since() { [ "$(number begun)" -gt "$1" ]; }

for n in 1 2 3 4; do
    picture "day/$n.jpg" $((20000 + n))
done
one=$(shot day/1.jpg)
sha1=$(jq -r .sha256 <<<"$one")
receiver

# --- as it is, inline, out -----------------------------------------------------------------------

event a p1 "$one" | ts-send "$at/e" >"$T/out"
is "$(snapshot_of a)" "$one" "without --snapshots the reference travels as it is"
event b p1 "$one" | send --snapshots inline "$at/e"
is "$status $(snapshot_of b | jq -r .media_type)" "0 image/jpeg" "inline: the event has the picture"
snapshot_of b | jq -r .base64 | base64 -d | cmp - "$pics/day/1.jpg"
ok $? "inline: byte by byte"
printf '\x89PNG\r\n\x1a\n picture' >"$pics/x.jpg"
event c p1 '{"file":"x.jpg"}' | send --snapshots inline "$at/e"
is "$(snapshot_of c | jq -r .media_type)" image/png "the type is that of its bytes, not of its name"
{ event d p1 "$one"; event e p1 '{"url":"/x"}'; event f p1 null; event g p1 '"x"'
  echo '{"event_id":"h","person_id":"p1"}'; } | ts-send --snapshots omit "$at/e" >"$T/out"
is "$(for id in d e f g h; do snapshot_of $id; done | tr '\n' ' ')" "null null null null null " "omit: nothing is left of it"
is "$(state '[.events[] | select(.event_id == "h") | has("snapshot")][0]')" false "omit: and nothing is added"
for how in inline upload; do
    { event i p1 '{"url":"/x"}'; event j p1 '{"base64":"eA==","media_type":"image/jpeg"}'; event k p1 7
      event l p1 '{"sha256":"00"}'; } | send --snapshots $how "$at/e"
    is "$(for id in i j k l; do snapshot_of $id; done | tr '\n' ' ')" \
        '{"url":"/x"} {"base64":"eA==","media_type":"image/jpeg"} 7 {"sha256":"00"} ' \
        "$how: what is no reference to a file stays"
done

# --- pictures that cannot be had -----------------------------------------------------------------

# Outside the folder, where nobody may get.
printf '\xff\xd8\xff secret' >"$T/secret.jpg"
ln -s "$T/secret.jpg" "$pics/link.jpg"
ln -s "$T" "$pics/up"
mkfifo "$pics/fifo.jpg"
mkdir "$pics/folder.jpg"
: >"$pics/empty.jpg"
printf 'GIF89a picture' >"$pics/gif.jpg"
truncate -s 900G "$pics/huge.jpg"
head -c 300000 /dev/zero | cat <(printf '\xff\xd8\xff') - >"$pics/big.jpg"
missing=(
    'not there;{"file":"none.jpg"}'
    'not there;{"file":"day/none.jpg"}'
    'no name beneath;{"file":"../secret.jpg"}'
    'no name beneath;{"file":"day/../../secret.jpg"}'
    'no name beneath;{"file":"'"$T"'/secret.jpg"}'
    'no name beneath;{"file":"/dev/zero"}'
    'no name beneath;{"file":""}'
    'no name beneath;{"file":"day/1.jpg\u0000.png"}'
    'symbolic link;{"file":"link.jpg"}'
    'symbolic link;{"file":"up/secret.jpg"}'
    'no regular file;{"file":"fifo.jpg"}'
    'no regular file;{"file":"folder.jpg"}'
    'empty;{"file":"empty.jpg"}'
    'neither JPEG nor PNG;{"file":"gif.jpg","media_type":"image/jpeg"}'
    'larger than --snapshot-max;{"file":"huge.jpg"}'
    'larger than --snapshot-max;{"file":"big.jpg"}'
    'not the one that sha256 names;{"file":"day/2.jpg","sha256":"'"${sha1/[0-9]/x}"'"}'
    'not the one that sha256 names;{"file":"day/2.jpg","sha256":"'"$(printf '%064d' 7)"'"}'
)
if mknod "$pics/device.jpg" c 1 5 2>/dev/null; then
    missing+=('no regular file;{"file":"device.jpg"}')
fi
for how in inline upload; do
    for n in "${!missing[@]}"; do
        event "$how$n" "p$n" "${missing[$n]#*;}"
    done | send --snapshots $how --snapshot-max 200k "$at/e"
    is "$status $(jq -r .outcome "$T/out" | sort | uniq -c | tr -s ' ')" "0  ${#missing[@]} delivered" \
        "$how: no bad picture keeps its event"
    curl -s "$at/state" >"$T/state"
    bad=$(for n in "${!missing[@]}"; do echo "$how$n;${missing[$n]}"; done | python3 -c '
import json, sys
got = {e.get("event_id"): e.get("snapshot") for e in json.load(open(sys.argv[1]))["events"]}
for line in sys.stdin:
    name, error, reference = line.rstrip("\n").split(";", 2)
    said = dict(got[name])
    if error not in said.pop("error", "") or said != json.loads(reference):
        print(name, got[name])
' "$T/state")
    is "$bad" "" "$how: each keeps its reference and says why"
    is "$(grep -c 'symbolic link: such events go without it' "$T/err")" 1 "$how: a reason is told once"
    like "$(cat "$T/err")" ": ${#missing[@]} without their snapshot" "$how: and the number at the end"
    is "$(grep -c "secret\|none.jpg\|$sha1" "$T/err")" 0 "$how: no name of a file is told"
done
is "$(uploads)" 0 "nothing of that was uploaded"
event m p1 '{"file":"big.jpg"}' | send --snapshots inline --max-body 300k "$at/e"
like "$(snapshot_of m)" 'larger than --max-body' "inline: not larger than --max-body"
is "$status" 0 "inline: the event goes all the same"

# --- uploads -------------------------------------------------------------------------------------

events() {
    for n in 1 2 3 4; do
        event "u$n" "p$((n % 2))" "$(shot "day/$n.jpg")"
        event "v$n" "p$((n % 2))" null
        event "w$n" "p$((n % 2))" "$(shot "day/$n.jpg")"
    done
}
events | send --snapshots upload --gzip "$at/e"
is "$status $(jq -r .outcome "$T/out" | sort | uniq -c | tr -s ' ')" "0  12 delivered" "upload: all arrive"
is "$(uploads) $(state '.bad | length')" "4 0" "upload: each picture once, whole, under its hash"
is "$(snapshot_of u1)" \
    '{"url":"/media/snapshot/'"${sha1:0:16}"'","sha256":"'"$sha1"'","media_type":"image/jpeg","bytes":20005}' \
    "upload: the event says where it is"
is "$(snapshot_of w1)" "$(snapshot_of u1)" "upload: the same picture is in the same place"
is "$(state '.uploads[0] | .type + " " + (.name | .[-4:])')" "image/jpeg .jpg" "upload: type and name are told"
is "$(state '[.heads[] | has("Content-Encoding")] | any')" false "upload: not packed"
is "$(state '[.heads[]["Idempotency-Key"]] | sort | unique | length')" 4 "upload: the hash is its key"
order() { state '[.events[] | select(.person_id == "p1" and (.event_id | test("^[uvw][0-9]$"))) | .event_id] | join(" ")'; }
is "$(order)" "u1 v1 w1 u3 v3 w3" "upload: a person's order is kept"
events | send --snapshots upload -b 5 "$at/e"
is "$status $(uploads)" "0 4" "after a restart nothing is uploaded again"
is "$(snapshot_of w1)" "$(snapshot_of u1)" "and the place is the same"
is "$(jq -c 'has("snapshot")' "$T/out" | sort -u)" false "no receipt speaks of it"
[ "$(du -k --apparent-size "$index" | cut -f 1)" -le 36900 ] && [ "$(du -k "$index" | cut -f 1)" -le 64 ]
ok $? "the index is small"
rm "$index"
event x p1 "$one" | send --snapshots upload "$at/e"
is "$(uploads) $(snapshot_of x | jq -r .url)" "5 /media/snapshot/${sha1:0:16}" "a lost index costs one more upload"
head -c 40000000 /dev/urandom >"$index"
event x p1 "$one" | send --snapshots upload "$at/e"
is "$status $(uploads)" "0 6" "so does a broken one"
event x p1 "$one" | send --snapshots upload "$at/e"
is "$status $(uploads)" "0 6" "which is mended by that"
rm "$index"
ln -s "$T/elsewhere" "$index"
{ event x p1 "$one"; event y p1 "$one"; } | send --snapshots upload "$at/e"
is "$status $(uploads) $([ -e "$T/elsewhere" ] && echo made)" "0 7 " "an index that is a link is not followed"
like "$(cat "$T/err")" 'forgotten at the end of this run' "and is said"
rm "$index"

# hash_less EVENTS: references by name alone
event z1 p1 '{"file":"day/2.jpg"}' | send --snapshots upload "$at/e"
event z2 p2 '{"file":"day/2.jpg"}' | send --snapshots upload "$at/e"
is "$(uploads) $(snapshot_of z2)" "8 $(snapshot_of z1)" "a reference without a hash: it is worked out"
like "$(snapshot_of z1)" "\"sha256\":\"$(sha256sum "$pics/day/2.jpg" | cut -c 1-64)\"" "and told"

# --- where it is ---------------------------------------------------------------------------------

# place CONTROL WANTED NAME: what the event says after a reply like this.
place() {
    rm -f "$index"
    control "$1"
    event q p1 "$one" | send --snapshots upload "$at/e"
    is "$status $(snapshot_of q | jq -r '.url // .error')" "0 $2" "$3"
}
not="the receiver took the snapshot, but does not say where it is"
place '{"location":"https://cdn.example/a?b=c"}' "https://cdn.example/a?b=c" "a URL in Location"
place '{"location":null,"body":{"url":"/pics/7"}}' /pics/7 "a path in JSON"
place '{"status":409,"location":"/old/1"}' /old/1 "409: it had it already"
place '{"location":null}' "$not" "no place at all"
place '{"location":"javascript:alert(1)"}' "$not" "no URL of http"
place '{"location":"//evil.example/x"}' "$not" "another host in disguise"
place '{"location":"http://u:p@evil.example/x"}' "$not" "a URL with a password"
place '{"location":"/a\u001b[2J"}' "$not" "control characters"
place '{"location":"/a\"b"}' "$not" "quotes"
place '{"location":null,"body":{"url":"/a\r\nX: y"}}' "$not" "line ends in JSON"
place '{"location":"/'"$(printf 'a%.0s' {1..400})"'"}' "$not" "longer than allowed"
place '{"location":null,"body":{"url":"/'"$(printf 'a%.0s' {1..400})"'"}}' "$not" "longer than allowed, in JSON"
is "$(state '[.events[] | select(.event_id == "q")] | length')" 12 "each of these events arrived once"
control '{}'

# --- other places, credentials -------------------------------------------------------------------

here=$at
printf 'geheim\n' >"$T/token"
rm -f "$index"
event r1 p1 "$one" | send --snapshots upload --token-file "$T/token" -H 'X-Site: 7' "$here/e"
is "$(state '.heads[-1] | "\(.Authorization) \(."X-Site")"')" "Bearer geheim 7" "the receiver gets the credentials"
event r2 p1 "$one" | send --snapshots upload=/media/other --token-file "$T/token" "$here/e"
is "$(state '.heads[-1].Authorization')" "Bearer geheim" "… on another path too"
first=$media
receiver
event r3 p1 "$one" | send --snapshots "upload=$at/media/x" --token-file "$T/token" -H 'X-Site: 7' "$here/e"
is "$status $(state '.heads[-1] | "\(.Authorization) \(."X-Site")"')" "0 null null" "another host gets none"
is "$(curl -s "$here/snapshot/r3" | jq -r .url)" "$at/media/snapshot/${sha1:0:16}" \
    "a path there is completed to a URL"
kill "$first"
event r4 p1 "$one" | send -n --snapshots upload --token-file "$T/token" "$at/e"
is "$(grep -c geheim "$T/out")" 0 "-n shows no secret"
is "$(grep '^POST' "$T/out" | tr '\n' ' ')" "POST $at/media/snapshot POST $at/e " "-n shows the upload and the event"
like "$(cat "$T/out")" "Authorization: \*\*\*.*file=\(image/jpeg, 20005 bytes\).*\"url\":\"\{location\}\"" \
    "-n shows what goes, and a stand-in for the location"
cat >"$T/p.jq" <<'END'
def defaults: {fields: ["person_id", "snapshot"], secrets: {token: {}}};
def request: {path: "/e", headers: {"X-Token": .secret.token},
    json: (.events[0] | {event_id: .key, person_id, picture: .snapshot.url})};
def verdict: "delivered";
END
event r5 p1 "$one" | send -p "$T/p.jq" --snapshots upload --token-file "$T/token" "$at"
is "$(state '.events[-1].picture')" "/media/snapshot/${sha1:0:16}" "a jq profile sees where it is"
event r6 p1 "$one" | send -p "$T/p.jq" --explain --snapshots upload --token-file "$T/none" "$at"
is "$status $(jq -c '.upload.sha256, .request.json.picture | values' "$T/out" | tr '\n' ' ')" \
    "0 \"$sha1\" \"{location}\" " "--explain shows the upload, and reads no secret"
event r7 p1 "$one" | send -p "$T/p.jq" --explain --snapshots inline "$at"
is "$status $(jq -c '.request.json.picture' "$T/out")" "0 null" "--explain inline"

# --- refused, failing, down ----------------------------------------------------------------------

receiver
rm -f "$index"
control '{"status":413}'
{ event s1 p1 "$one"; event s2 p2 null; } | send --snapshots upload "$at/e"
is "$status $(outcomes)" "0 s1 delivered s2 delivered " "413: the event goes without its picture"
like "$(snapshot_of s1)" '"error":"the receiver refuses the snapshot: 413 Content Too Large"' "and says so"
control '{"status":503,"times":3}'
events | send --snapshots upload -j 4 "$at/e"
is "$status $(jq -r .outcome "$T/out" | sort | uniq -c | tr -s ' ') $(uploads)" "0  12 delivered 4" \
    "503 for a while: all arrive, with their pictures"
is "$(order)" "u1 v1 w1 u3 v3 w3" "in order"
rm -f "$index"
control '{"status":503}'
events | jq -c '. + {ack: .event_id}' | send --snapshots upload --answer-within 2s "$at/e"
is "$status" 69 "down: status 69"
is "$(jq -r .outcome "$T/out" | sort | uniq -c | tr -s ' ' | tr '\n' ' ')" " 12 deferred " \
    "down: deferred, and those of the same persons behind"
like "$(jq -r .error "$T/out" | sort -u)" 'its snapshot cannot be uploaded' "down: with the reason"
is "$(grep -c 'takes no snapshots' "$T/err") $(grep -c 'one is tried' "$T/err")" "1 1" "down: said once"
before=$(state '.begun')
{ event t1 p1 "$one" ',"ack":"1"'; event t2 p2 null ',"ack":"2"'; } |
    send --snapshots upload --answer-within 1s "$at/e"
is "$(outcomes)" "t1 deferred t2 delivered " "down: holds back nobody else"
[ $(($(state '.begun') - before)) -le 40 ]
ok $? "down: tried by steps of the backoff"
control '{}'
events | send --snapshots upload "$at/e"
is "$status $(jq -r .outcome "$T/out" | sort | uniq -c | tr -s ' ')" "0  12 delivered" "up again: all arrive"
rm -f "$index"
control '{"status":401}'
{ event t3 p1 "$one"; event t4 p2 null; } | send --snapshots upload --give-up-after 300ms "$at/e"
is "$status $(outcomes)" "78 t3 deferred t4 delivered " "refused credentials cost no picture: status 78"
like "$(cat "$T/err")" 'takes no snapshots: the credentials are refused \(401 Unauthorized\); 1 event waits' "and are said"
control '{"status":404}'
event t5 p1 "$one" | send --snapshots upload --give-up-after 300ms "$at/e"
is "$status $(outcomes)" "78 t5 deferred " "neither does a wrong path"
control '{"status":500}'
event t6 p1 "$one" | send --snapshots upload --give-up-after 1s "$at/e"
is "$(outcomes)" "t6 deferred " "500 for all: the picture waits"
control '{"status":500,"only":"'"$sha1"'"}'
{ event t8 p1 "$one"; for n in $(seq 40); do event "y$n" "q$n" "$(shot "day/$((n % 3 + 2)).jpg")"; done; } >"$T/in"
(cat "$T/in"; until grep -q t8 "$T/out"; do sleep 0.05; rm -f "$index"; event z p3 "$(shot day/2.jpg)"; done) |
    send --snapshots upload "$at/e"
is "$status $(snapshot_of t8 | jq -r .error)" "0 the receiver fails with the snapshot" \
    "500 for one, while others are stored: its event goes without"
control '{"close":true,"times":2}'
rm -f "$index"
event t7 p1 "$one" | send --snapshots upload "$at/e"
is "$status $(snapshot_of t7 | jq -r .url)" "0 /media/snapshot/${sha1:0:16}" "a connection that ends early: once more"

# --- a picture that changes while it goes --------------------------------------------------------

picture grow.jpg 1500000
grow=$(shot grow.jpg)
control '{"hold":0.1}'
event g1 p1 "$grow" | send --snapshots upload "$at/e" &
wait_for 10 under_way
printf x >>"$pics/grow.jpg"
wait $!
like "$(snapshot_of g1 | jq -r .error)" 'changed while it was read' "a growing picture is not sent as another"
picture shrink.jpg 1900000
before=$(state .begun)
event g2 p1 "$(shot shrink.jpg)" | send --snapshots upload "$at/e" &
wait_for 10 begun_since "$before"
truncate -s 1000 "$pics/shrink.jpg"
wait $!
like "$(snapshot_of g2 | jq -r '.error // .url')" 'changed while it was read|/media' "nor one that is cut off"
control '{}'
event g3 p1 "$grow" | send --snapshots upload "$at/e"
like "$(snapshot_of g3 | jq -r .error)" 'not the one that sha256 names' "nor what stands there afterwards"

# --- told to end -----------------------------------------------------------------------------------

rm -f "$index"
control '{"hold":0.3}'
mkfifo "$T/open"
ts-send --snapshots upload --snapshot-dir "$pics" -v "$at/e" <"$T/open" >"$T/out" 2>"$T/err" &
sender=$!
exec 8>"$T/open"
event k1 p1 "$one" >&8
wait_for 10 under_way
kill -TERM $sender
wait $sender
is "$? $(outcomes)" "75 k1 deferred " "SIGTERM in mid-upload: the event is deferred"
exec 8>&-
like "$(cat "$T/err")" 'Uploading a snapshot.*201 Created. Snapshot stored' "what is under way is finished"
before=$(uploads)
event k1 p1 "$one" | send --snapshots upload "$at/e"
is "$(uploads) $(snapshot_of k1 | jq -r .url)" "$before /media/snapshot/${sha1:0:16}" "and remembered"
control '{}'

# --- several at once, and memory -----------------------------------------------------------------

receiver
rm -f "$index"
for n in $(seq 16); do
    picture "many$n.jpg" 1900000
    event "m$n" "p$n" "$(shot "many$n.jpg")"
done >"$T/many"
control '{"hold":0.001}'
python3 -c '
import resource, subprocess, sys
subprocess.run(sys.argv[3:], stdin=open(sys.argv[1]), stdout=open(sys.argv[2], "w"), check=True)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
' "$T/many" "$T/out" ts-send -j 8 --snapshots upload --snapshot-dir "$pics" "$at/e" >"$T/rss"
is "$(grep -c delivered "$T/out") $(uploads) $(state '.bad | length')" "16 16 0" "16 large pictures arrive"
[ "$(state .most)" -ge 2 ] && [ "$(state .most)" -le 4 ]
ok $? "several at once, on half of the connections"
[ "$(cat "$T/rss")" -le 24000 ]
ok $? "in less than 24 MB ($(cat "$T/rss") KB)"

# --- one connection, slow uploads, others pass -----------------------------------------------------

rm -f "$index"
control '{"hold":"head"}'
{ event o1 p1 "$one"; for n in $(seq 50); do event "o$n-" "q$n" null; done; event o2 p1 null; } |
    send --snapshots upload -j 2 --timeout 1s --give-up-after 500ms "$at/e"
is "$(grep -c delivered "$T/out") $(outcomes | grep -o 'o[12] [a-z]*' | tr '\n' ' ')" "50 o1 deferred o2 deferred " \
    "an upload that hangs holds back its person alone"
control '{}'
events | send --snapshots upload -j 1 "$at/e"
is "$status $(jq -r .outcome "$T/out" | sort | uniq -c | tr -s ' ')" "0  12 delivered" "one connection serves both"

# --- kill -9 in mid-upload -----------------------------------------------------------------------

kill "$media" # or it stores what it held, half a minute later, in the same ledger
receiver
events >"$T/in"
# most KIND: how often the upload or event came that came most often.
most() { grep "^$1" "$T/ledger" | sort | uniq -c | sort -n | tail -n 1 | awk '{ print $1 }'; }
# kill_at COMMAND...: starts it with the events, kills it with all it started when a picture is on
# its way.
kill_at() {
    local before
    before=$(state .begun)
    control '{"hold":0.05}'
    setsid "$@" <"$T/in" >"$T/killed" 2>/dev/null &
    victim=$!
    wait_for 10 begun_since "$before"
    kill -9 -- -$victim 2>/dev/null
    wait $victim 2>/dev/null
    control '{}'
}
worst=0
for _ in 1 2 3; do
    rm -f "$index"
    : >"$T/ledger"
    kill_at ts-send -j 4 --snapshots upload --snapshot-dir "$pics" "$at/e"
    send --snapshots upload "$at/e" <"$T/in"
    [ "$status $(grep -c delivered "$T/out")" = "0 12" ] ||
        worst="99: status $status, $(cut -d, -f3- "$T/out" | sort | uniq -c | tr '\n' ' ')$(tail -n 2 "$T/err")"
    [ "$(most upload)" -le "${worst%%:*}" ] || worst=$(most upload)
done
like "$worst" '^[012]$' "killed in mid-upload: all arrive, no picture is kept more than twice"
is "$(state '[.events[] | select(.event_id | test("^[uw][0-9]$")) | .snapshot.url | test("^/media/snapshot/[0-9a-f]{16}$")] | all')" true \
    "every event says where its picture is"
if command -v ts-spool >/dev/null; then
    rm -f "$index"
    : >"$T/ledger"
    ts-spool put "$T/q.db" <"$T/in" >"$T/stored"
    drain=(ts-spool drain "$T/q.db" --into "ts-send --snapshots upload --snapshot-dir $pics $at/e")
    kill_at "${drain[@]}"
    timeout 60 "${drain[@]}" 2>"$T/err"
    is "$? $(grep ^event "$T/ledger" | sort -u | wc -l)" "0 12" "through a queue: each event arrives"
    [ "$(most upload)" -le 2 ] && [ "$(most event)" -le 2 ]
    ok $? "and nothing more than twice"
fi

# --- a real server in between --------------------------------------------------------------------

nginx=$(PATH=$PATH:/usr/sbin command -v nginx)
if [ -n "$nginx" ]; then
    front=$(port_free)
    cat >"$T/nginx.conf" <<END
worker_processes 1; daemon off; master_process off; pid $T/nginx.pid;
error_log $T/nginx.log; events { worker_connections 64; }
http {
    access_log off; client_body_temp_path $T/b; proxy_temp_path $T/p;
    fastcgi_temp_path $T/f; uwsgi_temp_path $T/u; scgi_temp_path $T/s;
    server {
        listen 127.0.0.1:$front;
        client_max_body_size 100k;
        location / { proxy_pass $at; }
        location /media/kept {
            client_body_in_file_only on; client_max_body_size 10m;
            proxy_pass $at/media/snapshot;
        }
    }
}
END
    "$nginx" -e stderr -p "$T" -c "$T/nginx.conf" 2>"$T/nginx.err" &
    tap_pids+=($!)
    wait_for 10 port_open "$front"
    rm -f "$index"
    picture large.jpg 1900000
    { event n1 p1 "$one"; event n2 p2 "$(shot large.jpg)"; event n3 p3 null; } |
        send --snapshots upload "http://127.0.0.1:$front/e"
    is "$status $(outcomes)" "0 n1 delivered n2 delivered n3 delivered " "behind nginx: all arrive"
    like "$(snapshot_of n1) $(snapshot_of n2)" '"url":"/media/.*refuses the snapshot: 413' "and what is too large for it is told"
    event n4 p2 "$(shot large.jpg)" | send --snapshots upload=/media/kept "http://127.0.0.1:$front/e"
    like "$(snapshot_of n4)" '"url":"/media/snapshot/' "a large one through nginx"
    tail -c +1 "$T"/b/* 2>/dev/null | grep -qa 'name="file"; filename="[0-9a-f]*.jpg"'
    ok $? "as nginx keeps it: a multipart body"
else
    skip "nginx is not installed"
fi

# --- calling it ----------------------------------------------------------------------------------

refused() {
    event a p1 null | ts-send "${@:3}" "$at/e" >"$T/out" 2>"$T/err"
    is $? "$1" "${*:3}: status $1"
    like "$(cat "$T/err")" "$2" "… and says why"
}
refused 64 'inline, omit, upload or upload=URL' --snapshots all
refused 64 'snapshot-dir must say where' --snapshots inline
refused 64 'snapshots must say what for' --snapshot-dir "$pics"
refused 64 'must begin with http' --snapshots upload=ftp://x/ --snapshot-dir "$pics"
refused 64 'no user or password' --snapshots upload=http://u:p@x/ --snapshot-dir "$pics"
refused 66 'cannot open' --snapshots inline --snapshot-dir "$T/none"
refused 66 'cannot open' --snapshots inline --snapshot-dir "$T/token"
done_testing
