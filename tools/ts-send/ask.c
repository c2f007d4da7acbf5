/* SPDX-License-Identifier: MIT */
/*
 * A profile is trusted, but what it puts together comes from devices and rosters: a path cannot
 * leave the host, a header cannot start another, and a query or form is encoded here.
 */
#include "ask.h"

#include <ctype.h>
#include <stdio.h>
#include <strings.h>

#include "clock.h"
#include "url.h"

#define ASK_URL_MAX 8192
#define TIMEOUT_MAX_S 3600

void ask_init(struct ask *a)
{
    *a = (struct ask){.sent = value_null()};
}

void ask_free(struct ask *a)
{
    buf_free(&a->url);
    buf_free(&a->body);
    buf_free(&a->fields);
    value_free(a->sent);
}

/* ---- events ---- */

struct value ask_clock(int64_t local_s)
{
    char text[CLOCK_TEXT];
    size_t n = clock_print_local(text, local_s, 0);

    text[10] = ' ';
    return value_string((struct slice){text, n});
}

static struct value offset_text(int32_t offset_s)
{
    char text[CLOCK_TEXT];
    size_t n = clock_print_zoned(text, 0, 0, offset_s);

    return value_string((struct slice){text + n - 6, 6});
}

static void put_wanted(
    const struct scripted *p, struct value *event, struct value_key *key, struct value v)
{
    if (value_wanted(p->filter, key->name))
        value_put(event, key, v);
    else
        value_free(v);
}

static void add_times(
    const struct scripted *p, struct value *event, struct slice time, int64_t *unix_s)
{
    static struct value_key unix_key = {.name = "unix"}, utc = {.name = "utc"},
                            site = {.name = "site"}, site_offset = {.name = "site_offset"};
    struct clock_time t;
    int32_t offset_s;

    *unix_s = ASK_NO_TIME;
    if (!time.p || !clock_parse(time, &t) || !t.has_offset)
        return;
    *unix_s = t.local_s - t.offset_s;
    offset_s = p->zone ? zone_offset_at(p->zone, *unix_s) : t.offset_s;
    value_put(event, &unix_key, value_number((double)*unix_s));
    put_wanted(p, event, &utc, ask_clock(*unix_s));
    put_wanted(p, event, &site, ask_clock(*unix_s + offset_s));
    put_wanted(p, event, &site_offset, offset_text(offset_s));
}

struct value ask_event(const struct scripted *p, const struct ask_event *e, int64_t *unix_s)
{
    static struct value_key key = {.name = "key"}, attempts = {.name = "attempts"},
                            ambiguous = {.name = "ambiguous"};
    yyjson_doc *doc = yyjson_read_opts(
        (char *)(uintptr_t)e->body.p, e->body.n, YYJSON_READ_BIGNUM_AS_RAW, NULL, NULL);
    yyjson_val *root = yyjson_doc_get_root(doc), *time = yyjson_obj_get(root, "time");
    struct value event = value_of_event(root, p->filter);

    if (value_kind(event) != VALUE_OBJECT) { /* too large for a profile */
        value_free(event);
        event = value_object();
    }
    add_times(p, &event,
        yyjson_is_str(time) ? (struct slice){yyjson_get_str(time), yyjson_get_len(time)}
                            : SLICE_NONE,
        unix_s);
    yyjson_doc_free(doc);
    value_put(&event, &key, value_string(e->key));
    put_wanted(p, &event, &attempts, value_number(e->attempts));
    put_wanted(p, &event, &ambiguous, value_bool(e->ambiguous));
    return event;
}

struct value ask_input(const struct scripted *p, const struct ask_input *in, bool secrets)
{
    static struct value_key events = {.name = "events"}, memo = {.name = "memo"},
                            option = {.name = "option"}, now = {.name = "now"},
                            session = {.name = "session"}, secret = {.name = "secret"},
                            url = {.name = "url"}, devices = {.name = "devices"};
    struct value input = value_object();

    value_put(&input, &events, value_copy(in->events));
    value_put(&input, &memo, value_copy(in->memo));
    value_put(&input, &option, value_copy(p->option));
    value_put(&input, &now, value_number((double)in->now_s));
    if (in->devices)
        value_put(&input, &devices, value_copy(*in->devices));
    if (secrets) {
        value_put(&input, &session, value_copy(in->session));
        value_put(&input, &secret, value_copy(p->secret));
        value_put(&input, &url, value_copy(p->url));
    }
    return input;
}

