/* SPDX-License-Identifier: MIT */
/*
 * zk-records: the attendance table of ZKTeco devices as their binary protocol (port 4370) hands it
 * over.  The records are those of zk_table.h; a recorded table begins with its size:
 *
 *     b0 13 00 00   0d 00 39 39 39 31 …     size of what follows (u32), records
 *
 * The source zk:// knows more than a table does, and says it in sections before the records, each
 * a tag, the size of its content (u32) and the content:
 *
 *     ZKSN  serial number of the device
 *     ZKID  who a uid is: u16 uid, u8 length, user id; again and again
 *     ZKRC  u8 layout, records
 *     ZKEV  what one packet of live events carries
 *
 * The identity is that of zk-attlog: person and wall clock, so a passage has one id whether it
 * comes from a memory stick, from the log or live.
 */
#include <stdio.h>
#include <stdlib.h>

#include "clock.h"
#include "format.h"
#include "json.h"
#include "word.h"
#include "zk_packet.h"
#include "zk_table.h"

#define TAG_BYTES 8u
#define TABLE_BYTES_MAX (64u << 20)
#define SECTION_BYTES_MAX (64u << 20)
#define SERIAL_BYTES_MAX 64u
#define EVENT_BYTES_MAX 4096u
#define UIDS 65536u
#define PERSON_BYTES_MAX 24u
#define EVENT_RAW_MAX 96u
#define BAD_BYTES 8u /* of what is no table: it may be anything, also somebody's finger */

enum part { PART_NONE, PART_SERIAL, PART_USERS, PART_RECORDS, PART_EVENT, PART_BAD };

struct records {
    enum part part;
    size_t left;           /* bytes of the part to come */
    enum zk_layout told;   /* by -o record= */
    enum zk_layout layout; /* of the records in hand; ZK_UNKNOWN_LAYOUT: yet to be found */
    char serial[SERIAL_BYTES_MAX];
    size_t serial_bytes; /* 0: nobody said */
    uint32_t *user_at;   /* of each uid, 1 + where in users; NULL: no users were told */
    struct buf users;    /* user ids, each with its NUL */
    struct buf base64;
    struct zk_passage passage;
    char local_time[CLOCK_TEXT];
    char code[4];
    struct decoded out;
};

/* ---- options ---- */

static void records_close(void *state)
{
    struct records *s = state;

    if (s) {
        free(s->user_at);
        buf_free(&s->users);
        buf_free(&s->base64);
    }
    free(s);
}

static void *records_open(const struct format_options *options, struct fault *why)
{
    static const char *const names[] = {"record", NULL};
    struct slice record = format_option(options, "record");
    struct records *s = mem_alloc(sizeof *s);

    memset(s, 0, sizeof *s);
    if (format_options_check(options, "zk-records", names, why) < 0)
        goto out;
    s->told = zk_layout_named(record);
    if (record.p && s->told == ZK_UNKNOWN_LAYOUT) {
        fault_set(why, EX_USAGE, "-o record=%.*s: one of 8, 8-flags, 16, 40, 49", (int)record.n,
            record.p);
        goto out;
    }
    return s;
out:
    records_close(s);
    return NULL;
}

/* ---- what a record says ---- */

static const char *person_of(const struct records *s)
{
    uint32_t at = s->passage.by_uid && s->user_at ? s->user_at[s->passage.uid] : 0;

    return at ? s->users.data + at - 1 : s->passage.person;
}

/* NULL, or why it is no passage.  text: room for a number. */
static const char *read_passage(struct records *s, char text[8])
{
    const struct zk_passage *p = &s->passage;
    struct draft *d = &s->out.draft;
    struct slice person = slice_of(person_of(s)), word;

    if (!p->dated)
        return "impossible date";
    if (person.n == 0 && p->by_uid && s->layout != ZK_40 && s->layout != ZK_49) {
        person = (struct slice){text, (size_t)snprintf(text, 8, "%u", p->uid)};
        s->out.remark = "known by internal number alone, taken for the person: no such user";
    }
    if (person.n == 0 || !utf8_valid(person))
        return "no person";
    draft_str(d, EV_LOCAL_TIME,
        (struct slice){s->local_time, clock_print_local(s->local_time, p->local_s, 0)});
    if (p->unset)
        draft_str(d, EV_TIME_NOTE, SLICE("clock_unset"));
    draft_str(d, EV_PERSON_ID, person);
    if ((word = word_punch_code(p->state)).p)
        draft_str(d, EV_PUNCH, word);
    else
        draft_str(d, EV_CODE,
            (struct slice){s->code, (size_t)snprintf(s->code, sizeof s->code, "%u", p->state)});
    if ((word = word_credential_code(p->verify)).p)
        draft_str(d, EV_CREDENTIAL, word);
    draft_str(d, EV_KIND, SLICE("granted"));
    return NULL;
}

/* Without what a user id that was longer, or a name, left behind the id's NUL. */
static struct slice clean(const struct records *s, struct slice raw, char copy[EVENT_RAW_MAX])
{
    size_t at = s->layout == ZK_40 || s->layout == ZK_49 ? 2 : 0, id_bytes;

