/* HEALTHCHECK and EXPOSE: options with values of their own. */
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "daemon/build/step_internal.h"

#define MINIMUM_NS 1000000 /* docker's shortest duration */

static int set_duration(const struct step_context *c, const char *name, int64_t *ret, struct error *err)
{
    const char *text = instruction_flag(c->instruction, name);
    if (text == NULL || *text == '\0')
        return 0;
    int64_t value;
    if (parse_duration(text, &value) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "time: invalid duration \"%s\"", text);
    if (value != 0 && value < MINIMUM_NS)
        return error_set(err, ERROR_INVALID, EINVAL, "Interval \"%s\" cannot be less than 1ms", name);
    *ret = value;
    return 0;
}

static int set_options(const struct step_context *c, struct health_config *health, struct error *err)
{
    const struct {
        const char *name;
        int64_t *value;
    } durations[] = {
        {"interval", &health->interval},
        {"timeout", &health->timeout},
        {"start-period", &health->start_period},
        {"start-interval", &health->start_interval},
    };
    const char *retries = instruction_flag(c->instruction, "retries");
    for (size_t i = 0; i < ARRAY_SIZE(durations); i++) {
        int r = set_duration(c, durations[i].name, durations[i].value, err);
        if (r < 0)
            return r;
    }
    if (retries == NULL || *retries == '\0')
        return 0;
    if (parse_int64(retries, INT32_MIN, INT32_MAX, &health->retries) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid --retries \"%s\": a number is needed", retries);
    if (health->retries < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "--retries cannot be negative (%s)", retries);
    return 0;
}

int step_health_evaluate(const struct step_context *c, struct health_config *ret, struct error *err)
{
    const struct strv *words = &c->instruction->words;
    if (words->count == 0)
        return step_needs_arguments(c, err);
    if (strcasecmp(words->items[0], "NONE") == 0) {
        strv_add(&ret->test, "NONE");
        if (words->count > 1 || c->instruction->flag_count > 0)
            return error_set(err, ERROR_INVALID, EINVAL, "HEALTHCHECK NONE takes no arguments");
        return 0;
    }
    if (strcasecmp(words->items[0], "CMD") != 0)
        return error_set(err, ERROR_INVALID, EINVAL, "Unknown type \"%s\" in HEALTHCHECK (try CMD)", words->items[0]);
    if (words->count == 1)
        return error_set(err, ERROR_INVALID, EINVAL, "Missing command after HEALTHCHECK CMD");
    strv_add(&ret->test, c->instruction->json ? "CMD" : "CMD-SHELL");
    for (size_t i = 1; i < words->count; i++)
        strv_add(&ret->test, words->items[i]);
    return set_options(c, ret, err);
}

int step_expose_ports(const char *word, struct strv *ret, struct error *err)
{
    static const char *const protocols[] = {"tcp", "udp", "sctp"};
    const char *colon = strrchr(word, ':'), *protocol = NULL;
    CLEANUP_FREE char *port = xstrdup(colon != NULL ? colon + 1 : word);
    char *slash = strchr(port, '/');
    uint64_t first, last;
    if (slash != NULL)
        *slash = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(protocols); i++)
        if (strcasecmp(slash != NULL && slash[1] != '\0' ? slash + 1 : "tcp", protocols[i]) == 0)
            protocol = protocols[i];
    if (protocol == NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid proto: %s", slash + 1);
    char *dash = strchr(port, '-');
    if (dash != NULL)
        *dash = '\0';
    if (*port == '\0')
        return error_set(err, ERROR_INVALID, EINVAL, "no port specified: %s<empty>", word);
    if (parse_uint64(port, 65535, &first) < 0 || parse_uint64(dash != NULL ? dash + 1 : port, 65535, &last) < 0 ||
        last < first)
        return error_set(err, ERROR_INVALID, EINVAL, "invalid containerPort: %s%s%s", port, dash ? "-" : "",
                         dash ? dash + 1 : "");
    for (uint64_t n = first; n <= last; n++) {
        CLEANUP_FREE char *text = xasprintf("%u/%s", (unsigned)n, protocol);
        if (!strv_contains(ret, text))
            strv_add(ret, text);
    }
    return 0;
}
