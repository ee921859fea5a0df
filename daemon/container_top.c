/* GET /containers/{id}/top: the container's processes as ps(1) on the host would show them, read from /proc. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/parse.h"
#include "daemon/engine_internal.h"
#include "runtime/container.h"

#define PROC_FILE_MAX 65536
#define COLUMNS_MAX 24
#define ORDER_KEYS_MAX 8

struct process {
    pid_t pid, ppid, pgrp, session;
    uid_t uid;
    gid_t gid;
    char state;
    unsigned tty;
    uint64_t user_ticks, system_ticks, start_ticks, vsz, rss_pages;
    long nice, priority, threads;
    char comm[32];
    char *command; /* arguments, or [comm] */
};

static int read_process(pid_t pid, struct process *p)
{
    char path[64];
    snprintf(path, sizeof(path), "/proc/%d", pid);
    CLEANUP_CLOSE int dir = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    if (dir < 0 || fstat(dir, &st) < 0)
        return -ESRCH;
    CLEANUP_FREE char *stat_text = NULL;
    CLEANUP_FREE char *cmdline = NULL;
    size_t size = 0;
    if (file_read(dir, "stat", PROC_FILE_MAX, &stat_text, NULL, NULL) < 0 ||
        file_read(dir, "cmdline", 1 << 20, &cmdline, &size, NULL) < 0)
        return -ESRCH;
    char *open_bracket = strchr(stat_text, '('), *close_bracket = strrchr(stat_text, ')');
    if (open_bracket == NULL || close_bracket == NULL || close_bracket[1] == '\0')
        return -EINVAL;
    *p = (struct process){.pid = pid, .uid = st.st_uid, .gid = st.st_gid, .state = close_bracket[2]};
    snprintf(p->comm, sizeof(p->comm), "%.*s", (int)(close_bracket - open_bracket - 1), open_bracket + 1);
    int64_t field[25] = {0}; /* field N of proc(5) is field[N - 4]; N from 4 */
    char *at = close_bracket + 3;
    for (size_t i = 0; i < ARRAY_SIZE(field); i++)
        field[i] = (int64_t)strtoull(at, &at, 10);
    p->ppid = (pid_t)field[0];
    p->pgrp = (pid_t)field[1];
    p->session = (pid_t)field[2];
    p->tty = (unsigned)field[3];
    p->user_ticks = (uint64_t)field[10];
    p->system_ticks = (uint64_t)field[11];
    p->priority = (long)field[14];
    p->nice = (long)field[15];
    p->threads = (long)field[16];
    p->start_ticks = (uint64_t)field[18];
    p->vsz = (uint64_t)field[19];
    p->rss_pages = (uint64_t)field[20];
    while (size > 0 && cmdline[size - 1] == '\0')
        size--;
    for (size_t i = 0; i < size; i++)
        if (cmdline[i] == '\0' || cmdline[i] == '\n')
            cmdline[i] = ' ';
    p->command = size > 0 ? xstrndup(cmdline, size) : xasprintf("[%s]", p->comm);
    return 0;
}

/* ---- columns ---- */

struct host_clock {
    int64_t now, boot; /* seconds */
    long ticks;
};

static void host_clock_read(struct host_clock *clock)
{
    struct timespec since_boot;
    clock_gettime(CLOCK_BOOTTIME, &since_boot);
    clock->now = time(NULL);
    clock->boot = clock->now - since_boot.tv_sec;
    clock->ticks = sysconf(_SC_CLK_TCK);
}

static int64_t started_at(const struct process *p, const struct host_clock *c)
{
    return c->boot + (int64_t)(p->start_ticks / (uint64_t)c->ticks);
}

/* The host's name of the user, as docker's ps shows it. Read from the host's passwd by getpwuid_r. */
static void column_user(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    struct passwd entry, *found = NULL;
    char buffer[1024];
    if (getpwuid_r(p->uid, &entry, buffer, sizeof(buffer), &found) == 0 && found != NULL)
        snprintf(out, size, "%s", found->pw_name);
    else
        snprintf(out, size, "%u", p->uid);
}

