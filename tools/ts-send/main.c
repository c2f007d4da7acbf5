/* SPDX-License-Identifier: MIT */
/* ts-send: events to an HTTP receiver, receipts out.  Options and wiring only. */
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "checkup.h"
#include "explain.h"
#include "file_sink.h"
#include "line.h"
#include "msg.h"
#include "option.h"
#include "pin.h"
#include "sender.h"
#include "stop.h"
#include "url.h"
#include "watermark.h"

#define DEFAULT_URL "http://localhost:9981/api/turnstile"

enum option {
    OPT_TOKEN_FILE = OPTION_LONG,
    OPT_USER,
    OPT_HEADER_FILE,
    OPT_RATE,
    OPT_TIMEOUT,
    OPT_CONNECT_TIMEOUT,
    OPT_CACERT,
    OPT_CERT,
    OPT_KEY,
    OPT_PIN,
    OPT_INSECURE,
    OPT_PROXY,
    OPT_HTTP2,
    OPT_MAX_BODY,
    OPT_MAX_MEMORY,
    OPT_GZIP,
    OPT_ANSWER_WITHIN,
    OPT_GIVE_UP_AFTER,
    OPT_RETRY_FIRST,
    OPT_RETRY_MAX,
    OPT_ID,
    OPT_TRACE,
    OPT_SECRET,
    OPT_OAUTH,
    OPT_LIST_PROFILES,
    OPT_EXPLAIN,
    OPT_REPLY,
    OPT_NOW,
    OPT_CHECK,
    OPT_SNAPSHOTS,
    OPT_SNAPSHOT_DIR,
    OPT_SNAPSHOT_MAX,
    OPT_WATERMARK,
};

static const struct option_spec options[] = {
    {'p', "profile", "NAME", "what the receiver is (plain), or ./FILE.jq"},
    {'o', "option", "KEY=VALUE", "an option of the profile"},
    {'H', "header", "FIELD", "one more header field, 'Name: value'; no secret here"},
    {'j', "connections", "N", "requests at the same time (4)"},
    {'b', "batch", "N", "arrays of up to N events (1: single events)"},
    {'n', "dry-run", NULL, "print the requests or rows, send and write nothing"},
    {'v', "verbose", NULL, "say each request and what came of it"},
    {OPT_CHECK, "check", NULL, "try the way to the receiver, send no event"},
    {OPT_WATERMARK, "watermark", NULL, "tell it the marks of ts-spool watermark"},
    {OPT_LIST_PROFILES, "list-profiles", NULL, "the profiles and their options"},
    {OPT_EXPLAIN, "explain", NULL, "print requests and verdicts, send nothing"},
    {OPT_REPLY, "reply", "FILE", "with --explain: the next reply"},
    {OPT_NOW, "now", "TIME", "with --explain: the time to go by"},
    {OPT_TOKEN_FILE, "token-file", "FILE", "bearer token"},
    {OPT_OAUTH, "oauth", "FILE", "OAuth 2: how to get access tokens, kept there"},
    {OPT_SECRET, "secret", "NAME=FILE", "a secret of the profile"},
    {OPT_USER, "user", "NAME=FILE", "Basic: a name, and the file of its password"},
    {OPT_HEADER_FILE, "header-file", "FILE", "a secret header field: 'Name: value'"},
    {OPT_RATE, "rate", "N/s", "at most N requests a second (/m, /h)"},
    {OPT_TIMEOUT, "timeout", "TIME", "longest request (30s)"},
    {OPT_CONNECT_TIMEOUT, "connect-timeout", "MAX", "longest wait for a connection (10s)"},
    {OPT_CACERT, "cacert", "FILE", "trust these certificates instead of the system's"},
    {OPT_CERT, "cert", "FILE", "our certificate, for mutual TLS"},
    {OPT_KEY, "key", "FILE", "its key"},
    {OPT_PIN, "pin-sha256", "PINS", "its public key is one of these: sha256//HASH;…"},
    {OPT_INSECURE, "insecure", NULL, "do not check the receiver's certificate"},
    {OPT_PROXY, "proxy", "URL", "go through this proxy (none, whatever is set)"},
    {OPT_HTTP2, "http2", NULL, "HTTP/2 where the receiver has it (https)"},
    {OPT_MAX_BODY, "max-body", "SIZE", "largest body of a request (1M)"},
    {OPT_MAX_MEMORY, "max-memory", "SIZE", "waiting events at most (8M)"},
    {OPT_GZIP, "gzip", NULL, "pack the bodies"},
    {OPT_ANSWER_WITHIN, "answer-within", "TIME", "events with an ack get a receipt by then (60s)"},
    {OPT_GIVE_UP_AFTER, "give-up-after", "TIME", "events without one are tried so long (1h)"},
    {OPT_RETRY_FIRST, "retry-first", "TIME", "longest wait after a first failure (500ms)"},
    {OPT_RETRY_MAX, "retry-max", "TIME", "longest wait between two tries (60s)"},
    {OPT_TRACE, "traceparent", NULL, "send a traceparent header"},
    {OPT_ID, "id", "v5|v8", "form of event_id in the request (v8: as it is)"},
    {OPT_SNAPSHOTS, "snapshots", "HOW", "pictures: inline, omit, upload or upload=URL"},
    {OPT_SNAPSHOT_DIR, "snapshot-dir", "DIR", "where they are"},
    {OPT_SNAPSHOT_MAX, "snapshot-max", "SIZE", "largest one that is sent (2M)"},
    OPTION_HELP,
    {0},
};

