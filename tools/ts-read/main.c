/* SPDX-License-Identifier: MIT */
/* ts-read: options and wiring.  The work is done by reader.c (loop), sources/, pump.c, formats/. */
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "address.h"
#include "album.h"
#include "checkpoint.h"
#include "msg.h"
#include "option.h"
#include "reader.h"
#include "stop.h"
#include "tally.h"

#define ALLOW_MAX 64
#define OPTIONS_MAX 64
#define ANSWER_WITHIN_MS 30000 /* for a peer that waits, unless --answer-within says otherwise */
#define BODY_BYTES (1 << 20)
#define MAP_BYTES (128 << 10) /* larger buffers go back to the system at once, not into holes */

enum {
    OPT_INTO = OPTION_LONG,
    OPT_SINCE,
    OPT_UNTIL,
    OPT_CHECKPOINT,
    OPT_ALLOW,
    OPT_TOKEN_FILE,
    OPT_PASSWORD_FILE,
    OPT_CA,
    OPT_SNAPSHOTS,
    OPT_PIN,
    OPT_INSECURE,
    OPT_MAX_LINE,
    OPT_MAX_BODY,
    OPT_ANSWER_WITHIN,
    OPT_PROGRESS,
    OPT_COUNT,
    OPT_LIST_FORMATS,
};

static const struct option_spec options[] = {
    {'f', "format", "NAME", "format of the input; auto (default) tells it"},
    {'d', "device", "ID", "device_id of events that do not say theirs"},
    {'z', "zone", "ZONE", "zone of local times, like Asia/Manila or +08:00"},
    {'F', "follow", NULL, "follow files as they grow; reconnect; restart --into"},
    {'l', "listen", NULL, "listen at the source's address instead of connecting"},
    {'o', "option", "KEY=VALUE", "an option of the format or the source"},
    {OPT_INTO, "into", "COMMAND", "feed events to COMMAND, wait for its receipts"},
    {OPT_SINCE, "since", "TIME", "only events from this time on"},
    {OPT_UNTIL, "until", "TIME", "only events before this time; a date: its whole day"},
    {OPT_CHECKPOINT, "checkpoint", "FILE", "remember what has its receipts; go on from there"},
    {OPT_ALLOW, "allow", "CIDR", "peers that may connect (may be given again)"},
    {OPT_TOKEN_FILE, "token-file", "FILE", "bearer token that HTTP peers must send"},
    {OPT_PASSWORD_FILE, "password-file", "FILE", "password or communication key of the device"},
    {OPT_SNAPSHOTS, "snapshots", "DIR", "keep pictures there; without, they are dropped"},
    {OPT_CA, "ca", "FILE", "certificates that may vouch for the device"},
    {OPT_PIN, "pin-sha256", "PINS", "its public key is one of these: sha256//HASH;..."},
    {OPT_INSECURE, "insecure", NULL, "do not check the device's certificate"},
    {OPT_MAX_LINE, "max-line", "BYTES", "longest record (1M)"},
    {OPT_MAX_BODY, "max-body", "BYTES", "largest HTTP body (1M)"},
    {OPT_ANSWER_WITHIN, "answer-within", "TIME", "longest wait for receipts (HTTP: 30s)"},
    {OPT_PROGRESS, "progress", NULL, "show bytes, rows/s and time left on a terminal"},
    {OPT_COUNT, "count", NULL, "print only how many events there are, by day"},
    {OPT_LIST_FORMATS, "list-formats", NULL, "list the formats"},
    {'v', "verbose", NULL, "say at the end how much was read"},
    OPTION_HELP,
    {0},
};

