/* RUN: a container of the engine over the layers so far; what it writes is the next one. */
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/id.h"
#include "base/json_edit.h"
#include "base/log.h"
#include "base/stream_frame.h"
#include "daemon/build/execute.h"
#include "daemon/build/key.h"
#include "daemon/build/run_mounts.h"
#include "daemon/container.h"
#include "daemon/engine_internal.h"
#include "daemon/host_mounts.h"

#define OUTPUT_SIZE (64 * 1024)
/* After the output has ended the end of the process is a matter of moments; a container that was killed may take long
 * to be reaped. */
#define END_PATIENCE_MS 30000

struct run_job {
    const struct step_context *step;
    char id[ID_SIZE + 1]; /* of the container */
    struct run_mounts mounts;
    struct container *container;
};

/* ---- The key ---- */

static const char *network_of(const struct step_context *step)
{
    const struct step_run *run = &step->step->run;
    const char *given = step->run->build->options->host.network_mode;
    if (run->network_set && run->network != RUN_NETWORK_DEFAULT)
        return run->network == RUN_NETWORK_NONE ? "none" : "host";
    return given != NULL ? given : "";
}

/* BuildKit's name for it. */
static const char *hostname_of(const struct step_context *step)
{
    return strmap_get(&step->run->build->options->build_args, "BUILDKIT_SANDBOX_HOSTNAME");
}

static void environment(const struct step_context *step, struct strv *ret, struct strv *ret_hidden)
{
    build_scope_environment(&step->run->scope, &step->state->config, ret, ret_hidden);
}

static int run_key(const struct step_context *step, char ret[DIGEST_HEX_MAX], struct error *err)
{
    const struct step_run *run = &step->step->run;
    const struct container_config *config = &step->state->config;
    CLEANUP_STRV struct strv args = STRV_INIT;
    struct key key;
    key_begin(&key, "run 1");
    key_text(&key, step->state->key);
    key_list(&key, &run->argv);
    key_text(&key, run->script);
    key_list(&key, &config->env);
    build_scope_key_args(&step->run->scope, config, &args);
    key_list(&key, &args);
    key_text(&key, config->user);
    key_text(&key, config->working_dir);
    key_text(&key, network_of(step));
    key_int(&key, run->security);
    key_list(&key, &step->run->build->options->host.extra_hosts);
    if (hostname_of(step) != NULL)
        key_text(&key, hostname_of(step));
    if (step->run->build->options->source_date_epoch != NULL)
        key_int(&key, *step->run->build->options->source_date_epoch);
    int r = run_mounts_key(step, &key, err);
    key_final(&key, ret);
    return r;
}

/* ---- The container ---- */

static void fill_config(const struct run_job *job, struct container_config *config)
{
    const struct step_context *step = job->step;
    CLEANUP_STRV struct strv hidden = STRV_INIT;
    config->image = xstrdup(step->state->base_name);
    config->hostname = xstrdup(hostname_of(step));
    environment(step, &config->env, &hidden);
    strv_add_all(&config->env, &job->mounts.env);
    strv_copy(&config->cmd, &step->step->run.argv);
    config->cmd_set = true;
    config->user = xstrdup(step->state->config.user);
    config->working_dir = xstrdup(step->state->config.working_dir);
    config->attach_stdout = config->attach_stderr = true;
}

static void fill_host(const struct run_job *job, struct host_config *host)
{
    const struct step_context *step = job->step;
    json_table_copy(&host_config_table, host, &step->run->build->options->host);
    xstrset(&host->network_mode, network_of(step));
    host->auto_remove = true; /* its root outlives it, and need not be written to the disk while it runs */
    xstrset(&host->log_config.type, "none");
    if (host->init == NULL)
        host->init = xcalloc(1, sizeof(*host->init));
    *host->init = false;
    host->privileged = step->step->run.security == RUN_SECURITY_INSECURE;
}

static int make_body(const struct run_job *job, struct json **ret, struct error *err)
{
    struct container_config config = {0};
    struct host_config host = {0};
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_STRBUF struct strbuf host_text = STRBUF_INIT;
    CLEANUP_JSON struct json *body = NULL;
    CLEANUP_JSON struct json *host_json = NULL;
    CLEANUP_JSON struct json *mounts = NULL;
    struct json_writer w;
    fill_config(job, &config);
    fill_host(job, &host);
    json_writer_init(&w, &text);
    json_table_encode(&container_config_table, &config, &w);
    json_writer_init(&w, &host_text);
    json_table_encode(&host_config_table, &host, &w);
    container_config_release(&config);
    host_config_release(&host);
    CLEANUP_FREE char *list = xasprintf("[%s]", strbuf_str(&job->mounts.json));
    int r = json_parse(text.data, text.size, &body, err);
    if (r == 0)
        r = json_parse(host_text.data, host_text.size, &host_json, err);
    if (r == 0)
        r = json_parse(list, strlen(list), &mounts, err);
    if (r < 0)
        return error_context(err, "the container of a step");
    json_set(host_json, "Mounts", TAKE_PTR(mounts));
    json_set(body, "HostConfig", TAKE_PTR(host_json));
    *ret = TAKE_PTR(body);
    return 0;
}

