/* Any text as a Compose file (and as a file of variables): read, interpolated, checked, laid over itself, filled in,
 * printed; what is printed as YAML must be readable again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/dotenv.h"
#include "cmd/dory/compose/merge.h"
#include "cmd/dory/compose/normalize.h"
#include "cmd/dory/compose/render.h"
#include "cmd/dory/compose/validate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must_tell(const struct error *err)
{
    if (err->message[0] == '\0')
        abort();
}

static void read_variables(const char *text, struct strv *environment)
{
    struct interpolation outside = {interpolate_from_list, environment, NULL};
    CLEANUP_STRV struct strv raw = STRV_INIT;
    struct error err = {0};
    if (dotenv_parse(text, DOTENV_DEFAULT, &outside, environment, &err) < 0)
        must_tell(&err);
    error_clear(&err);
    if (dotenv_parse(text, DOTENV_RAW, &outside, &raw, &err) < 0)
        must_tell(&err);
}

static void print(struct yaml_pool *pool, const struct yaml *root)
{
    CLEANUP_JSON struct json *json = render_project(root, RENDER_JSON), *yaml = render_project(root, RENDER_YAML);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, again = STRBUF_INIT;
    struct yaml **documents;
    size_t count;
    struct error err = {0};
    json_print(json, "  ", 0, &text);
    strbuf_clear(&text);
    render_yaml_text(yaml, &text);
    if (yaml_pool_full(pool))
        return;
    if (yaml_parse(pool, "again", strbuf_str(&text), text.size, &documents, &count, &err) < 0) {
        if (!strstr(err.message, "too many"))
            abort();
        return;
    }
    CLEANUP_JSON struct json *back = count ? render_raw(documents[0]) : json_new_object();
    render_yaml_text(back, &again);
    if (again.size != text.size)
        abort();
}

static void read_document(struct yaml_pool *pool, struct yaml *document, const struct strv *environment)
{
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    struct interpolation how = {interpolate_from_list, (void *)environment, &warnings};
    struct schema_walk walk = {pool, &warnings, false};
    struct error err = {0};
    if (interpolate_tree(&how, pool, document, &err) < 0 || schema_apply(&walk, document, &err) < 0) {
        must_tell(&err);
        return;
    }
    struct yaml *other = yaml_copy(pool, document);
    if (yaml_pool_full(pool))
        return;
    if (merge_documents(pool, document, other, &err) < 0) {
        must_tell(&err);
        return;
    }
    merge_finish(document);
    if (schema_check_complete(document, &err) < 0 || validate_objects(document, &err) < 0) {
        must_tell(&err);
        return;
    }
    normalize_project(pool, document, "fuzz", environment);
    if (validate_project(document, NULL, &err) < 0)
        must_tell(&err);
    print(pool, document);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    CLEANUP_STRV struct strv environment = STRV_INIT;
    CLEANUP_FREE char *text = xstrndup((const char *)data, size);
    struct yaml **documents;
    size_t count;
    struct error err = {0};
    strv_add(&environment, "TAG=${NOT_AGAIN}$$");
    read_variables(text, &environment);
    if (yaml_parse(&pool, "compose.yaml", (const char *)data, size, &documents, &count, &err) < 0) {
        must_tell(&err);
        return 0;
    }
    for (size_t i = 0; i < count; i++)
        read_document(&pool, documents[i], &environment);
    return 0;
}
