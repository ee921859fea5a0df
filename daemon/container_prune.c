#include <errno.h>

#include "base/timestamp.h"
#include "daemon/container_filters.h"
#include "daemon/engine_internal.h"

static int parse_until(const struct json *filters, int64_t *ret, struct error *err)
{
    const struct json *values = json_get(filters, "until");
    *ret = 0;
    if (json_count(values) == 0)
        return 0;
    if (json_count(values) > 1)
        return error_set(err, ERROR_INVALID, 0, "more than one until filter specified");
    const char *text = json_string(json_at(values, 0));
    if (timestamp_parse_human(text, timestamp_now(), ret) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid until filter: %s", text);
    return 0;
}

int container_prune(struct engine *engine, const struct json *filters, struct strv *ret_ids, int64_t *ret_bytes,
                    struct error *err)
{
    int64_t until;
    int r = parse_until(filters, &until, err);
    if (r < 0)
        return r;
    size_t count;
    struct container **list = engine_snapshot(engine, &count);
    for (size_t i = 0; i < count; i++) {
        struct container *c = list[i];
        pthread_mutex_lock(&c->lock);
        bool stopped = c->state == CONTAINER_CREATED || c->state == CONTAINER_EXITED || c->state == CONTAINER_DEAD;
        stopped = stopped && !c->starting;
        pthread_mutex_unlock(&c->lock);
        const struct json *without = json_get(filters, "label!");
        if (!stopped || (until != 0 && c->created > until) ||
            !filter_labels_match(json_get(filters, "label"), &c->config.labels) ||
            (json_count(without) > 0 && filter_labels_match(without, &c->config.labels)))
            continue;
        int64_t rw = 0, root = 0;
        container_size(engine, c, &rw, &root, NULL);
        struct container_remove how = {0};
        if (container_remove(engine, c, &how, NULL) < 0)
            continue; /* started or removed meanwhile */
        strv_add(ret_ids, c->id);
        *ret_bytes += rw;
    }
    engine_snapshot_free(list, count);
    events_publish_prune(engine->events, "container", *ret_bytes);
    return 0;
}