static void column_uid(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%u", p->uid);
}

static void column_gid(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%u", p->gid);
}

static void column_pid(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%d", p->pid);
}

static void column_ppid(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%d", p->ppid);
}

static void column_pgid(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%d", p->pgrp);
}

static void column_sid(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%d", p->session);
}

/* Share of one processor over the process's life, in per cent. */
static double cpu_share(const struct process *p, const struct host_clock *c)
{
    int64_t age = c->now - started_at(p, c);
    double used = (double)(p->user_ticks + p->system_ticks) / (double)c->ticks;
    return age > 0 ? used * 100 / (double)age : 0;
}

static void column_c(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    double share = cpu_share(p, c);
    snprintf(out, size, "%d", share > 99 ? 99 : (int)share);
}

static void column_pcpu(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    snprintf(out, size, "%.1f", cpu_share(p, c));
}

static void column_pmem(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%.1f", (double)p->rss_pages * 100 / (double)sysconf(_SC_PHYS_PAGES));
}

static void column_stime(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    time_t start = (time_t)started_at(p, c);
    struct tm tm;
    localtime_r(&start, &tm);
    strftime(out, size, c->now - start < 86400 ? "%H:%M" : "%b%d", &tm);
}

static void column_tty(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    unsigned major_number = p->tty >> 8 & 0xfff, minor_number = (p->tty & 0xff) | (p->tty >> 12 & 0xfff00);
    if (p->tty == 0)
        snprintf(out, size, "?");
    else if (major_number >= 136 && major_number <= 143)
        snprintf(out, size, "pts/%u", (major_number - 136) * 256 + minor_number);
    else
        snprintf(out, size, "%u:%u", major_number, minor_number);
}

