/* SPDX-License-Identifier: MIT */
/*
 * Step: one number for a card, whatever reader saw it, by the rule of the reader, the device or
 * the site.  What the reader wrote is kept in card_read, so that a rule corrected late starts from
 * there, and the reader's number comes back when its rule is taken away.
 */
#include "enrich.h"

static const struct card_rule *rule_of(const struct context *c, struct slice reader)
{
    const struct device *device = c->device;

    for (size_t i = 0; device && reader.p && i < device->reader_count; i++)
        if (slice_eq(device->readers[i].reader, reader) && device->readers[i].card.count > 0)
            return &device->readers[i].card;
    return device && device->card.count > 0 ? &device->card : &c->site->card;
}

/* A number that does not fit stays as it is: the rule, or the reader's setting, is not what
   somebody believes. */
void step_card(const struct event *e, struct context *c, struct draft *d)
{
    struct slice now = event_str(e, EV_CARD_NO), read = event_str(e, EV_CARD_READ);
    const struct card_rule *rule = rule_of(c, event_str(e, EV_READER));
    size_t n = 0;

    if (read.n == 0)
        read = now;
    c->card = read;
    if (slice_trim(read).n == 0 || pseudonym_is(read))
        return;
    if (rule->count > 0) {
        n = card_apply(rule, read, c->card_text + 1);
        if (n == 0)
            count_first(&c->card_misfits, c->device_id);
    }
    if (n > 0)
        c->card = (struct slice){c->card_text + 1, n};
    if (slice_eq(c->card, read)) {
        put_nothing(e, d, EV_CARD_READ);
        if (!slice_eq(read, now))
            draft_json(d, EV_CARD_NO, event_json(e, EV_CARD_READ));
        return;
    }
    if (!slice_eq(event_str(e, EV_CARD_READ), read))
        draft_json(d, EV_CARD_READ, event_json(e, EV_CARD_NO));
    c->card_text[0] = c->card_text[n + 1] = '"';
    put_quoted(e, d, EV_CARD_NO, (struct slice){c->card_text, n + 2});
}
