/* SPDX-License-Identifier: MIT */
/* What token services say, and which files are refused; the exchange itself is in ts-send-oauth.t.
 */
#include "oauth.h"

#include "../../support/unit.h"
#include "oauth_state.h"

/* ---- answers ---- */

#define GOOD "\"access_token\":\"a.b-c_d~e+f/g=\""

static const struct {
    int status; /* 0: no reply */
    const char *body;
    const char *access, *refresh; /* access NULL: none, then the verdict */
    int64_t expires_s;
    enum act act;
    enum cause cause;
    bool grant;
} answers[] = {
    {200, "{" GOOD "}", "a.b-c_d~e+f/g=", NULL, 0, 0, 0, false},
    {200, "{" GOOD ",\"expires_in\":1800,\"refresh_token\":\"r é\"}", "a.b-c_d~e+f/g=", "r é", 1800,
        0, 0, false},
    {200, "{" GOOD ",\"expires_in\":\"3600\",\"token_type\":\"BEARER\"}", "a.b-c_d~e+f/g=", NULL,
        3600, 0, 0, false},
    {201, "{" GOOD ",\"expires_in\":-5}", "a.b-c_d~e+f/g=", NULL, 0, 0, 0, false},
    {200, "{" GOOD ",\"expires_in\":1e300}", "a.b-c_d~e+f/g=", NULL, 366 * 86400, 0, 0, false},
    {200, "{" GOOD ",\"expires_in\":\"soon\"}", "a.b-c_d~e+f/g=", NULL, 0, 0, 0, false},
    {200, "{" GOOD ",\"refresh_token\":\"a\\nb\"}", "a.b-c_d~e+f/g=", NULL, 0, 0, 0, false},
    {200, "{" GOOD ",\"refresh_token\":null}", "a.b-c_d~e+f/g=", NULL, 0, 0, 0, false},
    {200, "{\"access_token\":\"\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "{\"access_token\":\"a b\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "{\"access_token\":\"a\\r\\nX: y\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "{\"access_token\":\"é\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "{\"access_token\":[\"a\"]}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "{" GOOD ",\"token_type\":\"mac\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "{" GOOD ",\"token_type\":\"bearers\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "[]", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "<html>", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {200, "", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {400, "{" GOOD "}", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, false},
    {200, "{" GOOD ",\"error\":\"invalid_code\"}", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, true},
    {400, "{\"error\":\"invalid_grant\"}", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, true},
    {401, "{\"error\":\"invalid_client\"}", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, false},
    {400, "{\"error\":\"invalid_scope\"}", NULL, NULL, 0, ACT_STOP, CAUSE_CONFIG, false},
    {400, "{\"error\":\"of its own\"}", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, false},
    {400, "{\"error\":\"slow_down\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_BUSY, false},
    {400, "", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, false},
    {409, "", NULL, NULL, 0, ACT_STOP, CAUSE_AUTH, false},
    {404, "", NULL, NULL, 0, ACT_STOP, CAUSE_ADDRESS, false},
    {302, "{\"error\":\"invalid_grant\"}", NULL, NULL, 0, ACT_STOP, CAUSE_ADDRESS, false},
    {429, "", NULL, NULL, 0, ACT_RETRY, CAUSE_BUSY, false},
    {503, "{\"error\":\"invalid_grant\"}", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
    {0, "", NULL, NULL, 0, ACT_RETRY, CAUSE_OUTAGE, false},
};

START_TEST(answer)
{
    struct reply r = {.keep = true};
    struct oauth_answer a;

    reply_reset(&r);
    r.status = answers[_i].status;
    r.net = r.status ? NET_OK : NET_LOST;
    buf_text(&r.body, answers[_i].body);
    oauth_answer_read(&r, 1700000000, &a);
    ck_assert(!a.access.p == !answers[_i].access);
    if (a.access.p) {
        ck_assert(slice_is(a.access, answers[_i].access));
        ck_assert(!a.refresh.p == !answers[_i].refresh);
        ck_assert(!a.refresh.p || slice_is(a.refresh, answers[_i].refresh));
        ck_assert_int_eq(a.expires_s, answers[_i].expires_s);
    } else {
        ck_assert_int_eq((int)a.verdict.act, (int)answers[_i].act);
        ck_assert_int_eq((int)a.verdict.cause, (int)answers[_i].cause);
        ck_assert_int_eq(a.grant_refused, answers[_i].grant);
        ck_assert_ptr_nonnull(a.verdict.reason);
    }
    oauth_answer_free(&a);
    buf_free(&r.body);
}
END_TEST

/* ---- files ---- */

#define CLIENT "\"client_id\":\"c\""

static const struct {
    const char *text, *url; /* url NULL: refused */
} files[] = {
    {"{" CLIENT ",\"token_url\":\"/oauth2/token\"}", "https://hr.example/index.php/oauth2/token"},
    {"{" CLIENT ",\"token_url\":\"https://a.example/t\"}", "https://a.example/t"},
    {"{" CLIENT ",\"token_url\":\"http://127.0.0.1:80/t\"}", "http://127.0.0.1:80/t"},
    {"{" CLIENT ",\"token_url\":\"http://localhost/t\"}", "http://localhost/t"},
    {"{" CLIENT ",\"token_url\":\"http://[::1]:80/t\"}", "http://[::1]:80/t"},
    {"{" CLIENT ",\"token_url\":\"http://127.a.example/t\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"http://localhost.a.example/t\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"http://[::1].a.example/t\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"http://a.example/t\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"ftp://a.example/t\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"https://u:p@a.example/t\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"https://a.example/t#f\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"\"}", NULL},
    {"{" CLIENT "}", NULL},
    {"{\"token_url\":\"/t\"}", NULL},
    {"{\"token_url\":\"/t\",\"client_id\":\"a\\u0000b\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"/t\",\"scope\":1}", NULL},
    {"{" CLIENT ",\"token_url\":\"/t\",\"rotates\":\"no\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"/t\",\"parameters\":{\"a\":1}}", NULL},
    {"{" CLIENT ",\"token_url\":\"/t\",\"parameters\":[]}", NULL},
    {"{" CLIENT ",\"token_url\":\"/t\",\"client_auth\":\"header\"}", NULL},
    {"{" CLIENT ",\"token_url\":\"/t\",\"toke_url\":\"\"}", NULL},
    {"[]", NULL},
    {"{", NULL},
};

START_TEST(file)
{
    const struct oauth_where where = {"file", "https://hr.example/index.php/?a=b"};
    struct oauth_state s;
    struct fault why;
    int rc = oauth_state_read(&where, slice_of(files[_i].text), &s, &why);

    if (files[_i].url) {
        ck_assert_int_eq(rc, 0);
        ck_assert_str_eq(s.token_url.data, files[_i].url);
    } else {
        ck_assert_int_eq(rc, -1);
        ck_assert_int_eq(why.status, EX_CONFIG);
        ck_assert_ptr_null(s.doc);
    }
    oauth_state_free(&s);
}
END_TEST

START_TEST(written_again)
{
    const struct oauth_where where = {"file", "https://hr.example"};
    struct buf text = {0};
    struct oauth_state s;
    struct fault why;
    yyjson_mut_doc *doc;

    ck_assert_int_eq(oauth_state_read(&where,
                         SLICE("{\"refresh_token\":\"old\",\"parameters\":{\"k\":\"v\"}," CLIENT
                               ",\"token_url\":\"/t\",\"rotates\":true}"),
                         &s, &why),
        0);
    doc = yyjson_doc_mut_copy(s.doc, &oauth_wiped);
    oauth_state_set(doc, OAUTH_REFRESH, SLICE("a \"new\" one"));
    oauth_state_set(doc, OAUTH_EXPIRES, SLICE_NONE);
    oauth_state_print(doc, &text);
    yyjson_mut_doc_free(doc);
    oauth_state_free(&s);
    ck_assert_int_eq(oauth_state_read(&where, buf_all(&text), &s, &why), 0);
    ck_assert(slice_is(s.is[OAUTH_REFRESH], "a \"new\" one"));
    ck_assert(slice_is(s.is[OAUTH_CLIENT_ID], "c"));
    ck_assert_ptr_null(s.is[OAUTH_EXPIRES].p);
    ck_assert_uint_eq(yyjson_obj_size(s.parameters), 1);
    ck_assert(!s.fixed);
    oauth_state_free(&s);
    buf_free(&text);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, answer, 0, (int)(sizeof answers / sizeof *answers));
    tcase_add_loop_test(tc, file, 0, (int)(sizeof files / sizeof *files));
    tcase_add_test(tc, written_again);
}

UNIT_MAIN("oauth", add_tests)
