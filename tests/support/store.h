/* SPDX-License-Identifier: MIT */
/*
 * An empty store for each test.  Without TS_STORE_URL it is a SQLite file in a fresh folder; with
 * it, the store of that name, made empty by the shell command in TS_STORE_EMPTY.
 */
#ifndef TS_TEST_STORE_H
#define TS_TEST_STORE_H

#include <check.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

static char store_folder[64], store_name[512];

/* A fresh folder, in memory where there is such a file system and it has room. */
static inline void store_make_folder(void)
{
    struct statvfs disk;
    bool memory = access("/dev/shm", W_OK) == 0 && statvfs("/dev/shm", &disk) == 0 &&
                  disk.f_bavail * disk.f_frsize >= 1u << 30;

    snprintf(store_folder, sizeof store_folder, "%s/ts-store.XXXXXX", memory ? "/dev/shm" : "/tmp");
    ck_assert_ptr_nonnull(mkdtemp(store_folder));
}

static inline void store_make_empty(void)
{
    const char *url = getenv("TS_STORE_URL"), *command = getenv("TS_STORE_EMPTY");

    if (!url) {
        store_make_folder();
        snprintf(store_name, sizeof store_name, "%s/q.db", store_folder);
        return;
    }
    ck_assert_msg(command != NULL, "TS_STORE_EMPTY is not set");
    ck_assert_msg(system(command) == 0, "TS_STORE_EMPTY failed");
    snprintf(store_name, sizeof store_name, "%s", url);
}

/* Removes the folder and the files in it. */
static inline void store_remove(void)
{
    DIR *dir = store_folder[0] ? opendir(store_folder) : NULL;
    struct dirent *entry;
    char name[512];

    while (dir && (entry = readdir(dir))) {
        snprintf(name, sizeof name, "%s/%s", store_folder, entry->d_name);
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 && unlink(name) < 0)
            rmdir(name);
    }
    if (dir)
        closedir(dir);
    if (store_folder[0])
        rmdir(store_folder);
    store_folder[0] = '\0';
}

#endif
