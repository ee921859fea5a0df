#include "daemon/container_filters.h"

#include <errno.h>
#include <regex.h>

#include "base/parse.h"

bool filter_labels_match(const struct json *values, const struct strmap *labels)
{
    for (size_t i = 0; i < json_count(values); i++) {
        const char *wanted = json_string(json_at(values, i));
        const char *equals = strchr(wanted, '=');
        CLEANUP_FREE char *key = xstrndup(wanted, equals ? (size_t)(equals - wanted) : strlen(wanted));
        const char *value = strmap_get(labels, key);
        if (value == NULL || (equals != NULL && strcmp(value, equals + 1) != 0))
            return false;
    }
    return true;
}

bool filter_text_matches(const char *text, const char *pattern)
{
    if (strstr(text, pattern) != NULL)
        return true;
    if (strlen(pattern) > 256)
        return false;
    regex_t regex;
    if (regcomp(&regex, pattern, REG_EXTENDED | REG_NOSUB) != 0)
        return false;
    bool match = regexec(&regex, text, 0, NULL, 0) == 0;
    regfree(&regex);
    return match;
}

static bool name_matches(const char *name, const char *pattern)
{
    CLEANUP_FREE char *slashed = xasprintf("/%s", name);
    return filter_text_matches(name, pattern) || filter_text_matches(slashed, pattern);
}

static bool network_matches(const struct container_facts *f, const char *wanted)
{
    for (size_t i = 0; i < f->network_count; i++) {
        const struct endpoint_settings *n = &f->networks[i];
        if (strcmp(n->name, wanted) == 0)
            return true;
        if (n->network_id != NULL && *wanted != '\0' && strncmp(n->network_id, wanted, strlen(wanted)) == 0)
            return true;
    }
    return false;
}

static bool mount_matches(const struct container_facts *f, const char *wanted)
{
    for (size_t i = 0; i < f->mount_count; i++) {
        const struct mount_point *m = &f->mounts[i];
        if ((m->name != NULL && strcmp(m->name, wanted) == 0) || strcmp(m->destination, wanted) == 0 ||
            (m->source != NULL && strcmp(m->source, wanted) == 0))
            return true;
    }
    return false;
}

/* "80", "80/tcp", "8000-8010/udp" */
static int parse_ports(const char *wanted, int64_t *ret_first, int64_t *ret_last, const char **ret_protocol)
{
    const char *slash = strchr(wanted, '/');
    CLEANUP_FREE char *range = xstrndup(wanted, slash ? (size_t)(slash - wanted) : strlen(wanted));
    char *dash = strchr(range, '-');
    *ret_protocol = slash ? slash + 1 : "tcp";
    if (dash != NULL)
        *dash++ = '\0';
    int r = parse_int64(range, 0, UINT16_MAX, ret_first);
    *ret_last = *ret_first;
    return r == 0 && dash != NULL ? parse_int64(dash, *ret_first, UINT16_MAX, ret_last) : r;
}

/* Against "80/tcp" entries and ranges. */
static bool port_matches(const struct strv *ports, const char *wanted)
{
    const char *protocol;
    int64_t first, last;
    if (parse_ports(wanted, &first, &last, &protocol) < 0)
        return false;
    for (size_t i = 0; i < ports->count; i++) {
        const char *own;
        int64_t own_first, own_last;
        if (parse_ports(ports->items[i], &own_first, &own_last, &own) == 0 && own_last >= first && own_first <= last &&
            strcmp(own, protocol) == 0)
            return true;
    }
    return false;
}

static bool matches_value(const struct container_facts *f, const char *name, const char *wanted)
{
    int64_t n;
    if (strcmp(name, "id") == 0)
        return strncmp(f->id, wanted, strlen(wanted)) == 0 || filter_text_matches(f->id, wanted);
    if (strcmp(name, "name") == 0)
        return name_matches(f->name, wanted);
    if (strcmp(name, "status") == 0)
        return strcmp(container_state_name(f->state), wanted) == 0;
    if (strcmp(name, "exited") == 0)
        return f->state == CONTAINER_EXITED && parse_int64(wanted, INT32_MIN, INT32_MAX, &n) == 0 && n == f->exit_code;
    if (strcmp(name, "ancestor") == 0)
        return strv_contains(f->ancestors, wanted);
    if (strcmp(name, "volume") == 0)
        return mount_matches(f, wanted);
    if (strcmp(name, "network") == 0)
        return network_matches(f, wanted);
    if (strcmp(name, "publish") == 0)
        return port_matches(f->published, wanted);
    if (strcmp(name, "expose") == 0)
        return port_matches(f->exposed, wanted) || port_matches(f->ports, wanted);
    if (strcmp(name, "health") == 0)
        return strcmp(wanted, f->health != NULL ? f->health : "none") == 0;
    if (strcmp(name, "isolation") == 0)
        return strcmp(wanted, "default") == 0;
    bool flag;
    if (strcmp(name, "is-task") == 0)
        return parse_bool(wanted, &flag) == 0 && !flag;
    return true;
}

bool container_filters_match(const struct json *filters, const struct container_facts *f)
{
    if (filters == NULL || filters->kind != JSON_OBJECT)
        return true;
    for (size_t i = 0; i < filters->object.count; i++) {
        const char *name = filters->object.keys[i];
        const struct json *values = &filters->object.values[i];
        if (json_count(values) == 0)
            continue;
        if (strcmp(name, "label") == 0) {
            if (!filter_labels_match(values, f->labels))
                return false;
            continue;
        }
        if ((strcmp(name, "before") == 0 && f->before != 0 && f->created >= f->before) ||
            (strcmp(name, "since") == 0 && f->since != 0 && f->created <= f->since))
            return false;
        bool any = false;
        for (size_t j = 0; j < json_count(values) && !any; j++)
            any = matches_value(f, name, json_string(json_at(values, j)));
        if (!any)
            return false;
    }
    return true;
}

static int check_ports(const char *value)
{
    const char *protocol;
    int64_t first, last;
    return parse_ports(value, &first, &last, &protocol);
}

static int check_status(const char *value)
{
    enum container_state state;
    return container_state_parse(value, &state);
}

static int check_exit_code(const char *value)
{
    int64_t n;
    return parse_int64(value, INT32_MIN, INT32_MAX, &n);
}

static int check_flag(const char *value)
{
    bool flag;
    return parse_bool(value, &flag);
}

int container_filters_check(const struct json *filters, struct error *err)
{
    static const struct {
        const char *name;
        int (*check)(const char *value);
    } rows[] = {{"status", check_status},
                {"exited", check_exit_code},
                {"publish", check_ports},
                {"expose", check_ports},
                {"is-task", check_flag}};
    static const char *const health[] = {"none", "starting", "healthy", "unhealthy"};
    for (size_t row = 0; row < ARRAY_SIZE(rows); row++) {
        const struct json *values = json_get(filters, rows[row].name);
        for (size_t i = 0; i < json_count(values); i++)
            if (rows[row].check(json_string(json_at(values, i))) < 0)
                return error_set(err, ERROR_INVALID, 0, "invalid filter '%s=%s'", rows[row].name,
                                 json_string(json_at(values, i)));
    }
    const struct json *values = json_get(filters, "health");
    for (size_t i = 0; i < json_count(values); i++) {
        bool ok = false;
        for (size_t j = 0; j < ARRAY_SIZE(health); j++)
            ok = ok || strcmp(json_string(json_at(values, i)), health[j]) == 0;
        if (!ok)
            return error_set(err, ERROR_INVALID, 0, "unrecognised filter value for health: %s",
                             json_string(json_at(values, i)));
    }
    return 0;
}
