/* What a build tells, in BuildKit's terms: each step is a vertex that starts and completes. */
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "api/buildkit/solve.h"
#include "base/digest.h"
#include "base/memory.h"
#include "base/timestamp.h"
#include "daemon/build/check.h"

#define STEP_TASKS (1u << 28) /* numbers of what the builder does besides its steps, from here on */
#define STEP_TASKS_MAX 4096   /* of each platform */
#define VERTEX_MAX (7 + DIGEST_HEX_MAX)

struct solve_progress {
    struct solve *solve;
    const char *file; /* the Dockerfile's name */
    struct vertex {
        char *name;
        int64_t started;
        bool cached;
    } * vertexes; /* by the step's id */
    size_t count, capacity;
    struct solve_step task;
    const char *platform; /* NULL: there is one */
    unsigned number;      /* of it */
};

Bk__Timestamp solve_timestamp(int64_t ns)
{
    Bk__Timestamp t = BK__TIMESTAMP__INIT;
    t.seconds = ns / 1000000000;
    t.nanos = (int32_t)(ns % 1000000000);
    return t;
}

/* Names a vertex of this build: nothing but the same in all its messages. */
static void vertex_digest(const struct solve *solve, const char *kind, unsigned number, char ret[VERTEX_MAX])
{
    struct digest digest;
    unsigned char raw[DIGEST_SIZE];
    char text[32];
    int n = snprintf(text, sizeof(text), "/%s/%u", kind, number);
    digest_init(&digest);
    digest_update(&digest, solve->ref, strlen(solve->ref));
    digest_update(&digest, text, (size_t)n);
    digest_final(&digest, raw);
    memcpy(ret, "sha256:", 7);
    digest_to_hex(raw, ret + 7);
}

/* completed 0: not yet. */
static void tell_vertex(struct solve *solve, char *digest, const struct vertex *vertex, int64_t completed,
                        const char *error)
{
    Bk__StatusResponse message = BK__STATUS_RESPONSE__INIT;
    Bk__Vertex v = BK__VERTEX__INIT, *list[] = {&v};
    Bk__Timestamp from = solve_timestamp(vertex->started), to = solve_timestamp(completed);
    v.digest = digest;
    v.name = vertex->name;
    v.cached = vertex->cached;
    v.started = &from;
    v.completed = completed ? &to : NULL;
    v.error = (char *)(error ? error : "");
    message.vertexes = list;
    message.n_vertexes = 1;
    solve_tell(solve, &message);
}

static void tell_status(struct solve *solve, char *digest, const char *id, int64_t started, int64_t current,
                        int64_t total, bool done)
{
    Bk__StatusResponse message = BK__STATUS_RESPONSE__INIT;
    Bk__VertexStatus s = BK__VERTEX_STATUS__INIT, *list[] = {&s};
    Bk__Timestamp now = solve_timestamp(timestamp_now()), from = solve_timestamp(started);
    s.vertex = digest;
    s.id = (char *)id;
    s.name = (char *)id;
    s.current = current;
    s.total = total;
    s.timestamp = &now;
    s.started = &from;
    s.completed = done ? &now : NULL;
    message.statuses = list;
    message.n_statuses = 1;
    solve_tell(solve, &message);
}

/* ---- failures ---- */

char *solve_explain_text(const char *message)
{
    /* The classic builder's words. */
    static const char begin[] = "The command '", middle[] = "' returned a non-zero code: ";
    const char *end = NULL;
    for (const char *p = strstr(message, middle); p; p = strstr(p + 1, middle))
        end = p; /* the command may say so, too */
    if (strncmp(message, begin, strlen(begin)) != 0 || !end)
        return xstrdup(message);
    const char *command = message + strlen(begin);
    return xasprintf("process \"%.*s\" did not complete successfully: exit code: %s", (int)(end - command), command,
                     end + strlen(middle));
}

void solve_explain(struct error *err)
{
    if (err->kind == ERROR_CANCELLED)
        return;
    CLEANUP_FREE char *text = solve_explain_text(err->message);
    error_set(err, ERROR_SYSTEM, 0, "%s", text);
}

/* ---- steps ---- */

