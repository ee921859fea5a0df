/* state, kill, delete, list, ps: what is done to a container that exists. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/memory.h"
#include "base/parse.h"
#include "base/process.h"
#include "base/strbuf.h"
#include "cmd/dory-runtime/runtime.h"
#include "cmd/dory-runtime/state.h"
#include "runtime/container.h"
#include "runtime/hooks.h"

#define PS_OUTPUT_MAX (16u << 20)
#define KILL_WAIT_TRIES 1000 /* of 10 ms */

static void write_state(struct json_writer *w, const struct state *state, enum status status)
{
    json_begin_object(w);
    json_member_string(w, "ociVersion", state->version);
    json_member_string(w, "id", state->id);
    json_member_int(w, "pid", status == STATUS_STOPPED ? 0 : state->pid);
    json_member_string(w, "status", status_name(status));
    json_member_string(w, "bundle", state->bundle);
    json_member_string(w, "rootfs", state->rootfs);
    json_member_string(w, "created", state->created);
    if (state->annotations.count > 0) {
        json_key(w, "annotations");
        json_begin_object(w);
        for (size_t i = 0; i < state->annotations.count; i++)
            json_member_string(w, state->annotations.items[i].key, state->annotations.items[i].value);
        json_end_object(w);
    }
    json_member_string(w, "owner", "");
    json_end_object(w);
}

