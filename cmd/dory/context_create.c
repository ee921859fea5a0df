/* context create, update. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "api/client.h"
#include "base/file.h"
#include "base/json_edit.h"
#include "base/parse.h"
#include "cmd/dory/context.h"
#include "cmd/dory/context_store.h"

#define PEM_MAX (1 << 20)

struct create_flags {
    char *description, *from;
    bool description_given;
    struct strv docker;
};

static int check_pair(const char *value, struct error *err)
{
    CLEANUP_STRV struct strv pairs = STRV_INIT;
    strv_split(&pairs, value, ',');
    for (size_t i = 0; i < pairs.count; i++) {
        if (!strchr(pairs.items[i], '='))
            return error_set(err, ERROR_INVALID, 0, "%s must be formatted as key=value", pairs.items[i]);
    }
    return 0;
}

#define AT(member) offsetof(struct create_flags, member)
#define DESCRIPTION_ROW                                                                                                \
    {                                                                                                                  \
        "description", 0, OPTION_STRING, AT(description), "string", "Description of the context", 0,                   \
            AT(description_given), NULL                                                                                \
    }
#define DOCKER_ROW                                                                                                     \
    {                                                                                                                  \
        "docker", 0, OPTION_LIST, AT(docker), "stringToString", "set the docker endpoint (default [])", 0, 0,          \
            check_pair                                                                                                 \
    }
static const struct option create_options_table[] = {
    DESCRIPTION_ROW,
    DOCKER_ROW,
    {"from", 0, OPTION_STRING, AT(from), "string", "create context from a named context", 0, 0, NULL},
    {0},
};
static const struct option update_options[] = {DESCRIPTION_ROW, DOCKER_ROW, {0}};

/* --docker in parts, and the contents of the files it names. */
struct docker_endpoint {
    char *host, *from;
    bool skip_verify, skip_verify_given;
    char *files[3]; /* ca, cert, key: contents */
};
static const struct {
    const char *key, *file;
} tls_files[] = {{"ca", "ca.pem"}, {"cert", "cert.pem"}, {"key", "key.pem"}};

static void docker_endpoint_release(struct docker_endpoint *d)
{
    free(d->host);
    free(d->from);
    for (size_t i = 0; i < ARRAY_SIZE(d->files); i++)
        free(d->files[i]);
}
#define CLEANUP_DOCKER_ENDPOINT CLEANUP(docker_endpoint_release)

static int read_pem(const char *path, char **ret, struct error *err)
{
    CLEANUP_FREE char *text = NULL;
    int r = file_read(AT_FDCWD, path, PEM_MAX, &text, NULL, err);
    if (r == -ENOENT)
        return error_set(err, ERROR_NOT_FOUND, ENOENT, "open %s: no such file or directory", path);
    if (r < 0)
        return r;
    const char *name = strrchr(path, '/');
    if (!strstr(text, "-----BEGIN "))
        return error_set(err, ERROR_INVALID, 0, "%s seems invalid", name ? name + 1 : path);
    free(*ret);
    *ret = TAKE_PTR(text);
    return 0;
}

static int set_key(struct docker_endpoint *d, const char *key, const char *value, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(tls_files); i++) {
        if (strcmp(key, tls_files[i].key) == 0)
            return *value ? read_pem(value, &d->files[i], err) : 0;
    }
    if (strcmp(key, "host") == 0) {
        xstrset(&d->host, value);
    } else if (strcmp(key, "from") == 0) {
        xstrset(&d->from, value);
    } else if (strcmp(key, "skip-tls-verify") == 0) {
        d->skip_verify_given = true;
        if (parse_bool(value, &d->skip_verify) < 0)
            return error_set(err, ERROR_INVALID, 0,
                             "skip-tls-verify: strconv.ParseBool: parsing \"%s\": invalid syntax", value);
    } else {
        return error_set(err, ERROR_INVALID, 0, "unrecognized config key: %s", key);
    }
    return 0;
}

static int parse_docker(const struct strv *list, struct docker_endpoint *ret, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < list->count; i++) {
        CLEANUP_STRV struct strv pairs = STRV_INIT;
        strv_split(&pairs, list->items[i], ',');
        for (size_t n = 0; n < pairs.count && r == 0; n++) {
            char *equals = strchr(pairs.items[n], '=');
            *equals = '\0';
            r = set_key(ret, pairs.items[n], equals + 1, err);
        }
    }
    if (r == 0 && ret->host && *ret->host && !strstr(ret->host, "://"))
        r = error_set(err, ERROR_INVALID, 0,
                      "unable to apply docker endpoint options: unable to parse docker host `%s`", ret->host);
    return r < 0 ? error_context(err, "unable to create docker endpoint config") : 0;
}