static struct vertex *vertex_of(struct solve_progress *p, const struct build_step_info *step, char digest[VERTEX_MAX])
{
    while (p->count <= (size_t)step->id) {
        xgrow((void **)&p->vertexes, p->count, &p->capacity, sizeof(*p->vertexes));
        p->vertexes[p->count++] = (struct vertex){0};
    }
    vertex_digest(p->solve, p->platform ? p->platform : "step", (unsigned)step->id, digest);
    return &p->vertexes[step->id];
}

/* Stages without a name are numbers. */
static bool is_named(const char *stage)
{
    return *stage && strspn(stage, "0123456789") != strlen(stage);
}

/* Where a step is: "[name 2/3]". */
static char *step_place(const struct solve_progress *p, const struct build_step_info *step)
{
    int width = snprintf(NULL, 0, "%d", step->places);
    CLEANUP_FREE char *stage = is_named(step->stage) ? xasprintf("%s ", step->stage)
                               : step->only_stage    ? xstrdup("")
                                                     : xasprintf("stage-%s ", step->stage);
    return xasprintf("[%s%s%s%*d/%d]", p->platform ? p->platform : "", p->platform ? " " : "", stage, width,
                     step->place, step->places);
}

/* "[2/3] ONBUILD RUN true", "[1/3] FROM docker.io/library/busybox:latest". */
static char *step_name(const struct solve_progress *p, const struct build_step_info *step)
{
    CLEANUP_FREE char *place = step_place(p, step);
    if (step->base)
        return xasprintf("%s FROM %s", place, step->base);
    char *name = xasprintf("%s %s%s", place, step->is_trigger ? "ONBUILD " : "", step->text);
    for (char *c = name + strlen(name) - strlen(step->text); *c && !strchr(" \t", *c); c++)
        *c = (char)toupper((unsigned char)*c);
    return name;
}

/* Only what makes files is a vertex. */
static void on_started(const struct build_step_info *step, void *data)
{
    struct solve_progress *p = data;
    char digest[VERTEX_MAX];
    if (step->place == 0)
        return;
    struct vertex *vertex = vertex_of(p, step, digest);
    if (step->base && !strv_contains(&p->solve->bases, step->base))
        strv_add(&p->solve->bases, step->base);
    p->solve->total++;
    free(vertex->name);
    vertex->name = step_name(p, step);
    vertex->started = timestamp_now();
    tell_vertex(p->solve, digest, vertex, 0, NULL);
}

static void on_cached(const struct build_step_info *step, void *data)
{
    char digest[VERTEX_MAX];
    struct solve_progress *p = data;
    if (step->place == 0)
        return;
    vertex_of(p, step, digest)->cached = !step->is_from;
    p->solve->cached++;
}

static void on_progress(const struct build_step_info *step, const char *id, const char *status, int64_t current,
                        int64_t total, void *data)
{
    struct solve_progress *p = data;
    char digest[VERTEX_MAX];
    if (step->place == 0)
        return;
    struct vertex *vertex = vertex_of(p, step, digest);
    CLEANUP_FREE char *name = id ? xasprintf("%s %s", status, id) : xstrdup(status);
    tell_status(p->solve, digest, name, vertex->started, current, total, total > 0 && current >= total);
}

static void on_log(const struct build_step_info *step, int stream, const char *bytes, size_t size, void *data)
{
    struct solve_progress *p = data;
    char digest[VERTEX_MAX];
    Bk__StatusResponse message = BK__STATUS_RESPONSE__INIT;
    Bk__VertexLog log = BK__VERTEX_LOG__INIT, *list[] = {&log};
    Bk__Timestamp now = solve_timestamp(timestamp_now());
    vertex_of(p, step, digest);
    log.vertex = digest;
    log.timestamp = &now;
    log.stream = stream;
    log.msg = (ProtobufCBinaryData){.len = size, .data = (uint8_t *)bytes};
    message.logs = list;
    message.n_logs = 1;
    solve_tell(p->solve, &message);
}

static void on_done(const struct build_step_info *step, const char *id, const struct error *error, void *data)
{
    struct solve_progress *p = data;
    char digest[VERTEX_MAX];
    (void)id;
    if (step->place == 0)
        return;
    struct vertex *vertex = vertex_of(p, step, digest);
    CLEANUP_FREE char *text = error ? solve_explain_text(error->message) : NULL;
    if (!error)
        p->solve->steps++;
    tell_vertex(p->solve, digest, vertex, timestamp_now(), text);
}

