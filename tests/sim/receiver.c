/* SPDX-License-Identifier: MIT */
/* An HTTP receiver that plays an HRMS for the tests: it takes events by POST (an object or an
 * array of objects, gzip or not), keeps a ledger of what it stored, misbehaves by a schedule of
 * faults (receiver_fault.h), and checks what a sender promises: one person's events in order and
 * never in two requests at once, Idempotency-Key equal to event_id.
 *
 * One process, one epoll loop. Requests that are ready in the same turn are all read before the
 * first is answered, so that two requests of one person in flight together are seen.
 * `GET /summary` answers the same JSON line that SIGUSR1 and the end print on stdout. */
#include "receiver_fault.h"
#include "receiver_http.h"
#include "receiver_ledger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <yyjson.h>

#define READ_STEP (64u << 10)
#define TURN 256 /* connections served in one turn of the loop */

/* One event of the request in hand. The strings live in the connection's document. */
struct item {
    const char *id, *person;
    size_t id_len;
    struct id_key key;
    uint32_t who;
    bool chosen; /* by the rule that looks at events */
    char order[ORDER_MAX];
};

struct conn {
    int fd;
    bool dead, ready;
    struct bytes in, plain; /* received; the body when it was chunked or packed */
    struct head head;
    uint64_t number; /* of the request in hand; 0: none */
    double answer_at;
    int64_t arrived_us;
    yyjson_doc *doc;
    struct item *items;
    size_t items_count, items_room;
    bool single;
    const struct rule *rule;
    size_t taken; /* bytes of `in` that the request in hand fills */
    struct conn *next;
};

static struct {
    int port, status, dup_status;
    const char *order_field, *id_field, *person_field;
    bool times;
} opt = {.status = 201, .dup_status = 200, .id_field = "event_id", .person_field = "person_id"};

static struct {
    unsigned long long requests, events, distinct, duplicates, order_violations, overlapping,
        refused;
    unsigned long long refused_tries, bad, key_missing, key_wrong, no_id, closed, connections,
        faults;
    unsigned long long answers[600];
    double first_s, last_s;
} sum;

static struct schedule faults;
static struct id_set ids;
static struct person_set persons;
static FILE *ledger, *refused_file;
static struct conn *conns;
static int poll_fd = -1, listen_fd = -1, signal_fd = -1;
static double started;

