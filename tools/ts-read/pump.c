/* SPDX-License-Identifier: MIT */
/*
 * A stream keeps [from, to) of one buffer; `offset` and `line` belong to `from`.  A record that is
 * longer than --max-line is reported once and skipped to the next newline, however long it is, so
 * the buffer never grows past the limit and one read.
 */
#include "pump.h"

#include <stdio.h>
#include <stdlib.h>

#include "album.h"
#include "identity.h"
#include "json.h"
#include "msg.h"
#include "tally.h"

#define SNIFF_BYTES 4096
#define RAW_CUT_BYTES 4096          /* of a record that is too long */
#define RAW_ERROR_BYTES (64u << 10) /* longest raw that a record with an error carries whole */
#define REASONS 32
#define REMARKS 8
#define BUFFER_KEPT 4096

struct reason {
    const char *text; /* owned */
    uint64_t count;
};

/* Words that a field cannot say. */
struct unknown {
    uint64_t count;
    char first[256]; /* where, JSON text without its quotes; "" for live peers */
};

static const struct {
    enum event_field field;
    const char *name;
} word_fields[] = {
    {EV_PUNCH, "punch"},
    {EV_DIRECTION, "direction"},
    {EV_CREDENTIAL, "credential"},
};

#define WORD_FIELDS (sizeof word_fields / sizeof *word_fields)

struct pump {
    struct pump_config config;
    struct unknown unknown[WORD_FIELDS];
    struct sink *sink;
    uint64_t events, bad;
    struct reason reason[REASONS];
    unsigned reasons;
    struct reason remark[REMARKS]; /* texts are the formats' own */
    bool warned_device;
    int64_t since_ms, until_ms; /* as instants, where the zone or an offset tells */
    char too_long[64];
    char cut_id[IDENTITY_TEXT]; /* of the record in hand, when its raw was cut */
    struct fault why;           /* set by emit, which cannot return it */
    bool failed;
    struct buf base64;
};

struct stream {
    struct pump *pump;
    enum stream_kind kind;
    const struct format *format;
    void *state;
    struct track *track;
    char *data;
    size_t cap, from, to, scanned;
    uint64_t offset, line;
    bool ended, skipping, priming, primed;
    uint64_t events, bad;
    struct slice record;
    const struct format_options *options;
    void (*see)(void *arg, const struct decoded *decoded);
    void *see_arg;
    uint64_t number;                   /* line of the record in hand */
    struct buf origin, device, source; /* JSON text; origin without its number and quote */
    size_t origin_bytes;
    bool fallback_device, certain_device;
    char received[CLOCK_TEXT + 2];
    size_t received_bytes;
};

/* ---- the pump ---- */

static int64_t bound_instant(const struct bound *b, struct zone *zone)
{
    int32_t offset_s = b->at.offset_s;

    if (!b->at.has_offset && zone)
        zone_offset(zone, b->at.local_s, &offset_s);
    return (b->at.local_s - offset_s) * 1000 + b->at.ms;
}

struct pump *pump_new(const struct pump_config *config, struct sink *sink, struct fault *why)
{
    struct pump *p;
    void *state;
    int64_t since_ms = bound_instant(&config->since, config->zone);
    int64_t until_ms = bound_instant(&config->until, config->zone);

    /* Wrong options are told before anything is read or listened to. */
    if (config->since.set && config->until.set && since_ms >= until_ms) {
        fault_set(why, EX_USAGE, "--since is not before --until: nothing would come out");
        return NULL;
    }
    if (config->format) {
        state = config->format->open(&config->options, why);
        if (!state)
            return NULL;
        config->format->close(state);
    }
    p = mem_alloc(sizeof *p);
    *p = (struct pump){.config = *config, .sink = sink};
    p->since_ms = since_ms;
    p->until_ms = until_ms;
    snprintf(p->too_long, sizeof p->too_long, "longer than %zu bytes", config->options.longest);
    return p;
}

void pump_free(struct pump *p)
{
    if (!p)
        return;
    for (unsigned i = 0; i < p->reasons; i++)
        free((char *)p->reason[i].text);
    buf_free(&p->base64);
    free(p);
}

