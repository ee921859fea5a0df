/* The records of execs: made, found, listed, forgotten. */
#include "daemon/exec.h"

#include <errno.h>

#include "base/base64.h"
#include "base/detach_keys.h"
#include "base/log.h"
#include "base/timestamp.h"
#include "daemon/exec_internal.h"

/* Records of ended execs are kept so long, and so many of them. */
#define KEEP_NS (INT64_C(300) * 1000000000)
#define KEEP_COUNT 512

struct exec *exec_new(struct container *c)
{
    struct exec *exec = xcalloc(1, sizeof(*exec));
    exec->references = 1;
    exec->container = container_ref(c);
    exec->created = timestamp_now();
    return exec;
}

struct exec *exec_ref(struct exec *exec)
{
    __atomic_add_fetch(&exec->references, 1, __ATOMIC_RELAXED);
    return exec;
}

void exec_unref(struct exec *exec)
{
    if (exec == NULL || __atomic_sub_fetch(&exec->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    exec_config_release(&exec->config);
    container_unref(exec->container);
    free(exec);
}

void exec_unref_ptr(struct exec **exec)
{
    exec_unref(*exec);
}

const char *exec_id(const struct exec *exec)
{
    return exec->id;
}

bool exec_is_attached(const struct exec *exec)
{
    return exec->config.attach_stdin || exec->config.attach_stdout || exec->config.attach_stderr;
}

/* ---- the table ---- */

struct exec_table *exec_table_new(void)
{
    struct exec_table *table = xcalloc(1, sizeof(*table));
    pthread_mutex_init(&table->lock, NULL);
    return table;
}

/* Lock held. The table's reference becomes the caller's. */
static struct exec *unlink_exec(struct exec_table *table, struct exec *exec)
{
    *(exec->previous != NULL ? &exec->previous->next : &table->first) = exec->next;
    *(exec->next != NULL ? &exec->next->previous : &table->last) = exec->previous;
    exec->previous = exec->next = NULL;
    exec->listed = false;
    table->ended -= exec->state == EXEC_ENDED;
    map_unset(&table->by_id, exec->id);
    return exec;
}

void exec_table_free(struct exec_table *table)
{
    if (table == NULL)
        return;
    while (table->first != NULL)
        exec_unref(unlink_exec(table, table->first));
    map_release(&table->by_id);
    pthread_mutex_destroy(&table->lock);
    free(table);
}

/* Lock held: the oldest record that need not be kept any more, unlinked; or NULL. */
static struct exec *take_old(struct exec_table *table, int64_t now)
{
    for (struct exec *exec = table->ended > 0 ? table->first : NULL; exec != NULL; exec = exec->next) {
        if (exec->state != EXEC_ENDED)
            continue;
        return table->ended > KEEP_COUNT || now - exec->ended > KEEP_NS ? unlink_exec(table, exec) : NULL;
    }
    return NULL;
}

static void forget(struct engine *engine, struct exec *exec)
{
    if (!exec->transient)
        supervisor_forget_exec(engine->supervisor, exec->container->id, exec->id);
    exec_unref(exec);
}

static void forget_old(struct engine *engine)
{
    struct exec_table *table = engine->execs;
    int64_t now = timestamp_monotonic();
    struct exec *old;
    do {
        pthread_mutex_lock(&table->lock);
        old = take_old(table, now);
        pthread_mutex_unlock(&table->lock);
        if (old != NULL)
            forget(engine, old);
    } while (old != NULL);
}

void exec_list_add(struct engine *engine, struct exec *exec)
{
    struct exec_table *table = engine->execs;
    pthread_mutex_lock(&table->lock);
    exec->listed = true;
    exec->previous = table->last;
    *(table->last != NULL ? &table->last->next : &table->first) = exec_ref(exec);
    table->last = exec;
    table->ended += exec->state == EXEC_ENDED;
    map_set(&table->by_id, exec->id, exec);
    pthread_mutex_unlock(&table->lock);
    forget_old(engine);
}

void exec_list_remove(struct engine *engine, struct exec *exec)
{
    pthread_mutex_lock(&engine->execs->lock);
    bool listed = exec->listed;
    if (listed)
        unlink_exec(engine->execs, exec);
    pthread_mutex_unlock(&engine->execs->lock);
    if (listed)
        forget(engine, exec);
}

bool exec_note_end(struct engine *engine, struct exec *exec, int exit_code)
{
    struct exec_table *table = engine->execs;
    pthread_mutex_lock(&table->lock);
    bool first = exec->state != EXEC_ENDED;
    if (first) {
        exec->state = EXEC_ENDED;
        exec->has_result = true;
        exec->exit_code = exit_code;
        exec->ended = timestamp_monotonic();
        table->ended += exec->listed;
    }
    pthread_mutex_unlock(&table->lock);
    return first;
}

/* A reference, or NULL. */
static struct exec *look_up(struct engine *engine, const char *id)
{
    pthread_mutex_lock(&engine->execs->lock);
    struct exec *exec = map_get(&engine->execs->by_id, id);
    if (exec != NULL)
        exec_ref(exec);
    pthread_mutex_unlock(&engine->execs->lock);
    return exec;
}

int exec_find(struct engine *engine, const char *id, struct exec **ret, struct error *err)
{
    CLEANUP_EXEC struct exec *exec = look_up(engine, id);
    if (exec == NULL || exec->transient)
        return error_set(err, ERROR_NOT_FOUND, 0, "No such exec instance: %s", id);
    *ret = TAKE_PTR(exec);
    return 0;
}

/* ---- making ---- */

int exec_create(struct engine *engine, struct container *c, const char *asked, const struct json *body,
                struct exec **ret, struct error *err)
{
    CLEANUP_EXEC struct exec *exec = exec_new(c);
    enum container_state next;
    if (body == NULL || body->kind != JSON_OBJECT)
        return error_set(err, ERROR_INVALID, 0, "No exec command specified");
    int r = json_table_decode(&exec_config_table, body, &exec->config, err);
    if (r == 0)
        r = exec_config_validate(&exec->config, err);
    if (r < 0)
        return r;
    /* Clients that have none configured send it empty and mean the default. */
    if (exec->config.detach_keys != NULL && *exec->config.detach_keys == '\0')
        xstrset(&exec->config.detach_keys, NULL);
    pthread_mutex_lock(&c->lock);
    r = container_state_next(c->state, CONTAINER_EXEC, c->state == CONTAINER_PAUSED ? asked : c->id, &next, err);
    if (r == 0 && c->pid == 0)
        r = error_set(err, ERROR_CONFLICT, 0, "container %s is not running", c->id);
    pthread_mutex_unlock(&c->lock);
    if (r == 0)
        r = exec_check_user(exec, err);
    if (r < 0)
        return r;
    id_generate(exec->id);
    exec_list_add(engine, exec);
    exec_event(engine, exec, "exec_create", NULL);
    *ret = TAKE_PTR(exec);
    return 0;
}

void exec_event(struct engine *engine, const struct exec *exec, const char *action, const int *exit_code)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strmap_set(&attributes, "execID", exec->id);
    strbuf_adds(&text, action);
    if (exit_code != NULL) {
        char code[12];
        snprintf(code, sizeof(code), "%d", *exit_code);
        strmap_set(&attributes, "exitCode", code);
    } else if (strcmp(action, "exec_detach") != 0) {
        const struct strv *cmd = &exec->config.cmd;
        strbuf_addf(&text, ": %s ", cmd->items[0]);
        for (size_t i = 1; i < cmd->count; i++)
            strbuf_addf(&text, "%s%s", i > 1 ? " " : "", cmd->items[i]);
    }
    container_event_with(engine, exec->container, strbuf_str(&text), &attributes);
}

/* ---- what the supervisor tells ---- */

void engine_exec_exited(const char *id, const char *exec_id, const struct shim_exit *exit, void *data)
{
    struct engine *engine = data;
    CLEANUP_EXEC struct exec *exec = look_up(engine, exec_id);
    (void)id;
    if (exec != NULL && exec_note_end(engine, exec, exit->status))
        exec_event(engine, exec, "exec_die", &exit->status);
}

void engine_exec_detached(struct engine *engine, const char *exec_id)
{
    CLEANUP_EXEC struct exec *exec = look_up(engine, exec_id);
    if (exec != NULL)
        exec_event(engine, exec, "exec_detach", NULL);
}

/* The container's first exec in that state (NULL: in any), as a reference; or NULL. */
static struct exec *next_of(struct engine *engine, const struct container *c, const enum exec_state *state)
{
    pthread_mutex_lock(&engine->execs->lock);
    struct exec *exec = engine->execs->first;
    while (exec != NULL && (exec->container != c || (state != NULL && exec->state != *state)))
        exec = exec->next;
    if (exec != NULL)
        exec_ref(exec);
    pthread_mutex_unlock(&engine->execs->lock);
    return exec;
}

void container_execs_ended(struct engine *engine, struct container *c)
{
    struct exec *exec;
    int killed = 137;
    enum exec_state running = EXEC_RUNNING, created = EXEC_CREATED;
    while ((exec = next_of(engine, c, &running)) != NULL) {
        if (exec_note_end(engine, exec, killed))
            exec_event(engine, exec, "exec_die", &killed);
        exec_unref(exec);
    }
    while ((exec = next_of(engine, c, &created)) != NULL) {
        exec_list_remove(engine, exec);
        exec_unref(exec);
    }
}

void container_execs_forget(struct engine *engine, struct container *c)
{
    struct exec *exec;
    while ((exec = next_of(engine, c, NULL)) != NULL) {
        exec_list_remove(engine, exec);
        exec_unref(exec);
    }
}

/* ---- after a restart of the daemon ---- */

struct recovery {
    struct engine *engine;
    struct container *container;
};

static void recover(const char *id, pid_t pid, const struct json *note, const struct shim_exit *exit, void *data)
{
    struct recovery *r = data;
    CLEANUP_EXEC struct exec *known = look_up(r->engine, id);
    if (known != NULL) {
        if (exit != NULL)
            exec_note_end(r->engine, known, exit->status);
        return;
    }
    CLEANUP_EXEC struct exec *exec = exec_new(r->container);
    struct error err = {0};
    snprintf(exec->id, sizeof(exec->id), "%s", id);
    exec->state = EXEC_RUNNING;
    exec->pid = pid;
    int bad = note == NULL ? error_set(&err, ERROR_SYSTEM, EINVAL, "its note is missing")
                           : json_table_decode(&exec_config_table, note, &exec->config, &err);
    if (bad == 0)
        bad = exec_config_validate(&exec->config, &err);
    if (bad < 0) {
        log_warn("container %s: exec %s: %s", r->container->id, id, err.message);
        return;
    }
    exec_list_add(r->engine, exec);
}

void container_execs_recover(struct engine *engine, struct container *c)
{
    struct recovery data = {engine, c};
    supervisor_find_execs(engine->supervisor, c->id, recover, &data);
}

/* ---- looking ---- */

void container_put_exec_ids(struct engine *engine, const struct container *c, struct json_writer *w)
{
    bool any = false;
    pthread_mutex_lock(&engine->execs->lock);
    for (const struct exec *exec = engine->execs->first; exec != NULL; exec = exec->next) {
        if (exec->container != c || exec->state == EXEC_ENDED || exec->transient)
            continue;
        if (!any)
            json_begin_array(w);
        any = true;
        json_put_string(w, exec->id);
    }
    pthread_mutex_unlock(&engine->execs->lock);
    if (any)
        json_end_array(w);
    else
        json_put_null(w);
}

static void put_process_config(struct json_writer *w, const struct exec *exec)
{
    const struct strv *cmd = &exec->config.cmd;
    json_key(w, "ProcessConfig");
    json_begin_object(w);
    json_member_bool(w, "tty", exec->config.tty);
    json_member_string(w, "entrypoint", cmd->items[0]);
    json_key(w, "arguments");
    json_begin_array(w);
    for (size_t i = 1; i < cmd->count; i++)
        json_put_string(w, cmd->items[i]);
    json_end_array(w);
    json_member_bool(w, "privileged", exec->config.privileged);
    const char *user = exec->config.user;
    if (user == NULL || *user == '\0')
        user = exec->container->config.user;
    if (user != NULL && *user != '\0')
        json_member_string(w, "user", user);
    json_end_object(w);
}

/* The codes of the keys, which Go prints in base64. */
static void put_detach_keys(struct json_writer *w, const char *text)
{
    CLEANUP_STRBUF struct strbuf encoded = STRBUF_INIT;
    struct detach_keys keys;
    if (text != NULL && detach_keys_parse(text, &keys, NULL) == 0)
        base64_encode(keys.codes, keys.count, false, &encoded);
    json_member_string(w, "DetachKeys", strbuf_str(&encoded));
}

void exec_inspect(struct engine *engine, const struct exec *exec, struct strbuf *out)
{
    pthread_mutex_lock(&engine->execs->lock);
    bool running = exec->state == EXEC_RUNNING, has_result = exec->has_result;
    int exit_code = exec->exit_code;
    pid_t pid = exec->pid;
    pthread_mutex_unlock(&engine->execs->lock);
    struct json_writer w;
    json_writer_init(&w, out);
    json_begin_object(&w);
    json_member_string(&w, "ID", exec->id);
    json_member_bool(&w, "Running", running);
    if (has_result)
        json_member_int(&w, "ExitCode", exit_code);
    else
        json_member_null(&w, "ExitCode");
    put_process_config(&w, exec);
    json_member_bool(&w, "OpenStdin", exec->config.attach_stdin);
    json_member_bool(&w, "OpenStderr", exec->config.attach_stderr);
    json_member_bool(&w, "OpenStdout", exec->config.attach_stdout);
    json_member_bool(&w, "CanRemove", false);
    json_member_string(&w, "ContainerID", exec->container->id);
    put_detach_keys(&w, exec->config.detach_keys);
    json_member_int(&w, "Pid", pid);
    json_end_object(&w);
    strbuf_addc(out, '\n');
}
