# shellcheck shell=bash
# Runs the examples of a document as they are written; source it after tap.sh and ledger.sh.
#
# An example is a block of shell commands: `.Bd -literal -offset indent` in the sections EXAMPLES,
# PIPELINES and CORRECTIONS of a manual page, a fence of ```sh in Markdown. The blocks of a document run in
# their order, each as one bash script with pipefail, in one folder with the files of share/demo.
#
# What a reader would change is changed mechanically, and nothing else:
#   https://hrms.example, http://localhost:9981   a receiver that takes everything
#   port 8080, port 7000                          free ports
#   zk://10.1.0.7, hikvision://10.1.0.8           simulated terminals: EXAMPLES_PASSAGES of known people
#   /etc/turnstile/                               a folder with hrms.token in it
#   /mnt/usb/, /var/spool/turnstile/              the folder itself
#
# A block with a listener (-l) or a follower (-F) is live: it goes on while the blocks after it
# run, gets SIGINT as from a terminal at the end, and must then end with status 0. Each command of
# any other block must end with 0; or with 65 or 75, because the log of share/demo has rows that
# nobody understands and people whom the roster does not know. A block with `| head` runs without
# pipefail: head leaves early.

# shellcheck disable=SC2154 # T, ROOT, url: tap.sh and ledger.sh set them

# man_examples PAGE FOLDER, md_examples FILE FOLDER: the blocks, as FOLDER/01, 02, …
man_examples() {
    awk -v folder="$2" '
        /^\.Sh / { wanted = /^.Sh (EXAMPLES|PIPELINES|CORRECTIONS)$/ }
        /^\.Ed/ && block != "" { close(block); block = "" }
        block != "" {
            gsub(/\\e/, "\\"); gsub(/\\&/, ""); gsub(/\\-/, "-"); gsub(/\\\(aq/, "\047")
            print > block
        }
        wanted && $0 == ".Bd -literal -offset indent" { block = sprintf("%s/%02d", folder, ++n) }
    ' "$1"
}

md_examples() {
    awk -v folder="$2" '
        /^```/ && block != "" { close(block); block = ""; next }
        block != "" { print > block }
        $0 == "```sh" { block = sprintf("%s/%02d", folder, ++n) }
    ' "$1"
}

# simulated NAME OPTION...: a terminal of tests/sim; sets $port.
simulated() {
    spawn python3 "$ROOT/tests/sim/$1.py" "${@:2}" >"$site/$1.said"
    wait_for 10 grep -q '[0-9]$' "$site/$1.said"
    port=$(grep -oE '[0-9]+$' "$site/$1.said")
}

# shellcheck disable=SC2034 # for the test that compares
EXAMPLES_PASSAGES=5
terminals_start() {
    simulated zk --records 3 --users 3 --start 2026-05-12T07:00:00
    zk_port=$port
    simulated hikvision user=reader 'password=a long password' offset=+08:00 \
        now=2026-05-13T09:00:00
    hikvision_port=$port
    curl -fs "http://127.0.0.1:$port/_sim/log" --data-binary '[
        {"time": "2026-05-12T07:58:12+08:00", "employeeNoString": "104"},
        {"time": "2026-05-12T17:01:40+08:00", "employeeNoString": "104"}]' >/dev/null
}

