/*
 * Exporters: what becomes of a build. "moby" and "image" are images of the store; "docker" and "oci" archives of the
 * image that the client writes down; "local" and "tar" the resulting files. Without any the result only stays in the
 * cache.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "api/buildkit/grpc.h"
#include "api/buildkit/solve_bundle.h"
#include "api/images.h"
#include "base/base64.h"
#include "base/fd.h"
#include "base/memory.h"
#include "base/parse.h"
#include "daemon/build/context.h"
#include "daemon/engine.h"
#include "image/image.h"
#include "image/reference.h"

#define PIECE 65536
#define NAMES_MAX 128
#define STEP_EXPORT 10000 /* numbers of the steps that export, from here on */

enum kind { KIND_IMAGE, KIND_ARCHIVE, KIND_TAR, KIND_LOCAL };
static const struct {
    const char *type;
    enum kind kind;
    const char *step;
} kinds[] = {
    {"moby", KIND_IMAGE, "exporting to image"},
    {"image", KIND_IMAGE, "exporting to image"},
    {"docker", KIND_ARCHIVE, "exporting to docker image format"},
    {"oci", KIND_ARCHIVE, "exporting to oci image format"},
    {"tar", KIND_TAR, "exporting to client tarball"},
    {"local", KIND_LOCAL, "exporting to client directory"},
};

/* One exporter of a request, in its old and its new form. */
struct exporter {
    const char *type;
    Bk__Entry *const *attrs;
    size_t attr_count;
    size_t place; /* in kinds */
};

static size_t exporter_count(const struct solve *solve)
{
    const Bk__SolveRequest *request = solve->request;
    return request->n_exporters > 0 ? request->n_exporters : *request->exporter ? 1 : 0;
}

/* False: unknown type. */
static bool exporter_at(const struct solve *solve, size_t i, struct exporter *ret)
{
    const Bk__SolveRequest *request = solve->request;
    if (request->n_exporters > 0)
        *ret = (struct exporter){.type = request->exporters[i]->type,
                                 .attrs = request->exporters[i]->attrs,
                                 .attr_count = request->exporters[i]->n_attrs};
    else
        *ret = (struct exporter){
            .type = request->exporter, .attrs = request->exporter_attrs, .attr_count = request->n_exporter_attrs};
    while (ret->place < ARRAY_SIZE(kinds) && strcmp(kinds[ret->place].type, ret->type) != 0)
        ret->place++;
    return ret->place < ARRAY_SIZE(kinds);
}

/* Attributes and the values that they may have: NULL is any. Others ask for what is not done. */
static const struct {
    const char *name, *values[3];
} attributes[] = {
    {"name", {NULL}},                      /* read_names() */
    {"push", {"true", "false"}},           /* export_image() */
    {"unpack", {"true", "false"}},         /* layers always are */
    {"store", {"true"}},                   /* images always are */
    {"rewrite-timestamp", {"true"}},       /* SOURCE_DATE_EPOCH always does */
    {"tar", {"true"}},                     /* of an archive: not a directory */
    {"mode", {"copy"}},                    /* of a directory: what is there stays */
    {"platform-split", {"true", "false"}}, /* is_split() */
    {"name-canonical", {"false"}},
    {"oci-mediatypes", {"true"}}, /* solve_bundle_is_asked_for() */
    {"force-compression", {"false"}},
};

static bool is_understood(const char *key, const char *value)
{
    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        const char *const *values = attributes[i].values;
        if (strcmp(attributes[i].name, key) != 0)
            continue;
        bool found = values[0] == NULL;
        for (size_t k = 0; k < ARRAY_SIZE(attributes[i].values) && values[k]; k++)
            found = found || strcmp(values[k], value) == 0;
        return found;
    }
    return false;
}

