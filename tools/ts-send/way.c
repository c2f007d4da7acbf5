/* SPDX-License-Identifier: MIT */
/* Each step tells what it found, and where it fails what to do about it. */
#include "way.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netdb.h>
#include <stdio.h>

#include "clock.h"
#include "stop.h"
#include "url.h"

#define DNS "dns"
#define CONNECTION "connection"
#define TLS "tls"
#define DAY_S 86400
#define ENDS_SOON_DAYS 14
#define ADDRESSES_SHOWN 4
#define SLICE_MS 100 /* how soon a signal is heard while a name is looked up */

/* ---- the name ---- */

/* The addresses as text, each once. */
static void list_addresses(struct buf *out, const struct addrinfo *all)
{
    char text[NI_MAXHOST];
    unsigned n = 0;

    for (const struct addrinfo *a = all; a; a = a->ai_next) {
        if (getnameinfo(a->ai_addr, a->ai_addrlen, text, sizeof text, NULL, 0, NI_NUMERICHOST) != 0)
            continue;
        n++;
        if (n <= ADDRESSES_SHOWN)
            buf_printf(out, "%s%s", n > 1 ? ", " : "", text);
    }
    if (n > ADDRESSES_SHOWN)
        buf_printf(out, " and %u more", n - ADDRESSES_SHOWN);
    buf_char(out, '\0');
}

/* getaddrinfo(3) with a deadline: what it says, or EAI_AGAIN when it took too long. */
static int look_up(const char *host, int64_t most_ms, struct addrinfo **found)
{
    static const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    /* Static: a look-up that takes too long goes on in its thread. */
    static struct gaicb ask;
    static char name[256];
    struct gaicb *list[] = {&ask};
    const struct gaicb *waited[] = {&ask};
    const struct timespec pause = {0, SLICE_MS * 1000000};
    int64_t until_ms = monotonic_ms() + most_ms;
    int rc;

    snprintf(name, sizeof name, "%s", host);
    ask = (struct gaicb){.ar_name = name, .ar_request = &hints};
    rc = getaddrinfo_a(GAI_NOWAIT, list, 1, NULL);
    if (rc != 0)
        return rc;
    while ((rc = gai_error(&ask)) == EAI_INPROGRESS) {
        if (stop_requested() || monotonic_ms() > until_ms)
            return EAI_AGAIN;
        gai_suspend(waited, 1, &pause);
    }
    *found = ask.ar_result;
    return rc;
}

static bool is_address(const char *host)
{
    unsigned char out[sizeof(struct in6_addr)];

    return inet_pton(AF_INET, host, out) == 1 || inet_pton(AF_INET6, host, out) == 1;
}

/* Whose name this machine has to know: the receiver's, or that of the proxy, which knows it. */
static bool check_name(struct findings *f, const struct transfer_config *k)
{
    const char *whose = k->proxy ? " (the proxy)" : "";
    struct addrinfo *found = NULL;
    struct buf text = {0};
    struct url_host at;
    int rc;

    url_host(k->proxy ? k->proxy : k->url, &at);
    if (is_address(at.host)) {
        finding_ok(f, DNS, "%s%s is an address: nothing to look up", at.host, whose);
        return true;
    }
    rc = look_up(at.host, k->connect_timeout_ms, &found);
    if (rc == 0) {
        list_addresses(&text, found);
        finding_ok(f, DNS, "%s%s is %s", at.host, whose, text.data);
        buf_free(&text);
        freeaddrinfo(found);
    } else if (rc == EAI_AGAIN) {
        finding_fail(f, EX_UNAVAILABLE, DNS,
            "%s%s: no name server answers: check the network and /etc/resolv.conf", at.host, whose);
    } else if (rc == EAI_NONAME || rc == EAI_NODATA) {
        finding_fail(f, EX_UNAVAILABLE, DNS, "%s%s: no such name: check the host in the URL",
            at.host, whose);
    } else {
        finding_fail(f, EX_UNAVAILABLE, DNS, "%s%s: %s", at.host, whose, gai_strerror(rc));
    }
    return rc == 0;
}

/* ---- the connection ---- */