static const struct program program = {
    .name = "ts-read",
    .synopsis = "[-f format] [-d device] [-z zone] [-F] [option ...] [source ...]\n"
                "-l [option ...] tcp://[host]:port | http://[host]:port | dahua://[host]:port ...",
    .summary = "Reads access events from devices and files; prints them as JSON, one a line.",
    .options = options,
    .print_version = zone_print_version,
    .more = "Sources: a file, - (standard input, the default), tcp://host:port,\n"
            "zk://host (ZKTeco, port 4370), hikvision://host, dahua://host (with TLS:\n"
            "hikvisions://, dahuas://);\n"
            "with -l: tcp://:PORT, http://:PORT (also for devices that push), dahua://:PORT\n"
            "(for those that register themselves).\n"
            "An address that is not loopback needs --allow, or for HTTP --token-file.\n"
            "See ts-read(1).\n",
};

struct settings {
    struct pump_config pump;
    struct sink_config sink;
    struct source_env env;
    struct format_option format_option[OPTIONS_MAX], source_option[OPTIONS_MAX];
    struct cidr allow[ALLOW_MAX];
    const char *checkpoint, *snapshots;
    bool list_formats, progress, verbose, count;
    bool gap; /* see source.h */
};

static int set_format(struct settings *s, const char *name, struct fault *why)
{
    s->pump.format = format_find(slice_of(name));
    if (!s->pump.format && strcmp(name, "auto") != 0)
        return fault_set(why, EX_USAGE, "-f %s: no such format; see ts-read --list-formats", name);
    return 0;
}

static int add_format_option(struct settings *s, const char *text, struct fault *why)
{
    const char *equal = strchr(text, '=');
    struct format_options *o = &s->pump.options;

    if (!equal || equal == text)
        return fault_set(why, EX_USAGE, "-o %s: must be key=value", text);
    if (o->count == OPTIONS_MAX)
        return fault_set(why, EX_USAGE, "-o: more than %d", OPTIONS_MAX);
    s->format_option[o->count++] =
        (struct format_option){{text, (size_t)(equal - text)}, slice_of(equal + 1)};
    return 0;
}

/* Those that a source reads are no format's. */
static void part_options(struct settings *s, char **operand, size_t operands)
{
    size_t all = s->pump.options.count;

    s->pump.options.count = 0;
    s->env.options.option = s->source_option;
    for (size_t i = 0; i < all; i++) {
        struct format_option o = s->format_option[i];

        if (source_option(&s->env, operand, operands, o.key))
            s->source_option[s->env.options.count++] = o;
        else
            s->format_option[s->pump.options.count++] = o;
    }
}

static int add_allow(struct settings *s, const char *text, struct fault *why)
{
    if (s->env.allow_count == ALLOW_MAX)
        return fault_set(why, EX_USAGE, "--allow: more than %d", ALLOW_MAX);
    return cidr_parse(text, &s->allow[s->env.allow_count++], why);
}

/* A date of --until stands for its whole day. */
static int set_bound(struct bound *b, const char *name, const char *text, struct fault *why)
{
    b->set = clock_parse(slice_of(text), &b->at);
    if (!b->set)
        return fault_set(why, EX_USAGE,
            "--%s %s: no such time; write 2026-01-31, 2026-01-31T08:00:00 or with an offset", name,
            text);
    if (b->at.whole_bytes == 0 && strcmp(name, "until") == 0)
        b->at.local_s += 86400;
    return 0;
}

static int set_bytes(
    const char *name, const char *text, long long low, size_t *bytes, struct fault *why)
{
    long long value;

    if (option_size(name, text, low, 1 << 30, &value, why) < 0)
        return -1;
    *bytes = (size_t)value;
    return 0;
}

static int set_answer(struct settings *s, const char *text, struct fault *why)
{
    long long ms;

    if (option_duration("answer-within", text, &ms, why) < 0)
        return -1;
    if (ms < 1)
        return fault_set(why, EX_USAGE, "--answer-within %s: must be more than nothing", text);
    s->sink.answer_ms = s->env.answer_ms = ms;
    return 0;
}