/* ---- the URL ---- */

static void add_encoded(struct buf *out, struct slice text, const char *kept)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (isalnum(c) || (c && strchr(kept, c)))
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* "." and ".." would lead to another path than the profile meant, %2e too. */
static bool has_dots(struct slice path)
{
    size_t dots = 0, others = 0;

    for (size_t i = 0; i <= path.n; i++) {
        if (i == path.n || path.p[i] == '/') {
            if (others == 0 && dots > 0 && dots <= 2)
                return true;
            dots = others = 0;
        } else if (path.p[i] == '.') {
            dots++;
        } else if (i + 2 < path.n && strncasecmp(path.p + i, "%2e", 3) == 0) {
            dots++;
            i += 2;
        } else {
            others++;
        }
    }
    return false;
}

static void add_pair(struct buf *out, size_t start, struct slice name, struct value v)
{
    if (out->len > start)
        buf_char(out, '&');
    add_encoded(out, name, "-._~");
    buf_char(out, '=');
    if (value_text(v).p) {
        add_encoded(out, value_text(v), "-._~");
    } else {
        struct buf text = {0};

        value_print(&text, v);
        add_encoded(out, buf_all(&text), "-._~");
        buf_free(&text);
    }
}

/* a=b&c=d of an object of strings, numbers and arrays of them; null leaves one out. */
static void add_form(struct buf *out, struct value object)
{
    size_t start = out->len;
    struct slice name;
    struct value v;
    int at = 0;

    while (value_next(object, &at, &name, &v)) {
        if (value_kind(v) == VALUE_ARRAY) {
            for (unsigned i = 0; i < value_count(v); i++) {
                struct value one = value_at(v, i);

                add_pair(out, start, name, one);
                value_free(one);
            }
        } else if (value_kind(v) != VALUE_NULL) {
            add_pair(out, start, name, v);
        }
        value_free(v);
    }
}

#define PATH_KEPT "-._~/%:@!$&'()*+,;="

/* The path may have a query of its own behind it, and is the URL itself when it is empty. */
static int add_path(const struct scripted *p, struct slice path, struct ask *a, struct fault *why)
{
    const char *mark = path.n > 0 ? memchr(path.p, '?', path.n) : NULL;
    struct slice query = {mark ? mark + 1 : "", mark ? path.n - (size_t)(mark + 1 - path.p) : 0};

    path.n = mark ? (size_t)(mark - path.p) : path.n;
    if (path.n > 0 && (path.p[0] != '/' || has_dots(path)))
        return fault_set(why, EX_CONFIG,
            "profile %s: path: must begin with / and have no . or .. between two", p->name);
    buf_slice(&a->url, path.n > 0 ? p->base : (struct slice){p->given->url, p->base_n});
    add_encoded(&a->url, path, PATH_KEPT);
    if (p->query.n > 0 || query.n > 0)
        buf_char(&a->url, '?');
    buf_slice(&a->url, p->query);
    if (p->query.n > 0 && query.n > 0)
        buf_char(&a->url, '&');
    add_encoded(&a->url, query, PATH_KEPT "?");
    return 0;
}

static int read_url(const struct scripted *p, struct value said, struct ask *a, struct fault *why)
{
    static struct value_key k_path = {.name = "path"}, k_query = {.name = "query"};
    struct value path = value_pick(said, &k_path), query = value_pick(said, &k_query);
    struct slice text = value_text(path);
    int rc = 0;

    if (value_kind(path) > VALUE_NULL && !text.p)
        rc = fault_set(why, EX_CONFIG, "profile %s: path: must be a string", p->name);
    else if (value_kind(query) != VALUE_NULL && value_kind(query) != VALUE_OBJECT)
        rc = fault_set(why, EX_CONFIG, "profile %s: query: must be an object", p->name);
    else
        rc = add_path(p, text, a, why);
    if (rc == 0 && value_count(query) > 0) {
        buf_char(&a->url, memchr(a->url.data, '?', a->url.len) ? '&' : '?');
        add_form(&a->url, query);
    }
    buf_char(&a->url, '\0');
    if (rc == 0 && a->url.len > ASK_URL_MAX)
        rc = fault_set(why, EX_CONFIG, "profile %s: the URL is too long", p->name);
    value_free(path);
    value_free(query);
    return rc;
}

