#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-read zk://: one reading of a ZKTeco device in all its forms, and with all its faults.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
# shellcheck source=tests/support/zk.sh
. "$ROOT/tests/support/zk.sh"

only_reads() { # no command but those that read
    ! grep -vE '^(tcp|udp) (9|11|13|50|201|500|1000|1001|1102|1502|1503|1504|2000)$' sent
}
# shellcheck disable=SC2317 # called by wait_for
left_out() { ts-read "zk://127.0.0.1:$port" 2>&1 >/dev/null | grep -q "$1 records: empty, left out"; }

# ---- one reading

stick --records 2000 >wanted
for layout in 16 40 49; do
    device --records 2000 --layout $layout
    for scheme in zk zk+udp; do
        pull $scheme
        is "$status$(<err)" 0 "$layout bytes over $scheme: status 0, nothing to say"
        who out | cmp -s - wanted
        ok $? "and every record, in order"
    done
done
is "$(jq -rs '[.[].device_id] | unique | join(" ")' out)" CGXH2012345 "device_id is the serial number"
is "$(jq -rs '[.[] | has("received_at")] | any' out)" false "the past was not received now"
is "$(tail -n 1 sent)" "udp 1001" "the device is told goodbye"
only_reads
ok $? "nothing but reading was asked of it"

for layout in 8 8-flags; do
    for size in 28 72; do
        device --records 2000 --layout $layout --user-size $size
        pull zk
        who out | cmp -s - wanted
        ok $? "$layout with users of $size bytes: uids become user ids"
        ! grep -qE 'Anna|471' out err
        ok $? "no name and no password comes out"
    done
done

device --records 0
pull zk
is "$status$(<out)$(<err)" 0 "an empty log"
device --records 3 --user-size 72 --layout 40
happens void
happens void
wait_for 5 left_out 2
ok $? "records that were never filled are left out, and told of"

# ---- what devices do wrong

# This one takes its time, beside the others.
spawn python3 "$ROOT/tests/sim/zk.py" --records 500 --quirk lose,no-ack >patient.out
wait_for 20 grep -qx ready patient.out
timeout 60 ts-read "zk+udp://127.0.0.1:$(sed -n 's/^listening on //p' patient.out)" >patient &
patient=$!

tcp="no-ack late-ack cut-ack direct small wrong-ids no-tables at-once prepared junk short-once
    size-at-0 lies-high counts-0 counts-more less marks slow small,no-ack,wrong-ids
    small,late-ack,junk no-tables,cut-ack,small direct,late-ack"
# shellcheck disable=SC2086 # words
device --records 2000 --each $tcp
for quirk in $tcp; do
    port=$(port_of "$quirk")
    pull zk+tcp
    is "$status" 0 "$quirk: status 0"
    who out | cmp -s - wanted
    ok $? "$quirk: every record"
    wait_for 5 grep -q ' 1001$' "sent.$quirk"
    ok $? "$quirk: goodbye"
done
like "$(<err)" '^$' "late acknowledgements are nothing to talk about"
device --records 60 --quirk split,small
pull zk+tcp
is "$(who out)" "$(head -n 60 wanted)" "cut at every byte"
udp="no-ack wrong-ids no-tables lose swap double swap,double"
# shellcheck disable=SC2086
device --records 500 --each $udp
head -n 500 wanted >wanted.500
for quirk in $udp; do
    port=$(port_of "$quirk")
    pull zk+udp
    who out | cmp -s - wanted.500
    ok $? "UDP, $quirk: every record, in order"
done
wait "$patient"
who patient | cmp -s - wanted.500
ok $? "UDP, lose,no-ack: every record, in order"
# What it announces for all of the log is half of that: the log itself says so.
device --records 2000 --quirk lies-low
pull zk
is "$status $(wc -l <out)" "0 999" "a device that hands over half of its log"
like "$(<err)" "the log should have 80000 bytes, the device hands over 39998" "is told of"
device --records 2000 --quirk counts-more
pull zk
like "$(<err)" "the device counts 2100 records and hands over 2000" "a device that counts more says so"
device --records 2000 --quirk half
pull zk
is "$status $(wc -l <out)" "0 2000" "a last record that is not whole is left out"
like "$(<err)" "ends in the middle of a record" "and told of"

