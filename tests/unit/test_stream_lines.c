/* What containers write as it comes over a connection: frames, and lines in them. */
#include <string.h>

#include "cmd/dory/compose/frame_lines.h"
#include "tests/unit/base_test.h"

static void add_frame(struct strbuf *out, int stream, const char *text)
{
    unsigned char header[STREAM_FRAME_HEADER];
    stream_frame_header(header, stream == 2, strlen(text));
    strbuf_add(out, header, sizeof(header));
    strbuf_adds(out, text);
}

/* "O:text" and "E:text", a line each. */
static void note_line(void *data, bool is_stderr, const char *line, size_t size)
{
    strbuf_adds(data, is_stderr ? "E:" : "O:");
    strbuf_add(data, line, size);
    strbuf_addc(data, '\n');
}

static void frames_become_lines_however_they_are_cut(void **state)
{
    struct strbuf sent = STRBUF_INIT;
    (void)state;
    add_frame(&sent, 1, "one\ntw");
    add_frame(&sent, 1, "");
    add_frame(&sent, 2, "\nwrong");
    add_frame(&sent, 1, "o\n");
    add_frame(&sent, 2, "ly\n\nend");
    add_frame(&sent, 1, "last");
    for (size_t step = 1; step <= sent.size; step++) {
        struct frame_lines frames = {0};
        struct strbuf lines = STRBUF_INIT;
        for (size_t at = 0; at < sent.size; at += step)
            frame_lines_feed(&frames, sent.data + at, sent.size - at < step ? sent.size - at : step, note_line, &lines);
        assert_string_equal(strbuf_str(&lines), "O:one\nE:\nO:two\nE:wrongly\nE:\n");
        strbuf_clear(&lines);
        frame_lines_end(&frames, note_line, &lines);
        assert_string_equal(strbuf_str(&lines), "O:last\nE:end\n");
        frame_lines_release(&frames);
        strbuf_release(&lines);
    }
    strbuf_release(&sent);
}

static void pieces_tell_where_a_frame_begins(void **state)
{
    struct strbuf sent = STRBUF_INIT;
    struct stream_frames frames = {0};
    struct stream_piece piece;
    (void)state;
    add_frame(&sent, 2, "abc");
    const char *bytes = sent.data;
    size_t size = STREAM_FRAME_HEADER; /* nothing of the frame itself */
    assert_false(stream_frames_next(&frames, &bytes, &size, &piece));
    for (int i = 0; i < 3; i++) {
        size = 1;
        assert_true(stream_frames_next(&frames, &bytes, &size, &piece));
        assert_true(piece.is_stderr);
        assert_int_equal(piece.first, i == 0);
        assert_int_equal(piece.size, 1);
        assert_int_equal(*piece.data, "abc"[i]);
    }
    strbuf_release(&sent);
}

static void a_terminal_has_no_frames(void **state)
{
    struct frame_lines frames = {.raw = true};
    struct strbuf lines = STRBUF_INIT;
    (void)state;
    frame_lines_feed(&frames, "\1\r\nto", 5, note_line, &lines);
    frame_lines_feed(&frames, NULL, 0, note_line, &lines);
    frame_lines_feed(&frames, "day\n", 4, note_line, &lines);
    frame_lines_end(&frames, note_line, &lines);
    assert_string_equal(strbuf_str(&lines), "O:\1\r\nO:today\n");
    frame_lines_release(&frames);
    strbuf_release(&lines);
}

/* Feeds `size` times 'x' and then `rest`, in reads of `step`; notes the sizes of the lines ("+": cut). */
static void assert_sizes(size_t size, const char *rest, size_t step, const char *expected)
{
    struct strbuf sent = STRBUF_INIT, sizes = STRBUF_INIT;
    struct lines lines = {0};
    memset(strbuf_reserve(&sent, size), 'x', size);
    sent.size = size;
    strbuf_adds(&sent, rest);
    for (size_t at = 0; at < sent.size; at += step) {
        const char *bytes = sent.data + at;
        size_t left = sent.size - at < step ? sent.size - at : step;
        while (lines_next(&lines, &bytes, &left))
            strbuf_addf(&sizes, "%zu%s ", lines.line.size, lines.cut ? "+" : "");
        assert_int_equal(left, 0);
    }
    if (lines_last(&lines))
        strbuf_addf(&sizes, "%zu.", lines.line.size);
    assert_false(lines_last(&lines));
    assert_string_equal(strbuf_str(&sizes), expected);
    lines_release(&lines);
    strbuf_release(&sent);
    strbuf_release(&sizes);
}

static void a_line_is_cut_only_where_it_goes_on(void **state)
{
    static const size_t steps[] = {4096, LINES_MAX - 1, LINES_MAX, LINES_MAX + 1, 4 * LINES_MAX};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        assert_sizes(LINES_MAX, "\nab\n", steps[i], "1048576 2 ");
        assert_sizes(LINES_MAX, "", steps[i], "1048576.");
        assert_sizes(LINES_MAX + 1, "\n\n", steps[i], "1048576+ 1 0 ");
        assert_sizes(2 * LINES_MAX, "\n", steps[i], "1048576+ 1048576 ");
        assert_sizes(2 * LINES_MAX + 3, "", steps[i], "1048576+ 1048576+ 3.");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_become_lines_however_they_are_cut),
        cmocka_unit_test(pieces_tell_where_a_frame_begins),
        cmocka_unit_test(a_terminal_has_no_frames),
        cmocka_unit_test(a_line_is_cut_only_where_it_goes_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
