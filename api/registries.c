/* Questions to registries: login, the distribution endpoint, search. */
#include "api/images.h"
#include "daemon/engine.h"

/* ---- POST /auth ---- */

static int auth(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct registry_config registries = {0};
    struct registry_auth credentials = {0};
    CLEANUP_FREE char *identity = NULL;
    struct json_writer w;
    const struct json *body = NULL;
    int r = api_body(request, &body, err);

    if (r == 0 && (!body || body->kind != JSON_OBJECT))
        r = error_set(err, ERROR_INVALID, 0, "credentials are missing");
    if (r == 0)
        r = json_table_decode(&images_auth_table, body, &credentials, err);
    if (r == 0) {
        images_copy_registries(engine, &registries);
        r = registry_login(&registries, json_get_string(body, "serveraddress"), &credentials, &identity, err);
        images_release_registries(&registries);
    }
    json_table_release(&images_auth_table, &credentials);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "IdentityToken", identity ? identity : "");
    json_member_string(&w, "Status", "Login Succeeded");
    json_end_object(&w);
    return api_reply_json(request, 200, &out);
}

/* ---- GET /distribution/{name}/json ---- */

static void write_distribution(struct strbuf *out, const struct registry_distribution *found)
{
    struct json_writer w;

    json_writer_init(&w, out);
    json_begin_object(&w);
    json_key(&w, "Descriptor");
    json_begin_object(&w);
    json_member_string(&w, "mediaType", found->media_type);
    json_member_string(&w, "digest", found->digest);
    json_member_int(&w, "size", found->size);
    json_end_object(&w);
    json_key(&w, "Platforms");
    json_put_value(&w, found->platforms);
    json_end_object(&w);
}

static int distribution(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP(registry_distribution_release) struct registry_distribution found = {0};
    struct registry_config registries = {0};
    struct registry_auth credentials = {0};
    struct reference ref = {0};
    int r = images_reference(api_path(request, 0), NULL, &ref, err);

    if (r == 0)
        r = images_read_auth(request, &credentials, err);
    if (r == 0) {
        images_copy_registries(engine, &registries);
        r = registry_distribution(&registries, &ref, &credentials, &found, err);
        images_release_registries(&registries);
    }
    json_table_release(&images_auth_table, &credentials);
    reference_release(&ref);
    if (r < 0)
        return r;
    write_distribution(&out, &found);
    return api_reply_json(request, 200, &out);
}

/* ---- GET /images/search ---- */

static const char *const search_filters[] = {"is-automated", "is-official", "stars", NULL};

static bool flag_matches(const struct json *wanted, bool value)
{
    const char *text = json_string(json_at(wanted, 0));

    return !text || (strcmp(text, "true") == 0 || strcmp(text, "1") == 0) == value;
}

static bool search_matches(const struct json *result, const struct json *filters)
{
    const char *stars = json_string(json_at(json_get(filters, "stars"), 0));

    return flag_matches(json_get(filters, "is-official"), json_get_bool(result, "is_official", false)) &&
           flag_matches(json_get(filters, "is-automated"), json_get_bool(result, "is_automated", false)) &&
           (!stars || json_get_int(result, "star_count", 0) >= strtoll(stars, NULL, 10));
}

static int check_filters(const struct json *filters, struct error *err)
{
    static const char *const flags[] = {"is-automated", "is-official"};
    const char *stars = json_string(json_at(json_get(filters, "stars"), 0));

    for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
        const char *text = json_string(json_at(json_get(filters, flags[i]), 0));

        if (text && strcmp(text, "true") != 0 && strcmp(text, "false") != 0 && strcmp(text, "1") != 0 &&
            strcmp(text, "0") != 0)
            return error_set(err, ERROR_INVALID, 0, "invalid filter '%s=[%s]'", flags[i], text);
    }
    if (stars && (*stars == '\0' || strspn(stars, "0123456789") != strlen(stars) || strlen(stars) > 9))
        return error_set(err, ERROR_INVALID, 0, "invalid filter 'stars=[%s]'", stars);
    return 0;
}

static int search(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    CLEANUP_JSON struct json *results = NULL, *filters = NULL;
    struct registry_config registries = {0};
    struct registry_auth credentials = {0};
    struct json_writer w;
    const char *term = api_query(request, "term");
    int64_t limit = 0;
    int r = api_query_int(request, "limit", 0, &limit, err);

    if (r == 0 && (!term || !*term))
        r = error_set(err, ERROR_INVALID, 0, "the search term is missing");
    if (r == 0)
        r = api_filters(request, search_filters, &filters, err);
    if (r == 0)
        r = check_filters(filters, err);
    if (r == 0)
        r = images_read_auth(request, &credentials, err);
    if (r == 0) {
        images_copy_registries(engine, &registries);
        r = registry_search(&registries, term, limit, &credentials, &results, err);
        images_release_registries(&registries);
    }
    json_table_release(&images_auth_table, &credentials);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    json_begin_array(&w);
    for (size_t i = 0; i < json_count(results); i++)
        if (search_matches(json_at(results, i), filters))
            json_put_value(&w, json_at(results, i));
    json_end_array(&w);
    return api_reply_json(request, 200, &out);
}

const struct api_route api_registry_routes[] = {
    {"POST", "/auth", auth, API_BODY_JSON},
    {"GET", "/distribution/{*}/json", distribution, 0},
    {"GET", "/images/search", search, 0},
    {0},
};
