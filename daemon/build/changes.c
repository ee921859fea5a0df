#include "daemon/build/changes.h"

#include <errno.h>
#include <string.h>

#include "daemon/build/dockerfile.h"
#include "daemon/build/step.h"

static bool is_change(enum instruction_kind kind)
{
    static const enum instruction_kind kinds[] = {INSTRUCTION_CMD,        INSTRUCTION_ENTRYPOINT,  INSTRUCTION_ENV,
                                                  INSTRUCTION_EXPOSE,     INSTRUCTION_LABEL,       INSTRUCTION_ONBUILD,
                                                  INSTRUCTION_STOPSIGNAL, INSTRUCTION_HEALTHCHECK, INSTRUCTION_SHELL,
                                                  INSTRUCTION_USER,       INSTRUCTION_VOLUME,      INSTRUCTION_WORKDIR};
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
        if (kinds[i] == kind)
            return true;
    return false;
}

static int apply(struct container_config *config, const struct instruction *instruction, struct error *err)
{
    CLEANUP_BUILD_SCOPE struct build_scope scope = {.escape = '\\'};
    struct build_step step = {0};
    bool cmd_set = true; /* ENTRYPOINT leaves the Cmd that is there */
    int r = is_change(instruction->kind) ? 0
                                         : error_set(err, ERROR_INVALID, EINVAL, "%s is not a valid change command",
                                                     instruction_kind_name(instruction->kind));
    if (r == 0)
        r = build_step_evaluate(instruction, &scope, config, &step, NULL, err);
    if (r == 0)
        r = build_config_apply(&step, &scope, config, &cmd_set, err);
    build_step_release(&step);
    return r;
}

int container_config_change(struct container_config *config, const char *text, struct error *err)
{
    CLEANUP_DOCKERFILE struct dockerfile lines = {0};
    text += strspn(text, " \t\n");
    size_t size = strcspn(text, " \t\n");
    if (!is_change(instruction_kind_find(text, size)))
        return error_set(err, ERROR_INVALID, EINVAL, "%.*s is not a valid change command", (int)size, text);
    int r = instructions_parse(text, '\\', &lines, err);
    for (size_t i = 0; r == 0 && i < lines.count; i++)
        r = apply(config, &lines.instructions[i], err);
    return r;
}
