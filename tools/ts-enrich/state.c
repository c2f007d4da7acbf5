/* SPDX-License-Identifier: MIT */
/*
 *   0       header   magic, sizes, salt, checks, how many trails there are
 *   4096    memos    a ring of the last events
 *   528384  trails   of 256 bytes; the first `used` have, or had, an owner
 *
 * The mapping is as long as the file may ever become, so that it never moves.  The file grows by
 * space that is allocated first and counted afterwards: what lies behind the count is cut off when
 * the file is opened.  Nothing else of the header ever changes.
 *
 * Where an owner's trail is: an open hash table in memory of 32-bit words, 1 + the number in the
 * low bits and a part of the key above it, so that a look at another's trail is rare.
 */
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "buf.h"
#include "clock.h"
#include "memo.h"
#include "siphash.h"

#define HEADER_BYTES 4096
#define TRAILS_AT (HEADER_BYTES + MEMOS * sizeof(struct memo))
#define VERSION 1
#define ORDER 0x01020304u /* reads otherwise on a machine of the other byte order */
#define GROW_LEAST 256    /* trails */
#define GROW_MOST 1024
#define SYNC_MS 1000
#define NUMBER_BITS 19
#define NUMBER_MASK ((1u << NUMBER_BITS) - 1)
#define SWEEP 4        /* trails looked at for one that is forgotten */
#define SWEEP_FULL 256 /* … when there is no other room */

_Static_assert(STATE_TRAILS_MAX < NUMBER_MASK, "a number fits");

static const char magic[8] = {'t', 's', '-', 't', 'r', 'a', 'i', 'l'};

struct header {
    char magic[8];
    uint32_t version, order, trails_at, trail_bytes;
    unsigned char salt[16];
    uint64_t key_check; /* of the key that owners are hashed with */
    uint64_t check;     /* of all above */
    _Atomic uint64_t trails, events;
};

struct state {
    int fd; /* -1: in memory */
    const char *path;
    struct header *header;
    struct trail *trails; /* header, memos and trails are one mapping */
    struct memos *memos;
    uint32_t used, room;
    uint32_t hand; /* where the next look for a forgotten trail begins */
    uint64_t key[2];
    uint32_t *index;
    uint32_t slots; /* a power of two, at least twice the room */
    uint32_t today;
    uint32_t asked; /* since the last look at the clock */
    int64_t synced_ms;
    bool dirty;
};

#define MAP_BYTES (TRAILS_AT + (size_t)STATE_TRAILS_MAX * sizeof(struct trail))

/* ---- the index ---- */

static uint32_t word_of(uint64_t key, uint32_t number)
{
    return (uint32_t)(key >> 32) << NUMBER_BITS | (number + 1);
}

static uint32_t number_of(uint32_t word)
{
    return (word & NUMBER_MASK) - 1;
}

static void index_add(struct state *s, uint64_t key, uint32_t number)
{
    uint32_t i = (uint32_t)key & (s->slots - 1);

    while (s->index[i])
        i = (i + 1) & (s->slots - 1);
    s->index[i] = word_of(key, number);
}

/* The slot of a key; one that holds 0 when it is not there. */
static uint32_t index_find(const struct state *s, uint64_t key)
{
    uint32_t i = (uint32_t)key & (s->slots - 1), want = word_of(key, 0) & ~NUMBER_MASK;

    for (; s->index[i]; i = (i + 1) & (s->slots - 1))
        if ((s->index[i] & ~NUMBER_MASK) == want && s->trails[number_of(s->index[i])].key == key)
            return i;
    return i;
}

/* Takes a slot away, and closes the gap in the run of those after it. */
static void index_remove(struct state *s, uint32_t i)
{
    uint32_t mask = s->slots - 1;

    s->index[i] = 0;
    for (uint32_t k = (i + 1) & mask; s->index[k]; k = (k + 1) & mask) {
        uint32_t home = (uint32_t)s->trails[number_of(s->index[k])].key & mask;

        if (((k - home) & mask) < ((k - i) & mask))
            continue;
        s->index[i] = s->index[k];
        s->index[k] = 0;
        i = k;
    }
}

