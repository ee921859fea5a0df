#include "daemon/ulimits.h"

#include "base/parse.h"
#include "daemon/host_config.h"

static const struct {
    const char *name, *rlimit;
} names[] = {
    {"core", "RLIMIT_CORE"},         {"cpu", "RLIMIT_CPU"},
    {"data", "RLIMIT_DATA"},         {"fsize", "RLIMIT_FSIZE"},
    {"locks", "RLIMIT_LOCKS"},       {"memlock", "RLIMIT_MEMLOCK"},
    {"msgqueue", "RLIMIT_MSGQUEUE"}, {"nice", "RLIMIT_NICE"},
    {"nofile", "RLIMIT_NOFILE"},     {"nproc", "RLIMIT_NPROC"},
    {"rss", "RLIMIT_RSS"},           {"rtprio", "RLIMIT_RTPRIO"},
    {"rttime", "RLIMIT_RTTIME"},     {"sigpending", "RLIMIT_SIGPENDING"},
    {"stack", "RLIMIT_STACK"},
};

const char *ulimit_rlimit_name(const char *name)
{
    for (size_t i = 0; name != NULL && i < ARRAY_SIZE(names); i++)
        if (strcmp(names[i].name, name) == 0)
            return names[i].rlimit;
    return NULL;
}

int ulimit_parse(const char *name, const char *value, int64_t *ret_soft, int64_t *ret_hard, struct error *err)
{
    CLEANUP_FREE char *first = xstrndup(value, strcspn(value, ":"));
    const char *second = strchr(value, ':');

    if (ulimit_rlimit_name(name) == NULL)
        return error_set(err, ERROR_INVALID, 0, "invalid ulimit type: %s", name);
    if (parse_int64(first, -1, INT64_MAX, ret_soft) < 0 ||
        parse_int64(second != NULL ? second + 1 : first, -1, INT64_MAX, ret_hard) < 0)
        return error_set(err, ERROR_INVALID, 0, "invalid ulimit argument: %s=%s", name, value);
    if (*ret_hard >= 0 && (*ret_soft > *ret_hard || *ret_soft < 0))
        return error_set(err, ERROR_INVALID, 0,
                         "ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
                         (long long)*ret_soft, (long long)*ret_hard);
    return 0;
}

int ulimits_validate(const struct host_config *host, struct error *err)
{
    const struct ulimit *items = host->ulimits.items;
    for (size_t i = 0; i < host->ulimits.count; i++) {
        if (ulimit_rlimit_name(items[i].name) == NULL)
            return error_set(err, ERROR_INVALID, 0, "invalid ulimit type: %s", items[i].name ? items[i].name : "");
        if (items[i].hard >= 0 && (items[i].soft > items[i].hard || items[i].soft < -1))
            return error_set(err, ERROR_INVALID, 0,
                             "ulimit soft limit must be less than or equal to hard limit: %lld > %lld",
                             (long long)items[i].soft, (long long)items[i].hard);
        if (items[i].hard < -1)
            return error_set(err, ERROR_INVALID, 0, "invalid ulimit %s: %lld", items[i].name, (long long)items[i].hard);
    }
    return 0;
}
