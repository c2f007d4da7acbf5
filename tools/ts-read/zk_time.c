/* SPDX-License-Identifier: MIT */
/* Times of ZKTeco devices.  See zk_time.h for what they look like. */
#include "zk_time.h"

#include <stdio.h>

#include "zk_packet.h"

static const char not_a_time[] = "not a time";
static const char impossible[] = "impossible date";

static int two(const char *p)
{
    unsigned a = (unsigned)(p[0] - '0'), b = (unsigned)(p[1] - '0');

    return a > 9 || b > 9 ? -1 : (int)(a * 10 + b);
}

/* A number with an optional minus, 1 to 4 digits; moves *p after it. */
static bool take_signed(const char **p, const char *end, int *value)
{
    bool minus = *p < end && **p == '-';
    const char *digits = *p += minus;

    *value = 0;
    for (; *p < end && *p - digits < 4 && **p >= '0' && **p <= '9'; ++*p)
        *value = *value * 10 + (**p - '0');
    if (minus)
        *value = -*value;
    return *p > digits;
}

/* Year, month, day, hour, minute, second as printed, signs and all. */
static bool take_fields(struct slice text, int field[6])
{
    static const char marks[] = "-- ::";
    const char *p = text.p, *end = text.p + text.n;

    for (int i = 0; i < 6; i++) {
        if (!take_signed(&p, end, &field[i]))
            return false;
        if (i < 5 && (p == end || *p++ != marks[i]))
            return false;
    }
    return p == end;
}

const char *zk_time_unpack(struct zk_time *t, uint32_t packed)
{
    int64_t local_s;

    if (!zk_time(packed, &local_s, &t->unset))
        return impossible;
    clock_print_local(t->local, local_s, 0);
    return NULL;
}

/* What the clock of a terminal that was never set really shows, from the fields that it printed. */
static const char *read_unset(struct zk_time *t, struct slice text)
{
    static const int lowest[6] = {-67, -11, -30, -23, -59, -59};
    static const int base[6] = {0, 12, 31, 24, 60, 60};
    int field[6];
    int64_t packed = 0;

    if (!take_fields(text, field))
        return not_a_time;
    field[0] -= 2000;
    field[1] -= 1;
    field[2] -= 1;
    for (int i = 0; i < 6; i++) {
        if (field[i] > 0 || field[i] < lowest[i])
            return not_a_time;
        packed = packed * base[i] + field[i];
    }
    return packed >= 0 || packed < INT32_MIN ? not_a_time : zk_time_unpack(t, (uint32_t)packed);
}

/* A date in the clock's form that was not the one before; NULL when it exists. */
static const char *check_date(struct zk_time *t, const char *p)
{
    int century = two(p), year = two(p + 2), month = two(p + 5), day = two(p + 8);

    if (century < 0 || year < 0 || month < 0 || day < 0 || p[4] != '-' || p[7] != '-')
        return not_a_time;
    if (!clock_date_exists(century * 100 + year, month, day))
        return impossible;
    memcpy(t->date, p, sizeof t->date);
    return NULL;
}

static const char *read_ordinary(struct zk_time *t, struct slice text)
{
    const char *p = text.p, *error = NULL;
    int h, m, sec;

    if (text.n != ZK_TIME_BYTES || p[10] != ' ' || p[13] != ':' || p[16] != ':')
        return not_a_time;
    h = two(p + 11);
    m = two(p + 14);
    sec = two(p + 17);
    if (h < 0 || m < 0 || sec < 0)
        return not_a_time;
    if (memcmp(p, t->date, sizeof t->date) != 0)
        error = check_date(t, p);
    if (!error && (h > 23 || m > 59 || sec > 59))
        error = impossible;
    memcpy(t->local, p, ZK_TIME_BYTES);
    t->local[10] = 'T';
    t->unset = false;
    return error;
}

const char *zk_time_read(struct zk_time *t, struct slice text)
{
    const char *error = read_ordinary(t, text);

    if (error) {
        const char *unset = read_unset(t, text);

        if (unset)
            return error == not_a_time ? unset : error;
    }
    return NULL;
}

uint32_t zk_time_pack(int64_t local_s)
{
    char text[CLOCK_TEXT];
    unsigned year, month, day, h, m, s;

    clock_print_local(text, local_s, 0);
    if (sscanf(text, "%4u-%2u-%2uT%2u:%2u:%2u", &year, &month, &day, &h, &m, &s) != 6 ||
        year < 2000 || year > 2133)
        return 0;
    return ((((year - 2000) * 12 + month - 1) * 31 + day - 1) * 24 + h) * 3600 + m * 60 + s;
}

bool zk_time_looks(struct slice text)
{
    int field[6];

    text = slice_trim(text);
    return text.n >= ZK_TIME_BYTES && take_fields(text, field) && field[0] >= 1900 &&
           field[0] < 2200 && field[1] <= 12 && field[2] <= 31;
}
