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

static int port(const char *service, size_t i, const struct yaml *port, struct error *err)
{
    const char *ip = yaml_get_text(port, "host_ip");
    const struct yaml *target = yaml_get(port, "target");
    unsigned char address[16];
    if (ip && !strchr(ip, '$') && inet_pton(AF_INET, ip, address) != 1 && inet_pton(AF_INET6, ip, address) != 1)
        return yaml_error(&port->place, err, "services.%s.ports.%zu: invalid ip address: %s", service, i, ip);
    if (port->kind == YAML_MAPPING && (!target || (target->kind == YAML_INTEGER && target->integer == 0)))
        return yaml_error(&port->place, err, "service ports services.%s.ports.%zu is missing a target port", service,
                          i);
    return 0;
}

static int device_request(const char *service, size_t i, const struct yaml *request, struct error *err)
{
    if (!yaml_get(request, "count") || !yaml_get(request, "device_ids"))
        return 0;
    return yaml_error(&request->place, err,
                      "services.%s.deploy.resources.reservations.devices.%zu: \"count\" and \"device_ids\" attributes "
                      "are exclusive",
                      service, i);
}

static int watch(const char *service, size_t i, const struct yaml *watch, struct error *err)
{
    const char *path = yaml_get_text(watch, "path");
    if (path && *path)
        return 0;
    return yaml_error(&watch->place, err, "services.%s.develop.watch.%zu.path: value can't be blank", service, i);
}

static int device(const char *service, size_t i, const struct yaml *device, struct error *err)
{
    if (device->kind != YAML_MAPPING || yaml_get(device, "target"))
        return 0;
    return yaml_error(&device->place, err, "service device services.%s.devices.%zu is missing a mount target", service,
                      i);
}

static int mount(const char *service, size_t i, const struct yaml *mount, struct error *err)
{
    const char *type = yaml_get_text(mount, "type");
    if (mount->kind == YAML_MAPPING && !yaml_get(mount, "target"))
        return yaml_error(&mount->place, err, "service volume services.%s.volumes.%zu is missing a mount target",
                          service, i);
    if (type && strcmp(type, "bind") == 0 && !yaml_get(mount, "source"))
        return yaml_error(&mount->place, err, "invalid mount config for type \"bind\": field Source must not be empty");
    return 0;
}

/* [a-zA-Z0-9][a-zA-Z0-9_.-]+, as the daemon wants it too; where variables stay it is not known yet. */
static int container_name(const struct yaml_pair *pair, struct error *err)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
    const struct yaml *name = yaml_get(pair->value, "container_name");
    if (!yaml_text(name) || strchr(name->text, '$'))
        return 0;
    size_t size = strlen(name->text);
    if (size >= 2 && !strchr("_.-", *name->text) && strspn(name->text, letters) == size)
        return 0;
    return yaml_error(&name->place, err,
                      "services.%s.container_name '%s' does not match pattern '[a-zA-Z0-9][a-zA-Z0-9_.-]+'", pair->key,
                      name->text);
}

/* every_12h, every_1d12h ... */
static bool is_interval(const char *text)
{
    if (strncmp(text, "every_", 6) != 0 || !text[6])
        return false;
    for (text += 6; *text; text++) {
        size_t digits = strspn(text, "0123456789");
        text += digits;
        if (digits == 0 || !*text || !strchr("wdhms", *text))
            return false;
    }
    return true;
}

static int pull_policy(const struct yaml_pair *pair, struct error *err)
{
    static const char *const words[] = {"always",  "never",   "build", "if_not_present",
                                        "missing", "refresh", "daily", "weekly"};
    const struct yaml *policy = yaml_get(pair->value, "pull_policy");
    if (!yaml_text(policy) || strchr(policy->text, '$') || is_interval(policy->text))
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (strcmp(policy->text, words[i]) == 0)
            return 0;
    }
    return yaml_error(&policy->place, err,
                      "services.%s.pull_policy '%s' is none of always, never, build, missing, if_not_present, refresh, "
                      "daily, weekly and every_<time>",
                      pair->key, policy->text);
}

static int service(const struct yaml_pair *pair, struct error *err)
{
    typedef int (*check_fn)(const char *service, size_t i, const struct yaml *item, struct error *err);
    const struct yaml *resources = yaml_get(yaml_get(pair->value, "deploy"), "resources");
    const struct {
        const struct yaml *list;
        check_fn check;
    } rows[] = {{yaml_get(pair->value, "ports"), port},
                {yaml_get(yaml_get(resources, "reservations"), "devices"), device_request},
                {yaml_get(yaml_get(pair->value, "develop"), "watch"), watch},
                {yaml_get(pair->value, "devices"), device},
                {yaml_get(pair->value, "volumes"), mount}};
    int r = container_name(pair, err);
    if (r == 0)
        r = pull_policy(pair, err);
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        for (size_t i = 0; r == 0 && i < yaml_count(rows[row].list); i++)
            r = rows[row].check(pair->key, i, rows[row].list->pairs[i].value, err);
    }
    return r;
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
