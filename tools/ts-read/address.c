/* SPDX-License-Identifier: MIT */
/* One form for both families: 16 octets. */
#include "address.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

int cidr_parse(const char *text, struct cidr *c, struct fault *why)
{
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    char host[INET6_ADDRSTRLEN], *end;
    long bits = -1, most = 128;

    if (n < sizeof host) {
        memcpy(host, text, n);
        host[n] = '\0';
        memcpy(c->octets, mapped, sizeof mapped);
        if (inet_pton(AF_INET, host, c->octets + 12) == 1)
            most = 32;
        else if (inet_pton(AF_INET6, host, c->octets) != 1)
            most = -1;
        bits = most;
        if (slash && slash[1] >= '0' && slash[1] <= '9') {
            bits = strtol(slash + 1, &end, 10);
            if (*end)
                bits = -1;
        } else if (slash) {
            bits = -1;
        }
    }
    if (bits < 0 || bits > most)
        return fault_set(why, EX_USAGE,
            "--allow %s: not understood; write it like 10.0.0.0/8 or 2001:db8::/32", text);
    c->bits = (unsigned)(most == 32 ? bits + 96 : bits);
    return 0;
}

static bool in_range(const struct cidr *c, const unsigned char octets[16])
{
    unsigned whole = c->bits / 8, rest = c->bits % 8;
    unsigned char mask = (unsigned char)(0xff << (8 - rest));

    return memcmp(c->octets, octets, whole) == 0 &&
           (rest == 0 || ((c->octets[whole] ^ octets[whole]) & mask) == 0);
}

bool cidr_allows(const struct cidr *c, size_t count, const unsigned char octets[16])
{
    for (size_t i = 0; i < count; i++)
        if (in_range(&c[i], octets))
            return true;
    return false;
}

void address_octets(const struct sockaddr *address, unsigned char octets[16])
{
    memset(octets, 0, 16);
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)address;

        memcpy(octets, mapped, sizeof mapped);
        memcpy(octets + 12, &in->sin_addr, 4);
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in = (const void *)address;

        memcpy(octets, &in->sin6_addr, 16);
    }
}

bool address_is_loopback(const unsigned char octets[16])
{
    static const unsigned char one[16] = {[15] = 1};

    return memcmp(octets, one, 16) == 0 ||
           (memcmp(octets, mapped, sizeof mapped) == 0 && octets[12] == 127);
}

void address_print_host(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
    unsigned char octets[16];
    char host[INET6_ADDRSTRLEN];

    address_octets(address, octets);
    if (memcmp(octets, mapped, sizeof mapped) == 0)
        inet_ntop(AF_INET, octets + 12, host, sizeof host);
    else
        inet_ntop(AF_INET6, octets, host, sizeof host);
    snprintf(out, ADDRESS_TEXT, "%s", host);
}

void address_print(const struct sockaddr *address, char out[ADDRESS_TEXT])
{
    char host[ADDRESS_TEXT];
    unsigned port = address->sa_family == AF_INET6
                        ? ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port)
                        : ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);

    address_print_host(address, host);
    if (strchr(host, ':'))
        snprintf(out, ADDRESS_TEXT, "[%.45s]:%u", host, port);
    else
        snprintf(out, ADDRESS_TEXT, "%.45s:%u", host, port);
}

int endpoint_parse(const char *operand, const char *rest, struct endpoint *e, struct fault *why)
{
    size_t n = strcspn(rest, "/");
    const char *host = rest, *end = rest + n, *colon = memrchr(rest, ':', n);
    size_t host_bytes = colon ? (size_t)(colon - rest) : n;
    size_t port_bytes = colon ? (size_t)(end - colon) - 1 : 0;
    long port;

    if (host_bytes >= 2 && host[0] == '[' && host[host_bytes - 1] == ']') {
        host++;
        host_bytes -= 2;
    } else if (memchr(host, ':', host_bytes) || memchr(host, ']', host_bytes)) {
        colon = NULL; /* a bare IPv6 address: which of its colons is the port's? */
    }
    if (!colon || port_bytes == 0 || port_bytes >= sizeof e->port || host_bytes >= sizeof e->host ||
        strspn(colon + 1, "0123456789") != port_bytes)
        return fault_set(why, EX_USAGE,
            "%s: needs host:port, like 127.0.0.1:8080, :8080 or [::1]:8080", operand);
    memcpy(e->host, host, host_bytes);
    e->host[host_bytes] = '\0';
    memcpy(e->port, colon + 1, port_bytes);
    e->port[port_bytes] = '\0';
    port = strtol(e->port, NULL, 10);
    if (port > 65535)
        return fault_set(why, EX_USAGE, "%s: no such port", operand);
    return 0;
}
