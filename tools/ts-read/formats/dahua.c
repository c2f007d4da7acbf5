/* SPDX-License-Identifier: MIT */
/*
 * dahua: what access terminals and door stations of Dahua say over HTTP, from captures and the
 * vendor's specification: the parts of eventManager and snapManager, recordFinder's answers, and
 * what a terminal pushes; as it comes, or recorded with its part headers.
 *
 *     Code=AccessControl;action=Pulse;index=0;data={      eventManager: a line, and JSON
 *        "UserID" : "448008", "CardNo" : "",              who
 *        "Door" : 0, "ReaderID" : "1", "Method" : 15,     where, how
 *        "Status" : 1, "RecNo" : 906,                     1 or absent: let in; 0: refused
 *        "RealUTC" : 1775756069, "UTC" : 1775756069 }     seconds since 1970, really and so called
 *
 *     {"Action":"Pulse","Code":"AccessControl","Data":{…},"Index":0}      push; {"Events":[…]} too
 *
 *     found=2 CRLF  records[0].RecNo=550478 CRLF  records[0].CreateTime=1789554842 CRLF …
 *
 *     Events[0].EventBaseInfo.Code=AccessControl CRLF  Events[0].UserID=101 CRLF …  and a picture
 *
 * The clock is `time`, in UTC: it is the only one that all of them carry.  Heartbeats and counts
 * give nothing.  Passwords and names stay in the parser.
 */
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "dahua_reply.h"
#include "fields.h"
#include "json.h"
#include "object.h"

struct dahua {
    struct recording recording;
    bool utc_is_local; /* -o utc=local */
    struct decoded out;
    struct wall wall;
    char time[CLOCK_TEXT], reader[32], serial[24], mac[MAC_BYTES];
    struct buf raw, snapshot;
    char error[FIELDS_ERROR_BYTES];
};

/* ---- items of a recording ---- */

static bool begins(struct slice s, const char *word)
{
    size_t n = strlen(word);

    return s.n >= n && strncasecmp(s.p, word, n) == 0;
}

static size_t line_end(struct slice text)
{
    const char *lf = text.n > 0 ? memchr(text.p, '\n', text.n) : NULL;

    return lf ? (size_t)(lf - text.p) : text.n;
}

/* Without the CR and the blanks before a line's end. */
static size_t line_text(struct slice text, size_t n)
{
    while (n > 1 && strchr(" \t\r", text.p[n - 1]))
        n--;
    return n;
}

/* Where the value of `data=` begins in a Code line; 0: the line has none.  *more: not told yet. */
static size_t data_start(struct slice text, bool whole, bool *more)
{
    static const char key[] = ";data=";
    size_t line = line_end(text), n = sizeof key - 1, at;
    const char *data = memmem(text.p, line, key, n);

    *more = !whole && line == text.n;
    if (!data)
        return 0;
    at = (size_t)(data - text.p) + n;
    while (at < text.n && strchr(" \t\r\n", text.p[at]) && text.p[at])
        at++;
    if (at < text.n && strchr("{[", text.p[at]) && text.p[at]) {
        *more = false;
        return at;
    }
    *more = *more || (!whole && at == text.n);
    return 0;
}

static enum item code_item(struct document *d, struct slice text, bool whole, size_t *n)
{
    bool more;
    size_t at = data_start(text, whole, &more);

    if (more)
        return ITEM_MORE;
    if (at == 0) {
        *n = line_text(text, line_end(text));
        return ITEM_WHOLE;
    }
    if (!document_end(d, (struct slice){text.p + at, text.n - at}, n))
        return ITEM_MORE;
    *n += at;
    return ITEM_WHOLE;
}

/* "records[3]." of a line: how long it is; 0: it is none. */
static size_t index_bytes(struct slice line, const char *word)
{
    size_t n = strlen(word);

    if (!begins(line, word))
        return 0;
    while (n < line.n && line.p[n] >= '0' && line.p[n] <= '9')
        n++;
    return n + 1 < line.n && line.p[n] == ']' && line.p[n + 1] == '.' ? n + 2 : 0;
}

