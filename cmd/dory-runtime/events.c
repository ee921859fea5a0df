/* events: a container's statistics, once or every now and then, and its OOM kills, one JSON object per line. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/parse.h"
#include "base/strbuf.h"
#include "base/timestamp.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/cgroup_stats.h"

#define MILLISECOND INT64_C(1000000)

static int print_event(const char *type, const char *id, const struct runtime_stats_detail *stats, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "type", type);
    json_member_string(&w, "id", id);
    if (stats != NULL) {
        json_key(&w, "data");
        events_write_stats(stats, &w);
    }
    json_end_object(&w);
    strbuf_addc(&text, '\n');
    int r = fd_write_all(1, text.data, text.size);
    return r < 0 ? error_errno(err, r, "cannot write events") : 0;
}

static int print_stats(const char *id, struct runtime_cgroup *cgroup, struct error *err)
{
    struct runtime_stats_detail stats = {0};
    int r = runtime_cgroup_stats_detail(cgroup, &stats, err);
    r = r < 0 ? r : print_event("stats", id, &stats, err);
    runtime_stats_detail_release(&stats);
    return r;
}

/* Takes the news off the descriptor; false when it was another one, or that of the cgroup's end. */
static bool has_killed(struct runtime_cgroup *cgroup, int fd, uint64_t *kills)
{
    char buf[4096];
    (void)!read(fd, buf, sizeof(buf)); /* nothing there: it is asked for all the same */
    uint64_t now = 0;
    if (runtime_cgroup_oom_kills(cgroup, &now, NULL) < 0)
        return false;
    bool more = now > *kills;
    *kills = now;
    return more;
}

/* Until the container ends. */
static int follow(const char *id, struct runtime_cgroup *cgroup, int pid_fd, int64_t interval, struct error *err)
{
    CLEANUP_CLOSE int oom = -1;
    uint64_t kills = 0;
    int r = runtime_cgroup_oom_kills(cgroup, &kills, err);
    r = r < 0 ? r : runtime_cgroup_oom_watch(cgroup, &oom, err);
    int64_t next = timestamp_monotonic() + interval;
    bool running = true;
    while (r == 0 && running) {
        struct pollfd fds[] = {{.fd = oom, .events = POLLIN}, {.fd = pid_fd, .events = POLLIN}};
        int64_t left = (next - timestamp_monotonic()) / MILLISECOND + 1;
        if (poll(fds, 2, left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (int)left) < 0 && errno != EINTR)
            return error_errno(err, errno, "poll");
        running = fds[1].revents == 0;
        /* The end may be of the kill itself, whose news comes a moment later or not at all: look once more. */
        if ((fds[0].revents != 0 || !running) && has_killed(cgroup, oom, &kills))
            r = print_event("oom", id, NULL, err);
        if (r == 0 && running && timestamp_monotonic() >= next) {
            r = print_stats(id, cgroup, err);
            next += interval;
        }
    }
    return r;
}

int command_events(const struct global *global, int argc, char **argv, struct error *err)
{
    const char *interval_text = "5s", *id;
    bool stats = false;
    const struct option_row rows[] = {
        OPTION_TEXT("interval", 0, &interval_text, "time between statistics, 5s by default"),
        OPTION_FLAG("stats", 0, &stats, "print the statistics of now and end"), OPTION_END};
    int rest;
    int64_t interval = 0;
    int r = options_one_id(rows, argc, argv, 1, &id, &rest, err);
    if (r == 0 && (parse_duration(interval_text, &interval) < 0 || interval < MILLISECOND))
        r = error_set(err, ERROR_INVALID, 0, "invalid value \"%s\" for --interval", interval_text);
    struct state state = {0};
    struct runtime_cgroup *cgroup = NULL;
    CLEANUP_CLOSE int pid_fd = -1;
    r = r < 0 ? r : state_read(global->root, id, &state, NULL, err);
    r = r < 0 ? r : state_open_init(&state, &pid_fd, err);
    r = r < 0 ? r : state_open_cgroup(&state, &cgroup, err);
    if (r == 0)
        r = stats ? print_stats(id, cgroup, err) : follow(id, cgroup, pid_fd, interval, err);
    runtime_cgroup_free(cgroup);
    state_release(&state);
    return r;
}
