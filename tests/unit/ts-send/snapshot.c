/* SPDX-License-Identifier: MIT */
/* Snapshots: the option, the member, what a receiver may say, files beneath a folder, the index. */
#include "snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../support/unit.h"
#include "picture.h"
#include "places.h"

#define HEX "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* ---- the option ---- */

static const struct {
    const char *text, *url; /* NULL: refused; "": no upload */
    bool ours;
} options[] = {
    {"inline", "", false},
    {"omit", "", false},
    {"upload", "https://h:8443/media/snapshot", true},
    {"upload=/pics?x=1", "https://h:8443/pics?x=1", true},
    {"upload=https://H:8443/p", "https://H:8443/p", true},
    {"upload=https://h/p", "https://h/p", false},
    {"upload=http://h:8443/p", "http://h:8443/p", false},
    {"upload=", NULL, false},
    {"upload=x", NULL, false},
    {"upload=//other/p", "https://h:8443//other/p", true},
    {"upload=ftp://h/", NULL, false},
    {"upload=https://u@h/", NULL, false},
    {"uploads", NULL, false},
    {"inline=1", NULL, false},
    {"", NULL, false},
};

START_TEST(option)
{
    struct snapshot_config c = {.folder = "x"};
    struct fault why;
    int rc = snapshot_option(&c, options[_i].text, "https://h:8443/api?token=1", &why);

    ck_assert_int_eq(rc, options[_i].url ? 0 : -1);
    if (!options[_i].url)
        return;
    ck_assert_str_eq(c.url, options[_i].url);
    ck_assert(c.ours == options[_i].ours);
    c.folder = NULL;
    ck_assert_int_eq(snapshot_option(&c, options[_i].text, "https://h/", &why),
        strcmp(options[_i].text, "omit") == 0 ? 0 : -1);
}
END_TEST

static const struct {
    const char *a, *b;
    bool same;
} origins[] = {
    {"http://h/a", "HTTP://H:80/b?c", true},
    {"https://h", "https://h:443", true},
    {"https://h:80/", "https://h/", false},
    {"http://h:8080/", "http://h:80/", false},
    {"http://h:/", "http://h", true},
    {"http://[::1]:80/", "http://[::1]/", true},
    {"http://h/", "https://h/", false},
    {"http://h.example/", "http://h.example.evil/", false},
    {"http://h?x", "http://h#y", true},
};

START_TEST(origin)
{
    ck_assert(url_same_origin(origins[_i].a, origins[_i].b) == origins[_i].same);
    ck_assert(url_same_origin(origins[_i].b, origins[_i].a) == origins[_i].same);
}
END_TEST

/* ---- the member ---- */

static const struct {
    const char *snapshot;
    const char *placed, *marked; /* NULL: no reference */
} members[] = {
    {"{\"file\":\"a/b.jpg\",\"sha256\":\"x\",\"media_type\":\"image/jpeg\",\"bytes\":7}",
        "{\"url\":\"/p\",\"sha256\":\"x\",\"media_type\":\"image/jpeg\",\"bytes\":7}",
        "{\"file\":\"a/b.jpg\",\"sha256\":\"x\",\"media_type\":\"image/jpeg\",\"error\":\"no\","
        "\"bytes\":7}"},
    {"{\"bytes\":-1,\"other\":{},\"file\":\"\\u0000\\\"\",\"error\":\"old\"}", "{\"url\":\"/p\"}",
        "{\"file\":\"\\u0000\\\"\",\"error\":\"no\"}"},
    {"{\"file\":\"a\",\"sha256\":7,\"media_type\":null,\"bytes\":\"7\"}", "{\"url\":\"/p\"}",
        "{\"file\":\"a\",\"error\":\"no\"}"},
    {"{\"file\":\"a\",\"bytes\":18446744073709551615}", "{\"url\":\"/p\"}",
        "{\"file\":\"a\",\"error\":\"no\"}"},
    {"{\"file\":\"a\",\"url\":\"/x\"}", NULL, NULL},
    {"{\"file\":\"a\",\"base64\":\"\"}", NULL, NULL},
    {"{\"sha256\":\"" HEX "\"}", NULL, NULL},
    {"{\"file\":7}", NULL, NULL},
    {"null", NULL, NULL},
    {"[]", NULL, NULL},
    {"\"file\"", NULL, NULL},
    {"{}", NULL, NULL},
};

