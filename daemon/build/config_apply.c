#include <errno.h>
#include <string.h>

#include "daemon/build/step_internal.h"

static void apply_arg(const struct build_step *step, struct build_scope *scope)
{
    for (size_t i = 0; i < step->names.count; i++)
        build_scope_declare(scope, step->names.items[i], strmap_get(&step->pairs, step->names.items[i]));
}

static void apply_env(const struct build_step *step, struct container_config *config)
{
    for (size_t i = 0; i < step->pairs.count; i++) {
        CLEANUP_FREE char *entry = xasprintf("%s=%s", step->pairs.items[i].key, step->pairs.items[i].value);
        strv_env_set(&config->env, entry);
    }
}

static void apply_labels(const struct build_step *step, struct container_config *config)
{
    for (size_t i = 0; i < step->pairs.count; i++)
        strmap_set(&config->labels, step->pairs.items[i].key, step->pairs.items[i].value);
}

static void add_missing(struct strv *to, const struct strv *from)
{
    for (size_t i = 0; i < from->count; i++)
        if (!strv_contains(to, from->items[i]))
            strv_add(to, from->items[i]);
}

static void apply_cmd(const struct build_step *step, struct container_config *config, bool *cmd_set)
{
    strv_copy(&config->cmd, &step->command.argv);
    config->cmd_set = true;
    *cmd_set = *cmd_set || step->command.argv.count > 0;
}

static void apply_entrypoint(const struct build_step *step, struct container_config *config, bool cmd_set)
{
    strv_copy(&config->entrypoint, &step->command.argv);
    config->entrypoint_set = step->command.argv.count > 0;
    if (!cmd_set) {
        strv_clear(&config->cmd);
        config->cmd_set = false;
    }
}

static void apply_health(const struct build_step *step, struct container_config *config)
{
    if (config->healthcheck == NULL)
        config->healthcheck = xcalloc(1, sizeof(*config->healthcheck));
    struct strv test = config->healthcheck->test;
    *config->healthcheck = step->health;
    config->healthcheck->test = test;
    strv_copy(&config->healthcheck->test, &step->health.test);
}

int build_config_apply(const struct build_step *step, struct build_scope *scope, struct container_config *config,
                       bool *cmd_set, struct error *err)
{
    switch (step->kind) {
    case INSTRUCTION_ARG:
        apply_arg(step, scope);
        return 0;
    case INSTRUCTION_ENV:
        apply_env(step, config);
        return 0;
    case INSTRUCTION_LABEL:
        apply_labels(step, config);
        return 0;
    case INSTRUCTION_CMD:
        apply_cmd(step, config, cmd_set);
        return 0;
    case INSTRUCTION_ENTRYPOINT:
        apply_entrypoint(step, config, *cmd_set);
        return 0;
    case INSTRUCTION_EXPOSE:
        add_missing(&config->exposed_ports, &step->list);
        return 0;
    case INSTRUCTION_VOLUME:
        add_missing(&config->volumes, &step->list);
        return 0;
    case INSTRUCTION_SHELL:
        strv_copy(&config->shell, &step->list);
        return 0;
    case INSTRUCTION_USER:
        xstrset(&config->user, step->text);
        return 0;
    case INSTRUCTION_WORKDIR:
        xstrset(&config->working_dir, step->text);
        return 0;
    case INSTRUCTION_STOPSIGNAL:
        xstrset(&config->stop_signal, step->text);
        return 0;
    case INSTRUCTION_ONBUILD:
        strv_add(&config->on_build, step->text);
        return 0;
    case INSTRUCTION_HEALTHCHECK:
        apply_health(step, config);
        return 0;
    case INSTRUCTION_MAINTAINER: /* the image's author, not its config */
    case INSTRUCTION_RUN:
    case INSTRUCTION_COPY:
    case INSTRUCTION_ADD:
        return 0;
    default:
        return error_set(err, ERROR_INVALID, EINVAL, "%s changes no config", instruction_kind_name(step->kind));
    }
}
