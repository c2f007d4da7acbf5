/* SPDX-License-Identifier: MIT */
/*
 * Sources that are read in turn are opened when the one before has ended; all others at the start.
 * A source that is at its end stays open until its last receipt, so that the checkpoint can still
 * ask it for its place.
 */
#include "reader.h"

#include <errno.h>
#include <stdlib.h>

#include "checkpoint.h"
#include "msg.h"
#include "progress.h"
#include "stop.h"

#define CHECKPOINT_MS 200
#define SAVE_AGAIN_MS 1000 /* longer than that after a save that failed */
#define STOP_WAIT_MS 10000 /* for outstanding receipts, once an end is requested */

enum slot_state { SLOT_NEW, SLOT_OPEN, SLOT_ENDED, SLOT_FAILED };

struct slot {
    const struct source *source;
    const char *operand;
    void *state;
    enum slot_state is;
    enum source_state last;
};

struct reader {
    const struct reader_config *config;
    const struct source_env *env;
    struct slot *slot;
    size_t slots;
    struct pollfd *fds;
    struct reader_result *result;
    struct progress *progress;
    bool unsaved;              /* the last save failed */
    int64_t saved_ms, stop_ms; /* last checkpoint; when the end was requested, or 0 */
};

/* ---- sources ---- */

/* One of several files or devices is told of and left out; any other is needed from the start. */
static int leave_out(struct reader *r, struct slot *slot, const struct fault *why)
{
    if ((!slot->source->in_turn && !slot->source->may_fail) || sink_fault(r->env->sink))
        return -1;
    slot->is = SLOT_FAILED;
    msg_fault(why);
    if (r->result->status == 0)
        r->result->status = why->status;
    return 0;
}

static int open_slot(struct reader *r, size_t i, struct fault *why)
{
    struct slot *slot = &r->slot[i];

    slot->state = slot->source->open(r->env, slot->operand, i, why);
    slot->is = SLOT_OPEN;
    slot->last = SOURCE_MORE;
    return slot->state ? 0 : leave_out(r, slot, why);
}

/* Opens what may be read now: all that is live, and the next of those in turn. */
static int open_due(struct reader *r, struct fault *why)
{
    bool taken = false;

    for (size_t i = 0; i < r->slots; i++) {
        struct slot *slot = &r->slot[i];
        bool mine = !slot->source->in_turn || !taken;

        if (slot->is == SLOT_NEW && mine && !r->stop_ms && open_slot(r, i, why) < 0)
            return -1;
        taken = taken || (slot->source->in_turn && slot->is == SLOT_OPEN);
    }
    return 0;
}

/* Runs each open source once. */
static int run_slots(struct reader *r, struct fault *why)
{
    for (size_t i = 0; i < r->slots; i++) {
        struct slot *slot = &r->slot[i];

        if (slot->is != SLOT_OPEN)
            continue;
        slot->last = slot->source->run(slot->state, why);
        if (slot->last == SOURCE_ERROR && leave_out(r, slot, why) < 0)
            return -1;
        if (slot->last == SOURCE_END)
            slot->is = SLOT_ENDED;
    }
    return 0;
}

/* Whether there is more to do at once. */
static bool is_busy(const struct reader *r)
{
    bool room = sink_room(r->env->sink), in_turn = false, waiting = false;

    for (size_t i = 0; i < r->slots; i++) {
        const struct slot *slot = &r->slot[i];

        if (slot->is == SLOT_OPEN &&
            (slot->last == SOURCE_MORE || (slot->last == SOURCE_FULL && room)))
            return true;
        in_turn = in_turn || (slot->is == SLOT_OPEN && slot->source->in_turn);
        waiting = waiting || slot->is == SLOT_NEW;
    }
    return waiting && !in_turn && !r->stop_ms;
}

static bool all_done(const struct reader *r)
{
    for (size_t i = 0; i < r->slots; i++)
        if (r->slot[i].is == SLOT_OPEN || (r->slot[i].is == SLOT_NEW && !r->stop_ms))
            return false;
    return true;
}

static void stop_slots(struct reader *r)
{
    r->stop_ms = monotonic_ms();
    for (size_t i = 0; i < r->slots; i++)
        if (r->slot[i].is == SLOT_OPEN)
            r->slot[i].source->stop(r->slot[i].state);
}

/* ---- the way back ---- */

/* Tells the sources what became of their events.  1 when one was told, 0, -1. */
static int tell_sources(struct reader *r, struct fault *why)
{
    struct track *t;
    int any = 0, rc;

    while ((rc = sink_news(r->env->sink, &t)) > 0) {
        const struct slot *slot = &r->slot[t->source];

        if (slot->state && slot->source->commit && !t->left)
            slot->source->commit(slot->state, t->token, track_verdict(t));
        track_drop(t);
        any = 1;
    }
    if (rc < 0)
        *why = *sink_fault(r->env->sink);
    return rc < 0 ? -1 : any;
}

