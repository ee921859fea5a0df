/* Progress of pull and load: the daemon's JSON lines as docker shows them. */
#include <errno.h>
#include <sys/ioctl.h>

#include "api/client.h"
#include "base/fd.h"
#include "base/strv.h"
#include "cmd/dory/container_create.h"
#include "cmd/dory/progress_bar.h"

#define LINE_MAX_SIZE (1 << 20)

struct progress {
    struct progress_stream *stream;
    int fd;
    bool terminal, quiet;
    int width;       /* columns */
    struct strv ids; /* one terminal line each, in order of appearance */
    struct strbuf out;
};

static void flush(struct progress *p)
{
    if (p->out.size > 0 && !p->quiet)
        fd_write_all(p->fd, p->out.data, p->out.size);
    strbuf_clear(&p->out);
}

/* "id: status progress"; on a terminal the id's own line is rewritten in place. */
static void show_layer(struct progress *p, const char *id, const char *status, const char *bar)
{
    size_t row = 0;
    while (row < p->ids.count && strcmp(p->ids.items[row], id) != 0)
        row++;
    if (row == p->ids.count) {
        strv_add(&p->ids, id);
        if (p->terminal)
            strbuf_addc(&p->out, '\n');
    }
    if (!p->terminal) {
        strbuf_addf(&p->out, "%s: %s\n", id, status);
        return;
    }
    size_t up = p->ids.count - row;
    strbuf_addf(&p->out, "\x1b[%zuA\x1b[2K\r%s: %s %s\x1b[%zuB\r", up, id, status, bar, up);
}

static int show_line(struct progress *p, const struct json *line, struct error *err)
{
    const char *message = json_get_string(json_get(line, "errorDetail"), "message");
    if (!message)
        message = json_get_string(line, "error");
    if (message) {
        p->stream->error_code = (int)json_get_int(json_get(line, "errorDetail"), "code", 0);
        return error_set(err, ERROR_SYSTEM, EIO, "%s", message);
    }
    const struct json *aux = json_get(line, "aux");
    if (aux && p->stream->aux)
        p->stream->aux(aux, p->stream->data);
    const char *stream = json_get_string(line, "stream");
    const char *status = json_get_string(line, "status"), *id = json_get_string(line, "id");
    CLEANUP_STRBUF struct strbuf bar = STRBUF_INIT;
    progress_bar(json_get(line, "progressDetail"), p->width, &bar);
    if (stream)
        strbuf_adds(&p->out, stream);
    /* Without a terminal the moving parts of a download are left out. */
    if (status && id && *id && (p->terminal || bar.size == 0))
        show_layer(p, id, status, strbuf_str(&bar));
    else if (status && (!id || !*id) && (p->terminal || bar.size == 0))
        strbuf_addf(&p->out, "%s\n", status);
    flush(p);
    return 0;
}

int progress_follow(struct client_response *response, struct progress_stream *stream, struct error *err)
{
    struct progress p = {
        .stream = stream, .fd = stream->output_fd, .quiet = stream->quiet, .terminal = isatty(stream->output_fd)};
    struct winsize size;
    const char *text;
    int r;
    stream->error_code = 0;
    p.width = p.terminal && ioctl(p.fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 200;
    while ((r = client_read_line(response, LINE_MAX_SIZE, &text, err)) == 0 && text) {
        if (!*text)
            continue;
        CLEANUP_JSON struct json *line = NULL;
        r = json_parse(text, strlen(text), &line, err);
        if (r == 0)
            r = show_line(&p, line, err);
        if (r < 0)
            break;
    }
    strv_release(&p.ids);
    strbuf_release(&p.out);
    return r;
}

int progress_show(struct client_response *response, int output_fd, bool quiet, struct error *err)
{
    struct progress_stream stream = {.output_fd = output_fd, .quiet = quiet};
    return progress_follow(response, &stream, err);
}
