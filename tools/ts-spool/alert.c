/* SPDX-License-Identifier: MIT */
/* Conditions, what was told of them, and the command that tells. */
#include "alert.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "msg.h"
#include "print.h"
#include "room.h"
#include "stop.h"

#define DAY_MS 86400000ll
#define COMMAND_MS 60000      /* for the command */
#define SILENT_LINES 20       /* devices named in one alert */
#define GONE_MS (30 * DAY_MS) /* a device that is silent so long was taken away */
#define ARCHIVE_DAYS 7        /* a device whose last put was of older days: an archive was read */

/* What is to be noted once it was told. */
struct note {
    char key[64];
    int64_t value;
};

struct telling {
    const struct alert *alert;
    struct store *store;
    const struct store_stat *stat;
    struct slice name; /* of the store, for people */
    int64_t now_ms;
    struct buf text; /* what is to be told, lines */
    struct note *note;
    size_t count, cap;
    unsigned silent, silent_told; /* devices that are to be told of; those that have a line */
};

/* ---- what was told ---- */

static uint64_t fnv(uint64_t h, struct slice text)
{
    for (size_t i = 0; i < text.n; i++)
        h = (h ^ (unsigned char)text.p[i]) * 0x100000001b3ull;
    return h;
}

/* Two commands are told independently; a device is named by a hash only. */
static void print_note_key(
    char key[64], const struct telling *t, const char *condition, struct slice device)
{
    const uint64_t basis = 0xcbf29ce484222325ull;

    snprintf(key, 64, "alert %016llx %s %016llx",
        (unsigned long long)fnv(basis, slice_of(t->alert->command)), condition,
        (unsigned long long)fnv(basis, device));
}

static void note(struct telling *t, const char *key, int64_t value)
{
    if (t->count == t->cap) {
        t->cap = t->cap ? t->cap * 2 : 16;
        t->note = mem_resize(t->note, t->cap * sizeof *t->note);
    }
    snprintf(t->note[t->count].key, sizeof t->note->key, "%s", key);
    t->note[t->count++].value = value;
}

static int write_notes(struct telling *t, struct fault *why)
{
    for (size_t i = 0; i < t->count; i++)
        if (store_note_set(t->store, t->note[i].key, t->note[i].value, why) < 0)
            return -1;
    return 0;
}

enum change_of { NOTHING_NEW, TELL, TELL_OVER };

/* What is to be told of a condition, and the note for when it was. */
static int look_up(struct telling *t, const char *condition, struct slice device, bool is,
    enum change_of *change, struct fault *why)
{
    char key[64];
    int64_t told;

    *change = NOTHING_NEW;
    print_note_key(key, t, condition, device);
    if (store_note_get(t->store, key, &told, why) < 0)
        return -1;
    /* A moment in the future: the clock was set back. */
    if (is && (told == 0 || told > t->now_ms || t->now_ms - told >= DAY_MS)) {
        *change = TELL;
        note(t, key, t->now_ms);
    } else if (!is && told != 0) {
        *change = TELL_OVER;
        note(t, key, 0);
    }
    return 0;
}

/* ---- conditions of the store ---- */

static int64_t age(const struct telling *t, int64_t since_ms)
{
    return since_ms > 0 && t->now_ms > since_ms ? t->now_ms - since_ms : 0;
}

static bool is_waiting(const struct telling *t)
{
    return t->stat->in[STATE_WAITING] > 0 && t->alert->waiting_ms >= 0 &&
           age(t, t->stat->oldest_waiting_ms) > t->alert->waiting_ms;
}

static void say_waiting(struct telling *t)
{
    buf_printf(&t->text, "%lld waiting, the oldest for ", (long long)t->stat->in[STATE_WAITING]);
    print_age(&t->text, age(t, t->stat->oldest_waiting_ms));
    if (!t->stat->draining)
        buf_lit(&t->text, "; no drain is at work");
}

static bool is_held(const struct telling *t)
{
    return t->stat->in[STATE_HELD] > 0 && t->alert->held_ms >= 0 &&
           age(t, t->stat->oldest_held_ms) > t->alert->held_ms;
}

