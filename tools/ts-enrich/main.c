/* SPDX-License-Identifier: MIT */
/* ts-enrich: events in, complete events out, one line for one line.  Options, files, the loop, and
   the reload of site file and roster between two lines. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <malloc.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "card_forms.h"
#include "changes.h"
#include "enrich.h"
#include "file.h"
#include "hash.h"
#include "line.h"
#include "msg.h"
#include "option.h"
#include "site_check.h"
#include "stop.h"

enum {
    OPT_ID_KEY = OPTION_LONG,
    OPT_REQUIRE,
    OPT_MAX_SKEW,
    OPT_STATE,
    OPT_WINDOW,
    OPT_REDACT,
    OPT_PSEUDONYMIZE,
    OPT_KEEP,
    OPT_DROP,
    OPT_SNAPSHOTS,
    OPT_SNAPSHOT_DIR,
    OPT_SNAPSHOT_MAX,
    OPT_JQ,
    OPT_JQ_FILE,
    OPT_CHANGES,
    OPT_CARD_FORMS,
    OPT_CHECK
};

static const struct option_spec options[] = {
    {'c', "config", "FILE", "the site file, ts-site(5)"},
    {'d', "device", "ID", "device_id of lines that have none"},
    {'z', "zone", "ZONE", "zone of devices that have none of their own"},
    {'r', "roster", "FILE", "the roster, in place of the site file's"},
    {OPT_ID_KEY, "id-key", "FILE", "event_id by a keyed hash, with this key"},
    {OPT_REQUIRE, "require-employee", NULL, "hold events of people not in the roster"},
    {OPT_MAX_SKEW, "max-skew", "TIME", "clock skew that is not worth a mark (300s)"},
    {OPT_STATE, "state", "FILE", "who passed last, kept across runs"},
    {OPT_WINDOW, "repeat-window", "TIME", "who comes again so soon is a repeat (0s)"},
    {OPT_REDACT, "redact", "NAMES", "take these fields away: name,card_no"},
    {OPT_PSEUDONYMIZE, "pseudonymize", "FILE", "pseudonyms for people, with the key in FILE"},
    {OPT_KEEP, "keep", "NAMES", "fields that --pseudonymize leaves all the same"},
    {OPT_DROP, "drop", "NAMES", "take just these fields of the event away: raw"},
    {OPT_SNAPSHOTS, "snapshots", "HOW", "pictures: keep, reference, inline or omit"},
    {OPT_SNAPSHOT_DIR, "snapshot-dir", "DIR", "where they are"},
    {OPT_SNAPSHOT_MAX, "snapshot-max", "SIZE", "largest one that is taken (2M)"},
    {OPT_JQ, "jq", "PROGRAM", "a jq program for each event, last of all"},
    {OPT_JQ_FILE, "jq-file", "FILE", "the same, from a file"},
    {OPT_CHANGES, "changes", NULL, "print what this run changes, in place of events"},
    {OPT_CARD_FORMS, "card-forms", NULL, "try the card rules on card numbers, a line each"},
    {OPT_CHECK, "check-config", NULL, "read site file and roster, and stop"},
    OPTION_HELP,
    {0},
};

static const struct program program = {
    .name = "ts-enrich",
    .synopsis = "[-c site.json] [-d device-id] [-z zone] [option …] [file …]",
    .summary = "Completes events: identity, true time, person, direction. NDJSON in and out.",
    .options = options,
    .print_version = zone_print_version,
    .more = "Site file and roster are read again when they change, and on SIGHUP.\n",
};

/* Tells one state of a file from another. */
struct stamp {
    struct timespec changed;
    ino_t inode;
    off_t bytes;
};