uint64_t pump_events(const struct pump *p)
{
    return p->events;
}

uint64_t pump_bad(const struct pump *p)
{
    return p->bad;
}

bool pump_failed(const struct pump *p)
{
    return p->failed;
}

/* What stands behind the colon differs from record to record: "damaged: 37 NUL bytes". */
static size_t reason_bytes(const char *text)
{
    return strcspn(text, ":");
}

static void count_bad(struct pump *p, const char *text)
{
    size_t n = reason_bytes(text);
    unsigned i = 0;

    p->bad++;
    while (i < p->reasons &&
           (strncmp(p->reason[i].text, text, n) != 0 || p->reason[i].text[n] != '\0'))
        i++;
    if (i == REASONS)
        i = REASONS - 1;
    else if (i == p->reasons)
        p->reason[p->reasons++].text =
            i == REASONS - 1 ? mem_text(SLICE("other reasons")) : mem_text((struct slice){text, n});
    p->reason[i].count++;
}

static int by_count(const void *a, const void *b)
{
    const struct reason *x = a, *y = b;

    return x->count < y->count ? 1 : x->count > y->count ? -1 : strcmp(x->text, y->text);
}

static void report_unknown(const struct pump *p)
{
    for (size_t i = 0; i < WORD_FIELDS; i++)
        if (p->unknown[i].count > 0)
            msg_warn("%s: %llu value%s not known, left out%s%s", word_fields[i].name,
                (unsigned long long)p->unknown[i].count, p->unknown[i].count == 1 ? "" : "s",
                *p->unknown[i].first ? ", the first in " : "", p->unknown[i].first);
}

static void count_remark(struct pump *p, const char *text)
{
    unsigned i = 0;

    while (i < REMARKS - 1 && p->remark[i].text && strcmp(p->remark[i].text, text) != 0)
        i++;
    p->remark[i].text = text;
    p->remark[i].count++;
}

void pump_report(const struct pump *p)
{
    struct reason sorted[REASONS];
    struct buf text = {0};

    report_unknown(p);
    for (unsigned i = 0; i < REMARKS && p->remark[i].text; i++)
        msg_warn("%llu record%s: %s", (unsigned long long)p->remark[i].count,
            p->remark[i].count == 1 ? "" : "s", p->remark[i].text);
    if (p->bad == 0)
        return;
    memcpy(sorted, p->reason, sizeof sorted);
    qsort(sorted, p->reasons, sizeof *sorted, by_count);
    for (unsigned i = 0; i < p->reasons; i++)
        buf_printf(
            &text, "%s%llu %s", i ? ", " : "", (unsigned long long)sorted[i].count, sorted[i].text);
    msg_warn("%llu of %llu records not understood: %.*s", (unsigned long long)p->bad,
        (unsigned long long)p->events, (int)text.len, text.data);
    buf_free(&text);
}

/* ---- one event ---- */

static struct slice field_of(const struct decoded *d, enum event_field field)
{
    if (d->draft.set & EVENT_BIT(field))
        return d->draft.value[field];
    return d->base && !(d->draft.gone & EVENT_BIT(field)) ? event_str(d->base, field) : SLICE_NONE;
}

static bool has_field(const struct decoded *d, enum event_field field)
{
    return d->draft.set & EVENT_BIT(field) ||
           (d->base && event_has(d->base, field) && !(d->draft.gone & EVENT_BIT(field)));
}

