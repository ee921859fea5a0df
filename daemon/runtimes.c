#include "daemon/runtimes.h"

#include <pthread.h>
#include <string.h>

#include "base/json.h"
#include "base/memory.h"
#include "base/strbuf.h"

char *runtimes_encode(const char *path, const struct strv *arguments)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    struct json_writer w;

    json_writer_init(&w, &text);
    json_begin_array(&w);
    json_put_string(&w, path);
    for (size_t i = 0; arguments && i < arguments->count; i++)
        json_put_string(&w, arguments->items[i]);
    json_end_array(&w);
    return xstrdup(strbuf_str(&text));
}

int runtimes_decode(const char *value, struct strv *ret)
{
    CLEANUP_JSON struct json *list = NULL;
    int r = json_parse(value, strlen(value), &list, NULL);

    if (r < 0)
        return r;
    for (size_t i = 0; i < json_count(list); i++)
        strv_add(ret, json_string(json_at(list, i)));
    return 0;
}

static int unknown(const char *name, struct error *err)
{
    return error_set(err, ERROR_INVALID, 0, "unknown or invalid runtime name: %s", name);
}

const char *const runtimes_aliases[] = {"runc", "io.containerd.runc.v2", NULL};

static bool is_alias(const char *name)
{
    for (size_t i = 0; runtimes_aliases[i]; i++)
        if (strcmp(name, runtimes_aliases[i]) == 0)
            return true;
    return false;
}

int runtimes_check(const struct daemon_options *options, struct error *err)
{
    for (size_t i = 0; i < options->runtimes.count; i++) {
        const struct strmap_entry *entry = &options->runtimes.items[i];
        CLEANUP_STRV struct strv command = STRV_INIT;

        if (strcmp(entry->key, RUNTIME_BUILT_IN) == 0)
            return error_set(err, ERROR_INVALID, 0, "runtime name '" RUNTIME_BUILT_IN "' is reserved");
        if (runtimes_decode(entry->value, &command) < 0 || command.count == 0 || *command.items[0] == '\0')
            return error_set(err, ERROR_INVALID, 0, "runtime %s: its path must be configured", entry->key);
    }
    if (options->default_runtime && strcmp(options->default_runtime, RUNTIME_BUILT_IN) != 0 &&
        !is_alias(options->default_runtime) && !strmap_get(&options->runtimes, options->default_runtime))
        return error_set(err, ERROR_INVALID, 0, "specified default runtime '%s' does not exist",
                         options->default_runtime);
    return 0;
}

/* The settings as SIGHUP leaves them. */
static void lock(const struct daemon_options *options)
{
    pthread_rwlock_rdlock((pthread_rwlock_t *)&options->reload);
}

static void unlock(const struct daemon_options *options)
{
    pthread_rwlock_unlock((pthread_rwlock_t *)&options->reload);
}

char *runtimes_default(const struct daemon_options *options)
{
    char *name;

    lock(options);
    name = xstrdup(options->default_runtime ? options->default_runtime : RUNTIME_BUILT_IN);
    unlock(options);
    return name;
}

int runtimes_find(const struct daemon_options *options, const char *name, struct strv *ret, struct error *err)
{
    CLEANUP_STRV struct strv command = STRV_INIT;
    const char *value;
    int r = -1;

    if (!name || !*name || strcmp(name, RUNTIME_BUILT_IN) == 0)
        return 0;
    lock(options);
    value = strmap_get(&options->runtimes, name);
    if (value)
        r = runtimes_decode(value, &command);
    unlock(options);
    if (!value && is_alias(name))
        return 0;
    if (r < 0)
        return unknown(name, err);
    if (ret)
        strv_add_all(ret, &command);
    return 0;
}
