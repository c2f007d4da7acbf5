/* SPDX-License-Identifier: MIT */
/* The same as token.c, without a loop of events around it. */
#include "oauth_wait.h"

#include "clock.h"
#include "scripted.h"

static void fail(struct verdict *v, enum cause cause, const char *reason)
{
    *v = (struct verdict){.act = ACT_STOP, .cause = cause, .reason = reason};
}

/* 1: it is there; 0: *v says why not. */
static int ask(struct oauth *o, struct transfer *t, struct verdict *v)
{
    static struct fault why; /* the reason lives on */
    struct oauth_request q = oauth_request(o);
    const struct request r = {.body = q.body,
        .url = q.url,
        .method = "POST",
        .field = q.field,
        .fields = q.fields,
        .once = true,
        .foreign = true,
        .timeout_ms = INT64_MAX};
    struct exchange done;

    if (transfer_start(t, &r, &why) == 0 && transfer_wait(t, true, &done, &why) > 0)
        return oauth_reply(o, done.reply, clock_now_ms() / 1000, v);
    fail(v, CAUSE_OUTAGE, why.text);
    return 0;
}

enum oauth_got oauth_wait(struct oauth *o, struct transfer *t, struct verdict *v)
{
    static struct fault why;

    for (;;) {
        switch (oauth_begin(o, clock_now_ms() / 1000, &why)) {
        case OAUTH_HAVE:
            return OAUTH_KEPT;
        case OAUTH_BUSY:
            fail(v, CAUSE_BUSY, "another ts-send is getting a token at this moment");
            return OAUTH_NONE;
        case OAUTH_FAULT:
            fail(v, CAUSE_CONFIG, why.text);
            return OAUTH_NONE;
        case OAUTH_ASK:
            break;
        }
        if (ask(o, t, v))
            return OAUTH_NEW;
        if (v->act != ACT_SESSION) /* again, with the refresh token before */
            return OAUTH_NONE;
    }
}

void oauth_install(const struct oauth *o, const struct sender_config *config, struct transfer *t,
    struct headers **headers)
{
    struct scripted *p = config->profile->scripted;
    struct headers *h;

    if (p) {
        scripted_token(p, oauth_token(o));
        return;
    }
    h = headers_bearer(*headers, oauth_token(o));
    headers_drop(*headers);
    *headers = h;
    transfer_headers(t, h);
}
