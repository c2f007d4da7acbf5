#!/bin/bash
# SPDX-License-Identifier: MIT
# Disks that are really full, out of inodes, read-only or gone, on file systems of a few MiB, and
# stores that are moved, replaced or removed under running programs: no receipt for what is not
# kept, whoever waits hears so, and the queue goes on when it can.
# shellcheck disable=SC2317 # much is called by wait_for and by made-up names
[ -n "${TS_OWN_MOUNTS:-}" ] || ! unshare -m true 2>/dev/null ||
    TS_OWN_MOUNTS=1 exec unshare -m bash "$0" "$@"
. "$(dirname "$0")/../support/tap.sh"
for tool in ts-read ts-spool jq python3 curl perl; do
    command -v $tool >/dev/null || skip_all "needs $tool"
done
[ -n "${TS_OWN_MOUNTS:-}" ] || skip_all "needs a mount namespace (root)"
cd "$T" || exit 1
mounts=()
network=$ROOT/tests/faults/network.py
deliver="perl $ROOT/tests/support/store.pl"
rounds=2
[ -n "${TS_FULL:-}" ] && rounds=6

end() {
    local p m
    for p in "${tap_pids[@]:-}"; do
        [ -n "$p" ] && kill -9 "$p" 2>/dev/null
    done
    wait 2>/dev/null
    cd /
    for m in "${mounts[@]:-}"; do
        [ -n "$m" ] && umount -l "$m" 2>/dev/null
    done
    rm -rf "$T"
}
trap end EXIT

# disk KIND FOLDER KIB [INODES]: an empty file system; fails where it is not permitted.
disk() {
    mkdir -p "$2"
    if [ "$1" = tmpfs ]; then
        mount -t tmpfs -o "size=${3}k,nr_inodes=${4:-500}" tmpfs "$2" 2>/dev/null || return 1
    else
        rm -f "$2.img"
        truncate -s "${3}k" "$2.img" && mkfs.ext4 -q -m 0 -N "${4:-500}" "$2.img" 2>/dev/null &&
            mount -o loop,errors=remount-ro "$2.img" "$2" 2>/dev/null || return 1
    fi
    mounts+=("$PWD/$2")
}

fill() {
    cat /dev/zero >"$1/ballast" 2>/dev/null
    # What a large write leaves over goes in small ones.
    dd if=/dev/zero of="$1/ballast" bs=512 oflag=append conv=notrunc 2>/dev/null
    sync -f "$1"
}

# events FROM TO [BYTES]: one person's each tenth, with something to fill the disk.
events() {
    awk -v from="$1" -v to="$2" -v bytes="${3:-400}" 'BEGIN {
        for (n = from; n <= to; n++)
            printf "{\"event_id\":\"00000000-0000-8000-8000-%012d\",\"person_id\":\"%d\",\"n\":%d,\"fill\":\"%0*d\"}\n",
                n, n % 10, n, bytes, n
    }'
}

ids() {
    sed -n 's/.*"event_id":"\([^"]*\)".*/\1/p' "$@" | sort
}

# Events that came twice, the second time without the mark.
unmarked() {
    jq -R -r 'fromjson? | "\(.event_id) \(.ambiguous)"' "$1" |
        awk '{ if (n[$1]++ && $2 != "true") bad++ } END { print bad + 0 }'
}

# missing RECEIPTS THERE: how many ids of the first are not among those of the second.
missing() {
    comm -23 <(ids "$1" | uniq) <(ids "$2" | uniq) | wc -l
}

# A put that reads the fifo; the test has its other end.
fed() {
    exec ts-spool put "$1" <fifo
}

# For wait_for.
{
    lines() { [ "$(wc -l <"$1")" -ge "$2" ]; }
    gone() { ! kill -0 "$1"; }
    answered() { [ "$(post)" = "$1" ]; }
    settled() { spool_has "$1" waiting 0; }
    told_more() { [ "$(wc -l <told)" -gt "$1" ]; }
}

# --- a full disk under the whole chain -------------------------------------------------------------

post() {
    curl -s -m 20 -o /dev/null -w '%{http_code}' --data-binary "$(events 900001 900001)" \
        -H 'Content-Type: application/x-ndjson' "$url"
}

