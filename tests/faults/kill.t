#!/bin/bash
# kill -9 of any program at random moments: every event arrives, and put's receipts hold.
# TS_FULL=1: 100 kills in a run of 20,000 events; TS_SEED repeats a run.
. "$(dirname "$0")/../support/tap.sh"
. "$(dirname "$0")/../support/ledger.sh"
here=$ROOT/tests/faults
events=4000 kills=15 rounds=5 many=40000
[ -n "${TS_FULL:-}" ] && events=20000 kills=100 rounds=40 many=100000
seed=${TS_SEED:-$((RANDOM * 32768 + RANDOM))}
echo "# TS_SEED=$seed"
RANDOM=$seed

python3 "$ROOT/tests/bench/gen.py" $events --persons 200 >"$T/attlog.dat" || exit 1
ts-read -d KILL1 "$T/attlog.dat" | ts-enrich -z Asia/Manila >"$T/events" || exit 1
event_ids "$T/events" >"$T/wanted"
is "$(wc -l <"$T/wanted")" $events "every row has an id of its own"

# The whole way, with the receiver slow enough that the run lasts through all kills.
split -n l/10 "$T/attlog.dat" "$T/chunk."
receiver_start --order-field local_time --fault 'slow 5'
"$here/killer.py" --kills $kills --seed "$seed" --store "$T/q.db" --url "$url" \
    --log "$T/killer.log" --chunks "$T"/chunk.* >"$T/killer.out"
is $? 0 "$kills kills later everything is settled and the drain ends with 0"
cat "$T/killer.out"
receiver_stop
ledger_ids "$ledger" >"$T/arrived"
is "$(only_first "$T/wanted" "$T/arrived")" 0 "at the receiver: every event"
is "$(receiver_sum distinct)" $events "and nothing else"
is "$(receiver_sum order_violations)" 0 "one person's events in order"
is "$(ts-spool list --waiting "$T/q.db" | wc -l)" 0 "the spool is empty"
is "$(ts-spool list --dead "$T/q.db" | wc -l)" 0 "nothing is dead"
echo "# sent again after a kill: $(receiver_sum duplicates)"

# put alone: what has a receipt is in the store, whatever the moment.
python3 "$ROOT/tests/bench/gen.py" $many | ts-read -d KILL2 -f zk-attlog - |
    ts-enrich -z Asia/Manila >"$T/many"
lost=0 seen=0 broken=0
for ((i = 0; i < rounds; i++)); do
    store=$T/put.$i.db
    : >"$T/receipts" # not those of the last round
    ts-spool put "$store" <"$T/many" >"$T/receipts" 2>/dev/null &
    put=$!
    wait_for 5 test -s "$T/receipts"
    sleep "0.$(printf %03d $((RANDOM % (many / 200))))"
    kill -9 $put 2>/dev/null
    wait $put 2>/dev/null
    # A torn last receipt is no receipt.
    grep '"stored".*}$' "$T/receipts" >"$T/whole"
    event_ids "$T/whole" >"$T/receipted"
    ts-spool list "$store" >"$T/listed" || broken=$((broken + 1))
    event_ids "$T/listed" >"$T/there"
    lost=$((lost + $(only_first "$T/receipted" "$T/there")))
    seen=$((seen + $(wc -l <"$T/receipted")))
    rm -f "$store"*
done
is "$lost" 0 "put killed $rounds times: every stored receipt is in the store ($seen)"
is "$broken" 0 "and the store opens every time"
done_testing
