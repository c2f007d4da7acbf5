/* SPDX-License-Identifier: MIT */
/*
 *   secrets     local: can they be read, by us alone?
 *   dns, connection, tls     way.c
 *   clock       with the first reply that says what time it is
 *   token       with --oauth
 *   login       where the profile has one
 *   receiver    the profile's own question, or OPTIONS
 */
#include "checkup.h"

#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#include "clock.h"
#include "dialog.h"
#include "oauth_wait.h"
#include "way.h"

#define SECRETS "secrets"
#define CLOCK "clock"
#define TOKEN "token"
#define LOGIN "login"
#define RECEIVER "receiver"
#define SKEW_WARN_S 30
#define SKEW_FAIL_S 300
#define NOT_PROVEN "no event was sent, so it is not proven that it takes them"

struct checking {
    const struct sender_config *config;
    struct findings f;
    struct headers *headers;
    struct transfer *transfer;
    struct oauth *oauth;
    struct dialog d;  /* of a jq profile */
    const char *step; /* TOKEN, LOGIN or RECEIVER */
    bool clock_said;
};

/* ---- secrets ---- */

static void add_name(struct buf *names, const char *name)
{
    if (name)
        buf_printf(names, "%s%s", names->len > 0 ? ", " : "", name);
}

/* Every file that was named, as it was named. */
static void list_secrets(const struct sender_config *k, struct buf *names)
{
    const struct scripted *p = k->profile->scripted;

    add_name(names, k->headers.token_file);
    if (k->headers.user)
        add_name(names, header_password_file(k->headers.user));
    add_name(names, k->oauth_file);
    for (unsigned i = 0; i < k->headers.files; i++)
        add_name(names, k->headers.file[i]);
    add_name(names, k->transfer.key);
    if (p)
        add_name(names, p->given->token_file);
    for (unsigned i = 0; p && i < p->given->secrets; i++)
        add_name(names, strchr(p->given->secret[i], '=') + 1);
}

static bool check_secrets(struct checking *c)
{
    const struct sender_config *k = c->config;
    struct buf names = {0};
    struct fault why;
    int rc = transfer_files(&k->transfer, &why);

    if (rc == 0)
        c->headers = headers_read(&k->headers, NULL, &why);
    if (rc == 0 && c->headers && k->profile->scripted)
        rc = scripted_secrets(k->profile->scripted, &why);
    if (rc == 0 && c->headers && k->oauth_file) {
        c->oauth = oauth_open(k->oauth_file, k->transfer.url, &why);
        rc = c->oauth ? 0 : -1;
    }
    if (rc < 0 || !c->headers) {
        finding_fail(&c->f, why.status, SECRETS, "%s", why.text);
        return false;
    }
    list_secrets(k, &names);
    if (names.len > 0)
        finding_ok(
            &c->f, SECRETS, "%.*s: readable, and closed to others", (int)names.len, names.data);
    else
        finding_ok(&c->f, SECRETS, "none is given");
    buf_free(&names);
    return true;
}

/* ---- the clock ---- */

/* The reply was made between these two moments of ours; a Date is cut to its second. */
static void check_clock(struct checking *c, const struct reply *r, int64_t from_ms, int64_t to_ms)
{
    int64_t date_s, from_s = from_ms / 1000, to_s = to_ms / 1000, skew_s = 0;
    const char *way;

    if (c->clock_said)
        return;
    c->clock_said = true;
    if (!reply_date(slice_of(r->date), to_s, &date_s)) {
        finding_warn(&c->f, CLOCK, "the receiver does not say what time it has (no Date)");
        return;
    }
    if (date_s < from_s - 1)
        skew_s = from_s - date_s;
    else if (date_s > to_s + 1)
        skew_s = date_s - to_s;
    way = date_s > to_s ? "behind" : "ahead of";
    if (skew_s >= SKEW_FAIL_S)
        finding_fail(&c->f, EX_CONFIG, CLOCK,
            "this machine is %" PRId64 " s %s the receiver: one of them has the wrong time, and "
            "people are paid by it; set both by NTP (timedatectl)",
            skew_s, way);
    else if (skew_s >= SKEW_WARN_S)
        finding_warn(&c->f, CLOCK,
            "this machine is %" PRId64 " s %s the receiver: set both by NTP (timedatectl)", skew_s,
            way);
    else
        finding_ok(&c->f, CLOCK, "this machine and the receiver agree (within %" PRId64 " s)",
            skew_s > 0 ? skew_s : (int64_t)1);
}

/* ---- requests ---- */

/* What stands in a reply may be what was sent: secrets are taken out. */
static const char *masked(const struct checking *c, struct buf *text)
{
    const struct scripted *p = c->config->profile->scripted;

    headers_mask(c->headers, text);
    if (p)
        scripted_mask(p, text);
    buf_char(text, '\0');
    return text->data;
}

/* 1: the reply is in *reply; 0: none came, as is said; -1 and *why. */
static int send_request(
    struct checking *c, const struct request *r, struct reply *reply, struct fault *why)
{
    int64_t from_ms = clock_now_ms();
    int rc = transfer_call(c->transfer, r, reply, why);

