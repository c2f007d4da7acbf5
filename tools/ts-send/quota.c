/* SPDX-License-Identifier: MIT */
/*
 * All forms are lists of members, split by commas, of parts, split by semicolons, some of them
 * `key=value`.  Of several policies the tightest counts: the least requests for its time.
 */
#include "quota.h"

#include <strings.h>

#define NUMBER_MAX (INT64_C(1) << 60)
/* Below, a reset is a time from now (3 years); up to the second, Unix seconds; else milliseconds.
   In thousandths. */
#define RESET_UNIX 100000000000
#define RESET_UNIX_MS 100000000000000

void quota_reset(struct quota *q)
{
    static const struct quota none = {{-1, -1, -1}, {-1, -1, -1}, -1, false};

    *q = none;
}

/* ---- numbers and parts ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* A decimal number at the start of the text, in thousandths; -1: none. */
static int64_t number(struct slice text)
{
    int64_t n = 0, unit = 1000;
    size_t i = 0;

    if (text.n == 0 || !is_digit(text.p[0]))
        return -1;
    for (; i < text.n && is_digit(text.p[i]); i++)
        n = n < NUMBER_MAX / 10 - 9 ? n * 10 + (text.p[i] - '0') : NUMBER_MAX / 1000;
    n = n < NUMBER_MAX / 1000 ? n * 1000 : NUMBER_MAX;
    if (i < text.n && text.p[i] == '.')
        while (++i < text.n && is_digit(text.p[i]) && unit > 1)
            n += (text.p[i] - '0') * (unit /= 10);
    return n;
}

static struct slice trimmed(struct slice s)
{
    while (s.n > 0 && (s.p[0] == ' ' || s.p[0] == '\t'))
        s.p++, s.n--;
    while (s.n > 0 && (s.p[s.n - 1] == ' ' || s.p[s.n - 1] == '\t'))
        s.n--;
    return s;
}

struct part {
    char key[12]; /* "" where it is no key=value, or a long one */
    int64_t value;
    char after; /* ',', ';' or 0 at the end */
};

/* The next part of the text, which is shortened by it. */
static struct part next_part(struct slice *text)
{
    struct part part = {.value = -1};
    struct slice all = *text, is;
    size_t n = 0;
    bool quoted = false;

    for (; n < all.n && (quoted || (all.p[n] != ',' && all.p[n] != ';')); n++)
        quoted ^= all.p[n] == '"';
    part.after = n < all.n ? all.p[n] : '\0';
    n += n < all.n;
    *text = (struct slice){all.p + n, all.n - n};
    all = trimmed((struct slice){all.p, n - (part.after != '\0')});
    is = all;
    is.p = all.n > 0 ? memchr(all.p, '=', all.n) : NULL;
    if (!is.p) {
        part.value = number(all);
        return part;
    }
    n = (size_t)(is.p - all.p);
    if (n < sizeof part.key)
        memcpy(part.key, all.p, n);
    part.value = number(trimmed((struct slice){is.p + 1, all.n - n - 1}));
    return part;
}

/* ---- fields ---- */

static void least(int64_t *have, int64_t n)
{
    if (n >= 0 && (*have < 0 || n < *have))
        *have = n;
}

/* Whether a lets us send less than b. */
static bool tighter(const struct quota_said *a, const struct quota_said *b)
{
    int64_t wait_a = a->reset > 0 ? a->reset : 1, wait_b = b->reset > 0 ? b->reset : 1;

    if (a->remaining < 0 || b->remaining < 0)
        return b->remaining < 0;
    if (a->remaining == 0 || b->remaining == 0)
        return a->remaining != b->remaining ? a->remaining == 0 : wait_a > wait_b;
    return (double)a->remaining / (double)wait_a < (double)b->remaining / (double)wait_b;
}

