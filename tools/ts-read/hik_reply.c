/* SPDX-License-Identifier: MIT */
/* Answers are small documents: each is read whole, looked at, and let go of. */
#include "hik_reply.h"

#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "json.h"

#define PAGE_RECORDS 30 /* what most terminals give at most; more is cut silently */

struct slice hik_short_serial(struct slice s)
{
    size_t n = s.n, digits = 0;

    while (n > 0 && isupper((unsigned char)s.p[n - 1])) /* recorders have letters behind it */
        n--;
    if (s.n < 10 || n < 9)
        return s;
    while (digits < n && isdigit((unsigned char)s.p[n - 1 - digits]))
        digits++;
    return digits >= 7 ? (struct slice){s.p + n - 9, 9} : s;
}

static void copy(char *out, size_t room, struct slice text)
{
    snprintf(out, room, "%.*s", (int)(text.n < room ? text.n : room - 1), text.p ? text.p : "");
}

static yyjson_doc *read_document(struct slice text)
{
    char room[FIELDS_ERROR_BYTES];
    const char *error;

    while (text.n > 0 && strchr(" \t\r\n", *text.p) && *text.p)
        text.p++, text.n--;
    return text.n > 0 ? fields_read(text, room, &error) : NULL;
}

/* XML has a root around everything, JSON often not. */
static yyjson_val *inside(yyjson_doc *doc, const char *name)
{
    yyjson_val *root = yyjson_doc_get_root(doc), *inner = field_object(root, name);

    return inner ? inner : root;
}

/* ---- records ---- */

static void read_place(yyjson_val *record, struct slice time, struct log_place *out)
{
    int64_t serial = field_number(record, "serialNo");

    log_place_set(out, serial == 0 ? -1 : serial, time);
}

bool hik_is_heartbeat(yyjson_val *v)
{
    struct slice type = field_text(v, "eventType");
    bool inactive = slice_is(field_text(v, "eventState"), "inactive");

    return (type.n == 9 && strncasecmp(type.p, "heartbeat", 9) == 0) ||
           (inactive && (slice_is(type, "videoloss") || field_number(v, "activePostCount") == 0));
}

static void read_notice(yyjson_val *v, struct hik_notice *out)
{
    yyjson_val *event = field_object(v, "AccessControllerEvent");
    struct slice time = field_text(v, "dateTime");

    if (!event) {
        out->heartbeat = hik_is_heartbeat(v);
        return;
    }
    out->event = true;
    read_place(event, time.p ? time : field_text(event, "time"), &out->place);
    out->live = field_bool(event, "currentEvent") == 1;
    out->history = field_bool(event, "currentEvent") == 0;
    out->front = field_number(event, "frontSerialNo");
    if (out->front < 0)
        out->front = field_number(event, "fronSerialNo"); /* so some write it */
}

void hik_notice_read(struct slice text, struct hik_notice *out)
{
    yyjson_doc *doc = read_document(text);

    *out = (struct hik_notice){.place.serial = -1, .front = -1};
    read_notice(inside(doc, "EventNotificationAlert"), out);
    yyjson_doc_free(doc);
}

/* ---- answers ---- */

bool hik_info_read(struct slice text, struct hik_info *out)
{
    yyjson_doc *doc = read_document(text);
    yyjson_val *v = inside(doc, "DeviceInfo");
    struct slice serial = field_text(v, "serialNumber"), mac;
    char room[MAC_BYTES];

    if (!serial.p)
        serial = field_text(v, "subSerialNumber");
    mac = mac_read(field_text(v, "macAddress"), room);
    copy(out->serial, sizeof out->serial, hik_short_serial(serial));
    copy(out->mac, sizeof out->mac, mac);
    yyjson_doc_free(doc);
    return *out->serial || *out->mac;
}

/* "CST-8:00:00" is east of Greenwich, as POSIX has it: its offset is +08:00. */
static bool read_zone(struct slice zone, char offset[8])
{
    unsigned hours = 0, minutes = 0, digits = 0;
    size_t i = 0;
    char sign;

    while (i < zone.n && isalpha((unsigned char)zone.p[i]))
        i++;
    if (i == 0 || i == zone.n)
        return false;
    sign = zone.p[i] == '-' ? '+' : '-';
    i += zone.p[i] == '-' || zone.p[i] == '+';
    for (; i < zone.n && isdigit((unsigned char)zone.p[i]) && digits < 3; i++, digits++)
        hours = hours * 10 + (unsigned)(zone.p[i] - '0');
    if (i + 2 < zone.n && zone.p[i] == ':' && isdigit((unsigned char)zone.p[i + 1]) &&
        isdigit((unsigned char)zone.p[i + 2]))
        minutes = (unsigned)(zone.p[i + 1] - '0') * 10 + (unsigned)(zone.p[i + 2] - '0');
    if (digits == 0 || hours > 14 || minutes > 59)
        return false;
    snprintf(offset, 8, "%c%02u:%02u", sign, hours, minutes);
    return true;
}

