/* SPDX-License-Identifier: MIT */
/* Tables and small parsers; see iclock.h. */
#include "iclock.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "identity.h"
#include "zk_time.h"

#define VALUE_BYTES 256 /* of a parameter; what is longer is cut */

static bool is_word(struct slice s, const char *word)
{
    return s.n == strlen(word) && strncasecmp(s.p, word, s.n) == 0;
}

/* ---- paths ---- */

static const struct {
    const char *name;
    enum iclock_page page;
} pages[] = {
    {"cdata", ICLOCK_CDATA},
    {"fdata", ICLOCK_FDATA},
    {"registry", ICLOCK_REGISTRY},
    {"push", ICLOCK_PUSH},
    {"getrequest", ICLOCK_GETREQUEST},
    {"getreq", ICLOCK_GETREQUEST},
    {"devicecmd", ICLOCK_DEVICECMD},
    {"querydata", ICLOCK_QUERYDATA},
    {"rtdata", ICLOCK_RTDATA},
    {"ping", ICLOCK_HELLO},
    {"exchange", ICLOCK_HELLO},
    {"service/control", ICLOCK_HELLO},
};

/* Takes "/iclock" off the path. */
static bool take_root(struct slice *path)
{
    static const char root[] = "/iclock";
    const size_t n = sizeof root - 1;

    if (path->n < n || strncasecmp(path->p, root, n) != 0 || (path->n > n && path->p[n] != '/'))
        return false;
    path->p += n;
    path->n -= n;
    return true;
}

bool iclock_path(struct slice path)
{
    return take_root(&path);
}

static enum iclock_page find_page(struct slice path)
{
    static const char aspx[] = ".aspx";
    const size_t n = sizeof aspx - 1;

    while (take_root(&path))
        ;
    while (path.n > 0 && path.p[path.n - 1] == '/')
        path.n--;
    while (path.n > 0 && path.p[0] == '/')
        path.p++, path.n--;
    if (path.n > n && strncasecmp(path.p + path.n - n, aspx, n) == 0)
        path.n -= n;
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (is_word(path, pages[i].name))
            return pages[i].page;
    return ICLOCK_NOWHERE;
}

/* ---- parameters ---- */

static const struct {
    const char *name;
    enum iclock_table table;
} tables[] = {
    {"attlog", ICLOCK_ATTLOG},
    {"operlog", ICLOCK_OPERLOG},
    {"attphoto", ICLOCK_PHOTO},
    {"rtlog", ICLOCK_EVENTS},
    {"transaction", ICLOCK_EVENTS},
    {"rtstate", ICLOCK_STATE},
    {"options", ICLOCK_STATE},
    {"errorlog", ICLOCK_STATE},
    {"user", ICLOCK_PEOPLE},
    {"userinfo", ICLOCK_PEOPLE},
    {"extuser", ICLOCK_PEOPLE},
    {"userauthorize", ICLOCK_PEOPLE},
    {"mulcarduser", ICLOCK_PEOPLE},
    {"userpic", ICLOCK_PEOPLE},
    {"fingertmp", ICLOCK_PEOPLE},
    {"fp", ICLOCK_PEOPLE},
    {"templatev10", ICLOCK_PEOPLE},
    {"face", ICLOCK_PEOPLE},
    {"facev7", ICLOCK_PEOPLE},
    {"fvein", ICLOCK_PEOPLE},
    {"biodata", ICLOCK_PEOPLE},
    {"biophoto", ICLOCK_PEOPLE},
    {"identitycard", ICLOCK_PEOPLE},
    {"idcard", ICLOCK_PEOPLE},
};

static enum iclock_table find_table(struct slice name)
{
    for (size_t i = 0; i < sizeof tables / sizeof *tables; i++)
        if (is_word(name, tables[i].name))
            return tables[i].table;
    return ICLOCK_OTHER;
}

enum parameter {
    P_SERIAL,
    P_TABLE,
    P_STAMP,
    P_ATT_STAMP,
    P_OP_STAMP,
    P_PHOTO_STAMP,
    P_TABLENAME,
    P_COUNT,
    P_DEVICE_TYPE,
    P_TYPE,
    P_PACKS,
    P_PACK,
    P_INFO,
    PARAMETERS,
};