/* Whether the moment of the event lies in [since, until); an event without one always does. */
static bool in_range(struct pump *p, const struct decoded *d)
{
    const struct bound *since = &p->config.since, *until = &p->config.until;
    struct slice time = field_of(d, EV_TIME), local = field_of(d, EV_LOCAL_TIME);
    bool zoned = time.p != NULL, offsets;
    struct clock_time t;
    int64_t at, from = p->since_ms, to = p->until_ms;
    int32_t offset_s = 0;

    if (!since->set && !until->set)
        return true;
    offsets = (since->set && since->at.has_offset) || (until->set && until->at.has_offset);
    /* A bound without an offset and without -z is a wall clock: compared with the device's. */
    if (!offsets && !p->config.zone && local.p)
        zoned = false;
    if (!clock_parse(zoned ? time : local, &t))
        return true;
    if (offsets || p->config.zone) {
        if (!t.has_offset && !p->config.zone && !p->failed) {
            fault_set(&p->why, EX_USAGE,
                "--since/--until with an offset needs -z: the events have only their local_time");
            p->failed = true;
        }
        if (!t.has_offset && p->config.zone)
            zone_offset(p->config.zone, t.local_s, &offset_s);
        at = (t.local_s - (t.has_offset ? t.offset_s : offset_s)) * 1000 + t.ms;
    } else {
        at = t.local_s * 1000 + t.ms;
    }
    return (!since->set || at >= from) && (!until->set || at < to);
}

/* `time` from local_time; text must live until the draft is printed. */
static void add_time(struct pump *p, const struct decoded *d, struct draft *draft, char *text)
{
    struct slice local = field_of(d, EV_LOCAL_TIME);
    struct clock_time t;
    enum zone_note note;
    int32_t offset_s;

    /* A device that did not know the time has no moment to tell. */
    if (has_field(d, EV_TIME) || !local.p || slice_is(field_of(d, EV_TIME_NOTE), "clock_unset") ||
        !clock_parse(local, &t) || t.has_offset)
        return;
    note = zone_offset(p->config.zone, t.local_s, &offset_s);
    draft_str(
        draft, EV_TIME, (struct slice){text, clock_print_zoned(text, t.local_s, t.ms, offset_s)});
    if (note != ZONE_PLAIN && !has_field(d, EV_TIME_NOTE))
        draft_str(draft, EV_TIME_NOTE, note == ZONE_GAP ? SLICE("gap") : SLICE("fold"));
}

/* The beginning of a record, cut between two characters where it is text. */
static struct slice cut(struct slice raw, size_t bytes)
{
    struct slice text;

    if (raw.n <= bytes)
        return raw;
    raw.n = bytes;
    text = raw;
    for (int i = 0; i < 3 && text.n > 0 && !utf8_valid(text); i++)
        text.n--;
    return utf8_valid(text) ? text : raw;
}

/* What is left of a long record does not tell it from others that begin alike: all of it does. */
static void add_cut_id(struct pump *p, struct draft *draft, struct slice raw)
{
    struct identity id;

    identity_of_bytes(&id, raw, NULL);
    identity_print(&id, p->cut_id);
    draft_str(draft, EV_EVENT_ID, slice_of(p->cut_id));
}

static void add_raw(struct pump *p, struct draft *draft, struct slice raw, bool bad)
{
    if (bad && raw.n > RAW_ERROR_BYTES) {
        add_cut_id(p, draft, raw);
        raw = cut(raw, RAW_CUT_BYTES);
    }
    if (utf8_valid(raw)) {
        draft_str(draft, EV_RAW, raw);
        return;
    }
    p->base64.len = 0;
    json_base64(&p->base64, raw);
    draft_json(draft, EV_RAW_BASE64, buf_all(&p->base64));
}

/* What the transport is certain of, else what the record says, else -d, else what the record says
   by the way, else the transport's guess. */
static void add_device(struct stream *s, const struct decoded *d, struct draft *draft)
{
    struct pump *p = s->pump;

    if (!s->certain_device && has_field(d, EV_DEVICE_ID))
        return;
    if (s->fallback_device && d->device.p) {
        draft_str(draft, EV_DEVICE_ID, d->device);
        return;
    }
    draft_json(draft, EV_DEVICE_ID, buf_all(&s->device));
    if (!s->fallback_device || p->warned_device)
        return;
    p->warned_device = true;
    msg_warn("no device id (give -d): using %.*s; event ids will not match other paths, unless the "
             "site file names it as an alias",
        (int)s->device.len, s->device.data);
}

static void add_origin(struct stream *s, struct draft *draft)
{
    if (s->kind < STREAM_PEER) {
        s->origin.len = s->origin_bytes;
        json_int(&s->origin, (int64_t)s->number);
        buf_char(&s->origin, '"');
    }
    draft_json(draft, EV_ORIGIN, buf_all(&s->origin));
}

