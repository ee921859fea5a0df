#include "daemon/build/execute.h"

#include "daemon/engine.h"

static void line_release(struct build_line *line)
{
    free(line->created_by);
    free(line->comment);
    free(line->author);
    build_layer_unref(line->layer);
}

static void unpin(struct image_store *store, const struct image *image, size_t count)
{
    for (size_t i = 0; i < count; i++)
        image_layer_unpin(store, image->diff_ids.items[i]);
}

int build_image_pin(struct image_store *store, const struct image *image, struct error *err)
{
    for (size_t i = 0; i < image->diff_ids.count; i++) {
        if (image_layer_pin_diff_id(store, image->diff_ids.items[i]))
            continue;
        unpin(store, image, i);
        return error_set(err, ERROR_NOT_FOUND, 0, "No such image: %s", image->id);
    }
    return 0;
}

void build_image_unpin(struct image_store *store, const struct image *image)
{
    unpin(store, image, image->diff_ids.count);
}

int build_state_pin(struct build_state *state, struct image_store *store, struct error *err)
{
    int r = state->base != NULL ? build_image_pin(store, state->base, err) : 0;
    if (r == 0)
        state->store = state->base != NULL ? store : NULL;
    return r;
}

void build_state_release(struct build_state *state)
{
    if (state->store != NULL)
        build_image_unpin(state->store, state->base);
    image_unref(state->base);
    free(state->base_name);
    free(state->platform);
    build_layer_unref(state->init);
    for (size_t i = 0; i < state->layer_count; i++)
        build_layer_unref(state->layers[i]);
    free(state->layers);
    container_config_release(&state->config);
    free(state->author);
    for (size_t i = 0; i < state->line_count; i++)
        line_release(&state->lines[i]);
    free(state->lines);
    *state = (struct build_state){0};
}

void build_state_add_layer(struct build_state *state, struct build_layer *layer)
{
    xgrow((void **)&state->layers, state->layer_count, &state->layer_capacity, sizeof(*state->layers));
    state->layers[state->layer_count++] = layer;
}

static struct build_line *add_line(struct build_state *state)
{
    xgrow((void **)&state->lines, state->line_count, &state->line_capacity, sizeof(*state->lines));
    struct build_line *line = &state->lines[state->line_count++];
    *line = (struct build_line){0};
    return line;
}

void build_state_add_line(struct build_state *state, char *created_by, int64_t created, struct build_layer *layer)
{
    struct build_line *line = add_line(state);
    line->created_by = created_by;
    line->author = state->author != NULL && state->author[0] != 0 ? xstrdup(state->author) : NULL;
    line->created = created;
    line->layer = layer != NULL ? build_layer_ref(layer) : NULL;
}

void build_state_copy(struct build_state *to, const struct build_state *from)
{
    *to = (struct build_state){.cmd_set = from->cmd_set, .reused = from->reused};
    to->base = from->base != NULL ? image_ref(from->base) : NULL;
    to->base_name = xstrdup(from->base_name);
    to->platform = xstrdup(from->platform);
    to->init = from->init != NULL ? build_layer_ref(from->init) : NULL;
    memcpy(to->key, from->key, sizeof(to->key));
    memcpy(to->record, from->record, sizeof(to->record));
    memcpy(to->config_key, from->config_key, sizeof(to->config_key));
    json_table_copy(&container_config_table, &to->config, &from->config);
    to->author = xstrdup(from->author);
    for (size_t i = 0; i < from->layer_count; i++)
        build_state_add_layer(to, build_layer_ref(from->layers[i]));
    for (size_t i = 0; i < from->line_count; i++) {
        const struct build_line *line = &from->lines[i];
        *add_line(to) = (struct build_line){.created_by = xstrdup(line->created_by),
                                            .comment = xstrdup(line->comment),
                                            .author = xstrdup(line->author),
                                            .created = line->created,
                                            .layer = line->layer != NULL ? build_layer_ref(line->layer) : NULL};
    }
}

char *build_state_above(const struct build_state *state)
{
    struct strbuf text = STRBUF_INIT;
    for (size_t i = state->layer_count; i > 0; i--)
        strbuf_addf(&text, "%s%s", text.size > 0 ? " " : "", state->layers[i - 1]->dir);
    return strbuf_take(&text);
}

int build_state_view(struct build *build, const struct build_state *state, bool mapped, struct error *err)
{
    CLEANUP_FREE char *above = build_state_above(state);
    const struct draft_base base = {.above = above, .image = state->base};
    return image_layers_view(engine_images(build->engine), &base, mapped, err);
}
