/* SPDX-License-Identifier: MIT */
/* The plain way to post lines with libcurl, for reference: N easy handles in one multi handle,
 * curl_multi_perform and curl_multi_poll, one line of stdin a request, no order, no retry.
 *
 * usage: naive_multi [-j N] URL < events.ndjson */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct post {
    char *line;
    size_t room;
};

static unsigned long refused;

static size_t swallow(char *at, size_t size, size_t count, void *to)
{
    (void)at;
    (void)to;
    return size * count;
}

/* Starts the next line on a handle; 0 at the end of the input. */
static int next(CURLM *multi, CURL *easy)
{
    struct post *p = NULL;
    ssize_t len;

    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&p);
    len = getline(&p->line, &p->room, stdin);
    if (len <= 0)
        return 0;
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, p->line);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, (long)len - 1);
    curl_multi_add_handle(multi, easy);
    return 1;
}

static CURL *handle_new(const char *url, struct curl_slist *headers, struct post *p)
{
    CURL *easy = curl_easy_init();

    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, p);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    return easy;
}

/* Takes what is done off the multi handle and starts the next on it; returns how many ended. */
static int turn(CURLM *multi)
{
    CURLMsg *m;
    int left, ended = 0;

    while ((m = curl_multi_info_read(multi, &left))) {
        CURL *easy = m->easy_handle;
        long status = 0;
        curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
        refused += m->data.result != CURLE_OK || status / 100 != 2;
        curl_multi_remove_handle(multi, easy);
        ended += !next(multi, easy);
    }
    return ended;
}

int main(int argc, char **argv)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/json");
    CURLM *multi = curl_multi_init();
    struct post *posts;
    int c, count = 16, busy = 0, running;

    while ((c = getopt(argc, argv, "j:")) != -1)
        count = c == 'j' ? atoi(optarg) : 0;
    if (count < 1 || optind + 1 != argc) {
        fputs("usage: naive_multi [-j N] URL < events.ndjson\n", stderr);
        return 64;
    }
    posts = calloc((size_t)count, sizeof(*posts));
    for (int i = 0; posts && i < count; i++)
        busy += next(multi, handle_new(argv[optind], headers, &posts[i]));
    while (busy > 0) {
        curl_multi_perform(multi, &running);
        busy -= turn(multi);
        if (busy > 0)
            curl_multi_poll(multi, NULL, 0, 1000, NULL);
    }
    if (refused)
        fprintf(stderr, "naive_multi: %lu refused\n", refused);
    return refused ? 69 : 0;
}