#define UNLESS(field) if (!has_field(d, (field)))

/* What the transport knows, where the format did not say it. */
static void complete(
    struct stream *s, const struct decoded *d, struct draft *draft, char time[CLOCK_TEXT])
{
    if (d->error) {
        draft_str(draft, EV_ERROR, slice_of(d->error));
        UNLESS(EV_KIND) draft_str(draft, EV_KIND, SLICE("other"));
    } else if (!d->base) {
        UNLESS(EV_KIND) draft_str(draft, EV_KIND, SLICE("granted"));
    }
    if (s->pump->config.zone)
        add_time(s->pump, d, draft, time);
    add_device(s, d, draft);
    if (s->format)
        UNLESS(EV_SOURCE) draft_json(draft, EV_SOURCE, buf_all(&s->source));
    UNLESS(EV_ORIGIN) add_origin(s, draft);
    if (s->received_bytes && !d->history)
        UNLESS(EV_RECEIVED_AT)
    draft_json(draft, EV_RECEIVED_AT, (struct slice){s->received, s->received_bytes});
    if (!d->no_raw && !has_field(d, EV_RAW) && !has_field(d, EV_RAW_BASE64))
        add_raw(s->pump, draft, s->record, d->error != NULL);
}

static void count_unknown(struct stream *s, const struct decoded *d)
{
    for (size_t i = 0; i < WORD_FIELDS; i++) {
        struct unknown *u = &s->pump->unknown[i];

        if (!(d->unknown & EVENT_BIT(word_fields[i].field)))
            continue;
        if (u->count++ == 0 && s->kind < STREAM_PEER)
            snprintf(u->first, sizeof u->first, "line %llu of %.*s", (unsigned long long)s->number,
                (int)s->origin_bytes - 2, s->origin.data + 1);
    }
}

/* --count: whom the identity is of, as far as it matters which records have the same. */
static void count(struct stream *s, const struct decoded *d)
{
    static const enum event_field nobody[] = {EV_READER, EV_CODE, EV_SERIAL_NO};
    struct slice device = s->certain_device ? SLICE_NONE : field_of(d, EV_DEVICE_ID);
    struct slice who = field_of(d, EV_PERSON_ID);
    struct slice clock = d->error ? SLICE_NONE : field_of(d, EV_LOCAL_TIME);
    struct buf name = {0}, others = {0};

    if (!device.p && s->fallback_device)
        device = d->device;
    if (device.p)
        json_str(&name, device);
    if (!clock.p && !d->error)
        clock = field_of(d, EV_TIME);
    if (!who.p)
        who = field_of(d, EV_CARD_NO);
    for (size_t i = 0; i < 3 && !who.p; i++) {
        buf_slice(&others, field_of(d, nobody[i]));
        buf_char(&others, 0x1f);
    }
    tally_add(s->pump->config.tally, device.p ? buf_all(&name) : buf_all(&s->device),
        who.p ? slice_trim(who) : buf_all(&others), clock);
    buf_free(&name);
    buf_free(&others);
}

/* A live event without a time happened when it came; of any other, nobody knows. */
static const struct decoded *set_now(
    const struct stream *s, const struct decoded *d, struct decoded *timed)
{
    if (!d->now || d->history || (s->received_bytes == 0 && !d->error))
        return d;
    *timed = *d;
    if (s->received_bytes > 0) {
        timed->error = NULL;
        draft_str(&timed->draft, EV_TIME, (struct slice){s->received + 1, s->received_bytes - 2});
        draft_str(&timed->draft, EV_TIME_NOTE, SLICE("received"));
    } else {
        timed->draft.set &= EVENT_BIT(EV_RAW) | EVENT_BIT(EV_DEVICE_ID);
    }
    return timed;
}

