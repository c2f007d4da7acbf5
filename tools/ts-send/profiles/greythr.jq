# SPDX-License-Identifier: MIT
# greytHR: swipes as lines of text in a form, signed as a whole (RSA-SHA1, PKCS#1 v1.5, base64).
#
#     2026-03-02T08:01:17.000+05:30,EMP1042,gate-1,1          1 in, 0 out; lines are joined by CRLF

def about: {
    title: "greytHR, attendance swipes",
    url: "https://admin-help.greythr.com/admin/answers/142773372",
    notes: (
        "URL: https://DOMAIN.greythr.com. The private key of the API details page is "
        + "--secret key=FILE. There is no harmless request, so --check proves the address "
        + "only. What a wrong signature is answered with is not published, nor whether one bad "
        + "line refuses all: a refused request is halved. The body of a 200 says nothing.")
};

def defaults: {
    batch: 200, connections: 1, arrays: "atomic",
    options: {
        id: {required: true, help: "API id"},
        door: {help: "door of every swipe (device_id)"},
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"}
    },
    secrets: {key: {required: true, sign: "rsa", help: "private key, PEM"}}
};

# A comma or a line break in a field would make another swipe of it.
def cell: tostring | gsub("[,\\x00-\\x1f\\x7f]"; " ");
def needs_code: if person | test("[,\\x00-\\x1f\\x7f]") then
    held("a comma in the number of the person: give another in the roster") else null end;

def line($o): [
    (.site | sub(" "; "T")) + "." + millis + .site_offset, person,
    ($o.door // .device_id // "" | cell),
    (if .direction == "in" then "1" else "0" end)] | join(",");

def request:
    unfit(needs_passage // needs_time // needs_offset // needs_person // needs_code
        // needs_direction)
    // (.option as $o | ([.events[] | line($o)] | join("\r\n")) as $swipes | {
        method: "POST", path: "/v2/attendance/asca/swipes",
        headers: {"X-Requested-With": "XMLHttpRequest"},
        form: {id: $o.id, swipes: $swipes},
        sign: {alg: "rsa-sha1", key: "key", text: $swipes, encode: "base64", field: "sign"}
    });

def verdict:
    if is_page then (if ok then unreadable else otherwise end)
    elif .status == 200 then "delivered"
    elif .status == 401 or .status == 403 then
        stop("auth"; "greytHR does not take the API id or the signature")
    elif .status == 400 then
        if (.events | length) > 1 then "split"
            else rejected("greytHR does not take the swipe, or the signature is wrong") end
    elif ok then unreadable
    else otherwise end;
