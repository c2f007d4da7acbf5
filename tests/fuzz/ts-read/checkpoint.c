/* SPDX-License-Identifier: MIT */
/* Any bytes as a checkpoint file: refused with a reason, or read; what was read is found again. */
#include "checkpoint.h"

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

static void load(void)
{
    struct fault why = {0};
    struct checkpoint *c = checkpoint_open(path, &why);

    if (!c)
        check(why.status == EX_CONFIG && why.text[0]);
    else
        (void)checkpoint_find(c, "a.log");
    checkpoint_free(c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char folder[] = "/tmp/ts-fuzz-XXXXXX";
    FILE *file;

    if (!path[0]) {
        check(mkdtemp(folder) != NULL);
        snprintf(path, sizeof path, "%s/c", folder);
    }
    file = fopen(path, "wb");
    check(file && fwrite(data, 1, size, file) == size && fclose(file) == 0);
    load();
    unlink(path); /* the folder stays: one a process, empty */
    return 0;
}
