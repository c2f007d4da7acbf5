/* SPDX-License-Identifier: MIT */
/* A wrong password is told to the device once in the life of the program: five lock the account. */
#include "pull.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "checkpoint.h"
#include "msg.h"
#include "stop.h"
#include "tally.h"

#define ANSWER_MS 30000
#define ANSWER_BYTES (4u << 20)
#define STREAM_BYTES (256u << 10)
#define SILENCE_MS 60000 /* heartbeats come every 5 to 30 s */
#define BUSY_MS 120000   /* for a device that still holds the place of a dead connection */
#define SWEEP_MS 600000  /* how long a stream is believed that says it lives */
#define MUTE 2           /* sweeps that tell a stream without events */
#define BACKOFF_FIRST_MS 1000
#define BACKOFF_LAST_MS 60000
#define WORDS 200

/* ---- options ---- */

bool pull_option(struct slice key)
{
    static const char *const keys[] = {"user", "silence", "busy", "sweep"};

    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (slice_is(key, keys[i]))
            return true;
    return false;
}

/* -o KEY=SECONDS */
static int read_seconds(struct pull *p, const char *key, int64_t *ms, struct fault *why)
{
    struct slice text = format_option(&p->env->options, key);
    int64_t seconds = 0;

    if (!text.p)
        return 0;
    for (size_t i = 0; i < text.n && seconds >= 0; i++)
        seconds =
            text.p[i] < '0' || text.p[i] > '9' || i > 5 ? -1 : seconds * 10 + (text.p[i] - '0');
    if (seconds <= 0)
        return fault_set(
            why, EX_USAGE, "-o %s=%.*s: must be a number of seconds", key, (int)text.n, text.p);
    *ms = seconds * 1000;
    return 0;
}

int pull_begin(struct pull *p, const struct source_env *env, const char *operand, size_t number,
    const char *scheme, struct fault *why)
{
    *p = (struct pull){.env = env,
        .operand = operand,
        .backoff_ms = BACKOFF_FIRST_MS,
        .silence_ms = SILENCE_MS,
        .busy_ms = BUSY_MS,
        .sweep_ms = SWEEP_MS,
        .said_back = -1,
        .how = {.whole_ms = ANSWER_MS, .limit = ANSWER_BYTES},
        .seen = LOG_SEEN_NONE,
        .units = {.env = env,
            .operand = operand,
            .number = number,
            .format = format_find(slice_of(scheme))}};
    return read_seconds(p, "silence", &p->silence_ms, why) == 0 &&
                   read_seconds(p, "busy", &p->busy_ms, why) == 0 &&
                   read_seconds(p, "sweep", &p->sweep_ms, why) == 0
               ? 0
               : -1;
}

int pull_open(struct pull *p, const struct source_env *env, const char *operand, size_t number,
    const char *scheme, struct fault *why)
{
    struct slice user = format_option(&env->options, "user");
    char *name = user.p ? mem_text(user) : NULL;
    struct web_config config = {.operand = operand,
        .tls = !source_scheme(operand, scheme, NULL),
        .user = name,
        .password_file = env->password_file,
        .security = {.ca = env->ca, .pin = env->pin, .insecure = env->insecure}};

    if (pull_begin(p, env, operand, number, scheme, why) == 0)
        p->web = web_open(&config, why);
    free(name);
    if (p->web)
        p->units.origin = p->units.device = web_host(p->web);
    return p->web ? 0 : -1;
}

void pull_close(struct pull *p)
{
    pull_hang_up(p);
    units_free(&p->units);
    web_close(p->web);
}

/* ---- asking ---- */

void pull_ask(struct pull *p, const char *path, struct slice body)
{
    struct web_request request = p->how;

    request.path = path;
    request.body = body;
    request.type = body.n > 0 ? "application/json" : NULL;
    web_end(p->call);
    p->call = web_begin(p->web, &request);
}

void pull_listen(struct pull *p, const char *path)
{
    struct web_request request = {.path = path, .silence_ms = p->silence_ms, .limit = STREAM_BYTES};

    web_end(p->call);
    web_end(p->stream);
    p->call = NULL;
    p->stream = web_begin(p->web, &request);
}

void pull_hang_up(struct pull *p)
{
    web_end(p->call);
    web_end(p->stream);
    p->call = p->stream = NULL;
}

