#!/bin/bash
# ts-read --checkpoint: logs that are rotated while it is down lose no row.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1
store=$ROOT/tests/support/store.pl

events() { seq "$1" "$2" | sed 's/.*/{"local_time":"2026-01-07T10:34:08","n":"&"}/'; }
numbers() { sed -n 's/.*"n":"\([^"]*\)".*/\1/p' ledger 2>/dev/null | sort -un | tr '\n' ' '; }
lines() { grep -c '"n":' ledger; }
# all N: the numbers from 1 to N, as numbers prints them.
all() { seq "$1" | tr '\n' ' '; }
# shellcheck disable=SC2317 # called by wait_for
stored() { [ "$(numbers)" = "$(all "$1")" ]; }

# run MODE N [OUTCOME...]: MODE once reads to the end, MODE follow until 1..N are stored.
run() {
    local mode=$1 n=$2
    shift 2
    if [ "$mode" = once ]; then
        ts-read -d D --checkpoint checkpoint --into "$store ledger $*" log 2>err
        status=$?
    else
        spawn ts-read -F -d D --checkpoint checkpoint --into "$store ledger $*" log 2>err
        reader=$spawned
        wait_for 15 stored "$n"
        kill -TERM "$reader"
        wait "$reader"
        status=$?
    fi
    err=$(<err)
}
# begin: an empty folder, and 100 rows that are read.
begin() {
    rm -rf "${T:?}"/*
    events 1 100 >log
    run "$1" 100
}
create() {
    [ ! -e log.1 ] || mv log.1 log.2
    mv log log.1
}
copytruncate() {
    [ ! -e log.1 ] || mv log.1 log.2
    cp log log.1
    : >log
}

for mode in once follow; do
    begin $mode
    events 101 150 >>log
    create
    events 151 200 >log
    run $mode 200
    is "$status $(numbers)" "0 $(all 200)" "$mode: renamed once"
    is "$(lines)" 200 "$mode: and no row comes twice"
    events 201 203 >>log
    run $mode 203
    is "$(lines)" 203 "$mode: then it goes on"

    begin $mode
    events 101 150 >>log
    create
    events 151 200 >log
    create
    events 201 250 >log
    run $mode 250
    is "$status $(numbers)" "0 $(all 250)" "$mode: renamed twice"
    is "$(jq -r .n ledger | tail -n 1)" 250 "$mode: the newest comes last"

    begin $mode
    events 101 150 >>log
    mv log log-20260501
    events 151 200 >log
    mv log log-20260502
    events 201 250 >log
    events 901 950 >log-2
    events 901 950 >log.json
    run $mode 250
    is "$status $(numbers)" "0 $(all 250)" "$mode: renamed with dates; other names are not taken for it"

    for after in 151 201 351; do # shorter than what was read, the same, longer
        begin $mode
        events 101 150 >>log
        copytruncate
        events 151 "$after" >log
        run $mode "$after"
        is "$status $(numbers)" "0 $(all "$after")" "$mode: copied and cut, then rows to $after"
    done
    like "$err" 'its rest comes first \(log.1\)' "$mode: which is said"

    begin $mode
    events 101 150 >>log
    copytruncate
    events 151 200 >log
    copytruncate
    events 201 250 >log
    run $mode 250
    is "$status $(numbers)" "0 $(all 250)" "$mode: copied and cut twice"

    rm -rf "${T:?}"/*
    events 1 1 >log
    run $mode 1
    : >log
    run $mode 1
    events 2 50 >>log
    copytruncate
    events 51 60 >log
    run $mode 60
    is "$(numbers)" "$(all 60)" "$mode: cut when it was still empty at the checkpoint"
done

rm -rf "${T:?}"/*
row() { seq "$1" "$2" | sed 's/.*/2026-01-07 10:00:00,&/'; }
printf 'time,pin\n' >log
run once 0
row 1 50 >>log
copytruncate
{ echo time,pin; row 51 60; } >log
run once 0
is "$status $(jq -r .person_id ledger | sort -un | tr '\n' ' ')" "0 $(all 60)" \
    "cut when only its header row was read"

: >new
ts-read -d D --checkpoint checkpoint --into "$store ledger" new 2>err
is "$?$(<err)" 0 "an empty log is nothing to tell of"

# A file that nobody can find is told of.
begin once
events 101 150 >>log
create
events 151 200 >log
create
gzip log.2
events 201 250 >log
run once 250
is "$status" 65 "the rows are packed: exit 65"
like "$err" 'log: log\.2\.gz is packed and not read' "the file is named"
like "$err" 'rows written between the checkpoint and the rotation may be in log\.1, log\.2' "it is said what may be missing"
is "$(numbers)" "$(all 100)$(seq 151 250 | tr '\n' ' ')" "what can be found is read"
gunzip -c log.2.gz | ts-read -d D --into "$store ledger" - 2>err
is "$(numbers)" "$(all 250)" "and the rest as the message says"
run once 250
is "$status$err" 0 "once"

begin follow
rm log
{ events 101 110; } >log
run follow 110
is "$status" 0 "followed: SIGTERM ends it in order"
like "$err" 'rows written between the checkpoint' "and the message is there"

begin once
events 101 130 >>log
cp log new
mv new log
run once 130
is "$status $(numbers)" "0 $(all 130)" "a copy put back that has grown: nothing is missing"

# What got no final receipt holds the place in the file that it is in.
begin once
events 101 150 >>log
create
events 151 200 >log
run once 200 held 20 1
is "$status" 75 "an event of the old file is not stored"
is "$(jq '.sources[0].line' checkpoint)" 119 "the place stays there"
run once 200
is "$status $(numbers)" "0 $(all 200)" "and the next run goes on there"

done_testing
