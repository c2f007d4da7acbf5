/* SPDX-License-Identifier: MIT */
/* Devices are few, days some thousand, records perhaps a million: of these only 8 bytes are kept.
 */
#include "tally.h"

#include <inttypes.h>
#include <stdlib.h>

#include "json.h"

#define CLOCK_BYTES 19u
#define DAY_BYTES 10u
#define DAYS_MAX 20000u /* of a device; what is beyond counts in the sum alone */
#define SET_MAX (1u << 21)

struct day {
    char text[DAY_BYTES];
    uint64_t events, records;
};

struct device {
    char *name; /* JSON text */
    struct day *day;
    size_t days, last; /* last: the day of the record before */
    uint64_t events, records, bad;
    char first[CLOCK_BYTES], newest[CLOCK_BYTES]; /* where events > 0 */
    bool says;
    uint64_t holds, room;
};

struct tally {
    struct device *device;
    size_t devices;
    uint64_t *set; /* hashes of what was seen; 0: free */
    size_t room, used;
};

struct tally *tally_new(void)
{
    struct tally *t = mem_alloc(sizeof *t);

    *t = (struct tally){0};
    return t;
}

void tally_free(struct tally *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->devices; i++) {
        free(t->device[i].name);
        free(t->device[i].day);
    }
    free(t->device);
    free(t->set);
    free(t);
}

/* ---- what was seen ---- */

static uint64_t hash_more(uint64_t h, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        h = (h ^ (unsigned char)s.p[i]) * 1099511628211u;
    return (h ^ 0x1f) * 1099511628211u;
}

/* FNV ends weak in its low bits, which the set takes its places from. */
static uint64_t hash_end(uint64_t h)
{
    h ^= h >> 32;
    h *= 0xd6e8feb86659fd93u;
    h ^= h >> 32;
    return h ? h : 1;
}

static bool set_add(struct tally *t, uint64_t hash);

static void set_grow(struct tally *t)
{
    uint64_t *old = t->set;
    size_t room = t->room;

    t->room = room ? room * 2 : 4096;
    t->used = 0;
    t->set = mem_alloc(t->room * sizeof *t->set);
    memset(t->set, 0, t->room * sizeof *t->set);
    for (size_t i = 0; i < room; i++)
        if (old[i])
            set_add(t, old[i]);
    free(old);
}

/* Whether it is new.  A set that is full knows nothing of what is. */
static bool set_add(struct tally *t, uint64_t hash)
{
    size_t i;

    if (t->used * 4 >= t->room * 3 && t->room < SET_MAX)
        set_grow(t);
    if (t->used * 8 >= t->room * 7)
        return true;
    for (i = hash & (t->room - 1); t->set[i]; i = (i + 1) & (t->room - 1))
        if (t->set[i] == hash)
            return false;
    t->set[i] = hash;
    t->used++;
    return true;
}

/* ---- counting ---- */

static struct device *find_device(struct tally *t, struct slice name)
{
    struct device *d;

    for (size_t i = 0; i < t->devices; i++)
        if (slice_is(name, t->device[i].name))
            return &t->device[i];
    t->device = mem_resize(t->device, (t->devices + 1) * sizeof *t->device);
    d = &t->device[t->devices++];
    *d = (struct device){.name = mem_text(name)};
    return d;
}

/* Days in order; NULL when there are too many. */
static struct day *find_day(struct device *d, const char *text)
{
    size_t low = 0, high = d->days;

    if (d->days > 0 && memcmp(d->day[d->last].text, text, DAY_BYTES) == 0)
        return &d->day[d->last];
    while (low < high) {
        size_t middle = (low + high) / 2;

        if (memcmp(d->day[middle].text, text, DAY_BYTES) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    d->last = low;
    if (low < d->days && memcmp(d->day[low].text, text, DAY_BYTES) == 0)
        return &d->day[low];
    if (d->days == DAYS_MAX) {
        d->last = 0;
        return NULL;
    }
    if ((d->days & (d->days - 1)) == 0) /* room for as many again */
        d->day = mem_resize(d->day, (d->days ? d->days * 2 : 1) * sizeof *d->day);
    memmove(&d->day[low + 1], &d->day[low], (d->days - low) * sizeof *d->day);
    d->days++;
    d->day[low] = (struct day){0};
    memcpy(d->day[low].text, text, DAY_BYTES);
    return &d->day[low];
}

void tally_add(struct tally *t, struct slice device, struct slice who, struct slice clock)
{
    struct device *d = find_device(t, device);
    struct day *day;
    uint64_t fresh;

    d->records++;
    if (clock.n < CLOCK_BYTES) {
        d->bad++;
        return;
    }
    clock.n = CLOCK_BYTES;
    fresh = set_add(
        t, hash_end(hash_more(hash_more(hash_more(1469598103934665603u, device), who), clock)));
    day = find_day(d, clock.p);
    if (day) {
        day->records++;
        day->events += fresh;
    }
    if (d->events == 0 || memcmp(clock.p, d->first, CLOCK_BYTES) < 0)
        memcpy(d->first, clock.p, CLOCK_BYTES);
    if (d->events == 0 || memcmp(clock.p, d->newest, CLOCK_BYTES) > 0)
        memcpy(d->newest, clock.p, CLOCK_BYTES);
    d->events += fresh;
}

void tally_knows(struct tally *t, const char *device)
{
    struct buf name = {0};

    json_str(&name, slice_of(device));
    find_device(t, buf_all(&name));
    buf_free(&name);
}

void tally_says(struct tally *t, struct slice device, uint64_t holds, uint64_t room)
{
    struct device *d = find_device(t, device);

    d->says = true;
    d->holds = holds;
    d->room = room;
}

/* ---- printing ---- */

static void print_counts(struct buf *out, uint64_t events, uint64_t records)
{
    buf_printf(out, ",\"events\":%" PRIu64 ",\"records\":%" PRIu64, events, records);
}

static void print_device(const struct device *d, struct buf *out)
{
    for (size_t i = 0; i < d->days; i++) {
        buf_printf(out, "{\"device\":%s,\"day\":\"%.*s\"", d->name, (int)DAY_BYTES, d->day[i].text);
        print_counts(out, d->day[i].events, d->day[i].records);
        buf_lit(out, "}\n");
    }
    buf_printf(out, "{\"device\":%s", d->name);
    print_counts(out, d->events, d->records);
    if (d->events > 0)
        buf_printf(out, ",\"first\":\"%.*s\",\"last\":\"%.*s\"", (int)CLOCK_BYTES, d->first,
            (int)CLOCK_BYTES, d->newest);
    buf_printf(out, ",\"not_understood\":%" PRIu64, d->bad);
    if (d->says)
        buf_printf(out, ",\"says\":%" PRIu64, d->holds);
    if (d->says && d->room > 0)
        buf_printf(out, ",\"room\":%" PRIu64, d->room);
    buf_lit(out, "}\n");
}

void tally_print(const struct tally *t, struct buf *out)
{
    for (size_t i = 0; i < t->devices; i++)
        print_device(&t->device[i], out);
}