struct job {
    const char *config, *roster_path; /* as given; NULL: not given */
    const char *key_file, *person_key_file, *pictures, *state_path;
    bool check, card_forms;
    struct site *site;
    struct roster *roster;
    struct hash *hash, *person_key, *pseudonyms; /* NULL: not needed */
    struct state *state;
    struct context context;
    unsigned programs;       /* of jq */
    struct changes *changes; /* NULL: events are printed */
    struct buf changed;      /* the event that is compared */
    struct line_writer out;
    int input;                             /* what is being read */
    struct stamp site_stamp, roster_stamp; /* of what is in use */
    int64_t looked_ms;                     /* when the files were looked at */
    int64_t drift_ms;                      /* when drift was told; 0: not yet */
    bool waited;                           /* input ran dry since */
    bool said_stranger, said_claimed, said_misfit;
    int status; /* of faults that do not end the work: a missing file */
};

static void tell(const char *text)
{
    msg_warn("%s", text);
}

/* What is odd about a roster is for people who look at it; cron would mail it every five minutes.
 */
static void tell_people(const char *text)
{
    if (isatty(STDERR_FILENO))
        msg_warn("%s", text);
}

/* ---- options ---- */

/* Names of fields that go.  The card as it was read is the card, in another form. */
static int set_gone(struct names *names, const char *option, const char *text, struct fault *why)
{
    static const char *const kept[] = {
        "event_id", "ack", "hold", "skip", "error", "attempts", "ambiguous"};
    bool card, read;

    if (names_add(names, option, text, why) < 0)
        return -1;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (names_have(names, slice_of(kept[i])))
            return fault_set(why, EX_USAGE, "--%s %s: delivery needs it; it cannot be left out",
                option, kept[i]);
    card = names_have(names, SLICE("card_no"));
    read = names_have(names, SLICE("card_read"));
    if (read && !card)
        return fault_set(why, EX_USAGE, "--%s card_read: name card_no, it goes with it", option);
    return card && !read ? names_add(names, option, "card_read", why) : 0;
}

static int set_window(struct settings *s, const char *text, struct fault *why)
{
    long long ms;

    if (option_duration("repeat-window", text, &ms, why) < 0)
        return -1;
    if (ms > WINDOW_MAX_S * 1000)
        return fault_set(why, EX_USAGE, "--repeat-window %s: more than a day", text);
    s->window_s = (int)(ms / 1000);
    return 0;
}

static int set_snapshots(struct pictures *pictures, const char *text, struct fault *why)
{
    static const char *const words[] = {[PICTURES_KEEP] = "keep",
        [PICTURES_REFERENCE] = "reference",
        [PICTURES_INLINE] = "inline",
        [PICTURES_OMIT] = "omit"};

    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(text, words[i]) == 0) {
            pictures->mode = i;
            return 0;
        }
    return fault_set(why, EX_USAGE, "--snapshots %s: keep, reference, inline or omit", text);
}

static int set_snapshot_max(struct pictures *pictures, const char *text, struct fault *why)
{
    long long bytes;

    if (option_size("snapshot-max", text, 1024, 64ll << 20, &bytes, why) < 0)
        return -1;
    pictures->bytes_max = (uint64_t)bytes;
    return 0;
}

