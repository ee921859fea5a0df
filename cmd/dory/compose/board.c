#include "cmd/dory/compose/board.h"

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/timestamp.h"

static const char *const spinner[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};

static enum board_mode choose_mode(const char *progress, bool terminal)
{
    static const struct {
        const char *name;
        enum board_mode mode;
    } modes[] = {{"tty", BOARD_TTY}, {"plain", BOARD_PLAIN}, {"json", BOARD_JSON}, {"quiet", BOARD_QUIET}};
    for (size_t i = 0; progress && i < ARRAY_SIZE(modes); i++) {
        if (strcmp(progress, modes[i].name) == 0)
            return modes[i].mode;
    }
    return terminal ? BOARD_TTY : BOARD_PLAIN;
}

static int board_fd(const struct board *board)
{
    return board->to_output ? STDOUT_FILENO : STDERR_FILENO;
}

static void measure(struct board *board)
{
    struct winsize size;
    bool known = ioctl(board_fd(board), TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    board->width = known ? size.ws_col : 80;
    board->height = known && size.ws_row > 4 ? size.ws_row : 25;
}

void board_init(struct board *board, const struct compose_options *options, const char *title)
{
    *board = (struct board){.title = title, .dry_run = options->dry_run, .to_output = options->status_to_output};
    bool terminal = isatty(board_fd(board)), never = options->ansi && strcmp(options->ansi, "never") == 0;
    board->mode = choose_mode(options->progress, terminal && !never);
    board->colour = !never && (terminal || (options->ansi && strcmp(options->ansi, "always") == 0));
    measure(board);
}

static struct board_row *find_row(struct board *board, const char *id)
{
    for (size_t i = 0; i < board->count; i++) {
        if (strcmp(board->rows[i].id, id) == 0)
            return &board->rows[i];
    }
    xgrow((void **)&board->rows, board->count, &board->capacity, sizeof(*board->rows));
    struct board_row *row = &board->rows[board->count++];
    *row = (struct board_row){.id = xstrdup(id), .started = timestamp_monotonic()};
    return row;
}

/* ---- one line an event ---- */

static void print_json(struct board *board, const char *id, const char *text)
{
    struct json_writer w;
    json_writer_init(&w, &board->out);
    json_begin_object(&w);
    if (board->dry_run)
        json_member_bool(&w, "dry-run", true);
    json_member_string(&w, "id", id);
    json_member_string(&w, "status", text);
    json_end_object(&w);
    strbuf_addc(&board->out, '\n');
}

static void flush(struct board *board)
{
    fd_write_all(board_fd(board), board->out.data, board->out.size);
    strbuf_clear(&board->out);
}

/* ---- the list ---- */

static void paint(struct board *board, const char *colour, const char *text)
{
    if (board->colour && colour)
        strbuf_addf(&board->out, "\033[%sm%s\033[0m", colour, text);
    else
        strbuf_adds(&board->out, text);
}

static const char *colour_of(enum board_status status)
{
    static const char *const colours[] = {
        [BOARD_WORKING] = NULL, [BOARD_DONE] = "32", [BOARD_WARNING] = "33;1", [BOARD_ERROR] = "31;1"};
    return colours[status];
}

static void draw_mark(struct board *board, const struct board_row *row)
{
    static const char *const marks[] = {[BOARD_DONE] = "✔", [BOARD_WARNING] = "!", [BOARD_ERROR] = "✘"};
    if (row->status == BOARD_WORKING)
        paint(board, "33", spinner[(size_t)(timestamp_monotonic() / 100000000) % ARRAY_SIZE(spinner)]);
    else
        paint(board, colour_of(row->status), marks[row->status]);
}

static void draw_row(struct board *board, const struct board_row *row, size_t column)
{
    char time[32];
    int64_t end = row->status == BOARD_WORKING ? timestamp_monotonic() : row->ended;
    size_t id = strlen(row->id), text = strlen(row->text), before = column + (board->dry_run ? 15 : 0) + 5;
    snprintf(time, sizeof(time), "%.1fs ", (double)(end - row->started) / 1e9);
    size_t room = board->width > before + strlen(time) ? board->width - before - strlen(time) : 0;
    CLEANUP_FREE char *shown = xstrndup(row->text, text < room ? text : room);
    strbuf_adds(&board->out, "\033[2K  ");
    board->out.size--; /* one blank in front of the mark */
    strbuf_terminate(&board->out);
    draw_mark(board, row);
    strbuf_addc(&board->out, ' ');
    if (board->dry_run)
        paint(board, "36", BOARD_DRY_RUN);
    strbuf_addf(&board->out, "%s%*s ", row->id, (int)(column > id ? column - id : 0), "");
    paint(board, colour_of(row->status), shown);
    size_t used = before - 1 + strlen(shown);
    if (board->width > used + strlen(time))
        strbuf_addf(&board->out, "%*s", (int)(board->width - used - strlen(time)), "");
    paint(board, "34", time);
    strbuf_addc(&board->out, '\n');
}

void board_draw(struct board *board)
{
    if (board->mode != BOARD_TTY || board->count == 0)
        return;
    size_t done = 0, column = 0, lines = board->count, first = 0;
    for (size_t i = 0; i < board->count; i++) {
        done += board->rows[i].status != BOARD_WORKING;
        if (strlen(board->rows[i].id) > column)
            column = strlen(board->rows[i].id);
    }
    if (lines > board->height - 2) { /* the newest ones */
        lines = board->height - 2;
        first = board->count - lines;
    }
    if (board->drawn > 0)
        strbuf_addf(&board->out, "\033[%zuA", board->drawn);
    strbuf_adds(&board->out, "\r\033[?25l\033[2K");
    CLEANUP_FREE char *head = xasprintf("[+] %s %zu/%zu", board->title, done, board->count);
    paint(board, done == board->count ? "34" : NULL, head);
    strbuf_addc(&board->out, '\n');
    for (size_t i = first; i < board->count; i++)
        draw_row(board, &board->rows[i], column);
    strbuf_adds(&board->out, "\033[?25h");
    board->drawn = lines + 1;
    flush(board);
}

/* ---- events ---- */

void board_event(struct board *board, const char *id, enum board_status status, const char *text)
{
    if (board->mode == BOARD_PLAIN) {
        strbuf_addf(&board->out, "%s %s  %s\n", board->dry_run ? BOARD_DRY_RUN : "", id, text);
        flush(board);
    } else if (board->mode == BOARD_JSON) {
        print_json(board, id, text);
        flush(board);
    } else if (board->mode == BOARD_TTY) {
        struct board_row *row = find_row(board, id);
        xstrset(&row->text, text);
        row->status = status;
        if (status != BOARD_WORKING)
            row->ended = timestamp_monotonic();
    }
}

static void release_rows(struct board *board)
{
    for (size_t i = 0; i < board->count; i++) {
        free(board->rows[i].id);
        free(board->rows[i].text);
    }
    board->count = board->drawn = 0;
}

void board_finish(struct board *board)
{
    board_draw(board);
    release_rows(board);
}

void board_release(struct board *board)
{
    release_rows(board);
    free(board->rows);
    strbuf_release(&board->out);
    *board = (struct board){0};
}

/* ---- warnings ---- */

void compose_warn(const char *sentence)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    if (isatty(STDERR_FILENO)) {
        strbuf_addf(&line, "\033[33mWARN\033[0m[0000] %s\n", sentence);
    } else {
        char now[TIMESTAMP_MAX];
        timestamp_format(now, timestamp_now() / 1000000000 * 1000000000);
        strbuf_addf(&line, "time=\"%s\" level=warning msg=", now);
        json_quote(&line, sentence, strlen(sentence));
        strbuf_addc(&line, '\n');
    }
    fflush(stderr);
    fd_write_all(STDERR_FILENO, line.data, line.size);
}

void board_warn(struct board *board, const char *sentence)
{
    if (board->mode == BOARD_TTY && board->drawn > 0)
        board_draw(board);
    compose_warn(sentence);
    board->drawn = 0; /* the list goes on below it */
}
