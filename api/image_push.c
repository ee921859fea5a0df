/* POST /images/{}/push */
#include "api/images.h"

#include "daemon/engine.h"

/* {"progressDetail": {}, "aux": and what the caller writes, until end_aux() sends it. */
static void begin_aux(struct json_writer *w, struct strbuf *line)
{
    json_writer_init(w, line);
    json_begin_object(w);
    json_key(w, "progressDetail");
    json_begin_object(w);
    json_end_object(w);
    json_key(w, "aux");
}

static void end_aux(struct json_writer *w, struct strbuf *line, void *stream)
{
    json_end_object(w);
    strbuf_adds(line, "\r\n");
    images_stream_send(stream, line);
}

/* What clients read the digest from. */
static void on_pushed(const char *tag, const char *digest, int64_t size, void *data)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    struct json_writer w;

    begin_aux(&w, &line);
    json_begin_object(&w);
    json_member_string(&w, "Tag", tag);
    json_member_string(&w, "Digest", digest);
    json_member_int(&w, "Size", size);
    json_end_object(&w);
    end_aux(&w, &line, data);
}

/* Docker's command makes a note of it. */
static void on_instead(const struct image_pushed_instead *what, void *data)
{
    CLEANUP_STRBUF struct strbuf line = STRBUF_INIT;
    struct json_writer w;

    begin_aux(&w, &line);
    images_write_instead(&w, what);
    end_aux(&w, &line, data);
}

static int push(struct engine *engine, const struct reference *ref, const struct registry_auth *auth,
                const char *platform, struct images_stream *stream, struct error *err)
{
    struct registry_config registries = {0};
    struct image_push_options options = {.ref = ref,
                                         .auth = auth,
                                         .registries = &registries,
                                         .platform = platform,
                                         .concurrent_uploads = (int)engine_options(engine)->max_concurrent_uploads,
                                         .progress = images_stream_progress,
                                         .gone = images_stream_gone,
                                         .pushed = on_pushed,
                                         .instead = on_instead,
                                         .data = stream};
    CLEANUP_FREE char *name = ref->tag ? reference_familiar(ref) : reference_familiar_name(ref);
    CLEANUP_FREE char *name_only = reference_familiar_name(ref);
    int r;

    images_copy_registries(engine, &registries);
    r = image_push(engine_images(engine), &options, err);
    if (r == 0)
        engine_image_event(engine, "push", name, name_only);
    images_release_registries(&registries);
    return r;
}

int images_push(struct api_request *request, struct engine *engine, struct error *err)
{
    struct images_stream stream = {.request = request, .client_fd = api_client_fd(request)};
    struct registry_auth auth = {0};
    struct reference ref = {0};
    struct error error = {0};
    CLEANUP_FREE char *platform = NULL;
    const char *tag = api_query(request, "tag");
    int r = reference_parse(api_path(request, 0), &ref, &error);

    if (r == 0)
        r = images_platform(request, &platform, &error);
    if (r == 0 && tag && *tag) {
        reference_release(&ref);
        r = images_reference(api_path(request, 0), tag, &ref, &error);
    }
    if (r == 0)
        r = images_read_auth(request, &auth, &error);
    if (r == 0)
        r = push(engine, &ref, &auth, platform, &stream, &error);
    json_table_release(&images_auth_table, &auth);
    reference_release(&ref);
    error_propagate(err, &error);
    return images_stream_end(&stream, r, &error);
}
