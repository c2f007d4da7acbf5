/* SPDX-License-Identifier: MIT */
/* The command line of ts-enrich. */
#include <fcntl.h>

#include "file.h"
#include "job.h"
#include "option.h"

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

int job_settle(struct job *j, struct fault *why)
{
    return take_keys(j, why) < 0 || open_pictures(j, why) < 0 ? -1 : 0;
}

int job_options(struct job *j, int argc, char **argv, int *first, struct fault *why)
{
    struct option_value value;
    int got;

    while ((got = option_next(&program, argc, argv, &value, first, why)) == 1)
        if (set_option(j, &value, why) < 0)
            return -1;
    return got == 2 ? 1 : got;
}