/* Some firmware ends every stream after less than a minute: that is said once, and costs no more
   than the first step of the backoff. */
static bool is_steady(const struct pull *p)
{
    return p->live_ms && monotonic_ms() - p->live_ms > p->silence_ms / 2;
}

/* What is to be waited after a failure; says what failed, once until it works. */
static int64_t back_off(struct pull *p, const char *what)
{
    bool steady = is_steady(p);
    int64_t wait_ms = p->backoff_ms;

    if (steady)
        wait_ms = p->backoff_ms = BACKOFF_FIRST_MS;
    else
        p->backoff_ms = p->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : p->backoff_ms * 2;
    if (steady && p->said_end)
        return wait_ms;
    if (!p->down)
        msg_warn("%s: %s: %s", p->operand, what,
            p->how.line ? "waiting for it to register again" : "trying again until it works");
    p->said_end = p->said_end || steady;
    p->down = true;
    return wait_ms;
}

int pull_again(struct pull *p, int64_t wait_ms, const char *what, struct fault *why)
{
    uint32_t random = 0;

    if (!p->env->follow) {
        fault_set(why, EX_UNAVAILABLE, "%s: %s", p->operand, what);
        pull_hang_up(p);
        return -1;
    }
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) < 0)
        random = (uint32_t)monotonic_ms();
    if (wait_ms == 0) {
        wait_ms = back_off(p, what) / 2;
        wait_ms += random % (wait_ms + 1);
    } else {
        wait_ms += random % (wait_ms / 8 + 1);
    }
    p->live_ms = 0;
    p->resume_ms = monotonic_ms() + wait_ms;
    pull_hang_up(p); /* last: `what` may be the call's */
    return 0;
}

void pull_answers(struct pull *p)
{
    if (p->down)
        msg_warn("%s: answers again", p->operand);
    p->down = false;
}

static int refused(
    struct pull *p, const struct pull_words *w, const struct web_call *call, struct fault *why)
{
    char words[WORDS] = "refuses the user or the password";

    if (!p->env->password_file)
        return fault_set(
            why, EX_NOPERM, "%s: wants a user and a password: give --password-file", p->operand);
    if (web_basic(call))
        return fault_set(why, EX_NOPERM,
            "%s: asks for the password in the clear (Basic), which is sent over TLS only",
            p->operand);
    if (w->refusal)
        w->refusal(web_bytes(call), words, sizeof words);
    return fault_set(why, EX_NOPERM, "%s: %s; not trying again", p->operand, words);
}

int pull_answer(struct pull *p, const struct pull_words *w, struct fault *why)
{
    char words[WORDS], what[WORDS + 32];
    unsigned status;

    if (web_state(p->call) < WEB_DONE)
        return 0;
    if (web_state(p->call) == WEB_FAILED)
        return pull_again(p, 0, web_error(p->call), why);
    status = web_status(p->call);
    if (status == 401)
        return refused(p, w, p->call, why);
    if (status >= 300 && status < 400)
        return pull_again(p, 0, "sends us elsewhere, where we do not go: does it want TLS?", why);
    if (status < 500)
        return 1;
    snprintf(what, sizeof what, "answers %u", status);
    if (w->words && w->words(web_bytes(p->call), words, sizeof words))
        snprintf(what, sizeof what, "answers %u: %s", status, words);
    return pull_again(p, 0, what, why);
}

int pull_heard(struct pull *p, const struct pull_words *w, struct fault *why)
{
    if (web_state(p->stream) == WEB_ASKING)
        return 0;
    if (web_state(p->stream) == WEB_FAILED)
        return pull_again(p, 0, web_error(p->stream), why);
    return web_status(p->stream) == 401 ? refused(p, w, p->stream, why) : 1;
}

/* ---- the log ---- */

static void other_device(struct pull *p, const char *name, const char *before)
{
    msg_warn("%s: another device is there now: \"%s\" after \"%s\"; reading its whole log",
        p->operand, name, before);
    p->seen = (struct log_seen)LOG_SEEN_NONE;
}

