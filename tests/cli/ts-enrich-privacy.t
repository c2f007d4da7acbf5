#!/bin/bash
# SPDX-License-Identifier: MIT
# What ts-enrich takes away: --pseudonymize, --keep, --drop and --redact, alone, together, with a
# roster, and on both sides of the queue.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
cd "$T" || exit 70
(umask 077 && echo 'a secret key' >key && echo 'another one' >other)

line='{"kind":"granted","local_time":"2026-01-07T10:34:08","device_id":"GATE-2","person_id":"126"}'
open_id=019b9805-6100-8b85-a657-08efdeb09c4e # as ts-event(5) has it

# enrich ARGUMENT...: runs on standard input; sets $out, $err, $status.
enrich() {
    ts-enrich -z UTC ${site:+-c "$site"} "$@" >"$T/out" 2>"$T/err"
    status=$?
    out=$(cat "$T/out")
    err=$(cat "$T/err")
}

# field NAME: of the event in $out.
field() {
    printf '%s\n' "$out" | jq -r ".$1"
}

# with FIELDS: the line with more of them.
with() {
    printf '%s,%s}\n' "${line%?}" "$1"
}

# --- pseudonyms ----------------------------------------------------------------------------------

python3 - >wanted <<'END'
import base64, hashlib, hmac, uuid
def mac(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()
def pseudonym(text):
    return "p-" + base64.b32encode(mac(mac(b"a secret key", b"pseudonym"), text))[:22].decode().lower()
o = bytearray(mac(b"a secret key", b"GATE-2\x1f126\x1f2026-01-07T10:34:08")[:16])
o[0:6] = (1767782048000).to_bytes(6, "big")
o[6], o[8] = o[6] & 15 | 128, o[8] & 63 | 128
print(pseudonym(b"126"), pseudonym("Zo\u00eb".encode()), uuid.UUID(bytes=bytes(o)))
END
read -r p126 pzoe keyed_id <wanted

enrich --pseudonymize ./key <<<"$line"
is "$status $(field person_id)" "0 $p126" "a pseudonym is a keyed hash, as the manual has it"
is "$(field event_id)" "$keyed_id" "an id made in this run is keyed"
enrich --id-key ./key <<<"$line"
is "$(field event_id)" "$keyed_id" "… as --id-key makes it of the same key"
enrich --pseudonymize ./key --id-key ./other <<<"$line"
is "$(field person_id)" "$p126" "with an id key of its own the pseudonyms stay"
[ "$(field event_id)" != "$keyed_id" ] && [ "$(field event_id)" != "$open_id" ]
ok $? "… and the ids are by that key"
enrich --pseudonymize ./key < <(with "\"event_id\":\"$open_id\"")
is "$(field event_id)" "$open_id" "an id that is there stays"

with '"person_id":1' | sed 's/"person_id":"126",//; s/1}$/126}/' >number
enrich --pseudonymize ./key number
is "$(field person_id)" "$p126" "a number is its digits"
enrich --pseudonymize ./key <<<"${line/126/ 126 }"
is "$(field person_id)" "$p126" "spaces around an id do not count"
enrich --pseudonymize ./key < <(with '"person_id":"Zo\u00eb"' | sed 's/"person_id":"126",//')
is "$(field person_id)" "$pzoe" "an escape is its character"
enrich --pseudonymize ./key < <(with '"card_no":"126","employee_id":"126"')
is "$(jq -r '[.person_id, .card_no, .employee_id] | unique | join(" ")' out)" "$p126" \
    "the same id is the same pseudonym in all fields"
enrich --pseudonymize ./other <<<"$line"
like "$(field person_id)" '^p-[a-z2-7]{22}$' "another key: the same form"
[ "$(field person_id)" != "$p126" ]
ok $? "… and another pseudonym"

for odd in '{"a":"126"}' '["126"]' true; do
    enrich --pseudonymize ./key < <(with "\"card_no\":$odd")
    is "$(field 'card_no')" null "$odd is no id, and goes"
done
enrich --pseudonymize ./key < <(with '"card_no":"","employee_id":null')
is "$(jq -c '[.card_no, .employee_id]' out)" '["",null]' "nothing is nobody's id"

# --- what else goes ------------------------------------------------------------------------------

everything='"card_no":"77","card_read":"0077","employee_id":"E-SECRET","hr":{"name":"SECRET"},
"snapshot":{"base64":"U0VDUkVU","media_type":"image/jpeg"},"origin":"/home/SECRET/log:7",
"raw":"SECRET","raw_base64":"U0VDUkVU","name":"SECRET","visitor":{"name":"SECRET"},"lane":"3",
"code":"5","serial_no":4711,"reader":"1","ack":"a1"'
site=
with "${everything//$'\n'/}" >all
echo '{"zone": "UTC", "card": "dec"}' >site.json
site=site.json # a rule for cards: 0077 is 77
enrich --pseudonymize ./key all
is "$(grep -cE 'SECRET|U0VDUkVU|"126"|77' out)" 0 "nothing of the person is left"
is "$(jq -r 'keys_unsorted | join(" ")' out)" "event_id kind time local_time device_id person_id \
card_no card_read employee_id snapshot code serial_no reader ack" "the rest stays"
is "$(field snapshot) $(field ack)" "null a1" "the picture is the placeholder; the tag is there"
ts-enrich -c site.json --pseudonymize ./key out | cmp - out
ok $? "a second run changes nothing"
ts-enrich -c site.json --pseudonymize ./other out | cmp - out
ok $? "nor does one with another key"
ts-enrich -c site.json out | cmp - out
ok $? "nor one without"
enrich --pseudonymize ./key --keep lane,visitor --keep origin all
is "$(field lane) $(field visitor.name) $(field origin) $(field name)" \
    "3 SECRET /home/SECRET/log:7 null" "--keep leaves what it names"
enrich --keep lane all
is "$status $(wc -l <err)" "64 1" "--keep alone is a mistake"
printf 'SECRET 126\n' >bad
enrich --pseudonymize ./key bad
is "$status $(grep -c SECRET out) $(jq -r .error out | cut -c 1-8)" "65 0 not JSON" \
    "nor is anything of a line that is not understood"
[ "$(field event_id)" != "$(ts-enrich bad 2>/dev/null | jq -r .event_id)" ]
ok $? "… and its id is keyed"

chmod 644 key
enrich --pseudonymize ./key <<<"$line"
is "$status $out" "77 " "a key that others may read is refused"
chmod 600 key
[[ $err != *secret\ key* ]]
ok $? "and not shown"
enrich --pseudonymize ./none <<<"$line"
is "$status" 66 "a missing key: 66"
mkdir creds && cp key creds/person.key && chmod 600 creds/person.key
is "$(CREDENTIALS_DIRECTORY=creds ts-enrich -z UTC --pseudonymize person.key <<<"$line" |
    jq -r .person_id)" "$p126" "a key may be a credential of the service"
