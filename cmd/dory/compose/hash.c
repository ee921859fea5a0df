#include "cmd/dory/compose/hash.h"

#include <string.h>

#include "base/json_edit.h"

/* Go's encoder escapes what HTML would take for markup. */
static void escape_markup(const struct strbuf *text, struct strbuf *out)
{
    for (size_t i = 0; i < text->size; i++) {
        char c = text->data[i];
        if (c == '<' || c == '>' || c == '&')
            strbuf_addf(out, "\\u%04x", (unsigned)c);
        else
            strbuf_addc(out, c);
    }
}

static void hash_text(const struct strbuf *text, char ret[DIGEST_HEX_MAX])
{
    CLEANUP_STRBUF struct strbuf escaped = STRBUF_INIT;
    unsigned char raw[DIGEST_SIZE];
    struct digest digest;
    escape_markup(text, &escaped);
    digest_init(&digest);
    digest_update(&digest, escaped.data, escaped.size);
    digest_final(&digest, raw);
    digest_to_hex(raw, ret);
}

static void hash_value(const struct json *value, char ret[DIGEST_HEX_MAX])
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_put_value(&w, value);
    hash_text(&text, ret);
}

void compose_service_hash(const struct json *service, char ret[DIGEST_HEX_MAX])
{
    static const char *const left_out[] = {"build", "pull_policy", "scale", "depends_on", "profiles"};
    CLEANUP_JSON struct json *copy = json_copy(service);
    for (size_t i = 0; i < ARRAY_SIZE(left_out); i++)
        json_remove(copy, left_out[i]);
    const struct json *deploy = json_get(copy, "deploy");
    if (deploy && deploy->kind == JSON_OBJECT)
        json_remove((struct json *)deploy, "replicas");
    hash_value(copy, ret);
}

void compose_network_hash(const struct json *network, char ret[DIGEST_HEX_MAX])
{
    hash_value(network, ret);
}

void compose_volume_hash(const struct json *volume, char ret[DIGEST_HEX_MAX])
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "name", json_get_string(volume, "name"));
    const char *driver = json_get_string(volume, "driver");
    json_member_string(&w, "driver", driver && *driver ? driver : "local");
    for (size_t i = 0; volume && volume->kind == JSON_OBJECT && i < volume->object.count; i++) {
        const char *key = volume->object.keys[i];
        if (strcmp(key, "name") == 0 || strcmp(key, "driver") == 0)
            continue;
        json_key(&w, key);
        json_put_value(&w, &volume->object.values[i]);
    }
    json_end_object(&w);
    hash_text(&text, ret);
}
