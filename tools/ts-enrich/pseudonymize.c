/* SPDX-License-Identifier: MIT */
/*
 * Step: --pseudonymize.  The ids of a person become pseudonyms.  What may name or show them goes:
 * the device's own record, the roster's columns, the picture, and every field that ts-event(5) does
 * not know, since nobody can tell what is in it.  --keep names what may stay.
 */
#include "pseudonym.h"

#include <stdlib.h>

#include "enrich.h"

static const enum event_field ids[PSEUDONYMS] = {
    EV_PERSON_ID, EV_CARD_NO, EV_CARD_READ, EV_EMPLOYEE_ID};

/* A field as the steps before left it: its text, in *decoded where it has to be taken out of JSON;
   SLICE_NONE when it has none. */
static struct slice text_now(
    const struct event *e, const struct draft *d, enum event_field f, struct buf *decoded)
{
    struct slice s = d->value[f];
    yyjson_doc *doc;
    yyjson_val *v;

    if (d->gone & EVENT_BIT(f))
        return SLICE_NONE;
    if (!(d->set & EVENT_BIT(f)))
        return event_str(e, f);
    if (!(d->json & EVENT_BIT(f)))
        return s;
    doc = yyjson_read(s.p, s.n, YYJSON_READ_BIGNUM_AS_RAW);
    v = yyjson_doc_get_root(doc);
    decoded->len = 0;
    if (yyjson_is_str(v))
        buf_add(decoded, yyjson_get_str(v), yyjson_get_len(v));
    else if (yyjson_is_num(v) || yyjson_is_raw(v))
        buf_slice(decoded, s);
    yyjson_doc_free(doc);
    return buf_all(decoded);
}

static void hide_id(const struct event *e, struct context *c, struct draft *d, unsigned n)
{
    enum event_field f = ids[n];
    struct slice text = text_now(e, d, f, &c->decoded);
    char *out = c->pseudonym[n];

    if (pseudonym_is(text))
        return;
    if (slice_trim(text).n > 0) {
        out[0] = out[PSEUDONYM_TEXT + 1] = '"';
        pseudonym_print(out + 1, text, c->settings.pseudonyms);
        draft_json(d, f, (struct slice){out, PSEUDONYM_TEXT + 2});
    } else if (!text.p && event_has(e, f) && !yyjson_is_null(e->field[f])) {
        draft_remove(d, f); /* an object or a list: no id, and who knows what */
    }
}

/* The members that are none of ours. */
static void drop_unknown(const struct event *e, const struct names *kept)
{
    yyjson_val *key, *value;
    size_t i, n;

    yyjson_obj_foreach(e->root, i, n, key, value)
    {
        struct slice name = {yyjson_get_str(key), yyjson_get_len(key)};

        if (e->member[i].field == EVENT_FIELDS && !names_have(kept, name))
            e->member[i].field = EVENT_DROPPED;
    }
}

void step_pseudonymize(const struct event *e, struct context *c, struct draft *d)
{
    static const enum event_field telling[] = {EV_HR, EV_ORIGIN, EV_RAW, EV_RAW_BASE64};
    const struct names *kept = &c->settings.keep;

    if (!c->settings.pseudonyms)
        return;
    for (unsigned n = 0; n < PSEUDONYMS; n++)
        hide_id(e, c, d, n);
    for (size_t i = 0; i < sizeof telling / sizeof *telling; i++)
        if (!names_have(kept, slice_of(event_key(telling[i]))))
            draft_remove(d, telling[i]);
    if (event_has(e, EV_SNAPSHOT) && !yyjson_is_null(e->field[EV_SNAPSHOT]))
        draft_json(d, EV_SNAPSHOT, SLICE("null"));
    drop_unknown(e, kept);
}
