# shellcheck shell=bash
# For tests with the scriptable receiver (tests/sim/receiver.c); source it after tap.sh.
# receiver_start [OPTION...] starts one and sets $receiver (pid), $port, $url, $ledger and
# $refused;
# receiver_sum prints one number of its summary; the ledger_ functions compare lists of ids.

receiver_count=0

receiver_start() {
    receiver_count=$((receiver_count + 1))
    ledger=$T/ledger.$receiver_count
    refused=$T/refused.$receiver_count
    receiver_out=$T/receiver.$receiver_count
    spawn receiver --ledger "$ledger" --refused "$refused" "$@" >"$receiver_out"
    # shellcheck disable=SC2154 # spawn sets it
    receiver=$spawned
    wait_for 10 grep -q '^listening ' "$receiver_out" || return 1
    port=$(sed -n 's/^listening //p' "$receiver_out")
    url=http://127.0.0.1:$port/api/turnstile
}

# Ends the receiver; afterwards its ledger is complete and $receiver_out ends with the summary.
receiver_stop() {
    kill -TERM "$receiver" 2>/dev/null
    wait "$receiver" 2>/dev/null
}

# receiver_sum NAME: a number of the final summary, or of the running receiver.
receiver_sum() {
    {
        tail -n 1 "$receiver_out" | grep '^{' ||
            curl -s "${url%/api/turnstile}/summary"
    } | sed -n 's/.*"'"$1"'":\([0-9.]*\).*/\1/p'
}

# The distinct ids that a ledger says are stored, sorted.
ledger_ids() {
    cut -d ' ' -f 1 "$1" | sort -u
}

# The event_id of each line of NDJSON files, sorted, once.
event_ids() {
    sed -n 's/.*"event_id":"\([^"]*\)".*/\1/p' "$@" | sort -u
}

# How many lines of sorted FILE A are not in sorted FILE B.
only_first() {
    comm -23 "$1" "$2" | wc -l
}
