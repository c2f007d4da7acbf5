/* SPDX-License-Identifier: MIT */
/* Refuses more than RFC 3986 would: what is unusual in a receiver's URL is a mistake or an attack.
 */
#include "url.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

static bool plain_ascii(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~' || *text == '"' || *text == '\\' || *text == '<')
            return false;
    return true;
}

int url_check(const char *what, const char *url, struct fault *why)
{
    size_t scheme = 0, n;

    if (strncasecmp(url, "http://", 7) == 0)
        scheme = 7;
    else if (strncasecmp(url, "https://", 8) == 0)
        scheme = 8;
    if (scheme == 0)
        return fault_set(why, EX_USAGE, "%s: must begin with http:// or https://", what);
    if (strlen(url) > URL_BYTES_MAX)
        return fault_set(why, EX_USAGE, "%s: longer than %d bytes", what, URL_BYTES_MAX);
    if (!plain_ascii(url))
        return fault_set(
            why, EX_USAGE, "%s: holds a blank or a character that must be written as %%XX", what);
    n = strcspn(url + scheme, "/?#");
    if (memchr(url + scheme, '@', n))
        return fault_set(why, EX_USAGE,
            "%s: no user or password in it, every user of this machine could read them: use "
            "--header-file or --token-file",
            what);
    if (n == 0 || url[scheme] == ':')
        return fault_set(why, EX_USAGE, "%s: has no host", what);
    if (strchr(url, '#'))
        return fault_set(why, EX_USAGE, "%s: a fragment (#…) is never sent", what);
    return 0;
}

void url_shown(const char *url, char out[URL_BYTES_MAX + 8])
{
    int n = (int)strcspn(url, "?");

    snprintf(out, URL_BYTES_MAX + 8, "%.*s%s", n, url, url[n] ? "?***" : "");
}

void url_host(const char *url, struct url_host *out)
{
    const char *host = strstr(url, "://") + 3, *port;
    size_t n = strcspn(host, "/?#"), name = n;

    out->port = url_is_https(url) ? 443 : 80;
    for (port = host + n; port > host && isdigit((unsigned char)port[-1]);)
        port--;
    if (port > host && port[-1] == ':') {
        name = (size_t)(port - 1 - host);
        if (port < host + n)
            out->port = (int)strtol(port, NULL, 10);
    }
    if (name > 1 && host[0] == '[' && host[name - 1] == ']') {
        host++;
        name -= 2;
    }
    snprintf(out->host, sizeof out->host, "%.*s", (int)name, host);
}

struct slice url_origin(const char *url)
{
    size_t scheme = strcspn(url, ":") + 3;

    return (struct slice){url, scheme + strcspn(url + scheme, "/?#")};
}

/* Without a port that is the usual one of its scheme. */
static struct slice plain_origin(const char *url)
{
    struct slice o = url_origin(url), port = url_is_https(url) ? SLICE(":443") : SLICE(":80");

    if (o.n > port.n && memcmp(o.p + o.n - port.n, port.p, port.n) == 0)
        o.n -= port.n;
    else if (o.p[o.n - 1] == ':')
        o.n--;
    return o;
}

bool url_same_origin(const char *a, const char *b)
{
    struct slice x = plain_origin(a), y = plain_origin(b);

    return x.n == y.n && strncasecmp(x.p, y.p, x.n) == 0;
}
