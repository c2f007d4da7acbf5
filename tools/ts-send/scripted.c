/* SPDX-License-Identifier: MIT */
/* Loading a jq profile, and checking what it says of itself and what it is given. */
#include "scripted.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "header.h"
#include "request.h"
#include "secret.h"

#define FILE_BYTES_MAX (1u << 20)

/* ---- its text ---- */

static bool is_file(const char *name)
{
    size_t n = strlen(name);

    return strchr(name, '/') || (n > 3 && strcmp(name + n - 3, ".jq") == 0);
}

static int read_file(const char *name, struct buf *out, struct fault *why)
{
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NOCTTY), rc = 0;
    ssize_t n = 1;

    if (fd < 0)
        return fault_errno(why, EX_NOINPUT, "--profile %s: cannot open", name);
    while (n > 0 && out->len < FILE_BYTES_MAX) {
        n = read(fd, buf_room(out, 16384), 16384);
        if (n > 0)
            out->len += (size_t)n;
    }
    if (n < 0 || out->len >= FILE_BYTES_MAX)
        rc = fault_set(why, EX_NOINPUT, "--profile %s: %s", name,
            n < 0 ? strerror(errno) : "too long for a profile");
    close(fd);
    return rc;
}

static struct slice embedded(const char *name)
{
    const struct profile_text *t = profile_texts;

    while (t->name && strcmp(t->name, name) != 0)
        t++;
    return t->text;
}

static int no_such_profile(const char *name, struct fault *why)
{
    struct buf names = {0};

    buf_text(&names, profile_plain.name);
    for (const struct profile_text *t = profile_texts; t->name; t++)
        if (strcmp(t->name, "prelude") != 0)
            buf_printf(&names, ", %s", t->name);
    fault_set(why, EX_USAGE, "--profile %s: no such profile; there are: %.*s", name, (int)names.len,
        names.data);
    buf_free(&names);
    return -1;
}

static int find_text(const char *name, struct buf *text, struct fault *why)
{
    struct slice ours = embedded(name);

    if (is_file(name))
        return read_file(name, text, why);
    if (!ours.p || strcmp(name, "prelude") == 0)
        return no_such_profile(name, why);
    buf_slice(text, ours);
    return 0;
}

/* ---- its defaults ---- */

static int bad(const struct scripted *p, const char *what, struct fault *why)
{
    return fault_set(why, EX_CONFIG, "profile %s: defaults: %s", p->name, what);
}

/* A whole number in [low, high]; absent or null: *n stays. */
static int take_number(const struct scripted *p, const char *key, double low, double high,
    double *n, struct fault *why)
{
    struct value v = value_get(p->defaults, key);
    double got = value_double(v);
    bool fine = value_kind(v) == VALUE_NUMBER && got >= low && got <= high && got == floor(got);

    if (fine)
        *n = got;
    fine |= value_kind(v) == VALUE_NULL;
    value_free(v);
    return fine ? 0
                : fault_set(why, EX_CONFIG, "profile %s: defaults: %s: a number from %.0f to %.0f",
                      p->name, key, low, high);
}

static int take_words(struct scripted *p, struct profile_defaults *d, struct fault *why)
{
    static const char *const forms[] = {
        [ARRAYS_NONE] = "none", [ARRAYS_ATOMIC] = "atomic", [ARRAYS_ITEMS] = "items"};
    struct value arrays = value_get(p->defaults, "arrays"), rate = value_get(p->defaults, "rate");
    struct slice form = value_text(arrays), speed = value_text(rate);
    bool fine = value_kind(arrays) == VALUE_NULL;
    int rc = 0;

    for (enum arrays i = ARRAYS_NONE; form.p && i <= ARRAYS_ITEMS; i++)
        if (slice_is(form, forms[i])) {
            d->arrays = i;
            fine = true;
        }
    if (!fine)
        rc = bad(p, "arrays: none, atomic or items", why);
    else if (value_kind(rate) != VALUE_NULL && (!speed.p || !profile_rate(speed.p, &d->rate_us)))
        rc = bad(p, "rate: write it like 10/s, 600/m or 5000/h", why);
    value_free(arrays);
    value_free(rate);
    return rc;
}