static const char *advice(int error)
{
    switch (error) {
    case ECONNREFUSED:
        return ": nobody listens there: check the port, and that the receiver runs";
    case ENETUNREACH:
    case EHOSTUNREACH:
        return ": no way leads there: check the network and the firewall";
    default:
        return ": check the network, the firewall and the port";
    }
}

/* Whether there is a connection; what is wrong with TLS comes after that. */
static bool check_connection(
    struct findings *f, const struct transfer_config *k, const struct peer *p, int64_t took_ms)
{
    const char *through = k->proxy ? " (the proxy)" : "";
    struct url_host at;

    url_host(k->proxy ? k->proxy : k->url, &at);
    if (p->way == WAY_NOWHERE)
        finding_fail(f, EX_UNAVAILABLE, CONNECTION, "%s port %d%s: %s%s", at.host, at.port, through,
            p->error ? strerror(p->error) : p->words, advice(p->error));
    else if (p->way == WAY_SLOW && !p->address[0])
        finding_fail(f, EX_UNAVAILABLE, CONNECTION,
            "%s port %d%s: no connection within %" PRId64
            " ms: check the firewall, or give --connect-timeout",
            at.host, at.port, through, took_ms);
    else if (p->way == WAY_PROXY_NO)
        finding_fail(f, p->proxy_status == 407 ? EX_CONFIG : EX_UNAVAILABLE, CONNECTION,
            "the proxy does not let us through (%ld): ask who runs it", p->proxy_status);
    else if (p->way == WAY_NO_NAME || p->way == WAY_NO_PROXY || p->way == WAY_FAILED)
        finding_fail(
            f, EX_UNAVAILABLE, CONNECTION, "%s port %d%s: %s", at.host, at.port, through, p->words);
    else {
        finding_ok(f, CONNECTION, "%s port %ld%s, after %" PRId64 " ms",
            p->address[0] ? p->address : at.host, p->port ? p->port : at.port, through, took_ms);
        return true;
    }
    return false;
}

/* ---- TLS ---- */

/* "2026-05-04 (9 days)" or "(9 days ago)". */
static const char *day_text(int64_t unix_s, char out[64])
{
    char date[CLOCK_TEXT];
    int64_t days = (unix_s - clock_now_ms() / 1000) / DAY_S;

    if (unix_s < 0)
        return "a day that is not understood";
    clock_print_local(date, unix_s, 0);
    snprintf(out, 64, "%.10s (%" PRId64 " day%s%s)", date, days < 0 ? -days : days,
        days == 1 || days == -1 ? "" : "s", days < 0 ? " ago" : "");
    return out;
}

/* "DNS:a.example, IP Address:192.0.2.7" without what kind each is. */
static void plain_names(char *names)
{
    static const char *const kinds[] = {"DNS:", "IP Address:"};
    char *found;

    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        while ((found = strstr(names, kinds[i])))
            memmove(found, found + strlen(kinds[i]), strlen(found + strlen(kinds[i])) + 1);
}

/* "OpenSSL/3.0.22: error:0A00010B:SSL routines::wrong version number": its end is for people. */
static const char *plain_words(const char *words)
{
    const char *last = strstr(words, "::");

    return last ? last + 2 : words;
}

static const char *known(const char *text)
{
    return text[0] ? text : "nobody named";
}

static void say_good(struct findings *f, const struct peer *p)
{
    int64_t left_s = p->not_after - clock_now_ms() / 1000;
    char until[64];

    if (!p->certificate)
        finding_ok(f, TLS, "the certificate is trusted");
    else if (p->not_after >= 0 && left_s < ENDS_SOON_DAYS * DAY_S)
        finding_warn(f, TLS,
            "the certificate ends on %s: have it renewed, or nothing can be delivered from then "
            "on; issued by %s",
            day_text(p->not_after, until), known(p->issuer));
    else
        finding_ok(f, TLS, "the certificate is trusted, until %s; issued by %s",
            day_text(p->not_after, until), known(p->issuer));
}

/* p: what was wrong; seen: the certificate, as an unchecked connection showed it. */
static void say_bad(
    struct findings *f, const struct peer *p, const struct peer *seen, const char *host)
{
    char day[64];