static int set_option(struct settings *s, const struct option_value *v, struct fault *why)
{
    switch (v->code) {
    case 'f':
        return set_format(s, v->arg, why);
    case 'd':
        s->pump.device = s->env.device = v->arg;
        return *v->arg ? 0 : fault_set(why, EX_USAGE, "-d: must not be empty");
    case 'z':
        s->pump.zone = zone_find(v->arg, why);
        return s->pump.zone ? 0 : -1;
    case 'F':
        s->env.follow = s->sink.restart = true;
        return 0;
    case 'l':
        s->env.listen = true;
        return 0;
    case 'o':
        return add_format_option(s, v->arg, why);
    case OPT_INTO:
        s->sink.into = v->arg;
        return 0;
    case OPT_SINCE:
        return set_bound(&s->pump.since, "since", v->arg, why);
    case OPT_UNTIL:
        return set_bound(&s->pump.until, "until", v->arg, why);
    case OPT_CHECKPOINT:
        s->checkpoint = v->arg;
        return 0;
    case OPT_ALLOW:
        return add_allow(s, v->arg, why);
    case OPT_TOKEN_FILE:
        s->env.token_file = v->arg;
        return 0;
    case OPT_PASSWORD_FILE:
        s->env.password_file = v->arg;
        return 0;
    case OPT_SNAPSHOTS:
        s->snapshots = v->arg;
        s->pump.options.pictures = s->env.pictures = true;
        return 0;
    case OPT_CA:
        s->env.ca = v->arg;
        return 0;
    case OPT_PIN:
        s->env.pin = v->arg;
        return strncmp(v->arg, "sha256//", 8) == 0
                   ? 0
                   : fault_set(why, EX_USAGE, "--pin-sha256: write it as sha256//HASH");
    case OPT_INSECURE:
        s->env.insecure = true;
        return 0;
    case OPT_MAX_LINE:
        return set_bytes("max-line", v->arg, 64, &s->pump.options.longest, why);
    case OPT_MAX_BODY:
        return set_bytes("max-body", v->arg, 64, &s->env.body_bytes, why);
    case OPT_ANSWER_WITHIN:
        return set_answer(s, v->arg, why);
    case OPT_PROGRESS:
        s->progress = true;
        return 0;
    case OPT_COUNT:
        s->count = true;
        return 0;
    case OPT_LIST_FORMATS:
        s->list_formats = true;
        return 0;
    default:
        s->verbose = true;
        return 0;
    }
}

static void settings_init(struct settings *s)
{
    *s = (struct settings){
        .env = {.body_bytes = BODY_BYTES, .answer_ms = ANSWER_WITHIN_MS},
    };
    s->pump.options.option = s->format_option;
    s->pump.options.longest = 1 << 20;
    s->env.allow = s->allow;
    s->env.gap = &s->gap;
    s->env.since = &s->pump.since;
    s->env.until = &s->pump.until;
}

/* What options only mean together. */
static int check(const struct settings *s, struct fault *why)
{
    const struct bound *since = &s->pump.since, *until = &s->pump.until;

    if (s->checkpoint && !s->sink.into)
        return fault_set(
            why, EX_USAGE, "--checkpoint needs --into: only receipts tell what is safe");
    if (s->count && (s->env.follow || s->env.listen || s->sink.into))
        return fault_set(why, EX_USAGE, "--count: not with -F, -l or --into");
    if (since->set && until->set && since->at.has_offset != until->at.has_offset && !s->pump.zone)
        return fault_set(
            why, EX_USAGE, "--since and --until: give both an offset or neither, or give -z");
    return 0;
}

/* What was printed goes out; a reader that has gone wants no message. */
static int print_end(struct fault *why)
{
    if (fflush(stdout) == 0 && !ferror(stdout))
        return 0;
    fault_errno(why, EX_IOERR, "standard output: cannot write");
    why->quiet = errno == EPIPE;
    return -1;
}