static int make_container(struct run_job *job, const struct build_layer *layer, struct error *err)
{
    const struct step_context *step = job->step;
    CLEANUP_JSON struct json *body = NULL;
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    const struct container_root root = {.id = job->id,
                                        .rootfs_id = layer->dir,
                                        .image_id = step->state->base != NULL ? step->state->base->id : NULL,
                                        .env = &job->mounts.hidden};
    int r = make_body(job, &body, err);
    if (r < 0)
        return r;
    const struct container_create request = {.body = body, .root = &root};
    r = container_create(step->run->build->engine, &request, &job->container, &warnings, err);
    for (size_t i = 0; i < warnings.count; i++)
        build_progress_warning(&step->run->build->progress, step->info, warnings.items[i]);
    return r;
}

/* ---- Its output ---- */

struct output {
    struct build *build;
    const struct build_step_info *info;
    struct stream_frames frames;
};

static void take_output(struct output *o, const char *bytes, size_t size)
{
    struct stream_piece piece;
    while (stream_frames_next(&o->frames, &bytes, &size, &piece))
        build_progress_log(&o->build->progress, o->info, piece.is_stderr ? 2 : 1, piece.data, piece.size);
}

/* Reads until the container's side is closed; when the build is given up the container is killed, and then it is. */
static void read_output(struct run_job *job, int fd)
{
    struct build *build = job->step->run->build;
    struct output output = {.build = build, .info = job->step->info};
    CLEANUP_FREE char *buffer = xmalloc(OUTPUT_SIZE);
    bool killed = false;
    for (;;) {
        struct pollfd fds[3] = {{.fd = fd, .events = POLLIN},
                                {.fd = killed ? -1 : build->stop_fd, .events = POLLIN},
                                {.fd = killed ? -1 : build->options->cancel_fd, .events = POLLIN | POLLRDHUP}};
        if (poll(fds, 3, -1) < 0 && errno != EINTR)
            return;
        if (!killed && (fds[1].revents != 0 || fds[2].revents != 0)) {
            killed = true;
            (void)build_given_up(build);
            container_kill(build->engine, job->container, "KILL", NULL);
        }
        if (fds[0].revents == 0)
            continue;
        ssize_t n = read(fd, buffer, OUTPUT_SIZE);
        if (n == 0 || (n < 0 && errno != EINTR))
            return;
        if (n > 0 && !killed)
            take_output(&output, buffer, (size_t)n);
    }
}

static int start(struct run_job *job, int *ret_fd, struct error *err)
{
    struct engine *engine = job->step->run->build->engine;
    int pair[2];
    int r = fd_socketpair(SOCK_STREAM, pair);
    if (r < 0)
        return error_errno(err, r, "socketpair");
    CLEANUP_CLOSE int ours = pair[0];
    struct shim_attach attach = {.fd = pair[1], .use_stdout = true, .use_stderr = true};
    r = container_attach_begin(job->container, err);
    if (r < 0) {
        fd_close(pair[1]);
        return r;
    }
    r = container_attach(engine, job->container, &attach, err);
    if (r == 0)
        r = container_start(engine, job->container, err);
    if (r < 0)
        return r;
    *ret_fd = TAKE_FD(ours);
    return 0;
}

static int failed_command(const struct run_job *job, int code, struct error *err)
{
    const struct step_run *run = &job->step->step->run;
    CLEANUP_FREE char *command = strv_join(run->shown.count > 0 ? &run->shown : &run->argv, " ");
    struct build *build = job->step->run->build;
    pthread_mutex_lock(&build->lock);
    if (!build->failed)
        build->result->exit_code = code;
    pthread_mutex_unlock(&build->lock);
    return error_set(err, ERROR_SYSTEM, EIO, "The command '%.1500s' returned a non-zero code: %d", command, code);
}