int solve_export_check(struct solve *solve, struct error *err)
{
    for (size_t i = 0; i < exporter_count(solve); i++) {
        struct exporter exporter;
        if (!exporter_at(solve, i, &exporter))
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "exporter \"%.100s\" is not supported", exporter.type);
        for (size_t k = 0; k < exporter.attr_count; k++) {
            const char *key = exporter.attrs[k]->key, *value = exporter.attrs[k]->value;
            if (solve_bundle_is_annotation(key)) {
                int r = solve_bundle_check_annotation(key, err);
                if (r < 0)
                    return r;
                continue;
            }
            if (!is_understood(key, value))
                return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "exporter %s: %s=%.100s is not supported",
                                 exporter.type, key, value);
        }
    }
    return 0;
}

static bool is_true(const struct exporter *exporter, const char *key)
{
    const char *value = solve_entry(exporter->attrs, exporter->attr_count, key);
    bool yes = false;
    return value && parse_bool(value, &yes) == 0 && yes;
}

/* As a registry's documents instead of the store's image alone. */
static bool is_bundle(const struct solve *solve, const struct exporter *exporter)
{
    enum kind kind = kinds[exporter->place].kind;
    return (kind == KIND_IMAGE || kind == KIND_ARCHIVE) &&
           (solve->platform_count > 1 || solve->provenance ||
            solve_bundle_is_asked_for(exporter->attrs, exporter->attr_count));
}

static int check_result(const struct solve *solve, const struct exporter *exporter, struct error *err)
{
    enum kind kind = kinds[exporter->place].kind;
    const char *split = solve_entry(exporter->attrs, exporter->attr_count, "platform-split");
    bool push = is_true(exporter, "push"), oci = strcmp(exporter->type, "oci") == 0;
    if (solve->platform_count > 1 && strcmp(split ? split : "", "false") == 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "exporter %s: platform-split=false is not supported with several platforms", exporter->type);
    if (kind == KIND_ARCHIVE && !oci && (solve->platform_count > 1 || solve->provenance))
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "docker exporter does not currently support exporting manifest lists");
    if (solve->provenance && !push && !oci)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0,
                         "exporter %s: attestations are kept in registries and oci archives, not in the image store: "
                         "push the image",
                         exporter->type);
    return 0;
}

int solve_export_check_result(struct solve *solve, struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < exporter_count(solve) && r == 0; i++) {
        struct exporter exporter;
        if (exporter_at(solve, i, &exporter))
            r = check_result(solve, &exporter, err);
    }
    return r;
}

static bool wants(const struct solve *solve, enum kind a, enum kind b)
{
    for (size_t i = 0; i < exporter_count(solve); i++) {
        struct exporter exporter;
        if (exporter_at(solve, i, &exporter) && (kinds[exporter.place].kind == a || kinds[exporter.place].kind == b))
            return true;
    }
    return false;
}

static int write_tree(void *data, const void *bytes, size_t size, struct error *err)
{
    int r = fd_write_all(((struct solve *)data)->tree_fd, bytes, size);
    return r < 0 ? error_errno(err, r, "keep the build's files") : 0;
}

static void release_references(struct reference *references, size_t count)
{
    for (size_t i = 0; i < count; i++)
        reference_release(&references[i]);
    free(references);
}

/* Its names, with commas between. release_references() in every case. */
static int read_names(const struct exporter *exporter, struct reference **ret, size_t *ret_count, struct error *err)
{
    CLEANUP_STRV struct strv names = STRV_INIT;
    const char *value = solve_entry(exporter->attrs, exporter->attr_count, "name");
    *ret_count = 0;
    if (value && *value)
        strv_split(&names, value, ',');
    *ret = xcalloc(names.count + 1, sizeof(**ret));
    if (names.count > NAMES_MAX)
        return error_set(err, ERROR_INVALID, 0, "more than %d names", NAMES_MAX);
    for (size_t i = 0; i < names.count; i++) {
        struct reference *ref = &(*ret)[(*ret_count)++];
        int r = reference_parse(names.items[i], ref, err);
        if (r == 0 && ref->digest)
            r = error_set(err, ERROR_INVALID, 0, "%s: a name with a digest cannot be given", names.items[i]);
        if (r < 0)
            return r;
        reference_default_tag(ref);
    }
    return 0;
}

