/* SPDX-License-Identifier: MIT */
/* Small printers that more than one subcommand uses. */
#include "print.h"

#include "clock.h"
#include "json.h"
#include "msg.h"

/* ---- JSON ---- */

void print_key(struct buf *out, const char *key)
{
    if (out->len > 0 && out->data[out->len - 1] != '{')
        buf_char(out, ',');
    buf_printf(out, "\"%s\":", key);
}

void print_str(struct buf *out, const char *key, struct slice text)
{
    print_key(out, key);
    if (text.p)
        json_str(out, text);
    else
        buf_lit(out, "null");
}

void print_int(struct buf *out, const char *key, int64_t value)
{
    print_key(out, key);
    json_int(out, value);
}

void print_bool(struct buf *out, const char *key, bool value)
{
    print_key(out, key);
    buf_text(out, value ? "true" : "false");
}

void print_moment(struct buf *out, const char *key, int64_t ms)
{
    char text[CLOCK_TEXT];

    if (ms != 0)
        print_str(out, key, (struct slice){text, clock_print_utc_ms(text, ms)});
}

/* ---- tables ---- */

void print_cell(struct buf *out, struct slice text)
{
    struct buf plain = {0};
    size_t blank = 0;

    msg_escape(&plain, text);
    while (blank < plain.len && plain.data[blank] == ' ')
        blank++;
    buf_char(out, '"');
    if (blank < plain.len && memchr("=+-@", plain.data[blank], 4))
        buf_char(out, '\'');
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '"')
            buf_char(out, '"');
        buf_char(out, plain.data[i]);
    }
    buf_char(out, '"');
    buf_free(&plain);
}

void print_utc(struct buf *out, int64_t ms)
{
    char text[CLOCK_TEXT];

    if (ms == 0) {
        buf_char(out, '-');
        return;
    }
    clock_print_local(text, ms / 1000, 0);
    buf_printf(out, "%sZ", text);
}

void print_padded(struct buf *out, struct slice text, int width)
{
    size_t before = out->len, letters = 0;

    msg_escape(out, text);
    for (size_t i = before; i < out->len; i++)
        letters += ((unsigned char)out->data[i] & 0xc0) != 0x80;
    for (; letters < (size_t)width; letters++)
        buf_char(out, ' ');
}

/* ---- for people ---- */

void print_age(struct buf *out, int64_t ms)
{
    static const struct {
        int64_t ms;
        char unit;
    } units[] = {{86400000, 'd'}, {3600000, 'h'}, {60000, 'm'}, {1000, 's'}};
    size_t i = 0;

    if (ms < 0)
        ms = 0;
    while (i < 3 && ms < units[i].ms)
        i++;
    buf_printf(out, "%lld%c", (long long)(ms / units[i].ms), units[i].unit);
}

void print_size(struct buf *out, int64_t bytes)
{
    static const char *const units[] = {"kB", "MB", "GB", "TB"};
    int64_t unit = 1000;
    size_t i = 0;

    if (bytes < unit) {
        buf_printf(out, "%lld bytes", (long long)bytes);
        return;
    }
    for (; i < 3 && bytes >= unit * 1000; i++)
        unit *= 1000;
    buf_printf(out, "%lld.%lld %s", (long long)(bytes / unit),
        (long long)(bytes % unit / (unit / 10)), units[i]);
}

void print_store(struct buf *out, const char *name)
{
    const char *slash = strrchr(name, '/'), *at;
    size_t n;

    if (strncmp(name, "postgres", 8) != 0 || !strstr(name, "://")) {
        buf_text(out, slash ? slash + 1 : name);
        return;
    }
    name = strstr(name, "://") + 3;
    n = strcspn(name, "?#");
    at = memrchr(name, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - name);
        name = at + 1;
    }
    buf_add(out, name, n);
}
