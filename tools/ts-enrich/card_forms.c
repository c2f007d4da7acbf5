/* SPDX-License-Identifier: MIT */
/* Trying out card rules. */
#include "card_forms.h"

#include "json.h"

#define FORMS_MAX 64

const char *card_form(size_t i)
{
    static const char *const forms[] = {
        "dec",
        "last 32",
        "last 24",
        "last 16",
        "hex",
        "hex last 32",
        "hex last 24",
        "hex last 16",
        "reverse 32",
        "reverse 32 last 24",
        "reverse 24",
        "hex reverse 32",
        "hex reverse 32 last 24",
        "hex reverse 24",
        "hex reverse 56",
        "hex reverse 56 last 32",
        "hex drop 24",
        "hex drop 32",
        "pair",
        "pair last 16",
        "pair 19",
        "pair 20",
        "pair 24",
        "glued",
        "mirror last 32",
        "mirror last 24",
        "twos mirror last 32",
        "h10301",
        "hex h10301",
        "hex drop 6 h10301",
        "hex last 26 h10301",
        "bin h10301",
        "h10306",
        "hex h10306",
        "bin h10306",
        "hex c1k35s",
        "hex h10302",
        "bin h10302",
    };

    return i < sizeof forms / sizeof *forms ? forms[i] : NULL;
}

static void print_line(struct slice number, const char *rule, const char *made,
    const struct person *person, struct buf *out)
{
    buf_lit(out, "{\"card\":");
    json_str(out, number);
    buf_printf(out, ",\"rule\":\"%s\",\"card_no\":\"%s\"", rule, made);
    if (person->line > 0)
        buf_printf(out, ",\"line\":%u", person->line);
    buf_lit(out, "}\n");
}

/* Whether a rule before made the same. */
static bool is_repeat(const char made[][CARD_TEXT], size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(made[i], made[count]) == 0)
            return true;
    return false;
}

void card_forms_print(
    struct slice number, const struct roster *roster, int32_t day, struct buf *out)
{
    char made[FORMS_MAX][CARD_TEXT];
    size_t count = 0;

    for (size_t i = 0; count < FORMS_MAX && card_form(i); i++) {
        struct person person = {0};
        struct card_rule rule;
        struct fault why;
        size_t n;

        if (card_rule_parse(&rule, slice_of(card_form(i)), &why) < 0)
            continue;
        n = card_apply(&rule, number, made[count]);
        if (n == 0)
            continue;
        if (roster)
            roster_find(roster, ROSTER_CARD, (struct slice){made[count], n},
                (struct roster_at){SLICE_NONE, day}, &person);
        if (person.line == 0 && is_repeat((const char(*)[CARD_TEXT])made, count))
            continue;
        print_line(number, card_form(i), made[count], &person, out);
        count++;
    }
}
