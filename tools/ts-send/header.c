/* SPDX-License-Identifier: MIT */
/* Header fields: checks, files, and the masking of secrets. */
#include "header.h"

#include <ctype.h>
#include <stdlib.h>
#include <strings.h>

#include "json.h"
#include "secret.h"

struct headers {
    unsigned references, count;
    struct buf line[HEADERS_MAX]; /* NUL-terminated */
    bool secret[HEADERS_MAX];
    struct buf password; /* of Basic, which hides it */
};

#define MASKED_BYTES_MIN 4 /* shorter values would blank out ordinary words */

/* ---- checks ---- */

/* Bytes before the colon when this is a field that may go into a request, else 0. */
static size_t name_bytes(struct slice field)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";
    size_t n = 0;

    while (n < field.n && (isalnum((unsigned char)field.p[n]) || strchr(marks, field.p[n])))
        n++;
    if (n == 0 || n == field.n || field.p[n] != ':')
        return 0;
    for (size_t i = n; i < field.n; i++)
        if ((unsigned char)field.p[i] < ' ' && field.p[i] != '\t')
            return 0;
    return n;
}

/* Whether the name, in lower case, has the word in it. */
static bool name_has(const char *field, size_t n, const char *word)
{
    for (size_t i = 0, w = strlen(word); i + w <= n; i++)
        if (strncasecmp(field + i, word, w) == 0)
            return true;
    return false;
}

static bool holds_secret(const char *field, size_t n)
{
    static const char *const words[] = {"auth", "cookie", "token", "secret", "passw", "api-key",
        "api_key", "apikey", "access-key", "accesskey", "subscription-key", "credential", "session",
        "signature"};

    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (name_has(field, n, words[i]))
            return true;
    return false;
}

static bool ours_to_write(const char *field, size_t n)
{
    static const char *const names[] = {"content-length", "transfer-encoding", "connection",
        "content-encoding", "idempotency-key", "traceparent", "expect", "host", "te", "upgrade",
        "trailer"};

    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == n && strncasecmp(field, names[i], n) == 0)
            return true;
    return false;
}

int header_check(const char *field, struct fault *why)
{
    size_t n = name_bytes(slice_of(field));

    if (n == 0)
        return fault_set(why, EX_USAGE, "--header: must be 'Name: value' on one line");
    if (holds_secret(field, n))
        return fault_set(why, EX_USAGE,
            "--header %.*s: looks like a secret, and every user of this machine can read "
            "arguments: "
            "put it into a file for --header-file, or use --token-file",
            (int)n, field);
    if (ours_to_write(field, n))
        return fault_set(
            why, EX_USAGE, "--header %.*s: is written by ts-send itself", (int)n, field);
    return 0;
}

bool header_fits(const char *field)
{
    size_t n = name_bytes(slice_of(field));

    return n > 0 && !ours_to_write(field, n);
}

/* ---- sets ---- */

static int add(
    struct headers *h, struct slice prefix, struct slice text, bool secret, struct fault *why)
{
    struct buf *line = &h->line[h->count];

    if (h->count == HEADERS_MAX)
        return fault_set(why, EX_USAGE, "more than %d header fields", HEADERS_MAX);
    /* Of the full size at once: growing would leave copies of a secret behind. */
    buf_room(line, prefix.n + text.n + 1);
    buf_slice(line, prefix);
    buf_slice(line, text);
    buf_char(line, '\0');
    h->secret[h->count++] = secret;
    return 0;
}

static int add_token(struct headers *h, const char *name, struct fault *why)
{
    struct buf token = {0};
    int rc = secret_read(name, &token, why);

    for (size_t i = 0; rc == 0 && i < token.len; i++)
        if (token.data[i] <= ' ' || token.data[i] > '~')
            rc = fault_set(why, EX_CONFIG, "%s: a token has no blanks in it", name);
    if (rc == 0)
        rc = add(h, SLICE("Authorization: Bearer "), buf_all(&token), true, why);
    secret_forget(&token);
    return rc;
}

const char *header_password_file(const char *user)
{
    const char *is = strchr(user, '=');

    return is && is != user && is[1] ? is + 1 : NULL;
}

static int add_basic(struct headers *h, const char *user, struct fault *why)
{
    struct slice name = {user, strcspn(user, "=")};
    struct buf password = {0}, pair = {0}, text = {0};
    int rc = secret_read(header_password_file(user), &password, why);

    if (rc == 0) {
        buf_room(&pair, name.n + 1 + password.len);
        buf_slice(&pair, name);
        buf_char(&pair, ':');
        buf_slice(&pair, buf_all(&password));
        json_base64_text(&text, buf_all(&pair));
        rc = add(h, SLICE("Authorization: Basic "), buf_all(&text), true, why);
    }
    if (rc == 0) { /* to be masked as well */
        buf_room(&h->password, password.len);
        buf_slice(&h->password, buf_all(&password));
    }
    secret_forget(&password);
    secret_forget(&pair);
    secret_forget(&text);
    return rc;
}

