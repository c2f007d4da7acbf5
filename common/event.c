/* SPDX-License-Identifier: MIT */
/*
 * Parsing in situ tells where a key stands: yyjson leaves strings where they were in the
 * scratch copy, so the distance of a key from the copy's start is its place in the line.
 *
 *   {"a":1,"b":{…} , "c":"x"}
 *    ^start     ^end  ^start      spans; unchanged neighbours are copied together
 */
#include "event.h"

#include <stdlib.h>

#include "identity.h"
#include "json.h"

static const char *const keys[EVENT_FIELDS] = {
    [EV_EVENT_ID] = "event_id",
    [EV_KIND] = "kind",
    [EV_TIME] = "time",
    [EV_LOCAL_TIME] = "local_time",
    [EV_UTC_OFFSET] = "utc_offset",
    [EV_TIME_NOTE] = "time_note",
    [EV_RECEIVED_AT] = "received_at",
    [EV_DEVICE_ID] = "device_id",
    [EV_READER] = "reader",
    [EV_DIRECTION] = "direction",
    [EV_DIRECTION_FROM] = "direction_from",
    [EV_PUNCH] = "punch",
    [EV_CODE] = "code",
    [EV_PERSON_ID] = "person_id",
    [EV_CARD_NO] = "card_no",
    [EV_CARD_READ] = "card_read",
    [EV_CREDENTIAL] = "credential",
    [EV_EMPLOYEE_ID] = "employee_id",
    [EV_HR] = "hr",
    [EV_SNAPSHOT] = "snapshot",
    [EV_SERIAL_NO] = "serial_no",
    [EV_SOURCE] = "source",
    [EV_ORIGIN] = "origin",
    [EV_RAW] = "raw",
    [EV_RAW_BASE64] = "raw_base64",
    [EV_SKEW_S] = "skew_s",
    [EV_LATE] = "late",
    [EV_DUPLICATE_OF] = "duplicate_of",
    [EV_CANCELS] = "cancels",
    [EV_SKIP] = "skip",
    [EV_HOLD] = "hold",
    [EV_ERROR] = "error",
    [EV_ATTEMPTS] = "attempts",
    [EV_AMBIGUOUS] = "ambiguous",
    [EV_ACK] = "ack",
};

#define KEY_BYTES_MAX 16 /* longer than any of our keys, and two words */

/* A key as two words, zeros behind it: comparing is two instructions. */
struct words {
    uint64_t low, high;
};

/* Everything about keys that can be worked out beforehand; filled once. */
static struct {
    unsigned char first[KEY_BYTES_MAX][26]; /* by length and letter: 1 + field, or 0 */
    unsigned char next[EVENT_FIELDS];       /* 1 + the next field of that length and letter */
    struct words key[EVENT_FIELDS];
    struct words mask[KEY_BYTES_MAX];           /* by length: ones over the bytes of the key */
    char lead[EVENT_FIELDS][KEY_BYTES_MAX + 8]; /* ,"key": */
    unsigned char lead_bytes[EVENT_FIELDS];
    bool ready;
} table;

static void table_fill(void)
{
    for (unsigned n = 0; n < KEY_BYTES_MAX; n++)
        memset(&table.mask[n], 0xff, n);
    for (unsigned f = 0; f < EVENT_FIELDS; f++) {
        size_t n = strlen(keys[f]);
        unsigned char *head = &table.first[n][keys[f][0] - 'a'];
        char *p = table.lead[f];

        table.next[f] = *head;
        *head = (unsigned char)(f + 1);
        memcpy(&table.key[f], keys[f], n);
        p = mempcpy(mempcpy(mempcpy(p, ",\"", 2), keys[f], n), "\":", 2);
        table.lead_bytes[f] = (unsigned char)(p - table.lead[f]);
    }
    table.ready = true;
}

const char *event_key(enum event_field field)
{
    return keys[field];
}

