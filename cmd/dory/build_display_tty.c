/* The live list: finished steps stay above it; running ones are drawn again and again, each with the end of its log. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/timestamp.h"
#include "cmd/dory/build_display.h"

/* Lines of log beneath a running step. */
#define LOG_LINES 6

static void terminal_size(int *ret_columns, int *ret_rows)
{
    struct winsize size;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0;
    *ret_columns = known && size.ws_col > 20 ? size.ws_col : 80;
    *ret_rows = known && size.ws_row > 5 ? size.ws_row : 24;
}

/* One line of the terminal, cut so that it does not wrap. Bytes of UTF-8 sequences count by their first. */
static void add_line(struct strbuf *out, const char *text, size_t size, int columns)
{
    int used = 0;
    for (size_t i = 0; i < size; i++) {
        bool continuation = ((unsigned char)text[i] & 0xc0) == 0x80;
        if (!continuation && ++used >= columns)
            break;
        strbuf_addc(out, (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i]);
    }
    strbuf_addc(out, '\n');
}

static void add_step(struct build_display *display, const struct display_step *step, int columns)
{
    char right[32];
    int64_t end = step->ended ? step->ended : timestamp_now();
    snprintf(right, sizeof(right), "%.1fs", (double)(end - step->started) / 1e9);
    CLEANUP_FREE char *left = xasprintf(" => %s%s",
                                        step->cached   ? "CACHED "
                                        : step->failed ? "ERROR "
                                                       : "",
                                        step->name);
    int room = columns - (int)strlen(right) - 2;
    int size = (int)strlen(left) < room ? (int)strlen(left) : room;
    CLEANUP_FREE char *line = xasprintf("%-*.*s %s", room, size, left, right);
    add_line(&display->out, line, strlen(line), columns);
}

/* Start of the last `lines` lines. */
static const char *last_lines(const struct strbuf *tail, int lines)
{
    const char *start = strbuf_str(tail), *p = start + tail->size;
    if (p > start && p[-1] == '\n')
        p--;
    while (p > start) {
        if (p[-1] == '\n' && --lines == 0)
            break;
        p--;
    }
    return p;
}

static size_t add_log(struct build_display *display, const struct display_step *step, int columns, int rows)
{
    size_t count = 0;
    if (step->status && step->tail.size == 0 && rows > 0) {
        CLEANUP_FREE char *line = xasprintf(" => => %s", step->status);
        add_line(&display->out, line, strlen(line), columns);
        return 1;
    }
    for (const char *line = last_lines(&step->tail, rows < LOG_LINES ? rows : LOG_LINES); rows > 0 && *line;) {
        size_t size = strcspn(line, "\n");
        CLEANUP_FREE char *text = xasprintf(" => => # %.*s", (int)size, line);
        add_line(&display->out, text, strlen(text), columns);
        line += size + (line[size] == '\n');
        count++;
    }
    return count;
}

void display_tty_clear(struct build_display *display)
{
    if (display->drawn > 0)
        strbuf_addf(&display->out, "\x1b[%zuA\r\x1b[J", display->drawn);
    display->drawn = 0;
}

void display_tty_draw(struct build_display *display)
{
    int columns, rows, done = 0;
    terminal_size(&columns, &rows);
    display_tty_clear(display);
    for (size_t i = 0; i < display->count; i++)
        done += display->steps[i] && display->steps[i]->ended;
    CLEANUP_FREE char *head = xasprintf("[+] Building %.1fs (%d/%d)",
                                        (double)(timestamp_now() - display->started) / 1e9, done, display->total);
    add_line(&display->out, head, strlen(head), columns);
    size_t drawn = 1;
    for (size_t i = 0; i < display->count && (int)drawn < rows - 2; i++) {
        const struct display_step *step = display->steps[i];
        if (!step || step->ended)
            continue;
        add_step(display, step, columns);
        drawn++;
        drawn += add_log(display, step, columns, rows - 2 - (int)drawn);
    }
    display->drawn = drawn;
}

void display_tty_step_done(struct build_display *display, const struct display_step *step)
{
    int columns, rows;
    terminal_size(&columns, &rows);
    display_tty_clear(display);
    add_step(display, step, columns);
}
