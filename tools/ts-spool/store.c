/* SPDX-License-Identifier: MIT */
/* From the name of a store to its engine. */
#include "store.h"

#include <string.h>

static const char *const names[STATES] = {
    [STATE_WAITING] = "waiting",
    [STATE_HELD] = "held",
    [STATE_DEAD] = "dead",
    [STATE_SKIPPED] = "skipped",
    [STATE_DELIVERED] = "delivered",
};

const char *state_name(enum state state)
{
    return names[state];
}

static struct store *open_shared(const char *url, enum store_use use, struct fault *why)
{
#ifdef TS_POSTGRESQL
    return engine_postgresql.open(url, use, why);
#else
    (void)use;
    /* The rest of the URL may hold a password. */
    fault_set(why, EX_CONFIG, "%.*s…: PostgreSQL stores are not built in",
        (int)(strstr(url, "//") + 2 - url), url);
    return NULL;
#endif
}

struct store *store_open(const char *name, enum store_use use, struct fault *why)
{
    static const char *const urls[] = {"postgresql://", "postgres://"};

    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++)
        if (strncmp(name, urls[i], strlen(urls[i])) == 0)
            return open_shared(name, use, why);
    if (!*name) {
        fault_set(why, EX_USAGE, "the name of the store is empty");
        return NULL;
    }
    return engine_sqlite.open(name, use, why);
}

void store_close(struct store *s)
{
    if (s)
        s->engine->close(s);
}

void store_limit(struct store *s, int64_t bytes)
{
    s->engine->limit(s, bytes);
}

int store_put(
    struct store *s, struct record *records, size_t count, int64_t now_ms, struct fault *why)
{
    return s->engine->put(s, records, count, now_ms, why);
}

int store_drain_begin(struct store *s, int64_t now_ms, struct fault *why)
{
    return s->engine->drain_begin(s, now_ms, why);
}

int store_exchange(struct store *s, struct exchange *x, struct fault *why)
{
    return s->engine->exchange(s, x, why);
}

int store_drain_end(struct store *s, bool *left, struct fault *why)
{
    return s->engine->drain_end(s, left, why);
}

int store_wake_held(struct store *s, int64_t now_ms, struct fault *why)
{
    return s->engine->wake_held(s, now_ms, why);
}

int store_watch(struct store *s)
{
    return s->engine->watch(s);
}

void store_heard(struct store *s)
{
    s->engine->heard(s);
}

int64_t store_backoff_ms(unsigned attempts)
{
    const unsigned steps = 8; /* 1 s, 2 s, … 256 s */

    return 1000ll << (attempts < steps ? attempts : steps);
}

int store_stat(struct store *s, struct store_stat *stat, struct fault *why)
{
    return s->engine->stat(s, stat, why);
}

int store_page(struct store *s, struct page *page, struct fault *why)
{
    return s->engine->page(s, page, why);
}

int store_find(struct store *s, struct found *found, size_t count, struct fault *why)
{
    return s->engine->find(s, found, count, why);
}

int store_change(struct store *s, struct action *action, const uint64_t *seq, size_t count,
    int64_t now_ms, struct fault *why)
{
    return s->engine->change(s, action, seq, count, now_ms, why);
}

int store_audit(struct store *s, const struct audit *audit, struct fault *why)
{
    return s->engine->audit(s, audit, why);
}

int store_devices(struct store *s, int (*row)(void *arg, const struct device_seen *device),
    void *arg, struct fault *why)
{
    return s->engine->devices(s, row, arg, why);
}

int store_actions(struct store *s, int64_t after,
    int (*row)(void *arg, const struct action_row *action), void *arg, struct fault *why)
{
    return s->engine->actions(s, after, row, arg, why);
}

int store_backup(struct store *s, const char *to, struct fault *why)
{
    return s->engine->backup(s, to, why);
}

int store_note_get(struct store *s, const char *key, int64_t *value, struct fault *why)
{
    return s->engine->note_get(s, key, value, why);
}

int store_note_set(struct store *s, const char *key, int64_t value, struct fault *why)
{
    return s->engine->note_set(s, key, value, why);
}
