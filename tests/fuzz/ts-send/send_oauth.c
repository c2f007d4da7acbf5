/* SPDX-License-Identifier: MIT */
/*
 * What a token service says, and what stands in the file of --oauth: a token goes into a header
 * field, a refresh token into a file that must be read again.
 */
#include <stdint.h>
#include <stdlib.h>

#include "oauth.h"
#include "oauth_state.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct oauth_where where = {"file", "https://hr.example/"};

static void check_state(const struct oauth_state *s)
{
    if (strncmp(s->token_url.data, "http", 4) != 0)
        abort();
    for (const char *p = s->token_url.data; *p; p++)
        if (*p <= ' ' || *p > '~' || *p == '#')
            abort();
}

/* Written with these tokens, the file is read again as it was. */
static void keep(const struct oauth_state *s, struct slice access, struct slice refresh)
{
    yyjson_mut_doc *doc = yyjson_doc_mut_copy(s->doc, &oauth_wiped);
    struct buf text = {0};
    struct oauth_state again;
    struct fault why;

    oauth_state_set(doc, OAUTH_ACCESS, access);
    oauth_state_set(doc, OAUTH_REFRESH, refresh);
    oauth_state_print(doc, &text);
    if (oauth_state_read(&where, buf_all(&text), &again, &why) < 0 ||
        !slice_eq(again.is[OAUTH_ACCESS], access) || !slice_eq(again.is[OAUTH_REFRESH], refresh))
        abort();
    oauth_state_free(&again);
    buf_free(&text);
    yyjson_mut_doc_free(doc);
}

static void answer(int status, struct slice body)
{
    struct reply r = {.net = NET_OK, .status = status};
    struct oauth_answer a;
    struct oauth_state s;
    struct fault why;

    buf_slice(&r.body, body);
    oauth_answer_read(&r, 1700000000, &a);
    for (size_t i = 0; i < a.access.n; i++)
        if (a.access.p[i] <= ' ' || a.access.p[i] > '~')
            abort();
    if (a.expires_s < 0 || (!a.access.p && (!a.verdict.reason || a.verdict.wait_ms < 0)))
        abort();
    if (a.access.p && (status / 100 != 2 || a.access.n == 0))
        abort();
    if (a.access.p && oauth_state_read(&where, SLICE("{\"token_url\":\"/t\",\"client_id\":\"c\"}"),
                          &s, &why) == 0) {
        keep(&s, a.access, a.refresh);
        oauth_state_free(&s);
    }
    oauth_answer_free(&a);
    buf_free(&r.body);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const short statuses[] = {200, 201, 302, 400, 401, 503};
    struct slice body = {(const char *)data + 1, size > 0 ? size - 1 : 0};
    struct oauth_state s;
    struct fault why;

    if (size == 0)
        return 0;
    answer(statuses[data[0] % 6], body);
    if (oauth_state_read(&where, body, &s, &why) == 0) {
        check_state(&s);
        keep(&s, SLICE("a"), SLICE_NONE);
        oauth_state_free(&s);
    }
    return 0;
}
