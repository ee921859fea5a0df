/* A container's files: archive (docker cp), export, changes (docker diff), commit. */
#include <errno.h>

#include "api/images.h"
#include "api/request.h"
#include "base/base64.h"
#include "base/timestamp.h"
#include "daemon/container_files.h"
#include "daemon/engine.h"

static int find(struct api_request *request, struct engine *engine, struct container **ret, struct error *err)
{
    return container_find(engine, api_path(request, 0), ret, err);
}

static int path_of(struct api_request *request, const char **ret, struct error *err)
{
    *ret = api_query(request, "path");
    if (*ret == NULL || **ret == '\0')
        return error_set(err, ERROR_INVALID, 0, "bad parameter: path cannot be empty");
    return 0;
}

/* ---- a tar as the answer ---- */

struct answer {
    struct api_request *request;
    bool begun;
};

static int answer_begin(struct answer *answer)
{
    answer->begun = true;
    return api_stream_begin(answer->request, 200, "application/x-tar");
}

static int answer_write(void *data, const void *bytes, size_t size, struct error *err)
{
    struct answer *answer = data;
    int r = answer->begun ? 0 : answer_begin(answer);
    if (r == 0)
        r = api_stream_write(answer->request, bytes, size);
    return r < 0 ? error_set(err, ERROR_CANCELLED, -r, "the client has gone") : 0;
}

/* ---- archive ---- */

static void set_stat_header(struct api_request *request, const struct container_path_stat *stat)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT, encoded = STRBUF_INIT;
    struct json_writer w;
    char mtime[TIMESTAMP_MAX];
    timestamp_format(mtime, stat->mtime);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "name", stat->name);
    json_member_int(&w, "size", stat->size);
    json_member_int(&w, "mode", stat->mode);
    json_member_string(&w, "mtime", mtime);
    json_member_string(&w, "linkTarget", stat->link_target);
    json_end_object(&w);
    base64_encode(text.data, text.size, false, &encoded);
    api_reply_header(request, "X-Docker-Container-Path-Stat", strbuf_str(&encoded));
}

static int archive_begin(const struct container_path_stat *stat, void *data, struct error *err)
{
    struct answer *answer = data;
    set_stat_header(answer->request, stat);
    return answer_begin(answer) < 0 ? error_set(err, ERROR_CANCELLED, EPIPE, "the client has gone") : 0;
}

static int handle_stat(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP(container_path_stat_release) struct container_path_stat stat = {0};
    const char *path;
    int r = path_of(request, &path, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_stat_path(engine, c, api_path(request, 0), path, &stat, err);
    if (r < 0)
        return r;
    set_stat_header(request, &stat);
    return api_reply_empty(request, 200);
}

static int handle_get(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    struct answer answer = {.request = request};
    const struct container_archive_sink sink = {.begin = archive_begin, .write = answer_write, .data = &answer};
    const char *path;
    if (strcmp(request->method, "HEAD") == 0)
        return handle_stat(request, engine, err);
    int r = path_of(request, &path, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_archive_get(engine, c, api_path(request, 0), path, &sink, err);
    return r;
}

static int handle_put(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    struct container_archive_put put = {.keep_kinds = api_query_bool(request, "noOverwriteDirNonDir", false),
                                        .copy_owner = api_query_bool(request, "copyUIDGID", false),
                                        .fd = api_body_fd(request)};
    int r = path_of(request, &put.path, err);
    if (r == 0)
        r = find(request, engine, &c, err);
    if (r == 0)
        r = container_archive_put(engine, c, api_path(request, 0), &put, err);
    return r < 0 ? r : api_reply_empty(request, 200);
}

/* ---- export ---- */

static int handle_export(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    struct answer answer = {.request = request};
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_export(engine, c, answer_write, &answer, err);
    return r;
}

/* ---- changes ---- */

static int handle_changes(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct container_change *changes = NULL;
    struct json_writer w;
    size_t count = 0;
    int r = find(request, engine, &c, err);
    if (r == 0)
        r = container_changes(engine, c, &changes, &count, err);
    if (r < 0)
        return r;
    json_writer_init(&w, &out);
    if (count == 0)
        json_put_null(&w);
    else
        json_begin_array(&w);
    for (size_t i = 0; i < count; i++) {
        json_begin_object(&w);
        json_member_string(&w, "Path", changes[i].path);
        json_member_int(&w, "Kind", changes[i].kind);
        json_end_object(&w);
    }
    if (count > 0)
        json_end_array(&w);
    strbuf_addc(&out, '\n');
    container_changes_free(changes, count);
    return api_reply_json(request, 200, &out);
}

/* ---- commit ---- */

static int handle_commit(struct api_request *request, struct engine *engine, struct error *err)
{
    CLEANUP_CONTAINER struct container *c = NULL;
    CLEANUP_STRV struct strv changes = STRV_INIT;
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    const char *repo = api_query(request, "repo"), *name = api_query(request, "container");
    struct reference ref = {0};
    char id[DIGEST_TEXT_MAX];
    struct container_commit commit = {.author = api_query(request, "author"),
                                      .comment = api_query(request, "comment"),
                                      .pause = api_query_bool(request, "pause", true),
                                      .changes = &changes};
    api_query_all(request, "changes", &changes);
    int r = api_body(request, &commit.body, err);
    if (r == 0 && repo != NULL && *repo != '\0') {
        r = images_reference(repo, api_query(request, "tag"), &ref, err);
        commit.ref = &ref;
        if (r == 0 && ref.digest != NULL)
            r = error_set(err, ERROR_INVALID, 0, "refusing to create a tag with a digest reference");
    }
    if (r == 0 && (name == NULL || *name == '\0'))
        r = error_set(err, ERROR_INVALID, 0, "invalid name or ID supplied: \"\"");
    if (r == 0)
        r = container_find(engine, name, &c, err);
    if (r == 0)
        r = container_commit(engine, c, &commit, id, err);
    reference_release(&ref);
    if (r < 0)
        return r;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_begin_object(&w);
    json_member_string(&w, "Id", id);
    json_end_object(&w);
    return api_reply_json(request, 201, &out);
}

const struct api_route api_archive_routes[] = {
    {"GET", "/containers/{}/changes", handle_changes, 0},
    {"GET", "/containers/{}/export", handle_export, API_STREAM},
    {"GET", "/containers/{}/archive", handle_get, API_STREAM},
    {"PUT", "/containers/{}/archive", handle_put, API_BODY_STREAM},
    {"POST", "/commit", handle_commit, API_BODY_JSON},
    {0},
};
