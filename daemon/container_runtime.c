#include "daemon/container_runtime.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "daemon/engine_internal.h"
#include "daemon/runtimes.h"

#define INIT_PROGRAM_MAX ((size_t)64 * 1024 * 1024)

/* The copy is below the data root because /run, where exec roots are, is often mounted noexec. Containers see it and
 * not the shim itself: nothing that they could do to their pid 1 reaches a program that the host runs. What a former
 * daemon has copied counts for nothing: neither its time nor its size tells whether it is of this version. */
static int copy_init(struct engine *engine, const char *to, struct error *err)
{
    const char *from = engine->options->shim_path;
    CLEANUP_FREE char *program = NULL;
    struct stat st, *copied = &engine->init_original;
    size_t size;
    int r;

    if (stat(from, &st) < 0)
        return error_errno(err, errno, "%s", from);
    pthread_mutex_lock(&engine->init_lock);
    bool same = copied->st_ino == st.st_ino && copied->st_dev == st.st_dev && copied->st_size == st.st_size &&
                copied->st_ctim.tv_sec == st.st_ctim.tv_sec && copied->st_ctim.tv_nsec == st.st_ctim.tv_nsec;
    r = same && access(to, X_OK) == 0 ? 1 : file_read(AT_FDCWD, from, INIT_PROGRAM_MAX, &program, &size, err);
    if (r == 0)
        r = file_write_atomic(AT_FDCWD, to, program, size, 0755, err);
    if (r == 0)
        *copied = st;
    pthread_mutex_unlock(&engine->init_lock);
    return r < 0 ? r : 0;
}

static int choose_init(struct engine *engine, const struct container *c, struct container_runtime *ret,
                       struct error *err)
{
    const struct daemon_options *options = engine->options;
    bool wanted = c->host.init != NULL ? *c->host.init : options->init;

    if (!wanted)
        return 0;
    if (options->init_path != NULL && *options->init_path != '\0') {
        if (access(options->init_path, X_OK) < 0)
            return error_errno(err, errno, "init-path %s", options->init_path);
        ret->init_path = xstrdup(options->init_path);
        return 0;
    }
    if (ret->command.count == 0) {
        ret->built_in_init = true;
        return 0;
    }
    ret->init_path = xasprintf("%s/docker-init", options->data_root);
    return copy_init(engine, ret->init_path, err);
}

int container_runtime_choose(struct engine *engine, const struct container *c, uint64_t capabilities, bool has_netns,
                             struct container_runtime *ret, struct error *err)
{
    int r = runtimes_find(engine->options, c->host.runtime, &ret->command, err);

    if (r == 0)
        r = choose_init(engine, c, ret, err);
    if (r < 0 || ret->command.count == 0)
        return r;
    if (has_netns)
        ret->netns_path = supervisor_netns_path(engine->supervisor, c->id);
    if (has_netns && container_remap(engine, c) != NULL)
        ret->userns_path = supervisor_userns_path(engine->supervisor, c->id);
    return engine_seccomp_spec(engine, c, capabilities, &ret->seccomp, err);
}

void container_runtime_release(struct container_runtime *runtime)
{
    strv_release(&runtime->command);
    if (runtime->seccomp != NULL)
        json_table_release(&oci_seccomp_table, runtime->seccomp);
    free(runtime->seccomp);
    free(runtime->netns_path);
    free(runtime->userns_path);
    free(runtime->init_path);
    *runtime = (struct container_runtime){0};
}
