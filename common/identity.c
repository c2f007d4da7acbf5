/* SPDX-License-Identifier: MIT */
/* UUID version 8 from a wall clock and libuuid's SHA-1 name hash. */
#include "identity.h"

#include <endian.h>
#include <stdlib.h>
#include <uuid/uuid.h>

#include "json.h"

#define UNIT_SEPARATOR '\x1f'
#define NAME_BYTES 512

static void name_hash(unsigned char octets[16], struct slice name, const struct identity_hash *key)
{
    static uuid_t space;

    if (key) {
        key->hash(key->arg, name, octets);
        return;
    }
    if (uuid_is_null(space))
        uuid_parse(IDENTITY_NAMESPACE, space);
    uuid_generate_sha1(octets, space, name.p, name.n);
}

static void assemble(
    struct identity *id, struct slice name, int64_t ms, const struct identity_hash *key)
{
    uint64_t first = htobe64((uint64_t)ms << 16);

    name_hash(id->octets, name, key);
    memcpy(id->octets, &first, 6);
    id->octets[6] = (unsigned char)((id->octets[6] & 0x0f) | 0x80);
    id->octets[8] = (unsigned char)((id->octets[8] & 0x3f) | 0x80);
}

void identity_make(struct identity *id, struct slice device, struct slice who, struct slice clock,
    int64_t clock_s, const struct identity_hash *key)
{
    char local[NAME_BYTES], *name = local, *p;
    size_t n = device.n + who.n + clock.n + 2;

    if (n > sizeof local)
        name = mem_alloc(n);
    p = name;
    if (device.n > 0)
        p = mempcpy(p, device.p, device.n);
    *p++ = UNIT_SEPARATOR;
    if (who.n > 0)
        p = mempcpy(p, who.p, who.n);
    *p++ = UNIT_SEPARATOR;
    if (clock.n > 0)
        memcpy(p, clock.p, clock.n);
    assemble(id, (struct slice){name, n}, clock_s * 1000, key);
    if (name != local)
        free(name);
}

void identity_of_bytes(struct identity *id, struct slice bytes, const struct identity_hash *key)
{
    assemble(id, bytes, 0, key);
}

/* Without a person: reader ␟ code ␟ serial_no, absent parts empty. */
static void other_who(struct buf *who, const struct event *e)
{
    buf_slice(who, event_str(e, EV_READER));
    buf_char(who, UNIT_SEPARATOR);
    buf_slice(who, event_str(e, EV_CODE));
    buf_char(who, UNIT_SEPARATOR);
    buf_slice(who, event_json(e, EV_SERIAL_NO));
}

static void of_raw(struct identity *id, const struct event *e, const struct identity_hash *key)
{
    struct slice raw = event_str(e, EV_RAW), base64 = event_str(e, EV_RAW_BASE64);
    struct buf bytes = {0};

    if (raw.p)
        identity_of_bytes(id, raw, key);
    else if (event_has(e, EV_RAW))
        identity_of_bytes(id, event_json(e, EV_RAW), key);
    else if (base64.p && json_base64_bytes(&bytes, base64))
        identity_of_bytes(id, buf_all(&bytes), key);
    else
        identity_of_bytes(id, e->line, key);
    buf_free(&bytes);
}

void identity_at(struct identity *id, const struct event *e, struct slice device,
    struct slice clock, const struct clock_time *t, const struct identity_hash *key)
{
    struct slice who = slice_trim(event_str(e, EV_PERSON_ID));
    struct buf other = {0};
    char canonical[CLOCK_TEXT];

    if (!device.p)
        device = event_str(e, EV_DEVICE_ID);
    if (who.n == 0)
        who = slice_trim(event_str(e, EV_CARD_READ));
    if (who.n == 0)
        who = slice_trim(event_str(e, EV_CARD_NO));
    if (who.n == 0) {
        other_who(&other, e);
        who = buf_all(&other);
    }
    clock.n = t->whole_bytes;
    /* Other spellings that clock_parse takes (a space, `t`, second 60) are the same moment. */
    if (clock.p[10] != 'T' || clock.p[17] == '6')
        clock = (struct slice){canonical, clock_print_local(canonical, t->local_s, 0)};
    identity_make(id, device, who, clock, t->local_s, key);
    buf_free(&other);
}

void identity_of(struct identity *id, const struct event *e, struct slice device,
    const struct identity_hash *key)
{
    struct slice clock = event_str(e, EV_LOCAL_TIME);
    struct clock_time t;

    if (!clock.p)
        clock = event_str(e, EV_TIME);
    if (event_has(e, EV_ERROR) || !clock.p || !clock_parse(clock, &t) || t.whole_bytes == 0)
        of_raw(id, e, key);
    else
        identity_at(id, e, device, clock, &t, key);
}

void identity_print(const struct identity *id, char out[IDENTITY_TEXT])
{
    static const char hex[] = "0123456789abcdef";
    static const unsigned char at[16] = {0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34};

    for (int i = 0; i < 16; i++) {
        out[at[i]] = hex[id->octets[i] >> 4];
        out[at[i] + 1] = hex[id->octets[i] & 15];
    }
    out[8] = out[13] = out[18] = out[23] = '-';
    out[36] = '\0';
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool identity_parse(struct slice text, struct identity *id)
{
    size_t at = 0;

    if (text.n != 36)
        return false;
    for (int i = 0; i < 16; i++) {
        int high, low;

        if (at == 8 || at == 13 || at == 18 || at == 23)
            if (text.p[at++] != '-')
                return false;
        high = hex_value(text.p[at]);
        low = hex_value(text.p[at + 1]);
        if (high < 0 || low < 0)
            return false;
        id->octets[i] = (unsigned char)(high << 4 | low);
        at += 2;
    }
    return true;
}
