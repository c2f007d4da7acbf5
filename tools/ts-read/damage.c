/* SPDX-License-Identifier: MIT */
/* Holes of NUL bytes.  The last NUL of a hole always stays in the input, so that a hole at the end
 * of the input still is a record of one byte. */
#include "damage.h"

#include <inttypes.h>
#include <stdio.h>

#include "json.h"

#define LONG_LINE 512 /* bytes from which a hole is stepped over even if its line is all here */

void damage_free(struct damage *d)
{
    buf_free(&d->kept);
    buf_free(&d->base64);
}

/* Appends the bytes that are no NUL, as far as there is room for a record, and counts the others.
 */
static void keep(struct damage *d, struct slice text)
{
    while (text.n > 0) {
        const char *nul = memchr(text.p, '\0', text.n);
        size_t plain = nul ? (size_t)(nul - text.p) : text.n;
        size_t room = d->longest > d->kept.len ? d->longest - d->kept.len : 0;

        buf_add(&d->kept, text.p, plain < room ? plain : room);
        text.p += plain;
        text.n -= plain;
        for (; text.n > 0 && *text.p == '\0'; text.p++, text.n--)
            d->nuls++;
    }
}

static void forget(struct damage *d)
{
    d->told = false;
    d->nuls = 0;
    d->kept.len = 0;
}

/* A byte order mark, once: true when *used bytes of it are to be skipped or more must be read. */
static bool order_mark(
    struct damage *d, struct slice in, bool end, size_t *used, enum frame *result)
{
    static const char mark[] = "\xef\xbb\xbf";
    size_t n = in.n < 3 ? in.n : 3;

    if (n > 0 && memcmp(in.p, mark, n) == 0) {
        if (n < 3 && !end) {
            *result = FRAME_MORE;
            return true;
        }
        if (n == 3) {
            d->begun = true;
            *used = 3;
            *result = FRAME_SKIP;
            return true;
        }
    }
    d->begun = n > 0;
    return false;
}

/* Drops what the line has up to its last NUL; false when there is nothing but that one to drop. */
static bool step_over(struct damage *d, struct slice line, size_t *used)
{
    const char *last = memrchr(line.p, '\0', line.n);

    if (!last || last == line.p)
        return false;
    *used = (size_t)(last - line.p);
    keep(d, (struct slice){line.p, *used});
    return true;
}

enum frame damage_frame(
    struct damage *d, struct slice in, bool end, size_t *used, struct slice *record)
{
    enum frame result;

    /* Anything else than the NUL left here: the pump gave the line up as too long. */
    if (d->told || (d->nuls > 0 && in.n > 0 && in.p[0] != '\0'))
        forget(d);
    if (!d->begun && order_mark(d, in, end, used, &result))
        return result;
    result = frame_line(NULL, in, end, used, record);
    if (result == FRAME_MORE)
        return in.n > 0 && step_over(d, in, used) ? FRAME_SKIP : FRAME_MORE;
    if (result == FRAME_RECORD && record->n > LONG_LINE && step_over(d, *record, used))
        return FRAME_SKIP;
    d->told = result == FRAME_RECORD;
    return result;
}

void damage_raw(struct damage *d, struct slice text, struct decoded *out)
{
    if (text.p == NULL)
        text = SLICE("");
    if (utf8_valid(text)) {
        draft_str(&out->draft, EV_RAW, text);
        return;
    }
    d->base64.len = 0;
    json_base64(&d->base64, text);
    draft_json(&out->draft, EV_RAW_BASE64, buf_all(&d->base64));
}

bool damage_found(struct damage *d, struct slice record, struct decoded *out)
{
    if (d->nuls == 0 && (record.n == 0 || !memchr(record.p, '\0', record.n)))
        return false;
    keep(d, record);
    d->told = true;
    snprintf(d->error, sizeof d->error, "damaged: %" PRIu64 " NUL bytes", d->nuls);
    out->error = d->error;
    damage_raw(d, buf_all(&d->kept), out);
    return true;
}