/* Starts it and stays until its end. */
static int run_container(struct run_job *job, struct error *err)
{
    struct build *build = job->step->run->build;
    struct container_wait_result result = {0};
    CLEANUP_CLOSE int fd = -1;
    struct container_waiter *waiter = container_wait_begin(job->container, CONTAINER_WAIT_NEXT_EXIT);
    int r = start(job, &fd, err);
    if (r == 0) {
        read_output(job, fd);
        r = container_wait_for(waiter, -1, END_PATIENCE_MS, &result);
        if (r < 0)
            error_errno(err, r, "waiting for the end of container %s", job->id);
    }
    container_wait_end(waiter);
    free(result.error);
    if (r == 0 && build_given_up(build))
        return error_set(err, ERROR_CANCELLED, ECANCELED, "build cancelled");
    return r == 0 && result.exit_code != 0 ? failed_command(job, result.exit_code, err) : r;
}

/* It has removed itself, unless it never started or does not end. False: it is still there; the note of it is kept, and
 * the next start of the daemon tries again. */
static bool remove_container(struct run_job *job)
{
    struct error err = {0};
    int r = 0;

    const struct container_remove how = {.force = true, .volumes = true};
    struct build *build = job->step->run->build;
    pthread_mutex_lock(&job->container->lock);
    bool removed = job->container->removed || job->container->state == CONTAINER_REMOVING;
    pthread_mutex_unlock(&job->container->lock);
    if (!removed)
        r = container_remove(build->engine, job->container, &how, &err);
    if (r < 0)
        log_error("container %s of a build: %s", job->id, err.message);
    else
        build_progress_container(&build->progress, job->step->info, job->id, true);
    return r == 0;
}

static void job_release(struct run_job *job)
{
    bool gone = true;
    if (job->container != NULL) {
        gone = remove_container(job);
        container_unref(job->container);
    }
    run_mounts_release(&job->mounts);
    if (gone)
        build_container_forget(job->step->run->build->service, job->id);
}

/* ---- The layer ---- */

/* The places of /etc/hosts and the like, where no image is beneath that has them: none at all, or one that was removed
 * meanwhile, whose layers the build keeps. */
static int make_init(const struct step_context *step, struct error *err)
{
    struct build_state *state = step->state;
    const struct draft_base beneath = {.image = state->base};
    CLEANUP_IMAGE struct image *image = NULL;
    if (state->init != NULL || (state->base != NULL && image_lookup(engine_images(step->run->build->engine),
                                                                    state->base->id, &image, NULL) == 0))
        return 0;
    int r = build_layer_new(step->run->build->service, &beneath, &state->init, err);
    return r < 0 ? r : image_draft_make_init(engine_images(step->run->build->engine), state->init->dir, err);
}

static char *above_of(const struct step_context *step, const struct build_layer *stubs)
{
    CLEANUP_FREE char *layers = build_state_above(step->state);
    const struct build_layer *init = step->state->init;
    return xasprintf("%s%s%s%s%s", stubs != NULL ? stubs->dir : "", stubs != NULL && layers[0] != 0 ? " " : "", layers,
                     init != NULL && (layers[0] != 0 || stubs != NULL) ? " " : "", init != NULL ? init->dir : "");
}

static int make_run(const struct step_context *step, struct build_layer **ret, void *data, struct error *err)
{
    struct build *build = step->run->build;
    CLEANUP_BUILD_LAYER struct build_layer *layer = NULL;
    CLEANUP(job_release) struct run_job job = {.step = step};
    (void)data;
    id_generate(job.id);
    int r = build_container_note(build->service, job.id, err);
    if (r == 0)
        r = make_init(step, err);
    if (r == 0)
        r = run_mounts_prepare(step, job.id, &job.mounts, err);
    if (r < 0)
        return r;
    CLEANUP_FREE char *above = above_of(step, job.mounts.stubs);
    const struct draft_base base = {.above = above, .image = step->state->base, .with_init = step->state->init == NULL};
    r = build_layer_new(build->service, &base, &layer, err);
    if (r == 0)
        r = make_container(&job, layer, err);
    if (r < 0)
        return r;
    build_progress_container(&build->progress, step->info, job.id, false);
    r = run_container(&job, err);
    if (r == 0)
        *ret = TAKE_PTR(layer);
    return r;
}

int step_run(const struct step_context *step, struct error *err)
{
    const struct build_options *options = step->run->build->options;
    char key[DIGEST_HEX_MAX];
    if (step->step->run.security == RUN_SECURITY_INSECURE && !options->allow_security_insecure)
        return error_set(err, ERROR_FORBIDDEN, 0, "RUN --security=insecure is not allowed in this build");
    if (strcmp(network_of(step), "host") == 0 && !options->allow_network_host)
        return error_set(err, ERROR_FORBIDDEN, 0, "RUN --network=host is not allowed in this build");
    int r = run_key(step, key, err);
    if (r < 0)
        return r;
    const struct step_maker maker = {.make = make_run, .key = key, .differs = true};
    return step_result(step, &maker, err);
}