/* Two trails of one owner are none that we left. */
static void add_trail(struct state *s, uint32_t number)
{
    struct trail *t = &s->trails[number];

    if (t->key && s->index[index_find(s, t->key)])
        trail_reset(t, 0);
    else if (t->key)
        index_add(s, t->key, number);
}

static void index_build(struct state *s)
{
    free(s->index);
    for (s->slots = 1024; s->slots < s->room * 2;)
        s->slots *= 2;
    s->index = mem_alloc(s->slots * sizeof *s->index);
    memset(s->index, 0, s->slots * sizeof *s->index);
    for (uint32_t i = 0; i < s->used; i++)
        add_trail(s, i);
}

/* ---- the key ---- */

static void set_key(struct state *s, const struct identity_hash *hash)
{
    static const char label[] = "ts-enrich state";
    char name[sizeof label + sizeof s->header->salt];
    struct identity id;

    memcpy(name, label, sizeof label);
    memcpy(name + sizeof label, s->header->salt, sizeof s->header->salt);
    if (hash)
        hash->hash(hash->arg, (struct slice){name, sizeof name}, id.octets);
    else
        identity_of_bytes(&id, (struct slice){name, sizeof name}, NULL);
    memcpy(s->key, id.octets, sizeof s->key);
}

static uint64_t key_check(const struct state *s)
{
    return siphash(s->key, SLICE("key"));
}

#define NAMES_MAX 512

/* Longer names are cut down to their hashes. */
static size_t add_name(char *to, const uint64_t key[2], struct slice name)
{
    uint64_t h;

    if (name.n <= NAMES_MAX / 2) {
        if (name.n > 0)
            memcpy(to, name.p, name.n);
        return name.n;
    }
    h = siphash(key, name);
    memcpy(to, &h, sizeof h);
    return sizeof h;
}

uint64_t state_key(const struct state *s, char kind, struct slice a, struct slice b)
{
    const uint64_t key[2] = {s->key[0] ^ (unsigned char)kind, s->key[1]};
    char text[NAMES_MAX + 1];
    size_t n;
    uint64_t h;

    if (b.n > 0) {
        n = add_name(text, key, a);
        text[n++] = 0x1f;
        n += add_name(text + n, key, b);
        a = (struct slice){text, n};
    }
    h = siphash(key, a);
    return h ? h : 1;
}

/* ---- opening ---- */

static uint32_t day_now(void)
{
    return (uint32_t)(clock_now_ms() / 86400000);
}

static struct state *state_make(void)
{
    struct state *s = mem_alloc(sizeof *s);

    *s = (struct state){.fd = -1, .header = MAP_FAILED, .today = day_now()};
    return s;
}

static int map(struct state *s, int flags, struct fault *why)
{
    s->header = mmap(NULL, MAP_BYTES, PROT_READ | PROT_WRITE, flags, s->fd, 0);
    if (s->header == MAP_FAILED)
        return fault_errno(why, EX_OSERR, "%s: cannot map", s->path);
    s->trails = (struct trail *)((char *)s->header + TRAILS_AT);
    return 0;
}

static void new_salt(struct header *h)
{
    if (getrandom(h->salt, sizeof h->salt, 0) != sizeof h->salt)
        abort(); /* never for so few bytes */
}

/* What is worked out anew each time. */
static void start(struct state *s)
{
    s->memos = memos_new((struct memo *)((char *)s->header + HEADER_BYTES), &s->header->events);
    index_build(s);
}

struct state *state_new(void)
{
    struct state *s = state_make();
    struct fault why;

    s->path = "memory";
    if (map(s, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, &why) < 0)
        abort(); /* as any memory that is not there */
    new_salt(s->header);
    set_key(s, NULL);
    s->room = GROW_MOST;
    start(s);
    return s;
}

/* A page that cannot be had: the disk is full in spite of the allocation (a file system that copies
   on write), it fails, or somebody cut the file short.  What was not answered will be sent again.
 */
static void on_bus_error(int signal)
{
    static const char text[] = "ts-enrich: the state file cannot be read or written any more\n";

    (void)signal;
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0)
        _exit(EX_IOERR);
    _exit(EX_IOERR);
}

