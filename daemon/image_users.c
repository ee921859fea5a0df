/*
 * Removing an image that containers may use. The image store asks for users inside of its database transaction, where
 * neither the index nor a container may be locked (engine.h): so they are listed beforehand, and the index stays locked
 * until the rows are gone, so that no container comes to be in between.
 */
#include "daemon/engine_internal.h"

struct image_user {
    const struct container *container;
    bool running;
};
struct image_users {
    struct image_user *items;
    size_t count;
};

/* The first one will do, but a running one counts for more. */
static char *used_by(const char *image_id, bool *ret_running, void *data)
{
    const struct image_users *users = data;
    const struct image_user *found = NULL;
    for (size_t i = 0; i < users->count; i++) {
        const struct image_user *user = &users->items[i];
        if (user->container->image_id == NULL || strcmp(user->container->image_id, image_id) != 0)
            continue;
        if (found == NULL || (user->running && !found->running))
            found = user;
    }
    *ret_running = found != NULL && found->running;
    return found == NULL ? NULL : xasprintf("container %.*s", ID_SHORT_SIZE, found->container->id);
}

int engine_image_remove(struct engine *engine, const char *name, const struct image_remove_options *how,
                        struct image_removed **ret, size_t *ret_count, struct error *err)
{
    struct image_users users = {0};
    struct image_remove_options options = *how;
    options.used_by = used_by;
    options.data = &users;
    pthread_mutex_lock(&engine->index_lock);
    users.items = xcalloc(engine->count + 1, sizeof(*users.items));
    for (size_t i = 0; i < engine->count; i++) {
        struct container *c = engine->list[i];
        pthread_mutex_lock(&c->lock);
        bool running = container_state_is_running(c->state) || c->state == CONTAINER_RESTARTING;
        pthread_mutex_unlock(&c->lock);
        users.items[users.count++] = (struct image_user){.container = c, .running = running};
    }
    int r = image_remove(engine->images, name, &options, ret, ret_count, err);
    pthread_mutex_unlock(&engine->index_lock);
    free(users.items);
    return r;
}

void engine_image_users(struct engine *engine, const char *image_id, struct strv *ret)
{
    pthread_mutex_lock(&engine->index_lock);
    for (size_t i = 0; i < engine->count; i++) {
        const struct container *c = engine->list[i];
        if (c->image_id != NULL && strcmp(c->image_id, image_id) == 0)
            strv_add(ret, c->id);
    }
    pthread_mutex_unlock(&engine->index_lock);
}