static const struct program program = {
    .name = "ts-send",
    .synopsis = "[-p profile] [-j connections] [-b batch] [option …] [URL]",
    .summary = "Posts events from standard input to an HTTP receiver; prints a receipt for each.",
    .options = options,
    .print_version = zone_print_version,
    .more = "URL: " DEFAULT_URL " unless given; or a file, file:///folder/%Y-%m-%d.csv.\n"
            "Exit status: 0 all answered for good; 65 some rejected; 75 some deferred;\n"
            "69 it is not available; 78 it refuses credentials, the address or all events.\n",
};

/* Numbers as the options give them; checked and converted once all are read. */
struct settings {
    struct sender_config sender;
    struct profile_settings given; /* to the profile */
    struct explain_config explain;
    bool list, explained;
    int not_files; /* the first option that a file:// URL has no use for, or 0 */
    const char *profile, *rate, *id, *snapshots;
    long long connections, batch, timeout_ms, connect_timeout_ms, body_bytes, memory_bytes;
    long long snapshot_bytes, answer_ms, give_up_ms, retry_first_ms, retry_last_ms;
};

enum kind { TEXT, FLAG, NUMBER, SIZE, DURATION };

#define IN_SETTINGS(member) offsetof(struct settings, member)

static const struct {
    int code;
    enum kind kind;
    size_t offset;
    long long low, high; /* of NUMBER and SIZE */
} targets[] = {
    {'p', TEXT, IN_SETTINGS(profile), 0, 0},
    {'j', NUMBER, IN_SETTINGS(connections), 1, SENDER_CONNECTIONS_MAX},
    {'b', NUMBER, IN_SETTINGS(batch), 1, SENDER_BATCH_MAX},
    {'n', FLAG, IN_SETTINGS(sender.dry), 0, 0},
    {'v', FLAG, IN_SETTINGS(sender.verbose), 0, 0},
    {OPT_LIST_PROFILES, FLAG, IN_SETTINGS(list), 0, 0},
    {OPT_EXPLAIN, FLAG, IN_SETTINGS(explained), 0, 0},
    {OPT_CHECK, FLAG, IN_SETTINGS(explain.check), 0, 0},
    {OPT_WATERMARK, FLAG, IN_SETTINGS(explain.watermark), 0, 0},
    {OPT_NOW, TEXT, IN_SETTINGS(explain.now), 0, 0},
    {OPT_TOKEN_FILE, TEXT, IN_SETTINGS(sender.headers.token_file), 0, 0},
    {OPT_USER, TEXT, IN_SETTINGS(sender.headers.user), 0, 0},
    {OPT_OAUTH, TEXT, IN_SETTINGS(sender.oauth_file), 0, 0},
    {OPT_RATE, TEXT, IN_SETTINGS(rate), 0, 0},
    {OPT_TIMEOUT, DURATION, IN_SETTINGS(timeout_ms), 0, 0},
    {OPT_CONNECT_TIMEOUT, DURATION, IN_SETTINGS(connect_timeout_ms), 0, 0},
    {OPT_CACERT, TEXT, IN_SETTINGS(sender.transfer.cacert), 0, 0},
    {OPT_CERT, TEXT, IN_SETTINGS(sender.transfer.cert), 0, 0},
    {OPT_KEY, TEXT, IN_SETTINGS(sender.transfer.key), 0, 0},
    {OPT_PIN, TEXT, IN_SETTINGS(sender.transfer.pin), 0, 0},
    {OPT_INSECURE, FLAG, IN_SETTINGS(sender.transfer.insecure), 0, 0},
    {OPT_PROXY, TEXT, IN_SETTINGS(sender.transfer.proxy), 0, 0},
    {OPT_HTTP2, FLAG, IN_SETTINGS(sender.transfer.http2), 0, 0},
    {OPT_MAX_BODY, SIZE, IN_SETTINGS(body_bytes), 1024, 64ll << 20},
    {OPT_MAX_MEMORY, SIZE, IN_SETTINGS(memory_bytes), 64 << 10, 1ll << 30},
    {OPT_GZIP, FLAG, IN_SETTINGS(sender.gzip), 0, 0},
    {OPT_TRACE, FLAG, IN_SETTINGS(sender.trace), 0, 0},
    {OPT_ANSWER_WITHIN, DURATION, IN_SETTINGS(answer_ms), 0, 0},
    {OPT_GIVE_UP_AFTER, DURATION, IN_SETTINGS(give_up_ms), 0, 0},
    {OPT_RETRY_FIRST, DURATION, IN_SETTINGS(retry_first_ms), 0, 0},
    {OPT_RETRY_MAX, DURATION, IN_SETTINGS(retry_last_ms), 0, 0},
    {OPT_ID, TEXT, IN_SETTINGS(id), 0, 0},
    {OPT_SNAPSHOTS, TEXT, IN_SETTINGS(snapshots), 0, 0},
    {OPT_SNAPSHOT_DIR, TEXT, IN_SETTINGS(sender.snapshots.folder), 0, 0},
    {OPT_SNAPSHOT_MAX, SIZE, IN_SETTINGS(snapshot_bytes), 1024, 64ll << 20},
};