# refused FAULTS STATUS TEXT OPTION...: a device that gives nothing.
refused() {
    local name=$1 wanted=$2 text=$3
    shift 3
    device --records 50 "$@"
    pull zk
    is "$status$(<out)" "$wanted" "$name: status $wanted"
    like "$(<err)" "$text" "$name: says why"
}
refused "another firmware" 69 "does not speak the protocol \(6001\): let the device push" --quirk sdk
refused "access control" 69 "no attendance log: it is set up for access control" --quirk access
refused "other memory for a log" 65 "makes no sense: nothing of it is kept" --quirk no-tables,garbage
refused "no key" 77 "communication key is missing or wrong" --key 987654
umask 077
echo 987653 >key
pull zk --password-file key
is "$status" 77 "a wrong key"
echo 987654 >key
for scheme in zk+tcp zk+udp; do
    pull $scheme --password-file key
    is "$status $(wc -l <out)" "0 50" "the right key over $scheme"
done
! grep -q 98765 out err
ok $? "is said nowhere"
echo secret >key
pull zk --password-file key
is "$status$(<err)" "78ts-read: key: a communication key is a number" "a key is a number"
kill "$sim"
wait "$sim" 2>/dev/null
pull zk
is "$status" 69 "nobody there: status 69"
like "$(<err)" "Connection refused over TCP, nor over UDP" "over none of the two"
device --records 5 --only udp
pull zk
is "$status $(wc -l <out)" "0 5" "where TCP is refused, UDP is tried"
device --records 5 --only tcp
pull zk+udp
is "$status" 69 "zk+udp:// tries nothing else"
device --records 91 --room 100
pull zk
is "$status$(<err)" "0ts-read: zk://127.0.0.1:$port: the log of the device is nearly full: 91 of 100 records" \
    "a log that is nearly full is told of"
device --records 5 --quirk no-serial
pull zk
is "$(jq -rs '.[0].device_id' out)" 127.0.0.1 "without a serial number: its address"
like "$(<err)" "does not say its serial number" "which is told"
device --records 5 --layout 8 --quirk keeps-users
pull zk
like "$status $(jq -r .person_id out | tr '\n' ' ')" '^0 ([0-9]{1,2} ){5}$' \
    "without its table of users: the numbers inside the device"
like "$(<err)" "does not hand over its table of users.*taken for the person" "which is told"
device --records 5 --clock 19740 # five and a half hours but a minute
pull zk
is "$status$(<err)" 0 "a clock of any zone"
device --records 5 --clock 19500
pull zk
like "$(<err)" "the clock of the device is 300 s slow, if not by quarter hours more: it says 20" \
    "a clock that no zone explains"
device --records 5 --clock -700000000
pull zk
like "$status $(<err)" "^0 .*the clock of the device is wrong: it says 200" "a clock that was never set"
for address in zk:// zk://:4370 zk://a:b zk://a/b 'zk://[::1' zk://a:99999; do
    ts-read "$address" 2>/dev/null
    is $? 64 "$address: no address"
done
ts-read -l zk://127.0.0.1 2>/dev/null
is $? 64 "it cannot be listened to"

# ---- one id by every path

device --records 30
pull zk
printf '%9s\t2026-03-02 07:59:58\t1\t0\t15\t0\r\n' 118 >one.dat
happens punch 118 2026-03-02T07:59:58
ids() { ts-enrich -z UTC "$@" | jq -r .event_id; }
wait_for 5 holds 31
ts-read "zk://127.0.0.1:$port" | tail -n 1 >log.out
ts-read -d CGXH2012345 one.dat >file.out
is "$(ids log.out)" "$(ids file.out)" "one passage has one id from the log and from a memory stick"
is "$(jq -c 'del(.source, .origin, .raw, .raw_base64)' log.out)" \
    "$(jq -c 'del(.source, .origin, .raw, .raw_base64)' file.out)" "and says the same"

# ---- no harm

# The numbers of the commands that change, delete or switch something appear nowhere as such.
harmful='14|15|18|19|20|31|32|33|66|67|8|10|12|202|1002|1003|1004|1005|1006|1013|1014'
! grep -nE "ZK_[A-Z_]+ = ($harmful),|ZK_(CLEAR|DELETE|ENABLE|DISABLE|RESTART|POWER|SET|WRITE)" \
    "$ROOT"/tools/ts-read/zk_*.[ch] "$ROOT"/tools/ts-read/sources/zk*.[ch]
ok $? "the source knows no command that changes anything"
done_testing
