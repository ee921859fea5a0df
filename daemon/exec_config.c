#include "daemon/exec_config.h"

#include "base/detach_keys.h"
#include "daemon/host_config.h"

#define E(kind, json, member, ...)                                                                                     \
    {                                                                                                                  \
        .name = json, .type = JSON_FIELD_##kind, .offset = offsetof(struct exec_config, member), ##__VA_ARGS__         \
    }

static const struct json_field rows[] = {
    E(STRING, "User", user),
    E(BOOL, "Privileged", privileged),
    E(BOOL, "Tty", tty),
    E(CUSTOM, "ConsoleSize", console_size, .custom = &console_size_json),
    E(BOOL, "AttachStdin", attach_stdin),
    E(BOOL, "AttachStdout", attach_stdout),
    E(BOOL, "AttachStderr", attach_stderr),
    E(STRING, "DetachKeys", detach_keys),
    E(STRV, "Env", env),
    E(STRING, "WorkingDir", working_dir),
    E(STRV, "Cmd", cmd),
};
const struct json_table exec_config_table = JSON_TABLE(struct exec_config, rows);

int exec_config_validate(const struct exec_config *config, struct error *err)
{
    if (config->cmd.count == 0 || config->cmd.items[0][0] == '\0')
        return error_set(err, ERROR_INVALID, 0, "No exec command specified");
    for (size_t i = 0; i < config->env.count; i++)
        if (config->env.items[i][0] == '\0' || config->env.items[i][0] == '=')
            return error_set(err, ERROR_INVALID, 0, "invalid environment variable: %s", config->env.items[i]);
    return detach_keys_parse(config->detach_keys, NULL, err);
}
