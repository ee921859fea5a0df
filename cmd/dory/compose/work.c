#include "cmd/dory/compose/work.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"
#include "base/process.h"

/* How many processes there are at a time when nobody says how many. */
#define PARALLEL_DEFAULT 16
/* Largest message of a task. */
#define MESSAGE_MAX ((uint32_t)1 << 22)
#define TICK_MS 100

enum message_type {
    MESSAGE_EVENT = 'E', /* status, id, NUL, text */
    MESSAGE_WARNING = 'W',
    MESSAGE_RESULT = 'R',
    MESSAGE_LINE = 'L', /* source, NUL, line */
    MESSAGE_WAITING = 'S',
    MESSAGE_FAILURE = 'F', /* struct error */
    MESSAGE_END = '.',
};

struct work_report {
    int fd;
};

enum task_state { TASK_PENDING, TASK_RUNNING, TASK_DONE, TASK_FAILED };

struct task {
    struct work *work;
    struct work_item item;
    enum task_state state;
    size_t *earlier;
    size_t earlier_count, earlier_capacity;
    pid_t pid;
    int fd;
    struct loop_source *source;
    struct strbuf input;
    char *result;
    bool waiting, ended;
};

struct work {
    struct cli *cli;
    struct board *board;
    size_t parallel, running, waiting, left;
    struct task **tasks;
    size_t count, capacity;
    bool failed;
    struct error failure;
    struct loop *loop;
    struct loop_source *tick;
    work_line_fn line;
    void *line_data;
    void (*finished)(void *data, int r, const struct error *err);
    void *finished_data;
};

/* ---- the child ---- */

static void send_message(struct work_report *report, enum message_type type, const void *data, size_t size)
{
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    uint32_t length = (uint32_t)(size < MESSAGE_MAX ? size : MESSAGE_MAX);
    strbuf_addc(&message, (char)type);
    strbuf_add(&message, &length, sizeof(length));
    strbuf_add(&message, data, length);
    fd_write_all(report->fd, message.data, message.size);
}

/* Two texts in one message. */
static void send_pair(struct work_report *report, enum message_type type, const char *first, const char *second,
                      size_t second_size)
{
    CLEANUP_STRBUF struct strbuf data = STRBUF_INIT;
    strbuf_add(&data, first, strlen(first) + 1);
    strbuf_add(&data, second, second_size);
    send_message(report, type, data.data, data.size);
}

void work_event(struct work_report *report, const char *id, enum board_status status, const char *text)
{
    CLEANUP_FREE char *first = xasprintf("%c%s", '0' + (int)status, id);
    send_pair(report, MESSAGE_EVENT, first, text, strlen(text));
}

void work_warn(struct work_report *report, const char *sentence)
{
    send_message(report, MESSAGE_WARNING, sentence, strlen(sentence));
}

void work_result(struct work_report *report, const char *text)
{
    send_message(report, MESSAGE_RESULT, text, strlen(text));
}

void work_line(struct work_report *report, const char *source, const char *line, size_t size)
{
    send_pair(report, MESSAGE_LINE, source, line, size);
}

void work_waiting(struct work_report *report, bool waiting)
{
    send_message(report, MESSAGE_WAITING, waiting ? "1" : "0", 1);
}

static void run_child(struct task *task, int fd)
{
    struct cli cli = *task->work->cli;
    struct error err = {0};
    struct work_report report = {fd};
    sigset_t none;
    /* The parent's loop may have blocked signals; a terminal's interrupt is the parent's business. */
    sigemptyset(&none);
    signal(SIGINT, SIG_IGN);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    cli.client = NULL;
    int r = client_new(cli.host, cli.tls, &cli.client, &err);
    if (r == 0)
        r = task->item.run(&cli, task->item.data, &report, &err);
    if (r < 0) {
        if (err.kind == ERROR_NONE)
            error_errno(&err, r, "%s", task->item.name);
        send_message(&report, MESSAGE_FAILURE, &err, sizeof(err));
    } else {
        send_message(&report, MESSAGE_END, "", 0);
    }
    _exit(0);
}

/* ---- the parent ---- */

struct work *work_new(struct cli *cli, struct board *board, int64_t parallel)
{
    struct work *work = xcalloc(1, sizeof(*work));
    work->cli = cli;
    work->board = board;
    work->parallel = parallel > 0 ? (size_t)parallel : PARALLEL_DEFAULT;
    return work;
}