static double clock_s(clockid_t which)
{
    struct timespec t;

    clock_gettime(which, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double now_s(void)
{
    return clock_s(CLOCK_MONOTONIC) - started;
}

static int summary_print(char *to, size_t room)
{
    static const struct {
        const char *name;
        const unsigned long long *value;
    } counts[] = {{"requests", &sum.requests}, {"events", &sum.events}, {"distinct", &sum.distinct},
        {"duplicates", &sum.duplicates}, {"order_violations", &sum.order_violations},
        {"refused", &sum.refused}, {"overlapping", &sum.overlapping},
        {"refused_tries", &sum.refused_tries}, {"faults", &sum.faults}, {"closed", &sum.closed},
        {"bad_bodies", &sum.bad}, {"key_missing", &sum.key_missing}, {"key_wrong", &sum.key_wrong},
        {"no_id", &sum.no_id}, {"connections", &sum.connections}};
    struct rusage use;
    int n = 0;

    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        n += snprintf(to + n, room - (size_t)n, "%s\"%s\":%llu", i ? "," : "{", counts[i].name,
            *counts[i].value);
    getrusage(RUSAGE_SELF, &use);
    n += snprintf(to + n, room - (size_t)n,
        ",\"persons\":%zu,\"seconds\":%.6f,\"cpu_s\":%.3f,\"answers\":{", persons.count,
        sum.last_s - sum.first_s,
        (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
            (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6);
    for (int i = 0, any = 0; i < 600; i++)
        if (sum.answers[i])
            n += snprintf(
                to + n, room - (size_t)n, "%s\"%d\":%llu", any++ ? "," : "", i, sum.answers[i]);
    return n + snprintf(to + n, room - (size_t)n, "}}\n");
}

static void ledgers_flush(void)
{
    if (ledger)
        fflush(ledger);
    if (refused_file)
        fflush(refused_file);
}

static void summary_report(void)
{
    char text[8192];

    ledgers_flush();
    summary_print(text, sizeof(text));
    fputs(text, stdout);
    fflush(stdout);
}

/* The answers are short: what the socket does not take at once belongs to a client that reads
 * nothing, and is dropped with it. */
static void conn_send(struct conn *c, const char *text, size_t len)
{
    if (!c->dead && send(c->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
        c->dead = true;
}

static void conn_answer(struct conn *c, int status, const struct rule *rule, const char *body)
{
    char text[16384], retry[80] = "", date[40];
    int n;

    if (rule && rule->retry_s >= 0) {
        time_t at = time(NULL) + (time_t)(rule->retry_s + 0.999);
        strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S GMT", gmtime(&at));
        if (rule->retry_date)
            snprintf(retry, sizeof(retry), "Retry-After: %s\r\n", date);
        else
            snprintf(retry, sizeof(retry), "Retry-After: %.0f\r\n", rule->retry_s);
    }
    n = snprintf(text, sizeof(text),
        "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n%s\r\n%s",
        status, status_text(status), retry, strlen(body),
        c->head.close ? "Connection: close\r\n" : "", body);
    conn_send(c, text, (size_t)n);
    sum.answers[status] += c->head.post;
    c->dead |= c->head.close;
}

/* Gives up the request in hand: its persons are free, its bytes leave the buffer. */
static void request_end(struct conn *c)
{
    for (size_t i = 0; i < c->items_count; i++)
        if (persons.at[c->items[i].who].holder == c)
            persons.at[c->items[i].who].holder = NULL;
    c->items_count = 0;
    yyjson_doc_free(c->doc);
    c->doc = NULL;
    c->in.len -= c->taken;
    if (c->taken)
        memmove(c->in.at, c->in.at + c->taken, c->in.len);
    c->taken = 0;
    c->number = 0;
    c->ready = false;
    c->rule = NULL;
    memset(&c->head, 0, sizeof(c->head));
}

static void conn_free(struct conn *c)
{
    request_end(c);
    close(c->fd);
    free(c->in.at);
    free(c->plain.at);
    free(c->items);
    free(c);
}

/* Stores one event; returns whether it was there already. */
static bool item_store(const struct conn *c, const struct item *it, const char *status)
{
    enum seen before = SEEN_NOT;

    if (it->id_len)
        before = id_note(&ids, it->key, SEEN_STORED);
    if (before == SEEN_STORED) {
        sum.duplicates++;
        status = "dup";
    } else {
        sum.distinct++;
        if (opt.order_field && !person_in_order(&persons.at[it->who], it->order))
            sum.order_violations++;
    }
    ledger_write(ledger, it->id_len ? it->id : "-", it->person, status, c->arrived_us);
    return before == SEEN_STORED;
}

/* Stores all events of the request and returns the status that says so. */
static int request_store(struct conn *c, bool answered)
{
    size_t repeated = 0;
    char text[16] = "0";

    if (answered)
        snprintf(text, sizeof(text), "%d", opt.status);
    for (size_t i = 0; i < c->items_count; i++)
        repeated += item_store(c, &c->items[i], text);
    return c->items_count && repeated == c->items_count ? opt.dup_status : opt.status;
}

static void request_refuse(struct conn *c)
{
    for (size_t i = 0; i < c->items_count; i++) {
        struct item *it = &c->items[i];
        if (!it->chosen)
            continue;
        sum.refused_tries++;
        if (id_note(&ids, it->key, SEEN_REFUSED) == SEEN_NOT) {
            sum.refused++;
            ledger_write(refused_file, it->id, it->person, "refused", 0);
        }
    }
}

/* Does what the rule says, or stores and answers. */
static void request_finish(struct conn *c)
{
    const struct rule *r = c->rule;
    bool stored = !r || r->stored;

    sum.faults += r != NULL;
    if (r && r->act == ACT_STATUS && rule_selects(r) && !stored)
        request_refuse(c);
    if (stored) {
        int status = request_store(c, !r);
        if (!r)
            conn_answer(c, status, NULL, "{}");
    }
    if (r && r->act == ACT_STATUS) {
        conn_answer(c, r->status, r, "{\"error\":\"refused by the fault schedule\"}");
    } else if (r) {
        if (r->act == ACT_HALF)
            conn_send(c, "HTTP/1.1 20", 11);
        sum.closed++;
        c->dead = true;
    }
    sum.last_s = now_s();
    request_end(c);
}

/* Finds the rule for the request in hand and when it is to be answered. */
static void request_judge(struct conn *c)
{
    struct moment m = {c->number, sum.distinct + 1, now_s()};

    c->answer_at = m.time_s;
    for (size_t n = 0; n < faults.count && !c->rule; n++) {
        struct rule *r = &faults.rules[n];
        bool hit = !rule_selects(r);
        if (r->act == ACT_DOWN || r->act == ACT_CLOSE_EARLY || !rule_open(r, &m))
            continue;
        for (size_t i = 0; i < c->items_count && rule_selects(r); i++) {
            struct item *it = &c->items[i];
            it->chosen = rule_event(r, it->key.high, it->id, it->person);
            hit |= it->chosen;
        }
        if (hit && r->act == ACT_SLOW)
            c->answer_at += r->slow_ms / 1000;
        else if (hit)
            c->rule = r;
    }
}

static void item_order(struct item *it, yyjson_val *value)
{
    if (yyjson_is_int(value))
        snprintf(it->order, sizeof(it->order), "%020lld", (long long)yyjson_get_sint(value));
    else
        snprintf(it->order, sizeof(it->order), "%s",
            yyjson_is_str(value) ? unsafe_yyjson_get_str(value) : "");
}

/* Takes one event of the body; false when it is no object. */
static bool item_add(struct conn *c, yyjson_val *event)
{
    yyjson_val *id = yyjson_obj_get(event, opt.id_field);
    yyjson_val *who = yyjson_obj_get(event, opt.person_field);
    struct item *it;
    struct person *p;

    if (!yyjson_is_obj(event))
        return false;
    if (c->items_count == c->items_room) {
        c->items_room = c->items_room ? c->items_room * 2 : 4;
        c->items = realloc(c->items, c->items_room * sizeof(*c->items));
        if (!c->items)
            abort();
    }
    it = &c->items[c->items_count++];
    memset(it, 0, offsetof(struct item, order));
    if (!yyjson_is_str(who))
        who = yyjson_obj_get(event, "card_no");
    it->id = yyjson_is_str(id) ? unsafe_yyjson_get_str(id) : "";
    it->id_len = strlen(it->id);
    it->person = yyjson_is_str(who) ? unsafe_yyjson_get_str(who) : "-";
    it->key = id_key(it->id, it->id_len);
    it->who = person_find(&persons, it->person, strlen(it->person));
    sum.no_id += !it->id_len;
    if (opt.order_field)
        item_order(it, yyjson_obj_get(event, opt.order_field));
    p = &persons.at[it->who];
    sum.overlapping += p->holder && p->holder != c;
    if (!p->holder && strcmp(it->person, "-") != 0)
        p->holder = c;
    return true;
}

static bool body_items(struct conn *c, const char *body, size_t len)
{
    yyjson_val *root, *event;
    yyjson_arr_iter all;

    c->doc = yyjson_read(body, len, 0);
    root = yyjson_doc_get_root(c->doc);
    c->single = yyjson_is_obj(root);
    if (c->single)
        return item_add(c, root);
    if (!yyjson_is_arr(root))
        return false;
    yyjson_arr_iter_init(root, &all);
    while ((event = yyjson_arr_iter_next(&all)))
        if (!item_add(c, event))
            return false;
    return true;
}

static void key_check(const struct conn *c)
{
    const struct item *it = c->items;

    if (!c->single || !c->items_count)
        return;
    if (!c->head.key_len)
        sum.key_missing++;
    else if (c->head.key_len != it->id_len ||
             memcmp(c->in.at + c->head.key_at, it->id, it->id_len) != 0)
        sum.key_wrong++;
}

/* A request is complete: reads its events and decides what becomes of it. */
static void request_take(struct conn *c, const char *body, size_t len)
{
    bool fine;

    if (!sum.requests++)
        sum.first_s = now_s();
    c->number = sum.requests;
    c->ready = true;
    if (opt.times)
        c->arrived_us = (int64_t)(clock_s(CLOCK_REALTIME) * 1e6);
    fine = body_items(c, body, len);
    sum.events += c->items_count;
    if (!fine) {
        sum.bad++;
        conn_answer(c, 400, NULL, "{\"error\":\"neither an event nor an array of events\"}");
        request_end(c);
        return;
    }
    key_check(c);
    request_judge(c);
}

/* Answers what is no event post. */
static void request_other(struct conn *c)
{
    char text[8192] = "{}";

    c->taken = c->head.bytes;
    if (c->head.summary) {
        ledgers_flush();
        summary_print(text, sizeof(text));
    }
    conn_answer(c, c->head.summary ? 200 : 404, NULL, text);
    request_end(c);
}

static void conn_fail(struct conn *c, const char *why)
{
    c->head.close = true;
    conn_answer(c, 400, NULL, why);
    sum.bad++;
}

/* Finds the body behind the head and makes it plain: 1 all of it is there, 0 not yet, -1 wrong. */
static int conn_body(struct conn *c, const char **body, size_t *len)
{
    const struct head *h = &c->head;
    size_t left = c->in.len - h->bytes, taken = h->length;
    struct bytes packed = {0};
    int rc = 1;

    *body = c->in.at + h->bytes;
    *len = h->length;
    c->plain.len = 0;
    if (h->chunked) {
        rc = chunks_walk(*body, left, &taken, NULL);
        if (rc <= 0)
            return rc;
        chunks_walk(*body, left, &taken, &c->plain);
        *body = c->plain.at;
        *len = c->plain.len;
    } else if (left < *len) {
        return 0;
    }
    if (h->gzip) {
        bytes_add(&packed, *body, *len);
        rc = gunzip(packed.at, packed.len, &c->plain) < 0 ? -1 : 1;
        free(packed.at);
        *body = c->plain.at;
        *len = c->plain.len;
    }
    c->taken = h->bytes + taken;
    return rc;
}

/* Recognises one request at the start of the buffer; false when not all of it is there. */
static bool conn_parse(struct conn *c)
{
    struct head *h = &c->head;
    const char *body;
    size_t len;
    int rc;

    if (c->ready || c->dead || !c->in.len)
        return false;
    if (!h->bytes && (rc = head_parse(h, &c->in)) <= 0) {
        if (rc < 0)
            conn_fail(c, "{\"error\":\"not HTTP\"}");
        return false;
    }
    if (!h->post) {
        request_other(c);
        return true;
    }
    if (h->expect)
        conn_send(c, "HTTP/1.1 100 Continue\r\n\r\n", 25);
    h->expect = false;
    rc = conn_body(c, &body, &len);
    if (rc < 0)
        conn_fail(c, "{\"error\":\"body\"}");
    if (rc > 0)
        request_take(c, body, len);
    return rc > 0;
}

/* Is a request that begins now to be cut off before it is read? */
static bool conn_cut_early(struct conn *c)
{
    struct moment m = {sum.requests + 1, sum.distinct + 1, now_s()};
    char first;

    if (!faults.has_early || c->in.len || recv(c->fd, &first, 1, MSG_PEEK) != 1 || first != 'P')
        return false;
    for (size_t i = 0; i < faults.count; i++) {
        if (faults.rules[i].act != ACT_CLOSE_EARLY || !rule_open(&faults.rules[i], &m))
            continue;
        sum.requests++;
        sum.closed++;
        sum.faults++;
        return true;
    }
    return false;
}

/* Reads what is there. A client that hangs up while its request waits (act `slow`) gives up the
 * answer, not the request: what arrived is stored. */
static void conn_read(struct conn *c)
{
    ssize_t got;

    if (conn_cut_early(c)) {
        c->dead = true;
        return;
    }
    bytes_room(&c->in, READ_STEP);
    got = recv(c->fd, c->in.at + c->in.len, c->in.room - c->in.len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0) {
        c->dead = true;
        if (c->ready)
            request_finish(c);
        return;
    }
    c->in.len += (size_t)got;
    while (conn_parse(c))
        ;
}

static void conn_accept(void)
{
    int fd, one = 1;

    while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        struct conn *c = calloc(1, sizeof(*c));
        struct epoll_event want = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};
        if (!c)
            abort();
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
        c->fd = fd;
        c->next = conns;
        conns = c;
        sum.connections++;
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &want);
    }
}

/* Opens the listening socket on the port that was got first. Returns 0 or -1. */
static int listen_open(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)opt.port)};
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = &listen_fd};
    socklen_t len = sizeof(at);
    int one = 1;

    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) < 0 || listen(listen_fd, 1024) < 0 ||
        getsockname(listen_fd, (struct sockaddr *)&at, &len) < 0) {
        close(listen_fd);
        listen_fd = -1;
        return -1;
    }
    opt.port = ntohs(at.sin_port);
    return epoll_ctl(poll_fd, EPOLL_CTL_ADD, listen_fd, &want);
}