static void column_time(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    uint64_t s = (p->user_ticks + p->system_ticks) / (uint64_t)c->ticks;
    if (s >= 86400)
        snprintf(out, size, "%llu-%02llu:%02llu:%02llu", (unsigned long long)(s / 86400),
                 (unsigned long long)(s / 3600 % 24), (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
    else
        snprintf(out, size, "%02llu:%02llu:%02llu", (unsigned long long)(s / 3600), (unsigned long long)(s / 60 % 60),
                 (unsigned long long)(s % 60));
}

static void column_bsdtime(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    uint64_t s = (p->user_ticks + p->system_ticks) / (uint64_t)c->ticks;
    snprintf(out, size, "%llu:%02llu", (unsigned long long)(s / 60), (unsigned long long)(s % 60));
}

static void column_etime(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    int64_t s = c->now - started_at(p, c);
    if (s >= 86400)
        snprintf(out, size, "%lld-%02lld:%02lld:%02lld", (long long)s / 86400, (long long)s / 3600 % 24,
                 (long long)s / 60 % 60, (long long)s % 60);
    else if (s >= 3600)
        snprintf(out, size, "%02lld:%02lld:%02lld", (long long)s / 3600, (long long)s / 60 % 60, (long long)s % 60);
    else
        snprintf(out, size, "%02lld:%02lld", (long long)s / 60, (long long)s % 60);
}

static void column_vsz(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%llu", (unsigned long long)p->vsz / 1024);
}

static void column_rss(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%llu", (unsigned long long)p->rss_pages * (unsigned long long)sysconf(_SC_PAGESIZE) / 1024);
}

static void column_state(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%c", p->state);
}

static void column_stat(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%c%s%s%s", p->state,
             p->nice < 0   ? "<"
             : p->nice > 0 ? "N"
                           : "",
             p->session == p->pid ? "s" : "", p->threads > 1 ? "l" : "");
}

static void column_nice(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%ld", p->nice);
}

static void column_nlwp(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%ld", p->threads);
}

static void column_comm(const struct process *p, const struct host_clock *c, char *out, size_t size)
{
    (void)c;
    snprintf(out, size, "%s", p->comm);
}

/* NULL: the whole command line. */
typedef void (*column_fn)(const struct process *p, const struct host_clock *c, char *out, size_t size);

static const struct column {
    const char *name, *title;
    column_fn fn;
} columns[] = {
    {"uid", "UID", column_uid},
    {"user", "USER", column_user},
    {"euser", "EUSER", column_user},
    {"gid", "GID", column_gid},
    {"pid", "PID", column_pid},
    {"ppid", "PPID", column_ppid},
    {"pgid", "PGID", column_pgid},
    {"sid", "SID", column_sid},
    {"c", "C", column_c},
    {"pcpu", "%CPU", column_pcpu},
    {"%cpu", "%CPU", column_pcpu},
    {"pmem", "%MEM", column_pmem},
    {"%mem", "%MEM", column_pmem},
    {"stime", "STIME", column_stime},
    {"start_time", "START", column_stime},
    {"tty", "TT", column_tty},
    {"tt", "TT", column_tty},
    {"time", "TIME", column_time},
    {"cputime", "TIME", column_time},
    {"etime", "ELAPSED", column_etime},
    {"vsz", "VSZ", column_vsz},
    {"rss", "RSS", column_rss},
    {"state", "S", column_state},
    {"s", "S", column_state},
    {"stat", "STAT", column_stat},
    {"ni", "NI", column_nice},
    {"nice", "NI", column_nice},
    {"nlwp", "NLWP", column_nlwp},
    {"comm", "COMMAND", column_comm},
    {"ucmd", "CMD", column_comm},
    {"cmd", "CMD", NULL},
    {"args", "COMMAND", NULL},
    {"command", "COMMAND", NULL},
};

/* The formats that have a name of their own. */
static const struct column format_full[] = {
    {"", "UID", column_user},    {"", "PID", column_pid}, {"", "PPID", column_ppid}, {"", "C", column_c},
    {"", "STIME", column_stime}, {"", "TTY", column_tty}, {"", "TIME", column_time}, {"", "CMD", NULL},
};
static const struct column format_aux[] = {
    {"", "USER", column_user},   {"", "PID", column_pid},      {"", "%CPU", column_pcpu}, {"", "%MEM", column_pmem},
    {"", "VSZ", column_vsz},     {"", "RSS", column_rss},      {"", "TTY", column_tty},   {"", "STAT", column_stat},
    {"", "START", column_stime}, {"", "TIME", column_bsdtime}, {"", "COMMAND", NULL},
};

static int add_named(const char *name, struct column *list, size_t *count, struct error *err)
{
    const char *equals = strchr(name, '=');
    CLEANUP_FREE char *key = xstrndup(name, equals ? (size_t)(equals - name) : strlen(name));
    for (size_t i = 0; i < ARRAY_SIZE(columns); i++) {
        if (strcmp(columns[i].name, key) != 0)
            continue;
        if (*count == COLUMNS_MAX)
            return error_set(err, ERROR_INVALID, 0, "ps: more than %d columns", COLUMNS_MAX);
        list[(*count)++] = columns[i];
        return 0;
    }
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "ps: dory does not know the column \"%s\"", key);
}

/* "-o a,b -o c", "-eo a,b", "o a,b" */
static int parse_custom(const char *args, struct column *list, size_t *count, struct error *err)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    strv_split(&words, args, ' ');
    bool want_list = false;
    for (size_t i = 0; i < words.count; i++) {
        const char *word = words.items[i];
        if (*word == '\0')
            continue;
        if (!want_list) {
            size_t flags = strspn(word, "-eAa");
            if (word[flags] == 'o') {
                word += flags + 1;
                want_list = true;
                if (*word == '\0')
                    continue;
            } else if (word[flags] == '\0') {
                continue;
            } else {
                return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                                 "ps: dory does not know the options \"%s\": -ef, aux and -o LIST are", args);
            }
        }
        CLEANUP_STRV struct strv names = STRV_INIT;
        strv_split(&names, word, ',');
        for (size_t j = 0; j < names.count; j++) {
            int r = *names.items[j] ? add_named(names.items[j], list, count, err) : 0;
            if (r < 0)
                return r;
        }
        want_list = false;
    }
    if (*count == 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "ps: dory does not know the options \"%s\": -ef, aux and -o LIST are", args);
    return 0;
}

