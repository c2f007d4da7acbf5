/* SPDX-License-Identifier: MIT */
/* Network addresses as text, and who may connect. */
#ifndef TS_ADDRESS_H
#define TS_ADDRESS_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "fault.h"

/* A range of addresses; IPv4 stands as its mapped IPv6 form. */
struct cidr {
    unsigned char octets[16];
    unsigned bits; /* 0..128 */
};

/* "10.0.0.0/8", "192.0.2.7", "2001:db8::/32". */
int cidr_parse(const char *text, struct cidr *c, struct fault *why);

/* Whether one of the ranges holds the address. */
bool cidr_allows(const struct cidr *c, size_t count, const unsigned char octets[16]);

/* The 16 octets of a socket's address (IPv4: mapped); zeros for any other family. */
void address_octets(const struct sockaddr *address, unsigned char octets[16]);

bool address_is_loopback(const unsigned char octets[16]);

#define ADDRESS_TEXT 64

/* "127.0.0.1:4711", "[::1]:4711"; and without the port "127.0.0.1", "::1". */
void address_print(const struct sockaddr *address, char out[ADDRESS_TEXT]);
void address_print_host(const struct sockaddr *address, char out[ADDRESS_TEXT]);

/* "host:port", "[::1]:port", ":port" (host is then empty), each with an optional "/…" after it. */
struct endpoint {
    char host[256];
    char port[8];
};
int endpoint_parse(const char *operand, const char *rest, struct endpoint *e, struct fault *why);

#endif