static void emit(void *arg, const struct decoded *d)
{
    struct stream *s = arg;
    struct pump *p = s->pump;
    struct decoded timed;
    struct draft draft;
    char time[CLOCK_TEXT];
    struct buf *out;

    if (s->priming) {
        s->primed = true;
        return;
    }
    d = set_now(s, d, &timed);
    if (d->remark)
        count_remark(p, d->remark);
    if (d->nothing)
        return;
    p->events++;
    s->events++;
    if (s->see)
        s->see(s->see_arg, d);
    if (d->error) {
        s->bad++;
        count_bad(p, d->error);
    } else if (!in_range(p, d))
        return;
    if (d->unknown)
        count_unknown(s, d);
    if (p->config.tally) {
        count(s, d);
        return;
    }
    draft = d->draft;
    complete(s, d, &draft, time);
    out = sink_line(p->sink);
    if (d->base) {
        /* Whoever answers to us must not see the tag of an earlier life. */
        if (sink_receipts(p->sink))
            draft_remove(&draft, EV_ACK);
        event_write(out, d->base, &draft);
    } else {
        draft_print(out, &draft);
    }
    if (!p->failed && sink_take(p->sink, s->track, s->offset, s->line) < 0) {
        p->why = *sink_fault(p->sink);
        p->failed = true;
    }
}

static void keep_picture(void *arg, struct slice picture, struct buf *snapshot)
{
    album_keep(((struct stream *)arg)->pump->config.album, picture, snapshot);
}

static void emit_bad(struct stream *s, struct slice record, const char *error)
{
    struct decoded d = {.error = error};

    s->record = record;
    emit(s, &d);
}

/* ---- streams ---- */

static void json_text(struct buf *b, const char *text)
{
    b->len = 0;
    json_str(b, slice_of(text));
}

struct stream *stream_open(struct pump *p, const struct stream_config *config)
{
    struct stream *s = mem_alloc(sizeof *s);

    *s = (struct stream){.pump = p, .kind = config->kind, .track = config->track};
    if (s->track)
        s->track->refs++;
    s->options = config->options ? config->options : &p->config.options;
    s->see = config->see;
    s->see_arg = config->see_arg;
    s->certain_device = config->certain_device;
    s->fallback_device = !config->certain_device && !p->config.device;
    json_text(&s->device,
        config->certain_device || !p->config.device ? config->device : p->config.device);
    json_text(&s->origin, config->origin);
    if (s->kind < STREAM_PEER)
        s->origin.data[s->origin.len - 1] = ':';
    s->origin_bytes = s->origin.len;
    s->format = config->certain_format || !p->config.format ? config->format : p->config.format;
    return s;
}

void stream_close(struct stream *s)
{
    if (!s)
        return;
    if (s->state)
        s->format->close(s->state);
    track_drop(s->track);
    buf_free(&s->origin);
    buf_free(&s->device);
    buf_free(&s->source);
    free(s->data);
    free(s);
}

char *stream_room(struct stream *s, size_t n)
{
    size_t kept = s->to - s->from;

    if (s->cap - s->to < n) {
        if (kept > 0)
            memmove(s->data, s->data + s->from, kept);
        s->scanned -= s->scanned < s->from ? s->scanned : s->from;
        s->from = 0;
        s->to = kept;
        if (s->cap - s->to < n) {
            s->cap = s->to + n < s->cap * 2 ? s->cap * 2 : s->to + n;
            s->data = mem_resize(s->data, s->cap);
        }
    }
    return s->data + s->to;
}

void stream_take(struct stream *s, struct buf *b)
{
    s->data = b->data;
    s->cap = b->cap;
    stream_added(s, b->len);
    *b = (struct buf){0};
}

void stream_added(struct stream *s, size_t n)
{
    s->to += n;
    if (s->kind == STREAM_PEER || s->kind == STREAM_BODY) {
        s->received[0] = '"';
        s->received_bytes = clock_print_utc_ms(s->received + 1, clock_now_ms()) + 2;
        s->received[s->received_bytes - 1] = '"';
    }
}

void stream_end(struct stream *s)
{
    s->ended = true;
}

size_t stream_waiting(const struct stream *s)
{
    return s->to - s->from;
}

size_t stream_room_bytes(const struct stream *s)
{
    return s->cap;
}

