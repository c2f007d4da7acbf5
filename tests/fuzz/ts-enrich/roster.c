/* SPDX-License-Identifier: MIT */
/* Any bytes as a roster: loaded, or refused with a reason and a place; what was loaded can be
 * asked.
 */
#include "roster.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void place(const char *text)
{
    check(strncmp(text, path, strlen(path)) == 0);
}

static void ask(const struct roster *r)
{
    static const char *const ids[] = {"1", "2", "7", "1001", "a"};
    static const struct roster_at at[] = {
        {SLICE_NONE, ROSTER_NO_DAY}, {{"G", 1}, 20000}, {{"G", 1}, 20500}, {{"H", 1}, -1}};

    for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
        for (size_t k = 0; k < sizeof at / sizeof *at; k++) {
            struct person p = {0};

            if (roster_find(r, ROSTER_PERSON, slice_of(ids[i]), at[k], &p) == ROSTER_FOUND)
                check(p.employee.n >= 2 && p.employee.p[0] == '"' && p.line > 0);
            if (roster_find(r, ROSTER_CARD, slice_of(ids[i]), at[k], &p) == ROSTER_FOUND)
                check(p.hr.n == 0 || p.hr.p[p.hr.n - 1] == '}');
        }
}

static void load(bool mapped)
{
    struct names left_out = {.name = {SLICE("name")}, .count = 1};
    struct site *site = site_new();
    struct fault why = {0};
    struct roster *r;

    if (mapped) {
        site->roster_column[ROLE_PERSON][0] = SLICE("PIN");
        site->roster_column[ROLE_CARD][0] = SLICE("Card");
        site->roster_column[ROLE_CARD][1] = SLICE("Card 2");
        site->roster_column[ROLE_EMPLOYEE][0] = SLICE("PIN");
        check(card_rule_parse(&site->roster_card, SLICE("hex reverse 32"), &why) == 0);
    }
    r = roster_load(path, site, &left_out, place, &why);
    if (!r)
        check(why.status == EX_CONFIG && strncmp(why.text, path, strlen(path)) == 0);
    else
        ask(r);
    roster_free(r);
    site_free(site);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    load(false);
    load(true);
    close(fd);
    return 0;
}
