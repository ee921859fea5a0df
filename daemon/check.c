#include "image/check.h"
#include "base/log.h"
#include "daemon/engine_internal.h"

int engine_check(struct engine *engine, struct store_check *check, struct error *err)
{
    /* The roots of containers that were removed just now are on their way out, and keep nothing any more. */
    worker_drain(engine->cleaner);
    int r = image_store_check(engine->images, check, err);
    for (size_t i = 0; i < check->count; i++)
        log_warn("%s %s: %s%s", check->problems[i].type, check->problems[i].id, check->problems[i].text,
                 check->problems[i].repaired ? " (repaired)" : "");
    return r;
}