size_t work_add(struct work *work, const struct work_item *item)
{
    struct task *task = xcalloc(1, sizeof(*task));
    xgrow((void **)&work->tasks, work->count, &work->capacity, sizeof(struct task *));
    *task = (struct task){.work = work, .item = *item, .fd = -1};
    work->tasks[work->count] = task;
    work->left++;
    return work->count++;
}

void work_after(struct work *work, size_t task, size_t earlier)
{
    struct task *t = work->tasks[task];
    xgrow((void **)&t->earlier, t->earlier_count, &t->earlier_capacity, sizeof(size_t));
    t->earlier[t->earlier_count++] = earlier;
}

void work_on_line(struct work *work, work_line_fn fn, void *data)
{
    work->line = fn;
    work->line_data = data;
}

size_t work_count(const struct work *work)
{
    return work->count;
}

static void advance(struct work *work);
static void start_ready(struct work *work);

static void set_waiting(struct task *task, bool waiting)
{
    if (waiting != task->waiting)
        task->work->waiting += waiting ? 1 : (size_t)-1;
    task->waiting = waiting;
}

static void fail(struct work *work, const struct error *err)
{
    if (!work->failed) {
        work->failed = true;
        work->failure = *err;
    }
    for (size_t i = 0; i < work->count; i++) {
        struct task *task = work->tasks[i];
        if (task->state == TASK_RUNNING && task->waiting)
            kill(task->pid, SIGKILL);
    }
}

static void take_message(struct task *task, enum message_type type, const char *data, size_t size)
{
    struct work *work = task->work;
    const char *second = memchr(data, '\0', size);
    struct error err = {0};
    switch (type) {
    case MESSAGE_EVENT:
        if (second++) {
            CLEANUP_FREE char *text = xstrndup(second, size - (size_t)(second - data));
            board_event(work->board, data + 1, (enum board_status)(data[0] - '0'), text);
        }
        break;
    case MESSAGE_WARNING: {
        CLEANUP_FREE char *text = xstrndup(data, size);
        board_warn(work->board, text);
        break;
    }
    case MESSAGE_RESULT:
        free(task->result);
        task->result = xstrndup(data, size);
        break;
    case MESSAGE_LINE:
        if (second++ && work->line)
            work->line(work->line_data, data, second, size - (size_t)(second - data));
        break;
    case MESSAGE_WAITING:
        set_waiting(task, data[0] == '1');
        if (task->waiting && work->failed)
            kill(task->pid, SIGKILL);
        else
            start_ready(work);
        break;
    case MESSAGE_FAILURE:
        if (size == sizeof(err)) {
            memcpy(&err, data, size);
            task->ended = true;
            task->state = TASK_FAILED;
            fail(work, &err);
        }
        break;
    case MESSAGE_END:
        task->ended = true;
        task->state = TASK_DONE;
        break;
    }
}

/* All complete messages of the input. */
static void take_input(struct task *task)
{
    size_t used = 0;
    uint32_t length;
    while (task->input.size - used >= 1 + sizeof(length)) {
        memcpy(&length, task->input.data + used + 1, sizeof(length));
        if (task->input.size - used - 1 - sizeof(length) < length)
            break;
        const char *data = task->input.data + used + 1 + sizeof(length);
        /* Messages of no bytes and texts need an end. */
        CLEANUP_FREE char *copy = xmemdup(length ? data : "", length ? length : 1);
        take_message(task, (enum message_type)task->input.data[used], copy, length);
        used += 1 + sizeof(length) + length;
    }
    if (used > 0) {
        memmove(task->input.data, task->input.data + used, task->input.size - used);
        task->input.size -= used;
        strbuf_terminate(&task->input);
    }
}

static void finish_task(struct task *task)
{
    struct work *work = task->work;
    int status = 0;
    loop_remove(task->source);
    task->source = NULL;
    task->fd = fd_close(task->fd);
    process_wait(task->pid, &status);
    if (!task->ended) {
        struct error err = {0};
        task->state = TASK_FAILED;
        error_set(&err, ERROR_SYSTEM, EIO, "%s: the work was broken off (status %d)", task->item.name, status);
        fail(work, &err);
    }
    set_waiting(task, false);
    work->running--;
    work->left--;
    if (task->state == TASK_DONE && task->item.done)
        task->item.done(task->item.data, task->result ? task->result : "");
    advance(work);
}