static void guard(void)
{
    struct sigaction action = {.sa_handler = on_bus_error};

    sigaction(SIGBUS, &action, NULL);
}

static uint64_t header_check(const struct header *h)
{
    static const uint64_t key[2] = {1, 2};

    return siphash(key, (struct slice){(const char *)h, offsetof(struct header, check)});
}

static int write_header(struct state *s, const struct identity_hash *hash, struct fault *why)
{
    char page[HEADER_BYTES] = {0};
    struct header *h = (struct header *)(void *)page;

    memcpy(h->magic, magic, sizeof magic);
    h->version = VERSION;
    h->order = ORDER;
    h->trails_at = TRAILS_AT;
    h->trail_bytes = sizeof(struct trail);
    new_salt(h);
    s->header = h;
    set_key(s, hash);
    h->key_check = key_check(s);
    h->check = header_check(h);
    s->header = MAP_FAILED;
    if (pwrite(s->fd, page, sizeof page, 0) == sizeof page && fsync(s->fd) == 0)
        return 0;
    fault_errno(why, EX_IOERR, "%s: cannot write", s->path);
    if (ftruncate(s->fd, 0) < 0) /* half a header would be refused for ever */
        return -1;
    return -1;
}

#define AWAY "; move it away: alternation and repeats then begin anew"

static int check_header(
    struct state *s, off_t bytes, const struct identity_hash *hash, struct fault *why)
{
    const struct header *h = s->header;
    uint64_t trails = atomic_load(&h->trails);

    if (bytes < HEADER_BYTES || memcmp(h->magic, magic, sizeof magic) != 0)
        return fault_set(why, EX_CONFIG, "%s: not a state file of ts-enrich", s->path);
    if (h->order != ORDER || h->version != VERSION || h->trails_at != TRAILS_AT ||
        h->trail_bytes != sizeof(struct trail))
        return fault_set(
            why, EX_CONFIG, "%s: a state file of another version or kind of machine" AWAY, s->path);
    if (h->check != header_check(h) || trails > STATE_TRAILS_MAX)
        return fault_set(why, EX_CONFIG, "%s: the state file is damaged" AWAY, s->path);
    if (trails > 0 && (uint64_t)bytes < TRAILS_AT + trails * sizeof(struct trail))
        return fault_set(why, EX_CONFIG, "%s: the state file was cut short" AWAY, s->path);
    set_key(s, hash);
    if (h->key_check != key_check(s))
        return fault_set(why, EX_CONFIG,
            "%s: was made with another --id-key, or without one; give that one, or move the file "
            "away",
            s->path);
    s->room = (uint32_t)trails;
    return 0;
}

/* Which trails have owners; what is not as we left it is emptied. */
static size_t scan(struct state *s)
{
    size_t forgot = 0;

    for (uint32_t i = 0; i < s->room; i++) {
        struct trail *t = &s->trails[i];

        if (!t->key)
            continue;
        s->used = i + 1;
        if (!trail_sound(t)) {
            trail_reset(t, t->key);
            forgot++;
        }
    }
    return forgot;
}