is "$(ts-enrich -z UTC --pseudonymize fd:3 3<key <<<"$line" | jq -r .person_id)" "$p126" \
    "or come by a descriptor"

site=

# --- with a roster -------------------------------------------------------------------------------

printf 'person_id,card_no,employee_id,name\n126,77,E1,Ann\n127,,E2,Bob\n5,,E5,\n5,,E6,\n' >roster.csv
printf '%s\n' "$line" "${line/126/127}" "${line/126/128}" "${line/126/5}" >people
enrich -r roster.csv people
jq -r '.employee_id // "-"' out >open
enrich -r roster.csv --require-employee --pseudonymize ./key people
is "$(jq -r '.employee_id // "-"' out | cut -c 1-2 | tr '\n' ' ')" "p- p- - - " "mapped first, then hidden"
is "$(jq -r '.hold // "-"' out | tr '\n' ,)" \
    "-,-,person not in the roster,person id claimed by two," "who is not mapped waits"
is "$(grep -cE 'E1|Ann|Bob|"12[678]"' out)" 0 "nothing of the roster is in it"
cp out first
for more in "" --require-employee "--pseudonymize ./key" "--require-employee --pseudonymize ./key"; do
    # shellcheck disable=SC2086 # words
    ts-enrich -z UTC -r roster.csv $more first 2>/dev/null | cmp - first
    ok $? "behind the queue, with the roster again${more:+ and $more}: as it was"
done
for key in ./key ./other; do
    enrich -r roster.csv --pseudonymize $key people
    is "$(jq -r '.employee_id // .person_id' out | sort | uniq -c | awk '{print $1}' | tr -d '\n')" \
        1111 "$key: four people are four pseudonyms"
done

# --- with --redact and --drop --------------------------------------------------------------------

enrich --pseudonymize ./key --redact person_id,card_no all
is "$(jq -c '[.person_id, .card_no, .card_read, .employee_id[0:2]]' out)" \
    '[null,null,null,"p-"]' "--redact takes pseudonyms away too, and the card as it was read"
site=site.json
enrich --drop raw,lane,hr all
is "$(jq -r 'keys_unsorted | join(" ")' out)" "event_id kind time local_time device_id person_id \
card_no card_read employee_id snapshot origin name visitor code serial_no reader ack" \
    "--drop takes just what it names; raw in both forms"
is "$(field visitor.name) $(field snapshot.base64)" "SECRET U0VDUkVU" "nothing else changes"
ts-enrich -c site.json --drop raw,lane,hr out | cmp - out
ok $? "a second time it changes nothing"
for how in redact drop; do
    enrich --$how card_no all
    is "$(jq -c '[.card_no, .card_read]' out)" '[null,null]' "--$how card_no: in both forms"
    enrich --$how card_read all
    is "$status $out" "64 " "--$how card_read alone would leave the card"
done
site=
enrich --drop snapshot,direction,nosuch < <(with '"punch":"check_in"')
is "$(jq -r 'keys_unsorted | join(" ")' out)" \
    "event_id kind time local_time device_id direction_from person_id punch" \
    "also what this run would add"
enrich -r roster.csv --drop hr,person_id <<<"$line"
is "$(jq -c '[.employee_id, .hr, .person_id]' out)" '["E1",null,null]' "after it was used"
ts-enrich -z UTC -r roster.csv --drop hr,person_id out | cmp - out
ok $? "and behind the queue the person is still known"
for name in event_id ack hold skip error attempts ambiguous; do
    for how in redact drop; do
        enrich --$how name,$name all
        is "$status $out" "64 " "--$how $name: delivery needs it"
    done
done
enrich --drop a,,b all
is "$status $err" "64 ts-enrich: --drop: an empty name: write it like name,card_no" "--drop a,,b"
done_testing
