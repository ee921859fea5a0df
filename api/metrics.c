#include "api/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <microhttpd.h>
#include <pthread.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "api/host_facts.h"
#include "api/server.h"
#include "api/server_private.h"
#include "api/system.h"
#include "base/fd.h"
#include "base/timestamp.h"
#include "daemon/engine.h"
#include "daemon/options.h"

#define CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"
#define CONNECTIONS_MAX 64
#define CONNECTION_SECONDS 30

/* Prometheus' own default buckets, in ms. */
static const int64_t bounds_ms[] = {5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10000};

/* Which requests count as what. */
static const struct {
    const char *metric, *label, *value, *method, *pattern;
} timed[] = {
    {"container_actions", "action", "changes", "GET", "/containers/{}/changes"},
    {"container_actions", "action", "commit", "POST", "/commit"},
    {"container_actions", "action", "create", "POST", "/containers/create"},
    {"container_actions", "action", "delete", "DELETE", "/containers/{}"},
    {"container_actions", "action", "start", "POST", "/containers/{}/start"},
    {"host_info_functions", "function", "system_info", "GET", "/info"},
    {"host_info_functions", "function", "system_version", "GET", "/version"},
    {"network_actions", "action", "connect", "POST", "/networks/{}/connect"},
};

struct histogram {
    uint64_t buckets[ARRAY_SIZE(bounds_ms)]; /* not cumulative */
    uint64_t count;
    int64_t sum_ns;
};

struct metrics {
    pthread_mutex_t lock;
    struct histogram histograms[ARRAY_SIZE(timed)];
    struct MHD_Daemon *server;
    struct engine *engine;
    int64_t started; /* ns since the epoch */
};

struct metrics *metrics_new(void)
{
    struct metrics *m = xcalloc(1, sizeof(*m));

    pthread_mutex_init(&m->lock, NULL);
    m->started = timestamp_now();
    return m;
}