START_TEST(member)
{
    struct event_reader *r = event_reader_new();
    struct buf line = {0}, out = {0};
    struct snapshot s;
    struct event e;
    struct fault why;

    buf_printf(&line, "{\"snapshot\":%s}", members[_i].snapshot);
    ck_assert_int_eq(event_read(r, buf_all(&line), &e, &why), 0);
    ck_assert(snapshot_of(&e, &s) == (members[_i].placed != NULL));
    if (members[_i].placed) {
        snapshot_print(&out, &s, "/p", NULL);
        buf_char(&out, '\0');
        ck_assert_str_eq(out.data, members[_i].placed);
        out.len = 0;
        snapshot_print(&out, &s, NULL, "no");
        buf_char(&out, '\0');
        ck_assert_str_eq(out.data, members[_i].marked);
    }
    buf_free(&line);
    buf_free(&out);
    event_reader_free(r);
}
END_TEST

START_TEST(hash_of_member)
{
    struct snapshot s = {.sha256 = SLICE(HEX)};
    char out[SNAPSHOT_SHA256_BYTES], upper[] = HEX;

    ck_assert(snapshot_sha256(&s, out));
    ck_assert_str_eq(out, HEX);
    upper[10] = 'A';
    s.sha256 = slice_of(upper);
    ck_assert(snapshot_sha256(&s, out));
    ck_assert_str_eq(out, HEX);
    upper[63] = 'g';
    ck_assert(!snapshot_sha256(&s, out));
    upper[63] = '\0';
    s.sha256 = slice_of(upper);
    ck_assert(!snapshot_sha256(&s, out));
    ck_assert(!snapshot_sha256(&(struct snapshot){.bytes = -1}, out));
}
END_TEST

START_TEST(type)
{
    ck_assert_str_eq(snapshot_type("\xff\xd8\xff\xe0....", 8), "image/jpeg");
    ck_assert_str_eq(snapshot_type("\x89PNG\r\n\x1a\n", 8), "image/png");
    ck_assert_ptr_null(snapshot_type("\x89PNG\r\n\x1a", 7));
    ck_assert_ptr_null(snapshot_type("GIF89a..", 8));
    ck_assert_ptr_null(snapshot_type("\xff\xd8", 2));
    ck_assert_ptr_null(snapshot_type("", 0));
}
END_TEST

START_TEST(multipart)
{
    struct buf head = {0}, tail = {0};

    snapshot_multipart(&head, &tail, "B", "ab", "image/png");
    buf_char(&head, '\0');
    buf_char(&tail, '\0');
    ck_assert_str_eq(head.data,
        "--B\r\nContent-Disposition: form-data; name=\"sha256\"\r\n\r\nab\r\n"
        "--B\r\nContent-Disposition: form-data; name=\"file\"; filename=\"ab.png\"\r\n"
        "Content-Type: image/png\r\n\r\n");
    ck_assert_str_eq(tail.data, "\r\n--B--\r\n");
    buf_free(&head);
    buf_free(&tail);
}
END_TEST

/* ---- what a receiver says ---- */