/* When all options are known. */
static int open_pictures(struct job *j, struct fault *why)
{
    struct pictures *p = &j->context.settings.pictures;
    bool wanted = p->mode == PICTURES_REFERENCE || p->mode == PICTURES_INLINE;

    if (wanted && !j->pictures)
        return fault_set(why, EX_USAGE, "--snapshots: --snapshot-dir must say where they are");
    if (!wanted && j->pictures)
        return fault_set(why, EX_USAGE, "--snapshot-dir: --snapshots must say what for");
    if (wanted && j->person_key_file)
        return fault_set(why, EX_USAGE, "--snapshots: a picture would undo --pseudonymize");
    if (!wanted)
        return 0;
    p->folder = open(j->pictures, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return p->folder >= 0
               ? 0
               : fault_errno(why, EX_NOINPUT, "--snapshot-dir %s: cannot open", j->pictures);
}

static int add_rules(struct job *j, const char *name, struct slice text, struct fault *why)
{
    struct settings *s = &j->context.settings;

    if (!s->rules)
        s->rules = rules_new();
    j->programs++;
    return rules_add(s->rules, name, text, why);
}

#define RULES_BYTES_MAX (1u << 20)

static int add_rules_file(struct job *j, const char *path, struct fault *why)
{
    struct buf text = {0};
    int rc = file_read(path, RULES_BYTES_MAX, &text, why);

    if (rc == 0)
        rc = add_rules(j, path, buf_all(&text), why);
    buf_free(&text);
    return rc;
}

static int set_option(struct job *j, const struct option_value *v, struct fault *why)
{
    struct settings *s = &j->context.settings;
    long long ms;

    switch (v->code) {
    case 'c':
        j->config = v->arg;
        return 0;
    case 'd':
        s->device = slice_of(v->arg);
        return s->device.n > 0 ? 0 : fault_set(why, EX_USAGE, "-d: the name is empty");
    case 'z':
        s->zone = zone_find(v->arg, why);
        return s->zone ? 0 : -1;
    case 'r':
        j->roster_path = v->arg;
        return 0;
    case OPT_ID_KEY:
        j->key_file = v->arg;
        return 0;
    case OPT_REQUIRE:
        s->require_employee = true;
        return 0;
    case OPT_MAX_SKEW:
        if (option_duration("max-skew", v->arg, &ms, why) < 0)
            return -1;
        s->max_skew_ms = ms;
        return 0;
    case OPT_STATE:
        j->state_path = v->arg;
        return 0;
    case OPT_WINDOW:
        return set_window(s, v->arg, why);
    case OPT_CHANGES:
        changes_free(j->changes);
        j->changes = changes_new();
        return 0;
    case OPT_REDACT:
        return set_gone(&s->redact, "redact", v->arg, why);
    case OPT_CARD_FORMS:
        j->card_forms = true;
        return 0;
    case OPT_DROP:
        return set_gone(&s->drop, "drop", v->arg, why);
    case OPT_KEEP:
        return names_add(&s->keep, "keep", v->arg, why);
    case OPT_SNAPSHOTS:
        return set_snapshots(&s->pictures, v->arg, why);
    case OPT_SNAPSHOT_DIR:
        j->pictures = v->arg;
        return 0;
    case OPT_SNAPSHOT_MAX:
        return set_snapshot_max(&s->pictures, v->arg, why);
    case OPT_JQ:
        return add_rules(j, "--jq", slice_of(v->arg), why);
    case OPT_JQ_FILE:
        return add_rules_file(j, v->arg, why);
    case OPT_PSEUDONYMIZE:
        j->person_key_file = v->arg;
        return 0;
    default:
        j->check = true;
        return 0;
    }
}

/* ---- site and roster ---- */

static struct stamp stamp_of(const char *path)
{
    struct stat st;

    if (!path || stat(path, &st) < 0)
        return (struct stamp){.bytes = -1};
    return (struct stamp){st.st_mtim, st.st_ino, st.st_size};
}

static int load(struct job *j, struct site **site, struct roster **roster, struct fault *why)
{
    const char *path;

    /* Before they are read: what changes meanwhile is seen at the next look. */
    j->site_stamp = stamp_of(j->config);
    *roster = NULL;
    *site = j->config ? site_load(j->config, tell, why) : site_new();
    if (!*site)
        return -1;
    path = j->roster_path ? j->roster_path : (*site)->roster;
    j->roster_stamp = stamp_of(path);
    if (path)
        *roster = roster_load(path, *site, &j->context.settings.redact, tell_people, why);
    if (!path || *roster)
        return 0;
    site_free(*site);
    *site = NULL;
    return -1;
}

/* What has lost its people or devices is a file in the middle of being written, or a mistake. */
static int check_shrunk(
    const struct job *j, const struct site *site, const struct roster *roster, struct fault *why)
{
    size_t had = j->roster ? roster_people(j->roster) : 0;
    size_t has = roster ? roster_people(roster) : 0;

    if (had > 0 && has == 0)
        return fault_set(why, EX_CONFIG, "the new roster has nobody in it");
    if ((double)has < (double)had * site->roster_least)
        return fault_set(why, EX_CONFIG,
            "the new roster has %zu people, and there were %zu: if that is meant, set \"least\": 0 "
            "in the site file's roster, or start again",
            has, had);
    if (j->site->device_count > 0 && site->device_count == 0)
        return fault_set(why, EX_CONFIG, "the new site file has no devices");
    return 0;
}

static void use(struct job *j, struct site *site, struct roster *roster)
{
    site_free(j->site);
    roster_free(j->roster);
    j->site = site;
    j->roster = roster;
    context_use(&j->context, site, roster);
}

#define LOOK_MS 1000

static bool same_stamp(const struct stamp *a, const struct stamp *b)
{
    return a->changed.tv_sec == b->changed.tv_sec && a->changed.tv_nsec == b->changed.tv_nsec &&
           a->inode == b->inode && a->bytes == b->bytes;
}

/* Notes what the files are like now; whether they are what was noted before. */
static bool unchanged(struct job *j)
{
    const char *path = j->roster_path ? j->roster_path : j->site->roster;
    struct stamp site = stamp_of(j->config), roster = stamp_of(path);
    bool same = same_stamp(&site, &j->site_stamp) && same_stamp(&roster, &j->roster_stamp);

    j->site_stamp = site;
    j->roster_stamp = roster;
    return same;
}

static void reload(struct job *j)
{
    struct site *site;
    struct roster *roster;
    struct fault why;

    unchanged(j); /* noted: whatever comes of it, it is tried once */
    if (load(j, &site, &roster, &why) < 0) {
        msg_warn("%s; going on with the old site and roster", why.text);
    } else if (check_shrunk(j, site, roster, &why) < 0) {
        msg_warn("%s; going on with the old site and roster", why.text);
        site_free(site);
        roster_free(roster);
    } else {
        use(j, site, roster);
        msg_warn("site and roster read again: %zu devices, %zu people", site->device_count,
            roster ? roster_people(roster) : 0);
    }
}

/* After input ran dry, and a second since the last look: a file that was changed is read again. */
static void look_at_files(struct job *j)
{
    int64_t now_ms = monotonic_ms();

    j->waited = false;
    if (now_ms - j->looked_ms < LOOK_MS)
        return;
    j->looked_ms = now_ms;
    if (!unchanged(j))
        reload(j);
}

/* ---- the loop ---- */

static const char *first_device(const struct first *f)
{
    return f->device[0] ? f->device : "(none)";
}

/* What somebody has to look after is said when it is met first, not only at the end. */
static void say_news(struct job *j)
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
    drift_tell(j->context.drift, context_max_skew_ms(&j->context), tell);
}

