/* SPDX-License-Identifier: MIT */
/* Pseudonyms: their form, that they are equal exactly where ids are, and that the order of persons
   is the same by them. */
#include "pseudonym.h"

#include <stdio.h>

#include "../../support/unit.h"
#include "enrich.h"
#include "hash.h"

static const struct {
    const char *text;
    bool is;
} forms[] = {
    {"p-abcdefghijklmnopqrst27", true},
    {"p-abcdefghijklmnopqrst2", false},
    {"p-abcdefghijklmnopqrst277", false},
    {"p-abcdefghijklmnopqrst21", false},
    {"P-abcdefghijklmnopqrst27", false},
    {"p_abcdefghijklmnopqrst27", false},
    {"p-ABCDEFGHIJKLMNOPQRST27", false},
    {"", false},
};

START_TEST(form)
{
    ck_assert(pseudonym_is(slice_of(forms[_i].text)) == forms[_i].is);
}
END_TEST

START_TEST(with_nul)
{
    ck_assert(!pseudonym_is((struct slice){"p-abcdefghijklmnopqrs\0"
                                           "27",
        24}));
    ck_assert(!pseudonym_is(SLICE_NONE));
}
END_TEST

START_TEST(equal_as_ids)
{
    enum { MANY = 300 };
    static char all[MANY][PSEUDONYM_TEXT];
    struct hash *h = hash_public();
    char id[16], again[PSEUDONYM_TEXT];

    for (int i = 0; i < MANY; i++) {
        int n = snprintf(id, sizeof id, " %d ", i);

        pseudonym_print(all[i], (struct slice){id, (size_t)n}, hash_of(h));
        ck_assert(pseudonym_is((struct slice){all[i], PSEUDONYM_TEXT}));
        pseudonym_print(again, (struct slice){id + 1, (size_t)n - 2}, hash_of(h));
        ck_assert(memcmp(all[i], again, PSEUDONYM_TEXT) == 0);
        for (int j = 0; j < i; j++)
            ck_assert(memcmp(all[i], all[j], PSEUDONYM_TEXT) != 0);
    }
    hash_free(h);
}
END_TEST

/* Events in pairs: whose order they belong to is the same person, or is not, with and without. */
static const struct {
    const char *a, *b;
    bool same;
} pairs[] = {
    {"{\"person_id\":\"1\"}", "{\"person_id\":1}", true},
    {"{\"person_id\":\"1\"}", "{\"person_id\":\"2\"}", false},
    {"{\"person_id\":\"1\",\"employee_id\":\"E\"}", "{\"card_no\":\"5\",\"employee_id\":\"E\"}",
        true},
    {"{\"person_id\":\"1\",\"employee_id\":\"E\"}", "{\"person_id\":\"1\"}", false},
    {"{\"person_id\":\"1\",\"employee_id\":\"1\"}", "{\"person_id\":\"1\"}", true},
};

/* The person of a line that has gone through all steps; *line is what they made of it. */
static struct slice person_of(struct context *c, const char *text, struct buf *line)
{
    struct event e;
    struct fault why;

    line->len = 0;
    enrich_line(c, slice_of(text), NULL, line);
    line->len--;
    ck_assert_int_eq(event_read(c->hr_reader, buf_all(line), &e, &why), 0);
    return event_person(&e);
}

START_TEST(order)
{
    struct context c;
    struct site *site = site_new();
    struct hash *h = hash_public();
    struct buf a = {0}, b = {0};
    char first[64];

    context_init(&c);
    context_use(&c, site, NULL);
    for (int hidden = 0; hidden < 2; hidden++) {
        struct slice person;
        size_t n;

        c.settings.pseudonyms = hidden ? hash_of(h) : NULL;
        person = person_of(&c, pairs[_i].a, &a);
        n = person.n;
        ck_assert(n > 0 && n < sizeof first);
        memcpy(first, person.p, n);
        ck_assert(
            slice_eq((struct slice){first, n}, person_of(&c, pairs[_i].b, &b)) == pairs[_i].same);
    }
    buf_free(&a);
    buf_free(&b);
    context_free(&c);
    site_free(site);
    hash_free(h);
}
END_TEST

static void add_tests(TCase *tc)
{
    tcase_add_loop_test(tc, form, 0, (int)(sizeof forms / sizeof *forms));
    tcase_add_test(tc, with_nul);
    tcase_add_test(tc, equal_as_ids);
    tcase_add_loop_test(tc, order, 0, (int)(sizeof pairs / sizeof *pairs));
}

UNIT_MAIN("pseudonym", add_tests)