/* ---- header fields ---- */

/* Whether the fields of all requests have one of this name. */
static bool common_has(const struct headers *common, struct slice name)
{
    for (unsigned i = 0; common && i < headers_count(common); i++) {
        const char *line = headers_line(common, i);

        if (strncasecmp(line, name.p, name.n) == 0 && line[name.n] == ':')
            return true;
    }
    return false;
}

static bool has_field(const struct ask *a, struct slice name)
{
    for (size_t at = 0; at < a->fields.len; at += strlen(a->fields.data + at) + 1) {
        const char *line = a->fields.data + at;

        if (strncasecmp(line, name.p, name.n) == 0 && line[name.n] == ':')
            return true;
    }
    return false;
}

static int add_field(const struct scripted *p, const struct headers *common, struct slice name,
    struct slice value, struct ask *a, struct fault *why)
{
    struct buf line = {0};
    int rc = 0;

    if (common_has(common, name))
        return 0;
    buf_slice(&line, name);
    buf_lit(&line, ": ");
    buf_slice(&line, value);
    buf_char(&line, '\0');
    if (a->field_count == ASK_FIELDS_MAX)
        rc = fault_set(why, EX_CONFIG, "profile %s: more than %d headers", p->name, ASK_FIELDS_MAX);
    else if (memchr(line.data, '\0', line.len - 1) || !header_fits(line.data))
        rc = fault_set(why, EX_CONFIG, "profile %s: headers: %.*s cannot be sent", p->name,
            (int)name.n, name.p);
    if (rc == 0) {
        buf_slice(&a->fields, buf_all(&line));
        a->field_count++;
    }
    buf_free(&line);
    return rc;
}

static int read_fields(const struct scripted *p, struct value said, const struct headers *common,
    struct ask *a, struct fault *why)
{
    static struct value_key headers = {.name = "headers"};
    struct value all = value_pick(said, &headers), v;
    struct slice name;
    int at = 0, rc = 0;

    if (value_kind(all) != VALUE_OBJECT && value_kind(all) != VALUE_NULL)
        rc = fault_set(why, EX_CONFIG, "profile %s: headers: must be an object", p->name);
    while (rc == 0 && value_next(all, &at, &name, &v)) {
        if (value_kind(v) == VALUE_STRING)
            rc = add_field(p, common, name, value_text(v), a, why);
        else if (value_kind(v) != VALUE_NULL)
            rc = fault_set(why, EX_CONFIG, "profile %s: headers: %.*s must be a string", p->name,
                (int)name.n, name.p);
        value_free(v);
    }
    value_free(all);
    if (rc == 0 && !has_field(a, SLICE("accept")))
        rc = add_field(p, common, SLICE("Accept"), slice_of(p->accept), a, why);
    return rc;
}

/* ---- the body ---- */

static int read_body(const struct scripted *p, struct value said, const struct headers *common,
    struct ask *a, struct fault *why)
{
    static struct value_key k_json = {.name = "json"}, k_form = {.name = "form"},
                            k_text = {.name = "text"}, k_type = {.name = "content_type"};
    struct value json = value_pick(said, &k_json), form = value_pick(said, &k_form),
                 text = value_pick(said, &k_text), type = value_pick(said, &k_type);
    struct slice content = value_text(type);
    int given = (value_kind(json) != VALUE_NULL) + (value_kind(form) != VALUE_NULL) +
                (value_kind(text) != VALUE_NULL);
    int rc = 0;

