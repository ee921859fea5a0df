#include "image/config_write.h"

#include "base/timestamp.h"

static void member_if(struct json_writer *w, const char *key, const char *value)
{
    if (value != NULL && *value != 0) {
        json_member_string(w, key, value);
    }
}

/* A line that has no time of its own has the image's. */
static void write_history_line(struct json_writer *w, const struct image_history *line, const char *created)
{
    char own[TIMESTAMP_MAX];
    if (line->created != 0) {
        timestamp_format(own, line->created);
    }
    json_begin_object(w);
    json_member_string(w, "created", line->created != 0 ? own : created);
    member_if(w, "author", line->author);
    member_if(w, "created_by", line->created_by);
    member_if(w, "comment", line->comment);
    if (line->empty_layer) {
        json_member_bool(w, "empty_layer", true);
    }
    json_end_object(w);
}

static void write_history(struct json_writer *w, const struct config_write *what, const struct json *parent,
                          const char *created)
{
    const struct json *rows = json_get(parent, "history");
    json_key(w, "history");
    json_begin_array(w);
    for (size_t i = 0; i < json_count(rows); i++) {
        json_put_value(w, json_at(rows, i));
    }
    const struct image_history one = {.created_by = (char *)what->created_by,
                                      .author = (char *)what->author,
                                      .comment = (char *)what->comment,
                                      .empty_layer = what->diff_id == NULL};
    for (size_t i = 0; what->diff_ids != NULL && i < what->step_count; i++) {
        write_history_line(w, &what->steps[i], created);
    }
    if (what->diff_ids == NULL) {
        write_history_line(w, &one, created);
    }
    json_end_array(w);
}

static void write_rootfs(struct json_writer *w, const struct config_write *what)
{
    json_key(w, "rootfs");
    json_begin_object(w);
    json_member_string(w, "type", "layers");
    json_key(w, "diff_ids");
    json_begin_array(w);
    for (size_t i = 0; what->parent != NULL && i < what->parent->diff_ids.count; i++) {
        json_put_string(w, what->parent->diff_ids.items[i]);
    }
    for (size_t i = 0; what->diff_ids != NULL && i < what->diff_ids->count; i++) {
        json_put_string(w, what->diff_ids->items[i]);
    }
    if (what->diff_ids == NULL && what->diff_id != NULL) {
        json_put_string(w, what->diff_id);
    }
    json_end_array(w);
    json_end_object(w);
}

static void write_platform(struct json_writer *w, const struct config_write *what, const struct json *parent)
{
    static const char *const inherited[] = {"os.version", "os.features"};
    const struct image *image = what->parent;
    struct platform host;
    platform_host(&host);
    const struct platform *platform = what->platform != NULL ? what->platform : &host;
    bool from_parent = image != NULL && image->architecture != NULL;
    json_member_string(w, "architecture", from_parent ? image->architecture : platform->architecture);
    member_if(w, "variant", from_parent ? image->variant : platform->variant);
    json_member_string(w, "os", image != NULL && image->os != NULL ? image->os : platform->os);
    for (size_t i = 0; i < ARRAY_SIZE(inherited); i++) {
        const struct json *value = json_get(parent, inherited[i]);
        if (value != NULL) {
            json_key(w, inherited[i]);
            json_put_value(w, value);
        }
    }
}

int config_write(const struct config_write *what, struct strbuf *out, struct error *err)
{
    CLEANUP_JSON struct json *parent = NULL;
    struct json_writer w;
    char created[TIMESTAMP_MAX];
    if (what->parent != NULL) {
        int r = json_parse(what->parent->config_text, strlen(what->parent->config_text), &parent, err);
        if (r < 0) {
            return error_context(err, "image %s", what->parent->id);
        }
    }
    timestamp_format(created, what->created != 0 ? what->created : timestamp_now());
    json_writer_init(&w, out);
    json_begin_object(&w);
    write_platform(&w, what, parent);
    member_if(&w, "author", what->author);
    member_if(&w, "comment", what->comment);
    json_key(&w, "config");
    json_table_encode(&container_config_table, what->config, &w);
    member_if(&w, "container", what->container_id);
    if (what->container_config != NULL) {
        json_key(&w, "container_config");
        json_table_encode(&container_config_table, what->container_config, &w);
    }
    json_member_string(&w, "created", created);
    write_history(&w, what, parent, created);
    write_rootfs(&w, what);
    json_end_object(&w);
    return 0;
}
