#include <errno.h>
#include <fcntl.h>
#include <linux/seccomp.h>

#include "base/file.h"
#include "daemon/engine_internal.h"
#include "daemon/security_opt.h"
#include "runtime/seccomp.h"

static int compile_profile(const char *text, uint64_t capabilities, const void **ret_bpf, size_t *ret_size,
                           unsigned *ret_flags, struct error *err)
{
    struct oci_seccomp profile = {0};
    void *bpf = NULL;
    int r = runtime_seccomp_parse_docker(text, strlen(text), capabilities, &profile, err);
    if (r == 0 && (r = runtime_seccomp_compile(&profile, &bpf, ret_size, ret_flags, err)) < 0)
        r = error_context(err, "Decoding seccomp profile failed");
    json_table_release(&oci_seccomp_table, &profile);
    if (r == 0 && (*ret_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER)) {
        free(bpf);
        r = error_set(err, ERROR_NOT_IMPLEMENTED, ENOTSUP,
                      "Decoding seccomp profile failed: SCMP_ACT_NOTIFY needs a listener, which containers of the "
                      "daemon do not have");
    }
    if (r < 0)
        return r;
    *ret_bpf = bpf;
    return 0;
}

#define PROFILE_MAX ((size_t)4 * 1024 * 1024)

int engine_seccomp_load(struct engine *engine, struct error *err)
{
    const char *name = engine->options->seccomp_profile;
    const void *bpf = NULL;
    unsigned flags = 0;
    size_t size;
    int r;

    if (name == NULL || *name == '\0' || strcmp(name, "builtin") == 0)
        return 0;
    if (strcmp(name, "unconfined") == 0) {
        engine->seccomp_profile = xstrdup(name);
        return 0;
    }
    r = file_read(AT_FDCWD, name, PROFILE_MAX, &engine->seccomp_profile, NULL, err);
    if (r == 0)
        r = compile_profile(engine->seccomp_profile, 0, &bpf, &size, &flags, err);
    free((void *)bpf);
    return r < 0 ? error_context(err, "seccomp profile %s", name) : 0;
}

/* *ret_profile: JSON text, or NULL for the built-in one. c may be NULL: the daemon's default. */
static int choose_profile(struct engine *engine, const struct container *c, const char **ret_profile,
                          bool *ret_unconfined, struct error *err)
{
    struct security_options options = {0};
    const char *profile = engine->seccomp_profile; /* the daemon's default; NULL: the built-in one */
    int r = c == NULL ? 0 : security_options_parse(&c->host.security_opt, &options, err);
    if (r < 0)
        return r;
    if (options.seccomp_profile != NULL)
        profile = options.seccomp_profile;
    else if (options.seccomp_builtin)
        profile = NULL;
    *ret_unconfined = options.seccomp_unconfined ||
                      (c != NULL && c->host.privileged && options.seccomp_profile == NULL) ||
                      (profile != NULL && strcmp(profile, "unconfined") == 0);
    *ret_profile = profile;
    return 0;
}

int engine_seccomp_spec(struct engine *engine, const struct container *c, uint64_t capabilities,
                        struct oci_seccomp **ret, struct error *err)
{
    const char *profile = NULL;
    bool unconfined;
    int r = choose_profile(engine, c, &profile, &unconfined, err);
    if (r < 0 || unconfined)
        return r;
    struct oci_seccomp *seccomp = xcalloc(1, sizeof(*seccomp));
    if (profile == NULL)
        runtime_seccomp_default_spec(capabilities, seccomp);
    else
        r = runtime_seccomp_parse_docker(profile, strlen(profile), capabilities, seccomp, err);
    if (r < 0) {
        free(seccomp);
        return r;
    }
    *ret = seccomp;
    return 0;
}

int engine_seccomp(struct engine *engine, const struct container *c, uint64_t capabilities, const void **ret_bpf,
                   size_t *ret_size, unsigned *ret_flags, bool *ret_owned, struct error *err)
{
    *ret_bpf = NULL;
    *ret_size = 0;
    *ret_flags = 0;
    *ret_owned = false;
    const char *profile = NULL;
    bool unconfined;
    int r = choose_profile(engine, c, &profile, &unconfined, err);
    if (r < 0 || unconfined)
        return r;
    if (profile != NULL) {
        *ret_owned = true;
        return compile_profile(profile, capabilities, ret_bpf, ret_size, ret_flags, err);
    }
    pthread_mutex_lock(&engine->seccomp_lock);
    for (size_t i = 0; i < engine->seccomp_count && *ret_bpf == NULL; i++) {
        if (engine->seccomp[i].capabilities == capabilities) {
            *ret_bpf = engine->seccomp[i].bpf;
            *ret_size = engine->seccomp[i].size;
        }
    }
    void *bpf = NULL;
    if (*ret_bpf == NULL && !seccomp_cache_read(engine, capabilities, &bpf, ret_size)) {
        r = runtime_seccomp_default(capabilities, &bpf, ret_size, err);
        if (r == 0)
            seccomp_cache_write(engine, capabilities, bpf, *ret_size);
    }
    if (bpf != NULL) {
        *ret_bpf = bpf;
        *ret_owned = engine->seccomp_count == SECCOMP_CACHE_MAX;
        if (!*ret_owned)
            engine->seccomp[engine->seccomp_count++] =
                (struct seccomp_program){.capabilities = capabilities, .bpf = bpf, .size = *ret_size};
    }
    pthread_mutex_unlock(&engine->seccomp_lock);
    return r;
}
