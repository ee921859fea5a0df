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
#include "daemon/userns_remap.h"

/* A stage FROM scratch without a file in it. */
static int empty_directory(struct error *err)
{
    CLEANUP_CLOSE int fs = (int)syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC);
    if (fs < 0 || syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return error_errno(err, errno, "make an empty directory");
    int fd = (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_RDONLY);
    return fd < 0 ? error_errno(err, errno, "make an empty directory") : fd;
}

static int open_stage(const struct step_context *step, size_t index, bool mapped, struct build_source *ret,
                      struct error *err)
{
    const struct build_state *state = NULL;
    struct build *build = step->run->build;
    int r = stage_wait(step->run, index, &state, err);
    if (r < 0)
        return r;
    bool empty = state->base == NULL && state->layer_count == 0;
    ret->fd = empty ? empty_directory(err) : build_state_view(build, state, mapped, err);
    if (ret->fd < 0)
        return ret->fd;
    ret->keeps_owner = true;
    memcpy(ret->key, state->key, sizeof(ret->key));
    return 0;
}

static int open_image(const struct step_context *step, const char *name, bool mapped, struct build_source *ret,
                      struct error *err)
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
    ret->fd = image->diff_ids.count == 0 ? empty_directory(err) : image_layers_view(ret->store, &base, mapped, err);
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

/* A directory once more, with mapped ids. */
static int map_directory(const struct build *build, int fd, const char *what, struct error *err)
{
    unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | (unsigned)AT_EMPTY_PATH;
    CLEANUP_CLOSE int tree = (int)syscall(SYS_open_tree, fd, "", flags);
    if (tree < 0)
        return error_errno(err, errno, "%s", what);
    int r = userns_remap_mount(engine_options(build->engine)->remap, tree, err);
    return r < 0 ? error_context(err, "%s", what) : TAKE_FD(tree);
}

static int open_directory(const struct build *build, int fd, const char *what, bool mapped, struct build_source *ret,
                          struct error *err)
{
    if (fd < 0)
        return error_set(err, ERROR_INVALID, 0, "%s: there is no build context", what);
    if (mapped) {
        ret->fd = map_directory(build, fd, what, err);
        return ret->fd < 0 ? ret->fd : 0;
    }
    ret->fd = openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return ret->fd < 0 ? error_errno(err, errno, "%s", what) : 0;
}

static int open_source(const struct step_context *step, const char *name, bool mapped, struct build_source *ret,
                       struct error *err)
{
    const struct build_options *options = step->run->build->options;
    int index = -1;
    *ret = (struct build_source){.fd = -1};
    if (name == NULL)
        return open_directory(step->run->build, options->context_fd, instruction_kind_name(step->step->kind), mapped,
                              ret, err);
    const struct build_context *context = build_context_find(options, name);
    if (context != NULL)
        return context->image != NULL ? open_image(step, context->image, mapped, ret, err)
                                      : open_directory(step->run->build, context->fd, name, mapped, ret, err);
    int r = stages_find(&step->run->build->stages, step->run->stage->index, name, &index, err);
    if (r < 0)
        return r;
    return index >= 0 ? open_stage(step, (size_t)index, mapped, ret, err) : open_image(step, name, mapped, ret, err);
}

int build_source_open(const struct step_context *step, const char *name, struct build_source *ret, struct error *err)
{
    return open_source(step, name, false, ret, err);
}

int build_source_open_for_run(const struct step_context *step, const char *name, struct build_source *ret,
                              struct error *err)
{
    return open_source(step, name, engine_options(step->run->build->engine)->remap != NULL, ret, err);
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