/* Each platform's files in a directory of its own. */
static bool is_split(const struct solve *solve)
{
    bool split = solve->platform_count > 1;
    for (size_t i = 0; i < exporter_count(solve); i++) {
        struct exporter exporter;
        split = split || (exporter_at(solve, i, &exporter) && is_true(&exporter, "platform-split"));
    }
    return split;
}

int solve_export_prepare(struct solve *solve, size_t i, struct build_options *options, struct error *err)
{
    bool image = wants(solve, KIND_IMAGE, KIND_ARCHIVE), tree = wants(solve, KIND_TAR, KIND_LOCAL);
    options->no_image = !image && tree;
    if (!tree)
        return 0;
    if (i == 0) {
        int root = image_store_root_fd(engine_images(solve->engine));
        fd_close(solve->tree_fd);
        tar_writer_free(TAKE_PTR(solve->tree));
        solve->tree_fd = openat(root, "tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        if (solve->tree_fd < 0)
            return error_errno(err, errno, "keep the build's files");
        solve->tree = tar_writer_new(write_tree, solve);
    }
    options->tree = solve->tree;
    options->tree_name = is_split(solve) ? solve->platforms[i].directory : NULL;
    return 0;
}

/* ---- images of the store ---- */

static int on_push(const char *id, const char *status, int64_t current, int64_t total, void *data)
{
    CLEANUP_FREE char *name = id ? xasprintf("%s %s", status, id) : xstrdup(status);
    if (total > 0)
        solve_step_status(data, name, current, total, current >= total);
    return 0;
}

static void on_pushed(const char *tag, const char *digest, int64_t size, void *data)
{
    const struct solve_step *step = data;
    (void)tag;
    (void)size;
    strmap_set(&step->solve->response, "containerimage.digest", digest);
}

/* bundle NULL: the image that has this name. */
static int push(struct solve *solve, struct solve_step *step, const struct reference *ref, struct bundle *bundle,
                struct error *err)
{
    struct session *session = NULL;
    struct registry_config registries = {0};
    int r = session_get(solve->sessions, solve->request->session, solve->cancel_fd, &session, err);
    if (r < 0)
        return r;
    images_copy_registries(solve->engine, &registries);
    struct session_supply supply = {.session = session, .cancel_fd = solve->cancel_fd};
    const struct image_push_options options = {.ref = ref,
                                               .auth = session_credentials(ref->domain, &supply),
                                               .registries = &registries,
                                               .bundle = bundle,
                                               .progress = on_push,
                                               .pushed = on_pushed,
                                               .data = step};
    r = image_push(engine_images(solve->engine), &options, err);
    images_release_registries(&registries);
    session_put(solve->sessions, session);
    return r;
}

static int export_image(struct solve *solve, struct solve_step *step, const struct exporter *exporter,
                        const struct reference *names, size_t count, struct error *err)
{
    CLEANUP_STRBUF struct strbuf all = STRBUF_INIT;
    CLEANUP_FREE char *writing = xasprintf("writing image %s", solve->result.image_id);
    int r = 0;
    /* Both were done with the last step. */
    solve_step_status(step, "exporting layers", 0, 0, true);
    solve_step_status(step, writing, 0, 0, true);
    for (size_t i = 0; i < count && r == 0; i++) {
        CLEANUP_FREE char *name = reference_full(&names[i]);
        CLEANUP_FREE char *id = xasprintf("naming to %s", name);
        r = image_tag(engine_images(solve->engine), solve->result.image_id, &names[i], err);
        if (r < 0)
            break;
        CLEANUP_FREE char *familiar = reference_familiar(&names[i]);
        engine_image_event(solve->engine, "tag", solve->result.image_id, familiar);
        solve_step_status(step, id, 0, 0, true);
        strbuf_addf(&all, "%s%s", i > 0 ? "," : "", name);
        if (is_true(exporter, "push"))
            r = push(solve, step, &names[i], NULL, err);
    }
    if (r == 0 && count > 0)
        strmap_set(&solve->response, "image.name", strbuf_str(&all));
    return r;
}

/* ---- images as a registry's documents ---- */

static void tell_documents(struct solve_step *step, const struct bundle *bundle)
{
    for (size_t i = 0; i < bundle->count; i++) {
        CLEANUP_FREE char *text = xasprintf("exporting manifest %s", bundle->items[i].manifest.digest);
        solve_step_status(step, text, 0, 0, true);
        if (bundle->items[i].attested) {
            CLEANUP_FREE char *attestation =
                xasprintf("exporting attestation manifest %s", bundle->items[i].attestation.digest);
            solve_step_status(step, attestation, 0, 0, true);
        }
    }
    if (bundle->index.text.size > 0) {
        CLEANUP_FREE char *text = xasprintf("exporting manifest list %s", bundle->index.digest);
        solve_step_status(step, text, 0, 0, true);
    }
}

static void answer_bundle(struct solve *solve, const struct bundle *bundle)
{
    CLEANUP_STRBUF struct strbuf descriptor = STRBUF_INIT, text = STRBUF_INIT;
    const char *type;
    const struct bundle_document *top = bundle_top(bundle, &type);
    struct json_writer w;
    json_writer_init(&w, &descriptor);
    json_begin_object(&w);
    json_member_string(&w, "mediaType", type);
    json_member_string(&w, "digest", top->digest);
    json_member_int(&w, "size", (int64_t)top->text.size);
    json_end_object(&w);
    base64_encode(descriptor.data, descriptor.size, false, &text);
    strmap_set(&solve->response, "containerimage.descriptor", strbuf_str(&text));
    strmap_set(&solve->response, "containerimage.digest", top->digest);
}

/* The store has all but attestations: with these the names are the first image's. */
static int name_bundle(struct solve *solve, struct bundle *bundle, const struct reference *names, size_t count,
                       bool attested, struct error *err)
{
    struct image_store *store = engine_images(solve->engine);
    int r = attested ? 0 : image_bundle_keep(store, bundle, names, count, err);
    for (size_t i = 0; i < count && r == 0; i++) {
        CLEANUP_FREE char *familiar = reference_familiar(&names[i]);
        if (attested)
            r = image_tag(store, bundle->items[0].image->id, &names[i], err);
        if (r == 0)
            engine_image_event(solve->engine, "tag", bundle->items[0].image->id, familiar);
    }
    return r;
}

static int export_bundle_image(struct solve *solve, struct solve_step *step, const struct exporter *exporter,
                               struct bundle *bundle, const struct reference *names, size_t count, struct error *err)
{
    CLEANUP_STRBUF struct strbuf all = STRBUF_INIT;
    bool pushes = is_true(exporter, "push");
    int r = 0;
    for (size_t i = 0; pushes && i < count && r == 0; i++)
        r = push(solve, step, &names[i], bundle, err);
    if (r == 0)
        r = name_bundle(solve, bundle, names, count, solve->provenance != NULL, err);
    for (size_t i = 0; i < count && r == 0; i++) {
        CLEANUP_FREE char *name = reference_full(&names[i]);
        strbuf_addf(&all, "%s%s", i > 0 ? "," : "", name);
    }
    if (r == 0 && count > 0)
        strmap_set(&solve->response, "image.name", strbuf_str(&all));
    return r;
}

static int export_bundle(struct solve *solve, struct solve_step *step, int number, const struct exporter *exporter,
                         const struct reference *names, size_t count, struct session *session, struct error *err)
{
    struct image_store *store = engine_images(solve->engine);
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    struct solve_bundle b;
    int r = solve_bundle_fill(&b, solve, count > 0 ? &names[0] : NULL, exporter->attrs, exporter->attr_count, err);
    if (r == 0 && kinds[exporter->place].kind == KIND_IMAGE) {
        r = export_bundle_image(solve, step, exporter, &b.bundle, names, count, err);
        if (r == 0 && b.bundle.items[0].manifest.text.size == 0)
            r = bundle_make_plain(&b.bundle, store, err);
    } else if (r == 0) {
        r = session_send_open(session, number, solve->cancel_fd, &call, err);
        if (r == 0)
            r = image_bundle_save(store, &b.bundle, names, count, session_send_bytes, &call, err);
        if (r == 0)
            r = session_send_close(&call, err);
    }
    if (r == 0) {
        tell_documents(step, &b.bundle);
        answer_bundle(solve, &b.bundle);
    }
    bundle_release(&b.bundle);
    return r;
}

/* ---- archives and files ---- */

static int export_archive(struct solve *solve, struct session *session, int number, const struct reference *names,
                          size_t count, struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    CLEANUP_STRV struct strv ids = STRV_INIT;
    strv_add(&ids, solve->result.image_id);
    const struct image_save_options options = {.names = &ids, .as = names, .as_count = count};
    int r = session_send_open(session, number, solve->cancel_fd, &call, err);
    if (r == 0)
        r = image_save(engine_images(solve->engine), &options, session_send_bytes, &call, err);
    return r < 0 ? r : session_send_close(&call, err);
}

static int export_tar(struct solve *solve, struct session *session, int number, struct error *err)
{
    CLEANUP_GRPC_CALL struct grpc_call call = GRPC_CALL_INIT;
    CLEANUP_FREE char *piece = xmalloc(PIECE);
    int r = session_send_open(session, number, solve->cancel_fd, &call, err);
    ssize_t n = 1;
    while (r == 0 && (n = fd_read_full(solve->tree_fd, piece, PIECE)) > 0)
        r = session_send_bytes(&call, piece, (size_t)n, err);
    if (r == 0 && n < 0)
        r = error_errno(err, (int)n, "read the build's files");
    return r < 0 ? r : session_send_close(&call, err);
}

static int export_local(struct solve *solve, struct session *session, int number, struct error *err)
{
    struct build_files files = BUILD_FILES_INIT;
    int r = build_files_new(solve->engine, &files, err);
    if (r == 0)
        r = build_files_receive(&files, solve->tree_fd, err);
    if (r == 0)
        r = session_send_tree(session, number, solve->cancel_fd, files.fd, err);
    build_files_release(&files);
    return r;
}

/* ---- all ---- */

static int export_one(struct solve *solve, size_t i, const struct exporter *exporter, struct error *err)
{
    struct session *session = NULL;
    struct reference *names = NULL;
    struct solve_step step;
    struct error error = {0};
    size_t count = 0;
    enum kind kind = kinds[exporter->place].kind;
    solve_step_begin(&step, solve, STEP_EXPORT + (unsigned)i, kinds[exporter->place].step);
    int r = read_names(exporter, &names, &count, &error);
    if (r == 0 && kind != KIND_IMAGE)
        r = session_get(solve->sessions, solve->request->session, solve->cancel_fd, &session, &error);
    if (r == 0 && (kind == KIND_TAR || kind == KIND_LOCAL) && lseek(solve->tree_fd, 0, SEEK_SET) < 0)
        r = error_errno(&error, errno, "lseek");
    if (r == 0) {
        r = is_bundle(solve, exporter) ? export_bundle(solve, &step, (int)i, exporter, names, count, session, &error)
            : kind == KIND_IMAGE       ? export_image(solve, &step, exporter, names, count, &error)
            : kind == KIND_ARCHIVE     ? export_archive(solve, session, (int)i, names, count, &error)
            : kind == KIND_TAR         ? export_tar(solve, session, (int)i, &error)
                                       : export_local(solve, session, (int)i, &error);
    }
    solve_step_end(&step, r < 0 ? &error : NULL);
    release_references(names, count);
    session_put(solve->sessions, session);
    return r < 0 ? error_propagate(err, &error) : 0;
}

int solve_export(struct solve *solve, struct error *err)
{
    int r = 0;
    if (!solve->built)
        return 0;
    if (solve->tree)
        r = tar_writer_finish(solve->tree, err);
    for (size_t i = 0; i < exporter_count(solve) && r == 0; i++) {
        struct exporter exporter;
        exporter_at(solve, i, &exporter);
        r = export_one(solve, i, &exporter, err);
    }
    if (r == 0 && *solve->result.image_id && solve->platform_count == 1) {
        if (!strmap_get(&solve->response, "containerimage.digest"))
            strmap_set(&solve->response, "containerimage.digest", solve->result.image_id);
        strmap_set(&solve->response, "containerimage.config.digest", solve->result.image_id);
    }
    return r;
}
