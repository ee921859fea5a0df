/* Binds and Mounts: volumes, what is kept of the container before, secrets and configs that are files. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "cmd/dory/body_members.h"
#include "cmd/dory/compose/create_body.h"
#include "cmd/dory/compose/model.h"

/* Both lists grow in one walk. */
struct mounts {
    const struct create_input *input;
    struct strv binds, targets;
    struct strbuf text; /* the elements of "Mounts" */
    struct json_writer writer;
};

char *create_file_target(const char *kind, const struct json *reference)
{
    const char *base = strcmp(kind, "secrets") == 0 ? "/run/secrets/" : "/";
    const char *target = json_get_string(reference, "target");
    if (!target || !*target)
        target = json_get_string(reference, "source");
    return xasprintf("%s%s", target && target[0] == '/' ? "" : base, target ? target : "");
}

bool create_file_is_inline(const struct json *definition)
{
    return json_get_string(definition, "content") || json_get_string(definition, "environment");
}

/* The name of the daemon's volume for a key of the project, or NULL when the project has no such volume. */
static const char *volume_name(const struct compose_project *project, const char *key)
{
    return key ? json_get_string(json_get(json_get(project->model, "volumes"), key), "name") : NULL;
}

static bool bind_is_plain(const struct json *bind)
{
    const char *propagation = json_get_string(bind, "propagation"), *recursive = json_get_string(bind, "recursive");
    return !bind || bind->kind != JSON_OBJECT ||
           (json_get_bool(bind, "create_host_path", false) && !propagation && !recursive);
}

static bool volume_is_plain(const struct json *volume)
{
    return model_members(json_get(volume, "labels")) == 0 && !json_get_string(volume, "subpath") &&
           !json_get_bool(volume, "nocopy", false);
}

static void add_bind(struct mounts *mounts, const char *source, const struct json *volume)
{
    const char *selinux = json_get_string(json_get(volume, "bind"), "selinux");
    strv_addf(&mounts->binds, "%s:%s:%s%s%s", source, json_get_string(volume, "target"),
              json_get_bool(volume, "read_only", false) ? "ro" : "rw", selinux ? "," : "", selinux ? selinux : "");
}

static void put_bind_options(struct json_writer *w, const struct json *bind)
{
    const char *recursive = json_get_string(bind, "recursive");
    if (!bind || bind->kind != JSON_OBJECT)
        return;
    json_key(w, "BindOptions");
    json_begin_object(w);
    put_text(w, "Propagation", json_get_string(bind, "propagation"));
    put_flag(w, "CreateMountpoint", json_get_bool(bind, "create_host_path", false));
    put_flag(w, "NonRecursive", recursive && strcmp(recursive, "disabled") == 0);
    put_flag(w, "ReadOnlyNonRecursive", recursive && strcmp(recursive, "writable") == 0);
    put_flag(w, "ReadOnlyForceRecursive", recursive && strcmp(recursive, "readonly") == 0);
    json_end_object(w);
}

static void put_volume_options(struct json_writer *w, const struct json *options)
{
    CLEANUP_STRV struct strv labels = STRV_INIT;
    if (!options || options->kind != JSON_OBJECT)
        return;
    model_entries(json_get(options, "labels"), &labels);
    json_key(w, "VolumeOptions");
    json_begin_object(w);
    put_flag(w, "NoCopy", json_get_bool(options, "nocopy", false));
    put_text(w, "Subpath", json_get_string(options, "subpath"));
    put_entries(w, "Labels", &labels, NULL, NULL);
    json_end_object(w);
}

static void put_tmpfs_options(struct json_writer *w, const struct json *options)
{
    if (!options || options->kind != JSON_OBJECT)
        return;
    json_key(w, "TmpfsOptions");
    json_begin_object(w);
    put_number(w, "SizeBytes", model_int(options, "size", 0));
    put_number(w, "Mode", model_int(options, "mode", 0));
    json_end_object(w);
}

static void put_image_options(struct json_writer *w, const struct json *options)
{
    const char *subpath = json_get_string(options, "subpath");
    if (!subpath)
        return;
    json_key(w, "ImageOptions");
    json_begin_object(w);
    json_member_string(w, "Subpath", subpath);
    json_end_object(w);
}

static void add_mount(struct mounts *mounts, const struct json *volume, const char *source)
{
    struct json_writer *w = &mounts->writer;
    json_begin_object(w);
    put_text(w, "Type", json_get_string(volume, "type"));
    put_text(w, "Source", source);
    put_text(w, "Target", json_get_string(volume, "target"));
    put_flag(w, "ReadOnly", json_get_bool(volume, "read_only", false));
    put_text(w, "Consistency", json_get_string(volume, "consistency"));
    put_bind_options(w, json_get(volume, "bind"));
    put_volume_options(w, json_get(volume, "volume"));
    put_tmpfs_options(w, json_get(volume, "tmpfs"));
    put_image_options(w, json_get(volume, "image"));
    json_end_object(w);
}

static void add_volume(struct mounts *mounts, const struct json *volume)
{
    const char *type = json_get_string(volume, "type"), *source = json_get_string(volume, "source"),
               *target = json_get_string(volume, "target"), *name = NULL;
    if (!type || !target)
        return;
    if (strcmp(type, "volume") == 0)
        name = volume_name(mounts->input->project, source);
    if (strcmp(type, "bind") == 0 && bind_is_plain(json_get(volume, "bind")))
        add_bind(mounts, source, volume);
    else if (name && volume_is_plain(json_get(volume, "volume")))
        add_bind(mounts, name, volume);
    else
        add_mount(mounts, volume, name ? name : source);
    strv_add(&mounts->targets, target);
}