static void say_held(struct telling *t)
{
    buf_printf(&t->text, "%lld held, the oldest for ", (long long)t->stat->in[STATE_HELD]);
    print_age(&t->text, age(t, t->stat->oldest_held_ms));
    buf_lit(&t->text, ": see ts-spool list --held --by person");
}

static bool is_failing(const struct telling *t)
{
    return t->stat->failing_since_ms > 0 && t->alert->failing_ms >= 0 &&
           age(t, t->stat->failing_since_ms) > t->alert->failing_ms;
}

static void say_failing(struct telling *t)
{
    buf_lit(&t->text, "the receiver has taken nothing for ");
    print_age(&t->text, age(t, t->stat->failing_since_ms));
    if (t->stat->failing_status > 0)
        buf_printf(&t->text, ", its last status was %d", t->stat->failing_status);
}

static bool is_dead(const struct telling *t)
{
    return t->alert->dead >= 0 && t->stat->in[STATE_DEAD] > t->alert->dead;
}

static void say_dead(struct telling *t)
{
    buf_printf(&t->text, "%lld dead: see ts-spool list --dead --by reason",
        (long long)t->stat->in[STATE_DEAD]);
}

static bool is_short(const struct telling *t)
{
    int64_t room = room_ms(t->stat, t->now_ms);

    return t->alert->room_ms >= 0 && room >= 0 && room < t->alert->room_ms;
}

static void say_short(struct telling *t)
{
    buf_lit(&t->text, "room for about ");
    print_age(&t->text, room_ms(t->stat, t->now_ms));
    buf_lit(&t->text, " more; then events are refused");
}

static const struct {
    const char *name;
    bool (*is)(const struct telling *t);
    void (*say)(struct telling *t);
    const char *over;
} conditions[] = {
    {"waiting", is_waiting, say_waiting, "nothing waits too long any more"},
    {"held", is_held, say_held, "nothing is held too long any more"},
    {"failing", is_failing, say_failing, "the receiver takes events again"},
    {"dead", is_dead, say_dead, "the dead are dealt with"},
    {"room", is_short, say_short, "there is room again"},
};

static void begin_line(struct telling *t)
{
    buf_slice(&t->text, t->name);
    buf_lit(&t->text, ": ");
}

static int look_at_store(struct telling *t, struct fault *why)
{
    for (size_t i = 0; i < sizeof conditions / sizeof *conditions; i++) {
        enum change_of change;

        if (look_up(t, conditions[i].name, SLICE_NONE, conditions[i].is(t), &change, why) < 0)
            return -1;
        if (change == NOTHING_NEW)
            continue;
        begin_line(t);
        if (change == TELL)
            conditions[i].say(t);
        else
            buf_printf(&t->text, "over: %s", conditions[i].over);
        buf_char(&t->text, '\n');
    }
    return 0;
}

/* ---- silent devices ---- */

struct device {
    char *id;
    size_t bytes;
    int64_t last_put_ms;
    bool archive;
};

struct devices {
    struct device *at;
    size_t count, cap;
};

/* Whether the last that came of the device was long past then. */
static bool is_archive(const struct device_seen *d)
{
    struct clock_time day;

    if (!d->last_day.p || !clock_parse(d->last_day, &day))
        return false;
    return d->last_put_ms / 1000 - day.local_s > (ARCHIVE_DAYS + 1) * 86400;
}

static int keep_device(void *arg, const struct device_seen *d)
{
    struct devices *all = arg;

    if (all->count == all->cap) {
        all->cap = all->cap ? all->cap * 2 : 64;
        all->at = mem_resize(all->at, all->cap * sizeof *all->at);
    }
    all->at[all->count++] =
        (struct device){mem_text(d->device), d->device.n, d->last_put_ms, is_archive(d)};
    return 0;
}

static void say_silent(struct telling *t, const struct device *d, enum change_of change)
{
    if (++t->silent > SILENT_LINES)
        return;
    t->silent_told++;
    begin_line(t);
    buf_text(&t->text, change == TELL ? "device " : "over: device ");
    msg_escape(&t->text, (struct slice){d->id, d->bytes});
    if (change == TELL) {
        buf_lit(&t->text, " has been silent for ");
        print_age(&t->text, age(t, d->last_put_ms));
        buf_char(&t->text, '\n');
    } else {
        buf_lit(&t->text, " speaks again\n");
    }
}

