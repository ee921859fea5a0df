#include "image/check.h"
#include "base/log.h"
#include "daemon/engine_internal.h"

static bool root_is_used(const char *id, void *data)
{
    struct engine *engine = data;
    bool used = false;
    pthread_mutex_lock(&engine->index_lock);
    for (size_t i = 0; !used && i < engine->count; i++)
        used = engine->list[i]->rootfs_id != NULL && strcmp(engine->list[i]->rootfs_id, id) == 0;
    pthread_mutex_unlock(&engine->index_lock);
    return used;
}

int engine_check(struct engine *engine, struct store_check *check, struct error *err)
{
    check->root_is_used = root_is_used;
    check->data = engine;
    int r = image_store_check(engine->images, check, err);
    for (size_t i = 0; i < check->count; i++)
        log_warn("%s %s: %s%s", check->problems[i].type, check->problems[i].id, check->problems[i].text,
                 check->problems[i].repaired ? " (repaired)" : "");
    return r;
}
