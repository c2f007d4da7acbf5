/* SPDX-License-Identifier: MIT */
/*
 * The three forms of an HTTP date, told apart by where their digits stand:
 *
 *   Sun, 06 Nov 1994 08:49:37 GMT     IMF-fixdate
 *   Sunday, 06-Nov-94 08:49:37 GMT    RFC 850, two digits of year
 *   Sun Nov  6 08:49:37 1994          asctime
 */
#include "reply.h"

#include <strings.h>

#include "clock.h"

void reply_reset(struct reply *r)
{
    r->net = NET_OK;
    r->net_text = "";
    r->status = 0;
    r->retry_after[0] = r->date[0] = r->location[0] = '\0';
    quota_reset(&r->quota);
    r->text_n = r->header_bytes = r->body_bytes = 0;
    r->lines.len = r->body.len = 0;
}

void reply_copy(struct reply *to, const struct reply *from)
{
    struct buf lines = to->lines, body = to->body;

    *to = *from;
    to->lines = lines;
    to->body = body;
    to->lines.len = to->body.len = 0;
    buf_slice(&to->lines, buf_all(&from->lines));
    buf_slice(&to->body, buf_all(&from->body));
}

/* The value of the field `name` on this line, copied to out of size n.  Too long counts as absent.
 */
static void take_field(struct slice line, const char *name, char *out, size_t n)
{
    size_t at = strlen(name);
    struct slice value;

    if (line.n <= at || line.p[at] != ':' || strncasecmp(line.p, name, at) != 0)
        return;
    value = slice_trim((struct slice){line.p + at + 1, line.n - at - 1});
    if (value.n >= n || memchr(value.p, '\0', value.n))
        return;
    memcpy(out, value.p, value.n);
    out[value.n] = '\0';
}

static bool digits(const char **p, const char *end, unsigned few, unsigned most, int *value)
{
    unsigned n = 0;

    for (*value = 0; *p < end && n < most && **p >= '0' && **p <= '9'; ++*p, n++)
        *value = *value * 10 + (**p - '0');
    return n >= few;
}

static void take_status(struct reply *r, struct slice line)
{
    const char *p = memchr(line.p, ' ', line.n), *end = line.p + line.n;
    int status;

    if (!p)
        return;
    p++;
    if (!digits(&p, end, 3, 3, &status) || status < 100)
        return;
    r->status = status;
    r->lines.len = 0;
    r->retry_after[0] = r->date[0] = r->location[0] = '\0';
    quota_reset(&r->quota);
}

void reply_header(struct reply *r, struct slice line)
{
    r->header_bytes += line.n;
    while (line.n > 0 && (line.p[line.n - 1] == '\n' || line.p[line.n - 1] == '\r'))
        line.n--;
    if (line.n == 0)
        return;
    if (r->keep && memchr(line.p, ':', line.n)) {
        buf_slice(&r->lines, line);
        buf_char(&r->lines, '\n');
    }
    switch (line.p[0] | 0x20) {
    case 'h':
        if (line.n > 5 && memcmp(line.p, "HTTP/", 5) == 0)
            take_status(r, line);
        break;
    case 'd':
        take_field(line, "date", r->date, sizeof r->date);
        break;
    case 'l':
        take_field(line, "location", r->location, sizeof r->location);
        break;
    case 'r':
        take_field(line, "retry-after", r->retry_after, sizeof r->retry_after);
        quota_header(&r->quota, line);
        break;
    case 'x':
        quota_header(&r->quota, line);
        break;
    default:
        break;
    }
}

void reply_body(struct reply *r, struct slice bytes)
{
    size_t room = sizeof r->text - r->text_n, n = bytes.n < room ? bytes.n : room;

    r->body_bytes += bytes.n;
    if (r->keep)
        buf_slice(&r->body, bytes);
    memcpy(r->text + r->text_n, bytes.p, n);
    r->text_n += n;
}

/* ---- dates ---- */

struct date {
    int year, month, day, hour, minute, second;
};

static bool month_of(const char **p, const char *end, int *month)
{
    static const char names[] = "janfebmaraprmayjunjulaugsepoctnovdec";

    if (end - *p < 3)
        return false;
    for (*month = 1; *month <= 12; ++*month)
        if (strncasecmp(*p, names + (*month - 1) * 3, 3) == 0) {
            *p += 3;
            return true;
        }
    return false;
}

static bool one(const char **p, const char *end, char c)
{
    return *p < end && *(*p)++ == c;
}