/* Only the lock makes it certain that the file under this name is the one that is open. */
static int lock(struct state *s, struct stat *st, struct fault *why)
{
    if (flock(s->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK
                   ? fault_set(why, EX_TEMPFAIL, "%s: another ts-enrich is using it", s->path)
                   : fault_errno(why, EX_OSERR, "%s: cannot lock", s->path);
    if (fstat(s->fd, st) < 0)
        return fault_errno(why, EX_OSERR, "%s: cannot look at it", s->path);
    if (!S_ISREG(st->st_mode))
        return fault_set(why, EX_CONFIG, "%s: not a regular file", s->path);
    if (st->st_mode & 077 && fchmod(s->fd, 0600) < 0)
        return fault_errno(why, EX_NOPERM, "%s: lies open to others", s->path);
    return 0;
}

static off_t trails_end(const struct state *s)
{
    return (off_t)(TRAILS_AT + s->room * sizeof(struct trail));
}

/* Space on the disk, so that a store into the mapping does not fail for want of it. */
static int allocate(struct state *s, off_t from, size_t bytes, struct fault *why)
{
    int error = posix_fallocate(s->fd, from, (off_t)bytes);

    if (error == 0)
        return 0;
    errno = error;
    return fault_errno(why, EX_IOERR, "%s: no room for more people", s->path);
}

static int open_file(struct state *s, const struct identity_hash *hash, struct fault *why)
{
    struct stat st;

    s->fd = open(s->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY | O_NONBLOCK, 0600);
    if (s->fd < 0)
        return fault_errno(
            why, errno == EACCES ? EX_NOPERM : EX_CANTCREAT, "%s: cannot open", s->path);
    if (lock(s, &st, why) < 0)
        return -1;
    if (st.st_size == 0) {
        if (write_header(s, hash, why) < 0)
            return -1;
        st.st_size = HEADER_BYTES;
    }
    if (st.st_size < HEADER_BYTES)
        return fault_set(why, EX_CONFIG, "%s: not a state file of ts-enrich", s->path);
    if (map(s, MAP_SHARED, why) < 0)
        return -1;
    guard();
    if (check_header(s, st.st_size, hash, why) < 0)
        return -1;
    if (st.st_size < (off_t)TRAILS_AT) /* new, or killed right here */
        return allocate(s, HEADER_BYTES, TRAILS_AT - HEADER_BYTES, why);
    if (ftruncate(s->fd, trails_end(s)) < 0)
        return fault_errno(why, EX_IOERR, "%s: cannot write", s->path);
    return 0;
}

struct state *state_open(
    const char *path, const struct identity_hash *hash, size_t *forgot, struct fault *why)
{
    struct state *s = state_make();

    s->path = path;
    if (open_file(s, hash, why) < 0) {
        state_free(s);
        return NULL;
    }
    *forgot = scan(s);
    start(s);
    return s;
}

void state_free(struct state *s)
{
    if (!s)
        return;
    if (s->header != MAP_FAILED)
        munmap(s->header, MAP_BYTES);
    if (s->fd >= 0) {
        if (s->dirty)
            state_sync(s, 0);
        close(s->fd);
    }
    memos_free(s->memos);
    free(s->index);
    free(s);
}

/* ---- room ---- */

static int grow(struct state *s, struct fault *why)
{
    uint32_t more = s->room / 4, most = STATE_TRAILS_MAX - s->room;

    more = more < GROW_LEAST ? GROW_LEAST : more > GROW_MOST ? GROW_MOST : more;
    more = more < most ? more : most;
    if (s->fd >= 0) {
        if (allocate(s, trails_end(s), more * sizeof(struct trail), why) < 0)
            return -1;
        /* Its pages, all at once: one by one they cost four times as much. */
        if (madvise((char *)s->header + (trails_end(s) & ~(off_t)(HEADER_BYTES - 1)),
                more * sizeof(struct trail), MADV_POPULATE_WRITE) < 0 &&
            errno == EFAULT)
            return fault_errno(why, EX_IOERR, "%s: cannot write", s->path);
        atomic_store(&s->header->trails, s->room + more);
    }
    s->room += more;
    if (s->slots < s->room * 2)
        index_build(s);
    return 0;
}

int state_room(struct state *s, unsigned n, struct fault *why)
{
    while (s->used + n > s->room && s->room < STATE_TRAILS_MAX)
        if (grow(s, why) < 0)
            return -1;
    return 0;
}

/* Of the next few trails the one that was used least recently. */
static struct trail *oldest_of(struct state *s, uint32_t count)
{
    struct trail *oldest = NULL;

    for (; s->used > 0 && count > 0; count--) {
        struct trail *t = &s->trails[s->hand];

        s->hand = (s->hand + 1) % s->used;
        if (!oldest || !t->key || (oldest->key && t->touched < oldest->touched))
            oldest = t;
    }
    return oldest;
}

static struct trail *take_trail(struct state *s)
{
    struct trail *t = oldest_of(s, SWEEP);

    if (t && (!t->key || t->touched + STATE_FORGET_DAYS < s->today))
        return t;
    if (s->used < s->room)
        return &s->trails[s->used++];
    return oldest_of(s, SWEEP_FULL);
}

static struct trail *new_trail(struct state *s, uint64_t key)
{
    struct trail *t = take_trail(s);

    if (t->key)
        index_remove(s, index_find(s, t->key));
    trail_reset(t, key);
    index_add(s, key, state_number(s, t));
    return t;
}

/* ---- owners ---- */

struct trail *state_find(const struct state *s, uint64_t key)
{
    uint32_t word = s->index[index_find(s, key)];

    return word ? &s->trails[number_of(word)] : NULL;
}

void state_ahead(const struct state *s, unsigned n, const uint64_t *keys)
{
    uint32_t number[STATE_AHEAD];

    memos_ahead(s->memos, n);
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(&s->index[(uint32_t)keys[i] & (s->slots - 1)]);
    for (unsigned i = 0; i < n; i++) {
        uint32_t at = (uint32_t)keys[i] & (s->slots - 1), want = word_of(keys[i], 0) & ~NUMBER_MASK;

        while (s->index[at] && (s->index[at] & ~NUMBER_MASK) != want)
            at = (at + 1) & (s->slots - 1);
        number[i] = s->index[at] ? number_of(s->index[at]) : 0;
        __builtin_prefetch(&s->trails[number[i]], 1);
    }
    for (unsigned i = 0; i < n; i++)
        for (unsigned k = 0; k < TRAIL_SLOTS; k += 2)
            __builtin_prefetch(&s->trails[number[i]].mark[k], 1);
}

/* Its owner is known by another key now. */
static struct trail *take_over(struct state *s, uint64_t key, uint64_t old)
{
    uint32_t slot = old ? index_find(s, old) : 0;
    struct trail *t = old && s->index[slot] ? &s->trails[number_of(s->index[slot])] : NULL;

    if (!t)
        return NULL;
    index_remove(s, slot);
    t->key = key;
    index_add(s, key, state_number(s, t));
    return t;
}

struct trail *state_trail(struct state *s, uint64_t key, uint64_t old)
{
    struct trail *t = state_find(s, key);

    if (!t)
        t = take_over(s, key, old);
    if (!t)
        t = new_trail(s, key);
    return state_use(s, t);
}

struct trail *state_use(struct state *s, struct trail *t)
{
    if (s->asked++ % 4096 == 0)
        s->today = day_now();
    if (t->touched != s->today)
        t->touched = s->today;
    s->dirty = true;
    return t;
}

uint32_t state_number(const struct state *s, const struct trail *t)
{
    return (uint32_t)(t - s->trails);
}

struct trail *state_at(const struct state *s, uint32_t number)
{
    return number < s->used ? &s->trails[number] : NULL;
}

size_t state_used(const struct state *s)
{
    return s->used;
}

/* ---- events ---- */

void state_pass(
    struct state *s, struct trail *t, const struct passage *p, struct passage_answer *answer)
{
    if (memos_find(s->memos, p->mark.id, answer)) {
        if (p->way == WAY_IN || p->way == WAY_OUT)
            answer->way = p->way;
        return;
    }
    /* The trail first: a process that is killed between the two asks it once more. */
    trail_pass(t, p, answer);
    memos_add(s->memos, p->mark.id, answer);
}

void state_expect(const struct state *s, const unsigned char id[16])
{
    memos_expect(s->memos, id);
}

bool state_recall(const struct state *s, const unsigned char id[16], unsigned char other[16])
{
    struct passage_answer answer;

    if (!memos_find(s->memos, id, &answer) || !answer.cancels)
        return false;
    memcpy(other, answer.other, sizeof answer.other);
    return true;
}

void state_remember(struct state *s, const unsigned char id[16], const unsigned char other[16])
{
    struct passage_answer answer = {.cancels = true};

    memcpy(answer.other, other, sizeof answer.other);
    memos_add(s->memos, id, &answer);
}

/* ---- the disk ---- */

int state_due_ms(const struct state *s, int64_t now_ms)
{
    int64_t left = s->synced_ms + SYNC_MS - now_ms;

    if (s->fd < 0 || !s->dirty)
        return -1;
    return left > 0 ? (int)left : 0;
}

void state_sync(struct state *s, int64_t now_ms)
{
    /* What fails here is told again, and ends the program, at its next use. */
    sync_file_range(s->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
    s->synced_ms = now_ms;
    s->dirty = false;
}