static const struct {
    const char *location, *body;
    const char *ours, *others; /* what the event says, with the same origin and with another */
} replies[] = {
    {"/m/1", "", "/m/1", "https://m.example/m/1"},
    {"https://cdn.example/1?a=%20", "", "https://cdn.example/1?a=%20",
        "https://cdn.example/1?a=%20"},
    {"", "{\"location\":\"/m/2\"}", "/m/2", "https://m.example/m/2"},
    {"", "{\"url\":\"http://h/2\",\"path\":\"/no\"}", "http://h/2", "http://h/2"},
    {"", " {\"location\":7,\"path\":\"/m/3\"}", "/m/3", "https://m.example/m/3"},
    {"javascript:alert(1)", "", NULL, NULL},
    {"javascript:alert(1)", "{\"path\":\"/m/4\"}", "/m/4", "https://m.example/m/4"},
    {"file:///etc/passwd", "", NULL, NULL},
    {"//evil.example/1", "", NULL, NULL},
    {"1.jpg", "", NULL, NULL},
    {"https://user:word@h/1", "", NULL, NULL},
    {"https:///1", "", NULL, NULL},
    {"/a b", "", NULL, NULL},
    {"/a\x1b[2J", "", NULL, NULL},
    {"/a\"onload=x", "", NULL, NULL},
    {"/<script>", "", NULL, NULL},
    {"/\xc3\xa9", "", NULL, NULL},
    {"/a#b", "", NULL, NULL},
    {"", "{\"url\":\"/a\\u0000b\"}", NULL, NULL},
    {"", "{\"url\":\"/a\\nb\"}", NULL, NULL},
    {"", "{\"url\":{\"url\":\"/a\"}}", NULL, NULL},
    {"", "[\"/a\"]", NULL, NULL},
    {"", "/a", NULL, NULL},
    {"", "{\"url\":\"/a\"", NULL, NULL},
    {"", "", NULL, NULL},
};

static void check_reply(const struct reply *r, bool ours, const char *wanted)
{
    struct snapshot_config c = {.url = "https://m.example/up", .ours = ours};
    char out[SNAPSHOT_LOCATION_BYTES];

    ck_assert(snapshot_reply(r, &c, out) == (wanted != NULL));
    if (wanted)
        ck_assert_str_eq(out, wanted);
}

START_TEST(reply)
{
    struct reply r = {.keep = true};

    reply_reset(&r);
    snprintf(r.location, sizeof r.location, "%s", replies[_i].location);
    reply_body(&r, slice_of(replies[_i].body));
    check_reply(&r, true, replies[_i].ours);
    check_reply(&r, false, replies[_i].others);
    buf_free(&r.body);
}
END_TEST

START_TEST(long_location)
{
    char text[SNAPSHOT_LOCATION_BYTES + 1];

    memset(text, 'a', sizeof text);
    text[0] = '/';
    ck_assert(snapshot_location((struct slice){text, sizeof text - 2}));
    ck_assert(!snapshot_location((struct slice){text, sizeof text - 1}));
    ck_assert(!snapshot_location((struct slice){text, 1u << 20})); /* not even looked at */
    ck_assert(!snapshot_location(SLICE("")));
}
END_TEST

/* ---- files ---- */

static char folder_name[] = "/tmp/ts-snapshot.XXXXXX";
static int folder;

#define JPEG "\xff\xd8\xff\xe0 some bytes"
#define JPEG_SHA256 "1759138ba83a1b4055d0f8662d814746bce48ef0a6fc2eafcb011560b09f1943"

static void put_file(const char *name, const char *bytes, size_t n)
{
    int fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, bytes, n), (ssize_t)n);
    close(fd);
}

static void make_folder(void)
{
    ck_assert_ptr_nonnull(mkdtemp(folder_name));
    folder = open(folder_name, O_RDONLY | O_DIRECTORY);
    ck_assert_int_ge(folder, 0);
    mkdirat(folder, "d", 0700);
    mkdirat(folder, "d/e", 0700);
    put_file("p.jpg", JPEG, sizeof JPEG - 1);
    put_file("d/e/p.jpg", JPEG, sizeof JPEG - 1);
    put_file("text.jpg", "no picture", 10);
    put_file("empty.jpg", "", 0);
    put_file("x.png", "\x89PNG\r\n\x1a\n", 8);
    put_file("large.jpg", JPEG, sizeof JPEG - 1);
    ck_assert_int_eq(symlinkat("p.jpg", folder, "link.jpg"), 0);
    ck_assert_int_eq(symlinkat("d", folder, "dlink"), 0);
    ck_assert_int_eq(symlinkat("/", folder, "root"), 0);
    mkfifoat(folder, "fifo.jpg", 0600);
    ck_assert_int_eq(ftruncate(openat(folder, "large.jpg", O_WRONLY), 1ll << 40), 0);
}

