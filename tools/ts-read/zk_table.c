/* SPDX-License-Identifier: MIT */
/* Plausible is a time of 2005 to 2049: a record that is read in the wrong layout seldom has one. */
#include "zk_table.h"

#include <inttypes.h>
#include <stdio.h>

#include "clock.h"
#include "zk_packet.h"

#define PERSON_BYTES 24

static const struct {
    const char *name;
    size_t bytes;
} layouts[ZK_LAYOUTS] = {
    [ZK_UNKNOWN_LAYOUT] = {"unknown", 0},
    [ZK_8] = {"8", 8},
    [ZK_8_FLAGS] = {"8-flags", 8},
    [ZK_16] = {"16", 16},
    [ZK_40] = {"40", 40},
    [ZK_49] = {"49", 49},
};

size_t zk_layout_bytes(enum zk_layout layout)
{
    return layouts[layout].bytes;
}

const char *zk_layout_name(enum zk_layout layout)
{
    return layouts[layout].name;
}

enum zk_layout zk_layout_named(struct slice name)
{
    enum zk_layout l = ZK_8;

    while (l < ZK_LAYOUTS && !slice_is(name, layouts[l].name))
        l++;
    return l < ZK_LAYOUTS ? l : ZK_UNKNOWN_LAYOUT;
}

bool zk_is_mark(const void *p)
{
    static const unsigned char marked[ZK_MARK_BYTES] = {0xff, '2', '5', '5'};

    return memcmp(p, marked, sizeof marked) == 0;
}

/* ---- records ---- */

/* Text up to its first NUL; what follows that is left over from others. */
static void read_text(const char *p, char person[25])
{
    const char *end = memchr(p, '\0', PERSON_BYTES);
    struct slice text = slice_trim((struct slice){p, end ? (size_t)(end - p) : PERSON_BYTES});

    memcpy(person, text.p, text.n);
    person[text.n] = '\0';
}

static void read_number(uint32_t number, char person[25])
{
    person[0] = '\0';
    if (number > 0)
        snprintf(person, 25, "%" PRIu32, number);
}

static void read_time(uint32_t packed, struct zk_passage *out)
{
    out->dated = zk_time(packed, &out->local_s, &out->unset);
}

void zk_record_read(enum zk_layout layout, const void *p, struct zk_passage *out)
{
    const char *b = p;
    const unsigned char *u = p;

    *out = (struct zk_passage){0};
    switch (layout) {
    case ZK_16:
        read_number(zk_u32(b), out->person);
        read_time(zk_u32(b + 4), out);
        out->state = u[8];
        out->verify = u[9];
        break;
    case ZK_8:
    case ZK_8_FLAGS:
        out->by_uid = true;
        out->uid = zk_u16(b);
        read_time(zk_u32(b + (layout == ZK_8 ? 3 : 4)), out);
        out->verify = layout == ZK_8 ? u[2] : u[2] >> 3 & 3;
        out->state = layout == ZK_8 ? u[7] : u[2] & 7;
        break;
    default:
        out->uid = zk_u16(b);
        read_text(b + 2, out->person);
        out->by_uid = !*out->person;
        read_time(zk_u32(b + 27), out);
        out->verify = u[26];
        out->state = u[31];
        break;
    }
    out->empty = !*out->person && out->uid == 0;
}

/* ---- which layout ---- */

static bool is_plausible(const struct zk_passage *p)
{
    static const int64_t from_s = 1104537600, until_s = 2524608000; /* 2005-01-01, 2050-01-01 */

    return p->dated && p->local_s >= from_s && p->local_s < until_s;
}

/* Letters, digits and the like: what people are called by. */
static bool is_text(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || (unsigned char)*text > 0x7e)
            return false;
    return true;
}

struct score {
    unsigned records, plausible, unset, wrong;
    size_t left; /* bytes at the end that are no whole record */
};

/* The records of a sample, read in one layout. */
static void score_layout(enum zk_layout layout, struct slice sample, struct score *s)
{
    size_t bytes = zk_layout_bytes(layout);
    struct zk_passage p;

    *s = (struct score){0};
    while (sample.n >= bytes) {
        if (layout == ZK_40 && zk_is_mark(sample.p)) {
            sample.p += ZK_MARK_BYTES;
            sample.n -= ZK_MARK_BYTES;
            continue;
        }
        zk_record_read(layout, sample.p, &p);
        s->records++;
        if (!p.empty) {
            s->plausible += is_plausible(&p);
            s->unset += p.dated && (p.unset || p.local_s < 978307200); /* 2001 */
            s->wrong += !is_text(p.person) || (layout == ZK_8_FLAGS && sample.p[3] != 0) ||
                        (p.state > 15 && p.state != 255);
        }
        sample.p += bytes;
        sample.n -= bytes;
    }
    s->left = sample.n;
}

