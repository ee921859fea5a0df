#include <arpa/inet.h>
#include <string.h>

#include "cmd/dory/compose/validate.h"

static int file_object(const char *section, const struct yaml_pair *pair, struct error *err)
{
    bool config = strcmp(section, "configs") == 0;
    const struct yaml *object = pair->value;
    int count = (yaml_get(object, "file") != NULL) + (yaml_get(object, "environment") != NULL) +
                (yaml_get(object, "content") != NULL);
    const char *keys = config ? "file|environment|content" : "file|environment";
    if (count > 1)
        return yaml_error(&pair->place, err, "%s.%s: %s attributes are mutually exclusive", section, pair->key, keys);
    if (count == 0 && !yaml_get(object, "driver") && !yaml_get(object, "external"))
        return yaml_error(&pair->place, err, "%s.%s: one of %s must be set", section, pair->key, keys);
    return 0;
}

static int volume(const struct yaml_pair *pair, struct error *err)
{
    const struct yaml *external = yaml_get(pair->value, "external");
    if (!yaml_is(external, YAML_BOOL) || !external->boolean)
        return 0;
    for (size_t i = 0; i < pair->value->count; i++) {
        const struct yaml_pair *member = &pair->value->pairs[i];
        if (strcmp(member->key, "external") != 0 && strcmp(member->key, "name") != 0 &&
            strncmp(member->key, "x-", 2) != 0)
            return yaml_error(&member->place, err,
                              "volumes.%s: conflicting parameters \"external\" and \"%s\" specified", pair->key,
                              member->key);
    }
    return 0;
}

static int service(const struct yaml_pair *pair, struct error *err)
{
    const struct yaml *ports = yaml_get(pair->value, "ports");
    const struct yaml *watch = yaml_get(yaml_get(pair->value, "develop"), "watch");
    const struct yaml *volumes = yaml_get(pair->value, "volumes"),
                      *resources = yaml_get(yaml_get(pair->value, "deploy"), "resources");
    const struct yaml *devices = yaml_get(yaml_get(resources, "reservations"), "devices");
    unsigned char address[16];
    for (size_t i = 0; i < yaml_count(ports); i++) {
        const struct yaml *port = ports->pairs[i].value;
        const char *ip = yaml_get_text(port, "host_ip");
        if (ip && !strchr(ip, '$') && inet_pton(AF_INET, ip, address) != 1 && inet_pton(AF_INET6, ip, address) != 1)
            return yaml_error(&port->place, err, "services.%s.ports.%zu: invalid ip address: %s", pair->key, i, ip);
        if (port->kind == YAML_MAPPING && !yaml_get(port, "target"))
            return yaml_error(&port->place, err, "service ports services.%s.ports.%zu is missing a target port",
                              pair->key, i);
    }
    for (size_t i = 0; i < yaml_count(devices); i++) {
        const struct yaml *request = devices->pairs[i].value;
        if (yaml_get(request, "count") && yaml_get(request, "device_ids"))
            return yaml_error(&request->place, err,
                              "services.%s.deploy.resources.reservations.devices.%zu: \"count\" and \"device_ids\" "
                              "attributes are exclusive",
                              pair->key, i);
    }
    for (size_t i = 0; i < yaml_count(watch); i++) {
        const char *path = yaml_get_text(watch->pairs[i].value, "path");
        if (!path || !*path)
            return yaml_error(&watch->pairs[i].place, err, "services.%s.develop.watch.%zu.path: value can't be blank",
                              pair->key, i);
    }
    for (size_t i = 0; i < yaml_count(volumes); i++) {
        const struct yaml *mount = volumes->pairs[i].value;
        const char *type = yaml_get_text(mount, "type");
        if (mount->kind == YAML_MAPPING && !yaml_get(mount, "target"))
            return yaml_error(&mount->place, err, "service volume services.%s.volumes.%zu is missing a mount target",
                              pair->key, i);
        if (type && strcmp(type, "bind") == 0 && !yaml_get(mount, "source"))
            return yaml_error(&mount->place, err,
                              "invalid mount config for type \"bind\": field Source must not be empty");
    }
    return 0;
}

int validate_objects(const struct yaml *root, struct error *err)
{
    static const char *const sections[] = {"secrets", "configs"};
    const struct yaml *services = yaml_get(root, "services"), *volumes = yaml_get(root, "volumes");
    int r = 0;
    for (size_t s = 0; s < ARRAY_SIZE(sections); s++) {
        const struct yaml *objects = yaml_get(root, sections[s]);
        for (size_t i = 0; r == 0 && i < yaml_count(objects); i++)
            r = file_object(sections[s], &objects->pairs[i], err);
    }
    for (size_t i = 0; r == 0 && i < yaml_count(volumes); i++)
        r = yaml_is(volumes->pairs[i].value, YAML_MAPPING) ? volume(&volumes->pairs[i], err) : 0;
    for (size_t i = 0; r == 0 && i < yaml_count(services); i++)
        r = service(&services->pairs[i], err);
    return r;
}
