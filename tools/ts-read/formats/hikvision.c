/* SPDX-License-Identifier: MIT */
/*
 * hikvision: what access terminals of Hikvision say over ISAPI, from captures and the vendor's
 * guide: a notification as JSON or XML, with or without one of the wrappers of gateways; a reply to
 * an AcsEvent search; and whole recordings of alertStream, or of a push, with their part headers.
 *
 *     {"macAddress":"a4:d5:…", "dateTime":"2025-10-22T13:43:48+08:00",   envelope: device, clock
 *      "eventType":"AccessControllerEvent",                               anything else: no passage
 *      "AccessControllerEvent":{
 *        "majorEventType":5, "subEventType":38,                           what happened: hik_code.c
 *        "employeeNoString":"001", "cardNo":"11",                         who
 *        "cardReaderNo":1, "doorNo":1,                                    where
 *        "attendanceStatus":"checkIn", "serialNo":139, "picturesNumber":1}}
 *
 *     {"AcsEvent":{"InfoList":[{"major":5,"minor":38,"time":"2025-…","serialNo":139,…}]}}
 *
 * In a search a zero and an empty string mean that there is none.  Heartbeats (videoloss that is
 * not active, heartBeat) and answers without an event in them give nothing.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fields.h"
#include "hik_code.h"
#include "hik_reply.h"
#include "word.h"

struct hikvision {
    struct recording recording;
    struct decoded out;
    struct wall wall;
    char code[48], reader[32], serial[24], mac[MAC_BYTES];
    struct buf raw, snapshot;
    struct slice device; /* of the wrapper around the events; SLICE_NONE: it has none */
    char error[FIELDS_ERROR_BYTES];
};

/* ---- items of a recording ---- */

/* Text behind a document in its part is of no use; a line elsewhere is a record nobody understands.
 */
static enum item hik_item(struct document *d, struct slice text, bool whole, bool first, size_t *n)
{
    const char *lf;

    if (strchr("{[<", *text.p) && *text.p)
        return document_end(d, text, n) ? ITEM_WHOLE : ITEM_MORE;
    lf = memchr(text.p, '\n', text.n);
    *n = lf ? (size_t)(lf - text.p) : text.n;
    while (*n > 1 && strchr(" \t\r", text.p[*n - 1]))
        --*n;
    return !lf && !whole ? ITEM_MORE : first ? ITEM_WHOLE : ITEM_SKIP;
}

/* "picturesNumber": 1, looked for in the text: the document is read later, and once. */
static unsigned hik_pictures(struct slice text)
{
    static const char key[] = "picturesNumber";
    const char *p = memmem(text.p, text.n, key, sizeof key - 1), *end = text.p + text.n;

    if (!p)
        return 0;
    for (p += sizeof key - 1; p < end && strchr("\"' \t:>", *p) && *p; p++)
        ;
    return p < end && *p >= '0' && *p <= '9' ? (unsigned)(*p - '0') : 0;
}

const struct recording_kind hikvision_items = {hik_item, hik_pictures};

/* ---- who, where, when ---- */

/* What a document says of the names of a person stays in the device. */
static const char *const hidden[] = {"name", "employeeName", "userName", "password", "netUser",
    "operatorName", "PersonInfoExtends", NULL};

static void set_device(struct hikvision *s, yyjson_val *envelope)
{
    static const char *const serials[] = {"shortSerialNumber", "serialNumber"};
    struct slice name = s->device;

    for (size_t i = 0; i < sizeof serials / sizeof *serials && !name.p; i++)
        name = field_text(envelope, serials[i]);
    if (!name.p)
        name = field_text(field_object(envelope, "Extensions"), "serialNumber");
    if (name.p) {
        draft_str(&s->out.draft, EV_DEVICE_ID, hik_short_serial(name));
        return;
    }
    s->out.device = mac_read(field_text(envelope, "macAddress"), s->mac);
    if (!s->out.device.p)
        s->out.device = field_text(envelope, "devIndex");
}

