#include "daemon/start_order.h"

#include <string.h>

#include "base/strmap.h"
#include "base/strv.h"
#include "daemon/container.h"

#define LABEL_PROJECT "com.docker.compose.project"
#define LABEL_SERVICE "com.docker.compose.service"
#define LABEL_DEPENDS_ON "com.docker.compose.depends_on"

struct sorting {
    struct container **list, **sorted;
    size_t count, sorted_count;
    bool *seen;
    struct map services; /* "PROJECT/SERVICE" -> index list below, as number + 1 of the first */
    size_t *next;        /* the next container of the same service, as number + 1 */
};

/* NULL unless it belongs to an application. The caller frees. */
static char *service_key(const struct container *c, const char *service)
{
    const char *project = strmap_get(&c->config.labels, LABEL_PROJECT);
    if (!service)
        service = strmap_get(&c->config.labels, LABEL_SERVICE);
    return project && service ? xasprintf("%s/%s", project, service) : NULL;
}

static void place(struct sorting *s, size_t i);

/* Those of one service that the container names, first. */
static void place_dependency(struct sorting *s, const struct container *c, const char *entry)
{
    CLEANUP_FREE char *service = xstrndup(entry, strcspn(entry, ":"));
    CLEANUP_FREE char *key = service_key(c, service);
    size_t i = (size_t)(key ? map_get(&s->services, key) : NULL);
    for (; i != 0; i = s->next[i - 1])
        place(s, i - 1);
}

static void place(struct sorting *s, size_t i)
{
    struct container *c = s->list[i];
    CLEANUP_STRV struct strv entries = STRV_INIT;
    if (s->seen[i])
        return;
    s->seen[i] = true;
    const char *label = strmap_get(&c->config.labels, LABEL_DEPENDS_ON);
    if (label && *label)
        strv_split(&entries, label, ',');
    for (size_t k = 0; k < entries.count; k++)
        place_dependency(s, c, entries.items[k]);
    s->sorted[s->sorted_count++] = c;
}

void start_order_sort(struct container **list, size_t count)
{
    struct sorting s = {.list = list, .count = count};
    s.sorted = xcalloc(count + 1, sizeof(struct container *));
    s.seen = xcalloc(count + 1, sizeof(bool));
    s.next = xcalloc(count + 1, sizeof(size_t));
    for (size_t i = count; i-- > 0;) {
        CLEANUP_FREE char *key = service_key(list[i], NULL);
        if (key)
            s.next[i] = (size_t)map_set(&s.services, key, (void *)(i + 1));
    }
    for (size_t i = 0; i < count; i++)
        place(&s, i);
    memcpy(list, s.sorted, count * sizeof(struct container *));
    map_release(&s.services);
    free(s.sorted);
    free(s.seen);
    free(s.next);
}