/* Who passed last goes to the disk, once a second at most: the wait for input begins with the wait
   for that.  A signal or input ends it; then it is done the next time. */
static void sync_state(struct job *j)
{
    struct pollfd in = {.fd = j->input, .events = POLLIN};
    int64_t now_ms = monotonic_ms();
    int due_ms = state_due_ms(j->state, now_ms);

    if (due_ms < 0 || (due_ms > 0 && stop_wait(&in, 1, due_ms, false) != 0))
        return;
    now_ms = monotonic_ms();
    if (state_due_ms(j->state, now_ms) == 0)
        state_sync(j->state, now_ms);
}

/* Before every wait for input: what is done goes out, and a SIGHUP is looked after. */
static int idle(void *arg, struct fault *why)
{
    struct job *j = arg;
    int rc;

    if (stop_reload())
        reload(j);
    say_news(j);
    say_drift(j, false);
    j->waited = true;
    rc = line_flush(&j->out, why);
    sync_state(j);
    return rc;
}

/* A line that its writer did not finish.  In a file it is damage, to be kept; in a pipe the writer
   died over it, was given no receipt, and will send it again: then it must not become an event. */
static bool is_fragment(struct job *j, int fd, enum line kind, struct slice line)
{
    struct stat st;

    if (kind != LINE_TORN || j->card_forms || enrich_whole(&j->context, line) ||
        fstat(fd, &st) < 0 || S_ISREG(st.st_mode))
        return false;
    msg_warn("input ended inside a line: its %zu bytes are left out", line.n);
    j->status = EX_DATAERR;
    return true;
}