/* Lines that begin alike: all of a record, or all of a part. */
static enum item lines_item(struct slice text, struct slice prefix, bool whole, size_t *n)
{
    size_t at = 0;

    for (;;) {
        struct slice rest = {text.p + at, text.n - at};
        size_t line = line_end(rest), same = rest.n < prefix.n ? rest.n : prefix.n;

        if (strncasecmp(rest.p, prefix.p, same) != 0)
            break;
        if (line == rest.n && !whole)
            return ITEM_MORE;
        if (same < prefix.n)
            break;
        *n = at + line_text(rest, line);
        if (line == rest.n)
            break;
        at += line + 1;
    }
    return ITEM_WHOLE;
}

static enum item dahua_item(
    struct document *d, struct slice text, bool whole, bool first, size_t *n)
{
    static const char *const nothing[] = {"Heartbeat", "found=", "totalCount=", "begin"};
    size_t line = line_end(text), index = index_bytes(text, "records[");

    if (strchr("{[", *text.p) && *text.p)
        return document_end(d, text, n) ? ITEM_WHOLE : ITEM_MORE;
    if (begins(text, "Code="))
        return code_item(d, text, whole, n);
    if (index > 0)
        return lines_item(text, (struct slice){text.p, index}, whole, n);
    if (begins(text, "Events["))
        return lines_item(text, (struct slice){text.p, 7}, whole, n);
    if (line == text.n && !whole)
        return ITEM_MORE;
    *n = line_text(text, line);
    for (size_t i = 0; i < sizeof nothing / sizeof *nothing; i++)
        if (begins(text, nothing[i]))
            return ITEM_SKIP;
    return first ? ITEM_WHOLE : ITEM_SKIP;
}

static unsigned dahua_pictures(struct slice text)
{
    return begins(text, "Events[") || recording_has(text, "\"Events\"") ? 1 : 0;
}

const struct recording_kind dahua_items = {dahua_item, dahua_pictures};

/* ---- what is where ---- */

static const char *const hidden[] = {"CardName", "Password", "UserName", "PersonName",
    "CitizenIDNo", "userName", "cardName", "password", NULL};

static void set_text(struct draft *d, enum event_field field, struct slice text)
{
    if (text.p)
        draft_str(d, field, text);
}

/* What was shown to the reader, for the methods that are no combinations: those say what the door
   asks for, not what was shown. */
static struct slice credential_of(int64_t method)
{
    static const struct {
        unsigned char method;
        struct slice means;
    } methods[] = {
        {0, {"pin", 3}},
        {1, {"card", 4}},
        {2, {"card+pin", 8}},
        {3, {"card+pin", 8}},
        {4, {"remote", 6}},
        {6, {"fingerprint", 11}},
        {7, {"card+fingerprint+pin", 20}},
        {8, {"fingerprint+pin", 15}},
        {9, {"card+fingerprint", 16}},
        {13, {"pin", 3}},
        {14, {"qr", 2}},
        {15, {"face", 4}},
        {20, {"pin", 3}},
        {43, {"qr", 2}},
        {44, {"face", 4}},
        {46, {"pin", 3}},
    };

    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (methods[i].method == method)
            return methods[i].means;
    return SLICE_NONE;
}

#define METHOD_BUTTON 5

static struct slice kind_of(struct slice code, struct slice action, yyjson_val *data)
{
    static const struct {
        const char *code;
        struct slice kind;
    } kinds[] = {
        {"DoorStatus", {"door", 4}},
        {"BreakIn", {"alarm", 5}},
        {"DoorNotClosed", {"alarm", 5}},
        {"Duress", {"alarm", 5}},
        {"ChassisIntruded", {"alarm", 5}},
        {"AlarmLocal", {"alarm", 5}},
    };

