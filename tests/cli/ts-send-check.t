#!/bin/bash
# SPDX-License-Identifier: MIT
# ts-send --check: each thing that can be wrong on the way to a receiver is found, named, and says what
# to do; nothing is sent that could change anything. nginx has the certificates, a small server
# (tests/sim/check.py) the odd replies, tests/sim/hrms the receivers.
# shellcheck source=tests/support/tap.sh
. "$(dirname "$0")/../support/tap.sh"
command -v ts-send >/dev/null || skip_all "ts-send is not built"
PATH=$PATH:/usr/sbin
for p in python3 openssl nginx curl; do
    command -v $p >/dev/null || skip_all "needs $p"
done
cd "$T" || exit 1
umask 077

# check ARGUMENTS...: what it says to "out", its status to $rc
check() {
    timeout 60 ts-send --check "$@" >out 2>err
    rc=$?
}
# said LEVEL STEP REGEX NAME: there is such a line, and the status is $rc of the test
said() {
    local line
    line=$(grep -E "^$1 +$2 " out)
    like "$line" "$3" "$4"
    [[ $line =~ $3 ]] || sed 's/^/#  | /' out err
}
steps() {
    awk '{ printf "%s%s %s", s, $1, $2; s = ", " }' out
}

# --- certificates

days_on() { date -u -d "@$(($(date +%s) + $1 * 86400))" +%y%m%d%H%M%SZ; }
mkdir ca.new
: >ca.index
cat >ca.conf <<END
[ca]
default_ca = d
[d]
new_certs_dir = $T/ca.new
database = $T/ca.index
rand_serial = yes
default_md = sha256
policy = p
copy_extensions = copy
[p]
commonName = supplied
END
new_key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
# certificate NAME FROM-DAY TO-DAY NAMES: signed by our authority
certificate() {
    new_key "$1"
    openssl req -new -key "$1.key" -subj "/CN=$1.example" -addext "subjectAltName=$4" -out "$1.csr"
    openssl ca -batch -config ca.conf -cert ca.crt -keyfile ca.key -in "$1.csr" -notext -out "$1.crt" \
        -startdate "$(days_on "$2")" -enddate "$(days_on "$3")"
}
{
    new_key ca
    openssl req -x509 -key ca.key -subj $'/O=Test Authority\e[31m/CN=Root' -days 90 -out ca.crt
    certificate good -1 60 "DNS:localhost,IP:127.0.0.1"
    certificate soon -1 10 "DNS:localhost"
    certificate expired -30 -2 "DNS:localhost"
    certificate early 3 60 "DNS:localhost"
    certificate other -1 60 "DNS:a.example,DNS:b.example"
    new_key own
    openssl req -x509 -key own.key -subj "/CN=own" -addext "subjectAltName=DNS:localhost" -days 60 -out own.crt
} >certs.log 2>&1 || { sed 's/^/# /' certs.log; skip_all "openssl makes no certificates"; }

# --- nginx

declare -A port
servers=
for name in good soon expired early other own; do
    port[$name]=$(port_free)
    servers+="server { listen 127.0.0.1:${port[$name]} ssl; ssl_certificate $T/$name.crt;
        ssl_certificate_key $T/$name.key;
        location / { return 204; }
        location /locked { if (\$http_authorization != 'Bearer right') { return 401; } return 204; } }
"
done
port[plain]=$(port_free)
servers+="server { listen 127.0.0.1:${port[plain]};
    location / { if (\$request_method = OPTIONS) { return 405; } return 200; }
    location /gone { return 404; }
    location /moved { return 301 https://elsewhere.example/x?token=geheim; }
    location /down { return 503; }
    location /forbidden { return 403; } }
"
cat >nginx.conf <<END
daemon off; master_process off; pid $T/nginx.pid; error_log $T/nginx.log;
events {}
http { access_log $T/access.log; client_body_temp_path $T/n1; proxy_temp_path $T/n2;
    fastcgi_temp_path $T/n3; uwsgi_temp_path $T/n4; scgi_temp_path $T/n5;
$servers }
END
spawn nginx -p "$T" -c "$T/nginx.conf" 2>nginx.err
wait_for 20 port_open "${port[plain]}" || { sed 's/^/# /' nginx.err nginx.log; skip_all "nginx does not start"; }
https() { echo "https://localhost:${port[$1]}/${2:-}"; }
http() { echo "http://127.0.0.1:${port[plain]}/${1:-}"; }