static bool down_now(void)
{
    struct moment m = {sum.requests + 1, sum.distinct + 1, now_s()};

    for (size_t i = 0; i < faults.count; i++) {
        struct rule *r = &faults.rules[i];
        if (r->act == ACT_DOWN && rule_open(r, &m))
            return true;
    }
    return false;
}

static void down_apply(void)
{
    bool down = down_now();

    if (down && listen_fd >= 0) {
        close(listen_fd);
        listen_fd = -1;
        sum.faults++;
        for (struct conn *c = conns; c; c = c->next)
            c->dead = true;
    } else if (!down && listen_fd < 0) {
        listen_open(); /* when the port is taken for the moment, the next turn tries again */
    }
}

/* Answers what is due, drops the dead. Returns ms until the next answer is due, -1: none. */
static int conns_serve(void)
{
    double now = now_s(), next = -1;

    for (struct conn **at = &conns, *c; (c = *at);) {
        while (c->ready && !c->dead && c->answer_at <= now) {
            request_finish(c);
            while (conn_parse(c))
                ;
        }
        if (c->dead) {
            *at = c->next;
            conn_free(c);
            continue;
        }
        if (c->ready && (next < 0 || c->answer_at < next))
            next = c->answer_at;
        at = &c->next;
    }
    if (next < 0)
        return -1;
    return next <= now ? 0 : (int)((next - now) * 1000) + 1;
}