    if (slice_is(code, "AccessControl")) {
        int64_t status = field_number(data, "Status");

        if (status >= 0 && status != 1)
            return status == 0 ? SLICE("denied") : SLICE("other");
        return field_number(data, "Method") == METHOD_BUTTON ? SLICE("door") : SLICE("granted");
    }
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (slice_is(code, kinds[i].code))
            return slice_is(action, "Stop") ? SLICE("other") : kinds[i].kind;
    return SLICE("other");
}

static struct slice punch_of(int64_t state)
{
    static const struct slice punches[] = {{NULL, 0}, {"check_in", 8}, {"break_out", 9},
        {"break_in", 8}, {"check_out", 9}, {"overtime_in", 11}, {"overtime_out", 12}};

    return state >= 0 && state < 7 ? punches[state] : SLICE_NONE;
}

/* ---- clocks ---- */

static bool set_epoch(struct dahua *s, int64_t epoch)
{
    struct draft *d = &s->out.draft;

    if (epoch <= 0)
        return false;
    if (epoch > 100000000000) /* milliseconds: seconds until the year 5138 are fewer */
        epoch /= 1000;
    if (epoch > 100000000000)
        return false;
    if (epoch < 946684800) { /* before 2000: the device had lost its clock */
        draft_str(d, EV_LOCAL_TIME, (struct slice){s->time, clock_print_local(s->time, epoch, 0)});
        draft_str(d, EV_TIME_NOTE, SLICE("clock_unset"));
        return true;
    }
    draft_str(d, EV_TIME, (struct slice){s->time, clock_print_zoned(s->time, epoch, 0, 0)});
    return true;
}

static bool set_wall(struct dahua *s, struct slice text)
{
    if (!text.p || !wall_read(&s->wall, text))
        return false;
    draft_str(&s->out.draft, EV_LOCAL_TIME, (struct slice){s->wall.local, s->wall.local_bytes});
    if (s->wall.unset)
        draft_str(&s->out.draft, EV_TIME_NOTE, SLICE("clock_unset"));
    return true;
}

/* "UTC" is that of old firmware: its wall clock, called UTC. */
static bool set_so_called(struct dahua *s, int64_t epoch)
{
    char text[CLOCK_TEXT];
    size_t n;

    if (!s->utc_is_local)
        return set_epoch(s, epoch);
    if (epoch <= 0 || epoch > 100000000000)
        return false;
    n = clock_print_local(text, epoch, 0);
    return set_wall(s, (struct slice){text, n});
}

static bool set_time(struct dahua *s, yyjson_val *data, struct slice around)
{
    return set_epoch(s, field_number(data, "RealUTC")) ||
           set_epoch(s, field_number(data, "CreateTime")) ||
           set_so_called(s, field_number(data, "UTC")) ||
           set_wall(s, field_text(data, "CreateTime")) ||
           set_wall(s, field_text(data, "LocaleTime")) || set_wall(s, around);
}

/* ---- events ---- */

static void begin_event(struct dahua *s)
{
    s->out = (struct decoded){0};
    s->raw.len = s->snapshot.len = 0;
}

static void print_raw(struct dahua *s, yyjson_val *value)
{
    fields_print(&s->raw, value, hidden);
}

static void set_reader(struct dahua *s, yyjson_val *data)
{
    struct slice reader = field_text(data, "ReaderID");
    int64_t door = field_number(data, "Door");

    if (!reader.p)
        reader = field_text(data, "readID");
    if (!reader.p && door >= 0) {
        snprintf(s->reader, sizeof s->reader, "door %lld", (long long)door);
        reader = slice_of(s->reader);
    }
    set_text(&s->out.draft, EV_READER, reader);
}