static const struct {
    const char *name;
    enum parameter parameter;
} parameters[] = {
    {"sn", P_SERIAL},
    {"table", P_TABLE},
    {"stamp", P_STAMP},
    {"attlogstamp", P_ATT_STAMP},
    {"opstamp", P_OP_STAMP},
    {"operlogstamp", P_OP_STAMP},
    {"photostamp", P_PHOTO_STAMP},
    {"attphotostamp", P_PHOTO_STAMP},
    {"tablename", P_TABLENAME},
    {"count", P_COUNT},
    {"devicetype", P_DEVICE_TYPE},
    {"type", P_TYPE},
    {"packcnt", P_PACKS},
    {"packidx", P_PACK},
    {"info", P_INFO},
};

/* The values, decoded; the first of a name counts. */
struct values {
    char text[PARAMETERS][VALUE_BYTES];
    size_t n[PARAMETERS];
    bool given[PARAMETERS];
};

static int hex(char c)
{
    return c >= '0' && c <= '9'                 ? c - '0'
           : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10
                                                : -1;
}

static size_t decode(struct slice in, char out[VALUE_BYTES])
{
    size_t n = 0;

    for (size_t i = 0; i < in.n && n < VALUE_BYTES; i++) {
        int high = i + 2 < in.n ? hex(in.p[i + 1]) : -1, low = i + 2 < in.n ? hex(in.p[i + 2]) : -1;
        bool coded = in.p[i] == '%' && high >= 0 && low >= 0;

        out[n++] = (char)(coded ? high << 4 | low : in.p[i]);
        i += coded ? 2 : 0;
    }
    return n;
}

static void set_value(struct values *v, struct slice name, struct slice value)
{
    for (size_t i = 0; i < sizeof parameters / sizeof *parameters; i++) {
        enum parameter p = parameters[i].parameter;

        if (!is_word(name, parameters[i].name) || v->given[p])
            continue;
        v->given[p] = true;
        v->n[p] = decode(value, v->text[p]);
    }
}

static struct slice value_of(const struct values *v, enum parameter p)
{
    return v->given[p] ? slice_trim((struct slice){v->text[p], v->n[p]}) : SLICE_NONE;
}

/* "name=value"; a value of `table` may go on with " name=value". */
static void set_pair(struct values *v, struct slice pair)
{
    const char *equal = pair.n > 0 ? memchr(pair.p, '=', pair.n) : NULL, *space;
    struct slice name, value;
    char text[VALUE_BYTES];
    size_t n;

    if (!equal)
        return;
    name = (struct slice){pair.p, (size_t)(equal - pair.p)};
    value = (struct slice){equal + 1, pair.n - name.n - 1};
    if (!is_word(name, "table")) {
        set_value(v, name, value);
        return;
    }
    n = decode(value, text);
    space = memchr(text, ' ', n);
    set_value(v, name, (struct slice){text, space ? (size_t)(space - text) : n});
    if (space)
        set_pair(v, (struct slice){space + 1, n - (size_t)(space + 1 - text)});
}

static void take_pairs(struct values *v, struct slice query)
{
    while (query.n > 0) {
        const char *end = memchr(query.p, '&', query.n);
        size_t n = end ? (size_t)(end - query.p) : query.n;

        set_pair(v, (struct slice){query.p, n});
        query.p += n + (end != NULL);
        query.n -= n + (end != NULL);
    }
}

/* Copies text of letters, digits and marks; "" when it holds anything else, or is too long. */
static void copy_plain(char *out, size_t size, struct slice text, const char *marks)
{
    *out = '\0';
    if (text.n >= size)
        return;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (!(c >= '0' && c <= '9') && !((c | 32) >= 'a' && (c | 32) <= 'z') &&
            (c == '\0' || !strchr(marks, c)))
            return;
    }
    if (text.n > 0)
        memcpy(out, text.p, text.n);
    out[text.n] = '\0';
}

/* A number of a few digits; `none` otherwise. */
static long number(struct slice text, long none)
{
    long value = 0;

    if (text.n == 0 || text.n > 9)
        return none;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return none;
        value = value * 10 + (text.p[i] - '0');
    }
    return value;
}

