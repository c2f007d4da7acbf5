# SPDX-License-Identifier: MIT
# Zoho People, attendance bulk import: raw punches as JSON in a form.  Ten requests a minute, else
# it is locked for five; errors also come inside a 200.

def about: {
    title: "Zoho People, attendance bulk import",
    url: "https://www.zoho.com/people/api/attendance-bulkimport.html",
    notes: (
        "URL: https://people.zoho.com, or that of your region. The token lasts an hour: "
        + "--oauth FILE gets it, with token_url https://accounts.zoho.com/oauth/v2/token (or "
        + "of your region), client_id, client_secret and refresh_token. Times are the wall "
        + "clock of the site. The form of the summary is not published: a 2xx with JSON and no "
        + "error in it counts as delivered; an array with an error is halved until the refused "
        + "one stands alone. An error that names the employee holds the event.")
};

def defaults: {
    batch: 100, connections: 1, rate: "9/m", arrays: "atomic",
    options: {
        zone: {help: "zone of the site, Area/City (the device's own wall clock)"},
        person: {default: "empId", help: (
            "what the number of the person is: empId, or emailId or mapId where your account "
            + "takes them")},
        location: {help: "location of every entry"},
        building: {help: "building of every entry"}
    },
    secrets: {token: {required: true, help: "access token; --oauth gets and renews it"}}
};

def request:
    unfit(needs_passage // needs_time // needs_person // needs_direction)
    // (.option as $o | {
        method: "POST", path: "/people/api/attendance/bulkImport",
        headers: {authorization: ("Zoho-oauthtoken " + .secret.token)},
        form: {
            data: ([.events[] | {
                ($o.person): person,
                (if .direction == "in" then "checkIn" else "checkOut" end): .site
            } + (if $o.location then {location: $o.location} else {} end)
              + (if $o.building then {building: $o.building} else {} end)] | tojson),
            dateFormat: "yyyy-MM-dd HH:mm:ss"
        }
    });

# Every member of the reply that stands for an error, as text.
def errors: [.body | .. | objects
    | (.errors, .error, .errorDates)
        | select(. != null and . != [] and . != {} and . != "" and . != false) | tojson];
def fails:
    [.body | .. | objects | .status | select(. == 1 or . == "failure" or . == "error")] != [];

def verdict:
    (.body | tojson) as $all
    | if (.status == 401 or ($all | test("INVALID_OAUTHTOKEN|OAUTH_SCOPE_MISMATCH|INVALID_TICKET")))
        and (is_page | not) then
        stop("auth"; "Zoho does not take the access token")
    elif .status == 429 then
        {outcome: "retry", cause: "busy", wait_s: 300,
        reason: "more than ten requests in a minute: locked for five"}
    elif ok | not then otherwise
    elif .body == null or (.body | type | . != "object" and . != "array") then unreadable
    else errors as $errors
    | if $errors == [] and (fails | not) then "delivered"
    elif (.events | length) > 1 then "split"
    elif $errors | any(.[]; test("emp|mapId|user"; "i")) then
        held("Zoho does not know the number of the person")
    else rejected("Zoho reports an error for it") end end;