    a->has_body = given == 1;
    if (given > 1) {
        rc = fault_set(why, EX_CONFIG, "profile %s: one of json, form and text", p->name);
    } else if (value_kind(form) == VALUE_OBJECT) {
        add_form(&a->body, form);
        content = content.p ? content : SLICE("application/x-www-form-urlencoded");
    } else if (value_kind(text) == VALUE_STRING) {
        buf_slice(&a->body, value_text(text));
        content = content.p ? content : SLICE("text/plain; charset=utf-8");
    } else if (value_kind(json) != VALUE_NULL) {
        value_print(&a->body, json);
        content = content.p ? content : SLICE("application/json");
    } else if (given == 1) {
        rc = fault_set(why, EX_CONFIG, "profile %s: form is an object, text is a string", p->name);
    }
    if (rc == 0 && given == 1 && !has_field(a, SLICE("content-type")))
        rc = add_field(p, common, SLICE("Content-Type"), content, a, why);
    value_free(json);
    value_free(form);
    value_free(text);
    value_free(type);
    return rc;
}

/* ---- the signature ---- */

/* Whether all its members are known; `what` names the object. */
static int check_keys(const struct scripted *p, const char *what, const char *const *known,
    struct value object, struct fault *why)
{
    struct slice key;
    struct value v;
    int at = 0;

    if (value_kind(object) != VALUE_OBJECT)
        return fault_set(why, EX_CONFIG, "profile %s: %s: must be an object", p->name, what);
    while (value_next(object, &at, &key, &v)) {
        const char *const *k = known;

        value_free(v);
        while (*k && !slice_is(key, *k))
            k++;
        if (!*k)
            return fault_set(why, EX_CONFIG, "profile %s: %s: %.*s is not known", p->name, what,
                (int)key.n, key.p);
    }
    return 0;
}

/* What a profile says about it; the texts live as long as the values. */
enum { SIGN_ALG, SIGN_KEY, SIGN_TEXT, SIGN_ENCODE, SIGN_HEADER, SIGN_FIELD, SIGN_PREFIX, SIGNS };

static const char *const sign_members[] = {
    "alg", "key", "text", "encode", "header", "field", "prefix", NULL};

static int put_signature(const struct scripted *p, const struct slice *is, bool form,
    struct slice signature, const struct headers *common, struct ask *a, struct fault *why)
{
    struct value v;

    if (!is[SIGN_FIELD].p == !is[SIGN_HEADER].p)
        return fault_set(why, EX_CONFIG, "profile %s: sign: header or field", p->name);
    if (is[SIGN_HEADER].p)
        return add_field(p, common, is[SIGN_HEADER], signature, a, why);
    if (!form)
        return fault_set(why, EX_CONFIG, "profile %s: sign: field: needs a form", p->name);
    v = value_string(signature);
    add_pair(&a->body, 0, is[SIGN_FIELD], v);
    value_free(v);
    return 0;
}

static int make_signature(const struct scripted *p, const struct slice *is, const struct ask *a,
    struct buf *out, struct fault *why)
{
    const struct sign_algorithm *alg = sign_algorithm_of(is[SIGN_ALG]);
    bool hex = is[SIGN_ENCODE].p && slice_is(is[SIGN_ENCODE], "hex");
    const struct sign_key *key;
    struct fault f;

    if (!alg || (is[SIGN_ENCODE].p && !hex && !slice_is(is[SIGN_ENCODE], "base64")))
        return fault_set(why, EX_CONFIG, "profile %s: sign: alg or encode is not known", p->name);
    if (scripted_key(p, is[SIGN_KEY], &key, why) < 0)
        return -1;
    buf_slice(out, is[SIGN_PREFIX]);
    if (sign_text(key, alg, is[SIGN_TEXT].p ? is[SIGN_TEXT] : buf_all(&a->body), hex, out, &f) == 0)
        return 0;
    return fault_set(why, f.status, "profile %s: sign: %s", p->name, f.text);
}

static int add_signature(const struct scripted *p, struct value said, const struct headers *common,
    struct ask *a, struct fault *why)
{
    static struct value_key k_sign = {.name = "sign"}, k_form = {.name = "form"};
    struct value sign = value_pick(said, &k_sign), form, member[SIGNS];
    struct slice is[SIGNS];
    struct buf text = {0};
    int rc = 0;