/* p has KEY_BYTES_MAX readable bytes, whatever stands behind the key. */
static inline enum event_field find_field(const char *p, size_t n)
{
    struct words w;

    if (n == 0 || n >= KEY_BYTES_MAX || p[0] < 'a' || p[0] > 'z')
        return EVENT_FIELDS;
    memcpy(&w, p, sizeof w);
    w.low &= table.mask[n].low;
    w.high &= table.mask[n].high;
    for (unsigned f = table.first[n][p[0] - 'a']; f > 0; f = table.next[f - 1])
        if (table.key[f - 1].low == w.low && table.key[f - 1].high == w.high)
            return (enum event_field)(f - 1);
    return EVENT_FIELDS;
}

enum event_field event_field_of(struct slice key)
{
    char padded[KEY_BYTES_MAX] = {0};

    if (!table.ready)
        table_fill();
    if (key.n == 0 || key.n >= sizeof padded)
        return EVENT_FIELDS;
    memcpy(padded, key.p, key.n);
    return find_field(padded, key.n);
}

/* ---- writing: each member with a comma before it; the first comma becomes the brace ---- */

#define LEAD_BYTES sizeof table.lead[0]

/* Writes one field at p, which has room for it if it is JSON, and LEAD_BYTES more.  A string makes
   room for itself, and for `after` bytes behind it. */
static char *write_field(struct buf *out, char *p, const struct draft *d, unsigned f, size_t after)
{
    struct slice value = d->value[f];

    memcpy(p, table.lead[f], LEAD_BYTES);
    p += table.lead_bytes[f];
    if (d->json & EVENT_BIT(f))
        return mempcpy(p, value.p, value.n);
    out->len = (size_t)(p - out->data);
    json_str(out, value);
    return buf_room(out, after);
}

/* Bytes that the fields set take at most, not counting strings. */
static size_t room_of(const struct draft *d)
{
    size_t room = LEAD_BYTES;

    for (uint64_t set = d->set; set; set &= set - 1) {
        unsigned f = (unsigned)__builtin_ctzll(set);

        room += LEAD_BYTES + (d->json & EVENT_BIT(f) ? d->value[f].n : 0);
    }
    return room;
}

static void finish_object(struct buf *out, size_t start, char *p)
{
    out->len = (size_t)(p - out->data);
    if (out->len == start)
        buf_char(out, '{');
    else
        out->data[start] = '{';
    buf_char(out, '}');
}

void draft_print(struct buf *out, const struct draft *d)
{
    size_t start = out->len, room;
    char *p;

    if (!table.ready)
        table_fill();
    room = room_of(d);
    p = buf_room(out, room);
    for (uint64_t set = d->set; set; set &= set - 1)
        p = write_field(out, p, d, (unsigned)__builtin_ctzll(set), room);
    finish_object(out, start, p);
}

/* Unchanged members that stand side by side in the line are copied in one piece. */
static inline char *write_run(char *p, const struct event *e, size_t from, size_t to)
{
    if (from == to)
        return p;
    *p++ = ',';
    return mempcpy(p, e->line.p + from, to - from);
}

void event_write(struct buf *out, const struct event *e, const struct draft *d)
{
    uint64_t touched = d->set | d->gone | EVENT_BIT(EVENT_DROPPED), fresh = d->set;
    size_t start = out->len, from = e->count ? e->member[0].start : 0, to = from; /* the run */
    size_t room = room_of(d) + e->line.n + 2;
    char *p = buf_room(out, room);

    for (uint64_t set = d->set; set; set &= set - 1)
        if (e->field[__builtin_ctzll(set)])
            fresh &= ~(set & -set);
    for (const struct event_member *m = e->member, *end = m + e->count; m < end; m++) {
        uint64_t bit = EVENT_BIT(m->field);
        bool insert = m->field < EVENT_FIELDS && fresh & (bit - 1);

        if (!insert && !(touched & bit)) {
            to = m->end;
            continue;
        }
        p = write_run(p, e, from, to);
        from = to = m->start;
        for (; insert && fresh & (bit - 1); fresh &= fresh - 1)
            p = write_field(out, p, d, (unsigned)__builtin_ctzll(fresh), room);
        if (!(touched & bit)) {
            to = m->end;
            continue;
        }
        if (d->set & bit)
            p = write_field(out, p, d, m->field, room);
        if (m + 1 < end)
            from = to = m[1].start;
    }
    p = write_run(p, e, from, to);
    for (; fresh; fresh &= fresh - 1)
        p = write_field(out, p, d, (unsigned)__builtin_ctzll(fresh), room);
    finish_object(out, start, p);
}

