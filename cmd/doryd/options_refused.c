#include "cmd/doryd/options_refused.h"

#include <string.h>

#include "base/memory.h"
#include "base/parse.h"

#define NO_CONTAINERD "there is no containerd behind this daemon"
#define NO_SWARM "Swarm is not there"
#define NO_REAL_TIME "real-time scheduling is not limited for all containers together: give it to a container"

/* dockerd 28's, but for those of options_rows.c. */
static const struct refused refused_rows[] = {
    {"allow-direct-routing", NULL, true,
     "addresses of containers are reached directly with the network option gateway_mode_ipv4=nat-unprotected or "
     "routed"},
    {NULL, "builder", false, "what builds have cached is kept until builder prune removes it"},
    {"cdi-spec-dir", "cdi-spec-dirs", false, "devices by the Container Device Interface are not there"},
    {"containerd", NULL, false, NO_CONTAINERD},
    {"containerd-namespace", NULL, false, NO_CONTAINERD},
    {"containerd-plugins-namespace", "containerd-plugin-namespace", false, NO_CONTAINERD},
    {"cpu-rt-period", NULL, false, NO_REAL_TIME},
    {"cpu-rt-runtime", NULL, false, NO_REAL_TIME},
    {"cri-containerd", NULL, true, NO_CONTAINERD},
    {"default-network-opt", "default-network-opts", false, "options of networks are given to each"},
    {"experimental", NULL, true, "there is nothing that is experimental"},
    {"network-control-plane-mtu", NULL, false, NO_SWARM},
    {"node-generic-resource", "node-generic-resources", false, NO_SWARM},
    {"rootless", NULL, true, "the daemon needs root"},
    {"selinux-enabled", NULL, true, "labels of SELinux are not set"},
    {"swarm-default-advertise-addr", NULL, false, NO_SWARM},
    {"userland-proxy-path", NULL, false, "there is no proxy: ports are published by rules alone"},
};

static const char *key_of(const struct refused *row)
{
    return row->key ? row->key : row->flag;
}

const struct refused *refused_flag(const char *name, size_t size)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_rows); i++) {
        if (refused_rows[i].flag && strlen(refused_rows[i].flag) == size &&
            strncmp(refused_rows[i].flag, name, size) == 0)
            return &refused_rows[i];
    }
    return NULL;
}

const struct refused *refused_key(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused_rows); i++) {
        if (strcmp(key_of(&refused_rows[i]), key) == 0)
            return &refused_rows[i];
    }
    return NULL;
}

static int refuse(const char *name, const struct refused *refused, struct error *err)
{
    return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "%s is not supported: %s", name, refused->reason);
}

int refused_take(const struct refused *refused, const char *value, struct error *err)
{
    bool wanted = true;

    if (!value)
        return error_set(err, ERROR_INVALID, 0, "flag needs an argument: --%s", refused->flag);
    if (refused->is_bool && parse_bool(value, &wanted) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid argument \"%s\" for \"--%s\" flag: not a boolean value", value,
                         refused->flag);
    return wanted && *value ? refuse(refused->flag, refused, err) : 0;
}

static bool asks_nothing(const struct json *value)
{
    switch (value->kind) {
    case JSON_NULL:
        return true;
    case JSON_BOOL:
        return !value->boolean;
    case JSON_INTEGER:
        return value->integer == 0;
    case JSON_STRING:
        return value->string.size == 0;
    case JSON_ARRAY:
        return value->array.count == 0;
    case JSON_OBJECT:
        return value->object.count == 0;
    default:
        return false;
    }
}

int refused_take_json(const struct refused *refused, const struct json *value, struct error *err)
{
    return asks_nothing(value) ? 0 : refuse(key_of(refused), refused, err);
}