# chain STORE: a listener that puts, with devices that post.
chain() {
    spawn ts-read -F -d D -l http://:0 --into "ts-spool put $1" 2>reader.err
    reader=$spawned
    wait_for 5 grep -q '^listening on ' reader.err
    url=http://127.0.0.1:$(sed -n 's/^listening on .*:\([0-9]*\)$/\1/p' reader.err)
    spawn python3 "$network" devices --url "$url" --ledger told --devices 4 --pause 0.005 >devices.out
    devices=$spawned
}

stop() {
    kill -TERM "$1"
    wait_for 40 gone "$1"
    wait "$1"
}

full_chain() {
    local kind=$1 store=$1/q.db n ms drain before
    : >told && : >arrived
    chain "$store"
    wait_for 20 lines told 60
    fill "$kind"
    wait_for 30 answered 503
    ok $? "$kind: with a full disk a device hears 503"
    like "$(<reader.err)" "$store: (the disk is full|no room for the reserve)" "$kind: and the operator why"
    for ((n = 1; n <= rounds; n++)); do
        spawn ts-spool drain -F --into "$deliver arrived delivered" "$store" 2>drain.err
        drain=$spawned
        wait_for 20 settled "$store"
        ok $? "$kind: $n: the drain settles on the full disk"
        before=$(wc -l <told)
        ms=${EPOCHREALTIME/./}
        rm "$kind/ballast"
        wait_for 40 told_more "$((before + 40))"
        ok $? "$kind: $n: with room again devices are told OK" \
            && echo "# $kind: after $(((${EPOCHREALTIME/./} - ms) / 1000)) ms"
        wait_for 20 settled "$store"
        stop "$drain"
        is "$?$(<drain.err)" 0 "$kind: $n: the drain went on through all of it"
        [ "$n" = "$rounds" ] && break
        fill "$kind"
        wait_for 30 answered 503
    done
    answered 200
    stop "$devices"
    is $? 0 "$kind: every device was told OK in the end ($(jq -c .answers devices.out))"
    stop "$reader"
    is $? 0 "$kind: the listener ends with 0"
    ts-spool drain --into "$deliver arrived delivered" "$store"
    jq -r 'select(.person_id | contains("-")) | "\(.event_id) \(.person_id) \(.n) 0"' arrived >came
    "$network" check --told told --arrived came --marks arrived >result
    ok $? "$kind: all that was told has come, in order, repeats are marked ($(<result))"
    is "$(stat -c %s "$store-reserve")" 262144 "$kind: the reserve is back"
}

full_put() {
    local kind=$1 store=$1/put.db
    events 1 40000 | ts-spool put "$store" >out 2>err
    is "${PIPESTATUS[1]}" 74 "$kind: a put that fills the disk ends with 74"
    like "$(cat err)" "put.db: the disk is full" "$kind: says so"
    ts-spool list "$store" >there
    is "$(missing out there) $(missing there out)" "0 0" \
        "$kind: there is exactly what has a receipt ($(wc -l <out))"
    fill "$kind"
    events 50001 50009 | ts-spool put "$store" >out 2>err
    is "${PIPESTATUS[1]} $(wc -c <out)" "74 0" "$kind: a later one refuses at once"
    ts-spool drain -w 100 --into "$deliver settled rejected 3" "$store" 2>err
    is "$? $(ts-spool stat --json "$store" | jq .waiting)" "65 0" \
        "$kind: dead and delivered, all settles"
    ts-spool list "$store" | cmp -s - /dev/null
    ok "$(($? == 0))" "$kind: it can be read"
    rm "$kind/ballast" "$store"*
    rm -f settled
}

for kind in tmpfs ext4; do
    if disk $kind $kind 4096; then
        full_put $kind
        full_chain $kind
    else
        skip "cannot mount $kind here"
    fi
done

# --- no inode left ---------------------------------------------------------------------------------

