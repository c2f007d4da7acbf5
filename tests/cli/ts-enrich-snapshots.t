#!/bin/bash
# SPDX-License-Identifier: MIT
# Pictures in ts-enrich: the placeholder, left alone, looked at, inlined, left out; and what a hostile
# name or file can do: nothing. Whatever is wrong with a picture, its event goes on.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-enrich >/dev/null || skip_all "ts-enrich is not built"
umask 077
cd "$T" || exit 70
mkdir -p pics/day

# picture NAME BYTES: makes one.
picture() {
    { printf '\xff\xd8\xff\xe0'; head -c "$(($2 - 4))" /dev/urandom; } >"pics/$1"
}
picture day/1.jpg 20000
{ printf '\x89PNG\r\n\x1a\n'; head -c 500 /dev/urandom; } >pics/2.png
sum1=$(sha256sum pics/day/1.jpg | cut -c 1-64)
shot1='{"file":"day/1.jpg","sha256":"'$sum1'","media_type":"image/jpeg","bytes":20000}'

# pictures SNAPSHOT ARGUMENT...: an event with it; sets $out (its snapshot), $err, $status.
pictures() {
    local snapshot=$1
    shift
    printf '{"event_id":"e","device_id":"G","person_id":"126","snapshot":%s,"ack":"a"}\n' "$snapshot" >in
    ts-enrich "$@" in >whole 2>err
    status=$?
    out=$(jq -c .snapshot whole)
    err=$(cat err)
}
at=(--snapshot-dir pics)

# --- each way ------------------------------------------------------------------------------------

is "$(ts-enrich 2>/dev/null <<<'{"event_id":"e"}')" '{"event_id":"e","snapshot":null}' "no picture: the placeholder"
for how in "" "--snapshots keep"; do
    # shellcheck disable=SC2086 # two words
    pictures "$shot1" $how
    is "$status $(cat whole)" "0 $(cat in)" "${how:-without an option} nothing is touched"
done
pictures '{"file":"none.jpg"}'
is "$(cat whole)" "$(cat in)" "nor looked at"

pictures "$shot1" --snapshots inline "${at[@]}"
jq -r .base64 <<<"$out" | base64 -d | cmp - pics/day/1.jpg
ok $? "inline: the picture itself"
is "$(jq -c 'del(.base64)' <<<"$out") $err" '{"media_type":"image/jpeg"} ' "and its type"
ts-enrich --snapshots inline "${at[@]}" whole | cmp - whole
ok $? "a second time it stays"
pictures '{"file":"2.png"}' --snapshots inline "${at[@]}"
is "$(jq -r .media_type <<<"$out")" image/png "by its first bytes, whatever its name"

pictures "$shot1" --snapshots reference "${at[@]}"
is "$(cat whole)" "$(cat in)" "reference: what is right stays byte for byte"
pictures '{"file":"day/1.jpg"}' --snapshots reference "${at[@]}"
is "$(jq -cS . <<<"$out")" "$(jq -cS . <<<"$shot1")" "what is not said is added"
ts-enrich --snapshots reference "${at[@]}" whole | cmp - whole
ok $? "and stays"
pictures "${shot1/20000/5}" --snapshots reference "${at[@]}"
is "$(jq .bytes <<<"$out")" 20000 "what is wrong is put right"

for snapshot in "$shot1" '{"base64":"/9j/","media_type":"image/jpeg"}' '"odd"' '{"url":"/x"}'; do
    pictures "$snapshot" --snapshots omit
    is "$out" null "omit: ${snapshot:0:20}…: null"
done
for snapshot in '{"base64":"/9j/","media_type":"image/jpeg"}' '"odd"' '[1]' 5 null '{"url":"/x","file":"a"}'; do
    for how in inline reference; do
        pictures "$snapshot" --snapshots $how "${at[@]}"
        is "$(cat whole)" "$(cat in)" "$how: ${snapshot:0:20}… names no file, and stays"
    done
done

# --- what is wrong with a picture ----------------------------------------------------------------

: >pics/empty.jpg
echo '<html>' >pics/page.jpg
mkfifo pics/pipe.jpg
mkdir outside
cp pics/day/1.jpg outside/1.jpg
ln -s ../outside/1.jpg pics/link.jpg
ln -s ../outside pics/linked
head -c 3000000 pics/day/1.jpg >/dev/null
picture large.jpg 2100000
picture long.jpg 790000
picture fits.jpg 780000