static int parse_args(const char *args, struct column *list, size_t *count, struct error *err)
{
    static const char *const full[] = {"", "-ef", "-eF", "-f", "ef", "-fe", "-e -f"};
    static const char *const aux[] = {"aux", "-aux", "au", "axu", "ux", "auxw", "auxww", "waux"};
    const char *text = args ? args : "";
    for (size_t i = 0; i < ARRAY_SIZE(full); i++) {
        if (strcmp(text, full[i]) == 0) {
            memcpy(list, format_full, sizeof(format_full));
            *count = ARRAY_SIZE(format_full);
            return 0;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(aux); i++) {
        if (strcmp(text, aux[i]) == 0) {
            memcpy(list, format_aux, sizeof(format_aux));
            *count = ARRAY_SIZE(format_aux);
            return 0;
        }
    }
    return parse_custom(text, list, count, err);
}

/* ---- order ---- */

struct order {
    char *arguments;                              /* what ps is asked besides; owned */
    const struct order_key *keys[ORDER_KEYS_MAX]; /* the first decides, the next where that is equal */
    bool falling[ORDER_KEYS_MAX];
    size_t count;
    const struct host_clock *clock;
};

static double key_pid(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return p->pid;
}

static double key_ppid(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return p->ppid;
}

static double key_uid(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return p->uid;
}

static double key_vsz(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return (double)p->vsz;
}

static double key_rss(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return (double)p->rss_pages;
}

static double key_time(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return (double)(p->user_ticks + p->system_ticks);
}

static double key_start(const struct process *p, const struct host_clock *c)
{
    (void)c;
    return (double)p->start_ticks;
}

static const struct order_key {
    const char *name;
    double (*value)(const struct process *p, const struct host_clock *c);
} order_keys[] = {
    {"pid", key_pid},      {"ppid", key_ppid},        {"uid", key_uid},     {"vsz", key_vsz},    {"rss", key_rss},
    {"pmem", key_rss},     {"%mem", key_rss},         {"pcpu", cpu_share},  {"%cpu", cpu_share}, {"time", key_time},
    {"cputime", key_time}, {"start_time", key_start}, {"stime", key_start},
};

static void order_release(struct order *order)
{
    free(order->arguments);
}

/* "-rss,+pid" */
static int order_add(struct order *order, const char *text, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    strv_split(&names, text, ',');
    for (size_t i = 0; i < names.count; i++) {
        const char *name = names.items[i] + (*names.items[i] == '-' || *names.items[i] == '+');
        const struct order_key *key = NULL;
        for (size_t k = 0; key == NULL && k < ARRAY_SIZE(order_keys); k++)
            key = strcmp(order_keys[k].name, name) == 0 ? &order_keys[k] : NULL;
        if (key == NULL)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "ps: dory does not sort by \"%s\"", name);
        if (order->count == ORDER_KEYS_MAX)
            return error_set(err, ERROR_INVALID, 0, "ps: more than %d columns to sort by", ORDER_KEYS_MAX);
        order->falling[order->count] = *names.items[i] == '-';
        order->keys[order->count++] = key;
    }
    return 0;
}