unsigned event_drop(const struct event *e, const struct slice *names, unsigned count)
{
    yyjson_val *key, *val;
    size_t i, n;
    unsigned dropped = 0;

    yyjson_obj_foreach(e->root, i, n, key, val)
    {
        unsigned k = 0;

        while (k < count && !yyjson_equals_strn(key, names[k].p, names[k].n))
            k++;
        if (k < count) {
            e->member[i].field = EVENT_DROPPED;
            dropped++;
        }
    }
    return dropped;
}

/* ---- reading ---- */

struct event_reader {
    char *scratch; /* the copy that yyjson parses in place */
    size_t scratch_bytes;
    void *pool; /* what yyjson allocates from: bounds the memory of one line */
    size_t pool_bytes;
    yyjson_alc alc;
    struct event_member member[EVENT_OTHERS_MAX + EVENT_FIELDS];
};

struct event_reader *event_reader_new(void)
{
    struct event_reader *r = mem_alloc(sizeof *r);

    memset(r, 0, sizeof *r);
    if (!table.ready)
        table_fill();
    return r;
}

void event_reader_free(struct event_reader *r)
{
    if (r) {
        free(r->scratch);
        free(r->pool);
    }
    free(r);
}

/* yyjson reads behind the text, and so does find_field. */
#define PADDING (YYJSON_PADDING_SIZE + KEY_BYTES_MAX)

/* Room for a line of n bytes: a value costs 16 bytes, and no honest line has more than one every
 * two bytes. */
static void make_room(struct event_reader *r, size_t n)
{
    if (n + PADDING <= r->scratch_bytes)
        return;
    r->scratch_bytes = n + PADDING < 8192 ? 8192 : n + PADDING;
    r->scratch = mem_resize(r->scratch, r->scratch_bytes);
    r->pool_bytes = r->scratch_bytes * 8 + 4096;
    free(r->pool);
    r->pool = mem_alloc(r->pool_bytes);
}

/* The value starts after the key's closing quote, the colon and white space.  i is at or before
   that quote, and not inside an escape. */
static uint32_t value_start(struct slice line, size_t i)
{
    while (line.p[i] != '"')
        i += line.p[i] == '\\' ? 2 : 1;
    i++;
    while (line.p[i] != ':')
        i++;
    i++;
    while (line.p[i] == ' ' || line.p[i] == '\t' || line.p[i] == '\r' || line.p[i] == '\n')
        i++;
    return (uint32_t)i;
}

/* Steps back over white space and one comma or brace, to the end of the value before `from`. */
static uint32_t value_end(struct slice line, size_t from)
{
    bool mark = false;

    for (;; from--) {
        char c = line.p[from - 1];

        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        if (mark)
            return (uint32_t)from;
        mark = true; /* the comma, or the closing brace */
    }
}

static int index_members(struct event_reader *r, struct event *e, struct fault *why)
{
    size_t max = yyjson_obj_size(e->root), others = 0, i;
    yyjson_val *key, *val;
    struct event_member *m = r->member;

    yyjson_obj_foreach(e->root, i, max, key, val)
    {
        const char *text = unsafe_yyjson_get_str(key);
        size_t n = unsafe_yyjson_get_len(key), start = (size_t)(text - r->scratch) - 1, after;

        m->start = (uint32_t)start;
        m->field = find_field(text, n);
        if (m->field == EVENT_FIELDS && ++others > EVENT_OTHERS_MAX)
            return fault_set(why, EX_DATAERR, "more than %d unknown fields", EVENT_OTHERS_MAX);
        /* A quote in a key stands behind a backslash, and our keys have neither: what is a quote at
           the key's length is its end.  Other keys are walked through. */
        after = start + 1 + n;
        if (m->field == EVENT_FIELDS || e->line.p[after] != '"')
            m->value = value_start(e->line, start + 1);
        else if (e->line.p[after + 1] == ':' && e->line.p[after + 2] > ' ')
            m->value = (uint32_t)after + 2;
        else
            m->value = value_start(e->line, after);
        if (m > r->member)
            m[-1].end = value_end(e->line, start);
        if (m->field < EVENT_FIELDS) {
            if (e->field[m->field])
                return fault_set(why, EX_DATAERR, "field \"%s\" twice", keys[m->field]);
            e->field[m->field] = val;
            e->at[m->field] = (unsigned short)(m - r->member);
        }
        m++;
    }
    e->member = r->member;
    e->count = (unsigned)(m - r->member);
    if (e->count > 0)
        m[-1].end = value_end(e->line, e->line.n);
    return 0;
}