static const struct {
    const char *name;
    const char *error; /* NULL: it opens */
} files[] = {
    {"p.jpg", NULL},
    {"d/e/p.jpg", NULL},
    {"x.png", NULL},
    {"text.jpg", "neither JPEG nor PNG"},
    {"empty.jpg", "empty"},
    {"large.jpg", "larger"},
    {"none.jpg", "not there"},
    {"d/none/p.jpg", "not there"},
    {"p.jpg/p.jpg", "not there"},
    {"d", "no regular file"},
    {"d/e", "no regular file"},
    {"fifo.jpg", "no regular file"},
    {"link.jpg", "symbolic link"},
    {"dlink/e/p.jpg", "symbolic link"},
    {"root/dev/zero", "symbolic link"},
    {"d/../p.jpg", "no name beneath"},
    {"../p.jpg", "no name beneath"},
    {"..", "no name beneath"},
    {".", "no name beneath"},
    {"./p.jpg", "no name beneath"},
    {"/p.jpg", "no name beneath"},
    {"/etc/passwd", "no name beneath"},
    {"", "no name beneath"},
    {"p.jpg/", "no name beneath"},
    {"d//e/p.jpg", "no name beneath"},
    {"a/b/c/d/e/f/g/h/i/j/k/l/m/n/o/p/q/r", "not there"},
};

START_TEST(file)
{
    struct picture p;
    struct snapshot s = {.file = slice_of(files[_i].name)};
    const char *error;

    make_folder();
    error = picture_open(&p, folder, &s, 1000);
    if (files[_i].error) {
        ck_assert_ptr_nonnull(error);
        ck_assert_ptr_nonnull(strstr(error, files[_i].error));
        ck_assert_int_eq(p.fd, -1);
    } else {
        ck_assert_ptr_null(error);
        ck_assert(picture_same(&p));
        picture_close(&p);
    }
}
END_TEST

START_TEST(file_of_a_hash)
{
    struct picture p;
    struct snapshot s = {.file = SLICE("p.jpg"), .sha256 = SLICE(JPEG_SHA256)};
    char bytes[100];

    make_folder();
    ck_assert_ptr_null(picture_open(&p, folder, &s, 1000));
    ck_assert_str_eq(p.sha256, JPEG_SHA256);
    ck_assert_int_eq(picture_read(&p, 4, bytes, sizeof bytes), sizeof JPEG - 5);
    ck_assert_int_eq(memcmp(bytes, " some bytes", 11), 0);
    ck_assert_int_eq(picture_read(&p, 400, bytes, sizeof bytes), 0);
    ck_assert_int_eq(ftruncate(openat(folder, "p.jpg", O_WRONLY), 3), 0);
    ck_assert(!picture_same(&p));
    ck_assert_int_eq(picture_read(&p, 0, bytes, sizeof bytes), -1);
    picture_close(&p);
    s.file = SLICE("x.png");
    ck_assert_ptr_nonnull(strstr(picture_open(&p, folder, &s, 1000), "not the one"));
    s.sha256.n--;
    s.file = SLICE("d/e/p.jpg");
    ck_assert_ptr_nonnull(strstr(picture_open(&p, folder, &s, 1000), "not the one"));
    s.file = (struct slice){"p.jpg\0x", 7};
    ck_assert_ptr_nonnull(strstr(picture_open(&p, folder, &s, 1000), "no name"));
}
END_TEST

/* ---- the index ---- */

static void put_place(struct places *p, unsigned n)
{
    char sha256[SNAPSHOT_SHA256_BYTES], location[40];
    struct fault why;

    snprintf(sha256, sizeof sha256, "%064x", n);
    snprintf(location, sizeof location, "/m/%u", n);
    ck_assert_int_eq(places_put(p, "http://h/", sha256, location, &why), 0);
}

static bool has_place(struct places *p, const char *url, unsigned n)
{
    char sha256[SNAPSHOT_SHA256_BYTES], location[SNAPSHOT_LOCATION_BYTES], wanted[40];

    snprintf(sha256, sizeof sha256, "%064x", n);
    snprintf(wanted, sizeof wanted, "/m/%u", n);
    if (!places_find(p, url, sha256, location))
        return false;
    ck_assert_str_eq(location, wanted);
    return true;
}