static void take_accept(struct scripted *p)
{
    struct value list = value_get(p->defaults, "accept");
    struct buf text = {0};

    for (unsigned i = 0; i < value_count(list); i++) {
        struct value one = value_at(list, i);

        if (i > 0)
            buf_lit(&text, ", ");
        buf_slice(&text, value_text(one));
        value_free(one);
    }
    if (text.len == 0)
        buf_lit(&text, "application/json");
    p->accept = mem_text(buf_all(&text));
    buf_free(&text);
    value_free(list);
}

/* `fields`: the members of an event that the profile reads. */
static void take_fields(struct scripted *p)
{
    unsigned n;

    p->fields = value_get(p->defaults, "fields");
    n = value_count(p->fields);
    if (value_kind(p->fields) != VALUE_ARRAY)
        return;
    p->filter = mem_alloc(sizeof *p->filter);
    *p->filter = (struct value_filter){.others = n};
    p->filter->other = mem_alloc((n + 1) * sizeof *p->filter->other);
    for (unsigned i = 0; i < n; i++) {
        struct value one = value_at(p->fields, i);
        struct slice name = value_text(one);
        enum event_field f = event_field_of(name);

        ((struct slice *)(uintptr_t)p->filter->other)[i] = name; /* p->fields keeps it */
        if (f != EVENT_FIELDS)
            p->filter->fields |= EVENT_BIT(f);
        value_free(one);
    }
}

static int check_keys(const struct scripted *p, struct fault *why)
{
    static const char *const known[] = {"batch", "connections", "rate", "arrays", "max_body",
        "late", "time", "fields", "accept", "options", "secrets"};
    struct slice key;
    struct value v;
    int at = 0;

    if (value_kind(p->defaults) != VALUE_OBJECT)
        return bad(p, "an object is wanted", why);
    while (value_next(p->defaults, &at, &key, &v)) {
        size_t i = 0;

        value_free(v);
        while (i < sizeof known / sizeof *known && !slice_is(key, known[i]))
            i++;
        if (i == sizeof known / sizeof *known)
            return fault_set(why, EX_CONFIG, "profile %s: defaults: %.*s is not known", p->name,
                (int)key.n, key.p);
    }
    return 0;
}

static int take_defaults(struct scripted *p, struct fault *why)
{
    struct profile_defaults *d = &p->profile.defaults;
    double batch = 1, connections = 0, body = 1 << 20, late = -1;

    if (check_keys(p, why) < 0 || take_number(p, "batch", 1, 10000, &batch, why) < 0 ||
        take_number(p, "connections", 1, 256, &connections, why) < 0 ||
        take_number(p, "max_body", 1024, 64 << 20, &body, why) < 0 ||
        take_number(p, "late", 0, 1e9, &late, why) < 0)
        return -1;
    *d = (struct profile_defaults){.connections = connections > 0 ? (unsigned)connections : 4,
        .connections_most = (unsigned)connections,
        .batch = (unsigned)batch,
        .body_bytes = (size_t)body,
        .late_s = (int64_t)late};
    if (take_words(p, d, why) < 0)
        return -1;
    if (d->arrays == ARRAYS_NONE && d->batch > 1)
        return bad(p, "batch: more than 1 needs arrays", why);
    take_accept(p);
    take_fields(p);
    return 0;
}

/* ---- loading ---- */

/* "key=value" as a member; fault 64 when it is none. */
static int add_pair(struct value *object, const char *option, const char *pair, struct fault *why)
{
    const char *is = strchr(pair, '=');

    if (!is || is == pair)
        return fault_set(why, EX_USAGE, "--%s: write it as %s", option,
            strcmp(option, "secret") == 0 ? "NAME=FILE" : "key=value");
    value_set_slice(
        object, (struct slice){pair, (size_t)(is - pair)}, value_string(slice_of(is + 1)));
    return 0;
}