static const char *option_name(int code)
{
    const struct option_spec *o = options;

    while (o->code != code)
        o++;
    return o->name;
}

static int set_header(struct settings *k, int code, const char *arg, struct fault *why)
{
    struct header_source *h = &k->sender.headers;

    if (h->opens + h->files + 4 >= HEADERS_MAX)
        return fault_set(why, EX_USAGE, "--%s: more than %d", option_name(code), HEADERS_MAX - 4);
    if (code == OPT_HEADER_FILE) {
        h->file[h->files++] = arg;
        return 0;
    }
    if (header_check(arg, why) < 0)
        return -1;
    h->open[h->opens++] = arg;
    return 0;
}

/* An option that may come several times. */
static int set_more(struct settings *k, int code, const char *arg, struct fault *why)
{
    const struct {
        int code;
        const char **list;
        unsigned *n, most;
    } lists[] = {
        {'o', k->given.option, &k->given.options, PROFILE_SETTINGS_MAX},
        {OPT_SECRET, k->given.secret, &k->given.secrets, PROFILE_SETTINGS_MAX},
        {OPT_REPLY, k->explain.reply, &k->explain.replies, EXPLAIN_REPLIES_MAX},
    };

    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        if (lists[i].code != code)
            continue;
        if (*lists[i].n == lists[i].most)
            return fault_set(why, EX_USAGE, "--%s: more than %u", option_name(code), lists[i].most);
        lists[i].list[(*lists[i].n)++] = arg;
        return 0;
    }
    return set_header(k, code, arg, why);
}

static bool files_know(int code)
{
    return code == 'o' || code == 'n' || code == OPT_CHECK || code == OPT_LIST_PROFILES;
}

static int set(struct settings *k, int code, const char *arg, struct fault *why)
{
    if (!k->not_files && !files_know(code))
        k->not_files = code;
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        void *at = (char *)k + targets[i].offset;
        const char *name = option_name(code);

        if (targets[i].code != code)
            continue;
        switch (targets[i].kind) {
        case TEXT:
            *(const char **)at = arg;
            return 0;
        case FLAG:
            *(bool *)at = true;
            return 0;
        case NUMBER:
            return option_number(name, arg, targets[i].low, targets[i].high, at, why);
        case SIZE:
            return option_size(name, arg, targets[i].low, targets[i].high, at, why);
        case DURATION:
            return option_duration(name, arg, at, why);
        }
    }
    return set_more(k, code, arg, why);
}