    if (rc <= 0)
        return rc;
    if (reply->net != NET_OK) {
        finding_fail(&c->f, EX_UNAVAILABLE, c->step,
            "no answer (%s): is it an HTTP server, and is it overloaded? see --timeout",
            reply->net_text);
        return 0;
    }
    check_clock(c, reply, from_ms, clock_now_ms());
    return 1;
}

static int answer(void *arg, const char *what, struct fault *why)
{
    struct checking *c = arg;
    struct request r = ask_request(&c->d.ask);

    r.once = true;
    c->step = strcmp(what, "login") == 0 ? LOGIN : RECEIVER;
    return send_request(c, &r, &c->d.reply, why);
}

/* ---- the token of --oauth ---- */

/* Whether there is one, or none is needed; what a token service gives is kept. */
static bool check_token(struct checking *c)
{
    struct verdict v;

    if (!c->oauth)
        return true;
    switch (oauth_wait(c->oauth, c->transfer, &v)) {
    case OAUTH_NONE:
        finding_fail(
            &c->f, v.cause <= CAUSE_OUTAGE ? EX_UNAVAILABLE : EX_CONFIG, TOKEN, "%s", v.reason);
        return false;
    case OAUTH_KEPT:
        finding_ok(&c->f, TOKEN, "there is one that has not ended");
        break;
    case OAUTH_NEW:
        finding_ok(&c->f, TOKEN, "the token service gives us one; it is kept");
        break;
    }
    oauth_install(c->oauth, c->config, c->transfer, &c->headers);
    return true;
}

/* ---- without a question of the profile ---- */

static bool has_secret(const struct checking *c)
{
    const struct sender_config *k = c->config;

    return k->headers.token_file || k->headers.user || k->headers.files > 0 || k->transfer.cert ||
           k->oauth_file;
}

/* The value of a field, or SLICE_NONE. */
static struct slice field_of(const struct reply *r, const char *name)
{
    struct slice lines = buf_all(&r->lines);
    size_t n = strlen(name);

    while (lines.n > 0) {
        const char *end = memchr(lines.p, '\n', lines.n);
        size_t line = end ? (size_t)(end - lines.p) : lines.n;

        if (line > n && lines.p[n] == ':' && strncasecmp(lines.p, name, n) == 0)
            return slice_trim((struct slice){lines.p + n + 1, line - n - 1});
        line += end ? 1 : 0;
        lines.p += line;
        lines.n -= line;
    }
    return SLICE_NONE;
}

static bool has_text(struct slice text, const char *words)
{
    return text.n > 0 && memmem(text.p, text.n, words, strlen(words));
}

static void say_redirect(struct checking *c, const struct reply *r)
{
    struct buf text = {0};

    buf_printf(&text, "%.*s", (int)strcspn(r->location, "?#"), r->location);
    finding_fail(&c->f, EX_CONFIG, RECEIVER,
        "%d %s: it wants to be asked at %s, and redirects are not followed: give that URL",
        r->status, reply_status_name(r->status), masked(c, &text));
    buf_free(&text);
}

/* What OPTIONS at the URL itself tells: little where it is refused, for POST may be taken. */
static void say_options(struct checking *c, const struct reply *r)
{
    struct slice allow = field_of(r, "allow");
    const char *name = reply_status_name(r->status);
    int status = r->status;

    if (status >= 300 && status <= 399)
        say_redirect(c, r);
    else if (status >= 500 && status != 501)
        finding_fail(&c->f, EX_UNAVAILABLE, RECEIVER, "%d %s: ask who runs it", status, name);
    else if (status == 401 || status == 407 || status == 511)
        finding_fail(&c->f, EX_CONFIG, RECEIVER, "%d %s: %s", status, name,
            has_secret(c) ? "the credentials are refused: renew them"
                          : "it wants credentials: give --token-file or --header-file");
    else if (status == 400 && has_text((struct slice){r->text, r->text_n}, "HTTPS"))
        finding_fail(&c->f, EX_CONFIG, RECEIVER, "it wants TLS: the URL begins with https://");
    else if (status == 403)
        finding_warn(&c->f, RECEIVER,
            "403 Forbidden: either the credentials are refused, or only OPTIONS is");
    else if (status == 404 || status == 410)
        finding_warn(&c->f, RECEIVER,
            "%d %s to OPTIONS: nothing may be there at all: check the path of the URL", status,
            name);
    else if (status < 300 && allow.p && !has_text(allow, "POST"))
        finding_warn(
            &c->f, RECEIVER, "it says that it takes no POST there: check the path of the URL");
    else if (status < 300)
        finding_ok(&c->f, RECEIVER, "%d %s to OPTIONS; " NOT_PROVEN, status, name);
    else
        finding_ok(&c->f, RECEIVER,
            "it answers, but not to OPTIONS (%d %s): the path and the credentials are not proven",
            status, name);
}