static void on_input(struct loop_source *source, int fd, uint32_t events, void *data)
{
    (void)source, (void)events;
    struct task *task = data;
    ssize_t n = read(fd, strbuf_reserve(&task->input, 65536), 65536);
    if (n < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    if (n > 0) {
        task->input.size += (size_t)n;
        strbuf_terminate(&task->input);
        take_input(task);
    }
    if (n <= 0 || task->ended)
        finish_task(task);
}

static int start_task(struct task *task, struct error *err)
{
    int ends[2], r = fd_pipe(ends);
    if (r < 0)
        return error_errno(err, r, "%s", task->item.name);
    fflush(NULL);
    task->pid = fork();
    if (task->pid == 0)
        run_child(task, ends[1]);
    fd_close(ends[1]);
    if (task->pid < 0) {
        r = error_errno(err, errno, "fork for %s", task->item.name);
        fd_close(ends[0]);
        return r;
    }
    task->fd = ends[0];
    task->state = TASK_RUNNING;
    task->work->running++;
    return loop_add_io(task->work->loop, task->fd, EPOLLIN, on_input, task, &task->source);
}

static bool is_ready(const struct work *work, const struct task *task)
{
    for (size_t i = 0; i < task->earlier_count; i++) {
        if (work->tasks[task->earlier[i]]->state != TASK_DONE)
            return false;
    }
    return task->state == TASK_PENDING;
}

/* Starts what can be started. Points without work are passed at once, which may make others ready. */
static void start_ready(struct work *work)
{
    bool again = true;
    while (again && !work->failed) {
        again = false;
        for (size_t i = 0; i < work->count && !work->failed; i++) {
            struct task *task = work->tasks[i];
            struct error err = {0};
            if (!is_ready(work, task))
                continue;
            if (!task->item.run) {
                task->state = TASK_DONE;
                work->left--;
                again = true;
            } else if (work->running - work->waiting < work->parallel && start_task(task, &err) < 0) {
                fail(work, &err);
            }
        }
    }
}

static void advance(struct work *work)
{
    start_ready(work);
    if (work->running > 0 || (work->left > 0 && !work->failed))
        return;
    loop_remove(work->tick);
    work->tick = NULL;
    if (work->finished) {
        void (*finished)(void *, int, const struct error *) = work->finished;
        work->finished = NULL;
        finished(work->finished_data, work->failed ? -EIO : 0, &work->failure);
    }
}

static void on_tick(struct loop_source *source, void *data)
{
    (void)source;
    struct work *work = data;
    work->tick = NULL;
    board_draw(work->board);
    loop_add_timer(work->loop, TICK_MS, on_tick, work, &work->tick);
}

int work_begin(struct work *work, struct loop *loop, void (*finished)(void *data, int r, const struct error *err),
               void *data, struct error *err)
{
    work->loop = loop;
    work->finished = finished;
    work->finished_data = data;
    if (work->board->mode == BOARD_TTY) {
        int r = loop_add_timer(loop, TICK_MS, on_tick, work, &work->tick);
        if (r < 0)
            return error_errno(err, r, "timer");
    }
    advance(work);
    return 0;
}

struct run_result {
    struct loop *loop;
    bool finished;
};

static void on_finished(void *data, int r, const struct error *err)
{
    (void)r, (void)err;
    struct run_result *result = data;
    result->finished = true;
    loop_quit(result->loop, 0);
}

int work_run(struct work *work, struct error *err)
{
    struct run_result result = {0};
    if (work->count == 0)
        return 0;
    int r = loop_new(&result.loop, err);
    if (r < 0)
        return r;
    r = work_begin(work, result.loop, on_finished, &result, err);
    if (r == 0 && !result.finished)
        loop_run(result.loop);
    loop_free(result.loop);
    work->loop = NULL;
    board_draw(work->board);
    return r < 0 ? r : work->failed ? error_propagate(err, &work->failure) : 0;
}

void work_free(struct work *work)
{
    if (!work)
        return;
    for (size_t i = 0; i < work->count; i++) {
        struct task *task = work->tasks[i];
        if (task->fd >= 0) {
            int status;
            kill(task->pid, SIGKILL);
            loop_remove(task->source);
            fd_close(task->fd);
            process_wait(task->pid, &status);
        }
        if (task->item.release)
            task->item.release(task->item.data);
        strbuf_release(&task->input);
        free(task->result);
        free(task->earlier);
        free(task);
    }
    loop_remove(work->tick);
    free(work->tasks);
    free(work);
}
