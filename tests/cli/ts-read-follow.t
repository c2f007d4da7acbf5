#!/bin/bash
# ts-read -F on files: growth, rotation, truncation, files that come and go.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
cd "$T" || exit 1

event() { printf '{"local_time":"2026-01-07T10:34:08","n":"%s"}\n' "$1"; }
# shellcheck disable=SC2317 # called by wait_for
has() { grep -q "\"n\":\"$1\"" out; }
# shellcheck disable=SC2317
said() { grep -q "$1" err; }
follow() {
    rm -f out err
    spawn ts-read -d D -F "$@" >out 2>err
    reader=$spawned
    wait_for 5 test -e out
}
unfollow() {
    kill -TERM "$reader"
    wait "$reader"
    status=$?
}
# comes N NAME: event N comes out within a few seconds.
comes() {
    wait_for 5 has "$1"
    ok $? "$2"
}
numbers() { sed -n 's/.*"n":"\([^"]*\)".*/\1/p' out | tr '\n' ' '; }

follow log
wait_for 5 said 'waiting for it'
ok $? "a file that is not there yet is waited for"
event 1 >log
comes 1 "and read when it comes"
event 2 >>log
comes 2 "what is appended comes out"
printf '{"local_time":"2026-01-07T10:34:08",' >>log
event mark >>other
sleep 0.1 # nothing to wait for: it must not come
is "$(numbers)" "1 2 " "half a line waits for its rest"
printf '"n":"3"}\n' >>log
comes 3 "and comes out whole"

mv log log.1
event 4 >>log.1
comes 4 "a renamed file is read on"
event 5 >log
event 6 >>log.1
comes 5 "the new one is read from its start"
is "$(numbers)" "1 2 3 4 6 5 " "after everything that came late into the old one"

event 7 >log
comes 7 "a truncated file is read again from its start"
wait_for 5 said 'log: truncated'
ok $? "which is said"
{ event 8; event 9; event 10; } >longer
cat longer >log
comes 10 "one that was rewritten longer too"

{ event 11; printf '{"torn'; } >>log
comes 11 "before a torn line"
event 12 >new
mv new log
comes 12 "a file moved onto the path is a new one"
is "$(grep -c '"error":"torn last line"' out)" 1 "the torn line of the old one is told"
rm log
event 13 >log
comes 13 "removed and created again"
is "$(sed -n 's/.*"n":"13".*"origin":"\([^"]*\)".*/\1/p' out)" log:1 "lines count from 1 in each file"
unfollow
is "$status" 0 "SIGTERM ends it in order"

follow log other
comes mark "several files are followed at once"
event 14 >>log
comes 14 "the one"
event 15 >>other
comes 15 "and the other"
unfollow

# Many small writes and rotations: nothing is lost and nothing comes twice.
rm -f log log.*
follow log
for file in 1 2 3 4 5; do
    for n in 1 2 3 4 5 6 7 8 9; do
        event "$file$n" >>log
    done
    comes "${file}1" "file $file is being read"
    mv log "log.$file"
done
comes 59 "the last line of the last file"
unfollow
is "$(numbers)" "$(for f in 1 2 3 4 5; do for n in 1 2 3 4 5 6 7 8 9; do printf '%s ' $f$n; done; done)" \
    "five rotations: each line once, in order"

# Rotated twice while there was no moment to look.
rm -f log log.*
event 61 >log
follow log
comes 61 "before it is held up"
kill -STOP "$reader"
event 62 >>log
mv log log.2
event 63 >log
mv log log.1
event 64 >log
kill -CONT "$reader"
comes 64 "after two rotations at once"
unfollow
is "$(numbers)" "61 62 63 64 " "the file between is read too"
like "$(<err)" 'log: rotated more than once: reading log.1 first' "which is said"

rm -f log log.*
event 71 >log
follow log
comes 71 "again"
kill -STOP "$reader"
event 72 >>log
cp log log.1
event 74 >log
kill -CONT "$reader"
comes 74 "after a copy and a cut at once"
unfollow
is "$(numbers)" "71 72 74 " "what was written before the copy is read from it"
like "$(<err)" 'log: cut: the rest comes from log.1' "which is said"

mkfifo fifo
follow fifo
event 20 >fifo
comes 20 "a FIFO is read"
event 21 >fifo
comes 21 "also from its next writer"
unfollow

mkdir sub
ts-read -F sub >/dev/null 2>err
is $? 66 "a folder cannot be followed"
printf 'prose\n' >prose
follow prose
wait_for 5 grep -q '"raw":"prose","error":"unknown format"' out
ok $? "a line of no known format comes out with its error"
event 30 >>prose
comes 30 "and what follows it is read"
unfollow

done_testing
