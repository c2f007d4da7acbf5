/* SPDX-License-Identifier: MIT */
/*
 * The counters by device and day.  Put gathers them in memory, keeps the ids of their rows from one
 * batch to the next, and writes each row once a batch: nothing is asked of the file for an event
 * whose device and day were there before.
 */
#include <stdlib.h>

#include "sqlite.h"

#define DAYS_MIN 256
#define DAYS_KEPT 8192 /* rows whose ids are kept from batch to batch */

struct day_sum {
    uint64_t hash;
    int64_t id; /* of the row; 0: the place is free */
    char *key;  /* owned: device and day */
    size_t device_n, day_n;
    int64_t received, duplicates, serials, first, last, put_ms;
};

static struct slice known_text(struct slice text)
{
    return text.p ? text : SLICE("");
}

static uint64_t hash_text(uint64_t h, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 0x100000001b3ull;
    return h;
}

static bool is_of(const struct day_sum *d, uint64_t hash, struct slice device, struct slice day)
{
    return d->hash == hash && d->device_n == device.n && d->day_n == day.n &&
           memcmp(d->key, device.p, device.n) == 0 && memcmp(d->key + device.n, day.p, day.n) == 0;
}

/* The place of a device and day, or the free one where it belongs. */
static struct day_sum *place(
    const struct days *days, uint64_t hash, struct slice device, struct slice day)
{
    size_t n = hash & (days->cap - 1);

    while (days->at[n].id != 0 && !is_of(&days->at[n], hash, device, day))
        n = (n + 1) & (days->cap - 1);
    return &days->at[n];
}

static void grow(struct days *days)
{
    struct days old = *days;

    days->cap = old.cap ? old.cap * 2 : DAYS_MIN;
    days->at = mem_alloc(days->cap * sizeof *days->at);
    memset(days->at, 0, days->cap * sizeof *days->at);
    for (size_t i = 0; i < old.cap; i++)
        if (old.at[i].id != 0) {
            size_t n = old.at[i].hash & (days->cap - 1);

            while (days->at[n].id != 0)
                n = (n + 1) & (days->cap - 1);
            days->at[n] = old.at[i];
        }
    free(old.at);
}

static int find_row(
    struct sqlite *s, struct slice device, struct slice day, int64_t *id, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DAY_FIND, why);
    int rc;

    if (!q)
        return -1;
    sqlite_bind(q, 1, device);
    sqlite_bind(q, 2, day);
    rc = sqlite_step(s, q, why);
    if (rc > 0) {
        *id = sqlite3_column_int64(q, 0);
        sqlite3_reset(q);
    }
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    q = sqlite_query(s, Q_DAY_NEW, why);
    if (!q)
        return -1;
    sqlite_bind(q, 1, device);
    sqlite_bind(q, 2, day);
    if (sqlite_step(s, q, why) < 0)
        return -1;
    *id = sqlite3_last_insert_rowid(s->db);
    return 0;
}

static int sum_of(struct sqlite *s, const struct record *r, struct day_sum **sum, struct fault *why)
{
    struct slice device = known_text(r->device), day = known_text(r->day);
    uint64_t hash = hash_text(hash_text(0xcbf29ce484222325ull, device), day);
    struct day_sum *d;
    int64_t id;

    if (s->days.count * 2 >= s->days.cap)
        grow(&s->days);
    *sum = d = place(&s->days, hash, device, day);
    if (d->id != 0)
        return 0;
    if (find_row(s, device, day, &id, why) < 0)
        return -1;
    *d = (struct day_sum){.hash = hash, .id = id, .device_n = device.n, .day_n = day.n};
    d->key = mem_alloc(device.n + day.n + 1);
    memcpy(d->key, device.p, device.n);
    memcpy(d->key + device.n, day.p, day.n);
    s->days.count++;
    return 0;
}

int sqlite_day_count(
    struct sqlite *s, const struct record *r, int64_t now_ms, int64_t *id, struct fault *why)
{
    struct day_sum *d;

    if (sum_of(s, r, &d, why) < 0)
        return -1;
    *id = d->id;
    if (now_ms > d->put_ms)
        d->put_ms = now_ms;
    if (r->known) {
        d->duplicates++;
        return 0;
    }
    d->received++;
    if (r->serial < 0)
        return 0;
    if (d->serials == 0 || r->serial < d->first)
        d->first = r->serial;
    if (d->serials == 0 || r->serial > d->last)
        d->last = r->serial;
    d->serials++;
    return 0;
}

static int write_sum(struct sqlite *s, struct day_sum *d, struct fault *why)
{
    sqlite3_stmt *q = sqlite_query(s, Q_DAY_ADD, why);
    const int64_t values[] = {
        d->id, d->received, d->duplicates, d->serials, d->first, d->last, d->put_ms};

    if (!q)
        return -1;
    for (int i = 0; i < 7; i++)
        if (d->serials == 0 && (i == 4 || i == 5))
            sqlite3_bind_null(q, i + 1);
        else
            sqlite3_bind_int64(q, i + 1, values[i]);
    d->received = d->duplicates = d->serials = 0;
    return sqlite_step(s, q, why);
}

int sqlite_day_write(struct sqlite *s, struct fault *why)
{
    for (size_t i = 0; i < s->days.cap; i++) {
        struct day_sum *d = &s->days.at[i];

        if (d->id != 0 && d->received + d->duplicates > 0 && write_sum(s, d, why) < 0)
            return -1;
    }
    if (s->days.count > DAYS_KEPT)
        sqlite_day_forget(s);
    return 0;
}

void sqlite_day_forget(struct sqlite *s)
{
    for (size_t i = 0; i < s->days.cap; i++)
        free(s->days.at[i].key);
    free(s->days.at);
    s->days = (struct days){0};
}