/* A number, or an event with one. */
static void try_card(struct job *j, struct slice line)
{
    struct slice number = line;
    struct fault why;
    struct event e;

    if (event_read(j->context.reader, line, &e, &why) == 0) {
        number = event_str(&e, EV_CARD_READ);
        if (number.n == 0)
            number = event_str(&e, EV_CARD_NO);
    }
    card_forms_print(number, j->roster, clock_day(clock_now_ms() / 1000), &j->out.buf);
}

static void take_line(struct job *j, struct slice line, const char *bad)
{
    if (j->card_forms) {
        try_card(j, line);
        return;
    }
    if (!j->changes) {
        enrich_line(&j->context, line, bad, &j->out.buf);
        return;
    }
    j->changed.len = 0;
    enrich_line(&j->context, line, bad, &j->changed);
    j->changed.len--; /* its newline */
    changes_line(j->changes, line, buf_all(&j->changed), &j->out.buf);
}

#define STATE_NEW 2 /* people and lanes that one event can bring */

static int read_lines(struct job *j, int fd, struct fault *why)
{
    struct line_reader *reader = line_reader_new(fd, LINE_MAX_BYTES);
    struct slice line;
    enum line kind;
    unsigned ahead = 0;
    int rc = 0;

    j->input = fd;
    line_on_idle(reader, idle, j);
    while (rc == 0 && (kind = line_next(reader, &line, why)) != LINE_END) {
        /* Before the line: whoever sent the signal may have sent the line after it. */
        if (stop_reload())
            reload(j);
        if (j->waited)
            look_at_files(j);
        if (kind == LINE_ERROR) {
            rc = -1;
        } else if (!is_fragment(j, fd, kind, line)) {
            rc = state_room(j->state, STATE_NEW, why);
            if (rc == 0) {
                take_line(j, line, kind == LINE_LONG ? "line longer than 1 MiB" : NULL);
                rc = line_written(&j->out, why);
            }
            if (ahead-- == 0)
                ahead = enrich_ahead(&j->context, line_buffered(reader)) - 1;
        }
    }
    line_reader_free(reader);
    return rc;
}

static int read_file(struct job *j, const char *name, struct fault *why)
{
    int fd, rc;

    if (strcmp(name, "-") == 0)
        return read_lines(j, STDIN_FILENO, why);
    fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        msg_warn("%s: cannot open: %s", name, strerror(errno));
        j->status = EX_NOINPUT;
        return 0;
    }
    rc = read_lines(j, fd, why);
    close(fd);
    return rc;
}

static int read_all(struct job *j, char **files, struct fault *why)
{
    int rc = *files ? 0 : read_lines(j, STDIN_FILENO, why);

    for (; rc == 0 && *files && !stop_requested(); files++)
        rc = read_file(j, *files, why);
    return rc;
}

static const char *first_more(const struct first *f)
{
    return f->count > 1 ? " (the first of them)" : "";
}

/* What is to be said at the end, the most important thing last; the exit status. */
static int sum_up(struct job *j)
{
    const struct context *c = &j->context;

    say_news(j);
    say_drift(j, true);
    if (c->nameless > 0)
        msg_warn("%" PRIu64 " events without device_id: give -d, or their ids will not match "
                 "those of other paths",
            c->nameless);
    if (c->card_misfits.count > 1)
        msg_warn(
            "%" PRIu64 " card numbers do not fit the rule of their reader", c->card_misfits.count);
    if (c->unset.count > 0)
        msg_warn("%" PRIu64
                 " events on hold: the clock of device %s was not set%s: \"clock\" in the "
                 "site file corrects it",
            c->unset.count, first_device(&c->unset), first_more(&c->unset));
    if (c->zoneless.count > 0)
        msg_warn("%" PRIu64 " events without time: no zone for device %s%s: give -z or a site file",
            c->zoneless.count, first_device(&c->zoneless), first_more(&c->zoneless));
    if (j->changes) {
        struct buf text = {0};

        changes_sum(j->changes, &text);
        msg_warn("%.*s", (int)text.len, text.data);
        buf_free(&text);
    }
    if (c->pictureless > 0)
        msg_warn("%" PRIu64 " events go without their picture, the last because %s", c->pictureless,
            c->picture_error);
    if (c->rules_failed > 0) {
        msg_warn("the jq program failed on %" PRIu64 " of %" PRIu64 " events: their error says how",
            c->rules_failed, c->lines);
        j->status = j->status ? j->status : EX_DATAERR;
    }
    if (c->not_understood == 0)
        return j->status;
    msg_warn("%" PRIu64 " of %" PRIu64 " lines were not understood%s", c->not_understood, c->lines,
        c->not_understood == c->lines ? ": is this NDJSON? ts-read makes it of a device's log"
                                      : "");
    return j->status ? j->status : EX_DATAERR;
}