static void take_state(struct quota *q, struct slice text)
{
    static const struct quota_said none = {-1, -1, -1};
    struct quota_said one = none, all = none;
    struct part part = {.after = ','};

    while (part.after) {
        const struct {
            const char *key;
            int64_t *to;
        } keys[] = {{"r", &one.remaining}, {"t", &one.reset}, {"limit", &all.limit},
            {"remaining", &all.remaining}, {"reset", &all.reset}};

        part = next_part(&text);
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
            if (strcasecmp(part.key, keys[i].key) == 0)
                *keys[i].to = part.value;
        if (part.after == ';')
            continue;
        if (one.remaining >= 0 && tighter(&one, &all))
            all = one;
        one = none;
    }
    if (all.remaining >= 0 && tighter(&all, &q->standard)) {
        all.limit = all.limit < 0 ? q->standard.limit : all.limit;
        q->standard = all;
    }
}

static void take_policy(struct quota *q, struct slice text)
{
    struct part part = {.after = ','};

    while (part.after) {
        part = next_part(&text);
        if (!part.key[0] || strcmp(part.key, "q") == 0)
            least(&q->standard.limit, part.value);
        else if (strcmp(part.key, "w") == 0)
            least(&q->window, part.value);
    }
}

static void take_number(int64_t *to, struct slice text)
{
    least(to, next_part(&text).value);
}

static bool starts(struct slice *name, const char *with)
{
    size_t n = strlen(with);

    if (name->n < n || strncasecmp(name->p, with, n) != 0)
        return false;
    name->p += n;
    name->n -= n;
    return true;
}

static bool named(struct slice name, const char *as)
{
    return name.n == strlen(as) && strncasecmp(name.p, as, name.n) == 0;
}

void quota_header(struct quota *q, struct slice line)
{
    const char *colon = line.n > 0 ? memchr(line.p, ':', line.n) : NULL;
    struct slice name = {line.p, colon ? (size_t)(colon - line.p) : 0}, value;
    bool old = starts(&name, "x-");
    struct quota_said *said = old ? &q->old : &q->standard;

    if (!starts(&name, "ratelimit") && !(old && starts(&name, "rate-limit")))
        return;
    value = (struct slice){colon + 1, line.n - (size_t)(colon + 1 - line.p)};
    while (value.n > 0 && (value.p[value.n - 1] == '\r' || value.p[value.n - 1] == '\n'))
        value.n--;
    value = trimmed(value);
    if (named(name, "-limit"))
        take_number(&said->limit, value);
    else if (named(name, "-remaining"))
        take_number(&said->remaining, value);
    else if (named(name, "-reset"))
        take_number(&said->reset, value);
    else if (!old && name.n == 0)
        take_state(q, value);
    else if (!old && named(name, "-policy"))
        take_policy(q, value);
    else
        return;
    q->said = true;
}

/* ---- together ---- */

/* In ms from now; may be past. */
static int64_t from_now(int64_t reset, int64_t now_s)
{
    if (reset < RESET_UNIX)
        return reset;
    return (reset < RESET_UNIX_MS ? reset : reset / 1000) - now_s * 1000;
}

bool quota_left(const struct quota *q, int64_t now_s, struct quota_left *left)
{
    const struct quota_said *said = q->standard.remaining >= 0 ? &q->standard : &q->old;
    int64_t reset = said->reset, ms;

    if (!q->said || said->remaining < 0)
        return false;
    if (reset < 0 && said == &q->standard)
        reset = q->window;
    if (reset < 0)
        return false;
    ms = from_now(reset, now_s);
    *left = (struct quota_left){.limit = said->limit > 0 ? said->limit / 1000 : 0,
        .remaining = said->remaining / 1000,
        .reset_ms = ms > 0 ? ms : 0,
        .bounded = ms > QUOTA_RESET_MAX_S * 1000};
    if (left->bounded)
        left->reset_ms = QUOTA_RESET_MAX_S * 1000;
    return true;
}
