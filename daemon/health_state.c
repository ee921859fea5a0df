#include "daemon/health_state.h"

#include <errno.h>

#include "base/timestamp.h"

static const char *const names[] = {[HEALTH_NONE] = "none",
                                    [HEALTH_STARTING] = "starting",
                                    [HEALTH_HEALTHY] = "healthy",
                                    [HEALTH_UNHEALTHY] = "unhealthy"};

const char *health_status_name(enum health_status status)
{
    return names[status];
}

/* ---- JSON ---- */

static int status_decode(const struct json *value, void *field, struct error *err)
{
    const char *text = json_string(value);
    for (size_t i = 0; text != NULL && i < ARRAY_SIZE(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            *(enum health_status *)field = (enum health_status)i;
            return 0;
        }
    }
    return error_set(err, ERROR_INVALID, EINVAL, "expected a health status");
}

static void status_encode(const void *field, struct json_writer *w)
{
    json_put_string(w, names[*(const enum health_status *)field]);
}

static const struct json_custom status_custom = {.decode = status_decode, .encode = status_encode};

static int time_decode(const struct json *value, void *field, struct error *err)
{
    const char *text = json_string(value);
    if (text == NULL || timestamp_parse(text, field) < 0)
        return error_set(err, ERROR_INVALID, EINVAL, "expected a time");
    return 0;
}

static void time_encode(const void *field, struct json_writer *w)
{
    char text[TIMESTAMP_MAX];
    timestamp_format(text, *(const int64_t *)field);
    json_put_string(w, text);
}

static const struct json_custom time_custom = {.decode = time_decode, .encode = time_encode};

#define ROW(holder, kind, json, member, ...)                                                                           \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct holder, member), ##__VA_ARGS__              \
    }

static const struct json_field result_rows[] = {
    ROW(health_result, CUSTOM, "Start", start, .custom = &time_custom),
    ROW(health_result, CUSTOM, "End", end, .custom = &time_custom),
    ROW(health_result, INT, "ExitCode", exit_code),
    ROW(health_result, STRING, "Output", output),
};
static const struct json_table result_table = JSON_TABLE(struct health_result, result_rows);

static const struct json_field state_rows[] = {
    ROW(health_state, CUSTOM, "Status", status, .custom = &status_custom),
    ROW(health_state, INT, "FailingStreak", failing_streak),
    ROW(health_state, ARRAY, "Log", log, .table = &result_table),
};
const struct json_table health_state_table = JSON_TABLE(struct health_state, state_rows);

/* ---- the rules ---- */

void health_state_begin(struct health_state *health)
{
    health->status = HEALTH_STARTING;
    health->failing_streak = 0;
}

void health_state_stop(struct health_state *health)
{
    if (health->status != HEALTH_NONE)
        health->status = HEALTH_UNHEALTHY;
}

static void add_to_log(struct health_state *health, const struct health_result *result)
{
    struct json_array *log = &health->log;
    if (log->count < HEALTH_LOG_MAX) {
        log->items = xrealloc(log->items, (log->count + 1) * sizeof(*result));
        log->count++;
    } else {
        struct health_result *items = log->items;
        json_table_release(&result_table, &items[0]);
        memmove(&items[0], &items[1], (log->count - 1) * sizeof(*result));
    }
    ((struct health_result *)log->items)[log->count - 1] = *result;
}

bool health_state_add(struct health_state *health, const struct health_config *config, int64_t since_start,
                      const struct health_result *result)
{
    enum health_status before = health->status;
    add_to_log(health, result);
    if (result->exit_code == 0) {
        health->failing_streak = 0;
        health->status = HEALTH_HEALTHY;
    } else if (before != HEALTH_STARTING || since_start >= config->start_period) {
        /* Failures of the first time, until the first success, do not count. */
        if (++health->failing_streak >= health_config_retries(config))
            health->status = HEALTH_UNHEALTHY;
    }
    return health->status != before;
}

int64_t health_state_pause(const struct health_state *health, const struct health_config *config, int64_t since_start)
{
    if (health->status == HEALTH_STARTING && since_start < config->start_period)
        return health_config_start_interval(config);
    return health_config_interval(config);
}