void metrics_free(struct metrics *m)
{
    if (!m)
        return;
    metrics_stop(m);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

void metrics_observe(struct metrics *m, const struct api_route *route, int64_t ns)
{
    size_t bucket = 0;

    while (bucket < ARRAY_SIZE(bounds_ms) && ns > bounds_ms[bucket] * 1000000)
        bucket++;
    for (size_t i = 0; i < ARRAY_SIZE(timed); i++) {
        struct histogram *h = &m->histograms[i];

        if (strcmp(timed[i].method, route->method) != 0 || strcmp(timed[i].pattern, route->pattern) != 0)
            continue;
        pthread_mutex_lock(&m->lock);
        h->count++;
        h->sum_ns += ns;
        if (bucket < ARRAY_SIZE(bounds_ms))
            h->buckets[bucket]++;
        pthread_mutex_unlock(&m->lock);
        return;
    }
}

/* ---- the text ---- */

static void put_head(struct strbuf *out, const char *name, const char *type, const char *help)
{
    strbuf_addf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void put_value(struct strbuf *out, const char *name, const char *type, const char *help, int64_t value)
{
    put_head(out, name, type, help);
    strbuf_addf(out, "%s %" PRId64 "\n", name, value);
}

/* A label's value: backslashes, quotes and newlines are escaped. */
static void put_label(struct strbuf *out, const char *name, const char *value, const char *end)
{
    strbuf_addf(out, "%s=\"", name);
    for (; *value; value++) {
        if (*value == '\\' || *value == '"')
            strbuf_addc(out, '\\');
        if (*value == '\n')
            strbuf_adds(out, "\\n");
        else
            strbuf_addc(out, *value);
    }
    strbuf_addf(out, "\"%s", end);
}

static void put_seconds(struct strbuf *out, int64_t ns)
{
    strbuf_addf(out, "%" PRId64 ".%09" PRId64, ns / 1000000000, ns % 1000000000);
}

static void put_histogram(struct strbuf *out, size_t i, const struct histogram *h)
{
    CLEANUP_FREE char *name = xasprintf("engine_daemon_%s_seconds", timed[i].metric);
    CLEANUP_FREE char *label = xasprintf("%s=\"%s\"", timed[i].label, timed[i].value);
    uint64_t sum = 0;

    if (i == 0 || strcmp(timed[i].metric, timed[i - 1].metric) != 0)
        put_head(out, name, "histogram", "The number of seconds that it takes");
    for (size_t k = 0; k < ARRAY_SIZE(bounds_ms); k++) {
        sum += h->buckets[k];
        strbuf_addf(out, "%s_bucket{%s,le=\"%g\"} %" PRIu64 "\n", name, label, (double)bounds_ms[k] / 1000, sum);
    }
    strbuf_addf(out, "%s_bucket{%s,le=\"+Inf\"} %" PRIu64 "\n%s_sum{%s} ", name, label, h->count, name, label);
    put_seconds(out, h->sum_ns);
    strbuf_addf(out, "\n%s_count{%s} %" PRIu64 "\n", name, label, h->count);
}

static void put_info(struct strbuf *out, struct engine *engine)
{
    CLEANUP_FREE char *system = NULL, *version = NULL;
    struct utsname host = {0};

    host_os_release(&system, &version);
    uname(&host);
    put_head(out, "engine_daemon_engine_info", "gauge",
             "The information related to the engine and the OS it is running on");
    strbuf_adds(out, "engine_daemon_engine_info{");
    put_label(out, "architecture", host.machine, ",");
    put_label(out, "commit", api_git_commit, ",");
    put_label(out, "daemon_id", engine_id(engine), ",");
    put_label(out, "graphdriver", engine_options(engine)->storage_driver, ",");
    put_label(out, "kernel", host.release, ",");
    put_label(out, "os", system, ",");
    put_label(out, "os_type", "linux", ",");
    put_label(out, "os_version", version ? version : "", ",");
    put_label(out, "version", DORY_VERSION, "} 1\n");
}

static void put_engine(struct strbuf *out, struct engine *engine)
{
    struct engine_counts c;

    engine_counts(engine, &c);
    put_value(out, "engine_daemon_engine_cpus_cpus", "gauge",
              "The number of cpus that the host system of the engine has", host_cpus());
    put_value(out, "engine_daemon_engine_memory_bytes", "gauge",
              "The number of bytes of memory that the host system of the engine has", host_memory());
    put_head(out, "engine_daemon_container_states_containers", "gauge", "The count of containers in various states");
    strbuf_addf(out,
                "engine_daemon_container_states_containers{state=\"paused\"} %" PRId64 "\n"
                "engine_daemon_container_states_containers{state=\"running\"} %" PRId64 "\n"
                "engine_daemon_container_states_containers{state=\"stopped\"} %" PRId64 "\n",
                c.paused, c.running, c.stopped);
    put_value(out, "engine_daemon_events_total", "counter", "The number of events logged", c.events);
    put_value(out, "engine_daemon_events_subscribers_total", "gauge", "The number of current subscribers to events",
              c.event_subscribers);
    put_value(out, "engine_daemon_health_checks_total", "counter", "The total number of health checks",
              c.health_checks);
    put_value(out, "engine_daemon_health_checks_failed_total", "counter", "The total number of failed health checks",
              c.failed_health_checks);
}

static int64_t time_ns(struct timeval t)
{
    return (int64_t)t.tv_sec * 1000000000 + (int64_t)t.tv_usec * 1000;
}

static void put_process(struct strbuf *out, const struct metrics *m)
{
    struct rusage usage = {0};
    long long pages = 0;
    CLEANUP_CLOSE int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    char text[128] = "";

    if (fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strchr(text, ' '))
        pages = strtoll(strchr(text, ' '), NULL, 10);
    getrusage(RUSAGE_SELF, &usage);
    put_head(out, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds");
    strbuf_adds(out, "process_cpu_seconds_total ");
    put_seconds(out, time_ns(usage.ru_utime) + time_ns(usage.ru_stime));
    strbuf_addc(out, '\n');
    put_value(out, "process_open_fds", "gauge", "Number of open file descriptors", host_count_entries("/proc/self/fd"));
    put_value(out, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes",
              pages * sysconf(_SC_PAGESIZE));
    put_head(out, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds");
    strbuf_adds(out, "process_start_time_seconds ");
    put_seconds(out, m->started);
    strbuf_addc(out, '\n');
}

void metrics_write(struct metrics *m, struct engine *engine, struct strbuf *out)
{
    struct histogram histograms[ARRAY_SIZE(timed)];

    pthread_mutex_lock(&m->lock);
    memcpy(histograms, m->histograms, sizeof(histograms));
    pthread_mutex_unlock(&m->lock);
    put_info(out, engine);
    put_engine(out, engine);
    for (size_t i = 0; i < ARRAY_SIZE(timed); i++)
        put_histogram(out, i, &histograms[i]);
    put_process(out, m);
}

/* ---- the server ---- */

static enum MHD_Result reply(struct MHD_Connection *connection, unsigned status, const char *type, struct strbuf *body)
{
    size_t size = body->size;
    struct MHD_Response *response = MHD_create_response_from_buffer(size, strbuf_take(body), MHD_RESPMEM_MUST_FREE);

    if (!response)
        return MHD_NO;
    MHD_add_response_header(response, "Content-Type", type);
    enum MHD_Result result = MHD_queue_response(connection, status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result answer(void *closure, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state)
{
    struct metrics *m = closure;
    CLEANUP_STRBUF struct strbuf body = STRBUF_INIT;
    bool read = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;

    (void)version;
    (void)upload;
    if (!*state) { /* the body, which nobody asked for, comes first */
        *state = m;
        return MHD_YES;
    }
    if (*upload_size > 0) {
        *upload_size = 0;
        return MHD_YES;
    }
    if (strcmp(url, "/metrics") != 0 || !read) {
        strbuf_adds(&body, "404 page not found\n");
        return reply(connection, 404, "text/plain; charset=utf-8", &body);
    }
    metrics_write(m, m->engine, &body);
    return reply(connection, 200, CONTENT_TYPE, &body);
}

int metrics_listen(struct metrics *m, struct engine *engine, const char *address, struct error *err)
{
    CLEANUP_FREE char *host = xasprintf("tcp://%s", address);
    int fds[LISTEN_SOCKETS_MAX];
    size_t count;
    int r = api_listen_sockets(host, NULL, true, fds, &count, err);

    if (r < 0)
        return error_context(err, "metrics-addr %s", address);
    m->engine = engine;
    m->server = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL, 0, NULL, NULL, answer, m,
                                 MHD_OPTION_LISTEN_SOCKET, fds[0], MHD_OPTION_THREAD_STACK_SIZE, API_THREAD_STACK,
                                 MHD_OPTION_CONNECTION_LIMIT, (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_TIMEOUT,
                                 (unsigned)CONNECTION_SECONDS, MHD_OPTION_END);
    if (m->server)
        return 0;
    fd_close(fds[0]);
    return error_errno(err, errno ? errno : EIO, "metrics-addr %s", address);
}

void metrics_stop(struct metrics *m)
{
    if (m->server)
        MHD_stop_daemon(m->server);
    m->server = NULL;
}