/* The fourth part of "Ver 6.39 Apr 28 2008,users,fps,logs,…". */
static long info_logs(struct slice info)
{
    for (int part = 0; info.p; part++) {
        const char *comma = info.n > 0 ? memchr(info.p, ',', info.n) : NULL;
        size_t n = comma ? (size_t)(comma - info.p) : info.n;

        if (part == 3)
            return number((struct slice){info.p, n}, -1);
        info = comma ? (struct slice){comma + 1, info.n - n - 1} : SLICE_NONE;
    }
    return -1;
}

/* The table, and the stamp that belongs to it. */
static void find_records(const struct values *v, struct iclock_query *q)
{
    static const enum parameter own[ICLOCK_STAMPS] = {[ICLOCK_ATTLOG] = P_ATT_STAMP,
        [ICLOCK_OPERLOG] = P_OP_STAMP,
        [ICLOCK_PHOTO] = P_PHOTO_STAMP};
    struct slice table = value_of(v, P_TABLE), stamp;

    if (is_word(table, "tabledata") || (table.n == 0 && v->given[P_TABLENAME]))
        q->table = q->tablename[0] ? find_table(slice_of(q->tablename)) : ICLOCK_STATE;
    else if (table.n > 0)
        q->table = find_table(table);
    else if (v->given[P_OP_STAMP])
        q->table = ICLOCK_OPERLOG;
    else if (v->given[P_PHOTO_STAMP])
        q->table = ICLOCK_PHOTO;
    else
        q->table = ICLOCK_ATTLOG;
    if (q->page == ICLOCK_FDATA)
        q->table = ICLOCK_PHOTO;
    else if (q->page == ICLOCK_QUERYDATA && !q->tablename[0])
        q->table = ICLOCK_STATE;
    if (q->table > ICLOCK_PHOTO)
        return;
    stamp = value_of(v, own[q->table]);
    copy_plain(q->stamp, sizeof q->stamp, stamp.p ? stamp : value_of(v, P_STAMP), "");
}

void iclock_read(struct slice path, struct slice query, struct iclock_query *q)
{
    struct values v;
    struct slice type;

    memset(v.given, 0, sizeof v.given);
    *q = (struct iclock_query){.page = find_page(path)};
    take_pairs(&v, query);
    type = value_of(&v, P_DEVICE_TYPE);
    q->acc = type.p ? is_word(type, "acc") : -1;
    copy_plain(q->serial, sizeof q->serial, value_of(&v, P_SERIAL), "-_.");
    copy_plain(q->tablename, sizeof q->tablename, value_of(&v, P_TABLENAME), "_");
    copy_plain(q->type, sizeof q->type, value_of(&v, P_TYPE), "");
    if (number(value_of(&v, P_COUNT), -1) >= 0)
        copy_plain(q->count, sizeof q->count, value_of(&v, P_COUNT), "");
    q->packs = number(value_of(&v, P_PACKS), 0);
    q->pack = number(value_of(&v, P_PACK), 0);
    q->logs = info_logs(value_of(&v, P_INFO));
    find_records(&v, q);
}

/* ---- bodies ---- */

/* Where a value of a registry ends: before a comma that a key and "=" follow. */
static size_t value_bytes(struct slice rest)
{
    for (size_t i = 0; i < rest.n; i++) {
        size_t k = i + 1;

        if (rest.p[i] == '\r' || rest.p[i] == '\n')
            return i;
        if (rest.p[i] != ',')
            continue;
        while (k < rest.n && rest.p[k] != '=' && rest.p[k] != ',' && rest.p[k] != ' ')
            k++;
        if (k < rest.n && k > i + 1 && rest.p[k] == '=')
            return i;
        i = k - 1; /* no key begins before there */
    }
    return rest.n;
}

int iclock_read_registry(struct slice body)
{
    while (body.n > 0) {
        const char *equal = memchr(body.p, '=', body.n);
        struct slice key, value;

        if (!equal)
            break;
        key = slice_trim((struct slice){body.p, (size_t)(equal - body.p)});
        if (key.n > 0 && key.p[0] == '~')
            key.p++, key.n--;
        value = (struct slice){equal + 1, body.n - (size_t)(equal + 1 - body.p)};
        value.n = value_bytes(value);
        if (is_word(key, "DeviceType"))
            return is_word(value, "acc");
        body.n -= (size_t)(value.p + value.n - body.p);
        body.p = value.p + value.n;
        if (body.n > 0)
            body.p++, body.n--;
    }
    return -1;
}