# wrong FILE REASON [MORE]: the event goes on, with the reason.
wrong() {
    local how
    for how in inline reference; do
        [ "$how:$1" != reference:long.jpg ] || continue
        pictures "{\"file\":\"$1\"${3-}}" --snapshots $how "${at[@]}"
        is "$status $(jq -r .error <<<"$out") $(jq -r .file <<<"$out")" "0 $2 $1" "$how $1: $2"
        is "$(jq -r '.person_id + .ack' whole)" 126a "… and the event goes on"
        like "$err" "^ts-enrich: 1 event without the picture, the last because $2\$" "… and it is said"
    done
    cp whole before
    ts-enrich --snapshots reference "${at[@]}" before 2>err | cmp - before
    ok $? "… and stays as it is as long as the picture does"
}
wrong none.jpg "the snapshot is not there"
wrong day/none.jpg "the snapshot is not there"
wrong empty.jpg "the snapshot is empty"
wrong page.jpg "the snapshot is neither JPEG nor PNG"
wrong pipe.jpg "the snapshot is no regular file"
wrong day "the snapshot is no regular file"
wrong link.jpg "the snapshot is behind a symbolic link"
wrong linked/1.jpg "the snapshot is behind a symbolic link"
wrong large.jpg "the snapshot is larger than --snapshot-max"
wrong day/1.jpg "the snapshot is not the one that sha256 names" ",\"sha256\":\"${sum1//[0-7]/8}\""
for name in ../outside/1.jpg "$T/outside/1.jpg" day/../../outside/1.jpg ./day/1.jpg "" day//1.jpg; do
    wrong "$name" "the snapshot has no name beneath the folder"
done
pictures '{"file":"day/1.jpg\u0000x"}' --snapshots inline "${at[@]}"
is "$(jq -r .error <<<"$out")" "the snapshot has no name beneath the folder" "nor has one with a NUL"
pictures '{"file":"day/1.jpg"}' --snapshots inline "${at[@]}" --snapshot-max 16k
is "$(jq -r .error <<<"$out")" "the snapshot is larger than --snapshot-max" "--snapshot-max"

# A line has 1 MiB, with all that is in it.
pictures '{"file":"long.jpg"}' --snapshots inline "${at[@]}"
is "$(jq -r .error <<<"$out")" "the event with its snapshot would be longer than 1 MiB" "a line has 1 MiB"
pictures '{"file":"long.jpg"}' --snapshots reference "${at[@]}"
is "$(jq -r .bytes <<<"$out")" 790000 "a reference has no such limit"
pictures '{"file":"fits.jpg"}' --snapshots inline "${at[@]}"
is "$(jq -r .error <<<"$out") $(($(wc -c <whole) < 1048577))" "null 1" "just under it fits"
ts-enrich whole | cmp - whole
ok $? "and the next program can read it"
python3 -c 'print("{\"event_id\":\"e\",\"own\":\"%s\",\"snapshot\":{\"file\":\"fits.jpg\"}}" % ("x" * 20000))' >in
is "$(ts-enrich --snapshots inline "${at[@]}" in 2>/dev/null | jq -r .snapshot.error)" \
    "the event with its snapshot would be longer than 1 MiB" "what else is in the event counts"

# A picture that comes late takes the error away.
pictures '{"file":"late.jpg"}' --snapshots reference "${at[@]}"
cp whole waiting
picture late.jpg 1000
is "$(ts-enrich --snapshots reference "${at[@]}" waiting | jq -c '.snapshot | [.error, .bytes]')" \
    '[null,1000]' "a picture that comes late takes the error away"
is "$(ts-enrich --snapshots inline "${at[@]}" waiting | jq -c '.snapshot | keys')" \
    '["base64","media_type"]' "or is taken in"

# --- with other options --------------------------------------------------------------------------

pictures "$shot1" --snapshots inline "${at[@]}" --jq '.bytes = (.snapshot.base64 | length)'
is "$(jq .bytes whole)" 26668 "a rule sees the picture"
for how in redact drop; do
    pictures "$shot1" --snapshots inline "${at[@]}" --$how snapshot
    is "$(jq 'has("snapshot")' whole)" false "--$how snapshot takes it away"
done
echo key >key
pictures "$shot1" --pseudonymize ./key --snapshots keep
is "$out" null "--pseudonymize does too"
for how in inline reference; do
    pictures "$shot1" --pseudonymize ./key --snapshots $how "${at[@]}"
    is "$status $(wc -l <err)" "64 1" "--pseudonymize with --snapshots $how: called wrongly"
done
for bad in "--snapshots inline" "--snapshots reference" "--snapshot-dir pics" \
    "--snapshots omit --snapshot-dir pics" "--snapshots upload --snapshot-dir pics" \
    "--snapshots inline --snapshot-dir pics --snapshot-max 1"; do
    # shellcheck disable=SC2086 # words
    pictures "$shot1" $bad
    is "$status $(wc -l <err)" "64 1" "$bad: called wrongly"
done
pictures "$shot1" --snapshots inline --snapshot-dir nowhere
is "$status" 66 "a missing folder: 66"

# Many large ones: memory stays where it was.
for _ in $(seq 60); do echo '{"event_id":"e","snapshot":{"file":"fits.jpg"}}'; done >many
peak=$(python3 - <<'END'
import resource, subprocess
with open("many.out", "w") as out:
    subprocess.run(["ts-enrich", "--snapshots", "inline", "--snapshot-dir", "pics", "many"],
                   stdout=out, stderr=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
END
)
[ "${MODE:-release}" != asan ] || peak=0 # the sanitizer's own
is "$(wc -l <many.out) $((peak < 32768))" "60 1" "sixty large ones in less than 32 MiB ($peak KiB)"
done_testing
