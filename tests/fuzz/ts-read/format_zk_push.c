/* SPDX-License-Identifier: MIT */
/* zk-push over any bytes; and that no password comes out of a line about people, wherever it is
 * cut. */
#include "format_fuzz.h"

static const struct format_fuzz_option options[] = {
    {{{NULL, 0}, {NULL, 0}}, 0},
};

static bool holds_secret(const void *p, size_t n)
{
    return memmem(p, n, "SECRETXY", 8) || memmem(p, n, "CARDXYZW", 8) || memmem(p, n, "Zoe Qx", 6);
}

/* Whether the input spells it by itself, around holes of NULs. */
static bool spells_secret(const uint8_t *data, size_t size)
{
    struct buf text = {0};
    bool spelt;

    for (size_t i = 0; i < size; i++)
        if (data[i] != '\0')
            buf_char(&text, (char)data[i]);
    spelt = text.len > 0 && holds_secret(text.data, text.len);
    buf_free(&text);
    return spelt;
}

/* What stands between a line about people and the rest of the input must not be shown. */
static void check_secret(const uint8_t *data, size_t size)
{
    static const char head[] = "USER PIN=7\tName=Zoe Qx\tPri=14\tPasswd=SECRETXY\tCard=CARDXYZW";
    size_t broken = size * 7 % (sizeof head - 1);
    struct buf in = {0};
    struct format_run r;

    buf_add(&in, data, size < 4096 ? size : 4096);
    buf_lit(&in, "\r\n");
    buf_add(&in, head, broken);
    buf_text(&in, data[0] & 1 ? "\r\n" : "");
    buf_text(&in, head + broken);
    buf_lit(&in, "\r\n");
    buf_add(&in, data, size < 4096 ? size : 4096);
    if (!format_run(&r, format_find(SLICE("zk-push")), buf_all(&in), size % 61 + 1, NULL, 0))
        abort();
    if (r.out.len > 0 && holds_secret(r.out.data, r.out.len))
        abort();
    buf_free(&r.out);
    buf_free(&in);
}

static void emit(void *arg, const struct decoded *d)
{
    struct buf line = {0};

    (void)arg;
    draft_print(&line, &d->draft);
    buf_free(&line);
}

static void keep(void *arg, struct slice picture, struct buf *snapshot)
{
    struct slice *in = arg;

    if (picture.p < in->p || picture.p + picture.n > in->p + in->n)
        abort();
    buf_lit(snapshot, "null");
}

/* With pictures kept: one lies in the input, and all of the input is used. */
static void check_pictures(struct slice in)
{
    const struct format *format = format_find(SLICE("zk-push"));
    const struct format_options pictures = {.longest = 1 << 20, .pictures = true};
    const struct emitter out = {.emit = emit, .arg = &in, .keep = keep};
    struct slice rest = in, record;
    enum frame frame = FRAME_SKIP;
    struct fault why;
    void *state = format->open(&pictures, &why);
    size_t used;

    while (rest.n > 0 && frame != FRAME_MORE) {
        frame = format->frame(state, rest, true, &used, &record);
        if (frame == FRAME_RECORD)
            format->decode(state, record, false, &out);
        if (frame != FRAME_MORE && (used == 0 || used > rest.n))
            abort();
        rest.p += frame == FRAME_MORE ? 0 : used;
        rest.n -= frame == FRAME_MORE ? 0 : used;
    }
    format->close(state);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || spells_secret(data, size))
        return 0;
    format_fuzz("zk-push", options, 1, data, size);
    check_secret(data, size);
    check_pictures((struct slice){(const char *)data, size});
    return 0;
}