    if (raw.n < at + PERSON_BYTES_MAX || raw.n > EVENT_RAW_MAX)
        return raw;
    memcpy(copy, raw.p, raw.n);
    id_bytes = strnlen(copy + at, PERSON_BYTES_MAX);
    memset(copy + at + id_bytes, 0, PERSON_BYTES_MAX - id_bytes);
    return (struct slice){copy, raw.n};
}

static void begin(struct records *s, struct slice raw)
{
    char copy[EVENT_RAW_MAX];

    s->out = (struct decoded){0};
    s->base64.len = 0;
    json_base64(&s->base64, clean(s, raw, copy));
    draft_json(&s->out.draft, EV_RAW_BASE64, buf_all(&s->base64));
    if (s->serial_bytes > 0)
        draft_str(&s->out.draft, EV_DEVICE_ID, (struct slice){s->serial, s->serial_bytes});
}

static void fail(struct records *s, struct slice raw, const char *error, const struct emitter *out)
{
    begin(s, raw);
    s->out.error = error;
    out->emit(out->arg, &s->out);
}

static void emit_passage(struct records *s, struct slice raw, const struct emitter *out)
{
    char text[8];
    const char *error;

    begin(s, raw);
    if (s->passage.empty) {
        s->out.remark = "empty, left out";
        s->out.nothing = true;
        out->emit(out->arg, &s->out);
        return;
    }
    error = read_passage(s, text);
    if (error)
        fail(s, raw, error, out);
    else
        out->emit(out->arg, &s->out);
}

/* A packet may carry several events; what is left of it is none. */
static void decode_event(struct records *s, struct slice data, const struct emitter *out)
{
    enum zk_layout layout = s->layout;
    struct slice rest = data;

    s->layout = ZK_UNKNOWN_LAYOUT; /* a uid stands alone in some forms, as in 8 */
    do {
        struct slice one = rest;

        if (!zk_event_read(&rest, &s->passage)) {
            fail(s, one, "no live event", out);
            break;
        }
        one.n -= rest.n;
        emit_passage(s, one, out);
    } while (rest.n > 0);
    s->layout = layout;
}

static void records_decode(void *state, struct slice record, bool torn, const struct emitter *out)
{
    struct records *s = state;

    (void)torn;
    if (s->part == PART_EVENT && record.n > TAG_BYTES) {
        record.p += TAG_BYTES;
        record.n -= TAG_BYTES;
        decode_event(s, record, out);
        s->part = PART_NONE;
    } else if (s->part == PART_BAD) {
        fail(s, record, "no attendance table", out);
    } else if (s->part != PART_RECORDS || record.n != zk_layout_bytes(s->layout)) {
        fail(s, record, "torn last record", out);
    } else {
        zk_record_read(s->layout, record.p, &s->passage);
        emit_passage(s, record, out);
    }
}

/* ---- sections ---- */

static const struct {
    char tag[5];
    enum part part;
    size_t least, most; /* bytes of content */
} sections[] = {
    {"ZKSN", PART_SERIAL, 0, SERIAL_BYTES_MAX},
    {"ZKID", PART_USERS, 0, SECTION_BYTES_MAX},
    {"ZKRC", PART_RECORDS, 1, SECTION_BYTES_MAX},
    {"ZKEV", PART_EVENT, 1, EVENT_BYTES_MAX},
};

#define SECTIONS (sizeof sections / sizeof *sections)

static bool is_section(struct slice in, size_t *which)
{
    size_t bytes = zk_u32(in.p + 4);

    for (*which = 0; *which < SECTIONS; ++*which)
        if (memcmp(in.p, sections[*which].tag, 4) == 0)
            return bytes >= sections[*which].least && bytes <= sections[*which].most;
    return false;
}

/* What is no table is one record, of a size that does not depend on how it comes. */
static enum frame bad(
    struct records *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    size_t n = in.n < BAD_BYTES ? in.n : BAD_BYTES;

    s->part = PART_NONE;
    if (n < BAD_BYTES && !end)
        return FRAME_MORE;
    s->part = PART_BAD;
    *used = n;
    *record = (struct slice){in.p, n};
    return FRAME_RECORD;
}

/* A table that begins with its size: enough of it to tell its layout. */
static enum frame begin_table(
    struct records *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    size_t bytes = zk_u32(in.p), wanted = bytes < ZK_SAMPLE_BYTES ? bytes : ZK_SAMPLE_BYTES;
    struct slice sample = {in.p + 4, in.n - 4};

    if (wanted < BAD_BYTES)
        wanted = BAD_BYTES;
    if (sample.n < wanted && !end)
        return FRAME_MORE;
    if (sample.n > bytes)
        sample.n = bytes;
    *used = 4;
    if (bytes == 0)
        return FRAME_SKIP;
    s->layout = s->told ? s->told : zk_layout_find(sample, bytes, 0);
    if (s->layout == ZK_UNKNOWN_LAYOUT)
        return bad(s, in, end, used, record);
    s->part = PART_RECORDS;
    s->left = bytes;
    return FRAME_SKIP;
}

