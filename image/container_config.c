#include "image/container_config.h"

#include <errno.h>

#include "base/strmap.h"

/* A Go set: an object whose keys count and whose values are {}. */
static int set_decode(const struct json *value, void *field, struct error *err)
{
    struct strv *list = field;
    CLEANUP(map_release) struct map seen = MAP_INIT; /* an image or a client may name tens of thousands */
    strv_clear(list);
    if (value->kind == JSON_NULL) {
        return 0;
    }
    if (value->kind != JSON_OBJECT) {
        return error_set(err, ERROR_INVALID, EINVAL, "expected an object");
    }
    for (size_t i = 0; i < value->object.count; i++) {
        enum json_kind kind = value->object.values[i].kind;
        if (kind != JSON_OBJECT && kind != JSON_NULL) {
            return error_set(err, ERROR_INVALID, EINVAL, "%s: expected an object", value->object.keys[i]);
        }
        if (map_set(&seen, value->object.keys[i], list) == NULL) {
            strv_add(list, value->object.keys[i]);
        }
    }
    return 0;
}

static void set_encode(const void *field, struct json_writer *w)
{
    const struct strv *list = field;
    struct strv CLEANUP_STRV sorted = STRV_INIT;
    if (list->count == 0) {
        json_put_null(w);
        return;
    }
    strv_copy(&sorted, list);
    strv_sort(&sorted);
    json_begin_object(w);
    for (size_t i = 0; i < sorted.count; i++) {
        json_key(w, sorted.items[i]);
        json_begin_object(w);
        json_end_object(w);
    }
    json_end_object(w);
}

static void list_release(void *field)
{
    strv_release(field);
}

static bool list_is_empty(const void *field)
{
    return ((const struct strv *)field)->count == 0;
}

static const struct json_custom set_custom = {
    .decode = set_decode, .encode = set_encode, .release = list_release, .is_empty = list_is_empty};

/* Cmd and Entrypoint: a list and the flag behind it, as they lie in struct container_config. */
struct command {
    struct strv list;
    bool set;
};
_Static_assert(offsetof(struct container_config, cmd_set) - offsetof(struct container_config, cmd) ==
                   offsetof(struct command, set),
               "cmd_set follows cmd");
_Static_assert(offsetof(struct container_config, entrypoint_set) - offsetof(struct container_config, entrypoint) ==
                   offsetof(struct command, set),
               "entrypoint_set follows entrypoint");

/* What would be cut off at a NUL is refused: the command that runs must be the one that was judged. */
static int add_word(struct strv *list, const struct json *value, struct error *err)
{
    if (strlen(value->string.data) != value->string.size) {
        return error_set(err, ERROR_INVALID, EINVAL, "the string contains a NUL");
    }
    strv_add(list, value->string.data);
    return 0;
}

