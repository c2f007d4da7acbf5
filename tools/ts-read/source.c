/* SPDX-License-Identifier: MIT */
/* The table of sources. */
#include "source.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "checkpoint.h"

#define HEAD_BYTES (64u << 10) /* of a file, for its format and header */

extern const struct source source_dahua;
extern const struct source source_dahua_listen;
extern const struct source source_file;
extern const struct source source_follow;
extern const struct source source_hikvision;
extern const struct source source_http;
extern const struct source source_tcp;
extern const struct source source_zk;

/* One line a source, sorted by name; add new ones here. */
const struct source *const sources[] = {
    &source_dahua,
    &source_dahua_listen,
    &source_file,
    &source_follow,
    &source_hikvision,
    &source_http,
    &source_tcp,
    &source_zk,
    NULL,
};

const struct source *source_find(
    const struct source_env *env, const char *operand, struct fault *why)
{
    for (size_t i = 0; sources[i]; i++)
        if (sources[i]->takes(env, operand))
            return sources[i];
    if (env->listen)
        fault_set(why, EX_USAGE,
            "%s: cannot be listened to: -l takes tcp://:PORT, http://:PORT or "
            "dahua://:PORT",
            operand);
    else
        fault_set(why, EX_USAGE, "%s: no such kind of source; see ts-read --help", operand);
    return NULL;
}

bool source_option(
    const struct source_env *env, char *const *operand, size_t operands, struct slice key)
{
    for (size_t n = 0; n < operands; n++)
        for (size_t i = 0; sources[i]; i++)
            if (sources[i]->option && sources[i]->takes(env, operand[n]) && sources[i]->option(key))
                return true;
    return false;
}

bool source_scheme(const char *operand, const char *scheme, const char **rest)
{
    size_t n = strlen(scheme);

    if (strncmp(operand, scheme, n) != 0 || strncmp(operand + n, "://", 3) != 0)
        return false;
    if (rest)
        *rest = operand + n + 3;
    return true;
}

void source_names(const char *path, char *name, char *stem, size_t room)
{
    const char *slash = strrchr(path, '/');
    char *dot;

    snprintf(name, room, "%s", slash && slash[1] ? slash + 1 : path);
    snprintf(stem, room, "%s", name);
    dot = strrchr(stem, '.');
    if (dot && dot > stem)
        *dot = '\0';
}

enum source_state source_state(enum stream_state state)
{
    switch (state) {
    case STREAM_ERROR:
        return SOURCE_ERROR;
    case STREAM_FULL:
        return SOURCE_FULL;
    case STREAM_END:
        return SOURCE_END;
    default:
        return SOURCE_MORE;
    }
}

int source_resume(
    int fd, const char *name, struct stream *stream, const struct place *place, struct fault *why)
{
    char *head = mem_alloc(HEAD_BYTES);
    ssize_t n = pread(fd, head, HEAD_BYTES, 0);
    int rc = -1;

    if (n < 0 || lseek(fd, (off_t)place->offset, SEEK_SET) < 0)
        fault_errno(why, EX_IOERR, "%s: cannot go on in its middle", name);
    else
        rc = stream_resume(stream, (struct slice){head, (size_t)n}, place, why);
    free(head);
    return rc;
}

void source_commit_place(
    const struct source_env *env, const char *operand, const struct track *newest)
{
    struct place place;

    if (env->checkpoint && sink_settled(env->sink, newest, &place))
        checkpoint_set(env->checkpoint, operand, &place);
}
