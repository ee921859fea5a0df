/* docker commit. */
#include <errno.h>

#include "base/log.h"
#include "daemon/build/changes.h"
#include "daemon/container_config_check.h"
#include "daemon/container_files.h"
#include "daemon/engine_internal.h"
#include "daemon/port_ranges.h"

struct commit_job {
    struct engine *engine;
    struct image_snapshot_options options;
    char id[DIGEST_TEXT_MAX];
};

static int run_commit(int upper_fd, void *data, struct error *err)
{
    struct commit_job *job = data;
    return image_snapshot(job->engine->images, upper_fd, &job->options, job->id, err);
}

/* What the request says, changed by the instructions, completed by what the container has. */
static int make_config(const struct container *c, const struct container_commit *request, struct container_config *ret,
                       struct error *err)
{
    int r = 0;
    if (request->body != NULL && request->body->kind == JSON_OBJECT && request->body->object.count > 0)
        r = json_table_decode(&container_config_table, request->body, ret, err);
    else
        json_table_copy(&container_config_table, ret, &c->config);
    for (size_t i = 0; r == 0 && i < request->changes->count; i++)
        r = container_config_change(ret, request->changes->items[i], err);
    if (r == 0)
        container_config_merge(ret, &c->config);
    CLEANUP_STRV struct strv ports = STRV_INIT; /* the container has ranges, an image one by one */
    port_names_compact(&ret->exposed_ports);
    port_names_expand(&ret->exposed_ports, &ports);
    strv_copy(&ret->exposed_ports, &ports);
    return r;
}

/* Nothing may change while the layer is read. *ret_paused: it has to go on afterwards. */
static int pause_for_commit(struct engine *engine, struct container *c, bool pause, bool *ret_paused, struct error *err)
{
    pthread_mutex_lock(&c->lock);
    bool running = c->state == CONTAINER_RUNNING;
    pthread_mutex_unlock(&c->lock);
    *ret_paused = false;
    if (!pause || !running)
        return 0;
    int r = container_pause(engine, c, err);
    *ret_paused = r == 0;
    if (r < 0 && err != NULL && err->kind == ERROR_CONFLICT) { /* it has ended, or somebody paused it meanwhile */
        error_clear(err);
        r = 0;
    }
    return r;
}

static void publish(struct engine *engine, struct container *c, const struct container_commit *request, const char *id)
{
    CLEANUP_STRMAP struct strmap attributes = STRMAP_INIT;
    CLEANUP_FREE char *ref = request->ref != NULL ? reference_familiar(request->ref) : NULL;
    CLEANUP_FREE char *name = container_slash_name(engine, c);
    strmap_copy(&attributes, &c->config.labels);
    strmap_set(&attributes, "comment", request->comment != NULL ? request->comment : "");
    strmap_set(&attributes, "imageID", id);
    strmap_set(&attributes, "imageRef", ref != NULL ? ref : "");
    strmap_set(&attributes, "image", c->config.image ? c->config.image : "");
    strmap_set(&attributes, "name", name + 1);
    events_publish(engine->events, "container", "commit", c->id, &attributes);
    engine_image_event(engine, "create", id, id);
    if (ref != NULL)
        engine_image_event(engine, "tag", id, ref);
}

static int commit(struct engine *engine, struct container *c, const struct container_commit *request,
                  const struct container_config *config, char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    CLEANUP_IMAGE struct image *parent = NULL;
    bool paused = false;
    int r = c->image_id != NULL ? image_lookup(engine->images, c->image_id, &parent, err) : 0;
    if (r == 0)
        r = pause_for_commit(engine, c, request->pause, &paused, err);
    if (r < 0)
        return r;
    struct commit_job job = {.engine = engine,
                             .options = {.parent = parent,
                                         .author = request->author,
                                         .comment = request->comment,
                                         .container_id = c->id,
                                         .container_config = &c->config,
                                         .config = config,
                                         .ref = request->ref}};
    r = container_files_run_alone(engine, c, ROOTFS_UPPER, run_commit, &job, err);
    struct error thaw = {0};
    if (paused && container_unpause(engine, c, &thaw) < 0 && thaw.kind != ERROR_CONFLICT)
        log_error("container %s stays paused after a commit: %s", c->id, thaw.message);
    if (r == 0)
        memcpy(ret_id, job.id, DIGEST_TEXT_MAX);
    return r;
}

int container_commit(struct engine *engine, struct container *c, const struct container_commit *request,
                     char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    struct container_config config = {0};
    struct error local = {0};
    int r = make_config(c, request, &config, &local);
    if (r == 0)
        r = commit(engine, c, request, &config, ret_id, &local);
    container_config_release(&config);
    if (r < 0)
        return error_propagate(err, &local);
    publish(engine, c, request, ret_id);
    return 0;
}
