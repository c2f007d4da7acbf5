/* SPDX-License-Identifier: MIT */
/* Requests, heads of answers, challenges. */
#include "exchange.h"

#include <ctype.h>
#include <stdio.h>

#include "md5.h"

#define HEAD_MOST 8192u
#define TRIES 2u       /* of the password: the second where the nonce of the first was stale */
#define WORD_MOST 512u /* of a challenge */

static void fail(struct exchange *x, const char *error)
{
    x->state = EXCHANGE_FAILED;
    x->error = error;
    x->out.len = 0;
}

/* ---- requests ---- */

static void add_quoted(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.n; i++) {
        if (strchr("\"\\", value.p[i]) && value.p[i])
            buf_char(out, '\\');
        buf_char(out, value.p[i]);
    }
    buf_lit(out, "\"");
}

/* The response of a digest (RFC 7616, 3.4.1), with MD5. */
static void make_response(const struct exchange *x, char out[MD5_HEX])
{
    const struct exchange_request *r = &x->request;
    struct slice who[] = {slice_of(r->user), buf_all(&x->realm), slice_of(r->password)};
    struct slice what[] = {r->post ? SLICE("POST") : SLICE("GET"), slice_of(r->path)};
    char a1[MD5_HEX], a2[MD5_HEX];
    struct slice all[] = {{a1, MD5_HEX - 1}, buf_all(&x->nonce), SLICE("00000001"),
        slice_of(r->random), SLICE("auth"), {a2, MD5_HEX - 1}};
    struct slice old[] = {all[0], all[1], all[5]};

    md5_joined(a1, who, 3);
    md5_joined(a2, what, 2);
    md5_joined(out, x->qop ? all : old, x->qop ? 6 : 3);
    explicit_bzero(a1, sizeof a1);
}

static void add_digest(struct exchange *x)
{
    char response[MD5_HEX];

    make_response(x, response);
    buf_lit(&x->out, "Authorization: Digest ");
    add_quoted(&x->out, "username", slice_of(x->request.user));
    add_quoted(&x->out, ", realm", buf_all(&x->realm));
    add_quoted(&x->out, ", nonce", buf_all(&x->nonce));
    add_quoted(&x->out, ", uri", slice_of(x->request.path));
    add_quoted(&x->out, ", response", slice_of(response));
    if (x->opaque.len > 0)
        add_quoted(&x->out, ", opaque", buf_all(&x->opaque));
    if (x->qop)
        buf_printf(&x->out, ", qop=auth, nc=00000001, cnonce=\"%s\"", x->request.random);
    buf_lit(&x->out, "\r\n");
}

static void ask(struct exchange *x)
{
    const struct exchange_request *r = &x->request;

    x->out.len = x->head.len = x->body.len = 0;
    x->in_body = x->to_end = false;
    buf_printf(
        &x->out, "%s %s HTTP/1.1\r\nHost: %s\r\n", r->post ? "POST" : "GET", r->path, r->host);
    buf_lit(&x->out, "User-Agent: ts-read/" TS_VERSION "\r\nConnection: keep-alive\r\n");
    if (r->field)
        buf_printf(&x->out, "%s\r\n", r->field);
    if (x->digest)
        add_digest(x);
    buf_text(&x->out, r->post ? "Content-Length: 0\r\n\r\n" : "\r\n");
}

void exchange_begin(struct exchange *x, const struct exchange_request *request)
{
    *x = (struct exchange){.request = *request};
    ask(x);
}

void exchange_free(struct exchange *x)
{
    buf_free(&x->out);
    buf_free(&x->head);
    buf_free(&x->body);
    buf_free(&x->realm);
    buf_free(&x->nonce);
    buf_free(&x->opaque);
}

/* ---- challenges ---- */

static struct slice trim_left(struct slice s)
{
    while (s.n > 0 && strchr(" \t,", *s.p) && *s.p)
        s.p++, s.n--;
    return s;
}