/* Returns false when it is time to end. */
static bool signals_read(void)
{
    struct signalfd_siginfo got;

    if (read(signal_fd, &got, sizeof(got)) != sizeof(got) || got.ssi_signo != SIGUSR1)
        return false;
    summary_report();
    return true;
}

static void loop(void)
{
    struct epoll_event got[TURN];
    int wait_ms = -1, n;

    for (;;) {
        n = epoll_wait(poll_fd, got, TURN, 0);
        if (n == 0) {
            ledgers_flush();
            n = epoll_wait(poll_fd, got, TURN, wait_ms);
        }
        for (int i = 0; i < n; i++) {
            if (got[i].data.ptr == &listen_fd)
                conn_accept();
            else if (got[i].data.ptr != &signal_fd)
                conn_read(got[i].data.ptr);
            else if (!signals_read())
                return;
        }
        wait_ms = conns_serve();
        if (faults.has_down) {
            down_apply();
            wait_ms = wait_ms < 0 || wait_ms > 5 ? 5 : wait_ms;
        }
    }
}

static FILE *open_lines(const char *path)
{
    FILE *f = fopen(path, "ae");

    if (!f) {
        perror(path);
        exit(73);
    }
    setvbuf(f, NULL, _IOFBF, 1 << 18);
    return f;
}