/* Warnings belong to the vertex of the Dockerfile. first_line 0: of no line. */
static void tell_warning(struct solve *solve, Bk__VertexWarning *warning, const char *text, const char *file,
                         int first_line, int last_line)
{
    char digest[VERTEX_MAX];
    Bk__StatusResponse message = BK__STATUS_RESPONSE__INIT;
    Bk__VertexWarning *list[] = {warning};
    Bk__SourceInfo info = BK__SOURCE_INFO__INIT;
    Bk__Range range = BK__RANGE__INIT, *ranges[] = {&range};
    Bk__Position first = BK__POSITION__INIT, last = BK__POSITION__INIT;
    vertex_digest(solve, "internal", 0, digest);
    warning->vertex = digest;
    warning->level = 1;
    warning->short_ = (ProtobufCBinaryData){.len = strlen(text), .data = (uint8_t *)text};
    if (first_line > 0) {
        first.line = first_line;
        last.line = last_line;
        range.start = &first;
        range.end = &last;
        info.filename = (char *)file;
        warning->info = &info;
        warning->ranges = ranges;
        warning->n_ranges = 1;
    }
    solve->warnings++;
    message.warnings = list;
    message.n_warnings = 1;
    solve_tell(solve, &message);
}

static void on_warning(const struct build_step_info *step, const char *text, void *data)
{
    struct solve_progress *p = data;
    Bk__VertexWarning warning = BK__VERTEX_WARNING__INIT;
    tell_warning(p->solve, &warning, text, step ? step->file : NULL, step ? step->first_line : 0,
                 step ? step->last_line : 0);
}

static void on_finding(const struct check_finding *finding, void *data)
{
    struct solve_progress *p = data;
    Bk__VertexWarning warning = BK__VERTEX_WARNING__INIT;
    CLEANUP_FREE char *text = xasprintf("%s: %s (line %d)", finding->rule, finding->text, finding->first_line);
    ProtobufCBinaryData detail = {.len = strlen(finding->description), .data = (uint8_t *)finding->description};
    warning.detail = &detail;
    warning.n_detail = 1;
    warning.url = (char *)finding->url;
    tell_warning(p->solve, &warning, text, p->file, finding->first_line, finding->last_line);
}

/* One after the other. */
static void on_task(int number, const char *name, bool ended, const struct error *error, void *data)
{
    struct solve_progress *p = data;
    if (!ended)
        solve_step_begin(&p->task, p->solve, STEP_TASKS + p->number * STEP_TASKS_MAX + (unsigned)number, name);
    p->task.name = name;
    if (ended)
        solve_step_end(&p->task, error);
}

const struct build_events solve_events = {
    .started = on_started,
    .cached = on_cached,
    .progress = on_progress,
    .log = on_log,
    .done = on_done,
    .warning = on_warning,
    .finding = on_finding,
    .task = on_task,
};

struct solve_progress *solve_progress_new(struct solve *solve, const char *file, const char *platform, unsigned number)
{
    struct solve_progress *p = xcalloc(1, sizeof(*p));
    p->solve = solve;
    p->file = file;
    p->platform = platform;
    p->number = number;
    return p;
}

void solve_progress_free(struct solve_progress *p)
{
    for (size_t i = 0; i < p->count; i++)
        free(p->vertexes[i].name);
    free(p->vertexes);
    free(p);
}

/* ---- steps that are no instructions ---- */

void solve_step_begin(struct solve_step *step, struct solve *solve, unsigned number, const char *name)
{
    *step = (struct solve_step){.solve = solve, .number = number, .name = name, .started = timestamp_now()};
    char digest[VERTEX_MAX];
    const struct vertex vertex = {.name = (char *)name, .started = step->started};
    vertex_digest(solve, "internal", number, digest);
    tell_vertex(solve, digest, &vertex, 0, NULL);
}

void solve_step_status(const struct solve_step *step, const char *id, int64_t current, int64_t total, bool done)
{
    char digest[VERTEX_MAX];
    vertex_digest(step->solve, "internal", step->number, digest);
    tell_status(step->solve, digest, id, step->started, current, total, done);
}

void solve_step_end(const struct solve_step *step, const struct error *error)
{
    char digest[VERTEX_MAX];
    const struct vertex vertex = {.name = (char *)step->name, .started = step->started};
    vertex_digest(step->solve, "internal", step->number, digest);
    tell_vertex(step->solve, digest, &vertex, timestamp_now(), error ? error->message : NULL);
}