static int save(struct reader *r, bool now, struct fault *why)
{
    struct checkpoint *c = r->env->checkpoint;

    if (!c || (!now && monotonic_ms() - r->saved_ms < CHECKPOINT_MS))
        return 0;
    r->saved_ms = monotonic_ms();
    if (checkpoint_save(c, why) == 0) {
        if (r->unsaved)
            msg_warn("the checkpoint can be written again");
        r->unsaved = false;
        return 0;
    }
    if (!r->env->follow || now)
        return -1;
    /* The old one stays: whoever begins there reads some events again, which is known by their id.
     */
    if (!r->unsaved)
        msg_warn("%s; trying again until it works", why->text);
    r->unsaved = true;
    r->saved_ms += SAVE_AGAIN_MS;
    return 0;
}

/* ---- the loop ---- */

static void wait_for(struct reader *r, bool busy)
{
    struct sink *sink = r->env->sink;
    bool room = sink_room(sink);
    int timeout_ms = busy ? 0 : -1;
    nfds_t n = sink_poll(sink, r->fds, &timeout_ms);

    for (size_t i = 0; i < r->slots; i++)
        if (r->slot[i].is == SLOT_OPEN)
            n += r->slot[i].source->poll(r->slot[i].state, room, r->fds + n, &timeout_ms);
    if ((r->env->checkpoint || r->stop_ms) && (timeout_ms < 0 || timeout_ms > CHECKPOINT_MS))
        timeout_ms = CHECKPOINT_MS;
    progress_wait(r->progress, &timeout_ms);
    stop_wait(r->fds, n, timeout_ms, r->stop_ms != 0);
    if (!stop_reload())
        return;
    sink_reload(sink);
    for (size_t i = 0; i < r->slots; i++)
        if (r->slot[i].is == SLOT_OPEN && r->slot[i].source->reload)
            r->slot[i].source->reload(r->slot[i].state);
}

static void show_progress(struct reader *r, bool last)
{
    struct source_progress p = {0};

    if (!r->progress || (!last && !progress_due(r->progress)))
        return;
    for (size_t i = 0; i < r->slots; i++)
        if (r->slot[i].state && r->slot[i].source->progress)
            r->slot[i].source->progress(r->slot[i].state, &p);
    progress_show(r->progress, p.done, p.total, pump_events(r->env->pump));
}

static int sink_failed(const struct reader *r, struct fault *why)
{
    *why = *sink_fault(r->env->sink);
    return -1;
}

/* An orderly end: asked for, or because nothing that is read could go anywhere. */
static void look_for_end(struct reader *r)
{
    bool over = sink_over(r->env->sink) && !all_done(r);

    if (r->stop_ms || (!over && !stop_requested()))
        return;
    r->result->cut_short = over;
    stop_slots(r);
}

/* One turn; 1 go on, 0 all is done, -1. */
static int turn(struct reader *r, struct fault *why)
{
    struct sink *sink = r->env->sink;
    bool receipts = sink_receipts(sink), busy;
    int news = 0, told;

    look_for_end(r);
    if (open_due(r, why) < 0 || run_slots(r, why) < 0)
        return -1;
    if (all_done(r))
        sink_finish(sink);
    if (receipts && (news = sink_run(sink)) < 0)
        return sink_failed(r, why);
    if ((told = tell_sources(r, why)) < 0 || save(r, false, why) < 0)
        return -1;
    show_progress(r, false);
    if (all_done(r) && (!receipts || sink_pending(sink) == 0))
        return 0;
    if (r->stop_ms && monotonic_ms() - r->stop_ms > STOP_WAIT_MS)
        return 0;
    busy = news || told || is_busy(r);
    if (busy && !receipts)
        return 1;
    if (!busy && (sink_flush(sink) < 0 || (!receipts && sink_run(sink) < 0)))
        return sink_failed(r, why);
    wait_for(r, busy);
    return 1;
}

static int prepare(struct reader *r, struct fault *why)
{
    r->slots = r->config->operands;
    r->slot = mem_alloc(r->slots * sizeof *r->slot);
    r->fds = mem_alloc((SINK_FDS + r->slots * SOURCE_FDS) * sizeof *r->fds);
    memset(r->slot, 0, r->slots * sizeof *r->slot);
    for (size_t i = 0; i < r->slots; i++) {
        r->slot[i].operand = r->config->operand[i];
        r->slot[i].source = source_find(r->env, r->slot[i].operand, why);
        if (!r->slot[i].source)
            return -1;
        if (r->env->checkpoint && !r->slot[i].source->checkpoint)
            return fault_set(why, EX_USAGE, "%s: has no place that --checkpoint could remember",
                r->slot[i].operand);
    }
    r->progress = r->config->progress ? progress_new() : NULL;
    return 0;
}

int reader_run(const struct reader_config *config, struct reader_result *result, struct fault *why)
{
    struct reader r = {.config = config, .env = config->env, .result = result};
    struct sink *sink = config->env->sink;
    int rc = prepare(&r, why);

    *result = (struct reader_result){0};
    if (rc == 0)
        while ((rc = turn(&r, why)) > 0)
            ;
    if (rc == 0 && (sink_flush(sink) < 0 || tell_sources(&r, why) < 0))
        rc = sink_failed(&r, why);
    if (rc == 0)
        rc = save(&r, true, why);
    result->unstored = sink_unstored(sink);
    show_progress(&r, true);
    progress_end(r.progress);
    for (size_t i = 0; i < r.slots && r.slot; i++)
        if (r.slot[i].state)
            r.slot[i].source->close(r.slot[i].state);
    free(r.slot);
    free(r.fds);
    return rc;
}