static void go_on(struct pull *p, const char *cursor)
{
    char device[LOG_DEVICE_BYTES];
    struct log_seen seen = LOG_SEEN_NONE;

    if (!log_cursor_read(cursor, device, &seen)) {
        msg_warn("%s: the checkpoint's place makes no sense: reading the whole log", p->operand);
        return;
    }
    if (!*p->device) /* it does not say it now, and did before */
        snprintf(p->device, sizeof p->device, "%s", device);
    if (strcmp(device, p->device) != 0)
        other_device(p, p->device, device);
    else
        p->seen = seen;
}

void pull_known(struct pull *p, const char *name)
{
    const char *cursor =
        p->env->checkpoint ? checkpoint_cursor(p->env->checkpoint, p->operand) : NULL;

    if (p->known && *name && *p->device && strcmp(name, p->device) != 0)
        other_device(p, name, p->device);
    if (*name)
        snprintf(p->device, sizeof p->device, "%s", name);
    if (!p->known && cursor)
        go_on(p, cursor);
    p->known = true;
    if (p->env->tally && *p->device)
        tally_knows(p->env->tally, p->device);
    if (*p->device) {
        p->units.device = p->device;
        p->units.certain = true;
    }
}

bool pull_look(struct pull *p, const struct log_seen *seen, const struct log_place *place)
{
    int64_t back_s = log_step_back(seen, place);

    if (back_s > 0 && p->said_back != seen->last.serial) {
        msg_warn("%s: its clock was set back by %" PRId64 " s, from %s", p->operand, back_s,
            seen->last.time);
        p->said_back = seen->last.serial;
    }
    if (!log_is_new(seen, place))
        return false;
    msg_warn("%s: its records are numbered anew (%" PRId64 " after %" PRId64
             "): the log was emptied, or is full and begins again",
        p->operand, place->serial, seen->last.serial);
    return true;
}

bool pull_sweep_due(const struct pull *p)
{
    return monotonic_ms() - p->swept_ms >= p->sweep_ms;
}

void pull_swept(struct pull *p)
{
    p->mute = p->heard > 0 || !p->live_ms ? 0 : p->mute + (p->found > 0);
    if (p->mute == MUTE)
        msg_warn("%s: its log has events that it does not say live: does the user have the right "
                 "to be told of them?",
            p->operand);
    p->heard = p->found = 0;
    p->swept_ms = monotonic_ms();
}

void pull_reached(struct pull *p, const struct log_seen *s)
{
    char cursor[LOG_CURSOR_BYTES];

    if (!*s->last.time)
        return;
    log_cursor_print(cursor, p->device, s);
    units_reach(&p->units, cursor);
}

/* ---- the loop ---- */

enum source_state pull_run(
    struct pull *p, int (*step)(void *arg, struct fault *why), void *arg, struct fault *why)
{
    enum source_state given;
    bool moved;
    int rc;

    if (sink_over(p->env->sink))
        return SOURCE_END;
    given = units_run(&p->units, why);
    if (given == SOURCE_ERROR || given == SOURCE_FULL) {
        p->full = given == SOURCE_FULL;
        return given;
    }
    if (p->full)
        web_calm(p->web);
    p->full = false;
    if (p->stopping)
        return given == SOURCE_MORE ? SOURCE_MORE : SOURCE_END;
    moved = web_run(p->web);
    rc = units_full(&p->units) ? 0 : step(arg, why);
    if (rc < 0)
        return SOURCE_ERROR;
    return rc > 0 || moved || given == SOURCE_MORE ? SOURCE_MORE : SOURCE_WAIT;
}

nfds_t pull_poll(struct pull *p, bool resting, bool room, struct pollfd *fds, int *timeout_ms)
{
    int64_t wait_ms = p->resume_ms - monotonic_ms();

    if (!room)
        return 0;
    if (!resting)
        wait_ms = p->stream ? p->swept_ms + p->sweep_ms - monotonic_ms() : INT32_MAX;
    if (*timeout_ms < 0 || wait_ms < *timeout_ms)
        *timeout_ms = wait_ms > 0 ? (int)wait_ms : 0;
    return web_poll(p->web, fds, timeout_ms);
}

void pull_stop(struct pull *p)
{
    pull_hang_up(p);
    p->stopping = true;
}

void pull_reload(struct pull *p)
{
    struct fault why;

    if (web_reload(p->web, &why) < 0)
        msg_warn("%s; the password stays as it was", why.text);
}