int command_state(const struct global *global, int argc, char **argv, struct error *err)
{
    const struct option_row none[] = {OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(none, argc, argv, &id, &rest, err);
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    r = r < 0 ? r : state_read(global->root, id, &state, &dir, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    write_state(&w, &state, state_status(&state, dir));
    printf("%s\n", strbuf_str(&text));
    state_release(&state);
    return 0;
}

/* ---- kill ---- */

/* "9", "KILL", "SIGKILL", in either case; 0 when unknown */
static int parse_signal(const char *text)
{
    int64_t number;
    if (parse_int64(text, 1, 64, &number) == 0)
        return (int)number;
    const char *name = strncasecmp(text, "SIG", 3) == 0 ? text + 3 : text;
    for (int i = 1; i < 32; i++)
        if (sigabbrev_np(i) != NULL && strcasecmp(sigabbrev_np(i), name) == 0)
            return i;
    if (strncasecmp(name, "RTMIN", 5) == 0 && (name[5] == '\0' || parse_int64(name + 5, 0, 30, &number) == 0))
        return 34 + (name[5] == '\0' ? 0 : (int)number);
    return 0;
}

static int send_to_all(const struct state *state, int signal, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    int r = runtime_cgroup_open(state->cgroups_path, &cgroup, err);
    if (r < 0)
        return r;
    r = runtime_cgroup_kill(cgroup, signal, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static int send_to_init(const struct state *state, int signal, struct error *err)
{
    CLEANUP_CLOSE int fd = -1;
    int r = state_open_init(state, &fd, err);
    if (r < 0)
        return r;
    if (syscall(SYS_pidfd_send_signal, fd, signal, NULL, 0) < 0)
        return error_errno(err, errno, "cannot signal container %s", state->id);
    return 0;
}

int command_kill(const struct global *global, int argc, char **argv, struct error *err)
{
    bool all = false;
    const struct option_row rows[] = {OPTION_FLAG("all", 'a', &all, ""), OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(rows, argc, argv, &id, &rest, err);
    if (r < 0)
        return r;
    const char *name = rest < argc ? argv[rest] : "SIGTERM";
    int signal = parse_signal(name);
    if (signal == 0)
        return error_set(err, ERROR_INVALID, 0, "unknown signal \"%s\"", name);
    struct state state = {0};
    r = state_read(global->root, id, &state, NULL, err);
    if (r < 0)
        return r;
    r = all ? send_to_all(&state, signal, err) : send_to_init(&state, signal, err);
    state_release(&state);
    return r;
}

/* ---- delete ---- */

static int remove_cgroup(const struct state *state, struct error *err)
{
    struct runtime_cgroup *cgroup = NULL;
    int r = runtime_cgroup_open(state->cgroups_path, &cgroup, err);
    if (r == -ENOENT) {
        error_clear(err);
        return 0;
    }
    if (r < 0)
        return r;
    r = runtime_cgroup_kill(cgroup, SIGKILL, err);
    r = r < 0 ? r : runtime_cgroup_remove(cgroup, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static int end_process(const struct state *state, int dir, struct error *err)
{
    (void)send_to_init(state, SIGKILL, NULL);
    for (int i = 0; i < KILL_WAIT_TRIES; i++) {
        if (state_status(state, dir) == STATUS_STOPPED)
            return 0;
        nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    }
    return error_set(err, ERROR_SYSTEM, EBUSY, "container init still running");
}

static int delete_container(const struct global *global, struct state *state, int dir, bool force, struct error *err)
{
    enum status status = state_status(state, dir);
    if (status == STATUS_RUNNING && !force)
        return error_set(err, ERROR_CONFLICT, EBUSY, "cannot delete container %s that is not stopped: running",
                         state->id);
    int r = status == STATUS_STOPPED ? 0 : end_process(state, dir, err);
    r = r < 0 ? r : remove_cgroup(state, err);
    if (r < 0)
        return r;
    struct runtime_hook_state told = {.version = state->version,
                                      .id = state->id,
                                      .status = "stopped",
                                      .bundle = state->bundle,
                                      .annotations = &state->annotations};
    struct error hook = {0};
    if (runtime_hooks_run(&state->poststop, &told, &hook) < 0)
        fprintf(stderr, "dory-runtime: %s\n", hook.message); /* the spec: log and go on */
    return state_remove(global->root, state->id, err);
}

int command_delete(const struct global *global, int argc, char **argv, struct error *err)
{
    bool force = false;
    const struct option_row rows[] = {OPTION_FLAG("force", 'f', &force, ""), OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(rows, argc, argv, &id, &rest, err);
    if (r < 0)
        return r;
    struct state state = {0};
    CLEANUP_CLOSE int dir = -1;
    r = state_read(global->root, id, &state, &dir, err);
    if (r == -ENOENT && force) {
        error_clear(err);
        return state_remove(global->root, id, err); /* a directory without a state: a create that was killed */
    }
    if (r < 0)
        return r;
    r = delete_container(global, &state, dir, force, err);
    state_release(&state);
    return r;
}

/* ---- list ---- */

static int collect_ids(const char *root, struct strv *ids, struct error *err)
{
    DIR *dir = opendir(root);
    if (dir == NULL)
        return errno == ENOENT ? 0 : error_errno(err, errno, "cannot read %s", root);
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;)
        if (entry->d_name[0] != '.')
            strv_add(ids, entry->d_name);
    closedir(dir);
    strv_sort(ids);
    return 0;
}

int command_list(const struct global *global, int argc, char **argv, struct error *err)
{
    const char *format = "table";
    bool quiet = false;
    const struct option_row rows[] = {OPTION_TEXT("format", 'f', &format, ""), OPTION_FLAG("quiet", 'q', &quiet, ""),
                                      OPTION_END};
    int first;
    int r = options_parse(rows, argc, argv, &first, err);
    bool json = strcmp(format, "json") == 0;
    if (r == 0 && !json && strcmp(format, "table") != 0)
        r = error_set(err, ERROR_INVALID, 0, "invalid format option");
    CLEANUP_STRV struct strv ids = STRV_INIT;
    r = r < 0 ? r : collect_ids(global->root, &ids, err);
    if (r < 0)
        return r;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    if (json)
        json_begin_array(&w);
    else if (!quiet)
        strbuf_addf(&text, "%-36s %-8s %-8s %-36s %s\n", "ID", "PID", "STATUS", "BUNDLE", "CREATED");
    for (size_t i = 0; i < ids.count; i++) {
        struct state state = {0};
        CLEANUP_CLOSE int dir = -1;
        if (state_read(global->root, ids.items[i], &state, &dir, NULL) < 0)
            continue; /* being made or removed this moment */
        enum status status = state_status(&state, dir);
        if (json)
            write_state(&w, &state, status);
        else if (quiet)
            strbuf_addf(&text, "%s\n", state.id);
        else
            strbuf_addf(&text, "%-36s %-8lld %-8s %-36s %s\n", state.id,
                        status == STATUS_STOPPED ? 0LL : (long long)state.pid, status_name(status), state.bundle,
                        state.created);
        state_release(&state);
    }
    if (json)
        json_end_array(&w);
    printf("%s%s", strbuf_str(&text), json ? "\n" : "");
    return 0;
}

/* ---- ps ---- */

static void print_pids_json(const pid_t *pids, size_t count)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        json_put_int(&w, pids[i]);
    json_end_array(&w);
    printf("%s\n", strbuf_str(&text));
}

/* The header of ps(1) and those of its lines whose PID column names one of ours. */
static int filter_ps(const char *output, const pid_t *pids, size_t count, struct error *err)
{
    int column = -1;
    for (const char *line = output; line != NULL && *line != '\0';) {
        const char *end = strchr(line, '\n');
        size_t size = end != NULL ? (size_t)(end - line) : strlen(line);
        CLEANUP_FREE char *copy = xstrndup(line, size);
        bool show = column < 0;
        int i = 0;
        char *save = NULL;
        for (char *word = strtok_r(copy, " ", &save); word != NULL; word = strtok_r(NULL, " ", &save), i++) {
            int64_t pid;
            if (column < 0 && show && strcmp(word, "PID") == 0)
                column = i;
            else if (!show && i == column && parse_int64(word, 1, INT32_MAX, &pid) == 0)
                for (size_t k = 0; k < count; k++)
                    show = show || pids[k] == pid;
        }
        if (column < 0)
            return error_set(err, ERROR_INVALID, 0, "couldn't find PID field in ps output");
        if (show)
            printf("%.*s\n", (int)size, line);
        line = end != NULL ? end + 1 : NULL;
    }
    return 0;
}

int command_ps(const struct global *global, int argc, char **argv, struct error *err)
{
    const char *format = "table";
    const struct option_row rows[] = {OPTION_TEXT("format", 'f', &format, ""), OPTION_END};
    const char *id;
    int rest;
    int r = options_one_id(rows, argc, argv, &id, &rest, err);
    struct state state = {0};
    r = r < 0 ? r : state_read(global->root, id, &state, NULL, err);
    if (r < 0)
        return r;
    struct runtime_cgroup *cgroup = NULL;
    CLEANUP_FREE pid_t *pids = NULL;
    size_t count = 0;
    r = runtime_cgroup_open(state.cgroups_path, &cgroup, err);
    r = r < 0 ? r : runtime_cgroup_pids(cgroup, &pids, &count, err);
    runtime_cgroup_free(cgroup);
    state_release(&state);
    if (r < 0)
        return r;
    if (strcmp(format, "json") == 0) {
        print_pids_json(pids, count);
        return 0;
    }
    CLEANUP_STRV struct strv ps = STRV_INIT;
    strv_add(&ps, "ps");
    for (int i = rest; i < argc; i++)
        strv_add(&ps, argv[i]);
    if (rest >= argc)
        strv_add(&ps, "-ef");
    CLEANUP_FREE char *output = NULL;
    r = process_run(ps.items, NULL, PS_OUTPUT_MAX, &output, err);
    return r < 0 ? r : filter_ps(output, pids, count, err);
}