static int command_decode(const struct json *value, void *field, struct error *err)
{
    struct command *command = field;
    strv_clear(&command->list);
    command->set = value->kind != JSON_NULL;
    if (value->kind == JSON_NULL) {
        return 0;
    }
    if (value->kind == JSON_STRING) {
        return add_word(&command->list, value, err);
    }
    if (value->kind != JSON_ARRAY) {
        return error_set(err, ERROR_INVALID, EINVAL, "expected a string or a list of strings");
    }
    for (size_t i = 0; i < value->array.count; i++) {
        if (value->array.items[i].kind != JSON_STRING) {
            return error_set(err, ERROR_INVALID, EINVAL, "[%zu]: expected a string", i);
        }
        int r = add_word(&command->list, &value->array.items[i], err);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

static void command_encode(const void *field, struct json_writer *w)
{
    const struct command *command = field;
    if (command->list.count == 0 && !command->set) {
        json_put_null(w);
        return;
    }
    json_begin_array(w);
    for (size_t i = 0; i < command->list.count; i++) {
        json_put_string(w, command->list.items[i]);
    }
    json_end_array(w);
}

static void command_release(void *field)
{
    struct command *command = field;
    strv_release(&command->list);
    command->set = false;
}

static const struct json_custom command_custom = {
    .decode = command_decode, .encode = command_encode, .release = command_release};

#define HEALTH(name, type, member)                                                                                     \
    {                                                                                                                  \
        name, JSON_FIELD_##type, offsetof(struct health_config, member), JSON_OMIT_EMPTY, NULL, NULL                   \
    }

static const struct json_field health_fields[] = {
    HEALTH("Test", STRV, test),
    HEALTH("Interval", INT, interval),
    HEALTH("Timeout", INT, timeout),
    HEALTH("StartPeriod", INT, start_period),
    HEALTH("StartInterval", INT, start_interval),
    HEALTH("Retries", INT, retries),
};

static const struct json_table health_table = JSON_TABLE(struct health_config, health_fields);

#define CONFIG(name, type, member, flags)                                                                              \
    {                                                                                                                  \
        name, JSON_FIELD_##type, offsetof(struct container_config, member), flags, NULL, NULL                          \
    }
#define CONFIG_CUSTOM(name, member, flags, custom)                                                                     \
    {                                                                                                                  \
        name, JSON_FIELD_CUSTOM, offsetof(struct container_config, member), flags, NULL, &custom                       \
    }

static const struct json_field config_fields[] = {
    CONFIG("Hostname", STRING, hostname, 0),
    CONFIG("Domainname", STRING, domainname, 0),
    CONFIG("User", STRING, user, 0),
    CONFIG("AttachStdin", BOOL, attach_stdin, 0),
    CONFIG("AttachStdout", BOOL, attach_stdout, 0),
    CONFIG("AttachStderr", BOOL, attach_stderr, 0),
    CONFIG_CUSTOM("ExposedPorts", exposed_ports, JSON_OMIT_EMPTY, set_custom),
    CONFIG("Tty", BOOL, tty, 0),
    CONFIG("OpenStdin", BOOL, open_stdin, 0),
    CONFIG("StdinOnce", BOOL, stdin_once, 0),
    CONFIG("Env", STRV, env, JSON_NULL_EMPTY),
    CONFIG_CUSTOM("Cmd", cmd, 0, command_custom),
    {"Healthcheck", JSON_FIELD_OBJECT_PTR, offsetof(struct container_config, healthcheck), JSON_OMIT_EMPTY,
     &health_table, NULL},
    CONFIG("ArgsEscaped", BOOL, args_escaped, JSON_OMIT_EMPTY),
    CONFIG("Image", STRING, image, 0),
    CONFIG_CUSTOM("Volumes", volumes, 0, set_custom),
    CONFIG("WorkingDir", STRING, working_dir, 0),
    CONFIG_CUSTOM("Entrypoint", entrypoint, 0, command_custom),
    CONFIG("NetworkDisabled", BOOL, network_disabled, JSON_OMIT_EMPTY),
    CONFIG("MacAddress", STRING, mac_address, JSON_OMIT_EMPTY),
    CONFIG("OnBuild", STRV, on_build, JSON_NULL_EMPTY),
    CONFIG("Labels", STRMAP, labels, 0),
    CONFIG("StopSignal", STRING, stop_signal, JSON_OMIT_EMPTY),
    CONFIG("StopTimeout", OPT_INT, stop_timeout, JSON_OMIT_EMPTY),
    CONFIG("Shell", STRV, shell, JSON_OMIT_EMPTY),
};

const struct json_table container_config_table = JSON_TABLE(struct container_config, config_fields);

/* ---- as the API shows it ---- */

static const char *const containers_only[] = {
    "Hostname",  "Domainname", "AttachStdin", "AttachStdout",    "AttachStderr", "Tty",
    "OpenStdin", "StdinOnce",  "Image",       "NetworkDisabled", "MacAddress",   "StopTimeout"};

static bool is_containers_only(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(containers_only); i++) {
        if (strcmp(containers_only[i], name) == 0) {
            return true;
        }
    }
    return false;
}

/* A list that is there and empty says no more than one that is not there. */
static bool says_nothing(const struct json_field *field, const struct container_config *config)
{
    return field->type == JSON_FIELD_CUSTOM ? list_is_empty((const char *)config + field->offset) /* lists, all */
                                            : json_table_field_is_empty(field, config);
}

static void show_field(const struct json_field *field, const struct container_config *config, struct json_writer *w)
{
    struct json_table one = {.size = sizeof(*config), .fields = field, .count = 1};
    json_table_encode_members(&one, config, w);
}

void container_config_show(const struct container_config *config, int api_version, struct json_writer *w)
{
    bool before_52 = api_version > 0 && api_version < 52;
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(config_fields); i++) {
        const struct json_field *field = &config_fields[i];
        bool dropped = strcmp(field->name, "MacAddress") == 0 ||
                       (strcmp(field->name, "OnBuild") == 0 && says_nothing(field, config));
        if (before_52 || !dropped) {
            show_field(field, config, w);
        }
    }
    json_end_object(w);
}

void container_config_show_image(const struct container_config *config, int api_version, struct json_writer *w)
{
    bool before_50 = api_version > 0 && api_version<50, before_52 = api_version> 0 && api_version < 52;
    json_begin_object(w);
    for (size_t i = 0; i < ARRAY_SIZE(config_fields); i++) {
        const struct json_field *field = &config_fields[i];
        bool shown = before_50 || !is_containers_only(field->name);
        if (shown && (before_52 || !says_nothing(field, config))) {
            show_field(field, config, w);
        }
    }
    json_end_object(w);
}