/* A section whose content is taken at once, or the beginning of that. */
static enum frame begin_section(
    struct records *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct slice content = {in.p + TAG_BYTES, in.n - TAG_BYTES};
    size_t which, whole = 0;

    if (in.n < TAG_BYTES || !is_section(in, &which))
        return bad(s, in, end, used, record);
    s->left = zk_u32(in.p + 4);
    if (sections[which].part != PART_USERS)
        whole = sections[which].part == PART_RECORDS ? 1 : s->left;
    if (content.n < whole)
        return FRAME_MORE;
    *used = TAG_BYTES + whole;
    s->part = sections[which].part;
    s->left -= whole;
    if (s->part == PART_EVENT) {
        *record = (struct slice){in.p, *used};
        return FRAME_RECORD;
    }
    if (s->part == PART_SERIAL) {
        memcpy(s->serial, content.p, whole);
        s->serial_bytes = whole;
    } else if (s->part == PART_RECORDS) {
        s->layout = (enum zk_layout)(unsigned char)*content.p;
        if (s->layout == ZK_UNKNOWN_LAYOUT || s->layout >= ZK_LAYOUTS)
            return bad(s, in, end, used, record);
    }
    return FRAME_SKIP;
}

static enum frame begin_part(
    struct records *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    if (in.n < TAG_BYTES && !end)
        return FRAME_MORE;
    if (in.n < 4)
        return bad(s, in, end, used, record);
    /* A tag, read as a size, would be a gigabyte. */
    if (zk_u32(in.p) > TABLE_BYTES_MAX)
        return begin_section(s, in, end, used, record);
    return begin_table(s, in, end, used, record);
}

/* One user: 0 when more bytes are needed. */
static size_t take_user(struct records *s, struct slice in)
{
    size_t n = in.n < 3 ? 0 : 3u + (unsigned char)in.p[2];
    uint16_t uid;

    if (n == 0 || in.n < n)
        return 0;
    uid = zk_u16(in.p);
    if (!s->user_at) {
        s->user_at = mem_alloc(UIDS * sizeof *s->user_at);
        memset(s->user_at, 0, UIDS * sizeof *s->user_at);
    }
    if (s->user_at[uid] == 0 && n > 3 && n <= 3 + PERSON_BYTES_MAX &&
        !memchr(in.p + 3, '\0', n - 3)) {
        s->user_at[uid] = (uint32_t)s->users.len + 1;
        buf_add(&s->users, in.p + 3, n - 3);
        buf_char(&s->users, '\0');
    }
    return n;
}

/* Inside users or records. */
static enum frame go_on(
    struct records *s, struct slice in, bool end, size_t *used, struct slice *record)
{
    size_t bytes = zk_layout_bytes(s->layout), here = in.n < s->left ? in.n : s->left;

    if (s->part == PART_USERS) {
        bytes = take_user(s, (struct slice){in.p, here});
        *used = bytes ? bytes : here;
        if (bytes == 0 && here < s->left)
            return FRAME_MORE;
        s->left -= *used;
        return FRAME_SKIP;
    }
    *used = ZK_MARK_BYTES;
    if (s->layout == ZK_40 && s->left >= ZK_MARK_BYTES) {
        if (here < ZK_MARK_BYTES && !end)
            return FRAME_MORE;
        if (here >= ZK_MARK_BYTES && zk_is_mark(in.p)) {
            s->left -= ZK_MARK_BYTES;
            return FRAME_SKIP;
        }
    }
    if (here < bytes && here < s->left && !end)
        return FRAME_MORE;
    *used = here < bytes ? here : bytes;
    *record = (struct slice){in.p, *used};
    s->left -= *used;
    return FRAME_RECORD;
}

static enum frame records_frame(
    void *state, struct slice in, bool end, size_t *used, struct slice *record)
{
    struct records *s = state;

    if (s->part == PART_BAD) {
        *used = in.n;
        return FRAME_SKIP;
    }
    if (s->part != PART_NONE && s->left == 0)
        s->part = PART_NONE;
    if (s->part == PART_NONE)
        return begin_part(s, in, end, used, record);
    return go_on(s, in, end, used, record);
}

/* Only a table whose first records make sense; its size, read as text, would be half a gigabyte. */
static int records_sniff(struct slice head, bool whole)
{
    size_t bytes, which;

    if (head.n >= TAG_BYTES && is_section(head, &which))
        return 90;
    if (head.n < 12 || (bytes = zk_u32(head.p)) > TABLE_BYTES_MAX || (whole && bytes != head.n - 4))
        return 0;
    head.p += 4;
    head.n -= 4;
    return zk_layout_find(head, bytes, 0) == ZK_UNKNOWN_LAYOUT ? 0 : 80;
}

const struct format format_zk_records = {
    .name = "zk-records",
    .title = "ZKTeco attendance table (zk://, or a recorded one)",
    .binary = true,
    .sniff = records_sniff,
    .open = records_open,
    .close = records_close,
    .frame = records_frame,
    .decode = records_decode,
};
