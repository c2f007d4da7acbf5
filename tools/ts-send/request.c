/* SPDX-License-Identifier: MIT */
/* Bodies, keys and gzip. */
#include "request.h"

#include <endian.h>
#include <stdlib.h>
#include <uuid/uuid.h>
#include <zlib.h>

#include "identity.h"

#define OURS_ALONE                                                                                 \
    (EVENT_BIT(EV_ACK) | EVENT_BIT(EV_ATTEMPTS) | EVENT_BIT(EV_AMBIGUOUS) | EVENT_BIT(EV_RAW) |    \
        EVENT_BIT(EV_RAW_BASE64) | EVENT_BIT(EV_ORIGIN))

void request_event(struct buf *out, const struct event *e, struct slice id)
{
    struct draft d;

    draft_reset(&d);
    d.gone = OURS_ALONE;
    if (id.p)
        draft_str(&d, EV_EVENT_ID, id);
    event_write(out, e, &d);
}

static void uuid_v5(struct slice name, char out[REQUEST_ID_BYTES])
{
    uuid_t space, id;

    uuid_parse(IDENTITY_NAMESPACE, space);
    uuid_generate_sha1(id, space, name.p, name.n);
    uuid_unparse_lower(id, out);
}

void request_id_v5(struct slice id, char out[REQUEST_ID_BYTES])
{
    uuid_v5(id, out);
}

void request_array(struct buf *out, const struct slice *events, size_t n)
{
    size_t bytes = n + 2;

    for (size_t i = 0; i < n; i++)
        bytes += events[i].n;
    buf_room(out, bytes);
    buf_char(out, '[');
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            buf_char(out, ',');
        buf_slice(out, events[i]);
    }
    buf_char(out, ']');
}

/* Visible ASCII only: nothing that could end the header or start another. */
static bool fits_header(struct slice id)
{
    if (id.n == 0 || id.n >= REQUEST_KEY_BYTES)
        return false;
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || id.p[i] > '~')
            return false;
    return true;
}

void request_key(struct slice id, enum id_form form, char out[REQUEST_KEY_BYTES])
{
    if (form == ID_V5 || !fits_header(id)) {
        uuid_v5(id, out);
        return;
    }
    memcpy(out, id.p, id.n);
    out[id.n] = '\0';
}

static int by_text(const void *a, const void *b)
{
    const struct slice *x = a, *y = b;
    size_t n = x->n < y->n ? x->n : y->n;
    int order = n > 0 ? memcmp(x->p, y->p, n) : 0;

    return order ? order : (x->n > y->n) - (x->n < y->n);
}

void request_key_set(struct slice *ids, size_t n, char out[REQUEST_KEY_BYTES])
{
    struct buf name = {0};
    struct identity id;

    qsort(ids, n, sizeof *ids, by_text);
    /* UUIDs as their 16 octets, other ids as text with its length: no two sets read the same. */
    for (size_t i = 0; i < n; i++) {
        if (identity_parse(ids[i], &id)) {
            buf_add(&name, id.octets, sizeof id.octets);
        } else {
            buf_printf(&name, "%zu:", ids[i].n);
            buf_slice(&name, ids[i]);
        }
    }
    uuid_v5(buf_all(&name), out);
    buf_free(&name);
}

static void put_hex(char *out, const uint8_t *octets, size_t n)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[octets[i] >> 4];
        out[2 * i + 1] = digits[octets[i] & 15];
    }
}

void request_trace(struct slice id, uint64_t number, char out[REQUEST_TRACE_BYTES])
{
    static const uint8_t none[16];
    char made[REQUEST_ID_BYTES];
    struct identity trace;
    uint64_t span;

    if (!identity_parse(id, &trace) || memcmp(trace.octets, none, sizeof none) == 0) {
        uuid_v5(id, made);
        identity_parse(slice_of(made), &trace);
    }
    memcpy(out, "traceparent: 00-................................-................-01", 69);
    put_hex(out + REQUEST_TRACE_AT, trace.octets, 16);
    memcpy(&span, trace.octets + 8, sizeof span);
    span = be64toh(span) + number * UINT64_C(0x9e3779b97f4a7c15); /* no two tries are the same */
    span = htobe64(span ? span : 1);                              /* none may be 0 */
    put_hex(out + REQUEST_TRACE_AT + REQUEST_TRACE_DIGITS + 1, (const uint8_t *)&span, sizeof span);
}

/* ---- gzip ---- */

struct request_packer {
    z_stream z;
};

#define GZIP_WINDOW (15 + 16) /* zlib's way to ask for a gzip header */

void request_pack(struct request_packer **packer, struct buf *out, struct slice body)
{
    struct request_packer *p = *packer;

    if (!p) {
        p = *packer = mem_alloc(sizeof *p);
        memset(p, 0, sizeof *p);
        if (deflateInit2(&p->z, 5, Z_DEFLATED, GZIP_WINDOW, 8, Z_DEFAULT_STRATEGY) != Z_OK)
            abort(); /* only for want of memory */
    } else {
        deflateReset(&p->z);
    }
    out->len = 0;
    p->z.avail_out = (uInt)deflateBound(&p->z, (uLong)body.n);
    p->z.next_out = (Bytef *)buf_room(out, p->z.avail_out);
    p->z.next_in = (z_const Bytef *)body.p;
    p->z.avail_in = (uInt)body.n;
    deflate(&p->z, Z_FINISH); /* into deflateBound bytes: always one call */
    out->len = p->z.total_out;
}

void request_packer_free(struct request_packer *packer)
{
    if (packer)
        deflateEnd(&packer->z);
    free(packer);
}
