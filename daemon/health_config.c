#include "daemon/health_config.h"

#define SECOND INT64_C(1000000000)
#define MINIMUM INT64_C(1000000)

void health_config_merge(struct container_config *config, const struct container_config *image)
{
    const struct health_config *from = image->healthcheck;
    if (from == NULL)
        return;
    if (config->healthcheck == NULL)
        config->healthcheck = xcalloc(1, sizeof(*config->healthcheck));
    struct health_config *to = config->healthcheck;
    if (to->test.count == 0)
        strv_copy(&to->test, &from->test);
    if (to->interval == 0)
        to->interval = from->interval;
    if (to->timeout == 0)
        to->timeout = from->timeout;
    if (to->start_period == 0)
        to->start_period = from->start_period;
    if (to->start_interval == 0)
        to->start_interval = from->start_interval;
    if (to->retries == 0)
        to->retries = from->retries;
}

int health_config_validate(const struct health_config *config, struct error *err)
{
    if (config == NULL)
        return 0;
    const struct {
        const char *name;
        int64_t value;
    } times[] = {{"Interval", config->interval},
                 {"Timeout", config->timeout},
                 {"StartPeriod", config->start_period},
                 {"StartInterval", config->start_interval}};
    for (size_t i = 0; i < ARRAY_SIZE(times); i++)
        if (times[i].value != 0 && times[i].value < MINIMUM)
            return error_set(err, ERROR_INVALID, 0, "%s in Healthcheck cannot be less than 1ms", times[i].name);
    if (config->retries < 0)
        return error_set(err, ERROR_INVALID, 0, "Retries in Healthcheck cannot be negative");
    const char *kind = config->test.count > 0 ? config->test.items[0] : "";
    bool none = *kind == '\0' || strcmp(kind, "NONE") == 0;
    if (!none && strcmp(kind, "CMD") != 0 && strcmp(kind, "CMD-SHELL") != 0)
        return error_set(err, ERROR_INVALID, 0, "Unknown type \"%s\" in Healthcheck (try CMD)", kind);
    if (!none && config->test.count < 2)
        return error_set(err, ERROR_INVALID, 0, "Missing command after Healthcheck %s", kind);
    return 0;
}

bool health_config_has_check(const struct container_config *config)
{
    const struct health_config *h = config->healthcheck;
    return h != NULL && h->test.count > 1 && strcmp(h->test.items[0], "NONE") != 0;
}

void health_config_command(const struct container_config *config, struct strv *ret)
{
    const struct strv *test = &config->healthcheck->test;
    bool shell = strcmp(test->items[0], "CMD-SHELL") == 0;
    if (shell && config->shell.count > 0) {
        strv_add_all(ret, &config->shell);
    } else if (shell) {
        strv_add(ret, "/bin/sh");
        strv_add(ret, "-c");
    }
    for (size_t i = 1; i < test->count; i++)
        strv_add(ret, test->items[i]);
}

int64_t health_config_interval(const struct health_config *config)
{
    return config->interval != 0 ? config->interval : 30 * SECOND;
}

int64_t health_config_timeout(const struct health_config *config)
{
    return config->timeout != 0 ? config->timeout : 30 * SECOND;
}

int64_t health_config_start_interval(const struct health_config *config)
{
    return config->start_interval != 0 ? config->start_interval : 5 * SECOND;
}

int64_t health_config_retries(const struct health_config *config)
{
    return config->retries != 0 ? config->retries : 3;
}