    if (value_kind(sign) == VALUE_NULL)
        return 0;
    form = value_pick(said, &k_form);
    for (int i = 0; i < SIGNS; i++) {
        member[i] = value_get(sign, sign_members[i]);
        is[i] = value_text(member[i]);
        if (!is[i].p && value_kind(member[i]) != VALUE_NULL)
            rc = fault_set(
                why, EX_CONFIG, "profile %s: sign: %s: must be a string", p->name, sign_members[i]);
    }
    if (rc == 0)
        rc = check_keys(p, "sign", sign_members, sign, why);
    if (rc == 0)
        rc = make_signature(p, is, a, &text, why);
    if (rc == 0)
        rc = put_signature(p, is, value_kind(form) == VALUE_OBJECT, buf_all(&text), common, a, why);
    for (int i = 0; i < SIGNS; i++)
        value_free(member[i]);
    value_free(sign);
    value_free(form);
    buf_free(&text);
    return rc;
}

/* ---- all of it ---- */

static const char *const request_members[] = {"method", "path", "query", "headers", "json", "form",
    "text", "content_type", "idempotency", "safe", "timeout_s", "sign", NULL};

static int read_method(
    const struct scripted *p, struct value said, struct ask *a, struct fault *why)
{
    static const char *const methods[] = {"POST", "GET", "PUT", "PATCH", "DELETE", "OPTIONS"};
    static struct value_key method = {.name = "method"};
    struct value v = value_pick(said, &method);
    struct slice text = value_text(v);

    a->method = value_kind(v) == VALUE_NULL ? methods[0] : NULL;
    for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
        if (text.p && slice_is(text, methods[i]))
            a->method = methods[i];
    value_free(v);
    return a->method ? 0
                     : fault_set(why, EX_CONFIG,
                           "profile %s: method: POST, GET, PUT, PATCH, DELETE or OPTIONS", p->name);
}

static bool flag(struct value said, struct value_key *key, bool usual)
{
    struct value v = value_pick(said, key);
    bool yes = value_kind(v) == VALUE_NULL ? usual : value_kind(v) == VALUE_TRUE;

    value_free(v);
    return yes;
}

static void read_flags(struct value said, struct ask *a)
{
    static struct value_key k_timeout = {.name = "timeout_s"}, k_safe = {.name = "safe"},
                            k_idempotency = {.name = "idempotency"};
    struct value timeout = value_pick(said, &k_timeout);
    double seconds = value_double(timeout);
    bool reads = strcmp(a->method, "GET") == 0 || strcmp(a->method, "OPTIONS") == 0;

    a->safe = flag(said, &k_safe, reads);
    a->idempotency = flag(said, &k_idempotency, !a->safe);
    a->timeout_ms =
        seconds > 0 ? (int64_t)((seconds < TIMEOUT_MAX_S ? seconds : TIMEOUT_MAX_S) * 1000) : 0;
    value_free(timeout);
}

/* What `verdict` sees of it: not the headers, which hold secrets. */
static void keep_sent(struct value said, struct ask *a)
{
    static struct value_key headers = {.name = "headers"};

    value_free(a->sent);
    a->sent = value_copy(said);
    value_put(&a->sent, &headers, value_null());
}

void ask_gone(struct ask *a)
{
    static struct value_key bodies[] = {{.name = "json"}, {.name = "form"}, {.name = "text"}};

    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        value_put(&a->sent, &bodies[i], value_null());
}

int ask_read(const struct scripted *p, struct value said, const struct headers *common,
    struct ask *a, struct fault *why)
{
    const char *line;

    a->url.len = a->body.len = a->fields.len = a->field_count = 0;
    if (check_keys(p, "request", request_members, said, why) < 0 ||
        read_method(p, said, a, why) < 0)
        return -1;
    read_flags(said, a);
    if (read_url(p, said, a, why) < 0 || read_fields(p, said, common, a, why) < 0 ||
        read_body(p, said, common, a, why) < 0 || add_signature(p, said, common, a, why) < 0)
        return -1;
    line = a->fields.data;
    for (unsigned i = 0; i < a->field_count; i++, line += strlen(line) + 1)
        a->field[i] = line;
    keep_sent(said, a);
    return 0;
}

struct request ask_request(const struct ask *a)
{
    return (struct request){.body = buf_all(&a->body),
        .url = a->url.data,
        .method = a->method,
        .field = a->field,
        .fields = a->field_count,
        .no_body = !a->has_body && a->method[0] != 'P',
        .timeout_ms = a->timeout_ms > 0 ? a->timeout_ms : INT64_MAX};
}