static int compile(struct scripted *p, const char *name, struct fault *why)
{
    struct buf text = {0};
    struct value given = value_object(), input = value_object();
    int rc = find_text(name, &text, why);

    if (rc == 0) {
        p->functions = functions_new(p->name, embedded("prelude"), buf_all(&text), why);
        rc = p->functions ? 0 : -1;
    }
    for (unsigned i = 0; rc == 0 && i < p->given->options; i++)
        rc = add_pair(&given, "option", p->given->option[i], why);
    value_set(&input, "option", given);
    if (rc == 0)
        rc = functions_call(p->functions, SCRIPT_ABOUT, value_copy(input), &p->about, why);
    if (rc == 0)
        rc = functions_call(p->functions, SCRIPT_DEFAULTS, value_copy(input), &p->defaults, why);
    value_free(input);
    buf_free(&text);
    return rc;
}

struct scripted *scripted_load(
    const char *name, const struct profile_settings *given, struct fault *why)
{
    struct scripted *p = mem_alloc(sizeof *p);
    const char *last = strrchr(name, '/');

    memset(p, 0, sizeof *p);
    p->given = given;
    p->about = p->defaults = value_null();
    p->option = value_object();
    p->secret = value_object();
    p->url = p->fields = value_null();
    p->name = mem_text(slice_of(last ? last + 1 : name));
    p->profile.name = p->name;
    p->profile.scripted = p;
    p->profile.event = request_event;
    if (compile(p, name, why) == 0 && take_defaults(p, why) == 0)
        return p;
    scripted_free(p);
    return NULL;
}

static void keys_reset(struct scripted_key *key, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sign_key_free(key[i].key);
        free(key[i].name);
    }
}

void scripted_free(struct scripted *p)
{
    if (!p)
        return;
    functions_free(p->functions);
    value_free(p->about);
    value_free(p->defaults);
    value_free(p->option);
    value_free(p->secret);
    keys_reset(p->key, p->keys);
    value_free(p->url);
    value_free(p->fields);
    if (p->filter)
        free((void *)(uintptr_t)p->filter->other);
    free(p->filter);
    free(p->name);
    free(p->accept);
    free(p);
}

/* ---- what the command line gives ---- */

static bool is_true(struct value object, const char *key)
{
    struct value v = value_get(object, key);
    bool yes = value_kind(v) == VALUE_TRUE;

    value_free(v);
    return yes;
}

/* "a, b", the names of an object's members. */
static void add_names(struct buf *out, struct value object)
{
    struct slice key;
    struct value v;
    int at = 0;

    while (value_next(object, &at, &key, &v)) {
        value_free(v);
        buf_printf(out, "%s%.*s", out->len > 0 ? ", " : "", (int)key.n, key.p);
    }
}

/* Whether every name in `given` is declared. */
static int check_known(const struct scripted *p, const char *option, struct value given,
    struct value declared, struct fault *why)
{
    struct buf names = {0};
    struct slice key;
    struct value v, found;
    int at = 0, rc = 0;

    while (rc == 0 && value_next(given, &at, &key, &v)) {
        value_free(v);
        found = value_get(declared, key.p);
        if (value_kind(found) == VALUE_NULL) {
            add_names(&names, declared);
            rc = fault_set(why, EX_USAGE, "--%s %s: the profile %s has no such; it has: %.*s",
                option, key.p, p->name, names.len > 0 ? (int)names.len : 4,
                names.len > 0 ? names.data : "none");
        }
        value_free(found);
    }
    buf_free(&names);
    return rc;
}

/* Fills in the defaults of the options that were not given. */
static int complete_options(struct scripted *p, struct value declared, struct fault *why)
{
    struct slice key;
    struct value one;
    int at = 0, rc = 0;

    while (rc == 0 && value_next(declared, &at, &key, &one)) {
        struct value has = value_get(p->option, key.p), usual = value_get(one, "default");

        if (value_kind(has) == VALUE_NULL && value_kind(usual) != VALUE_NULL)
            value_set_slice(&p->option, key, value_copy(usual));
        else if (value_kind(has) == VALUE_NULL && is_true(one, "required"))
            rc = fault_set(why, EX_USAGE, "the profile %s needs -o %s=…", p->name, key.p);
        value_free(has);
        value_free(usual);
        value_free(one);
    }
    return rc;
}