/* ---- what is kept ---- */

/* Is the target declared by the service as something that has a source? Then that is mounted there. */
static bool declares_source(const struct json *service, const char *target, bool *ret_anonymous)
{
    const struct json *volumes = json_get(service, "volumes");
    bool found = false;
    *ret_anonymous = false;
    for (size_t i = 0; i < json_count(volumes); i++) {
        const char *other = json_get_string(json_at(volumes, i), "target"),
                   *source = json_get_string(json_at(volumes, i), "source"),
                   *type = json_get_string(json_at(volumes, i), "type");
        if (!other || strcmp(other, target) != 0)
            continue;
        *ret_anonymous = type && strcmp(type, "volume") == 0 && (!source || !*source);
        found = !*ret_anonymous;
    }
    return found;
}

/* The anonymous volumes of the container before: of the image's VOLUME and of the service's targets alone. */
static void keep_volumes(struct mounts *mounts)
{
    const struct create_input *input = mounts->input;
    const struct json *old = json_get(input->replaced, "Mounts"), *declared = json_get(input->image_config, "Volumes");
    for (size_t i = 0; i < json_count(old); i++) {
        const struct json *mount = json_at(old, i);
        const char *target = json_get_string(mount, "Destination"), *name = json_get_string(mount, "Name"),
                   *type = json_get_string(mount, "Type");
        bool anonymous;
        if (!target || !name || !type || strcmp(type, "volume") != 0 ||
            declares_source(input->config, target, &anonymous) || (!anonymous && !json_get(declared, target)))
            continue;
        struct json_writer *w = &mounts->writer;
        json_begin_object(w);
        json_member_string(w, "Type", "volume");
        json_member_string(w, "Source", name);
        json_member_string(w, "Target", target);
        put_flag(w, "ReadOnly", !json_get_bool(mount, "RW", true));
        json_end_object(w);
        strv_add(&mounts->targets, target);
    }
}

/* ---- secrets and configs ---- */

static int check_definition(const char *kind, const char *singular, const char *source, const struct json *definition,
                            struct error *err)
{
    if (!definition)
        return error_set(err, ERROR_INVALID, 0, "undefined %s %s", singular, source);
    if (json_get_bool(definition, "external", false))
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "unsupported external %s %s", singular,
                         json_get_string(definition, "name") ? json_get_string(definition, "name") : source);
    static const char *const refused[] = {"driver", "template_driver"};
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        if (json_get_string(definition, refused[i]))
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "Docker Compose does not support %s.*.%s", kind,
                             refused[i]);
    }
    return 0;
}

static void add_file(struct mounts *mounts, const char *file, const char *target, bool secret)
{
    struct json_writer *w = &mounts->writer;
    json_begin_object(w);
    json_member_string(w, "Type", "bind");
    json_member_string(w, "Source", file);
    json_member_string(w, "Target", target);
    json_member_bool(w, "ReadOnly", true);
    if (secret) {
        json_key(w, "BindOptions");
        json_begin_object(w);
        json_end_object(w);
    }
    json_end_object(w);
    strv_add(&mounts->targets, target);
}

static int add_files(struct mounts *mounts, const char *kind, struct strv *warnings, struct error *err)
{
    bool secret = strcmp(kind, "secrets") == 0;
    const struct json *list = json_get(mounts->input->config, kind);
    for (size_t i = 0; i < json_count(list); i++) {
        const struct json *reference = json_at(list, i);
        const char *source = json_get_string(reference, "source");
        const struct json *definition = json_get(json_get(mounts->input->project->model, kind), source);
        CLEANUP_FREE char *target = create_file_target(kind, reference);
        int r = check_definition(kind, secret ? "secret" : "config", source, definition, err);
        if (r < 0)
            return r;
        if (create_file_is_inline(definition) || strv_contains(&mounts->targets, target))
            continue;
        const char *file = json_get_string(definition, "file");
        if (json_get(reference, "uid") || json_get(reference, "gid") || json_get(reference, "mode"))
            strv_addf(warnings, "%s `uid`, `gid` and `mode` are not supported, they will be ignored",
                      secret ? "secrets" : "config");
        if (secret && file && access(file, F_OK) < 0 && errno == ENOENT)
            strv_addf(warnings, "secret file %s does not exist", json_get_string(definition, "name"));
        add_file(mounts, file ? file : "", target, secret);
    }
    return 0;
}

int create_body_mounts(const struct create_input *input, struct json_writer *w, struct strv *warnings,
                       struct error *err)
{
    struct mounts mounts = {.input = input};
    const struct json *volumes = json_get(input->config, "volumes");
    json_writer_init(&mounts.writer, &mounts.text);
    json_begin_array(&mounts.writer);
    keep_volumes(&mounts);
    for (size_t i = 0; i < json_count(volumes); i++) {
        const char *target = json_get_string(json_at(volumes, i), "target");
        if (!target || !strv_contains(&mounts.targets, target))
            add_volume(&mounts, json_at(volumes, i));
    }
    int r = add_files(&mounts, "secrets", warnings, err);
    if (r == 0)
        r = add_files(&mounts, "configs", warnings, err);
    json_end_array(&mounts.writer);
    put_strings(w, "Binds", &mounts.binds);
    json_key(w, "Mounts");
    json_put_raw(w, mounts.text.data, mounts.text.size);
    strv_release(&mounts.binds);
    strv_release(&mounts.targets);
    strbuf_release(&mounts.text);
    return r;
}
