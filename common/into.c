/* SPDX-License-Identifier: MIT */
/*
 * Slots: every outstanding event has one; the ack is "NONCE-SLOT-TURN" in hex, and TURN changes
 * each time a slot is used again, so an old receipt finds nothing.  Slots in use hang in a list in
 * the order of sending, which is the order of giving back when the command ends.
 */
#include "into.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "line.h"
#include "msg.h"
#include "pipeline.h"
#include "stop.h"

#define NONE UINT32_MAX
#define BACKOFF_FIRST_MS 200
#define BACKOFF_LAST_MS 30000
/* A command that lived this long starts again at the first backoff step. */
#define STEADY_MS 10000
#define PIPE_BYTES (1 << 20)
/* From SIGTERM to SIGKILL, for a command that does not want to end. */
#define KILL_AFTER_MS 2000
/* From the end of its output, or of its shell, to SIGTERM: time to close what it has open. */
#define MUTE_MS 5000
/* From the end of its input to SIGTERM, without an answer: what it took may need its time. */
#define DEAF_MS 60000
/* From the end of the last program of a pipeline to SIGTERM for the others. */
#define BROKEN_MS 500
#define PRESS_MS 100 /* between two looks whether it ended at last */
#define LOOK_MS 1000 /* between two looks at the clock while events are outstanding */

struct slot {
    uint64_t token;
    int64_t sent_ms;
    uint32_t turn;
    uint32_t next, previous; /* in the list of those in use, or of the free */
    bool used;
};

struct into {
    struct into_config config;
    uint32_t nonce;
    struct slot *slot;
    uint32_t oldest, newest, free;
    unsigned outstanding;
    pid_t pid;
    int pidfd, in, out; /* the command's process, its stdin and stdout; -1 when closed */
    struct buf pending; /* bytes for its stdin, from pending_from on */
    size_t pending_from;
    struct line_reader *receipts;
    struct event_reader *parser;
    enum into_state state;
    bool finishing;
    int status, backoff_ms;
    int64_t started_ms, resume_ms;
    int64_t mute_ms, gone_ms, deaf_ms; /* when its output ended, its shell, its input; 0: not yet */
    int64_t answered_ms;               /* of deaf only: the last answer since */
    int64_t silent_ms; /* since when events wait and nothing is answered; 0: all was answered */
    int64_t idle_ms;   /* since when none waits any more, though not all was answered */
    bool answered;     /* a first time in this life */
    bool told;         /* that it is silent */
    struct pipeline programs; /* watched from the first answer on */
    int64_t broken_ms;        /* when the last of them ended before the others; 0: not yet */
    uint64_t strays;
    int64_t look_ms; /* how often we look at the clock */
    int64_t seen_ms; /* when we did last, by the system's */
    int64_t lost_ms; /* how long we stood still in all */
};

/* ---- time ---- */

/* Time in which we stood still (stopped, or kept waiting by the store) does not count: what the
   command said meanwhile is not read, and what it was to hear may not be written. */
static int64_t own_ms(const struct into *i)
{
    return monotonic_ms() - i->lost_ms;
}

static void look_at_clock(struct into *i)
{
    int64_t now = monotonic_ms();

    if (i->outstanding > 0 && now - i->seen_ms > 2 * i->look_ms)
        i->lost_ms += now - i->seen_ms - i->look_ms;
    i->seen_ms = now;
}

/* ---- slots ---- */

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static void unlink_slot(struct into *i, uint32_t n)
{
    struct slot *s = &i->slot[n];

    if (s->previous == NONE)
        i->oldest = s->next;
    else
        i->slot[s->previous].next = s->next;
    if (s->next == NONE)
        i->newest = s->previous;
    else
        i->slot[s->next].previous = s->previous;
}

static uint32_t slot_take(struct into *i, uint64_t token)
{
    uint32_t n = i->free;
    struct slot *s = &i->slot[n];

    i->free = s->next;
    s->used = true;
    s->token = token;
    s->sent_ms = i->config.answer_ms > 0 ? own_ms(i) : 0;
    s->next = NONE;
    s->previous = i->newest;
    if (i->newest == NONE)
        i->oldest = n;
    else
        i->slot[i->newest].next = n;
    i->newest = n;
    if (i->outstanding++ == 0)
        i->silent_ms = i->silent_ms ? own_ms(i) - (i->idle_ms - i->silent_ms) : own_ms(i);
    return n;
}