check --cacert ca.crt "$(https good)"
is "$rc: $(steps)" "0: ok secrets, ok dns, ok connection, ok tls, ok clock, ok receiver" "all well: a line for each step"
said ok dns 'localhost is 127\.0\.0\.1' "the address of the name"
said ok tls 'until 20..-..-.. \((59|60) days\); issued by O = Test Authority\\(x1b|1B)\[31m' \
    "until when the certificate is good, and who issued it, escaped"
said ok receiver '204 No Content to OPTIONS; no event was sent, so it is not proven' "what is proven and what is not"
check --cacert ca.crt "$(https soon)"
said warning tls 'ends on 20..-..-.. \((9|10) days\): have it renewed' "a certificate that ends soon"
is "$rc" "0" "… is a warning"
check --cacert ca.crt "$(https expired)"
said failed tls 'ended on 20..-..-.. \((2|3) days ago\): whoever runs the receiver must renew it' "an expired certificate"
is "$rc $(wc -l <out)" "69 4" "… stops there"
check --cacert ca.crt "$(https early)"
said failed tls 'begins on 20..-..-.. \((2|3) days\): is the clock of this machine right' "a certificate of tomorrow"
check --cacert ca.crt "$(https other)"
said failed tls 'is not for localhost, but for a\.example, b\.example' "the name of another host"
is "$rc" "78" "… has to be set up"
check "$(https own)"
said failed tls 'self-signed \(CN = own\).*--cacert' "a self-signed certificate"
is "$rc" "78" "… has to be set up"
check --cacert own.crt "$(https own)"
is "$rc: $(grep -c '^ok' out)" "0: 6" "… and with --cacert is as good as any"
check "$(https good)"
said failed tls 'does not know who issued the certificate \(O = Test Authority.*--cacert' "an unknown authority"
check --insecure "$(https own)"
said warning tls 'not checked \(--insecure\)' "--insecure is said each time"
check "https://127.0.0.1:${port[plain]}/"
said failed tls 'is this the port for https.*\(' "a port without TLS"
is "$rc" "78" "… is a wrong URL"
check "http://127.0.0.1:${port[good]}/"
said failed receiver 'wants TLS: the URL begins with https' "http on the port of https"
is "$rc" "78" "… is a wrong URL"

# --- names, ports, statuses

check "http://no-such-host.invalid/"
said failed dns 'no-such-host\.invalid: (no such name|no name server answers)' "an unknown host"
is "$rc $(wc -l <out)" "69 2" "… and nothing after it"
check "http://127.0.0.1:$(port_free)/"
said failed connection 'Connection refused: nobody listens there' "a dead port"
is "$rc" "69" "… is not available"
check "$(http)"
said ok receiver '405 Method Not Allowed.*not proven' "a receiver that knows no OPTIONS: nothing is proven"
check "$(http gone)"
said warning receiver '404 Not Found to OPTIONS.*check the path' "no such path"
check "$(http forbidden)"
said warning receiver '403 Forbidden: either the credentials' "403: two reasons"
check "$(http moved)"
said failed receiver 'https://elsewhere\.example/x, and redirects are not followed' "a redirect is not followed"
is "$rc $(grep -c geheim out)" "78 0" "… and its query is not repeated"
check "$(http down)"
said failed receiver '503 Service Unavailable' "an outage"
is "$rc" "69" "… is not available"
printf right >right
printf wrong >wrong
check --cacert ca.crt --token-file right "$(https good locked)"
is "$rc" "0" "the right token"
said ok secrets 'right: readable, and closed to others' "… from a file that is closed to others"
check --cacert ca.crt --token-file wrong "$(https good locked)"
said failed receiver '401 Unauthorized: the credentials are refused' "a wrong token"
is "$rc" "78" "… has to be renewed"
check --cacert ca.crt "$(https good locked)"
said failed receiver 'it wants credentials: give --token-file' "no token where one is wanted"
chmod 644 right
check --cacert ca.crt --token-file right "$(https good locked)"
said failed secrets 'right: holds a secret but others may read it: chmod 600 it' "a token that others may read"
is "$rc: $(steps)" "77: failed secrets, ok dns, ok connection, ok tls" "… is not sent, but the way is looked at"
check --cacert ca.crt --token-file none "$(https good locked)"
said failed secrets 'none: cannot open' "a token that is not there"
is "$rc" "66" "… is missing"
is "$(grep -cE '"(POST|PUT|PATCH|DELETE)' access.log)" "0" "nothing but OPTIONS ever came to nginx"

# --- a server of our own: clocks, silence, hostile headers