static bool time_of(const char **p, const char *end, struct date *d)
{
    return digits(p, end, 2, 2, &d->hour) && one(p, end, ':') && digits(p, end, 2, 2, &d->minute) &&
           one(p, end, ':') && digits(p, end, 2, 2, &d->second);
}

/* After the comma: "06 Nov 1994 08:49:37 GMT" or "06-Nov-94 08:49:37 GMT". */
static bool after_comma(const char *p, const char *end, int64_t now_s, struct date *d)
{
    char gap;

    if (!one(&p, end, ' ') || !digits(&p, end, 2, 2, &d->day) || p == end)
        return false;
    gap = *p;
    if ((gap != ' ' && gap != '-') || !one(&p, end, gap) || !month_of(&p, end, &d->month) ||
        !one(&p, end, gap) || !digits(&p, end, gap == '-' ? 2 : 4, 4, &d->year) ||
        !one(&p, end, ' ') || !time_of(&p, end, d))
        return false;
    if (d->year < 100) {
        /* The century that is nearest: more than 50 years ahead means the last one (RFC 9110). */
        int this_year = 1970 + (int)(now_s / 31556952);

        d->year += this_year / 100 * 100;
        if (d->year > this_year + 50)
            d->year -= 100;
    }
    return end - p == 4 && strncasecmp(p, " gmt", 4) == 0;
}

static bool asctime_of(const char *p, const char *end, struct date *d)
{
    p += end - p >= 4 ? 4 : 0; /* "Sun " */
    if (!month_of(&p, end, &d->month) || !one(&p, end, ' '))
        return false;
    if (p < end && *p == ' ')
        p++;
    return digits(&p, end, 1, 2, &d->day) && one(&p, end, ' ') && time_of(&p, end, d) &&
           one(&p, end, ' ') && digits(&p, end, 4, 4, &d->year) && p == end;
}

bool reply_date(struct slice text, int64_t now_s, int64_t *unix_s)
{
    struct date d;
    const char *end = text.p + text.n, *comma = text.n ? memchr(text.p, ',', text.n) : NULL;

    if (text.n == 0)
        return false;
    if (!(comma ? after_comma(comma + 1, end, now_s, &d) : asctime_of(text.p, end, &d)))
        return false;
    if (!clock_date_exists(d.year, d.month, d.day) || d.hour > 23 || d.minute > 59 || d.second > 60)
        return false;
    *unix_s = clock_days(d.year, d.month, d.day) * 86400 + d.hour * 3600 + d.minute * 60 + d.second;
    return true;
}

/* The moment of the reply by the receiver's own clock, which may be wrong; else by ours. */
static int64_t own_now(const struct reply *r, int64_t now_s)
{
    int64_t at = now_s;

    reply_date(slice_of(r->date), now_s, &at);
    return at;
}

bool reply_left(const struct reply *r, int64_t now_s, struct quota_left *left)
{
    return r->quota.said && quota_left(&r->quota, own_now(r, now_s), left);
}

int64_t reply_wait_ms(const struct reply *r, int64_t now_s)
{
    struct slice text = slice_of(r->retry_after);
    struct quota_left left;
    int64_t seconds = 0, at;

    if (text.n == 0 && (r->status == 429 || r->status == 503) && reply_left(r, now_s, &left) &&
        left.remaining == 0)
        return left.reset_ms;
    if (text.n == 0)
        return -1;
    if (strspn(text.p, "0123456789") == text.n) {
        for (size_t i = 0; i < text.n && seconds < REPLY_WAIT_MAX_S; i++)
            seconds = seconds * 10 + (text.p[i] - '0');
    } else {
        if (!reply_date(text, now_s, &at))
            return -1;
        seconds = at - own_now(r, now_s);
    }
    if (seconds < 0)
        seconds = 0;
    return (seconds < REPLY_WAIT_MAX_S ? seconds : REPLY_WAIT_MAX_S) * 1000;
}

const char *reply_status_name(int status)
{
    static const struct {
        short status;
        const char *name;
    } names[] = {
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {207, "Multi-Status"},
        {301, "Moved Permanently"},
        {302, "Found"},
        {303, "See Other"},
        {304, "Not Modified"},
        {307, "Temporary Redirect"},
        {308, "Permanent Redirect"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {407, "Proxy Authentication Required"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {423, "Locked"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {428, "Precondition Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {451, "Unavailable For Legal Reasons"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {508, "Loop Detected"},
        {511, "Network Authentication Required"},
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (names[i].status == status)
            return names[i].name;
    return "";
}
