#include "image/compose.h"

#include "image/config_write.h"
#include "image/store.h"

static int compose_platform(const struct image_compose *what, struct platform *ret, struct error *err)
{
    platform_host(ret);
    return what->platform != NULL && what->platform[0] != 0 ? platform_parse(what->platform, ret, err) : 0;
}

static int commit(struct image_store *store, const struct image_compose *what, const struct strbuf *config,
                  char ret_id[DIGEST_TEXT_MAX], struct error *err)
{
    size_t base = what->base != NULL ? what->base->diff_ids.count : 0;
    CLEANUP_FREE struct image_commit_layer *layers = xcalloc(base + what->diff_ids->count + 1, sizeof(*layers));
    for (size_t i = 0; i < base; i++) {
        layers[i].diff_id = what->base->diff_ids.items[i];
    }
    for (size_t i = 0; i < what->diff_ids->count; i++) {
        layers[base + i].diff_id = what->diff_ids->items[i];
    }
    const struct image_commit commit = {.config = config->data,
                                        .config_size = config->size,
                                        .parent = what->base != NULL ? what->base->id : NULL,
                                        .layers = layers,
                                        .layer_count = base + what->diff_ids->count,
                                        .refs = what->refs,
                                        .ref_count = what->ref_count};
    return image_commit(store, &commit, ret_id, err);
}

int image_compose(struct image_store *store, const struct image_compose *what, char ret_id[DIGEST_TEXT_MAX],
                  struct error *err)
{
    struct strbuf CLEANUP_STRBUF text = STRBUF_INIT;
    struct platform platform;
    int r = compose_platform(what, &platform, err);
    if (r == 0) {
        const struct config_write config = {.parent = what->base,
                                            .platform = &platform,
                                            .author = what->author,
                                            .config = what->config,
                                            .steps = what->steps,
                                            .step_count = what->step_count,
                                            .diff_ids = what->diff_ids,
                                            .created = what->created};
        r = config_write(&config, &text, err);
    }
    return r < 0 ? r : commit(store, what, &text, ret_id, err);
}