/* Takes name=value or name="value" off; false: there is none, or it makes no sense. */
static bool take_pair(struct slice *s, struct slice *name, struct buf *value)
{
    const char *equal;
    bool quoted, escaped = false;

    *s = trim_left(*s);
    equal = s->n > 0 ? memchr(s->p, '=', s->n) : NULL;
    if (!equal)
        return false;
    *name = (struct slice){s->p, (size_t)(equal - s->p)};
    s->n -= name->n + 1;
    s->p = equal + 1;
    quoted = s->n > 0 && *s->p == '"';
    s->p += quoted;
    s->n -= quoted;
    for (value->len = 0; s->n > 0; s->p++, s->n--) {
        if (!escaped && (quoted ? *s->p == '"' : *s->p == ',' || *s->p == ' '))
            break;
        escaped = quoted && !escaped && *s->p == '\\';
        if (!escaped)
            buf_char(value, *s->p);
    }
    if (quoted && s->n == 0)
        return false;
    s->p += quoted;
    s->n -= quoted;
    return value->len <= WORD_MOST;
}

static bool has_auth(struct slice list)
{
    while (list.n > 0) {
        struct slice word = trim_left(list);
        size_t n = 0;

        while (n < word.n && word.p[n] != ',' && word.p[n] != ' ')
            n++;
        if (head_word((struct slice){word.p, n}, "auth"))
            return true;
        list = (struct slice){word.p + n, word.n - n};
    }
    return false;
}

static void set_word(struct buf *to, const struct buf *value)
{
    to->len = 0;
    buf_slice(to, buf_all(value));
}

/* Digest realm="…", nonce="…", qop="auth", … : whether it can be answered. */
static bool read_challenge(struct exchange *x, struct slice s)
{
    struct buf value = {0};
    struct slice name;
    bool good = true, has_qop = false;

    x->realm.len = x->nonce.len = x->opaque.len = 0;
    x->qop = x->stale = false;
    while (good && take_pair(&s, &name, &value)) {
        if (head_word(name, "realm"))
            set_word(&x->realm, &value);
        else if (head_word(name, "nonce"))
            set_word(&x->nonce, &value);
        else if (head_word(name, "opaque"))
            set_word(&x->opaque, &value);
        else if (head_word(name, "stale"))
            x->stale = head_word(buf_all(&value), "true");
        else if (head_word(name, "algorithm"))
            good = head_word(buf_all(&value), "MD5");
        else if (head_word(name, "qop")) {
            has_qop = value.len > 0;
            x->qop = has_auth(buf_all(&value));
        }
    }
    buf_free(&value);
    return good && x->nonce.len > 0 && x->realm.len > 0 && (x->qop || !has_qop);
}

/* ---- answers ---- */

static bool is_number(struct slice s, uint64_t *n)
{
    *n = 0;
    for (size_t i = 0; i < s.n; i++) {
        if (!isdigit((unsigned char)s.p[i]))
            return false;
        *n = *n * 10 + (uint64_t)(s.p[i] - '0');
    }
    return s.n > 0 && s.n <= 15;
}

/* Connection: close is not believed: terminals write it, and go on. */
struct answer {
    bool has_length, chunked;
    uint64_t length;
};

static bool take_field(struct exchange *x, struct answer *a, struct slice name, struct slice value)
{
    uint64_t n;

    if (head_word(name, "content-length")) {
        if (!is_number(value, &n) || (a->has_length && n != a->length))
            return false;
        a->has_length = true;
        a->length = n;
    } else if (head_word(name, "transfer-encoding")) {
        a->chunked = true;
        return head_word(value, "chunked");
    } else if (head_word(name, "www-authenticate") && !x->digest && value.n > 7 &&
               strncasecmp(value.p, "Digest ", 7) == 0) {
        x->digest = read_challenge(x, (struct slice){value.p + 7, value.n - 7});
    }
    return true;
}

/* "HTTP/1.1 200 OK": the status; 0: it is none. */
static unsigned read_status(struct slice line)
{
    uint64_t n = 0;

    if (line.n < 12 || memcmp(line.p, "HTTP/1.", 7) != 0 || line.p[8] != ' ' ||
        !is_number((struct slice){line.p + 9, 3}, &n) || (line.n > 12 && line.p[12] != ' '))
        return 0;
    return n >= 100 && n < 600 ? (unsigned)n : 0;
}

