#include "cmd/dory/each.h"

#include <errno.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "base/process.h"

/* How many are under way at a time: docker's number. */
#define PARALLEL_MAX 50
/* Longest error that a child reports. */
#define REPORT_MAX 4096

/* Prints or collects what came of one argument. */
static void note(const char *name, int r, const char *message, struct strbuf *errors)
{
    if (r < 0) {
        strbuf_addf(errors, "%s\n", message);
    } else if (r == 0) {
        printf("%s\n", name);
        fflush(stdout);
    }
}

int for_each_argument(struct cli *cli, const struct strv *arguments, each_fn fn, void *data)
{
    CLEANUP_STRBUF struct strbuf errors = STRBUF_INIT;
    for (size_t i = 0; i < arguments->count; i++) {
        struct error err = {0};
        int r = fn(cli, arguments->items[i], data, &err);
        note(arguments->items[i], r, err.message, &errors);
    }
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

/* One argument in a process of its own, with a connection of its own. Its pipe yields "+" (done), "." (done, not to be
 * named) or "-" and the error. */
struct worker {
    pid_t pid;
    int fd;
};

static void run_worker(struct cli *cli, const char *name, each_fn fn, void *data, int fd)
{
    struct error err = {0};
    CLEANUP_STRBUF struct strbuf report = STRBUF_INIT;
    int r = client_new(cli->host, cli->tls, &cli->client, &err);
    if (r == 0)
        r = fn(cli, name, data, &err);
    strbuf_adds(&report, r < 0 ? "-" : r == 0 ? "+" : ".");
    strbuf_adds(&report, r < 0 ? err.message : "");
    fflush(NULL);
    fd_write_all(fd, report.data, report.size);
    _exit(0);
}

static int start_worker(struct cli *cli, const char *name, each_fn fn, void *data, struct worker *ret,
                        struct error *err)
{
    int pipe_ends[2], r = fd_pipe(pipe_ends);
    if (r < 0)
        return error_errno(err, r, "%s", name);
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0)
        run_worker(cli, name, fn, data, pipe_ends[1]);
    fd_close(pipe_ends[1]);
    if (pid < 0) {
        r = error_errno(err, errno, "fork for %s", name);
        fd_close(pipe_ends[0]);
        return r;
    }
    *ret = (struct worker){pid, pipe_ends[0]};
    return 0;
}

static void finish_worker(struct worker *worker, const char *name, struct strbuf *errors)
{
    CLEANUP_FREE char *report = NULL;
    int status, r = fd_read_all(worker->fd, REPORT_MAX, &report, NULL);
    fd_close(worker->fd);
    process_wait(worker->pid, &status);
    if (r < 0 || !*report)
        strbuf_addf(errors, "%s: the request was not finished\n", name);
    else
        note(name, report[0] == '-' ? -1 : report[0] == '+' ? 0 : 1, report + 1, errors);
}

int for_each_parallel(struct cli *cli, const struct strv *arguments, each_fn fn, void *data)
{
    CLEANUP_STRBUF struct strbuf errors = STRBUF_INIT;
    if (arguments->count == 1)
        return for_each_argument(cli, arguments, fn, data);
    CLEANUP_FREE struct worker *workers = xcalloc(arguments->count, sizeof(*workers));
    CLEANUP_FREE struct error *failures = xcalloc(arguments->count, sizeof(*failures));
    size_t started = 0;
    for (size_t done = 0; done < arguments->count; done++) {
        for (; started < arguments->count && started < done + PARALLEL_MAX; started++)
            start_worker(cli, arguments->items[started], fn, data, &workers[started], &failures[started]);
        if (workers[done].pid > 0)
            finish_worker(&workers[done], arguments->items[done], &errors);
        else
            note(arguments->items[done], -1, failures[done].message, &errors);
    }
    fputs(strbuf_str(&errors), stderr);
    return errors.size > 0 ? 1 : 0;
}

int name_check(const char *kind, const char *name, struct error *err)
{
    if (name[strspn(name, " \t\n")] == '\0')
        return error_set(err, ERROR_INVALID, 0, "invalid %s name or ID: value is empty", kind);
    return 0;
}

int container_request(struct cli *cli, const char *method, const char *name, const char *suffix, struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    int r = name_check("container", name, err);
    if (r < 0)
        return r;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, name);
    strbuf_adds(&path, suffix);
    struct client_request request = {.method = method, .path = strbuf_str(&path)};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}
