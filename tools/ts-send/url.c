/* SPDX-License-Identifier: MIT */
/* Refuses more than RFC 3986 would: what is unusual in a receiver's URL is a mistake or an attack.
 */
#include "url.h"

#include <stdio.h>
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