static int add_file(struct headers *h, const char *name, struct fault *why)
{
    struct buf field = {0};
    size_t n;
    int rc = secret_read(name, &field, why);

    if (rc == 0) {
        n = name_bytes(buf_all(&field));
        if (n == 0 || ours_to_write(field.data, n))
            rc = fault_set(why, EX_CONFIG, "%s: must hold one line 'Name: value'", name);
        else
            rc = add(h, SLICE_NONE, buf_all(&field), true, why);
    }
    secret_forget(&field);
    return rc;
}

static bool has_name(const struct headers *h, const char *name)
{
    for (unsigned i = 0; i < h->count; i++)
        if (strncasecmp(h->line[i].data, name, strlen(name)) == 0)
            return true;
    return false;
}

/* The next line as it was in the old set: the order of lines depends on the source alone. */
static int add_old(
    struct headers *h, const struct headers *old, const char *name, struct fault *why)
{
    if (!old || !secret_inherited(name))
        return 1;
    return add(h, SLICE_NONE, slice_of(old->line[h->count].data), true, why);
}

struct headers *headers_read(
    const struct header_source *source, const struct headers *old, struct fault *why)
{
    struct headers *h = mem_alloc(sizeof *h);
    int rc = 0;

    memset(h, 0, sizeof *h);
    h->references = 1;
    for (unsigned i = 0; rc == 0 && i < source->opens; i++)
        rc = add(h, SLICE_NONE, slice_of(source->open[i]), false, why);
    if (rc == 0 && source->content && !has_name(h, "content-type:"))
        rc = add(h, SLICE("Content-Type: "), slice_of(source->content), false, why);
    if (rc == 0 && !has_name(h, "user-agent:"))
        rc = add(h, SLICE("User-Agent: "), SLICE("ts-send/" TS_VERSION), false, why);
    if (rc == 0 && source->gzip)
        rc = add(h, SLICE("Content-Encoding: "), SLICE("gzip"), false, why);
    if (rc == 0 && source->token_file) {
        rc = add_old(h, old, source->token_file, why);
        rc = rc > 0 ? add_token(h, source->token_file, why) : rc;
    }
    if (rc == 0 && source->user) {
        rc = add_old(h, old, header_password_file(source->user), why);
        if (rc == 0)
            buf_slice(&h->password, buf_all(&old->password));
        rc = rc > 0 ? add_basic(h, source->user, why) : rc;
    }
    for (unsigned i = 0; rc == 0 && i < source->files; i++) {
        rc = add_old(h, old, source->file[i], why);
        rc = rc > 0 ? add_file(h, source->file[i], why) : rc;
    }
    if (rc == 0)
        return h;
    headers_drop(h);
    return NULL;
}

struct headers *headers_bearer(const struct headers *old, struct slice token)
{
    struct headers *h = mem_alloc(sizeof *h);
    struct fault ignored;

    memset(h, 0, sizeof *h);
    h->references = 1;
    for (unsigned i = 0; i < old->count; i++)
        if (strncasecmp(old->line[i].data, "authorization:", 14) != 0)
            add(h, SLICE_NONE, slice_of(old->line[i].data), old->secret[i], &ignored);
    add(h, SLICE("Authorization: Bearer "), token, true, &ignored);
    buf_slice(&h->password, buf_all(&old->password));
    return h;
}

struct headers *headers_use(struct headers *h)
{
    h->references++;
    return h;
}

void headers_drop(struct headers *h)
{
    if (!h || --h->references > 0)
        return;
    for (unsigned i = 0; i < h->count; i++)
        secret_forget(&h->line[i]);
    secret_forget(&h->password);
    free(h);
}

unsigned headers_count(const struct headers *h)
{
    return h->count;
}

const char *headers_line(const struct headers *h, unsigned n)
{
    return h->line[n].data;
}

bool headers_secret(const struct headers *h, unsigned n)
{
    return h->secret[n];
}

/* ---- masking ---- */

void secret_mask(struct buf *text, struct slice value)
{
    char *at;

    if (value.n < MASKED_BYTES_MIN)
        return;
    while (text->len > 0 && (at = memmem(text->data, text->len, value.p, value.n))) {
        memmove(at + 3, at + value.n, (size_t)(text->data + text->len - at) - value.n);
        memcpy(at, "***", 3);
        text->len -= value.n - 3;
    }
    /* The text may have been cut in the middle of it. */
    for (size_t n = value.n - 1; n >= MASKED_BYTES_MIN; n--)
        if (text->len >= n && memcmp(text->data + text->len - n, value.p, n) == 0) {
            memcpy(text->data + text->len - n, "***", 3);
            text->len -= n - 3;
            return;
        }
}

void headers_mask(const struct headers *h, struct buf *text)
{
    secret_mask(text, buf_all(&h->password));
    for (unsigned i = 0; i < h->count; i++) {
        const char *value, *word;

        if (!h->secret[i])
            continue;
        value = strchr(h->line[i].data, ':') + 1;
        value += strspn(value, " \t");
        secret_mask(text, slice_of(value));
        word = strrchr(value, ' '); /* "Bearer …" may come back without its scheme */
        if (word)
            secret_mask(text, slice_of(word + 1));
    }
}