static const struct option options[] = {{"port", required_argument, NULL, 'p'},
    {"ledger", required_argument, NULL, 'l'}, {"refused", required_argument, NULL, 'r'},
    {"script", required_argument, NULL, 's'}, {"fault", required_argument, NULL, 'f'},
    {"order-field", required_argument, NULL, 'o'}, {"id-field", required_argument, NULL, 'i'},
    {"person-field", required_argument, NULL, 'w'}, {"status", required_argument, NULL, 'S'},
    {"dup", required_argument, NULL, 'd'}, {"times", no_argument, NULL, 't'},
    {"help", no_argument, NULL, 'h'}, {0}};

static const char usage[] =
    "usage: receiver [--port N] [--ledger FILE] [--refused FILE] [--script FILE] [--fault "
    "SPEC]...\n"
    "                [--order-field NAME] [--id-field NAME] [--person-field NAME]\n"
    "                [--status CODE] [--dup CODE] [--times]\n"
    "  --dup CODE     answer when all events of a request are stored already (200)\n"
    "  --times        ledger lines end with the arrival in microseconds since 1970\n"
    "  --refused FILE one line an event that a rule on events refused\n"
    "A SPEC is a window and an act, for instance `request 10..20 status 503 retry-after 1`,\n"
    "`every 97 status 422`, `time 0..5 down`, `event 500.. down for 3`, `nth 9 close stored`.\n"
    "All of them: the top of tests/sim/receiver_fault.h.\n";