static bool next_line(struct slice *text, struct slice *line)
{
    const char *lf = text->n > 0 ? memchr(text->p, '\n', text->n) : NULL;

    if (!lf)
        return false;
    *line = (struct slice){text->p, (size_t)(lf - text->p)};
    text->n -= line->n + 1;
    text->p = lf + 1;
    while (line->n > 0 && strchr(" \t\r", line->p[line->n - 1]) && line->p[line->n - 1])
        line->n--;
    return true;
}

/* What stands in a challenge goes into a request. */
static bool is_plain(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (iscntrl((unsigned char)line.p[i]) && line.p[i] != '\t')
            return false;
    return true;
}

static bool read_fields(struct exchange *x, struct answer *a, struct slice text)
{
    struct slice line;

    x->digest = false;
    while (next_line(&text, &line) && line.n > 0) {
        const char *colon = memchr(line.p, ':', line.n);
        struct slice value;

        if (!colon || !is_plain(line))
            return false;
        value = (struct slice){colon + 1, (size_t)(line.p + line.n - colon) - 1};
        while (value.n > 0 && (*value.p == ' ' || *value.p == '\t'))
            value.p++, value.n--;
        if (!take_field(x, a, (struct slice){line.p, (size_t)(colon - line.p)}, value))
            return false;
    }
    return !(a->chunked && a->has_length);
}

/* All of the head is here. */
static void take_head(struct exchange *x)
{
    struct slice text = buf_all(&x->head), line;
    struct answer a = {0};
    struct head head;

    x->status = next_line(&text, &line) ? read_status(line) : 0;
    if (x->status == 0 || !read_fields(x, &a, text)) {
        fail(x, "answers what is no HTTP");
        return;
    }
    x->head.len = 0;
    if (x->status < 200)
        return; /* the answer itself is to come */
    if (x->status == 204 || x->status == 304)
        a = (struct answer){.has_length = true};
    head = (struct head){.chunked = a.chunked, .body_bytes = a.length};
    x->in_body = true;
    x->to_end = !a.chunked && !a.has_length;
    body_begin(&x->reading, &head, x->request.limit);
}

/* Takes off *in what belongs to the head: its last line is empty. */
static void add_head(struct exchange *x, struct slice *in)
{
    while (in->n > 0 && !x->in_body && x->state == EXCHANGE_GOES_ON) {
        const char *lf = memchr(in->p, '\n', in->n);
        size_t n = lf ? (size_t)(lf - in->p) + 1 : in->n;
        const char *end;

        buf_add(&x->head, in->p, n);
        in->p += n;
        in->n -= n;
        end = x->head.data + x->head.len;
        if (x->head.len > HEAD_MOST)
            fail(x, "answers with a head without an end");
        else if (lf && x->head.len > 2 && (end[-2] == '\n' || (end[-2] == '\r' && end[-3] == '\n')))
            take_head(x);
    }
}

/* The answer is here: it is given, or asked for with the password. */
static void answered(struct exchange *x)
{
    bool again = x->status == 401 && x->digest && x->request.password && !x->to_end &&
                 x->tries < TRIES && (x->tries == 0 || x->stale);

    if (again) {
        x->tries++;
        ask(x);
        return;
    }
    x->state = EXCHANGE_DONE;
}

static void add_body(struct exchange *x, struct slice *in)
{
    int rc;

    if (x->to_end) {
        buf_slice(&x->body, *in);
        *in = (struct slice){in->p + in->n, 0};
        if (x->body.len > x->request.limit)
            fail(x, "the answer is too long");
        return;
    }
    rc = body_take(&x->reading, in, &x->body);
    if (rc == 0 && in->n > 0)
        fail(x, "says more than it was asked");
    else if (rc == 0)
        answered(x);
    else if (rc != BODY_MORE)
        fail(x, rc == 413 ? "the answer is too long" : "answers what is no HTTP");
}

void exchange_take(struct exchange *x, struct slice in)
{
    if (x->state != EXCHANGE_GOES_ON || in.n == 0)
        return;
    add_head(x, &in);
    /* A body without a byte is whole at once. */
    if (x->state == EXCHANGE_GOES_ON && x->in_body)
        add_body(x, &in);
}

void exchange_end(struct exchange *x)
{
    if (x->state != EXCHANGE_GOES_ON)
        return;
    if (x->to_end)
        x->state = EXCHANGE_DONE;
    else
        fail(x, "has hung up");
}