static int look_at_device(struct telling *t, const struct device *d, struct fault *why)
{
    int64_t silent_ms = age(t, d->last_put_ms), limit = t->alert->silent_ms;
    bool gone = silent_ms > limit + GONE_MS;
    enum change_of change;

    if (look_up(t, "silent", (struct slice){d->id, d->bytes},
            silent_ms > limit && !gone && !d->archive, &change, why) < 0)
        return -1;
    if (change == TELL || (change == TELL_OVER && !gone))
        say_silent(t, d, change);
    return 0;
}

static int look_at_devices(struct telling *t, struct fault *why)
{
    struct devices all = {0};
    int rc = t->alert->silent_ms < 0 ? 0 : store_devices(t->store, keep_device, &all, why);

    for (size_t i = 0; i < all.count; i++) {
        if (rc == 0)
            rc = look_at_device(t, &all.at[i], why);
        free(all.at[i].id);
    }
    free(all.at);
    if (t->silent > t->silent_told) {
        begin_line(t);
        buf_printf(&t->text, "and %u more devices: see ts-spool stat --devices --json\n",
            t->silent - t->silent_told);
    }
    return rc;
}

/* ---- the command ---- */

static void become_command(const char *command, int in)
{
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    if (dup2(in, 0) == 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Waits for the child a while, then ends it and all that it started. */
static int await(pid_t pid)
{
    int status = -1, fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd end = {.fd = fd, .events = POLLIN};

    setpgid(pid, pid); /* both do it: whoever comes first */
    if (fd >= 0 && stop_wait(&end, 1, COMMAND_MS, true) <= 0)
        kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (fd >= 0)
        close(fd);
    return status;
}

/* The text fits into the pipe, so nobody waits for the command to read it. */
static int run_command(const char *command, struct slice text, struct fault *why)
{
    int ends[2], status;
    pid_t pid;

    if (pipe(ends) < 0)
        return fault_errno(why, EX_OSERR, "--alert: no pipe");
    fflush(NULL);
    pid = fork();
    if (pid == 0) {
        close(ends[1]);
        become_command(command, ends[0]);
    }
    close(ends[0]);
    if (pid > 0 && write(ends[1], text.p, text.n) < 0 && errno != EPIPE)
        msg_warn("--alert: cannot write to the command: %s", strerror(errno));
    close(ends[1]);
    if (pid < 0)
        return fault_errno(why, EX_OSERR, "--alert: the command cannot be started");
    status = await(pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    if (WIFEXITED(status))
        return fault_set(why, EX_UNAVAILABLE,
            "--alert: the command ended with exit status %d: it is told again next time",
            WEXITSTATUS(status));
    return fault_set(why, EX_UNAVAILABLE,
        "--alert: the command was ended by a signal, or took over a minute: it is told again next "
        "time");
}

/* ---- all together ---- */

int alert_tell(const struct alert *a, struct store *s, const char *name,
    const struct store_stat *stat, int64_t now_ms, struct fault *why)
{
    struct buf shown = {0};
    struct telling t = {.alert = a, .store = s, .stat = stat, .now_ms = now_ms};
    int rc;

    print_store(&shown, name);
    t.name = buf_all(&shown);
    rc = look_at_store(&t, why);
    if (rc == 0)
        rc = look_at_devices(&t, why);
    if (rc == 0 && t.text.len > 0)
        rc = run_command(a->command, buf_all(&t.text), why);
    if (rc == 0)
        rc = write_notes(&t, why);
    buf_free(&t.text);
    buf_free(&shown);
    free(t.note);
    return rc;
}

void alert_tell_fault(const struct alert *a, const char *name, const struct fault *why)
{
    struct buf text = {0};
    struct fault failed;

    print_store(&text, name);
    buf_printf(&text, ": cannot be looked at: %s\n", why->text);
    if (run_command(a->command, buf_all(&text), &failed) < 0)
        msg_warn("%s", failed.text);
    buf_free(&text);
}