bool hik_clock_read(struct slice text, struct log_place *out, char offset[8])
{
    yyjson_doc *doc = read_document(text);
    yyjson_val *v = inside(doc, "Time");
    struct slice local = field_text(v, "localTime");
    char whole[CLOCK_TEXT];
    struct wall wall;
    bool good = local.p && wall_read(&wall, local);

    if (good && wall.offset.n > 0 && wall.offset.n < 8)
        copy(offset, 8, wall.offset);
    else
        good = good && read_zone(field_text(v, "timeZone"), offset);
    if (good) {
        snprintf(whole, sizeof whole, "%.*s%s", (int)wall.local_bytes, wall.local, offset);
        log_place_set(out, -1, slice_of(whole));
    }
    yyjson_doc_free(doc);
    return good;
}

struct page_reader {
    struct hik_page *page;
    bool (*want)(void *arg, const struct log_place *place);
    void *arg;
};

static void take_record(struct page_reader *r, yyjson_val *record)
{
    static const char *const nothing_hidden[] = {NULL};
    struct log_place place;

    if (!yyjson_is_obj(record))
        return;
    r->page->count++;
    read_place(record, field_text(record, "time"), &place);
    if (!r->want(r->arg, &place))
        return;
    buf_text(&r->page->kept, r->page->kept.len ? "," : "{\"AcsEvent\":{\"InfoList\":[");
    fields_print(&r->page->kept, record, nothing_hidden);
}

/* A list; {"AcsEventInfo":[…]}; a single record; and from XML a member for each. */
static void take_list(struct page_reader *r, yyjson_val *list)
{
    yyjson_val *key, *v;
    size_t i, n;

    if (yyjson_is_arr(list)) {
        yyjson_arr_foreach(list, i, n, v)
        {
            take_record(r, v);
        }
    } else if (yyjson_obj_get(list, "time")) {
        take_record(r, list);
    } else if (yyjson_is_obj(list)) {
        yyjson_obj_foreach(list, i, n, key, v)
        {
            if (yyjson_is_arr(v))
                take_list(r, v);
            else
                take_record(r, v);
        }
    }
}

void hik_page_read(struct slice text, struct hik_page *page,
    bool (*want)(void *arg, const struct log_place *place), void *arg)
{
    struct page_reader r = {page, want, arg};
    yyjson_doc *doc = read_document(text);
    yyjson_val *v = field_object(yyjson_doc_get_root(doc), "AcsEvent");
    struct slice status = field_text(v, "responseStatusStrg");

    page->kept.len = 0;
    page->count = 0;
    page->more = !v ? HIK_BAD : slice_is(status, "MORE") ? HIK_MORE : HIK_LAST;
    page->total = field_number(v, "totalMatches");
    take_list(&r, yyjson_obj_get(v, "InfoList"));
    if (page->kept.len > 0)
        buf_lit(&page->kept, "]}}\n");
    yyjson_doc_free(doc);
}

bool hik_words_read(struct slice text, char *out, size_t room)
{
    yyjson_doc *doc = read_document(text);
    yyjson_val *v = inside(doc, "ResponseStatus");
    struct slice status = field_text(v, "statusString"), sub = field_text(v, "subStatusCode");

    snprintf(out, room, "%.*s%s%.*s%s", (int)(status.n < 64 ? status.n : 64),
        status.p ? status.p : "", sub.p ? " (" : "", (int)(sub.n < 64 ? sub.n : 64),
        sub.p ? sub.p : "", sub.p ? ")" : "");
    yyjson_doc_free(doc);
    return *out != '\0';
}

bool hik_refusal_read(struct slice text, char *out, size_t room)
{
    yyjson_doc *doc = read_document(text);
    yyjson_val *v = inside(doc, "userCheck");
    bool locked = slice_is(field_text(v, "lockStatus"), "lock");
    int64_t unlock_s = field_number(v, "unlockTime"), tries = field_number(v, "retryLoginTime");

    yyjson_doc_free(doc);
    if (locked && unlock_s >= 0)
        snprintf(out, room, "the account is locked for %" PRId64 " s: too many wrong passwords",
            unlock_s);
    else if (locked)
        snprintf(out, room, "the account is locked: too many wrong passwords");
    else if (tries >= 0)
        snprintf(out, room,
            "refuses the user or the password (%" PRId64 " tries are left before it locks the "
            "account)",
            tries);
    return locked || tries >= 0;
}

/* ---- requests ---- */

void hik_search_print(struct buf *out, const struct hik_search *search)
{
    buf_lit(out, "{\"AcsEventCond\":{\"searchID\":");
    json_str(out, slice_of(search->id));
    buf_printf(out,
        ",\"searchResultPosition\":%llu,\"maxResults\":%d,\"major\":0,\"minor\":0,"
        "\"startTime\":\"%s\",\"endTime\":\"%s\",\"picEnable\":false",
        (unsigned long long)search->position, PAGE_RECORDS, search->from, search->to);
    if (search->first >= 0)
        buf_printf(out, ",\"beginSerialNo\":%lld,\"endSerialNo\":%lld", (long long)search->first,
            (long long)search->last);
    buf_lit(out, "}}");
}
