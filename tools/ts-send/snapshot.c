/* SPDX-License-Identifier: MIT */
/* The option, places and multipart bodies; no files and no network. */
#include "snapshot.h"

#include <stdio.h>

#include "json.h"

#define UPLOAD_PATH "/media/snapshot"

/* ---- the option ---- */

static int upload_url(
    struct snapshot_config *c, const char *text, const char *receiver, struct fault *why)
{
    struct slice origin = url_origin(receiver);

    if (text[0] != '/')
        origin = SLICE_NONE;
    if (origin.n + strlen(text) > URL_BYTES_MAX)
        return fault_set(why, EX_USAGE, "--snapshots: the URL is too long");
    snprintf(c->url, sizeof c->url, "%.*s%s", (int)origin.n, origin.p ? origin.p : "", text);
    if (url_check("--snapshots upload", c->url, why) < 0)
        return -1;
    c->ours = url_same_origin(c->url, receiver);
    return 0;
}

int snapshot_option(
    struct snapshot_config *c, const char *text, const char *receiver, struct fault *why)
{
    static const struct {
        const char *name;
        enum snapshot_mode mode;
    } modes[] = {{"inline", SNAPSHOT_INLINE}, {"omit", SNAPSHOT_OMIT}, {"upload", SNAPSHOT_UPLOAD}};
    const char *equal = strchr(text, '=');
    struct slice name = {text, equal ? (size_t)(equal - text) : strlen(text)};

    c->mode = SNAPSHOT_KEEP;
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (slice_is(name, modes[i].name) && (!equal || modes[i].mode == SNAPSHOT_UPLOAD))
            c->mode = modes[i].mode;
    if (c->mode == SNAPSHOT_KEEP)
        return fault_set(why, EX_USAGE, "--snapshots: inline, omit, upload or upload=URL");
    if (c->mode != SNAPSHOT_OMIT && !c->folder)
        return fault_set(why, EX_USAGE, "--snapshots: --snapshot-dir must say where they are");
    if (c->mode == SNAPSHOT_UPLOAD)
        return upload_url(c, equal ? equal + 1 : UPLOAD_PATH, receiver, why);
    return 0;
}

/* ---- uploads ---- */

void snapshot_multipart(struct buf *head, struct buf *tail, const char *boundary,
    const char *sha256, const char *media_type)
{
    const char *ending = strcmp(media_type, "image/png") == 0 ? "png" : "jpg";

    head->len = tail->len = 0;
    buf_printf(head,
        "--%s\r\nContent-Disposition: form-data; name=\"sha256\"\r\n\r\n%s\r\n"
        "--%s\r\nContent-Disposition: form-data; name=\"file\"; filename=\"%s.%s\"\r\n"
        "Content-Type: %s\r\n\r\n",
        boundary, sha256, boundary, sha256, ending, media_type);
    buf_printf(tail, "\r\n--%s--\r\n", boundary);
}

bool snapshot_location(struct slice text)
{
    char copy[SNAPSHOT_LOCATION_BYTES];
    struct fault why;

    if (text.n == 0 || text.n >= sizeof copy)
        return false;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] <= ' ' || text.p[i] > '~' || strchr("\"\\<>^`{|}", text.p[i]))
            return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    /* "//host" is another host, not a path. */
    if (copy[0] == '/')
        return copy[1] != '/' && !strchr(copy, '#');
    return url_check("", copy, &why) == 0;
}

static bool take_location(
    struct slice said, const struct snapshot_config *c, char out[SNAPSHOT_LOCATION_BYTES])
{
    struct slice origin = url_origin(c->url);

    if (!snapshot_location(said))
        return false;
    if (c->ours || said.p[0] != '/')
        origin.n = 0;
    if (origin.n + said.n >= SNAPSHOT_LOCATION_BYTES)
        return false;
    memcpy(out, origin.p, origin.n);
    memcpy(out + origin.n, said.p, said.n);
    out[origin.n + said.n] = '\0';
    return true;
}

static struct slice text_of(yyjson_val *object, const char *key)
{
    yyjson_val *v = yyjson_obj_get(object, key);

    return yyjson_is_str(v) ? (struct slice){yyjson_get_str(v), yyjson_get_len(v)} : SLICE_NONE;
}

bool snapshot_reply(
    const struct reply *r, const struct snapshot_config *c, char out[SNAPSHOT_LOCATION_BYTES])
{
    static const char *const keys[] = {"location", "url", "path"};
    bool found = take_location(slice_of(r->location), c, out);
    yyjson_doc *doc = NULL;

    if (!found && r->body.len > 0)
        doc = yyjson_read(r->body.data, r->body.len, 0);
    for (size_t i = 0; !found && doc && i < sizeof keys / sizeof *keys; i++)
        found = take_location(text_of(yyjson_doc_get_root(doc), keys[i]), c, out);
    yyjson_doc_free(doc);
    return found;
}
