/* Where COPY and RUN --mount take files from: the context, a stage, a named context, an image. */
#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/fd.h"
#include "daemon/build/execute.h"
#include "daemon/build/key.h"
#include "daemon/engine.h"

/* A stage FROM scratch without a file in it. */
static int empty_directory(struct error *err)
{
    CLEANUP_CLOSE int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, errno, "make an empty directory");
    int fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
    return fd < 0 ? error_errno(err, errno, "make an empty directory") : fd;
}

static int open_stage(const struct step_context *step, size_t index, struct build_source *ret, struct error *err)
{
    const struct build_state *state = NULL;
    struct build *build = step->run->build;
    int r = stage_wait(step->run, index, &state, err);
    if (r < 0)
        return r;
    bool empty = state->base == NULL && state->layer_count == 0;
    ret->fd = empty ? empty_directory(err) : build_state_view(build, state, err);
    if (ret->fd < 0)
        return ret->fd;
    ret->keeps_owner = true;
    memcpy(ret->key, state->key, sizeof(ret->key));
    return 0;
}

static int open_image(const struct step_context *step, const char *name, struct build_source *ret, struct error *err)
{
    struct build *build = step->run->build;
    CLEANUP_IMAGE struct image *image = NULL;
    struct key key;
    int r = build_image(build, step->info, name, build->options->platform, build->options->pull, &image, err);
    if (r < 0)
        return r;
    r = build_image_pin(engine_images(build->engine), image, err);
    if (r < 0)
        return r;
    ret->store = engine_images(build->engine);
    ret->image = image_ref(image);
    const struct draft_base base = {.image = image};
    ret->fd = image->diff_ids.count == 0 ? empty_directory(err) : image_layers_view(ret->store, &base, err);
    if (ret->fd < 0) {
        r = ret->fd;
        build_source_close(ret);
        return r;
    }
    ret->keeps_owner = true;
    key_begin(&key, "image");
    key_text(&key, image->id);
    key_final(&key, ret->key);
    return 0;
}

static int open_directory(int fd, const char *what, struct build_source *ret, struct error *err)
{
    if (fd < 0)
        return error_set(err, ERROR_INVALID, 0, "%s: there is no build context", what);
    ret->fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret->fd < 0 ? error_errno(err, errno, "%s", what) : 0;
}

int build_source_open(const struct step_context *step, const char *name, struct build_source *ret, struct error *err)
{
    const struct build_options *options = step->run->build->options;
    int index = -1;
    *ret = (struct build_source){.fd = -1};
    if (name == NULL)
        return open_directory(options->context_fd, instruction_kind_name(step->step->kind), ret, err);
    const struct build_context *context = build_context_find(options, name);
    if (context != NULL)
        return context->image != NULL ? open_image(step, context->image, ret, err)
                                      : open_directory(context->fd, name, ret, err);
    int r = stages_find(&step->run->build->stages, step->run->stage->index, name, &index, err);
    if (r < 0)
        return r;
    return index >= 0 ? open_stage(step, (size_t)index, ret, err) : open_image(step, name, ret, err);
}

void build_source_close(struct build_source *source)
{
    source->fd = fd_close(source->fd);
    if (source->image == NULL)
        return;
    build_image_unpin(source->store, source->image);
    image_unref(source->image);
    source->image = NULL;
}