/* Takes one part off a body, up to & or a line end. */
static struct slice take_part(struct slice *body)
{
    struct slice part = {body->p, 0};

    while (part.n < body->n && !memchr("&\r\n", part.p[part.n], 3))
        part.n++;
    body->p += part.n;
    body->n -= part.n;
    if (body->n > 0)
        body->p++, body->n--;
    return part;
}

static bool begins(struct slice part, const char *key, struct slice *value)
{
    size_t n = strlen(key);

    if (part.n <= n || strncasecmp(part.p, key, n) != 0 || part.p[n] != '=')
        return false;
    *value = (struct slice){part.p + n + 1, part.n - n - 1};
    return true;
}

/* What follows a result up to the next ID belongs to it, and may be anything. */
bool iclock_next_result(struct slice *body, struct iclock_result *r)
{
    bool begun = false;
    struct slice value;

    while (body->n > 0) {
        struct slice part = take_part(body);

        if (begins(part, "ID", &value)) {
            begun = number(value, -1) >= 0;
            r->id = begun ? (uint64_t)number(value, 0) : 0;
        } else if (begun && begins(part, "Return", &value)) {
            bool minus = value.n > 0 && value.p[0] == '-';

            value.p += minus;
            value.n -= minus;
            r->value = number(value, 5000);
            r->value = minus ? -r->value : r->value;
            return true;
        }
    }
    return false;
}

const char *iclock_meaning(long value)
{
    static const struct {
        long value;
        const char *meaning;
    } meanings[] = {
        {-1, "not supported, or no records in it"},
        {-629, "not known to access-control firmware"},
        {-1001, "its memory is full"},
        {-1002, "not supported"},
        {-1003, "it took too long"},
        {-1004, "it has no such table"},
        {-1005, "it is busy"},
        {-1006, "too long"},
        {-1007, "it has too little memory"},
    };

    for (size_t i = 0; i < sizeof meanings / sizeof *meanings; i++)
        if (meanings[i].value == value)
            return meanings[i].meaning;
    return NULL;
}

uint64_t iclock_lines(struct slice body)
{
    uint64_t lines = 0;
    bool filled = false;

    for (size_t i = 0; i < body.n; i++) {
        if (body.p[i] == '\n') {
            lines += filled;
            filled = false;
        } else if (body.p[i] != '\r' && body.p[i] != ' ' && body.p[i] != '\t') {
            filled = true;
        }
    }
    return lines + filled;
}

/* ---- answers ---- */

static const char *stamp_of(const struct iclock_terms *t, int table)
{
    /* Newer firmware keeps its own place and writes 9999; older sends all that is newer, which is
       everything: repeats are known by their ids. */
    return t->stamp[table][0] ? t->stamp[table] : "9999";
}

void iclock_print_options(struct buf *out, const struct iclock_terms *t)
{
    const char *att = stamp_of(t, ICLOCK_ATTLOG), *op = stamp_of(t, ICLOCK_OPERLOG);
    const char *photo = t->stamp[ICLOCK_PHOTO][0] ? t->stamp[ICLOCK_PHOTO] : "None";

    buf_printf(out, "GET OPTION FROM: %s\n", t->serial);
    buf_printf(out, "Stamp=%s\nOpStamp=%s\nPhotoStamp=%s\n", att, op, photo);
    buf_printf(out, "ATTLOGStamp=%s\nOPERLOGStamp=%s\nATTPHOTOStamp=%s\n", att, op, photo);
    buf_lit(out, "ErrorDelay=30\nDelay=10\nTransTimes=00:00;14:05\nTransInterval=1\n");
    /* Attendance, operations, photos; then seven kinds of what is about people. */
    buf_printf(out, "TransFlag=11%d0000000\n", t->photos);
    if (t->timezone)
        buf_printf(out, "TimeZone=%s\n", t->timezone);
    buf_lit(out, "Realtime=1\nEncrypt=None\nServerVer=2.4.1\nPushProtVer=2.4.1\nSupportPing=1\n");
    buf_printf(out, "MaxPostSize=%zu\n", t->body_bytes);
}

void iclock_print_code(struct buf *out, const char *serial, const char *what)
{
    struct buf name = {0};
    struct identity id;

    buf_printf(&name, "%s\x1f%s", what, serial);
    identity_of_bytes(&id, buf_all(&name), NULL);
    for (int i = 0; i < 16; i++)
        buf_printf(out, "%02x", id.octets[i]);
    buf_free(&name);
}