no_inode() {
    local kind=$1 folder=$1.inodes n=0
    if ! disk "$kind" "$folder" 6144 30; then
        skip "cannot mount $kind here"
        return
    fi
    events 1 20 | ts-spool put "$folder/q.db" >receipts
    while : 2>/dev/null >"$folder/file$n"; do
        n=$((n + 1))
    done 2>/dev/null
    events 21 40 | ts-spool put "$folder/q.db" >>receipts 2>err
    ok $? "$kind without inodes: a store that is there takes events"
    events 1 1 | ts-spool put "$folder/new.db" >out 2>err
    is "$? $(wc -c <out)" "73 0" "$kind without inodes: a new one cannot be made"
    like "$(<err)" "new.db: cannot make the store: No space left" "says why"
    ts-spool drain --into "$deliver inodes delivered" "$folder/q.db" 2>err
    is "$?" 73 "a first drain has no place for its lock"
    like "$(<err)" "q.db-drain: cannot open: No space left" "says why"
    rm -f "$folder/q.db-journal"
    : >"$folder/instead"
    events 41 50 | ts-spool put "$folder/q.db" >out 2>err
    is "$? $(wc -c <out)" "74 0" "without a journal and a place for one there is no receipt"
    like "$(<err)" "q.db: cannot write|q.db: .*No space left" "says why: $(<err)"
    rm "$folder"/file* "$folder/instead"
    events 41 50 | ts-spool put "$folder/q.db" >>receipts
    ts-spool drain --into "$deliver inodes delivered" "$folder/q.db"
    is "$? $(missing receipts inodes) $(unmarked inodes)" "0 0 0" \
        "$kind: with inodes again everything comes, once"
    rm -f inodes
}
no_inode tmpfs
no_inode ext4

# --- a disk that turns read-only or goes away under running programs --------------------------------

# slowly LEDGER: delivers, but each answer is late, so that some are always outstanding.
slowly="env STORE_DELAY_MS=5 $deliver"

break_error() {
    echo broken >"/sys/fs/ext4/$1/trigger_fs_error"
}

# The device goes: every call is answered with EIO from now on.
break_shutdown() {
    python3 -c 'import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587d, struct.pack("I", 2))' "$2"
}

broken_disk() {
    local how=$1 folder=$1 device put drain
    if ! disk ext4 "$folder" 6144; then
        skip "cannot mount ext4 here"
        return
    fi
    device=$(findmnt -no SOURCE "$folder")
    [ "$how" != error ] || [ -w "/sys/fs/ext4/${device##*/}/trigger_fs_error" ] || {
        skip "this kernel cannot play a broken ext4"
        return
    }
    rm -f arrived receipts fifo
    mkfifo fifo
    spawn fed "$folder/q.db" >receipts 2>put.err
    put=$spawned
    exec 8>fifo
    events 1 400 >&8
    wait_for 10 lines receipts 400
    spawn ts-spool drain -F --into "$slowly arrived delivered" "$folder/q.db" 2>drain.err 8>&-
    drain=$spawned
    wait_for 10 lines arrived 40
    "break_$how" "${device##*/}" "$folder" 2>/dev/null || {
        skip "this kernel cannot play a broken ext4 ($how)"
        exec 8>&-
        return
    }
    events 401 410 >&8
    wait_for 10 gone "$put"
    wait "$put"
    like "$?" '^7[34]$' "disk with $how: put ends"
    is "$(wc -l <receipts)" 400 "without a receipt for what it cannot keep"
    words='^ts-spool: [^ ]*q.db.*: cannot (read|write|make): (Read-only file system|Input/output error)'
    if [ "$how" = error ]; then
        like "$(<put.err)" "$words" "and says why: $(<put.err)"
    else
        like "$(<put.err)" "$words" "and says why: $(<put.err)"
    fi
    exec 8>&-
    wait_for 10 gone "$drain"
    wait "$drain"
    like "$?" '^7[34]$' "the drain, which cannot settle, ends"
    like "$(<drain.err)" "$folder/q.db" "and says why: $(tail -n 1 drain.err)"
    umount "$folder"
    e2fsck -p "$folder.img" >/dev/null 2>&1
    mount -o loop "$folder.img" "$folder"
    ts-spool list "$folder/q.db" >there
    is "$(missing receipts there)" 0 "mended and mounted again, what has a receipt is there"
    events 401 410 | ts-spool put "$folder/q.db" >>receipts
    ts-spool drain --into "$deliver arrived delivered" "$folder/q.db"
    is "$? $(missing receipts arrived) $(unmarked arrived)" "0 0 0" \
        "all of it comes, repeats are marked ($(($(wc -l <arrived) - 410)))"
    mount -o remount,ro "$folder"
    ts-spool stat "$folder/q.db" >out 2>&1
    is "$?" 0 "mounted read-only: stat says how it stands"
    events 411 420 | ts-spool put "$folder/q.db" >out 2>err
    is "$? $(wc -c <out)" "73 0" "put refuses: $(<err)"
    ts-spool drain --into cat "$folder/q.db" 2>err
    is "$?" 73 "drain refuses: $(<err)"
}
broken_disk error
broken_disk shutdown

