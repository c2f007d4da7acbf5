#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-read zk:// and zk-records on bytes of real devices ($TS_CORPUS/zk/packets), against a second
# reading of them in Python.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-read >/dev/null || skip_all "ts-read is not built"
command -v python3 >/dev/null || skip_all "needs python3"
command -v jq >/dev/null || skip_all "needs jq"
packets=$TS_CORPUS/zk/packets
[ -d "$packets" ] || skip_all "captured packets: no folder $packets (TS_CORPUS)"
cd "$T" || exit 1

# Tables of users, as they came: cut anywhere, in one frame and in many, with acknowledgements that
# belong to something else.
for name in pyzk_tcp_get_users_broken_tcp pyzk_tcp_get_users_small_data \
    pyzk_tcp_get_users_broken_data pyzk_tcp_live_connect pyzk_tcp_live_connect_small; do
    : >said
    spawn python3 "$ROOT/tests/support/zk_replay.py" "$packets/$name.hex" >said
    wait_for 10 grep -q '^listening on ' said
    port=$(sed -n 's/^listening on //p' said)
    timeout 60 ts-read -d D "zk+tcp://127.0.0.1:$port" >out 2>err
    is "$?" 0 "$name: status 0"
    is "$(jq -r .person_id out)" "$(grep -v listening said | cut -d' ' -f2)" \
        "$name: $(($(wc -l <said) - 1)) users, each by its user id"
    # shellcheck disable=SC2016
    like "$(jq -rs length out)" '^[1-9]' "$name: some"
done

# Records and live events, put into tables and sections.
python3 - "$packets" >wanted <<'END'
import re, struct, sys

def clock(t):
    if t >= 1 << 31:
        t -= 1 << 32
    t, s = divmod(t, 60); t, mi = divmod(t, 60); t, h = divmod(t, 24)
    t, d = divmod(t, 31); y, mo = divmod(t, 12)
    return "%04d-%02d-%02dT%02d:%02d:%02d" % (2000 + y, mo + 1, d + 1, h, mi, s)

def lines(name, word):
    with open("%s/%s.hex" % (sys.argv[1], name), encoding="ascii") as f:
        return [bytes.fromhex(re.split(r"\s", l)[1]) for l in f if l.startswith(word + " ")]

def table(name, records, show):
    with open(name, "wb") as f:
        body = b"".join(records)
        f.write(struct.pack("<I", len(body)) + body)
    for r in records:
        print(name, show(r))

tail = lines("issue_captures", "UDP16")[0][12:]         # behind the end of a record
table("16", [tail[n:n + 16] for n in range(0, len(tail) - 15, 16)],
      lambda r: "%s %d" % (clock(struct.unpack("<I", r[4:8])[0]), struct.unpack("<I", r[:4])[0]))
table("8-flags", lines("issue_captures", "REC8B"),
      lambda r: "%s %d" % (clock(struct.unpack("<I", r[4:])[0]), struct.unpack("<H", r[:2])[0]))
table("40", [r for r in lines("adrobinoga_doc_frames", "RECORD") if len(r) == 40],
      lambda r: "%s %s" % (clock(struct.unpack("<I", r[27:31])[0]), r[2:26].split(b"\0")[0].decode()))
events = lines("issue_captures", "EVENT")
events += [f[16:] for f in lines("adrobinoga_doc_frames", "FRAME") if f[8:10] == b"\xf4\1" and len(f) > 30]
with open("live", "wb") as f:
    for e in events:
        f.write(b"ZKEV" + struct.pack("<I", len(e)) + e)
        t = e[26:32]
        print("live", "20%02d-%02d-%02dT%02d:%02d:%02d %s" % (*t, e[:24].split(b"\0")[0].decode()))
part = lines("issue_captures", "PART")[0][16:]          # the first record, cut off
print("# cut", part[6:].split(b"\0")[0].decode(), file=sys.stderr)
END
for table in 16 8-flags 40 live; do
    ts-read -d D $table 2>/dev/null | jq -r '.local_time + " " + .person_id' >out
    is "$(<out)" "$(sed -n "s/^$table //p" wanted)" "$table: $(wc -l <out) records of a real device"
done
# What a K40 handed over in place of its log.
python3 - "$packets" >garbage <<'END'
import sys
for line in open(sys.argv[1] + "/issue_captures.hex"):
    if line.startswith("R 5050827d84000000dd05"):
        sys.stdout.buffer.write(bytes.fromhex(line[2:])[16:])
END
is "$(ts-read -f zk-records -d D garbage 2>/dev/null | jq -r .error)" "no attendance table" \
    "other memory in place of a log is none"
# All of it, by digests.
mkdir -p made/zk/packets
cp 16 8-flags 40 live garbage made/zk/packets
is "$(perl "$ROOT/tests/support/corpus.pl" "$ROOT/tests/golden/corpus.tsv" made)" \
    "$(printf 'ok zk/packets/%s\n' 16 8-flags 40 garbage live)" "every field of every event"
done_testing