static int options_read(int argc, char **argv)
{
    int c, rc = 0;

    while (rc == 0 && (c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (c == 'p')
            opt.port = atoi(optarg);
        else if (c == 'l')
            ledger = open_lines(optarg);
        else if (c == 'r')
            refused_file = open_lines(optarg);
        else if (c == 's')
            rc = schedule_read(&faults, optarg);
        else if (c == 'f')
            rc = schedule_add(&faults, optarg);
        else if (c == 'o')
            opt.order_field = optarg;
        else if (c == 'i')
            opt.id_field = optarg;
        else if (c == 'w')
            opt.person_field = optarg;
        else if (c == 'S')
            opt.status = atoi(optarg);
        else if (c == 'd')
            opt.dup_status = atoi(optarg);
        else if (c == 't')
            opt.times = true;
        else
            rc = -1;
    }
    if (opt.status < 200 || opt.status > 599 || opt.dup_status < 200 || opt.dup_status > 599)
        rc = -1;
    return rc < 0 || optind < argc ? -1 : 0;
}

int main(int argc, char **argv)
{
    struct epoll_event want = {.events = EPOLLIN, .data.ptr = &signal_fd};
    sigset_t stops;

    started = clock_s(CLOCK_MONOTONIC);
    if (options_read(argc, argv) < 0) {
        fputs(usage, stderr);
        return 64;
    }
    sigemptyset(&stops);
    sigaddset(&stops, SIGUSR1);
    sigaddset(&stops, SIGTERM);
    sigaddset(&stops, SIGINT);
    sigprocmask(SIG_BLOCK, &stops, NULL);
    signal_fd = signalfd(-1, &stops, SFD_CLOEXEC);
    poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (signal_fd < 0 || poll_fd < 0 || epoll_ctl(poll_fd, EPOLL_CTL_ADD, signal_fd, &want) < 0 ||
        listen_open() < 0) {
        perror("receiver");
        return 69;
    }
    printf("listening %d\n", opt.port);
    fflush(stdout);
    loop();
    while (conns) {
        conns->dead = true;
        conns_serve();
    }
    summary_report();
    return 0;
}
