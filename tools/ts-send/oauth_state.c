/* SPDX-License-Identifier: MIT */
/* JSON to members and back. */
#include "oauth_state.h"

#include <malloc.h>
#include <stdlib.h>

#include "url.h"

static const char *const names[OAUTH_MEMBERS] = {"token_url", "client_id", "client_secret", "scope",
    "grant_type", "client_auth", "refresh_token", "previous_refresh_token", "access_token",
    "expires_at"};

/* ---- memory that is wiped ---- */

static void *wiped_malloc(void *unused, size_t n)
{
    (void)unused;
    return malloc(n);
}

static void wiped_free(void *unused, void *p)
{
    (void)unused;
    if (p)
        explicit_bzero(p, malloc_usable_size(p));
    free(p);
}

static void *wiped_realloc(void *unused, void *p, size_t old, size_t n)
{
    void *q = malloc(n);

    if (q && p)
        memcpy(q, p, old < n ? old : n);
    if (q)
        wiped_free(unused, p);
    return q;
}

const yyjson_alc oauth_wiped = {wiped_malloc, wiped_realloc, wiped_free, NULL};

/* ---- the file as values ---- */

static int bad(const struct oauth_where *w, const char *what, struct fault *why)
{
    return fault_set(why, EX_CONFIG, "%s: %s", w->file, what);
}

void oauth_state_free(struct oauth_state *s)
{
    yyjson_doc_free(s->doc);
    buf_free(&s->token_url);
}

static bool on_one_line(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ')
            return false;
    return s.n > 0;
}

static int read_member(const struct oauth_where *w, const char *name, yyjson_val *v,
    struct oauth_state *s, struct fault *why)
{
    struct slice text = {yyjson_get_str(v), yyjson_get_len(v)};

    for (int i = 0; i < OAUTH_MEMBERS; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        s->is[i] = text;
        return text.p && on_one_line(text)
                   ? 0
                   : fault_set(why, EX_CONFIG, "%s: %s: must be a string", w->file, name);
    }
    if (strcmp(name, "rotates") == 0 && yyjson_is_bool(v)) {
        s->fixed = !yyjson_get_bool(v);
        return 0;
    }
    if (strcmp(name, "parameters") == 0 && yyjson_is_obj(v)) {
        s->parameters = v;
        return 0;
    }
    return fault_set(why, EX_CONFIG, "%s: %.40s: not known, or of a wrong type", w->file, name);
}

/* "host", "host:80" and "host/path" for a host of this machine. */
static bool is_loopback(const char *host)
{
    size_t n = strcspn(host, host[0] == '[' ? "/?" : ":/?"), digits = strspn(host, "0123456789.");

    if (host[0] == '[')
        return strncmp(host, "[::1]", 5) == 0 && strchr(":/?", host[5]);
    return (n == 9 && strncmp(host, "localhost", n) == 0) ||
           (digits == n && strncmp(host, "127.", 4) == 0);
}

/* A secret is sent there: over TLS, or not over a network. */
static bool is_safe_url(const char *url)
{
    return strncmp(url, "https://", 8) == 0 ||
           (strncmp(url, "http://", 7) == 0 && is_loopback(url + 7));
}

/* A path is one at the receiver. */
static int read_url(const struct oauth_where *w, struct oauth_state *s, struct fault *why)
{
    struct slice path = s->is[OAUTH_TOKEN_URL], base = {w->url, strcspn(w->url, "?")};

    if (path.p[0] == '/') {
        while (base.n > 0 && base.p[base.n - 1] == '/')
            base.n--;
        buf_slice(&s->token_url, base);
    } else if (!is_safe_url(path.p)) {
        return bad(w, "token_url: must begin with https:// or with /", why);
    }
    buf_slice(&s->token_url, path);
    buf_char(&s->token_url, '\0');
    if (url_check("token_url", s->token_url.data, why) == 0)
        return 0;
    why->status = EX_CONFIG;
    return -1;
}

static int check_members(const struct oauth_where *w, struct oauth_state *s, struct fault *why)
{
    struct slice auth = s->is[OAUTH_CLIENT_AUTH];
    yyjson_obj_iter at;
    yyjson_val *key;

    for (int i = OAUTH_TOKEN_URL; i <= OAUTH_CLIENT_ID; i++)
        if (!s->is[i].p)
            return fault_set(why, EX_CONFIG, "%s: has no %s", w->file, names[i]);
    if (auth.p && !slice_is(auth, "body") && !slice_is(auth, "basic"))
        return bad(w, "client_auth: body or basic", why);
    yyjson_obj_iter_init(s->parameters, &at);
    while ((key = yyjson_obj_iter_next(&at)))
        if (!yyjson_is_str(yyjson_obj_iter_get_val(key)))
            return bad(w, "parameters: must be strings", why);
    return read_url(w, s, why);
}

int oauth_state_read(
    const struct oauth_where *w, struct slice text, struct oauth_state *s, struct fault *why)
{
    yyjson_obj_iter at;
    yyjson_val *root, *key;
    int rc = 0;

    *s = (struct oauth_state){
        .doc = yyjson_read_opts((char *)(uintptr_t)text.p, text.n, 0, &oauth_wiped, NULL)};
    root = yyjson_doc_get_root(s->doc);
    if (!yyjson_is_obj(root))
        rc = bad(w, "must hold a JSON object, see ts-send(1), OAUTH", why);
    yyjson_obj_iter_init(root, &at);
    while (rc == 0 && (key = yyjson_obj_iter_next(&at)))
        rc = read_member(w, yyjson_get_str(key), yyjson_obj_iter_get_val(key), s, why);
    if (rc == 0)
        rc = check_members(w, s, why);
    if (rc < 0) {
        oauth_state_free(s);
        *s = (struct oauth_state){0};
    }
    return rc;
}

/* ---- writing ---- */

void oauth_state_set(yyjson_mut_doc *doc, enum oauth_member m, struct slice text)
{
    yyjson_mut_val *root = yyjson_mut_doc_get_root(doc);

    yyjson_mut_obj_remove_key(root, names[m]);
    if (text.p)
        yyjson_mut_obj_add_strncpy(doc, root, names[m], text.p, text.n);
}

void oauth_state_print(const yyjson_mut_doc *doc, struct buf *out)
{
    size_t n;
    char *text = yyjson_mut_write_opts(doc, YYJSON_WRITE_PRETTY, &oauth_wiped, &n, NULL);

    if (!text)
        abort(); /* only for want of memory */
    buf_room(out, n + 1);
    buf_add(out, text, n);
    buf_char(out, '\n');
    wiped_free(NULL, text);
}