static const char *set_time(struct hikvision *s, struct slice text)
{
    struct draft *d = &s->out.draft;

    if (!text.p)
        return "no time";
    if (!wall_read(&s->wall, text))
        return "not a time";
    draft_str(d, EV_LOCAL_TIME, (struct slice){s->wall.local, s->wall.local_bytes});
    if (s->wall.offset.p)
        draft_str(d, EV_UTC_OFFSET, s->wall.offset);
    if (s->wall.unset)
        draft_str(d, EV_TIME_NOTE, SLICE("clock_unset"));
    return NULL;
}

static void set_text(struct draft *d, enum event_field field, struct slice text)
{
    if (text.p)
        draft_str(d, field, text);
}

static void set_person(struct hikvision *s, yyjson_val *event)
{
    struct slice person = field_text(event, "employeeNoString");
    struct slice card = field_text(event, "cardNo");

    if (!person.p && field_number(event, "employeeNo") != 0)
        person = field_text(event, "employeeNo");
    set_text(&s->out.draft, EV_PERSON_ID, person);
    if (!slice_is(card, "0"))
        set_text(&s->out.draft, EV_CARD_NO, card);
}

/* The reader, else the door that is no reader's. */
static void set_reader(struct hikvision *s, yyjson_val *event)
{
    static const struct {
        const char *key, *form;
    } places[] = {{"cardReaderNo", "%lld"}, {"doorNo", "door %lld"}};

    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        int64_t number = field_number(event, places[i].key);

        if (number <= 0)
            continue;
        snprintf(s->reader, sizeof s->reader, places[i].form, (long long)number);
        draft_str(&s->out.draft, EV_READER, slice_of(s->reader));
        return;
    }
}

static void set_code(struct hikvision *s, int64_t major, int64_t minor)
{
    struct draft *d = &s->out.draft;

    draft_str(d, EV_KIND, hik_code_kind(major, minor));
    if (major < 0 || minor < 0)
        return;
    snprintf(s->code, sizeof s->code, "%lld/%lld", (long long)major, (long long)minor);
    draft_str(d, EV_CODE, slice_of(s->code));
    set_text(d, EV_CREDENTIAL, hik_code_credential(major, minor));
}

static void set_punch(struct hikvision *s, yyjson_val *event)
{
    struct slice status = field_text(event, "attendanceStatus");

    if (!status.p || slice_is(status, "undefined"))
        return;
    set_text(&s->out.draft, EV_PUNCH, word_punch(status));
    if (!(s->out.draft.set & EVENT_BIT(EV_PUNCH)))
        s->out.unknown |= EVENT_BIT(EV_PUNCH);
}

/* ---- events ---- */

static void begin_event(struct hikvision *s, yyjson_val *raw)
{
    s->out = (struct decoded){0};
    s->raw.len = s->snapshot.len = 0;
    fields_print(&s->raw, raw, hidden);
    draft_json(&s->out.draft, EV_RAW, buf_all(&s->raw));
}

static void finish_event(struct hikvision *s, const char *error, const struct emitter *out)
{
    if (error) {
        s->out.error = error;
        s->out.draft.set &= EVENT_BIT(EV_RAW) | EVENT_BIT(EV_DEVICE_ID);
    }
    out->emit(out->arg, &s->out);
}

static void add_picture(struct hikvision *s, const struct emitter *out)
{
    const struct recording *r = &s->recording;

    if (!out->keep || r->pictures == 0)
        return;
    out->keep(out->arg, r->picture[0], &s->snapshot);
    draft_json(&s->out.draft, EV_SNAPSHOT, buf_all(&s->snapshot));
}