    switch (p->way) {
    case WAY_EXPIRED:
        finding_fail(f, EX_UNAVAILABLE, TLS,
            "the certificate ended on %s: whoever runs the receiver must renew it; issued by %s",
            day_text(seen->not_after, day), known(seen->issuer));
        return;
    case WAY_TOO_EARLY:
        finding_fail(f, EX_UNAVAILABLE, TLS,
            "the certificate begins on %s: is the clock of this machine right?",
            day_text(seen->not_before, day));
        return;
    case WAY_OTHER_NAME:
        finding_fail(f, EX_CONFIG, TLS,
            "the certificate is not for %s, but for %s: give the URL with that name", host,
            seen->names[0] ? seen->names : known(seen->subject));
        return;
    case WAY_SELF_SIGNED:
        finding_fail(f, EX_CONFIG, TLS,
            "the certificate is self-signed (%s): if it is the right one, get it from whoever "
            "runs the receiver and give it as --cacert",
            known(seen->subject));
        return;
    case WAY_UNKNOWN_CA:
        finding_fail(f, EX_CONFIG, TLS,
            "this machine does not know who issued the certificate (%s): give the certificate of "
            "that authority as --cacert, or have the receiver send its whole chain",
            known(seen->issuer));
        return;
    case WAY_STRANGER:
        finding_fail(f, EX_CONFIG, TLS, "its public key is not that of --pin-sha256: %s", p->words);
        return;
    case WAY_SLOW:
        finding_fail(f, EX_UNAVAILABLE, TLS,
            "TLS does not come about in time: is this the port for https? is the receiver "
            "overloaded?");
        return;
    case WAY_NO_TLS:
        finding_fail(f, EX_CONFIG, TLS,
            "no TLS comes about: is this the port for https, and does it know TLS 1.2 or 1.3? (%s)",
            plain_words(p->words));
        return;
    default:
        finding_fail(f, EX_CONFIG, TLS, "%s", p->words);
        return;
    }
}

static bool is_loopback(const char *address)
{
    return strncmp(address, "127.", 4) == 0 || strcmp(address, "::1") == 0;
}

static int connect_once(struct transfer *t, bool unchecked, struct peer *p, struct fault *why)
{
    const struct request r = {
        .connect_only = true, .unchecked = unchecked, .timeout_ms = INT64_MAX};
    struct exchange done;
    int rc;

    if (transfer_start(t, &r, why) < 0)
        return -1;
    rc = transfer_wait(t, false, &done, why);
    if (rc > 0)
        transfer_peer(&done, p);
    return rc;
}

/* The same as way_check. */
static int check_tls(struct findings *f, const struct transfer_config *k, struct transfer *t,
    const struct peer *p, struct fault *why)
{
    struct peer seen = *p;
    struct url_host at;
    int rc;

    if (!url_is_https(k->url)) {
        if (is_loopback(p->address) && !k->proxy)
            finding_ok(f, TLS, "none, and none is needed on this machine");
        else
            finding_warn(f, TLS,
                "none: everybody on the way can read and change the events and take the "
                "credentials: use https://");
        return 1;
    }
    if (p->way == WAY_OPEN && k->insecure && k->pin) {
        finding_ok(f, TLS, "its key is that of --pin-sha256; the certificate is not checked");
        return 1;
    }
    if (p->way == WAY_OPEN && k->insecure) {
        finding_warn(f, TLS, "not checked (--insecure): anybody can pretend to be the receiver");
        return 1;
    }
    if (p->way == WAY_OPEN) {
        say_good(f, p);
        return 1;
    }
    if (p->way >= WAY_EXPIRED && p->way <= WAY_UNTRUSTED) {
        rc = connect_once(t, true, &seen, why);
        if (rc <= 0)
            return rc;
        plain_names(seen.names);
    }
    url_host(k->url, &at);
    say_bad(f, p, &seen, at.host);
    return 0;
}

int way_check(
    struct findings *f, const struct transfer_config *config, struct transfer *t, struct fault *why)
{
    int64_t began_ms;
    struct peer p;
    int rc;

    if (!check_name(f, config))
        return 0;
    began_ms = monotonic_ms();
    rc = connect_once(t, false, &p, why);
    if (rc <= 0)
        return rc;
    if (!check_connection(f, config, &p, monotonic_ms() - began_ms))
        return 0;
    return check_tls(f, config, t, &p, why);
}