static void slot_drop(struct into *i, uint32_t n)
{
    unlink_slot(i, n);
    i->slot[n].used = false;
    i->slot[n].turn++;
    i->slot[n].next = i->free;
    i->free = n;
    i->outstanding--;
}

static char *put_hex(char *p, uint32_t v)
{
    static const char hex[] = "0123456789abcdef";
    int shift = 28;

    while (shift > 0 && v >> shift == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *p++ = hex[v >> shift & 15];
    return p;
}

static bool get_hex(const char **p, const char *end, char stop, uint32_t *v)
{
    const char *start = *p;

    for (*v = 0; *p < end && **p != stop; ++*p) {
        char c = **p;

        if (*p - start == 8 || !((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
        *v = *v << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    if (*p == start)
        return false;
    if (stop && *p < end)
        ++*p;
    return true;
}

/* The slot that an ack names, or NONE. */
static uint32_t slot_find(const struct into *i, struct slice ack)
{
    const char *p = ack.p, *end = p ? p + ack.n : NULL;
    uint32_t nonce, n, turn;

    if (!p || !get_hex(&p, end, '-', &nonce) || !get_hex(&p, end, '-', &n) ||
        !get_hex(&p, end, '\0', &turn) || nonce != i->nonce || n >= i->config.window)
        return NONE;
    return i->slot[n].used && i->slot[n].turn == turn ? n : NONE;
}

/* ---- the command ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Signals are blocked until here: one that came since the fork must not run our handlers.  SIGHUP
   is ignored, so that into_reload ends neither the shell nor a program that knows nothing of it. */
static _Noreturn void become_command(const char *command, int in, int out)
{
    static const int ours[] = {SIGPIPE, SIGXFSZ, SIGTERM, SIGINT};
    sigset_t none;

    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++)
        signal(ours[i], SIG_DFL);
    signal(SIGHUP, SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0);
    if (dup2(in, STDIN_FILENO) >= 0 && dup2(out, STDOUT_FILENO) >= 0)
        execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

static pid_t fork_command(const char *command, int in, int out)
{
    sigset_t all, before;
    pid_t pid;

    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid = fork();
    if (pid == 0)
        become_command(command, in, out);
    sigprocmask(SIG_SETMASK, &before, NULL);
    if (pid > 0)
        setpgid(pid, pid); /* both do it: whoever comes first */
    return pid;
}

static int start(struct into *i, struct fault *why)
{
    int to[2] = {-1, -1}, from[2] = {-1, -1}, rc = -1;

    if (pipe2(to, O_CLOEXEC) < 0 || pipe2(from, O_CLOEXEC) < 0) {
        fault_errno(why, EX_OSERR, "--into: cannot make a pipe");
        goto out;
    }
    fcntl(to[1], F_SETPIPE_SZ, PIPE_BYTES); /* fewer switches in bulk; refused is fine */
    i->pid = fork_command(i->config.command, to[0], from[1]);
    if (i->pid < 0) {
        fault_errno(why, EX_OSERR, "--into: cannot start a process");
        goto out;
    }
    /* Our ends only: their other ends are open file descriptions of their own, which stay blocking.
     */
    fcntl(to[1], F_SETFL, O_NONBLOCK);
    fcntl(from[0], F_SETFL, O_NONBLOCK);
    i->pidfd = (int)syscall(SYS_pidfd_open, i->pid, 0);
    if (i->pidfd >= 0)
        fcntl(i->pidfd, F_SETFD, FD_CLOEXEC);
    i->in = to[1];
    i->out = from[0];
    to[1] = from[0] = -1;
    i->receipts = line_reader_new(i->out, LINE_MAX_BYTES);
    i->state = INTO_RUNNING;
    i->started_ms = own_ms(i);
    i->mute_ms = i->gone_ms = i->deaf_ms = i->silent_ms = i->broken_ms = 0;
    i->told = i->answered = false;
    rc = 0;
out:
    close_fd(&to[0]);
    close_fd(&to[1]);
    close_fd(&from[0]);
    close_fd(&from[1]);
    return rc;
}

struct into *into_open(const struct into_config *config, struct fault *why)
{
    struct into *i = mem_alloc(sizeof *i);

    *i = (struct into){.config = *config,
        .programs.last = -1,
        .pidfd = -1,
        .in = -1,
        .out = -1,
        .oldest = NONE,
        .newest = NONE};
    if (i->config.window == 0)
        i->config.window = INTO_WINDOW;
    if (i->config.silent_ms == 0)
        i->config.silent_ms = later(INTO_SILENT_MS, config->answer_ms);
    i->look_ms = LOOK_MS;
    if (config->answer_ms > 0 && config->answer_ms < 4 * LOOK_MS)
        i->look_ms = (config->answer_ms + 3) / 4;
    i->seen_ms = monotonic_ms();
    if (i->config.window_bytes == 0)
        i->config.window_bytes = INTO_BYTES;
    i->slot = mem_alloc(i->config.window * sizeof *i->slot);
    for (uint32_t n = 0; n < i->config.window; n++)
        i->slot[n] = (struct slot){.next = n + 1 < i->config.window ? n + 1 : NONE};
    if (getrandom(&i->nonce, sizeof i->nonce, 0) != sizeof i->nonce)
        i->nonce = (uint32_t)getpid() ^ (uint32_t)monotonic_ms();
    /* Ignored by whoever started us, it would take the command's exit status away. */
    signal(SIGCHLD, SIG_DFL);
    i->parser = event_reader_new();
    i->backoff_ms = BACKOFF_FIRST_MS;
    if (start(i, why) < 0) {
        into_close(i);
        return NULL;
    }
    return i;
}

static void reap(struct into *i, int flags)
{
    int status;

    if (i->pid <= 0 || waitpid(i->pid, &status, flags) != i->pid)
        return;
    i->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    i->pid = 0;
    close_fd(&i->pidfd);
}

/* Waits for the command to be gone; true when it is. */
static bool reap_within(struct into *i, int ms)
{
    int64_t until = monotonic_ms() + ms, left = ms;

    for (; i->pid > 0 && left >= 0; left = until - monotonic_ms()) {
        struct pollfd fd = {.fd = i->pidfd, .events = POLLIN};

        reap(i, WNOHANG);
        if (i->pid > 0) /* without a pidfd: look again in a moment */
            poll(&fd, 1, i->pidfd >= 0 ? (int)left : 10);
    }
    return i->pid <= 0;
}

void into_close(struct into *i)
{
    if (!i)
        return;
    close_fd(&i->in);
    close_fd(&i->out);
    if (i->pid > 0) {
        kill(-i->pid, SIGTERM);
        if (!reap_within(i, KILL_AFTER_MS)) {
            kill(-i->pid, SIGKILL);
            reap(i, 0);
        }
    }
    pipeline_forget(&i->programs);
    line_reader_free(i->receipts);
    event_reader_free(i->parser);
    buf_free(&i->pending);
    free(i->slot);
    free(i);
}

/* ---- the caller's side ---- */

enum into_state into_state(const struct into *i)
{
    return i->state;
}

bool into_room(const struct into *i)
{
    return i->state == INTO_RUNNING && i->in >= 0 && !i->finishing && i->free != NONE &&
           i->pending.len - i->pending_from < i->config.window_bytes;
}

void into_send(struct into *i, struct slice line, uint64_t token)
{
    uint32_t n = slot_take(i, token);
    char ack[32], *p = ack;

    p = put_hex(p, i->nonce);
    *p++ = '-';
    p = put_hex(p, n);
    *p++ = '-';
    p = put_hex(p, i->slot[n].turn);
    buf_room(&i->pending, line.n + 48);
    buf_add(&i->pending, line.p, line.n - 1);
    if (i->pending.data[i->pending.len - 1] != '{')
        buf_char(&i->pending, ',');
    buf_lit(&i->pending, "\"ack\":\"");
    buf_add(&i->pending, ack, (size_t)(p - ack));
    buf_lit(&i->pending, "\"}\n");
}

void into_reload(struct into *i)
{
    if (i->pid > 0)
        kill(-i->pid, SIGHUP);
}

void into_finish(struct into *i)
{
    i->finishing = true;
    if (i->pending.len == i->pending_from)
        close_fd(&i->in);
}

unsigned into_outstanding(const struct into *i)
{
    return i->outstanding;
}

uint64_t into_strays(const struct into *i)
{
    return i->strays;
}

int into_exit_status(const struct into *i)
{
    return i->status;
}

static void lower(int *timeout_ms, int64_t to_ms)
{
    if (to_ms < 0)
        to_ms = 0;
    if (to_ms > 3600000)
        to_ms = 3600000;
    if (*timeout_ms < 0 || to_ms < *timeout_ms)
        *timeout_ms = (int)to_ms;
}

/* When a command that has ended in part has to end as a whole; INT64_MAX: it is in order. */
static int64_t end_due_ms(const struct into *i)
{
    if (i->mute_ms)
        return i->mute_ms + MUTE_MS;
    if (i->gone_ms)
        return i->gone_ms + MUTE_MS;
    if (i->broken_ms)
        return i->broken_ms + BROKEN_MS;
    /* Perhaps a program behind the first has ended, and the shell, which waits for the others,
     * keeps the pipe open.  At the end of its input it may take its time: then the others end as
     * well. */
    if (!i->deaf_ms)
        return i->outstanding > 0 && !i->finishing ? i->silent_ms + i->config.silent_ms : INT64_MAX;
    if (i->outstanding == 0)
        return i->deaf_ms + MUTE_MS;
    return later(i->deaf_ms, i->answered_ms) +
           (i->config.answer_ms > 0 ? i->config.answer_ms : DEAF_MS);
}

nfds_t into_poll(struct into *i, struct pollfd *fds, int *timeout_ms)
{
    int64_t due_ms;
    nfds_t n = 0;

    look_at_clock(i);
    due_ms = i->state == INTO_RUNNING ? end_due_ms(i) : INT64_MAX;
    if (i->outstanding > 0)
        lower(timeout_ms, i->look_ms);
    if (i->state == INTO_PAUSED)
        lower(timeout_ms, i->resume_ms - own_ms(i));
    if (i->config.answer_ms > 0 && i->oldest != NONE)
        lower(timeout_ms, i->slot[i->oldest].sent_ms + i->config.answer_ms - own_ms(i));
    if (i->out >= 0)
        fds[n++] = (struct pollfd){.fd = i->out, .events = POLLIN};
    if (i->in >= 0 && i->pending.len > i->pending_from)
        fds[n++] = (struct pollfd){.fd = i->in, .events = POLLOUT};
    if (i->pid > 0 && i->pidfd >= 0 && !i->gone_ms)
        fds[n++] = (struct pollfd){.fd = i->pidfd, .events = POLLIN};
    if (i->programs.last >= 0 && !i->broken_ms)
        fds[n++] = (struct pollfd){.fd = i->programs.last, .events = POLLIN};
    if (i->out < 0 && i->pid > 0 && i->pidfd < 0)
        lower(timeout_ms, 20);
    if (due_ms != INT64_MAX)
        lower(timeout_ms, later(due_ms - own_ms(i), PRESS_MS));
    return n;
}

static void write_pending(struct into *i)
{
    while (i->in >= 0 && i->pending_from < i->pending.len) {
        ssize_t n =
            write(i->in, i->pending.data + i->pending_from, i->pending.len - i->pending_from);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != EAGAIN) { /* it does not read any more: its end gives back the rest */
            close_fd(&i->in);
            i->deaf_ms = own_ms(i);
        }
        if (n < 0)
            break;
        i->pending_from += (size_t)n;
    }
    if (i->pending_from == i->pending.len || i->in < 0) {
        i->pending.len = i->pending_from = 0;
        if (i->finishing)
            close_fd(&i->in);
    } else if (i->pending_from > INTO_BYTES) {
        i->pending.len -= i->pending_from;
        memmove(i->pending.data, i->pending.data + i->pending_from, i->pending.len);
        i->pending_from = 0;
    }
}

/* One read, when there is something; at the end of its output the pipe is closed.  A shell that is
   gone takes nothing more, but what it left running may still answer. */
static void read_receipts(struct into *i)
{
    struct pollfd fds[] = {{.fd = i->out, .events = POLLIN}, {.fd = i->pidfd, .events = POLLIN},
        {.fd = i->programs.last, .events = POLLIN}};
    struct fault why;

    if (poll(fds, 3, 0) <= 0)
        return;
    if (fds[0].revents && line_fill(i->receipts, &why) <= 0)
        close_fd(&i->out);
    if (fds[2].revents && !i->broken_ms)
        i->broken_ms = own_ms(i);
    if (fds[1].revents && !i->gone_ms) {
        i->gone_ms = own_ms(i);
        close_fd(&i->in);
    }
}

static void finish_life(struct into *i)
{
    bool again = i->config.restart && !i->finishing;

    close_fd(&i->in);
    pipeline_forget(&i->programs);
    i->pending.len = i->pending_from = 0;
    i->state = again ? INTO_PAUSED : INTO_ENDED;
    if (!again)
        return;
    if (own_ms(i) - i->started_ms > STEADY_MS)
        i->backoff_ms = BACKOFF_FIRST_MS;
    i->resume_ms = own_ms(i) + i->backoff_ms;
    /* Its status is that of its last program, which may have ended well after another died. */
    msg_warn("--into: the command ended before its input did (exit status %d): starting it again "
             "in %d ms",
        i->status, i->backoff_ms);
    i->backoff_ms = i->backoff_ms * 2 > BACKOFF_LAST_MS ? BACKOFF_LAST_MS : i->backoff_ms * 2;
}

/* It ended in part, and so takes or answers nothing more, but does not end as a whole.  The shell
   is not reaped before, so its number is still that of its group. */
static void press(struct into *i)
{
    int64_t now = own_ms(i), due_ms = end_due_ms(i);

    if (now < due_ms)
        return;
    /* Not a pipeline any more, or all of it has ended: it goes its way. */
    if (i->broken_ms && !i->mute_ms && !i->gone_ms && !pipeline_broken(&i->programs, i->pid)) {
        pipeline_forget(&i->programs);
        i->broken_ms = 0;
        i->answered = false; /* the next pipeline is watched from its first answer on */
        return;
    }
    if (!i->mute_ms && !i->gone_ms && !i->deaf_ms && !i->broken_ms && !i->told) {
        msg_warn("--into: the command answers nothing any more: ending it");
        i->told = true;
    }
    kill(-i->pid, now < due_ms + KILL_AFTER_MS ? SIGTERM : SIGKILL);
    /* Whoever left the group and still holds the pipe is not waited for. */
    if (i->gone_ms && now >= due_ms + KILL_AFTER_MS)
        close_fd(&i->out);
}

int into_run(struct into *i, struct fault *why)
{
    look_at_clock(i);
    if (i->state == INTO_PAUSED && i->finishing)
        i->state = INTO_ENDED;
    if (i->state == INTO_PAUSED && i->outstanding == 0 && own_ms(i) >= i->resume_ms) {
        line_reader_free(i->receipts);
        i->receipts = NULL;
        return start(i, why);
    }
    if (i->state != INTO_RUNNING)
        return 0;
    read_receipts(i);
    write_pending(i);
    if (i->out < 0 && !i->mute_ms)
        i->mute_ms = own_ms(i);
    press(i);
    if (i->out < 0)
        reap(i, WNOHANG);
    if (i->pid == 0)
        finish_life(i);
    return 0;
}

static bool next_receipt(struct into *i, struct into_answer *answer)
{
    struct slice line;
    struct fault why;
    enum line kind;
    uint32_t n;

    while (i->receipts) {
        kind = line_take(i->receipts, &line);
        if (kind == LINE_WAIT || kind == LINE_END)
            return false;
        /* A torn last receipt is none: the event is given back and asked about again. */
        if (kind != LINE_OK || receipt_parse(i->parser, line, &answer->receipt, &why) < 0 ||
            (n = slot_find(i, answer->receipt.ack)) == NONE) {
            i->strays++;
            continue;
        }
        answer->token = i->slot[n].token;
        slot_drop(i, n);
        i->silent_ms = i->outstanding > 0 ? own_ms(i) : 0;
        if (!i->answered && i->pid > 0)
            pipeline_watch(&i->programs, i->pid);
        i->answered = true;
        if (i->deaf_ms)
            i->answered_ms = own_ms(i);
        return true;
    }
    return false;
}

bool into_next(struct into *i, struct into_answer *answer)
{
    const struct slot *oldest;

    if (next_receipt(i, answer))
        return true;
    if (i->oldest == NONE)
        return false;
    oldest = &i->slot[i->oldest];
    if (i->state == INTO_RUNNING &&
        (i->config.answer_ms == 0 || own_ms(i) - oldest->sent_ms < i->config.answer_ms))
        return false;
    *answer = (struct into_answer){.token = oldest->token, .receipt = {.outcome = OUTCOMES}};
    slot_drop(i, i->oldest);
    if (i->outstanding == 0)
        i->idle_ms = own_ms(i);
    return true;
}
