/* SPDX-License-Identifier: MIT */
/* "12.4 MB of 38.1 MB, 33 %, 329000 rows, 1310000 rows/s, 1 s left" */
#include "progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "buf.h"
#include "stop.h"

#define EVERY_MS 250

struct progress {
    int64_t started_ms, next_ms;
    uint64_t done, total, events;
    struct buf line;
};

struct progress *progress_new(void)
{
    struct progress *p = mem_alloc(sizeof *p);

    *p = (struct progress){.started_ms = monotonic_ms()};
    p->next_ms = p->started_ms + EVERY_MS;
    return p;
}

void progress_wait(const struct progress *p, int *timeout_ms)
{
    int64_t to_ms = p ? p->next_ms - monotonic_ms() : 0;

    if (p && (*timeout_ms < 0 || to_ms < *timeout_ms))
        *timeout_ms = to_ms < 0 ? 0 : (int)to_ms;
}

bool progress_due(const struct progress *p)
{
    return p && monotonic_ms() >= p->next_ms;
}

static void print_line(struct progress *p)
{
    double took_s = (double)(monotonic_ms() - p->started_ms) / 1000;
    double rate = took_s > 0 ? (double)p->events / took_s : 0;

    p->line.len = 0;
    buf_printf(&p->line, "\r%.1f MB", (double)p->done / 1e6);
    if (p->total > 0 && p->done <= p->total)
        buf_printf(&p->line, " of %.1f MB, %.0f %%", (double)p->total / 1e6,
            100.0 * (double)p->done / (double)p->total);
    buf_printf(&p->line, ", %llu rows, %.0f rows/s", (unsigned long long)p->events, rate);
    if (p->done > 0 && p->done < p->total)
        buf_printf(
            &p->line, ", %.0f s left", took_s * (double)(p->total - p->done) / (double)p->done);
    buf_lit(&p->line, "\033[K");
    if (write(STDERR_FILENO, p->line.data, p->line.len) < 0)
        p->next_ms = INT64_MAX; /* nobody looks any more */
}

void progress_show(struct progress *p, uint64_t done, uint64_t total, uint64_t events)
{
    p->done = done;
    p->total = total;
    p->events = events;
    p->next_ms = monotonic_ms() + EVERY_MS;
    print_line(p);
}

void progress_end(struct progress *p)
{
    if (!p)
        return;
    print_line(p);
    if (write(STDERR_FILENO, "\n", 1) < 0)
        p->done = 0;
    buf_free(&p->line);
    free(p);
}
