#!/bin/bash
# SPDX-License-Identifier: MIT
# The formats through the program: telling them apart, their options, and real ATTLOG exports held
# against a second reading of the same bytes, written in Python from the description alone.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v python3 >/dev/null || skip_all "needs python3"

# ---- told by the first bytes ----

# sniffed NAME FORMAT TEXT: a file of TEXT (as printf %b has it) is read as FORMAT.
sniffed() {
    printf '%b' "$3" >"$T/in"
    is "$(ts-read -d X "$T/in" 2>/dev/null | sed -n 's/.*"source":"\([^"]*\)".*/\1/p' | sort -u)" \
        "$2" "$1 is $2"
}
row='    126\t2026-01-07 10:34:08\t1\t0\t1\t0\n'
event='{"local_time":"2026-01-07T10:34:08"}'
sniffed "a row of attlog" zk-attlog "$row"
sniffed "attlog with a damaged first line" zk-attlog "26-0\n:40\t1\t0\n$row"
sniffed "attlog of a clock that was never set" zk-attlog \
    '    126\t1971--10--29 -23:-59:-53\t1\t0\t1\t0\n'
sniffed "attlog with names" zk-attlog '1\tNAME\t2026-03-02 08:01:12\t1\t0\n'
sniffed "an extended export" zk-attlog "CGXH2012345\r\n${row}ABCD\r\n"
sniffed "an object a line" ndjson "$event\n$event\n"
sniffed "an object a line after a damaged one" ndjson "junk\n$event\n"
sniffed "an object without a newline" ndjson "$event"
sniffed "an array" json "[$event]"
sniffed "an object over lines" json '{\n "local_time": "2026-01-07T10:34:08"\n}\n'
sniffed "a header row" csv 'time,pin\n2026-01-07 10:34:08,1\n'
sniffed "a header row between tabs, after a byte order mark" csv \
    '\xef\xbb\xbfPIN\tTime\n1\t2026-01-07 10:34:08\n'

# ---- options ----

# refused NAME REGEX ARGUMENT...: exit status 64, and what is said.
refused() {
    local name=$1 regex=$2 said
    shift 2
    said=$(ts-read "$@" /dev/null 2>&1)
    is $? 64 "$name: exit status"
    like "$said" "$regex" "$name"
}
refused "an option that csv does not have" 'map, header, separator, date' -f csv -o maps=1
refused "an option that zk-attlog does not have" 'knows: columns' -f zk-attlog -o date=dmy
refused "an option for a format without any" 'knows: none' -f ndjson -o x=y
refused "a map with a hole" 'FIELD:COLUMN' -f csv -o map=time,,person_id
refused "a map of an unknown field" 'FIELD:COLUMN' -f csv -o map=time:1,shoe:2
refused "a map without the time" 'needs time' -f csv -o map=person_id:1
refused "a map without a person" 'needs person_id' -f csv -o map=time:1
refused "column 0" 'from 1' -f csv -o map=time:0,person_id:2
refused "a header neither yes nor no" 'yes or no' -f csv -o header=maybe
refused "no header and no map" 'needs -o map' -f csv -o header=no
refused "a separator of two characters" 'one character' -f csv -o separator=ab
refused "an order of dates that is none" 'dmy or mdy' -f csv -o date=ymd
refused "a column of attlog that is none" 'pin, time' -f zk-attlog -o columns=pin,when
refused "columns without pin" 'needs pin and time' -f zk-attlog -o columns=time,status

# ---- text that is nearly known ----

# hinted NAME REGEX TEXT: a file that is refused, and what is said.
hinted() {
    local said
    printf '%b' "$3" >"$T/in"
    said=$(ts-read -d X "$T/in" 2>&1)
    is $? 65 "$1: exit status"
    like "$said" "$2" "$1"
}
hinted "unknown names of columns" \
    'no column is known as time and person \(found: Zeitpunkt, Name, Art\): give -f csv -o map=time:' \
    'Zeitpunkt;Name;Art\n07.01.2026 10:34;Muster;Kommen\n'
hinted "only the person is unknown" 'known as person \(found: Time, Badge\)' \
    'Time,Badge\n2026-01-07 10:34:08,Muster\n'
hinted "rows without a header: nothing of them is said" \
    ': looks like CSV without a header row \(2 columns\): give -f csv -o map=time:NUMBER,person_id:NUMBER$' \
    'Muster,2026-01-07 10:34:08\nMuster,2026-01-07 10:34:09\n'
hinted "prose with a comma" ': unknown format: give -f' 'dear all,\nthis is\n'
printf 'time,pin\n2026-01-07 10:34:08,7\n' >"$T/in"
is "$(ts-read -d X -f csv -o map=time:time,person_id:pin,card_no:Batch "$T/in" 2>"$T/err" |
    sed 's/.*"error":"\(.*\)"}$/\1/; s/.*"person_id":"\(.*\)","source.*/\1/')" \
    $'no column \\"Batch\\"\n7' "a column of the map that the header does not have is named; rows are read"
like "$(<"$T/err")" '1 no column "Batch"' "also at the end"

{
    echo time,pin,punch,direction
    printf '2026-01-07 10:34:%02d,7,%s,%s\n' 1 1 in 2 Kommen out 3 Gehen x 4 255 '' 5 'Check In' in
} >"$T/words.csv"
is "$(ts-read -d X "$T/words.csv" 2>"$T/err" | wc -l) $?" "5 0" "rows with words that are not known are read"
is "$(<"$T/err")" "ts-read: punch: 2 values not known, left out, the first in line 3 of words.csv
ts-read: direction: 1 value not known, left out, the first in line 4 of words.csv" \
    "which is said once, without them"

# ---- holes ----

{
    printf '      598\t2026-01-0'
    head -c 5000000 /dev/zero
    printf '6 09:09:26\t1\t0\t1\t0\n      598\t2026-01-06 09:09:27\t1\t0\t1\t0\n'
} >"$T/hole.dat"
is "$(ts-read -f zk-attlog -d X --max-line 4096 "$T/hole.dat" 2>/dev/null |
    sed 's/.*"error":"\([^"]*\)".*/\1/; s/.*"local_time":"\([^"]*\)".*/\1/')" \
    $'damaged: 5000000 NUL bytes\n2026-01-06T09:09:27' \
    "a hole of 5 MB is one record, whatever the longest line is"