# The folder, the receiver and the ports for one document. Sets $site (the folder).
examples_start() {
    site=$T/site.$1
    mkdir -p "$site/etc"
    cp "$ROOT"/share/demo/{1_attlog.dat,site.json,roster.csv} "$site"
    (umask 077 && echo secret >"$site/etc/hrms.token")
    receiver_start || return 1
    receiver_port=${url#http://127.0.0.1:}
    receiver_port=${receiver_port%%/*}
    http_port=$(port_free)
    tcp_port=$(port_free)
    zk_port='' hikvision_port=''
    ! grep -qE '(zk|hikvision)://10\.1\.' "$2" || terminals_start
    live=()
    examples_log=$T/log.$1
    : >"$examples_log"
}

# as_run FILE: the block with its substitutions.
as_run() {
    # shellcheck disable=SC2016 # the block's own $?
    is_live "$1" || echo 'trap '\''case $? in 65 | 75) ;; *) exit 99 ;; esac'\'' ERR'
    sed -e "s|https://hrms\.example|http://localhost:$receiver_port|g" \
        -e "s|http://localhost:9981|http://localhost:$receiver_port|g" \
        -e "s|\([:/]\)8080|\1$http_port|g; s|\([:/]\)7000|\1$tcp_port|g" \
        -e "s|zk://10\.1\.0\.7|zk://127.0.0.1:$zk_port|g" \
        -e "s|hikvision://10\.1\.0\.8|hikvision://127.0.0.1:$hikvision_port|g" \
        -e "s|/etc/turnstile/|$site/etc/|g" \
        -e "s|/mnt/usb/|$site/|g; s|/var/spool/turnstile/|$site/|g" "$1"
}

is_live() {
    grep -qE -- '(^|[[:space:]])(-l|-F)([[:space:]]|$)' "$1"
}

port_of() {
    grep -oE -- '-l (http|tcp)://:[0-9]+' "$1" | grep -oE '[0-9]+$'
}

# live_start FILE NAME: leaves the block running; returns when it listens, or has its command.
live_start() {
    local pid port name=$2
    (cd "$site" && exec setsid bash "$1.sh" </dev/null >>"$examples_log" 2>>"$1.err") &
    pid=$!
    tap_pids+=("$pid")
    live+=("$pid $name")
    port=$(port_of "$1.sh")
    if [ -n "$port" ]; then
        wait_for 10 port_open "$port"
        ok $? "$name (listens)"
    else
        wait_for 10 has_command "$pid"
        ok $? "$name (has its command)"
    fi
}

# Processes of the session in a process group of their own: the command of --into.
# shellcheck disable=SC2317 # called by wait_for, as the next one is
has_command() {
    [ "$(ps -o pgid= -s "$1" | sort -u | wc -l)" -ge 2 ]
}

# shellcheck disable=SC2317
has_ended() {
    ! ps -o stat= -p "$1" | grep -q '^[^Z]'
}

# example_run FILE NAME: runs one block and reports it as one test.
example_run() {
    local file=$1 name status pipefail=-o
    name="$2: $(head -n 1 "$file" | cut -c1-70)"
    as_run "$file" >"$file.sh"
    if is_live "$file"; then
        live_start "$file" "$name"
        return
    fi
    grep -q '| head' "$file" && pipefail=+o
    (cd "$site" && timeout 60 bash $pipefail pipefail "$file.sh" </dev/null >"$file.out" 2>"$file.err")
    status=$?
    case $status in
    0 | 65 | 75) ok 0 "$name" ;;
    *)
        ok 1 "$name"
        echo "# status $status from:"
        sed 's/^/#   /' "$file.sh"
        tail -n 5 "$file.err" | sed 's/^/# /'
        ;;
    esac
}

# Ends what is live, the newest first, as Ctrl-C in its terminal does.
examples_end() {
    local i pid name
    for ((i = ${#live[@]} - 1; i >= 0; i--)); do
        pid=${live[$i]%% *}
        name=${live[$i]#* }
        kill -INT -- "-$pid" 2>/dev/null
        wait_for 20 has_ended "$pid" || kill -KILL -- "-$pid" 2>/dev/null
        wait "$pid"
        is $? 0 "$name (ends with Ctrl-C)"
    done
    receiver_stop
}

# examples_test KIND FILE [COMMAND...]: all of it for one document (KIND is man or md); with COMMAND,
# what is live is ended only when COMMAND succeeds.
examples_test() {
    local name blocks file
    name=$(basename "$2")
    blocks=$T/blocks.$name
    mkdir -p "$blocks"
    "$1_examples" "$2" "$blocks"
    examples_start "$name" "$2" || {
        ok 1 "$name: the receiver starts"
        return
    }
    for file in "$blocks"/[0-9][0-9]; do
        [ -e "$file" ] && example_run "$file" "$name"
    done
    if [ $# -gt 2 ]; then
        wait_for 20 "${@:3}"
        ok $? "$name: ${*:3}"
    fi
    examples_end
}