/* In per mille how much sense it makes; a clock that was never set makes some. */
static unsigned sense(const struct score *s)
{
    unsigned good = s->plausible * 4 + s->unset, bad = s->wrong * 4;

    return s->records == 0 || good <= bad ? 0 : (good - bad) * 250 / s->records;
}

enum zk_layout zk_layout_find(struct slice sample, uint64_t bytes, uint64_t count)
{
    enum zk_layout best = ZK_UNKNOWN_LAYOUT;
    unsigned most = 0;

    if (sample.n > ZK_SAMPLE_BYTES)
        sample.n = ZK_SAMPLE_BYTES;
    for (enum zk_layout l = ZK_8; l < ZK_LAYOUTS; l++) {
        uint64_t size = zk_layout_bytes(l);
        bool counted = count > 0 && bytes == count * size, whole;
        struct score s;
        unsigned points;

        score_layout(l, sample, &s);
        points = sense(&s);
        /* What the device counts decides among what makes some sense; whole records the rest. */
        if (points < (counted ? 100u : 600u))
            continue;
        whole = bytes == sample.n ? s.left == 0 : bytes % size == 0;
        points += (whole ? 500u : 0) + (counted ? 300u : 0);
        if (points > most || (points == most && l == ZK_49)) { /* so are 40 with marks */
            most = points;
            best = l;
        }
    }
    return best;
}

/* ---- live events ---- */

static const struct {
    size_t bytes, number, verify, time;
} events[] = {
    {32, 24, 24, 26}, /* number: bytes that the user id takes */
    {12, 4, 4, 6},
    {10, 2, 2, 4},
};

static bool read_event(const char *p, size_t form, struct zk_passage *out)
{
    const unsigned char *u = (const unsigned char *)p;

    *out = (struct zk_passage){0};
    if (events[form].number == 24) {
        read_text(p, out->person);
    } else if (events[form].number == 4) {
        read_number(zk_u32(p), out->person);
    } else {
        out->by_uid = true;
        out->uid = zk_u16(p);
    }
    out->verify = u[events[form].verify];
    out->state = u[events[form].verify + 1];
    out->dated = zk_time6(p + events[form].time, &out->local_s);
    out->empty = !*out->person && out->uid == 0;
    return out->dated && !out->empty && is_text(out->person);
}

/* How the bytes may be cut into events: each has to make sense. */
static bool all_events(struct slice data, size_t each, size_t form)
{
    struct zk_passage p;

    for (; data.n >= each; data.p += each, data.n -= each)
        if (!read_event(data.p, form, &p))
            return false;
    return data.n == 0;
}

bool zk_event_read(struct slice *data, struct zk_passage *out)
{
    static const size_t each[] = {32, 36, 37, 52, 12, 10, 14};
    size_t form = 0, n = data->n;

    if (n < events[2].bytes)
        return false;
    if (n < events[0].bytes)
        form = n == 12 || n == 13 ? 1 : 2;
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        size_t f = each[i] >= 32 ? 0 : each[i] == 12 ? 1 : 2;

        if (data->n > each[i] && data->n % each[i] == 0 && all_events(*data, each[i], f)) {
            form = f;
            n = each[i];
            break;
        }
    }
    read_event(data->p, form, out);
    data->p += n;
    data->n -= n;
    return true;
}

/* ---- users ---- */

size_t zk_user_bytes(struct slice table, uint64_t count)
{
    static const size_t sizes[] = {72, 28};
    char person[25];
    uint16_t uid;

    for (size_t i = 0; i < 2; i++)
        if (count > 0 && table.n == count * sizes[i])
            return sizes[i];
    for (size_t i = 0; i < 2; i++)
        if (table.n > 0 && table.n % sizes[i] == 0 &&
            zk_user_read(table.p, sizes[i], &uid, person) && is_text(person))
            return sizes[i];
    return 0;
}

bool zk_user_read(const void *p, size_t bytes, uint16_t *uid, char person[25])
{
    const char *b = p;

    *uid = zk_u16(b);
    if (bytes == 72)
        read_text(b + 48, person);
    else
        read_number(zk_u32(b + 24), person);
    return *uid != 0 && *person;
}