START_TEST(places_stay)
{
    struct places *p;
    struct fault why;

    make_folder();
    p = places_open(folder, "index", &why);
    ck_assert_str_eq(why.text, "");
    for (unsigned i = 0; i < 1000; i++)
        put_place(p, i);
    places_close(p);
    p = places_open(folder, "index", &why);
    for (unsigned i = 0; i < 1000; i++)
        ck_assert(has_place(p, "http://h/", i));
    ck_assert(!has_place(p, "http://h/", 1000));
    ck_assert(!has_place(p, "http://other/", 1));
    ck_assert(places_put(p, "http://h/", "x", "/new", &why) == 0);
    ck_assert(places_put(p, "http://h/", "x", "/newer", &why) == 0);
    places_close(p);
}
END_TEST

START_TEST(places_are_no_more_than_fit)
{
    struct fault why;
    struct places *p = places_open(-1, NULL, &why);
    unsigned found = 0;

    for (unsigned i = 0; i < 20000; i++) {
        put_place(p, i);
        ck_assert(has_place(p, "http://h/", i));
    }
    for (unsigned i = 0; i < 20000; i++)
        found += has_place(p, "http://h/", i);
    ck_assert_uint_le(found, 2048);
    ck_assert_uint_ge(found, 2000);
    places_close(p);
}
END_TEST

START_TEST(places_in_a_broken_file)
{
    struct fault why;
    struct places *p;
    int fd;

    make_folder();
    p = places_open(folder, "index", &why);
    for (unsigned i = 0; i < 100; i++)
        put_place(p, i);
    fd = openat(folder, "index", O_RDWR);
    /* One byte in each slot. */
    for (off_t at = 100; at < 16384 * 8 * 288; at += 288)
        ck_assert_int_eq(pwrite(fd, "x", 1, at), 1);
    for (unsigned i = 0; i < 100; i++)
        ck_assert(!has_place(p, "http://h/", i));
    put_place(p, 7);
    ck_assert(has_place(p, "http://h/", 7));
    ck_assert_int_eq(ftruncate(fd, 0), 0);
    ck_assert(!has_place(p, "http://h/", 7));
    put_place(p, 7);
    ck_assert(has_place(p, "http://h/", 7));
    close(fd);
    places_close(p);
}
END_TEST

START_TEST(places_that_are_no_file)
{
    static const char *const names[] = {"link.jpg", "fifo.jpg", "d", "hard"};
    struct fault why;
    struct places *p;

    make_folder();
    ck_assert_int_eq(linkat(folder, "p.jpg", folder, "hard", 0), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        p = places_open(folder, names[i], &why);
        ck_assert_ptr_nonnull(strstr(why.text, names[i]));
        put_place(p, 1); /* for this run */
        ck_assert(has_place(p, "http://h/", 1));
        places_close(p);
    }
}
END_TEST

static void remove_folder(void)
{
    static const char *const names[] = {"d/e/p.jpg", "p.jpg", "text.jpg", "empty.jpg", "x.png",
        "large.jpg", "link.jpg", "dlink", "root", "fifo.jpg", "index", "hard"};

    if (folder <= 0)
        return;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        unlinkat(folder, names[i], 0);
    unlinkat(folder, "d/e", AT_REMOVEDIR);
    unlinkat(folder, "d", AT_REMOVEDIR);
    rmdir(folder_name);
}

#define ROWS(table) (int)(sizeof table / sizeof *table)

static void add(TCase *tc)
{
    tcase_add_checked_fixture(tc, NULL, remove_folder);
    tcase_add_loop_test(tc, option, 0, ROWS(options));
    tcase_add_loop_test(tc, origin, 0, ROWS(origins));
    tcase_add_loop_test(tc, member, 0, ROWS(members));
    tcase_add_test(tc, hash_of_member);
    tcase_add_test(tc, type);
    tcase_add_test(tc, multipart);
    tcase_add_loop_test(tc, reply, 0, ROWS(replies));
    tcase_add_test(tc, long_location);
    tcase_add_loop_test(tc, file, 0, ROWS(files));
    tcase_add_test(tc, file_of_a_hash);
    tcase_add_test(tc, places_stay);
    tcase_add_test(tc, places_are_no_more_than_fit);
    tcase_add_test(tc, places_in_a_broken_file);
    tcase_add_test(tc, places_that_are_no_file);
}
UNIT_MAIN("snapshot", add)