static int check_addresses(const struct transfer_config *t, struct fault *why)
{
    if (t->proxy && url_check("--proxy", t->proxy, why) < 0)
        return -1;
    if (t->pin && pin_check(t->pin, why) < 0)
        return -1;
    if (t->key && !t->cert)
        return fault_set(why, EX_USAGE, "--key: is that of a certificate: give --cert too");
    if ((t->cacert || t->cert || t->pin || t->insecure || t->http2) && !url_is_https(t->url))
        return fault_set(
            why, EX_USAGE, "URL: TLS options are given, but it does not begin with https://");
    return 0;
}

static int set_snapshots(struct settings *k, struct fault *why)
{
    struct sender_config *c = &k->sender;

    c->snapshots.bytes_max = (size_t)k->snapshot_bytes;
    if (!k->snapshots)
        return c->snapshots.folder
                   ? fault_set(why, EX_USAGE, "--snapshot-dir: --snapshots must say what for")
                   : 0;
    if (snapshot_option(&c->snapshots, k->snapshots, c->transfer.url, why) < 0)
        return -1;
    if (c->snapshots.mode == SNAPSHOT_UPLOAD) {
        c->transfer.upload_url = c->snapshots.url;
        c->transfer.upload_ours = c->snapshots.ours;
    }
    return 0;
}

/* From ts-spool drain, which outlives us: an outage does not begin anew because we do. */
static int64_t failing_since(void)
{
    const char *text = getenv("TS_FAILING_SINCE");
    long long s = text ? strtoll(text, NULL, 10) : 0;

    return s > 0 && s <= time(NULL) ? s : 0;
}

/* What a profile allows holds for -j and --rate too: these can only be stricter. */
static int set_limits(struct settings *k, const struct profile_defaults *d, struct fault *why)
{
    struct sender_config *c = &k->sender;
    unsigned most = d->connections_most ? d->connections_most : SENDER_CONNECTIONS_MAX;

    c->transfer.connections = k->connections ? (unsigned)k->connections : d->connections;
    if (c->transfer.connections > most) {
        msg_warn(
            "--connections %lld: the profile %s allows %u", k->connections, c->profile->name, most);
        c->transfer.connections = most;
    }
    if (k->rate && !profile_rate(k->rate, &c->rate_us))
        return fault_set(why, EX_USAGE, "--rate %s: write it like 10/s, 600/m or 5000/h", k->rate);
    if (k->rate && c->rate_us < d->rate_us)
        msg_warn("--rate %s: the profile %s allows no more than one request in %.3g s", k->rate,
            c->profile->name, (double)d->rate_us / 1e6);
    if (c->rate_us < d->rate_us)
        c->rate_us = d->rate_us;
    return 0;
}

/* There is one Authorization. */
static int check_credentials(const struct sender_config *c, struct fault *why)
{
    const struct header_source *h = &c->headers;

    if ((h->token_file != NULL) + (h->user != NULL) + (c->oauth_file != NULL) > 1)
        return fault_set(why, EX_USAGE, "--token-file, --user and --oauth: one of them");
    if (h->user &&
        (!header_password_file(h->user) || strcspn(h->user, ":") < strcspn(h->user, "=")))
        return fault_set(why, EX_USAGE,
            "--user: write it as NAME=FILE, the file with the password; no colon in the name");
    return 0;
}

/* What was not said comes from the profile; then everything in the units of the sender. */
static int complete(struct settings *k, struct fault *why)
{
    struct sender_config *c = &k->sender;
    struct profile_defaults d;

    if (check_credentials(c, why) < 0)
        return -1;
    k->given.token_file = c->headers.token_file;
    k->given.oauth = c->oauth_file != NULL;
    k->given.url = c->transfer.url;
    c->profile = profile_open(k->profile, &k->given, why);
    if (!c->profile)
        return -1;
    d = c->profile->defaults;
    if (k->batch > 1 && d.arrays == ARRAYS_NONE)
        return fault_set(
            why, EX_USAGE, "--batch: the profile %s takes no arrays", c->profile->name);
    if (k->id && strcasecmp(k->id, "v5") != 0 && strcasecmp(k->id, "v8") != 0)
        return fault_set(why, EX_USAGE, "--id %s: v5 or v8", k->id);
    if (k->timeout_ms < 1 || k->connect_timeout_ms < 1 || k->answer_ms < 1 ||
        k->retry_first_ms < 1 || k->retry_last_ms < k->retry_first_ms)
        return fault_set(why, EX_USAGE,
            "times must be longer than 0, and --retry-max not shorter than --retry-first");
    c->id = k->id && strcasecmp(k->id, "v5") == 0 ? ID_V5 : ID_V8;
    c->batch = k->batch ? (unsigned)k->batch : d.batch;
    c->array = c->batch > 1;
    c->body_bytes = k->body_bytes ? (size_t)k->body_bytes : d.body_bytes;
    c->memory_bytes = (size_t)k->memory_bytes;
    c->answer_ms = k->answer_ms;
    c->give_up_ms = k->give_up_ms;
    c->backoff = (struct backoff){k->retry_first_ms, k->retry_last_ms};
    c->headers.content = d.content;
    c->headers.gzip = c->gzip;
    if (c->profile->scripted) { /* each of its requests says this for itself */
        c->headers.token_file = NULL;
        c->headers.gzip = false;
        c->transfer.whole_replies = true;
    }
    c->transfer.tls = url_is_https(c->transfer.url) || c->oauth_file;
    c->transfer.timeout_ms = k->timeout_ms;
    c->transfer.connect_timeout_ms = k->connect_timeout_ms;
    c->transfer.reply_max = 1u << 20;
    c->failing_since_s = failing_since();
    k->explain.batch = c->batch;
    k->explain.id = c->id;
    k->explain.snapshots = &c->snapshots;
    k->explain.body_bytes = c->body_bytes;
    return set_limits(k, &d, why) < 0 ? -1 : set_snapshots(k, why);
}