static int take_options(struct scripted *p, struct fault *why)
{
    struct value declared = value_get(p->defaults, "options"), zone;
    int rc = 0;

    for (unsigned i = 0; rc == 0 && i < p->given->options; i++)
        rc = add_pair(&p->option, "option", p->given->option[i], why);
    if (rc == 0)
        rc = check_known(p, "option", p->option, declared, why);
    if (rc == 0)
        rc = complete_options(p, declared, why);
    zone = value_get(p->option, "zone");
    if (rc == 0 && value_text(zone).n > 0) {
        p->zone = zone_find(value_text(zone).p, why);
        rc = p->zone ? 0 : -1;
    }
    value_free(zone);
    value_free(declared);
    return rc;
}

/* name → file of all that were given. */
static int given_secrets(const struct scripted *p, struct value *files, struct fault *why)
{
    struct value declared = value_get(p->defaults, "secrets");
    int rc = 0;

    *files = value_object();
    if (p->given->token_file)
        value_set(files, "token", value_string(slice_of(p->given->token_file)));
    else if (p->given->oauth)
        value_set(files, "token", value_string(SLICE("")));
    for (unsigned i = 0; rc == 0 && i < p->given->secrets; i++)
        rc = add_pair(files, "secret", p->given->secret[i], why);
    if (rc == 0)
        rc = check_known(p, "secret", *files, declared, why);
    value_free(declared);
    return rc;
}

static struct value stand_in(struct slice name)
{
    struct buf text = {0};
    struct value v;

    buf_printf(&text, "{%s}", name.p);
    v = value_string(buf_all(&text));
    buf_free(&text);
    return v;
}

/* In place of every secret its name: given or needed. */
static int stand_ins(struct scripted *p, struct fault *why)
{
    struct value files, declared = value_get(p->defaults, "secrets"), one;
    struct slice key;
    int at = 0, rc = given_secrets(p, &files, why);

    while (rc == 0 && value_next(declared, &at, &key, &one)) {
        struct value given = value_get(files, key.p), sign = value_get(one, "sign");

        if (value_kind(given) == VALUE_STRING || is_true(one, "required"))
            value_set_slice(&p->secret, key, stand_in(key));
        if (value_kind(sign) != VALUE_NULL && sign_family_of(value_text(sign)) == SIGN_NONE)
            rc = bad(p, "secrets: sign: hmac or rsa", why);
        value_free(sign);
        value_free(given);
        value_free(one);
    }
    value_free(files);
    value_free(declared);
    return rc;
}

static void take_url(struct scripted *p, const char *url)
{
    size_t n = strcspn(url, "?");

    p->query = slice_of(url[n] ? url + n + 1 : "");
    p->base = (struct slice){url, n};
    p->base_n = n;
    while (p->base.n > 0 && p->base.p[p->base.n - 1] == '/')
        p->base.n--;
    p->url = value_string(p->base);
}

struct scripted *scripted_open(
    const char *name, const struct profile_settings *given, struct fault *why)
{
    struct scripted *p = scripted_load(name, given, why);

    if (!p)
        return NULL;
    p->profile.title = "";
    take_url(p, given->url);
    if (take_options(p, why) == 0 && stand_ins(p, why) == 0)
        return p;
    scripted_free(p);
    return NULL;
}

/* What was read, to be put in the place of what was read before. */
struct reading {
    struct value secret;
    struct scripted_key key[PROFILE_SETTINGS_MAX];
    unsigned keys;
};

static struct sign_key *find_key(const struct scripted *p, struct slice name)
{
    for (unsigned i = 0; i < p->keys; i++)
        if (slice_is(name, p->key[i].name))
            return p->key[i].key;
    return NULL;
}

