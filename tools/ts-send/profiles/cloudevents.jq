# SPDX-License-Identifier: MIT
# CloudEvents 1.0 over HTTP.  The id is the event's own, the source is the device: both are the same
# on every path, so a consumer may drop a repeat.  Attributes are seen by everything on the way, so
# no person is among them.

def about: {
    title: "CloudEvents 1.0 over HTTP (structured, binary, batch)",
    url: ("https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/"
        + "http-protocol-binding.md"),
    notes: (
        "-o mode=batch only where the receiver asked for it: then -b says how many go "
        + "together. 202 counts as delivered. 410 stops: the receiver wants no more.")
};

def defaults: {
    batch: 1, arrays: "atomic",
    accept: ["application/json", "application/problem+json"],
    options: {
        mode: {default: "structured", help: "structured, binary or batch"},
        type: {default: "turnstile.access.v1",
            help: "type; begin it with your own domain, reversed"},
        source: {default: "/turnstile", help: "source is this, then /device/ and the device"},
        origin: {default: "turnstile.invalid", help: "WebHook-Request-Origin of --check"}
    },
    secrets: {token: {help: "bearer token"}}
};

# The event as plain posts it.
def data: del(.key, .utc, .unix, .site, .site_offset, .attempts, .ambiguous);

# Optional attributes are left out, never empty.
def attributes($o):
    {specversion: "1.0", id: .key, type: $o.type,
     source: ($o.source + "/device/" + (.device_id // "unknown" | uri))}
    + (if has_time and .time then {time} else {} end)
    + {datacontenttype: "application/json"}
    + (if .device_id then {partitionkey: (.device_id | tostring)} else {} end)
    + (if (.serial_no | type) == "number" then
        {sequence: (("0" * 20 + (.serial_no | tostring))[-20:])} else {} end)
    + (if .received_at then {recordedtime: .received_at} else {} end);

# In a header: visible ASCII stays, but for double quote and percent.
def field: explode
    | map([.] | implode | if test("^[!#$&-~]$") then . else @uri end) | join("");

def structured($o): attributes($o) + {data: data};

def binary($o): .events[0] | attributes($o) as $a | {
    json: data,
    headers: ({"content-type": $a.datacontenttype} + ($a | del(.datacontenttype)
        | with_entries({key: "ce-\(.key)", value: (.value | field)})))
};
def media($type): {headers: {"content-type": "application/\($type)+json; charset=utf-8"}};


def request:
    .option as $o | bearer as $bearer
    | if $o.mode != "batch" and (.events | length) > 1 then "split"
      else unfit(needs_id) // (
        if $o.mode == "batch" then
            {json: [.events[] | structured($o)]} + media("cloudevents-batch")
        elif $o.mode == "binary" then binary($o)
        else
            {json: (.events[0] | structured($o))} + media("cloudevents")
        end
        | {method: "POST", path: ""} + . + {headers: ($bearer + .headers)})
      end;

def check: {
    method: "OPTIONS", path: "",
    headers: (bearer + {"WebHook-Request-Origin": .option.origin})
};

def verdict:
    if .events == [] and (.status == 404 or .status == 405 or .status == 501) then
        {outcome: "delivered", reason: "it answers, but knows no handshake"}
    elif ok then (if is_page then unreadable else "delivered" end)
    elif .status == 410 then stop("refuses"; "the receiver wants no more events")
    elif .status == 415 then
        stop("config"; "the receiver does not take this form: try another -o mode")
    elif .status == 409 and (is_page | not) then null
    else otherwise end;