{
    head -c 100000 /dev/zero
    head -c 100000 /dev/zero | tr '\0' x
    printf '\n      598\t2026-01-06 09:09:27\t1\t0\t1\t0\n'
} >"$T/long.dat"
is "$(ts-read -f zk-attlog -d X --max-line 4096 "$T/long.dat" 2>/dev/null |
    sed 's/.*"error":"\([^"]*\)".*/\1/; s/.*"local_time":"\([^"]*\)".*/\1/')" \
    $'longer than 4096 bytes\n2026-01-06T09:09:27' \
    "a hole in a line that is too long does not damage the next line"

# ---- real exports ----

cat >"$T/second.py" <<'PY'
import datetime, json, re, subprocess, sys

PUNCH = dict(enumerate('check_in check_out break_out break_in overtime_in overtime_out'.split()))
CREDENTIAL = {1: 'fingerprint', 4: 'card', 15: 'face', 25: 'palm'}


def moment(text):
    y, mo, d, h, mi, s = map(int, re.fullmatch(
        r'(\d{4})-(-?\d+)-(-?\d+) (-?\d+):(-?\d+):(-?\d+)', text).groups())
    if min(mo, d, h, mi, s) >= 0 and mo > 0:
        return datetime.datetime(y, mo, d, h, mi, s), None
    seconds = ((((y - 2000) * 12 + mo - 1) * 31 + d - 1) * 86400) + h * 3600 + mi * 60 + s
    minutes, s = divmod(seconds, 60)
    hours, mi = divmod(minutes, 60)
    days, h = divmod(hours, 24)
    months, d = divmod(days, 31)
    y, mo = divmod(months, 12)
    return datetime.datetime(y + 2000, mo + 1, d + 1, h, mi, s), 'clock_unset'


def expected(data):
    lines = data.split(b'\n')
    if lines[-1] == b'':
        lines.pop()
    for line in lines:
        line = line.removesuffix(b'\r')
        if b'\0' in line:
            yield {'error': 'damaged: %d NUL bytes' % line.count(0)}
        elif line.strip(b' '):
            column = [c.strip(' ') for c in line.decode('ascii').split('\t')]
            time, note = moment(column[1])
            row = {'person_id': column[0], 'local_time': time.isoformat()}
            if note:
                row['time_note'] = note
            if len(column) >= 6:
                row['punch'] = PUNCH.get(int(column[3]))
                row['credential'] = CREDENTIAL.get(int(column[4]))
            yield {k: v for k, v in row.items() if v is not None}


path = sys.argv[1]
wanted = list(expected(open(path, 'rb').read()))
run = subprocess.run(['ts-read', '-d', 'X', path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
keys = ('person_id', 'local_time', 'time_note', 'punch', 'credential', 'error')
got = [{k: e[k] for k in keys if k in e} for e in map(json.loads, run.stdout.splitlines())]
for number, (a, b) in enumerate(zip(wanted, got), 1):
    if a != b:
        sys.exit('event %d: %s, wanted %s' % (number, b, a))
if len(wanted) != len(got):
    sys.exit('%d events, wanted %d' % (len(got), len(wanted)))
damaged = sum('error' in e for e in got)
if run.returncode != (65 if damaged else 0):
    sys.exit('exit status %d' % run.returncode)
print(len(got) - damaged, sum('time_note' in e for e in got), damaged)
PY

# exports FOLDER NAME: each file agrees with the second reading; $sum counts them all.
exports() {
    local file counts rc good=0 unset_=0 damaged=0 files=0 a b c
    for file in "$1"/*.dat; do
        counts=$(python3 "$T/second.py" "$file" 2>"$T/err")
        rc=$?
        ok $rc "$2 ${file##*/}: $counts"
        [ $rc -eq 0 ] || sed 's/^/#  /' "$T/err"
        read -r a b c <<<"$counts"
        files=$((files + 1)) good=$((good + ${a:-0})) unset_=$((unset_ + ${b:-0}))
        damaged=$((damaged + ${c:-0}))
    done
    sum="$files files, $good rows, $unset_ without a clock, $damaged damaged"
}
if [ -d "$TS_CORPUS/zk/attlog" ]; then
    exports "$TS_CORPUS/zk/attlog" "real export"
    is "$sum" "20 files, 473 rows, 13 without a clock, 2 damaged" "real exports, all together"
else
    skip "real exports: no folder $TS_CORPUS/zk/attlog (TS_CORPUS)"
fi
done_testing