/* Nobody but us has an opinion of what is at the base of a profile's URL. */
static void say_base(struct checking *c, const struct reply *r)
{
    const char *name = c->config->profile->name, *words = reply_status_name(r->status);

    if (r->status >= 500 && r->status != 501)
        finding_fail(&c->f, EX_UNAVAILABLE, RECEIVER, "%d %s: ask who runs it", r->status, words);
    else if (r->status == 400 && has_text((struct slice){r->text, r->text_n}, "HTTPS"))
        finding_fail(&c->f, EX_CONFIG, RECEIVER, "it wants TLS: the URL begins with https://");
    else
        finding_warn(&c->f, RECEIVER,
            "it answers (%d %s), but %s has no question that changes nothing: neither the path nor "
            "the credentials are proven",
            r->status, words, name);
}

static int check_options(struct checking *c, struct fault *why)
{
    const struct request r = {.url = c->config->transfer.url,
        .method = "OPTIONS",
        .no_body = true,
        .timeout_ms = INT64_MAX};
    struct reply reply = {.keep = true};
    int rc;

    c->step = RECEIVER;
    rc = send_request(c, &r, &reply, why);
    if (rc > 0 && c->config->profile->scripted)
        say_base(c, &reply);
    else if (rc > 0)
        say_options(c, &reply);
    buf_free(&reply.lines);
    buf_free(&reply.body);
    return rc < 0 ? -1 : 0;
}

/* ---- the profile's own ---- */

static void say_verdict(struct checking *c, const char *step, struct verdict v)
{
    bool troubled = v.act == ACT_RETRY || v.act == ACT_STOP;
    int status = c->d.reply.status;
    struct buf text = {0};

    buf_text(&text, v.reason   ? v.reason
                    : troubled ? verdict_words(v.cause)
                               : "the question is refused");
    if (status < 200 || status > 299)
        buf_printf(&text, " (%d %s)", status, reply_status_name(status));
    masked(c, &text);
    if (v.act == ACT_DELIVERED || v.act == ACT_DUPLICATE || v.act == ACT_SKIPPED)
        finding_ok(
            &c->f, step, "%s; " NOT_PROVEN, v.reason ? text.data : "it answers as it should");
    else if (troubled && v.cause <= CAUSE_OUTAGE)
        finding_fail(&c->f, EX_UNAVAILABLE, step, "%s", text.data);
    else
        finding_fail(&c->f, EX_CONFIG, step, "%s", text.data);
    buf_free(&text);
}

static int log_in(struct checking *c, struct fault *why)
{
    int rc = dialog_login(&c->d, why);

    if (rc == DIALOG_JUDGED && value_kind(c->d.in.session) != VALUE_NULL)
        finding_ok(&c->f, LOGIN, "the receiver logs us in");
    if (rc == DIALOG_REFUSED) {
        struct verdict v = c->d.said.one;

        if (v.act != ACT_RETRY && v.act != ACT_STOP)
            v = (struct verdict){.act = ACT_STOP, .cause = CAUSE_AUTH, .reason = v.reason};
        say_verdict(c, LOGIN, v);
    }
    return rc;
}

static int check_profile(struct checking *c, struct fault *why)
{
    int rc = log_in(c, why);

    if (rc == DIALOG_JUDGED)
        rc = dialog_go(&c->d, SCRIPT_CHECK, why);
    else
        return rc < 0 ? -1 : 0;
    if (rc == DIALOG_JUDGED && c->d.said.one.act == ACT_SESSION) {
        finding_fail(&c->f, EX_CONFIG, RECEIVER, "it logs us in, but does not take the session");
        return 0;
    }
    if (rc == DIALOG_JUDGED)
        say_verdict(c, RECEIVER, c->d.said.one);
    return rc == DIALOG_NOTHING ? check_options(c, why) : rc < 0 ? -1 : 0;
}

/* A fault in the profile is a finding like any other. */
static int check_receiver(struct checking *c, struct fault *why)
{
    const struct scripted *p = c->config->profile->scripted;
    int rc;

    if (!p)
        return check_options(c, why);
    dialog_init(&c->d, p, 1);
    c->d.common = c->headers;
    c->d.answer = answer;
    c->d.arg = c;
    c->d.in.now_s = clock_now_ms() / 1000;
    rc = check_profile(c, why);
    dialog_free(&c->d);
    if (rc < 0 && why->status == EX_CONFIG) {
        finding_fail(&c->f, EX_CONFIG, RECEIVER, "%s", why->text);
        rc = 0;
    }
    return rc;
}

int check_run(const struct sender_config *config, struct fault *why)
{
    struct checking c = {.config = config};
    struct transfer_config k = config->transfer;
    bool known;
    int rc = -1;

    k.connections = 1;
    k.observed = k.whole_replies = true;
    findings_open(&c.f);
    known = check_secrets(&c);
    c.transfer = transfer_open(&k, why);
    if (c.transfer)
        rc = way_check(&c.f, &k, c.transfer, why);
    if (rc > 0 && known) {
        transfer_headers(c.transfer, c.headers);
        if (check_token(&c))
            rc = check_receiver(&c, why);
    }
    transfer_close(c.transfer);
    oauth_free(c.oauth);
    headers_drop(c.headers);
    if (rc < 0) {
        struct fault ignored;

        findings_close(&c.f, &ignored);
        return -1;
    }
    return findings_close(&c.f, why);
}
