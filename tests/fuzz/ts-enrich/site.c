/* SPDX-License-Identifier: MIT */
/* Any bytes as a site file: loaded, or refused with a reason; never a crash, never a mistake or a
   remark without a place, nothing in a summary that a terminal would obey. */
#include "site_check.h"

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

/* What --check-config says of a good one. */
static void look_at(const struct site *site)
{
    struct settings settings = {0};
    struct check asked = {.config = "site.json", .settings = &settings};
    struct buf out = {0};
    size_t lines = 0;

    check_remarks(&asked, site);
    check_print(&asked, site, &out);
    for (size_t i = 0; i < out.len; i++) {
        check((unsigned char)out.data[i] >= ' ' || out.data[i] == '\n');
        lines += out.data[i] == '\n';
    }
    check(lines == site->device_count + 1);
    buf_free(&out);
}

static void load_site(void)
{
    struct fault why = {0};
    unsigned mistakes;
    struct site *site = site_try(path, count, &mistakes, &why);

    check(reports == mistakes);
    if (!site || mistakes > 0) {
        check(why.status == EX_CONFIG && strncmp(why.text, path, strlen(path)) == 0);
    } else {
        for (size_t i = 0; i < site->device_count; i++)
            check(site_find(site, site->devices[i].name) == &site->devices[i]);
        look_at(site);
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
