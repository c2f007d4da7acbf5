/* SPDX-License-Identifier: MIT */
/* Calendar arithmetic (proleptic Gregorian, years from March) and the RFC 3339 forms. */
#include "clock.h"

#include <time.h>

int64_t clock_days(int year, int month, int day)
{
    int64_t y = (int64_t)year - (month <= 2), era = (y >= 0 ? y : y - 399) / 400;
    int yoe = (int)(y - era * 400), doy = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + yoe * 365 + yoe / 4 - yoe / 100 + doy - 719468;
}

static void civil(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468, era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;

    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

bool clock_date_exists(int year, int month, int day)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

    return year >= 0 && year <= 9999 && month >= 1 && month <= 12 && day >= 1 &&
           day <= days[month - 1] + (month == 2 && leap);
}

/* Two digits, or a number so far below zero that no sum with it is a year. */
static inline int two_digits(const char *p)
{
    unsigned tens = (unsigned char)p[0] - '0', ones = (unsigned char)p[1] - '0';

    return tens < 10 && ones < 10 ? (int)(tens * 10 + ones) : -100000;
}

bool clock_parse_offset(struct slice text, int32_t *offset_s)
{
    const char *p = text.p;
    int h, m;

    *offset_s = 0;
    if (text.n == 1 && (*p == 'Z' || *p == 'z'))
        return true;
    if (text.n != 6 || (*p != '+' && *p != '-') || p[3] != ':')
        return false;
    h = two_digits(p + 1);
    m = two_digits(p + 4);
    *offset_s = (h * 60 + m) * (*p == '-' ? -60 : 60);
    return h >= 0 && h <= 23 && m >= 0 && m <= 59;
}

static bool parse_fraction(const char *p, size_t n, size_t *i, struct clock_time *t)
{
    int scale = 100;
    size_t start = ++*i;

    for (; *i < n && p[*i] >= '0' && p[*i] <= '9'; ++*i, scale /= 10)
        t->ms += scale * (p[*i] - '0');
    return *i > start;
}

bool clock_parse(struct slice text, struct clock_time *t)
{
    const char *p = text.p;
    size_t i = 19;
    int year, month, day, h, m, s;

    *t = (struct clock_time){0};
    if (text.n != 10 && text.n < 19)
        return false;
    year = two_digits(p) * 100 + two_digits(p + 2);
    month = two_digits(p + 5);
    day = two_digits(p + 8);
    if (p[4] != '-' || p[7] != '-' || year < 0 || !clock_date_exists(year, month, day))
        return false;
    t->local_s = clock_days(year, month, day) * 86400;
    if (text.n == 10)
        return true;
    h = two_digits(p + 11);
    m = two_digits(p + 14);
    s = two_digits(p + 17);
    if ((p[10] != 'T' && p[10] != 't' && p[10] != ' ') || p[13] != ':' || p[16] != ':' || h < 0 ||
        h > 23 || m < 0 || m > 59 || s < 0 || s > 60)
        return false;
    t->local_s += h * 3600 + m * 60 + (s == 60 ? 59 : s);
    t->whole_bytes = 19;
    if (i < text.n && p[i] == '.' && !parse_fraction(p, text.n, &i, t))
        return false;
    t->has_offset = i < text.n;
    return !t->has_offset || clock_parse_offset((struct slice){p + i, text.n - i}, &t->offset_s);
}

static char *two(char *p, int v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

size_t clock_print_local(char *out, int64_t local_s, int ms)
{
    int64_t days = (local_s >= 0 ? local_s : local_s - 86399) / 86400;
    int rest = (int)(local_s - days * 86400), year, month, day;
    char *p = out;

    civil(days, &year, &month, &day);
    p = two(two(p, year / 100), year % 100);
    *p++ = '-';
    p = two(p, month);
    *p++ = '-';
    p = two(p, day);
    *p++ = 'T';
    p = two(p, rest / 3600);
    *p++ = ':';
    p = two(p, rest / 60 % 60);
    *p++ = ':';
    p = two(p, rest % 60);
    if (ms > 0) {
        *p++ = '.';
        *p++ = (char)('0' + ms / 100);
        p = two(p, ms % 100);
    }
    *p = '\0';
    return (size_t)(p - out);
}

size_t clock_print_zoned(char *out, int64_t local_s, int ms, int32_t offset_s)
{
    int minutes = offset_s / 60;
    char *p;

    /* RFC 3339 has no seconds in an offset (mean times before about 1972): such a moment is told in
     * UTC. */
    if (offset_s % 60 != 0) {
        p = out + clock_print_local(out, local_s - offset_s, ms);
        *p++ = 'Z';
        *p = '\0';
        return (size_t)(p - out);
    }
    p = out + clock_print_local(out, local_s, ms);
    *p++ = minutes < 0 ? '-' : '+';
    if (minutes < 0)
        minutes = -minutes;
    p = two(p, minutes / 60);
    *p++ = ':';
    p = two(p, minutes % 60);
    *p = '\0';
    return (size_t)(p - out);
}

size_t clock_print_utc_ms(char *out, int64_t utc_ms)
{
    int64_t s = (utc_ms >= 0 ? utc_ms : utc_ms - 999) / 1000;
    int ms = (int)(utc_ms - s * 1000);
    char *p = out + clock_print_local(out, s, 0);

    *p++ = '.';
    *p++ = (char)('0' + ms / 100);
    p = two(p, ms % 100);
    *p++ = 'Z';
    *p = '\0';
    return (size_t)(p - out);
}

int64_t clock_now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}
