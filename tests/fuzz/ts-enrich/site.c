/* SPDX-License-Identifier: MIT */
/* Any bytes as a site file and as a roster: loaded, or refused with a reason; never a crash, never
   a mistake without a place. */
#include "site.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "roster.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static char path[64];
static unsigned reports;

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void count(const char *text)
{
    check(strncmp(text, path, strlen(path)) == 0);
    reports++;
}

static void load_site(void)
{
    struct fault why = {0};
    struct site *site = site_load(path, count, &why);

    if (!site) {
        check(why.status == EX_CONFIG && strncmp(why.text, path, strlen(path)) == 0);
    } else {
        check(reports == 0);
        for (size_t i = 0; i < site->device_count; i++)
            check(site_find(site, site->devices[i].name) == &site->devices[i]);
    }
    site_free(site);
}

static void load_roster(void)
{
    struct names left_out = {.name = {SLICE("name")}, .count = 1};
    struct fault why = {0};
    struct person person;
    struct roster *roster = roster_load(path, &left_out, count, &why);

    if (!roster)
        check(why.status == EX_CONFIG && strncmp(why.text, path, strlen(path)) == 0);
    else
        roster_find(roster, ROSTER_PERSON, SLICE("1"), &person);
    roster_free(roster);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    reports = 0;
    load_site();
    load_roster();
    close(fd);
    return 0;
}