static void set_data(struct dahua *s, yyjson_val *data)
{
    struct draft *d = &s->out.draft;
    struct slice card = field_text(data, "CardNo");
    int64_t record = field_number(data, "RecNo");

    set_reader(s, data);
    set_text(d, EV_PUNCH, punch_of(field_number(data, "AttendanceState")));
    set_text(d, EV_PERSON_ID, field_text(data, "UserID"));
    set_text(d, EV_CARD_NO, card.p ? card : field_text(data, "Number"));
    set_text(d, EV_CREDENTIAL, credential_of(field_number(data, "Method")));
    if (record >= 0)
        draft_json(d, EV_SERIAL_NO,
            (struct slice){s->serial,
                (size_t)snprintf(s->serial, sizeof s->serial, "%lld", (long long)record)});
}

/* Of several pictures in one part, the first: ImageInfo says where it lies. */
static struct slice cut_picture(struct slice picture, yyjson_val *data)
{
    int64_t offset = field_number(data, "ImageInfo[0].Offset");
    int64_t length = field_number(data, "ImageInfo[0].Length");
    struct slice cut;

    if (offset < 0 || length <= 0 || (uint64_t)offset >= picture.n ||
        (uint64_t)length > picture.n - (uint64_t)offset)
        return picture;
    cut = (struct slice){picture.p + offset, (size_t)length};
    return cut.n > 2 && memcmp(cut.p, "\xff\xd8", 2) == 0 ? cut : picture;
}

/* raw is printed; around: a time of what the event came in. */
static void emit_event(struct dahua *s, struct slice code, struct slice action, yyjson_val *data,
    struct slice around, const struct emitter *out)
{
    const struct recording *r = &s->recording;
    struct draft *d = &s->out.draft;

    draft_json(d, EV_RAW, buf_all(&s->raw));
    draft_str(d, EV_KIND, kind_of(code, action, data));
    draft_str(d, EV_CODE, code);
    if (yyjson_is_obj(data))
        set_data(s, data);
    s->out.now = !set_time(s, data, around);
    if (s->out.now && slice_is(code, "AccessControl"))
        s->out.error = "no time";
    if (out->keep && r->pictures > 0) {
        out->keep(out->arg, cut_picture(r->picture[0], data), &s->snapshot);
        draft_json(d, EV_SNAPSHOT, buf_all(&s->snapshot));
    }
    out->emit(out->arg, &s->out);
}

static void fail(struct dahua *s, const char *error, const struct emitter *out)
{
    s->out = (struct decoded){.error = error};
    out->emit(out->arg, &s->out);
}

/* ---- JSON ---- */

static void emit_element(
    struct dahua *s, yyjson_val *v, struct slice around, const struct emitter *out)
{
    struct slice code = field_text(v, "Code");

    begin_event(s);
    print_raw(s, v);
    if (!code.p) {
        draft_json(&s->out.draft, EV_RAW, buf_all(&s->raw));
        s->out.error = "not an event";
        out->emit(out->arg, &s->out);
        return;
    }
    s->out.device = mac_read(field_text(v, "PhysicalAddress"), s->mac);
    emit_event(s, code, field_text(v, "Action"), field_object(v, "Data"), around, out);
}

static void emit_json(struct dahua *s, yyjson_val *v, const struct emitter *out)
{
    yyjson_val *list = yyjson_obj_get(v, "Events"), *element;
    struct slice around = field_text(v, "Time");
    size_t i, n;

    if (!list)
        list = yyjson_obj_get(field_object(v, "params"), "eventList");
    if (!around.p)
        around = field_text(v, "TIme"); /* so some write it */
    if (!yyjson_is_arr(list) && yyjson_is_arr(v))
        list = v;
    if (!yyjson_is_arr(list)) {
        emit_element(s, v, SLICE_NONE, out);
        return;
    }
    yyjson_arr_foreach(list, i, n, element)
    {
        emit_element(s, element, around, out);
    }
}

/* ---- Code lines ---- */

/* Code=…;action=…;index=… : one of them; SLICE_NONE: it is not there. */
static struct slice named(struct slice line, const char *name)
{
    size_t n = strlen(name);

