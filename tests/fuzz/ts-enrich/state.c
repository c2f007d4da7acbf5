/* SPDX-License-Identifier: MIT */
/*
 * Any bytes as a state file: it is refused, or works.  The first byte says whether they are the
 * whole file, or trails behind a good header; the rest of it seeds the passages that follow.
 */
#include "state.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "memo.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TRAILS_MAX 16
#define COUNT_AT 56
#define MEMOS_AT 4096
#define TRAILS_AT (4096 + MEMOS * sizeof(struct memo))

static char path[64];

static void check(bool fine)
{
    if (!fine)
        abort();
}

static void gone(void)
{
    unlink(path);
}

static struct state *open_state(void)
{
    struct fault why;
    size_t forgot;

    return state_open(path, NULL, &forgot, &why);
}

/* A good header, and the bytes as memos and as trails behind it. */
static void write_trails(const uint8_t *data, size_t size)
{
    uint64_t trails = size / sizeof(struct trail);
    int fd;

    state_free(open_state());
    fd = open(path, O_RDWR);
    check(fd >= 0 && pwrite(fd, &trails, sizeof trails, COUNT_AT) == sizeof trails &&
          pwrite(fd, data, size, TRAILS_AT) == (ssize_t)size &&
          pwrite(fd, data, size, MEMOS_AT) == (ssize_t)size);
    close(fd);
}

static void write_all(const uint8_t *data, size_t size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

    check(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

/* Passages of the owners that the file has, and of as many new ones. */
static void use(struct state *s, unsigned seed)
{
    struct passage_answer first, again;
    struct fault why;

    srandom(seed);
    for (uint32_t i = 0; i < 2 * TRAILS_MAX; i++) {
        struct trail *t = state_at(s, i);
        struct passage p = {.window_s = 60, .alternate = true, .ghost = i & 1};

        check(state_room(s, 1, &why) == 0);
        if (!t || !t->key)
            t = state_trail(s, i + 1, 0);
        p.mark.time_s = t->mark[i % TRAIL_SLOTS].time_s + (uint32_t)random() % 100;
        p.mark.place = t->mark[i % TRAIL_SLOTS].place;
        for (int k = 0; k < 16; k++)
            p.mark.id[k] = (unsigned char)random();
        state_pass(s, t, &p, &first);
        state_pass(s, t, &p, &again);
        check(first.repeat == again.repeat && first.way == again.way);
        trail_cancel(t, p.mark.id, p.mark.time_s + 3);
        trail_note(t, &p.mark);
        trail_find(t, 0, p.mark.time_s, 10);
        check(state_find(s, t->key) != NULL);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct state *s;
    unsigned seed;

    if (size < 1 || size > TRAILS_MAX * sizeof(struct trail))
        return 0;
    if (!path[0]) {
        snprintf(path, sizeof path, "/tmp/ts-fuzz-state.%d", (int)getpid());
        atexit(gone);
    }
    gone();
    seed = data[0];
    if (seed & 1)
        write_all(data + 1, size - 1);
    else
        write_trails(data + 1, size - 1);
    s = open_state();
    check(s || seed & 1);
    if (s)
        use(s, seed);
    state_free(s);
    s = open_state();
    check(s || seed & 1);
    state_free(s);
    return 0;
}
