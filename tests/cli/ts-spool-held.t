#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-spool drain and held events: when they are tried again, and how often.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-spool >/dev/null || skip_all "ts-spool is not built"
command -v jq >/dev/null || skip_all "needs jq"
cd "$T" || exit 1

# held FIRST LAST: events that carry hold, each of a person of its own.
held() {
    jq -nc --argjson a "$1" --argjson b "$2" \
        'range($a; $b + 1) | {event_id: "h\(.)", person_id: "\(.)", hold: "person not in the roster"}'
}

stat_of() {
    ts-spool stat --json "$1" | jq -c '[.waiting, .held, .dead, .skipped, .delivered]'
}

# Answers as ts-enrich and ts-send do: held while the file `wrong` is there.
cat >roster <<'E'
while IFS= read -r line; do
    ack=${line#*\"ack\":\"}
    ack=${ack%%\"*}
    echo "$line" >>seen
    case $line in
    *'"hold"'*) [ -e wrong ] && outcome=held || outcome=delivered ;;
    *) outcome=delivered ;;
    esac
    printf '{"ack":"%s","outcome":"%s"}\n' "$ack" "$outcome"
done
E

# --- a run of its own

touch wrong
held 1 50 | ts-spool put q.db >/dev/null
echo '{"event_id":"w1","person_id":"w"}' | ts-spool put q.db >/dev/null
ts-spool drain --into 'sh roster' q.db
is "$? $(stat_of q.db)" "0 [0,50,0,0,1]" "held at put: a drain tries them, and they stay held"
is "$(wc -l <seen)" 51 "each once"
rm seen
ts-spool drain --hold-retry 100ms -w 3 --into 'sh roster' q.db
is "$? $(wc -l <seen)" "0 50" "each once in every run, whatever --hold-retry says"
rm wrong seen
held 51 60 | ts-spool put q.db >/dev/null
ts-spool drain --into 'sh roster' q.db
is "$? $(stat_of q.db)" "0 [0,0,0,0,61]" "when the roster is right a plain drain delivers them"
is "$(jq -r '.event_id[1:]' seen | sort -nc 2>&1)" "" "in order of arrival"
rm -f started
ts-spool drain --into 'touch started' q.db
ok "$([ ! -e started ]; echo $?)" "without any held the command is not started"

# --- for ever

# shellcheck disable=SC2317 # called by wait_for
is_in() {
    [ "$(stat_of f.db)" = "$1" ]
}

touch wrong
held 1 5 | ts-spool put f.db >/dev/null
rm -f seen
spawn ts-spool drain -F --hold-retry 300ms --into 'sh roster' f.db
drain=$spawned
wait_for 10 test -s seen
ok $? "drain -F tries the held at its start"
held 6 9 | ts-spool put f.db >/dev/null
rm wrong
wait_for 10 is_in '[0,0,0,0,9]'
ok $? "and again after --hold-retry, also those that were held at put"
is "$(ts-spool stat --json f.db | jq .draining)" true "stat tells that a drain is at work"
kill -TERM "$drain"
wait "$drain"
is "$?" 0 "SIGTERM: 0"

# A receiver that is down, and held events that never reach it: those do not hide the outage.
held 1 2000 | ts-spool put down.db >/dev/null
jq -nc 'range(3000) | {event_id: "w\(.)"}' | ts-spool put down.db >/dev/null
ts-spool drain -w 100 --into "jq --unbuffered -c 'if .hold then {ack, outcome: \"held\"}
    else {ack, outcome: \"deferred\", error: \"down\"} end'" down.db 2>err
is "$?" 75 "a receiver that is down: 75"
like "$(cat err)" "answers without a success" "is noticed"
tried=$(ts-spool list --waiting down.db | grep -c '"reason":"down"')
ok "$([ "$tried" -ge 256 ] && [ "$tried" -le 700 ]; echo $?)" "after some hundred tries ($tried)"

# Told to read its roster again while an event is with the command, which looked that event up before:
# the event does not wait for an hour.
cat >late <<'END'
$| = 1;
$SIG{HUP} = sub { };
while (<STDIN>) {
    my ($ack) = /"ack":"([^"]*)"/;
    my $known = -e "known";
    open my $seen, ">", "looked_up" or die;
    close $seen;
    until ($known || -e "go") { select undef, undef, undef, 0.02 }
    printf "{\"ack\":\"%s\",\"outcome\":\"%s\"}\n", $ack, $known ? "delivered" : "held";
}
END
jq -nc '{event_id: "late", person_id: "9"}' | ts-spool put late.db >/dev/null
spawn ts-spool drain -F --into 'perl late' late.db
drain=$spawned
wait_for 10 test -e looked_up
touch known
kill -HUP "$drain"
touch go
# shellcheck disable=SC2317 # called by wait_for
delivered() {
    spool_has late.db delivered 1
}
wait_for 10 delivered
ok $? "held by the roster of before, tried again at once"
kill -TERM "$drain"
wait "$drain"
done_testing
