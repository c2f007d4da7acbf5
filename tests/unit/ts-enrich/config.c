/* SPDX-License-Identifier: MIT */
/* Configuration by a table of keys: each kind of value, and the place and words of each mistake. */
#include "config.h"

#include "../../support/unit.h"
#include "files.h"

struct values {
    int word, minutes, items, members;
    bool truth, is_list, is_object;
    double number;
    int64_t local_s;
    struct slice last;
};

static void word(const struct place *at, void *v)
{
    static const struct config_word words[] = {{"in", 1}, {"alternate", 2}, {"null", 3}, {0}};

    ((struct values *)v)->word = config_word(at, words);
}

static void truth(const struct place *at, void *v)
{
    ((struct values *)v)->truth = config_bool(at);
}

static void number(const struct place *at, void *v)
{
    ((struct values *)v)->number = config_number(at, "a number of seconds", -5, 10);
}

static void minutes(const struct place *at, void *v)
{
    ((struct values *)v)->minutes = config_minutes(at);
}

static void local(const struct place *at, void *v)
{
    ((struct values *)v)->local_s = config_local_s(at);
}

static void item(const struct place *at, void *v)
{
    ((struct values *)v)->items++;
    ((struct values *)v)->last = slice_of(config_text(at));
}

static void list(const struct place *at, void *v)
{
    config_list(at, item, v);
}

static void one_or_list(const struct place *at, void *v)
{
    ((struct values *)v)->is_list = config_is_list(at);
    config_one_or_list(at, item, v);
}

static void member(const struct place *at, void *v)
{
    ((struct values *)v)->members++;
    ((struct values *)v)->last = config_name(at);
}

static void members(const struct place *at, void *v)
{
    ((struct values *)v)->is_object = config_is_object(at);
    config_members(at, member, v);
}

static const struct config_key keys[] = {
    {"word", word},
    {"truth", truth},
    {"number", number},
    {"minutes", minutes},
    {"local", local},
    {"list", list},
    {"one_or_list", one_or_list},
    {"members", members},
    {0},
};

static int load(struct config *c, const char *text, struct values *v, struct fault *why)
{
    *v = (struct values){0};
    *c = (struct config){.path = file_of(slice_of(text)), .target = v, .report = remember};
    return config_load(c, keys, why);
}

#define TAKES(text, condition)                                                                     \
    do {                                                                                           \
        ck_assert_msg(load(&c, text, &v, &why) == 0, "%s: %s", text, remembered());                \
        ck_assert_msg(condition, "%s: not %s", text, #condition);                                  \
        config_free(&c);                                                                           \
    } while (0)

START_TEST(values)
{
    struct config c;
    struct values v;
    struct fault why;

    TAKES("{}", v.word == 0);
    TAKES("{\"word\":\"alternate\"}", v.word == 2);
    TAKES("{\"word\":null}", v.word == 3);
    TAKES("{\"truth\":true}", v.truth);
    TAKES("{\"number\":-5}", v.number == -5);
    TAKES("{\"number\":1.5}", v.number == 1.5);
    TAKES("{\"minutes\":\"00:00\"}", v.minutes == 0);
    TAKES("{\"minutes\":\"23:59\"}", v.minutes == 1439);
    TAKES("{\"local\":\"1970-01-02\"}", v.local_s == 86400);
    TAKES("{\"local\":\"1970-01-01T01:02\"}", v.local_s == 3720);
    TAKES("{\"local\":\"1970-01-01T01:02:03\"}", v.local_s == 3723);
    TAKES("{\"list\":[]}", v.items == 0);
    TAKES("{\"list\":[\"a\",\"b\"]}", v.items == 2 && slice_is(v.last, "b"));
    TAKES("{\"one_or_list\":[\"a\",\"b\"]}", v.items == 2 && v.is_list);
    TAKES("{\"one_or_list\":\"c\"}", v.items == 1 && !v.is_list && slice_is(v.last, "c"));
    TAKES("{\"members\":{\"\\u0031\":0,\"\":0}}", v.members == 2 && v.is_object);
}
END_TEST

#define MINUTES "1:2: minutes: must be a time of day such as \"04:00\"\n"
#define LOCAL                                                                                      \
    "1:2: local: must be a wall clock such as \"2026-03-01\" or \"2026-03-01T06:30\", without a "  \
    "zone\n"
#define WORD "1:2: word: must be \"in\", \"alternate\" or null"

static const struct {
    const char *text, *mistakes;
} bad[] = {
    {"{\"word\":\"ni\"}", WORD "; did you mean \"in\"?\n"},
    {"{\"word\":\"IN\"}", WORD "; did you mean \"in\"?\n"},
    {"{\"word\":\"alternating\"}", WORD "; did you mean \"alternate\"?\n"},
    {"{\"word\":\"xy\"}", WORD "\n"},
    {"{\"word\":\"\"}", WORD "\n"},
    {"{\"word\":\"null\"}", WORD "\n"},
    {"{\"word\":1}", WORD "\n"},
    {"{\"truth\":\"true\"}", "1:2: truth: must be true or false\n"},
    {"{\"number\":-6}", "1:2: number: must be a number of seconds from -5 to 10\n"},
    {"{\"number\":\"1\"}", "1:2: number: must be a number of seconds from -5 to 10\n"},
    {"{\"minutes\":\"24:00\"}", MINUTES},
    {"{\"minutes\":\"4:00\"}", MINUTES},
    {"{\"minutes\":\"04:00:00\"}", MINUTES},
    {"{\"minutes\":240}", MINUTES},
    {"{\"local\":\"2026-02-29\"}", LOCAL},
    {"{\"local\":\"2026-02-28T10:00:00Z\"}", LOCAL},
    {"{\"local\":\"2026-02-28T10\"}", LOCAL},
    {"{\"local\":\"2026-02-28 +08:00\"}", LOCAL},
    {"{\"local\":20260228}", LOCAL},
    {"{\"list\":\"a\"}", "1:2: list: must be a list […], not string\n"},
    {"{\"list\":[\"a\",\n\"\"]}", "2:1: list[1]: must not be empty or hold a NUL\n"},
    {"{\"one_or_list\":[7]}", "1:2: one_or_list[0]: must be a string, not uint\n"},
    {"{\"one_or_list\":{}}", "1:2: one_or_list: must be a string, not object\n"},
    {"{\"members\":[]}", "1:2: members: must be an object {…}, not array\n"},
    {"{\"members\":{\"a\":1,\n\"a\":2}}", "2:1: members.a: is there twice; take one away\n"},
    {"{\"Membrs\":{}}", "1:2: Membrs: unknown key; did you mean \"members\"?\n"},
    {"{\"wrd\":1,\"zzz\":2}", "1:2: wrd: unknown key; did you mean \"word\"?\n"
                              "1:10: zzz: unknown key; known here are word, truth, number, "
                              "minutes, local, list, one_or_list, members\n"},
    {"null", "1:1: must be an object {…}, not null\n"},
};

START_TEST(mistakes)
{
    struct config c;
    struct values v;
    struct fault why = {0};

    ck_assert_int_eq(load(&c, bad[_i].text, &v, &why), -1);
    ck_assert_str_eq(remembered(), bad[_i].mistakes);
    ck_assert_int_eq(why.status, EX_CONFIG);
    config_free(&c);
}
END_TEST

#define COUNT(table) ((int)(sizeof(table) / sizeof *(table)))

static void add_tests(TCase *tc)
{
    tcase_add_test(tc, values);
    tcase_add_loop_test(tc, mistakes, 0, COUNT(bad));
}

UNIT_MAIN("config", add_tests)