/* Without a key for ids, that for pseudonyms serves: an id by which a PIN can be tried out would
   undo them. */
static int take_keys(struct job *j, struct fault *why)
{
    struct settings *s = &j->context.settings;

    if (s->keep.count > 0 && !j->person_key_file)
        return fault_set(why, EX_USAGE, "--keep: it goes with --pseudonymize");
    if (j->person_key_file) {
        j->person_key = hash_keyed(j->person_key_file, why);
        j->pseudonyms = j->person_key ? hash_derived(j->person_key, "pseudonym", why) : NULL;
        if (!j->pseudonyms)
            return -1;
        s->pseudonyms = hash_of(j->pseudonyms);
        s->hash = hash_of(j->person_key);
    }
    if (j->person_key && !j->key_file)
        return 0;
    j->hash = j->key_file ? hash_keyed(j->key_file, why) : hash_public();
    if (!j->hash)
        return -1;
    s->hash = hash_of(j->hash);
    return 0;
}

static int open_state(struct job *j, struct fault *why)
{
    size_t forgot = 0;

    j->state = j->state_path ? state_open(j->state_path, j->context.settings.hash, &forgot, why)
                             : state_new();
    if (forgot > 0)
        msg_warn("%s: %zu people were half written when the power went: they begin anew",
            j->state_path, forgot);
    j->context.state = j->state;
    return j->state ? 0 : -1;
}

static int run(struct job *j, char **files)
{
    struct fault why;

    if (take_keys(j, &why) < 0 || open_pictures(j, &why) < 0)
        return msg_fault(&why);
    if (j->check && j->programs > 0)
        printf("rules: fine, %u jq program%s\n", j->programs, j->programs > 1 ? "s" : "");
    if (j->check)
        return check_config(&(struct check){j->config, j->roster_path, &j->context.settings, tell});
    if (load(j, &j->site, &j->roster, &why) < 0)
        return msg_fault(&why);
    context_use(&j->context, j->site, j->roster);
    if (open_state(j, &why) < 0)
        return msg_fault(&why);
    line_writer_init(&j->out, STDOUT_FILENO, "standard output");
    if (read_all(j, files, &why) < 0) {
        int status = msg_fault(&why);

        /* After a failed read, what was read still goes out. */
        return line_flush(&j->out, &why) < 0 ? msg_fault(&why) : status;
    }
    return line_close(&j->out, &why) < 0 ? msg_fault(&why) : sum_up(j);
}

#define MAPPED_BYTES (256 << 10)

int main(int argc, char **argv)
{
    struct job j = {0};
    struct option_value value;
    struct fault why;
    int got, first = argc, status;

    /* The memory of an old roster goes back at once, and a growing one moves without a copy. */
    mallopt(M_MMAP_THRESHOLD, MAPPED_BYTES);
    msg_start(program.name);
    stop_start();
    context_init(&j.context);
    while ((got = option_next(&program, argc, argv, &value, &first, &why)) == 1)
        if (set_option(&j, &value, &why) < 0) {
            got = -1;
            break;
        }
    status = got < 0 ? msg_fault(&why) : got == 2 ? 0 : run(&j, argv + first);
    line_writer_free(&j.out);
    rules_free(j.context.settings.rules);
    context_free(&j.context);
    site_free(j.site);
    roster_free(j.roster);
    hash_free(j.hash);
    state_free(j.state);
    changes_free(j.changes);
    buf_free(&j.changed);
    hash_free(j.person_key);
    hash_free(j.pseudonyms);
    return status;
}