/* What both the stream and a search say of a passage. */
static void set_event(struct hikvision *s, yyjson_val *event, int64_t major, int64_t minor)
{
    int64_t serial = field_number(event, "serialNo");

    set_code(s, major, minor);
    set_person(s, event);
    set_reader(s, event);
    set_punch(s, event);
    if (serial > 0)
        draft_json(&s->out.draft, EV_SERIAL_NO,
            (struct slice){s->serial,
                (size_t)snprintf(s->serial, sizeof s->serial, "%lld", (long long)serial)});
}

/* A line of a search's reply. */
static void emit_info(struct hikvision *s, yyjson_val *info, const struct emitter *out)
{
    const char *error;

    if (!yyjson_is_obj(info))
        return;
    begin_event(s, info);
    s->out.history = true;
    set_event(s, info, field_number(info, "major"), field_number(info, "minor"));
    error = set_time(s, field_text(info, "time"));
    finish_event(s, error, out);
}

static void emit_infos(struct hikvision *s, yyjson_val *list, const struct emitter *out)
{
    yyjson_val *key, *v;
    size_t i, n;

    if (yyjson_is_arr(list)) {
        yyjson_arr_foreach(list, i, n, v)
        {
            emit_info(s, v, out);
        }
    } else if (yyjson_obj_get(list, "time")) {
        emit_info(s, list, out); /* a single one */
    } else if (yyjson_is_obj(list)) {
        /* {"AcsEventInfo":[…]}, and from XML a member for each */
        yyjson_obj_foreach(list, i, n, key, v)
        {
            if (yyjson_is_arr(v))
                emit_infos(s, v, out);
            else
                emit_info(s, v, out);
        }
    }
}

static void emit_notification(struct hikvision *s, yyjson_val *envelope, const struct emitter *out)
{
    struct slice type = field_text(envelope, "eventType"), time = field_text(envelope, "dateTime");
    yyjson_val *event = field_object(envelope, "AccessControllerEvent");
    const char *error;

    if (!event && hik_is_heartbeat(envelope))
        return;
    begin_event(s, envelope);
    set_device(s, envelope);
    if (event) {
        set_event(
            s, event, field_number(event, "majorEventType"), field_number(event, "subEventType"));
        s->out.history = field_bool(event, "currentEvent") == 0;
    } else {
        draft_str(&s->out.draft, EV_KIND, SLICE("other"));
        set_text(&s->out.draft, EV_CODE, type);
    }
    error = set_time(s, time.p ? time : field_text(event, "time"));
    add_picture(s, out);
    finish_event(s, error, out);
}

/* ---- documents ---- */

static void emit_unknown(struct hikvision *s, yyjson_val *document, const struct emitter *out)
{
    begin_event(s, document);
    finish_event(s, "not an event", out);
}

static void emit_document(struct hikvision *s, yyjson_val *v, const struct emitter *out);

/* The cloud's: {"header":{"deviceId":…},"body":{"payload":{…}}}, the payload also as text. */
static void emit_payload(struct hikvision *s, yyjson_val *v, const struct emitter *out)
{
    yyjson_val *payload = yyjson_obj_get(field_object(v, "body"), "payload");
    struct slice text = field_value(payload), device = s->device;
    yyjson_doc *doc = NULL;
    const char *error;

    s->device = field_text(field_object(v, "header"), "deviceId");
    if (text.p)
        doc = fields_read(text, s->error, &error);
    if (doc)
        payload = yyjson_doc_get_root(doc);
    if (yyjson_obj_get(payload, "eventType"))
        emit_document(s, payload, out);
    else
        emit_unknown(s, v, out);
    s->device = device;
    yyjson_doc_free(doc);
}

