/* SPDX-License-Identifier: MIT */
/* Any bytes as a site file: loaded, or refused with a reason; never a crash, never a mistake
   without a place. */
#include "site.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    reports = 0;
    load_site();
    close(fd);
    return 0;
}