static int write_tls(const struct cli *cli, const char *name, const struct docker_endpoint *d, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < ARRAY_SIZE(tls_files) && r == 0; i++) {
        CLEANUP_FREE char *directory = context_tls_path(cli, name, NULL);
        CLEANUP_FREE char *path = context_tls_path(cli, name, tls_files[i].file);
        if (!d->files[i])
            continue;
        r = file_mkdirs(directory, 0700, err);
        if (r == 0)
            r = file_write_atomic(AT_FDCWD, path, d->files[i], strlen(d->files[i]), 0600, err);
    }
    return r;
}

/* The TLS files of another context, where --docker names none. */
static int copy_tls(const struct cli *cli, const char *from, struct docker_endpoint *d, struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(tls_files); i++) {
        CLEANUP_FREE char *path = context_tls_path(cli, from, tls_files[i].file);
        if (d->files[i])
            continue;
        int r = file_read(AT_FDCWD, path, PEM_MAX, &d->files[i], NULL, err);
        if (r < 0 && r != -ENOENT)
            return r;
        error_clear(err);
    }
    return 0;
}

/* Puts what was given into the description of the context. */
static void apply(struct json *meta, const struct create_flags *flags, const struct docker_endpoint *d)
{
    if (flags->description_given)
        json_set(json_object_of(meta, "Metadata"), "Description", json_new_string(flags->description));
    json_object_of(meta, "Metadata");
    struct json *docker = json_object_of(json_object_of(meta, "Endpoints"), "docker");
    if (d->host && *d->host)
        json_set(docker, "Host", json_new_string(d->host));
    if (d->skip_verify_given || !json_get(docker, "SkipTLSVerify"))
        json_set(docker, "SkipTLSVerify", json_new_bool(d->skip_verify));
}

static int run_create(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct create_flags *flags = data;
    const char *name = arguments->items[0];
    CLEANUP_DOCKER_ENDPOINT struct docker_endpoint d = {0};
    CLEANUP_JSON struct json *meta = NULL;
    int r = context_check_name(cli, name, true, err);
    if (r == 0)
        r = parse_docker(&flags->docker, &d, err);
    const char *from = flags->from && *flags->from ? flags->from : d.from;
    /* Without an endpoint it is that of the context in use. */
    if (r == 0)
        r = context_load(cli, from ? from : CONTEXT_DEFAULT, &meta, err);
    if (r == 0 && from && strcmp(from, CONTEXT_DEFAULT) != 0)
        r = copy_tls(cli, from, &d, err);
    if (r < 0)
        return r;
    json_set(meta, "Name", json_new_string(name));
    if (d.from && !flags->from)
        json_set(meta, "Metadata", json_new_object());
    apply(meta, flags, &d);
    r = write_tls(cli, name, &d, err);
    if (r == 0)
        r = context_write(cli, name, meta, err);
    if (r < 0)
        return r;
    printf("%s\n", name);
    fflush(stdout);
    fprintf(stderr, "Successfully created context \"%s\"\n", name);
    return 0;
}

static int run_update(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct create_flags *flags = data;
    const char *name = arguments->items[0];
    CLEANUP_DOCKER_ENDPOINT struct docker_endpoint d = {0};
    CLEANUP_JSON struct json *meta = NULL;
    int r = context_check_name(cli, name, false, err);
    if (r == 0)
        r = context_read(cli, name, &meta, err);
    if (r == 0)
        r = parse_docker(&flags->docker, &d, err);
    if (r < 0)
        return r;
    /* A new endpoint replaces the old one whole. */
    if (flags->docker.count > 0)
        json_set(json_object_of(meta, "Endpoints"), "docker", json_new_object());
    apply(meta, flags, &d);
    r = write_tls(cli, name, &d, err);
    if (r == 0)
        r = context_write(cli, name, meta, err);
    if (r < 0)
        return r;
    printf("%s\n", name);
    fflush(stdout);
    fprintf(stderr, "Successfully updated context \"%s\"\n", name);
    return 0;
}

#define ENDPOINT_HELP                                                                                                  \
    "Docker endpoint config:\n\n"                                                                                      \
    "NAME                DESCRIPTION\n"                                                                                \
    "from                Copy named context's Docker endpoint configuration\n"                                         \
    "host                Docker endpoint on which to connect\n"                                                        \
    "ca                  Trust certs signed only by this CA\n"                                                         \
    "cert                Path to TLS certificate file\n"                                                               \
    "key                 Path to TLS key file\n"                                                                       \
    "skip-tls-verify     Skip TLS certificate validation"

const struct command command_context_create = {
    .name = "context create",
    .usage = "[OPTIONS] CONTEXT",
    .summary = "Create a context",
    .description = "Create a context\n\n" ENDPOINT_HELP,
    .options = create_options_table,
    .flags_size = sizeof(struct create_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .local = true,
    .run = run_create,
};
const struct command command_context_update = {
    .name = "context update",
    .usage = "[OPTIONS] CONTEXT",
    .summary = "Update a context",
    .description = "Update a context\n\n" ENDPOINT_HELP,
    .options = update_options,
    .flags_size = sizeof(struct create_flags),
    .min_arguments = 1,
    .max_arguments = 1,
    .local = true,
    .run = run_update,
};
