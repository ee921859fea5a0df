#include "image/curl_library.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>

#include "base/memory.h"

#define SONAME "libcurl.so.4"

static const struct {
    const char *name;
    size_t offset;
} symbols[] = {
    {"curl_global_init", offsetof(struct curl_library, global_init)},
    {"curl_global_cleanup", offsetof(struct curl_library, global_cleanup)},
    {"curl_easy_init", offsetof(struct curl_library, easy_init)},
    {"curl_easy_cleanup", offsetof(struct curl_library, easy_cleanup)},
    {"curl_easy_reset", offsetof(struct curl_library, easy_reset)},
    {"curl_easy_setopt", offsetof(struct curl_library, setopt)},
    {"curl_easy_getinfo", offsetof(struct curl_library, getinfo)},
    {"curl_easy_perform", offsetof(struct curl_library, perform)},
    {"curl_easy_strerror", offsetof(struct curl_library, strerror)},
    {"curl_free", offsetof(struct curl_library, free)},
    {"curl_slist_append", offsetof(struct curl_library, slist_append)},
    {"curl_slist_free_all", offsetof(struct curl_library, slist_free_all)},
    {"curl_url", offsetof(struct curl_library, url)},
    {"curl_url_cleanup", offsetof(struct curl_library, url_cleanup)},
    {"curl_url_set", offsetof(struct curl_library, url_set)},
    {"curl_url_get", offsetof(struct curl_library, url_get)},
};

/* The one piece of process-wide state: a library can be loaded and initialised only once per process. */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct curl_library library;
static void *handle;
static unsigned users;

static int find_symbols(struct error *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(symbols); i++) {
        void *symbol = dlsym(handle, symbols[i].name);
        if (!symbol)
            return error_set(err, ERROR_SYSTEM, ENOENT, "%s has no %s", SONAME, symbols[i].name);
        memcpy((char *)&library + symbols[i].offset, &symbol, sizeof symbol);
    }
    if (library.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return error_set(err, ERROR_SYSTEM, EIO, "cannot initialise %s", SONAME);
    return 0;
}

static int load(struct error *err)
{
    handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (!handle)
        return error_set(err, ERROR_SYSTEM, ENOENT, "cannot load the HTTP client library: %s", dlerror());
    int rc = find_symbols(err);
    if (rc < 0) {
        dlclose(handle);
        handle = NULL;
    }
    return rc;
}

int curl_library_get(const struct curl_library **ret, struct error *err)
{
    pthread_mutex_lock(&mutex);
    int rc = handle ? 0 : load(err);
    if (rc == 0) {
        users++;
        *ret = &library;
    }
    pthread_mutex_unlock(&mutex);
    return rc;
}

void curl_library_put(const struct curl_library *used)
{
    if (!used)
        return;
    pthread_mutex_lock(&mutex);
    if (--users == 0) {
        /* OpenSSL below it keeps itself in memory; all the rest goes. */
        library.global_cleanup();
        dlclose(handle);
        handle = NULL;
    }
    pthread_mutex_unlock(&mutex);
}

void curl_library_keep(void)
{
    pthread_mutex_lock(&mutex);
    users++;
    pthread_mutex_unlock(&mutex);
}