static int list_formats(struct fault *why)
{
    for (size_t i = 0; formats[i]; i++)
        printf("%-16s %s\n", formats[i]->name, formats[i]->title);
    return print_end(why);
}

/* Only what was read to its end is a count. */
static int print_count(
    const struct settings *s, const struct reader_result *result, struct fault *why)
{
    struct buf out = {0};
    int rc = 0;

    if (s->env.tally && result->status == 0 && !stop_requested()) {
        tally_print(s->env.tally, &out);
        fwrite(out.data, 1, out.len, stdout);
        rc = print_end(why);
    }
    buf_free(&out);
    return rc;
}

/* Exit status, worst first; each is said on standard error. */
static int judge(
    const struct settings *s, const struct pump *pump, const struct reader_result *result)
{
    if (result->cut_short)
        msg_warn("--into: the command ended before everything was read");
    if (result->unstored > 0)
        msg_warn("%llu events without a final receipt: read them again",
            (unsigned long long)result->unstored);
    if (s->verbose)
        msg_warn("%llu records read", (unsigned long long)pump_events(pump));
    pump_report(pump);
    if (result->status != 0)
        return result->status;
    if (result->cut_short || result->unstored > 0)
        return EX_TEMPFAIL;
    /* Ended by a signal: in order, whatever was read until then. */
    return (pump_bad(pump) > 0 || s->gap) && !stop_requested() ? EX_DATAERR : 0;
}

static int run(struct settings *s, char **operand, size_t operands, struct fault *why)
{
    static char *standard_input[] = {(char *)"-"};
    struct reader_config config = {.env = &s->env, .operand = operand, .operands = operands};
    struct reader_result result;
    int status = -1;

    if (operands == 0 && !s->env.listen) {
        config.operand = standard_input;
        config.operands = 1;
    }
    if (config.operands == 0)
        return fault_set(why, EX_USAGE, "-l: needs an address like http://:8080");
    config.progress = s->progress && isatty(STDERR_FILENO);
    /* A body may be one record. */
    if (s->env.listen && s->pump.options.longest < s->env.body_bytes)
        s->pump.options.longest = s->env.body_bytes;
    part_options(s, config.operand, config.operands);
    if (s->count)
        s->pump.tally = s->env.tally = tally_new();
    if (s->snapshots && !(s->pump.album = album_open(s->snapshots, why)))
        return -1;
    s->env.sink = sink_new(&s->sink, why);
    if (!s->env.sink)
        return -1;
    s->env.pump = pump_new(&s->pump, s->env.sink, why);
    if (s->env.pump &&
        (!s->checkpoint || (s->env.checkpoint = checkpoint_open(s->checkpoint, why))) &&
        reader_run(&config, &result, why) == 0)
        status = print_count(s, &result, why) == 0 ? judge(s, s->env.pump, &result) : -1;
    else if (s->env.pump)
        pump_report(s->env.pump);
    if (sink_close(s->env.sink, why) < 0)
        status = -1;
    pump_free(s->env.pump);
    checkpoint_free(s->env.checkpoint);
    tally_free(s->env.tally);
    album_free(s->pump.album);
    return status;
}

int main(int argc, char **argv)
{
    struct settings s;
    struct option_value value;
    struct fault why;
    int first, rc;

    msg_start("ts-read");
    mallopt(M_MMAP_THRESHOLD, MAP_BYTES);
    settings_init(&s);
    while ((rc = option_next(&program, argc, argv, &value, &first, &why)) == 1)
        if (set_option(&s, &value, &why) < 0)
            return msg_fault(&why);
    if (rc < 0 || (rc == 0 && check(&s, &why) < 0))
        return msg_fault(&why);
    if (rc == 2)
        return 0;
    if (s.list_formats)
        return list_formats(&why) < 0 ? msg_fault(&why) : 0;
    stop_start();
    rc = run(&s, argv + first, (size_t)(argc - first), &why);
    return rc < 0 ? msg_fault(&why) : rc;
}