/* Takes "--sort=KEYS" and "--sort KEYS" out of the arguments. */
static int order_parse(const char *args, struct order *order, struct error *err)
{
    static const char option[] = "--sort";
    CLEANUP_STRV struct strv words = STRV_INIT, rest = STRV_INIT;
    strv_split(&words, args != NULL ? args : "", ' ');
    int r = 0;
    for (size_t i = 0; r == 0 && i < words.count; i++) {
        const char *word = words.items[i];
        size_t size = sizeof(option) - 1;
        if (strncmp(word, option, size) != 0 || (word[size] != '=' && word[size] != '\0'))
            strv_add(&rest, word);
        else if (word[size] == '=')
            r = order_add(order, word + size + 1, err);
        else if (++i < words.count)
            r = order_add(order, words.items[i], err);
        else
            r = error_set(err, ERROR_INVALID, 0, "ps: --sort needs a column to sort by");
    }
    order->arguments = strv_join(&rest, " ");
    return r;
}

static int order_compare(const void *a, const void *b, void *data)
{
    const struct process *x = a, *y = b;
    const struct order *order = data;
    for (size_t i = 0; i < order->count; i++) {
        double left = order->keys[i]->value(x, order->clock), right = order->keys[i]->value(y, order->clock);
        if (left < right || left > right)
            return (left < right) == order->falling[i] ? 1 : -1;
    }
    return x->pid < y->pid ? -1 : x->pid > y->pid;
}

/* ---- the answer ---- */

static int container_pids(struct engine *engine, struct container *c, pid_t **ret, size_t *ret_count, struct error *err)
{
    CLEANUP_FREE char *path = container_cgroup_path(engine, c);
    struct runtime_cgroup *cgroup = NULL;
    int r = runtime_cgroup_open(path, &cgroup, err);
    if (r < 0)
        return r;
    r = runtime_cgroup_pids(cgroup, ret, ret_count, err);
    runtime_cgroup_free(cgroup);
    return r;
}

static void put_process(struct json_writer *w, const struct process *p, const struct host_clock *clock,
                        const struct column *list, size_t count)
{
    json_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        char text[64] = "";
        if (list[i].fn != NULL)
            list[i].fn(p, clock, text, sizeof(text));
        json_put_string(w, list[i].fn != NULL ? text : p->command);
    }
    json_end_array(w);
}

int container_top(struct engine *engine, struct container *c, const char *ps_args, struct strbuf *out,
                  struct error *err)
{
    struct column list[COLUMNS_MAX];
    size_t count = 0, pid_count = 0;
    enum container_state next;
    pthread_mutex_lock(&c->lock);
    int r = container_state_next(c->state, CONTAINER_TOP, c->id, &next, err);
    pthread_mutex_unlock(&c->lock);
    CLEANUP_FREE pid_t *pids = NULL;
    CLEANUP(order_release) struct order order = {0};
    if (r == 0)
        r = order_parse(ps_args, &order, err);
    if (r == 0)
        r = parse_args(order.arguments, list, &count, err);
    if (r == 0)
        r = container_pids(engine, c, &pids, &pid_count, err);
    if (r < 0)
        return r;
    struct host_clock clock;
    host_clock_read(&clock);
    order.clock = &clock;
    CLEANUP_FREE struct process *processes = xcalloc(pid_count + 1, sizeof(*processes));
    size_t alive = 0;
    for (size_t i = 0; i < pid_count; i++)
        alive += read_process(pids[i], &processes[alive]) == 0; /* it may have ended since */
    qsort_r(processes, alive, sizeof(*processes), order_compare, &order);
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "Titles");
    json_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        json_put_string(&w, list[i].title);
    json_end_array(&w);
    json_key(&w, "Processes");
    json_begin_array(&w);
    for (size_t i = 0; i < alive; i++) {
        put_process(&w, &processes[i], &clock, list, count);
        free(processes[i].command);
    }
    json_end_array(&w);
    json_end_object(&w);
    strbuf_addc(out, '\n');
    container_event(engine, c, "top", NULL, NULL);
    return 0;
}