    while (line.n > 0) {
        const char *semicolon = memchr(line.p, ';', line.n);
        struct slice field = {line.p, semicolon ? (size_t)(semicolon - line.p) : line.n};

        if (field.n > n && strncasecmp(field.p, name, n) == 0 && field.p[n] == '=')
            return (struct slice){field.p + n + 1, field.n - n - 1};
        line.p += field.n + (semicolon != NULL);
        line.n -= field.n + (semicolon != NULL);
    }
    return SLICE_NONE;
}

static void add_text(struct buf *out, const char *lead, struct slice text)
{
    if (text.p) {
        buf_text(out, lead);
        json_str(out, text);
    }
}

static void emit_code(struct dahua *s, struct slice text, const struct emitter *out)
{
    bool more;
    size_t at = data_start(text, true, &more);
    struct slice line = {text.p, line_text(text, at ? at : text.n)};
    struct slice code = named(line, "Code"), action = named(line, "action");
    yyjson_doc *doc = NULL;
    const char *error = NULL;

    if (at > 0)
        doc = fields_read((struct slice){text.p + at, text.n - at}, s->error, &error);
    if (error || code.n == 0) {
        fail(s, s->recording.cut ? "torn last record" : error ? error : "not an event", out);
        yyjson_doc_free(doc);
        return;
    }
    begin_event(s);
    buf_char(&s->raw, '{');
    add_text(&s->raw, "\"Code\":", code);
    add_text(&s->raw, ",\"Action\":", action);
    add_text(&s->raw, ",\"Index\":", named(line, "index"));
    if (doc) {
        buf_lit(&s->raw, ",\"Data\":");
        print_raw(s, yyjson_doc_get_root(doc));
    }
    buf_char(&s->raw, '}');
    emit_event(s, code, action, yyjson_doc_get_root(doc), SLICE_NONE, out);
    yyjson_doc_free(doc);
}

/* ---- lines of key=value ---- */

/* The lines of an item as one object a number: {"RecNo":"1","EventBaseInfo.Code":"…"}. */
static yyjson_doc *lines_read(struct slice text, const char *word)
{
    yyjson_mut_doc *doc = yyjson_mut_doc_new(&object_memory);
    yyjson_mut_val *list = yyjson_mut_arr(doc), *object = NULL;
    struct slice line, last = SLICE_NONE;
    yyjson_doc *done;

    yyjson_mut_doc_set_root(doc, list);
    while (format_head_line(&text, &line)) {
        size_t n = index_bytes(line, word);
        struct slice prefix = {line.p, n}, key = {line.p + n, line.n - n}, value;
        const char *equal = n > 0 ? memchr(key.p, '=', key.n) : NULL;
        struct buf clean = {0};

        if (!equal)
            continue;
        if (!object || !slice_eq(prefix, last)) {
            object = yyjson_mut_obj(doc);
            yyjson_mut_arr_append(list, object);
        }
        last = prefix;
        value = (struct slice){equal + 1, (size_t)(key.p + key.n - equal) - 1};
        key.n = (size_t)(equal - key.p);
        text_clean(&clean, key);
        key.n = clean.len;
        text_clean(&clean, value);
        yyjson_mut_obj_add(object, yyjson_mut_strncpy(doc, clean.data ? clean.data : "", key.n),
            yyjson_mut_strncpy(doc, clean.data ? clean.data + key.n : "", clean.len - key.n));
        buf_free(&clean);
    }
    done = yyjson_mut_doc_imut_copy(doc, &object_memory);
    yyjson_mut_doc_free(doc);
    return done;
}

static void emit_lines(
    struct dahua *s, struct slice text, const char *word, const struct emitter *out)
{
    yyjson_doc *doc = lines_read(text, word);
    yyjson_val *element;
    size_t i, n;
    bool record = *word == 'r';

