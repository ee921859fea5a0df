/* Layers under way: made by a step, read once for their digest while later steps already stand on them. */
#include "base/db.h"
#include "base/log.h"
#include "daemon/build/service.h"
#include "daemon/engine.h"

static struct build_layer *layer_new(struct build_service *service)
{
    struct build_layer *layer = xcalloc(1, sizeof(*layer));
    layer->references = 1;
    layer->service = service;
    return layer;
}

int build_layer_new(struct build_service *service, const struct draft_base *base, struct build_layer **ret,
                    struct error *err)
{
    struct build_layer *layer = layer_new(service);
    int r = image_draft_create(engine_images(service->engine), base, layer->dir, err);
    layer->draft = r == 0;
    if (r < 0) {
        build_layer_unref(layer);
        return r;
    }
    *ret = layer;
    return 0;
}

int build_layer_open(struct build_service *service, const char *diff_id, struct build_layer **ret, struct error *err)
{
    struct build_layer *layer = layer_new(service);
    int r = image_layer_open(engine_images(service->engine), diff_id, layer->dir, &layer->info.size, err);
    if (r < 0) {
        build_layer_unref(layer);
        return r;
    }
    layer->pinned = true;
    snprintf(layer->info.diff_id, sizeof(layer->info.diff_id), "%s", diff_id);
    layer->status = BUILD_LAYER_READY;
    *ret = layer;
    return 0;
}

struct build_layer *build_layer_ref(struct build_layer *layer)
{
    __atomic_add_fetch(&layer->references, 1, __ATOMIC_RELAXED);
    return layer;
}

void build_layer_unref(struct build_layer *layer)
{
    if (layer == NULL || __atomic_sub_fetch(&layer->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    struct image_store *store = engine_images(layer->service->engine);
    if (layer->draft)
        image_draft_remove(store, layer->dir);
    if (layer->pinned)
        image_layer_unpin(store, layer->info.diff_id);
    free(layer);
}

void build_layer_unref_ptr(struct build_layer **layer)
{
    build_layer_unref(*layer);
    *layer = NULL;
}

/* ---- The digest ---- */

struct digest_job {
    struct build_layer *layer; /* a reference */
    struct build_digest what;
    int64_t not_after;
};

static void job_free(struct digest_job *job)
{
    build_layer_unref(job->layer);
    cache_row_free(job->what.record);
    cache_row_free(job->what.second);
    cache_row_free(job->what.place);
    free(job);
}

static int put_record(struct engine *engine, struct cache_row *row, const struct draft_info *info, struct error *err)
{
    if (row == NULL)
        return 0;
    int r = cache_row_use(row, engine_images(engine), info, err);
    return r < 0 ? r : cache_put(engine_db(engine), row, err);
}

/* A build without the cache replaces what is there. */
static int drop_former(struct engine *engine, const struct cache_row *row, const struct draft_info *info,
                       struct error *err)
{
    CLEANUP_CACHE_ROW struct cache_row *former = NULL;
    if (row == NULL)
        return 0;
    int r = cache_find(engine_db(engine), row->key, &former, err);
    if (r < 0 || former == NULL || strcmp(former->diff_id, info->empty ? "" : info->diff_id) == 0)
        return r;
    return cache_remove(engine_db(engine), engine_images(engine), row->key, err);
}

/* Layer, use and records are one transaction. */
static int commit(struct digest_job *job, const struct draft_info *info, bool *ret_kept, struct error *err)
{
    struct engine *engine = job->layer->service->engine;
    struct db *db = engine_db(engine);
    int r = drop_former(engine, job->what.record, info, err);
    if (r == 0)
        r = drop_former(engine, job->what.second, info, err);
    if (r == 0)
        r = drop_former(engine, job->what.place, info, err);
    if (r == 0)
        r = db_begin(db, err);
    if (r < 0)
        return r;
    if (!info->empty)
        r = image_draft_commit(engine_images(engine), job->layer->dir, info, ret_kept, err);
    bool pinned = r == 0 && !info->empty;
    if (r == 0)
        r = put_record(engine, job->what.record, info, err);
    if (r == 0)
        r = put_record(engine, job->what.second, info, err);
    if (r == 0)
        r = put_record(engine, job->what.place, info, err);
    if (r < 0)
        db_rollback(db);
    else
        r = db_commit(db, err);
    if (r < 0) {
        *ret_kept = false; /* it is a draft again */
        if (pinned)
            image_layer_unpin(engine_images(engine), info->diff_id);
    }
    return r;
}

static int digest(struct digest_job *job, struct draft_info *info, bool *ret_kept, struct error *err)
{
    struct image_store *store = engine_images(job->layer->service->engine);
    int r = image_draft_digest(store, job->layer->dir, job->what.not_after, info, err);
    return r < 0 ? r : commit(job, info, ret_kept, err);
}

static void *digest_main(void *data)
{
    struct digest_job *job = data;
    struct build_layer *layer = job->layer;
    struct build_service *service = layer->service;
    struct draft_info info = {0};
    struct error error = {0};
    bool kept = false;
    pthread_setname_np(pthread_self(), "build-digest");
    pthread_mutex_lock(&service->lock);
    while (service->digesting >= service->digesting_max)
        pthread_cond_wait(&service->changed, &service->lock);
    service->digesting++;
    pthread_mutex_unlock(&service->lock);
    int r = digest(job, &info, &kept, &error);
    pthread_mutex_lock(&service->lock);
    service->digesting--;
    layer->status = r < 0 ? BUILD_LAYER_FAILED : BUILD_LAYER_READY;
    layer->error = error;
    layer->info = info;
    layer->pinned = r == 0 && !info.empty;
    layer->draft = !kept;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
    if (job->what.flying)
        build_flight_end(service, job->what.record->key);
    job_free(job);
    pthread_mutex_lock(&service->lock);
    service->threads--;
    pthread_cond_broadcast(&service->changed);
    pthread_mutex_unlock(&service->lock);
    return NULL;
}

void build_layer_digest(struct build_layer *layer, const struct build_digest *digest)
{
    struct build_service *service = layer->service;
    struct digest_job *job = xcalloc(1, sizeof(*job));
    *job = (struct digest_job){.layer = build_layer_ref(layer), .what = *digest};
    if (digest->not_after != NULL) {
        job->not_after = *digest->not_after;
        job->what.not_after = &job->not_after;
    }
    pthread_mutex_lock(&service->lock);
    layer->status = BUILD_LAYER_DIGESTING;
    service->threads++;
    pthread_mutex_unlock(&service->lock);
    pthread_attr_t attributes;
    pthread_t thread;
    pthread_attr_init(&attributes);
    pthread_attr_setstacksize(&attributes, DRAFT_STACK);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    int r = pthread_create(&thread, &attributes, digest_main, job);
    pthread_attr_destroy(&attributes);
    if (r != 0)
        digest_main(job); /* the caller's time instead of a thread's */
}

int build_layer_wait(struct build_layer *layer, const struct draft_info **ret, struct error *err)
{
    struct build_service *service = layer->service;
    pthread_mutex_lock(&service->lock);
    while (layer->status == BUILD_LAYER_DIGESTING)
        pthread_cond_wait(&service->changed, &service->lock);
    bool failed = layer->status == BUILD_LAYER_FAILED;
    pthread_mutex_unlock(&service->lock);
    if (failed)
        return error_propagate(err, &layer->error);
    *ret = &layer->info;
    return 0;
}