int event_read(struct event_reader *r, struct slice line, struct event *e, struct fault *why)
{
    yyjson_read_err error;
    yyjson_doc *doc;

    e->line = line;
    e->count = 0;
    e->member = r->member;
    memset(e->field, 0, sizeof e->field);
    if (line.n == 0)
        return fault_set(why, EX_DATAERR, "empty line");
    if (line.n > UINT32_MAX / 2)
        return fault_set(why, EX_DATAERR, "too long");
    make_room(r, line.n);
    memcpy(r->scratch, line.p, line.n);
    memset(r->scratch + line.n, 0, PADDING);
    yyjson_alc_pool_init(&r->alc, r->pool, r->pool_bytes);
    doc = yyjson_read_opts(
        r->scratch, line.n, YYJSON_READ_INSITU | YYJSON_READ_BIGNUM_AS_RAW, &r->alc, &error);
    if (!doc && error.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return fault_set(why, EX_DATAERR, "too many values for one line");
    if (!doc)
        return fault_set(why, EX_DATAERR, "not JSON: %s at byte %zu", error.msg, error.pos + 1);
    e->root = yyjson_doc_get_root(doc);
    if (!yyjson_is_obj(e->root))
        return fault_set(why, EX_DATAERR, "not a JSON object");
    return index_members(r, e, why);
}

struct slice event_str(const struct event *e, enum event_field field)
{
    yyjson_val *v = e->field[field];

    if (v && yyjson_is_str(v))
        return (struct slice){yyjson_get_str(v), yyjson_get_len(v)};
    /* "person_id":111 is what many a program writes: the digits say who it is, exactly. */
    return v && (yyjson_is_num(v) || yyjson_is_raw(v)) ? event_json(e, field) : SLICE_NONE;
}

struct slice event_json(const struct event *e, enum event_field field)
{
    const struct event_member *m;

    if (!e->field[field])
        return SLICE_NONE;
    m = &e->member[e->at[field]];
    return (struct slice){e->line.p + m->value, m->end - m->value};
}

/* ---- shared ---- */

#define BAD_RAW_BYTES 4096

void event_print_bad(
    struct buf *out, struct slice line, const char *error, const struct identity_hash *key)
{
    struct draft d = {0};
    struct buf base64 = {0};
    struct identity id;
    char id_text[IDENTITY_TEXT];

    identity_of_bytes(&id, line, key);
    identity_print(&id, id_text);
    draft_str(&d, EV_EVENT_ID, slice_of(id_text));
    if (line.n > BAD_RAW_BYTES)
        line.n = BAD_RAW_BYTES;
    /* A cut in mid-character is our doing, not the record's. */
    for (int i = 0; i < 3 && line.n == BAD_RAW_BYTES - (size_t)i && !utf8_valid(line); i++)
        line.n--;
    draft_str(&d, EV_KIND, SLICE("other"));
    if (utf8_valid(line)) {
        draft_str(&d, EV_RAW, line);
    } else {
        json_base64(&base64, line);
        draft_json(&d, EV_RAW_BASE64, buf_all(&base64));
    }
    draft_str(&d, EV_ERROR, slice_of(error));
    draft_print(out, &d);
    buf_free(&base64);
}

struct slice event_person(const struct event *e)
{
    static const enum event_field order[] = {EV_EMPLOYEE_ID, EV_PERSON_ID, EV_CARD_NO};

    if (slice_is(event_str(e, EV_TIME_NOTE), "clock_unset"))
        return SLICE_NONE;
    for (size_t i = 0; i < sizeof order / sizeof *order; i++) {
        struct slice s = event_str(e, order[i]);

        if (s.n > 0)
            return s;
    }
    return SLICE_NONE;
}
