/* Secrets and configs whose contents are no file: copied into the container as a tar. */
#include <string.h>

#include "api/client.h"
#include "archive/tar_writer.h"
#include "base/parse.h"
#include "base/timestamp.h"
#include "cmd/dory/compose/container_ops.h"
#include "cmd/dory/compose/create_body.h"
#include "cmd/dory/compose/model.h"

static int collect(void *data, const void *bytes, size_t size, struct error *err)
{
    (void)err;
    strbuf_add(data, bytes, size);
    return 0;
}

static int64_t octal(const char *text, int64_t fallback)
{
    char *end;
    if (!text || !*text)
        return fallback;
    long value = strtol(text, &end, 8);
    return *end || value < 0 || value > 07777 ? fallback : value;
}

static int write_tar(const struct json *reference, const char *target, const char *content, struct strbuf *out,
                     struct error *err)
{
    CLEANUP_TAR_WRITER struct tar_writer *writer = tar_writer_new(collect, out);
    const struct json *mode = json_get(reference, "mode");
    struct tar_entry entry = {.path = target[0] == '/' ? target + 1 : target,
                              .type = TAR_FILE,
                              .size = (int64_t)strlen(content),
                              .link = "",
                              .mtime_seconds = timestamp_now() / 1000000000};
    entry.mode = (mode_t)(json_string(mode) ? octal(json_string(mode), 0444) : model_int(reference, "mode", 0444));
    entry.uid = (uid_t)model_int(reference, "uid", 0);
    entry.gid = (gid_t)model_int(reference, "gid", 0);
    int r = tar_writer_entry(writer, &entry, NULL, 0, err);
    if (r == 0)
        r = tar_writer_data(writer, content, strlen(content), err);
    return r < 0 ? r : tar_writer_finish(writer, err);
}

static int copy_file(struct cli *cli, const char *id, const struct json *reference, const char *kind,
                     const char *content, struct error *err)
{
    CLEANUP_FREE char *target = create_file_target(kind, reference);
    CLEANUP_STRBUF struct strbuf tar = STRBUF_INIT, path = STRBUF_INIT;
    int r = write_tar(reference, target, content, &tar, err);
    if (r < 0)
        return r;
    strbuf_addf(&path, "/containers/%s/archive?path=/", id);
    client_query_add_bool(&path, "copyUIDGID", json_get(reference, "uid") || json_get(reference, "gid"));
    struct client_request request = {.method = "PUT",
                                     .path = strbuf_str(&path),
                                     .body = tar.data,
                                     .body_size = tar.size,
                                     .content_type = "application/x-tar"};
    return client_call(cli_client(cli), &request, NULL, NULL, NULL, err);
}

static int find_content(const struct compose_project *project, const struct json *definition, const char *singular,
                        const char **ret, struct error *err)
{
    const char *variable = json_get_string(definition, "environment");
    *ret = json_get_string(definition, "content");
    if (*ret || !variable)
        return 0;
    *ret = compose_project_value(project, variable);
    if (!*ret)
        return error_set(err, ERROR_INVALID, 0, "environment variable \"%s\" required by %s \"%s\" is not set",
                         variable, singular, json_get_string(definition, "name"));
    return 0;
}

static int inject_kind(struct cli *cli, const char *id, const struct compose_project *project, const char *name,
                       const struct json *service, const char *kind, struct error *err)
{
    const char *singular = strcmp(kind, "secrets") == 0 ? "secret" : "config";
    const struct json *list = json_get(service, kind);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *reference = json_at(list, i);
        const struct json *definition = json_get(json_get(project->model, kind), json_get_string(reference, "source"));
        const char *content;
        int r = find_content(project, definition, singular, &content, err);
        if (r < 0)
            return r;
        if (!content || !*content)
            continue;
        if (model_bool(service, "read_only", false))
            return error_set(err, ERROR_INVALID, 0,
                             "cannot create %s \"%s\" in read-only service %s: `file` is the sole supported option",
                             singular, json_get_string(definition, "name"), name);
        r = copy_file(cli, id, reference, kind, content, err);
        if (r < 0)
            return error_context(err, "%s \"%s\" of service %s", singular, json_get_string(definition, "name"), name);
    }
    return 0;
}

int container_files_inject(struct cli *cli, const char *id, const struct compose_project *project,
                           const char *service_name, const struct json *service, struct error *err)
{
    int r = inject_kind(cli, id, project, service_name, service, "secrets", err);
    return r < 0 ? r : inject_kind(cli, id, project, service_name, service, "configs", err);
}