static void emit_document(struct hikvision *s, yyjson_val *v, const struct emitter *out)
{
    yyjson_val *inner = field_object(v, "EventNotificationAlert"), *element;
    yyjson_val *reply = field_object(v, "AcsEvent");
    size_t i, n;

    if (inner)
        emit_notification(s, inner, out);
    else if (reply)
        emit_infos(s, yyjson_obj_get(reply, "InfoList"), out);
    else if (yyjson_obj_get(v, "eventType") || field_object(v, "AccessControllerEvent"))
        emit_notification(s, v, out);
    else if (field_object(v, "body"))
        emit_payload(s, v, out);
    else if (yyjson_is_arr(v)) {
        yyjson_arr_foreach(v, i, n, element)
        {
            if (yyjson_obj_get(element, "eventType"))
                emit_notification(s, element, out);
            else
                emit_unknown(s, element, out);
        }
    } else if (!yyjson_obj_get(v, "SubscribeEventResponse")) {
        emit_unknown(s, v, out);
    }
}

static void fail(struct hikvision *s, const char *error, const struct emitter *out)
{
    s->out = (struct decoded){.error = error};
    out->emit(out->arg, &s->out);
}

static void hik_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct hikvision *s = state;
    const struct recording *r = &s->recording;
    struct slice text = r->text.p == record.p ? r->text : record;
    const char *error;
    yyjson_doc *doc;

    (void)torn;
    s->device = SLICE_NONE;
    if (r->late) {
        fail(s, "longer than --max-line allows", out);
        return;
    }
    doc = fields_read(text, s->error, &error);
    if (doc)
        emit_document(s, yyjson_doc_get_root(doc), out);
    else
        fail(s, r->cut ? "torn last record" : error, out);
    yyjson_doc_free(doc);
}

/* ---- the rest ---- */

static enum frame hik_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct hikvision *s = state;

    return recording_frame(&s->recording, in, end, used, record);
}

static bool has_word(struct slice head)
{
    return recording_has(head, "AccessControllerEvent") ||
           recording_has(head, "EventNotificationAlert") || recording_has(head, "\"AcsEvent\"") ||
           recording_has(head, "<AcsEvent") ||
           (recording_has(head, "\"eventType\"") &&
               (recording_has(head, "\"eventState\"") || recording_has(head, "\"heartBeat\"")));
}

/* Keys of the document itself, or of its elements. */
static bool has_key(struct slice head, unsigned depth)
{
    return recording_key(head, "AccessControllerEvent", depth) ||
           recording_key(head, "EventNotificationAlert", depth) ||
           recording_key(head, "AcsEvent", depth) ||
           (recording_key(head, "eventType", depth) &&
               (recording_key(head, "eventState", depth) || recording_has(head, "\"heartBeat\"")));
}

static int hik_sniff(struct slice head, bool whole)
{
    (void)whole;
    switch (recording_head(&head)) {
    case HEAD_JSON:
        if (*head.p == '[')
            return has_key(head, 2) ? 97 : 0;
        return has_key(head, 1) || (recording_key(head, "body", 1) && has_key(head, 3)) ? 97 : 0;
    case HEAD_XML:
        return recording_has(head, "EventNotificationAlert") || recording_has(head, "<AcsEvent")
                   ? 97
                   : 0;
    case HEAD_MESSAGE:
        return has_word(head) ? 97 : 0;
    default:
        return 0;
    }
}

static void hik_close(void *state)
{
    struct hikvision *s = state;

    if (s) {
        buf_free(&s->raw);
        buf_free(&s->snapshot);
    }
    free(s);
}

static void *hik_open(const struct format_options *options, struct fault *why)
{
    static const char *const none[] = {NULL};
    struct hikvision *s;

    if (format_options_check(options, "hikvision", none, why) < 0)
        return NULL;
    s = mem_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    recording_begin(&s->recording, &hikvision_items, options);
    return s;
}

const struct format format_hikvision = {
    .name = "hikvision",
    .title = "Hikvision terminals (ISAPI): notifications, AcsEvent replies, alertStream",
    .sniff = hik_sniff,
    .open = hik_open,
    .close = hik_close,
    .frame = hik_frame,
    .decode = hik_decode,
};