void stream_trim(struct stream *s)
{
    size_t kept = s->to - s->from, want = kept < BUFFER_KEPT ? BUFFER_KEPT : kept;

    if (kept == 0 && s->state && s->format->stateless) {
        s->format->close(s->state);
        s->state = NULL;
    }
    if (s->cap <= want * 2)
        return;
    memmove(s->data, s->data + s->from, kept);
    s->scanned -= s->scanned < s->from ? s->scanned : s->from;
    s->from = 0;
    s->to = kept;
    s->cap = want;
    s->data = mem_resize(s->data, want);
}

uint64_t stream_events(const struct stream *s)
{
    return s->events;
}

uint64_t stream_bad(const struct stream *s)
{
    return s->bad;
}

void stream_place(const struct stream *s, struct place *place)
{
    place->offset = s->offset;
    place->line = s->line;
}

static uint64_t newlines(const struct stream *s, const char *p, size_t n)
{
    uint64_t count = 0;

    if (s->format && s->format->binary)
        return 0;
    for (size_t i = 0; i < n; i++)
        count += p[i] == '\n';
    return count;
}

static void advance(struct stream *s, size_t n, uint64_t lines)
{
    s->from += n;
    s->offset += n;
    s->line += lines;
    s->scanned = s->from;
}

/* The rest of a record that was too long, up to its newline. */
static void skip_long(struct stream *s)
{
    const char *p = s->data + s->from, *end = memchr(p, '\n', s->to - s->from);

    advance(s, end ? (size_t)(end - p) + 1 : s->to - s->from, end != NULL);
    s->skipping = !end;
}

/* Its first bytes, always as many, however much of it is here: they tell the record from others. */
static void emit_long(struct stream *s, struct slice record)
{
    if (record.n > s->pump->config.options.longest)
        record.n = s->pump->config.options.longest;
    emit_bad(s, record, s->pump->too_long);
}

static void report_long(struct stream *s)
{
    struct slice in = {s->data + s->from, s->to - s->from};

    s->number = s->line + 1;
    emit_long(s, in);
    s->skipping = true;
}

static int use_format(struct stream *s, const struct format *format, struct fault *why)
{
    s->state = format->open(s->options, why);
    if (!s->state)
        return -1;
    s->format = format;
    json_text(&s->source, format->name);
    return 0;
}

/* A line, or a whole body, that no format knows. */
static void unknown_record(struct stream *s, struct slice in)
{
    struct slice record = in;
    size_t used = in.n;

    if (s->kind != STREAM_BODY && frame_line(NULL, in, s->ended, &used, &record) == FRAME_SKIP) {
        advance(s, used, newlines(s, in.p, used));
        return;
    }
    s->number = s->line + 1;
    emit_bad(s, record, "unknown format");
    advance(s, used, newlines(s, in.p, used));
}

static int refuse(const struct stream *s, struct slice head, struct fault *why)
{
    struct buf hint = {0};

    if (!format_hint(head, &hint))
        buf_lit(&hint, "unknown format: give -f (ts-read --list-formats)");
    fault_set(why, EX_DATAERR, "%.*s: %.*s", (int)s->origin_bytes - 2, s->origin.data + 1,
        (int)hint.len, hint.data);
    buf_free(&hint);
    return -1;
}

/* Tells the format from the first bytes.  1 known, 0 not yet (more bytes, or another try), -1. */
static int find_format(struct stream *s, struct fault *why)
{
    struct slice in = {s->data + s->from, s->to - s->from}, head = in;
    bool whole = s->ended && in.n <= SNIFF_BYTES, enough = s->ended || in.n >= SNIFF_BYTES;
    const struct format *format = s->format;

    if (format)
        return use_format(s, format, why) < 0 ? -1 : 1;
    if (in.n == 0 || (!enough && (s->kind == STREAM_FILE || s->kind == STREAM_BODY ||
                                     !memchr(in.p, '\n', in.n))))
        return 0;
    if (head.n > SNIFF_BYTES)
        head.n = SNIFF_BYTES;
    format = format_sniff(head, whole);
    if (format)
        return use_format(s, format, why) < 0 ? -1 : 1;
    if (s->kind >= STREAM_TAIL && (s->kind != STREAM_BODY || s->ended)) {
        unknown_record(s, in);
        return 0;
    }
    if (!enough || s->kind == STREAM_BODY)
        return 0;
    return refuse(s, head, why);
}