/* A key that signs stays here; jq has no use for it. */
static int read_key(const struct scripted *p, struct slice name, enum sign_family family,
    const char *file, struct reading *new, struct fault *why)
{
    struct sign_key *key = find_key(p, name);
    struct buf text = {0};
    int rc = 0;

    if (key && secret_inherited(file)) {
        sign_key_use(key);
    } else {
        rc = family == SIGN_RSA ? secret_read_all(file, false, &text, why)
                                : secret_read(file, &text, why);
        key = rc == 0 ? sign_key_new(family, file, buf_all(&text), why) : NULL;
        secret_forget(&text);
    }
    if (!key)
        return -1;
    new->key[new->keys++] = (struct scripted_key){mem_text(name), key};
    value_set_slice(&new->secret, name, stand_in(name));
    return 0;
}

static int read_text(const struct scripted *p, struct slice name, const char *file,
    struct reading *new, struct fault *why)
{
    struct buf text = {0};
    struct value before = p->read || !file[0] ? value_get(p->secret, name.p) : value_null();
    int rc;

    if ((secret_inherited(file) || !file[0]) && value_kind(before) == VALUE_STRING) {
        value_set_slice(&new->secret, name, before);
        return 0;
    }
    value_free(before);
    rc = secret_read(file, &text, why);
    if (rc == 0)
        value_set_slice(&new->secret, name, value_string(buf_all(&text)));
    secret_forget(&text);
    return rc;
}

/* One secret as the profile declares it. */
static int read_secret(const struct scripted *p, struct slice name, struct value declared,
    struct value files, struct reading *new, struct fault *why)
{
    struct value file = value_get(files, name.p), sign = value_get(declared, "sign");
    enum sign_family family = sign_family_of(value_text(sign));
    int rc = 0;

    if (value_kind(file) == VALUE_STRING)
        rc = family == SIGN_NONE ? read_text(p, name, value_text(file).p, new, why)
                                 : read_key(p, name, family, value_text(file).p, new, why);
    else if (is_true(declared, "required"))
        rc = fault_set(why, EX_USAGE, "the profile %s needs --secret %s=FILE%s", p->name, name.p,
            strcmp(name.p, "token") == 0 ? ", --token-file or --oauth" : "");
    value_free(file);
    value_free(sign);
    return rc;
}

int scripted_secrets(struct scripted *p, struct fault *why)
{
    struct reading new = {.secret = value_object()};
    struct value files, declared = value_get(p->defaults, "secrets"), one;
    struct slice name;
    int at = 0, rc = given_secrets(p, &files, why);

    while (rc == 0 && value_next(declared, &at, &name, &one)) {
        rc = new.keys < PROFILE_SETTINGS_MAX ? read_secret(p, name, one, files, &new, why)
                                             : bad(p, "secrets: too many", why);
        value_free(one);
    }
    value_free(files);
    value_free(declared);
    if (rc < 0) {
        value_free(new.secret);
        keys_reset(new.key, new.keys);
        return rc;
    }
    value_free(p->secret);
    keys_reset(p->key, p->keys);
    p->secret = new.secret;
    memcpy(p->key, new.key, sizeof p->key);
    p->keys = new.keys;
    p->read = true;
    return 0;
}

void scripted_token(struct scripted *p, struct slice token)
{
    value_set(&p->secret, "token", value_string(token));
}

int scripted_key(
    const struct scripted *p, struct slice name, const struct sign_key **key, struct fault *why)
{
    struct value all = value_get(p->defaults, "secrets"), one, sign;
    bool declared;

    one = name.p ? value_get(all, name.p) : value_null();
    sign = value_get(one, "sign");
    declared = value_kind(sign) == VALUE_STRING;
    value_free(all);
    value_free(one);
    value_free(sign);
    *key = find_key(p, name);
    if (declared && (*key || !p->read))
        return 0;
    return fault_set(why, EX_CONFIG,
        "profile %s: sign: key: must name one of defaults.secrets with sign%s", p->name,
        declared ? ", and it was not given" : "");
}

void scripted_mask(const struct scripted *p, struct buf *text)
{
    struct slice key;
    struct value v;
    int at = 0;

    while (value_next(p->secret, &at, &key, &v)) {
        secret_mask(text, value_text(v));
        value_free(v);
    }
}
