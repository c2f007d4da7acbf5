/* SPDX-License-Identifier: MIT */
/*
 * Replays a fuzz target without libFuzzer: the empty input first, then each file named on the
 * command line, or each file directly inside a folder named there. TAP on stdout, one test an
 * input. A crash ends the program before its plan; the "# input" line says which input it was.
 */
#include <dirent.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv) __attribute__((weak));

static unsigned replayed;
static unsigned failed;

static void report(int good, const char *name)
{
    replayed++;
    failed += !good;
    printf("%sok %u - %s\n", good ? "" : "not ", replayed, name);
}

/* Copied to its exact size, so that a sanitizer sees a read of one byte too many. */
static void replay_bytes(const uint8_t *data, size_t size, const char *name)
{
    uint8_t *exact = malloc(size > 0 ? size : 1);
    if (exact == NULL)
        abort();
    if (size > 0)
        memcpy(exact, data, size);
    printf("# input %s\n", name);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    report(1, name);
}

static void replay_file(const char *path)
{
    uint8_t *data = NULL;
    size_t size = 0;
    FILE *in = fopen(path, "rb");
    struct stat st;
    if (in == NULL || fstat(fileno(in), &st) != 0)
        goto out;
    data = malloc((size_t)st.st_size + 1);
    if (data == NULL)
        goto out;
    size = fread(data, 1, (size_t)st.st_size, in);
out:
    if (in == NULL || data == NULL || ferror(in))
        report(0, path);
    else
        replay_bytes(data, size, path);
    if (in != NULL)
        fclose(in);
    free(data);
}

static int visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

static void replay_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISDIR(st.st_mode)) {
        replay_file(path);
        return;
    }
    struct dirent **entries = NULL;
    int count = scandir(path, &entries, visible, alphasort);
    if (count < 0)
        report(0, path);
    for (int i = 0; i < count; i++) {
        char inner[PATH_MAX];
        snprintf(inner, sizeof inner, "%s/%s", path, entries[i]->d_name);
        replay_file(inner);
        free(entries[i]);
    }
    free(entries);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (LLVMFuzzerInitialize != NULL)
        LLVMFuzzerInitialize(&argc, &argv);
    replay_bytes((const uint8_t *)"", 0, "empty input");
    for (int i = 1; i < argc; i++)
        replay_path(argv[i]);
    printf("1..%u\n", replayed);
    return failed == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
