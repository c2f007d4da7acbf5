/* SPDX-License-Identifier: MIT */
/* Comparisons, and the text of a cursor. */
#include "device_log.h"

#include <inttypes.h>
#include <stdio.h>
#include <yyjson.h>

#include "json.h"

#define DAY_S 86400
#define NEAR 64
#define STEP_BACK_S 300 /* records may stand in another order than that of their times */

void log_place_set(struct log_place *p, int64_t serial, struct slice time)
{
    struct clock_time t;

    *p = (struct log_place){.serial = serial};
    if (!time.p || time.n >= sizeof p->time || !clock_parse(time, &t))
        return;
    memcpy(p->time, time.p, time.n);
    p->time_s = t.local_s - (t.has_offset ? t.offset_s : 0);
}

bool log_was_seen(const struct log_seen *s, const struct log_place *p)
{
    if (p->serial < 0)
        return *s->last.time && *p->time && p->time_s <= s->high_s;
    return p->serial <= s->last.serial && p->time_s <= s->high_s;
}

bool log_is_near(const struct log_seen *s, const struct log_place *p)
{
    int64_t before = s->last.serial - p->serial, before_s = s->last.time_s - p->time_s;

    if (p->serial < 0 || before < 0 || !*p->time)
        return false;
    return (before == 0 && before_s > -DAY_S && before_s < DAY_S) ||
           (before < NEAR && before_s >= 0 && before_s <= STEP_BACK_S);
}

void log_bound(struct log_seen *s, int64_t now_s)
{
    if (s->last.serial < 0 && s->high_s > now_s + DAY_S)
        *s = (struct log_seen)LOG_SEEN_NONE;
}

void log_see(struct log_seen *s, const struct log_place *p)
{
    if (p->serial > s->last.serial || (p->serial < 0 && p->time_s > s->last.time_s)) {
        int64_t serial = p->serial < 0 ? s->last.serial : p->serial;

        s->last = *p;
        s->last.serial = serial;
    }
    if (p->time_s > s->high_s)
        s->high_s = p->time_s;
}

bool log_is_new(const struct log_seen *s, const struct log_place *p)
{
    return p->serial >= 0 && p->serial <= s->last.serial && p->time_s > s->high_s;
}

int64_t log_step_back(const struct log_seen *s, const struct log_place *p)
{
    bool back = p->serial > s->last.serial && s->last.serial >= 0 && *p->time && *s->last.time &&
                p->time_s < s->last.time_s - STEP_BACK_S;

    return back ? s->last.time_s - p->time_s : 0;
}

/* The name of a device without what JSON would escape: it is only compared. */
static void plain_name(char out[LOG_DEVICE_BYTES], const char *device)
{
    size_t n = 0;

    for (; *device && n + 1 < LOG_DEVICE_BYTES; device++)
        if (*device > ' ' && *device < 127 && *device != '"' && *device != '\\')
            out[n++] = *device;
    out[n] = '\0';
}

void log_cursor_print(char out[LOG_CURSOR_BYTES], const char *device, const struct log_seen *s)
{
    char name[LOG_DEVICE_BYTES];

    plain_name(name, device);
    snprintf(out, LOG_CURSOR_BYTES,
        "{\"device\":\"%s\",\"serial\":%" PRId64 ",\"time\":\"%s\",\"high\":%" PRId64 "}", name,
        s->last.serial, s->last.time, s->high_s);
}

bool log_cursor_read(const char *cursor, char device[LOG_DEVICE_BYTES], struct log_seen *s)
{
    yyjson_doc *doc = yyjson_read(cursor, strlen(cursor), 0);
    yyjson_val *v = yyjson_doc_get_root(doc), *serial = yyjson_obj_get(v, "serial");
    const char *name = yyjson_get_str(yyjson_obj_get(v, "device"));
    const char *time = yyjson_get_str(yyjson_obj_get(v, "time"));
    bool good = name && time && strlen(name) < LOG_DEVICE_BYTES && yyjson_is_int(serial);

    if (good) {
        snprintf(device, LOG_DEVICE_BYTES, "%s", name);
        log_place_set(&s->last, yyjson_get_sint(serial), slice_of(time));
        s->high_s = yyjson_get_sint(yyjson_obj_get(v, "high"));
        good = *time == '\0' || *s->last.time;
    }
    yyjson_doc_free(doc);
    return good;
}