/* 1: go on; 0: --help or --version was answered; -1: *why. */
static int read_options(struct settings *k, int argc, char **argv, struct fault *why)
{
    struct option_value value;
    int first = 0, rc;

    while ((rc = option_next(&program, argc, argv, &value, &first, why)) == 1)
        if (set(k, value.code, value.arg, why) < 0)
            return -1;
    if (rc != 0)
        return rc < 0 ? -1 : 0;
    if (argc - first > 1)
        return fault_set(why, EX_USAGE, "one URL, not %d; try ts-send --help", argc - first);
    if (argc > first)
        k->sender.transfer.url = argv[first];
    if (k->list)
        return 1;
    if (file_sink_is(k->sender.transfer.url) && k->not_files)
        return fault_set(why, EX_USAGE,
            "--%s: nothing for a file:// URL, which takes -o, -n and --check",
            option_name(k->not_files));
    if (file_sink_is(k->sender.transfer.url))
        return 1;
    if (url_check("URL", k->sender.transfer.url, why) < 0 || complete(k, why) < 0 ||
        check_addresses(&k->sender.transfer, why) < 0)
        return -1;
    if (!k->explained && !k->explain.check && transfer_files(&k->sender.transfer, why) < 0)
        return -1;
    return 1;
}

static int list_profiles(struct fault *why)
{
    struct line_writer out;
    int rc;

    line_writer_init(&out, STDOUT_FILENO, "standard output");
    rc = profile_list(&out.buf, why);
    if (rc == 0)
        rc = line_close(&out, why);
    line_writer_free(&out);
    return rc;
}

static int run(struct settings *k, struct fault *why)
{
    const struct file_sink_config file = {
        k->sender.transfer.url, k->given.option, k->given.options, k->sender.dry};

    if (k->list)
        return list_profiles(why);
    if (k->explained)
        return explain(k->sender.profile, &k->explain, why);
    stop_start();
    if (file_sink_is(file.url))
        return k->explain.check ? file_sink_check(&file, why) : file_sink_run(&file, why);
    if (k->explain.check)
        return check_run(&k->sender, why);
    if (k->explain.watermark)
        return watermark_run(&k->sender, why);
    return sender_run(&k->sender, why);
}

int main(int argc, char **argv)
{
    struct settings k = {.sender.transfer.url = DEFAULT_URL,
        .profile = "plain",
        .timeout_ms = 30000,
        .connect_timeout_ms = 10000,
        .memory_bytes = 8 << 20,
        .snapshot_bytes = 2 << 20,
        .answer_ms = 60000,
        .give_up_ms = 3600000,
        .retry_first_ms = 500,
        .retry_last_ms = 60000};
    struct fault why;
    int rc;

    msg_start(program.name);
    rc = read_options(&k, argc, argv, &why);
    if (rc <= 0) {
        profile_close(k.sender.profile);
        return rc < 0 ? msg_fault(&why) : 0;
    }
    if (k.sender.transfer.insecure && !k.sender.transfer.pin)
        msg_warn("--insecure: the receiver's certificate is NOT checked; anybody on the way can "
                 "read and take these events");
    rc = run(&k, &why);
    profile_close(k.sender.profile);
    return rc < 0 ? msg_fault(&why) : rc;
}