void iclock_print_push(struct buf *out, const struct iclock_terms *t, bool registry)
{
    if (registry) {
        buf_lit(out, "registry=ok\nRegistryCode=");
        iclock_print_code(out, t->serial, "registry");
        buf_char(out, '\n');
    }
    buf_lit(out, "ServerVersion=3.1.2\nServerName=turnstile\nPushProtVer=3.1.2\nPushVersion=3.1.2\n"
                 "ErrorDelay=30\nRequestDelay=10\nTransTimes=00:00;14:05\nTransInterval=1\n"
                 "TransTables=Transaction\nRealtime=1\nSessionID=");
    iclock_print_code(out, t->serial, "session");
    buf_lit(out, "\nTimeoutSec=10\n");
    if (t->timezone)
        buf_printf(out, "TimeZone=%s\n", t->timezone);
    buf_printf(out, "MaxPostSize=%zu\n", t->body_bytes);
}

void iclock_print_time(struct buf *out, int64_t utc_s, int32_t offset_s)
{
    int minutes = abs(offset_s) / 60;

    buf_printf(out, "DateTime=%" PRIu32 ",ServerTZ=%c%02d%02d", zk_time_pack(utc_s),
        offset_s < 0 ? '-' : '+', minutes / 60, minutes % 60);
}

/* Some firmware reads numbers over 12 as minutes, some over 13, all from 60 on. */
void iclock_print_zone(struct buf *out, int32_t offset_s)
{
    if (offset_s % 3600 == 0 && abs(offset_s) <= 12 * 3600)
        buf_printf(out, "%d", offset_s / 3600);
    else
        buf_printf(out, "%d", offset_s / 60);
}

/* ---- asking for a period again ---- */

static bool read_end(struct slice text, bool last, int64_t *at_s)
{
    struct clock_time t;

    if (!clock_parse(text, &t) || t.has_offset)
        return false;
    *at_s = t.local_s + (last && t.whole_bytes == 0 ? 86399 : 0);
    return true;
}

int iclock_read_period(struct slice text, struct iclock_period *p, struct fault *why)
{
    const char *dots = text.n > 0 ? memmem(text.p, text.n, "..", 2) : NULL;
    const char *colon = dots ? memchr(text.p, ':', (size_t)(dots - text.p)) : NULL;
    struct slice from = text, to;

    *p = (struct iclock_period){.serial = ""};
    if (!dots)
        goto bad;
    /* A time has colons too, but begins with four digits and a dash. */
    if (colon && !clock_parse((struct slice){text.p, text.n < 10 ? text.n : 10},
                     &(struct clock_time){.ms = 0})) {
        copy_plain(
            p->serial, sizeof p->serial, (struct slice){text.p, (size_t)(colon - text.p)}, "-_.");
        if (!p->serial[0])
            goto bad;
        from.p = colon + 1;
    }
    from.n = (size_t)(dots - from.p);
    to = (struct slice){dots + 2, text.n - (size_t)(dots + 2 - text.p)};
    if (read_end(from, false, &p->from_s) && read_end(to, true, &p->to_s) && p->from_s <= p->to_s)
        return 0;
bad:
    return fault_set(why, EX_USAGE,
        "-o request=%.*s: write 2026-01-01..2026-01-31, or SERIAL: before it", (int)text.n, text.p);
}

static void print_moment(struct buf *out, int64_t at_s)
{
    char text[CLOCK_TEXT];

    clock_print_local(text, at_s, 0);
    text[10] = ' ';
    buf_add(out, text, ZK_TIME_BYTES);
}

void iclock_print_query(struct buf *out, uint64_t id, const struct iclock_period *p, bool acc)
{
    buf_printf(out, "C:%" PRIu64 ":DATA QUERY ", id);
    if (acc) {
        /* No way to name a period is known to all firmware: it sends all that it has. */
        buf_lit(out, "tablename=transaction,fielddesc=*,filter=*\n");
        return;
    }
    buf_lit(out, "ATTLOG StartTime=");
    print_moment(out, p->from_s);
    buf_lit(out, "\tEndTime=");
    print_moment(out, p->to_s);
    buf_char(out, '\n');
}