# --- the file goes away under running programs -----------------------------------------------------

do_removed() { rm away/q.db*; }
do_replaced() { cp other.db away/next && mv away/next away/q.db; }
do_renamed() { mv away elsewhere; }
do_moved() { mv away/q.db away/old.db; }
do_journal() { rm away/q.db-journal; }

# taken_away HOW STATUS: a put and a drain that are idle, then new events.
taken_away() {
    local how=$1 wanted=$2 put drain
    rm -rf away elsewhere arrived receipts fifo
    mkdir away && mkfifo fifo
    spawn fed away/q.db >receipts 2>put.err
    put=$spawned
    exec 8>fifo
    events 1 20 >&8
    wait_for 10 lines receipts 20
    spawn ts-spool drain -F --into "$deliver arrived delivered" away/q.db 2>drain.err 8>&-
    drain=$spawned
    wait_for 10 lines arrived 20
    wait_for 10 settled away/q.db
    "do_$how"
    events 21 30 >&8
    if [ "$wanted" = 0 ]; then
        wait_for 10 lines arrived 30
        is "$(wc -l <receipts) $(unmarked arrived)" "30 0" "$how: they go on"
        exec 8>&-
        wait "$put"
        is "$?$(<put.err)" 0 "$how: put ends in order"
        stop "$drain"
        is "$?$(<drain.err)" 0 "$how: drain too"
        return
    fi
    wait_for 10 gone "$put"
    wait "$put"
    is "$?" "$wanted" "$how: put ends"
    is "$(wc -l <receipts)" 20 "$how: and gives no receipt"
    like "$(<put.err)" 'away/q.db: was moved or deleted while it was in use' "says why"
    exec 8>&-
    wait_for 10 gone "$drain"
    wait "$drain"
    is "$?" "$wanted" "$how: the drain ends"
    like "$(<drain.err)" 'away/q.db: was moved or deleted while it was in use' "says why"
}
for how in removed replaced renamed moved; do
    ts-spool put other.db </dev/null
    taken_away $how 75
done
is "$(ts-spool stat --json away/old.db | jq -c '[.waiting, .delivered]')" "[0,20]" \
    "what was moved away is whole"
taken_away journal 0

# The same under the listener: devices wait until the folder is back; what had a receipt is in it.
rm -rf away elsewhere arrived told
mkdir away
: >told
chain away/q.db
wait_for 20 lines told 30
mv away elsewhere
wait_for 20 answered 503
ok $? "folder renamed under the chain: devices hear 503"
like "$(<reader.err)" 'away/q.db: (was moved|cannot make the store)' "and the operator why"
before=$(wc -l <told)
ms=${EPOCHREALTIME/./}
mv elsewhere away
wait_for 40 told_more "$((before + 20))"
ok $? "renamed back, they are told OK" && echo "# after $(((${EPOCHREALTIME/./} - ms) / 1000)) ms"
stop "$devices"
stop "$reader"
ts-spool drain --into "$deliver arrived delivered" away/q.db
jq -r 'select(.person_id | contains("-")) | "\(.event_id) \(.person_id) \(.n) 0"' arrived >came
"$network" check --told told --arrived came --marks arrived >result
ok $? "nothing is lost ($(<result))"

# --- a limit on file sizes, as a quota has it --------------------------------------------------------

rm -f quota.db* arrived
(ulimit -c 0 -f 600 && events 1 40000 | ts-spool put quota.db >receipts 2>err; exit "${PIPESTATUS[1]}")
is "$?" 74 "a file that may not grow: put ends with 74, no signal: $(<err)"
like "$(<err)" "quota.db: " "says why"
ts-spool list quota.db >there
is "$(missing receipts there) $(missing there receipts)" "0 0" \
    "there is exactly what has a receipt ($(wc -l <receipts))"
(ulimit -c 0 -f 600 && ts-spool drain --into "$deliver arrived delivered" quota.db 2>err)
rc=$?
like "$rc" '^(0|74)$' "a drain under the limit settles, or says that it cannot: $(<err)"
ts-spool drain --into "$deliver arrived delivered" quota.db
is "$? $(missing receipts arrived) $(unmarked arrived)" "0 0 0" "all of it comes, repeats are marked"

done_testing
