/* SPDX-License-Identifier: MIT */
/* What ts-enrich says on standard error: counts and devices, never people. */
#include <inttypes.h>
#include <sysexits.h>

#include "job.h"
#include "msg.h"
#include "stop.h"

void say(const char *text)
{
    msg_warn("%s", text);
}

static const char *first_device(const struct first *f)
{
    return f->device[0] ? f->device : "(none)";
}

/* What somebody has to look after is said when it is met first, not only at the end. */
static void say_first(struct job *j)
{
    const struct context *c = &j->context;
    const struct device *near;

    if (c->strangers > 0 && !j->said_stranger) {
        near = site_near(j->site, c->stranger);
        msg_warn("device %s is not in %s%s%.*s%s: it has no zone, reader or direction of its own",
            c->stranger, j->config, near ? " (did you mean " : "", near ? (int)near->name.n : 0,
            near ? near->name.p : "", near ? "?)" : "");
        j->said_stranger = true;
    }
    if (c->card_misfits.count > 0 && !j->said_misfit) {
        msg_warn("a card number does not fit the rule of device %s and stays as it is: "
                 "--card-forms tries others",
            first_device(&c->card_misfits));
        j->said_misfit = true;
    }
    if (c->claimed > 0 && !j->said_claimed) {
        msg_warn("an id is claimed by two people in the roster: its events are put on hold; "
                 "--check-config names it");
        j->said_claimed = true;
    }
}

#define DRIFT_TELL_MS (3600 * 1000)

/* Clocks that are off: at the end, and before that once an hour at most. */
static void say_drift(struct job *j, bool end)
{
    int64_t now_ms = monotonic_ms();

    if (!drift_has_news(j->context.drift) ||
        (!end && j->drift_ms && now_ms - j->drift_ms < DRIFT_TELL_MS))
        return;
    j->drift_ms = now_ms;
    drift_tell(j->context.drift, context_max_skew_ms(&j->context), say);
}

void say_news(struct job *j)
{
    say_first(j);
    say_drift(j, false);
}

/* "3 events"; good until the next. */
static const char *events(uint64_t n)
{
    static char text[40];

    snprintf(text, sizeof text, "%" PRIu64 " event%s", n, n == 1 ? "" : "s");
    return text;
}

static const char *first_more(const struct first *f)
{
    return f->count > 1 ? " (the first of them)" : "";
}

static void say_devices(const struct context *c)
{
    if (c->nameless > 0)
        msg_warn("%s without device_id: give -d, or ids will not match those of other paths",
            events(c->nameless));
    if (c->card_misfits.count > 1)
        msg_warn(
            "%" PRIu64 " card numbers do not fit the rule of their reader", c->card_misfits.count);
    if (c->unset.count > 0)
        msg_warn("%s on hold: the clock of device %s was not set%s: \"clock\" in the site file "
                 "corrects it",
            events(c->unset.count), first_device(&c->unset), first_more(&c->unset));
    if (c->zoneless.count > 0)
        msg_warn("%s without time: no zone for device %s%s: give -z or a site file",
            events(c->zoneless.count), first_device(&c->zoneless), first_more(&c->zoneless));
}

static void say_changes(const struct changes *changes)
{
    struct buf text = {0};

    changes_sum(changes, &text);
    msg_warn("%.*s", (int)text.len, text.data);
    buf_free(&text);
}

int say_all(struct job *j)
{
    const struct context *c = &j->context;
    bool bad = c->rules_failed > 0 || c->not_understood > 0;

    say_first(j);
    say_drift(j, true);
    say_devices(c);
    if (j->changes)
        say_changes(j->changes);
    if (c->pictureless > 0)
        msg_warn("%s without the picture, the last because %s", events(c->pictureless),
            c->picture_error);
    if (c->rules_failed > 0)
        msg_warn("the jq program failed on %" PRIu64 " of %s: their error says how",
            c->rules_failed, events(c->lines));
    if (c->not_understood > 0)
        msg_warn("%" PRIu64 " of %" PRIu64 " lines were not understood%s", c->not_understood,
            c->lines,
            c->not_understood == c->lines ? ": is this NDJSON? ts-read makes it of a device's log"
                                          : "");
    return j->status ? j->status : bad ? EX_DATAERR : 0;
}