static void take_record(struct stream *s, struct slice record, size_t used)
{
    const char *in = s->data + s->from;
    uint64_t before = newlines(s, in, (size_t)(record.p - in));
    bool torn = s->ended && s->from + used == s->to && s->data[s->to - 1] != '\n';
    const struct emitter out = {
        .emit = emit, .arg = s, .keep = s->pump->config.album ? keep_picture : NULL};

    s->record = record;
    s->number = s->line + before + 1;
    if (record.n > s->pump->config.options.longest)
        emit_long(s, record);
    else
        s->format->decode(s->state, record, torn, &out);
    before += s->format->binary;
    advance(s, used, before + newlines(s, record.p, used - (size_t)(record.p - in)));
}

/* One step with a format: false when there is no whole record here. */
static bool step(struct stream *s)
{
    struct slice in = {s->data + s->from, s->to - s->from}, record = SLICE_NONE;
    bool lines = s->format->frame == frame_line;
    enum frame frame = FRAME_MORE;
    size_t used = 0;

    /* What was looked at before holds no newline. */
    if (!lines || s->ended || memchr(s->data + s->scanned, '\n', s->to - s->scanned))
        frame = s->format->frame(s->state, in, s->ended, &used, &record);
    s->scanned = s->to;
    if (frame == FRAME_RECORD) {
        take_record(s, record, used);
    } else if (frame == FRAME_SKIP) {
        advance(s, used, newlines(s, in.p, used));
    } else if (in.n > s->pump->config.options.longest) {
        report_long(s);
    } else if (s->ended) {
        take_record(s, in, in.n);
    } else {
        return false;
    }
    return true;
}

/* Between its end and its receipts a stream keeps little. */
static void release(struct stream *s)
{
    if (s->state)
        s->format->close(s->state);
    s->state = NULL;
    free(s->data);
    s->data = NULL;
    s->cap = s->from = s->to = s->scanned = 0;
}

/* All that is whole was handed over. */
static enum stream_state run_out(struct stream *s, enum stream_state state)
{
    if (s->track)
        sink_reached(s->pump->sink, s->track, s->offset, s->line);
    if (s->track && state == STREAM_END)
        sink_ended(s->pump->sink, s->track);
    if (state == STREAM_END)
        release(s);
    return state;
}

enum stream_state stream_run(struct stream *s, struct fault *why)
{
    struct pump *p = s->pump;
    int known;

    while (sink_room(p->sink) && !p->failed) {
        if (s->skipping)
            skip_long(s);
        else if (s->from < s->to && !s->state) {
            size_t before = s->from;

            known = find_format(s, why);
            if (known < 0)
                return STREAM_ERROR;
            if (known == 0 && s->from == before)
                return run_out(s, STREAM_MORE);
        } else if (s->from < s->to && !step(s))
            return run_out(s, STREAM_MORE);
        if (s->from == s->to)
            return run_out(s, s->ended ? STREAM_END : STREAM_MORE);
    }
    if (!p->failed && !sink_fault(p->sink))
        return run_out(s, STREAM_FULL);
    *why = p->failed ? p->why : *sink_fault(p->sink);
    return STREAM_ERROR;
}

int stream_resume(struct stream *s, struct slice head, const struct place *place, struct fault *why)
{
    int rc = 0;

    memcpy(stream_room(s, head.n), head.p, head.n);
    s->to += head.n;
    s->priming = s->ended = true; /* what is here has to do */
    if (s->to > s->from && !s->state)
        rc = find_format(s, why);
    while (rc >= 0 && s->state && !s->primed && s->from < s->to && step(s))
        ;
    s->priming = s->ended = s->skipping = false;
    s->from = s->to = s->scanned = 0;
    s->offset = place->offset;
    s->line = place->line;
    if (s->track)
        sink_reached(s->pump->sink, s->track, s->offset, s->line);
    return rc < 0 ? -1 : 0;
}