    if (yyjson_arr_size(yyjson_doc_get_root(doc)) == 0)
        fail(s, "not an event", out);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, element)
    {
        struct slice code = field_text(element, "EventBaseInfo.Code");

        begin_event(s);
        print_raw(s, element);
        s->out.history = record;
        if (!code.p)
            code = field_text(element, "Code");
        emit_event(s, code.p && !record ? code : SLICE("AccessControl"),
            field_text(element, "EventBaseInfo.Action"), element, SLICE_NONE, out);
    }
    yyjson_doc_free(doc);
}

static void dahua_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct dahua *s = state;
    const struct recording *r = &s->recording;
    struct slice text = r->text.p == record.p ? r->text : record;
    yyjson_doc *doc;
    const char *error;

    (void)torn;
    if (r->late) {
        fail(s, "longer than --max-line allows", out);
    } else if (begins(text, "Code=")) {
        emit_code(s, text, out);
    } else if (begins(text, "records[")) {
        emit_lines(s, text, "records[", out);
    } else if (begins(text, "Events[")) {
        emit_lines(s, text, "Events[", out);
    } else {
        doc = fields_read(text, s->error, &error);
        if (doc)
            emit_json(s, yyjson_doc_get_root(doc), out);
        else
            fail(s, r->cut ? "torn last record" : error, out);
        yyjson_doc_free(doc);
    }
}

/* ---- the rest ---- */

static enum frame dahua_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct dahua *s = state;

    return recording_frame(&s->recording, in, end, used, record);
}

/* An event, or a list of them, which may be in a message of its own. */
static bool has_key(struct slice head)
{
    unsigned inner = *head.p == '[' ? 2 : recording_key(head, "Events", 1) ? 3 : 1;

    if (recording_key(head, "params", 1) && recording_key(head, "eventList", 2))
        inner = 4;
    return recording_key(head, "Code", inner) &&
           (recording_key(head, "Action", inner) || recording_key(head, "Data", inner));
}

static bool has_line(struct slice head)
{
    static const char *const lines[] = {
        "Code=", "records[0].", "Events[0].", "found=", "totalCount="};

    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++)
        if (begins(head, lines[i]))
            return true;
    return false;
}

static int dahua_sniff(struct slice head, bool whole)
{
    (void)whole;
    switch (recording_head(&head)) {
    case HEAD_JSON:
        return has_key(head) ? 95 : 0;
    case HEAD_MESSAGE:
        return recording_has(head, "\nCode=") || recording_has(head, "\nEvents[0].") ||
                       recording_has(head, "\nrecords[0].") || recording_has(head, "\nHeartbeat") ||
                       (recording_has(head, "\"Code\"") && recording_has(head, "\"Action\""))
                   ? 95
                   : 0;
    default:
        return has_line(head) ? 95 : 0;
    }
}

static void dahua_close(void *state)
{
    struct dahua *s = state;

    if (s) {
        buf_free(&s->raw);
        buf_free(&s->snapshot);
    }
    free(s);
}

static void *dahua_open(const struct format_options *options, struct fault *why)
{
    static const char *const known[] = {"utc", NULL};
    struct slice utc = format_option(options, "utc");
    struct dahua *s;

    if (format_options_check(options, "dahua", known, why) < 0)
        return NULL;
    if (utc.p && !slice_is(utc, "true") && !slice_is(utc, "local")) {
        fault_set(why, EX_USAGE, "-o utc=%.*s: must be true or local", (int)utc.n, utc.p);
        return NULL;
    }
    s = mem_alloc(sizeof *s);
    memset(s, 0, sizeof *s);
    s->utc_is_local = slice_is(utc, "local");
    recording_begin(&s->recording, &dahua_items, options);
    return s;
}

const struct format format_dahua = {
    .name = "dahua",
    .title = "Dahua terminals and door stations: events, recordFinder, pushes",
    .sniff = dahua_sniff,
    .open = dahua_open,
    .close = dahua_close,
    .frame = dahua_frame,
    .decode = dahua_decode,
};