: >odd.port
spawn python3 -B "$ROOT/tests/sim/check.py" >odd.port
wait_for 20 test -s odd.port
odd() { echo "http://127.0.0.1:$(cat odd.port)/$1"; }
check "$(odd clock/-3600)"
said failed clock 'this machine is (3599|3600) s ahead of the receiver.*people are paid' "a clock that is an hour behind ours"
is "$rc" "78" "… has to be set"
check "$(odd clock/60)"
said warning clock 'this machine is (59|60|61) s behind the receiver.*NTP' "a clock a minute ahead of ours: a warning"
is "$rc" "0" "… and no more"
check "$(odd clock/10)"
said ok clock 'agree' "ten seconds are fine"
check "$(odd clock/none)"
said warning clock 'no Date' "a receiver without a clock"
start=$SECONDS
check --timeout 1s "$(odd silence)"
said failed receiver 'no answer \(Timeout' "a receiver that never answers"
check --connect-timeout 1s "https://127.0.0.1:$(cat odd.port)/"
said failed tls 'in time|no TLS' "a port that says nothing to TLS"
ok $((SECONDS - start > 20)) "each step has its deadline"
check "$(odd allow)"
said warning receiver 'takes no POST there' "a path that takes no POST, as its Allow says"
check "$(odd garbage)"
said failed receiver 'no answer' "what is no HTTP"
is "$rc" "69" "… is no receiver"
check --token-file wrong "$(odd hostile)"
is "$(LC_ALL=C grep -c '[^ -~]' out) $(grep -c wrong: out) $(grep -c '/\*\*\*' out)" "0 1 1" \
    "what a hostile reply says is escaped, and a secret that it repeats is masked"

# --- profiles

receiver() { # NAME: a simulator; $url
    : >"$1.port"
    spawn python3 -B "$ROOT/tests/sim/hrms/$1.py" >"$1.port"
    wait_for 20 test -s "$1.port"
    url=http://127.0.0.1:$(cat "$1.port")
}
printf 'key:secret' >frappe.key
printf 'apikey' >odoo.key
printf 'access-0' >orangehrm.key
printf 'token' >icehrm.key
for p in frappe:frappe-hr odoo:odoo orangehrm:orangehrm icehrm:icehrm; do
    sim=${p%:*} profile=${p#*:}
    receiver "$sim"
    [ "$profile" = icehrm ] && url=$url/api
    check -p "$profile" --token-file "$sim.key" -o zone=Asia/Tashkent "$url"
    [ "$profile" = odoo ] && check -p "$profile" --token-file "$sim.key" "$url"
    is "$rc: $(steps)" "0: ok secrets, ok dns, ok connection, ok tls, ok clock, ok receiver" "$profile: all well"
    options=(-o zone=Asia/Tashkent)
    [ "$profile" = odoo ] && options=()
    check -p "$profile" --token-file wrong "${options[@]}" "$url"
    is "$rc $(grep -c '^failed *receiver' out)" "78 1" "$profile: a wrong key is refused"
    is "$(curl -sS "${url%/api}/_ledger" | python3 -c 'import json, sys; print(len(json.load(sys.stdin)["rows"]))')" "0" \
        "$profile: nothing was written"
    case $profile in
    frappe-hr)
        check -p frappe-hr --token-file frappe.key -o zone=Asia/Manila "$url"
        said failed receiver "zone is not the one of -o zone" "frappe-hr: the receiver's zone is another one"
        ;;
    odoo)
        check -p odoo --token-file odoo.key -o api=jsonrpc -o db=prod -o user=bridge "$url"
        said ok login "logs us in" "odoo: a login is a step of its own"
        ;;
    esac
done
check -p tryton --secret password=wrong -o user=bridge "$url/hr"
is "$rc: $(tail -n 1 out | awk '{ print $1, $2 }')" "78: failed login" "tryton: what is no Tryton is told at the login"
check -p keka --token-file wrong "$url"
said warning receiver 'keka has no question that changes nothing: neither the path nor the credentials' \
    "a profile without a harmless question says so"
check -p keka "$url"
said failed secrets 'keka needs --secret token=FILE' "a secret that is missing"

# --- files

mkdir out.d
check "file://$T/out.d/%Y-%m-%d.csv"
is "$rc: $(steps) $(find out.d -type f | wc -l)" "0: ok folder, ok space 0" "a folder for files: nothing is made in it"
check "file://$T/nowhere/%Y.csv"
said failed folder 'cannot open the folder' "no such folder"
is "$rc" "73" "… cannot be written"

done_testing
