/* Steps as docker's history and progress show them. */
#include <string.h>

#include "base/json.h"
#include "base/units.h"
#include "daemon/build/step_internal.h"

void step_quote_list(const struct strv *list, struct strbuf *out)
{
    strbuf_addc(out, '[');
    for (size_t i = 0; i < list->count; i++) {
        strbuf_adds(out, i > 0 ? " " : "");
        json_quote(out, list->items[i], strlen(list->items[i]));
    }
    strbuf_addc(out, ']');
}

static void show_pairs(const struct build_step *step, struct strbuf *out)
{
    for (size_t i = 0; i < step->pairs.count; i++)
        strbuf_addf(out, " %s=%s", step->pairs.items[i].key, step->pairs.items[i].value);
}

static void show_arg(const struct build_step *step, struct strbuf *out)
{
    for (size_t i = 0; i < step->names.count; i++) {
        const char *value = strmap_get(&step->pairs, step->names.items[i]);
        strbuf_addf(out, " %s%s%s", step->names.items[i], value != NULL ? "=" : "", value != NULL ? value : "");
    }
}

/* Go's %q of the struct: &{["CMD-SHELL" "true"] "5s" "0s" "0s" '\x03'} */
static void show_health(const struct health_config *health, struct strbuf *out)
{
    const int64_t durations[] = {health->interval, health->timeout, health->start_period, health->start_interval};
    strbuf_adds(out, " &{");
    step_quote_list(&health->test, out);
    for (size_t i = 0; i < ARRAY_SIZE(durations) - (health->start_interval == 0); i++) {
        char text[UNITS_GO_DURATION_MAX];
        units_go_duration(text, sizeof(text), durations[i]);
        strbuf_addf(out, " \"%s\"", text);
    }
    bool printable = health->retries >= ' ' && health->retries < 127;
    strbuf_addf(out, printable ? " '%c'}" : " '\\x%02x'}", (int)health->retries);
}

char *step_show(const struct build_step *step)
{
    struct strbuf out = STRBUF_INIT;
    CLEANUP_FREE char *joined = NULL;
    strbuf_adds(&out, instruction_kind_name(step->kind));
    switch (step->kind) {
    case INSTRUCTION_ENV:
    case INSTRUCTION_LABEL:
        show_pairs(step, &out);
        break;
    case INSTRUCTION_ARG:
        show_arg(step, &out);
        break;
    case INSTRUCTION_CMD:
    case INSTRUCTION_ENTRYPOINT:
        strbuf_addc(&out, ' ');
        step_quote_list(&step->command.argv, &out);
        break;
    case INSTRUCTION_VOLUME:
    case INSTRUCTION_SHELL:
        joined = strv_join(&step->list, " ");
        strbuf_addf(&out, " [%s]", joined);
        break;
    case INSTRUCTION_HEALTHCHECK:
        show_health(&step->health, &out);
        break;
    case INSTRUCTION_RUN:
        joined = strv_join(&step->run.shown, " ");
        strbuf_addf(&out, " %s", joined);
        break;
    case INSTRUCTION_COPY:
    case INSTRUCTION_ADD:
        joined = strv_join(&step->copy.sources, " ");
        strbuf_addf(&out, " %s%s%s", joined, *joined != '\0' ? " " : "", step->copy.destination);
        break;
    default:
        strbuf_addf(&out, " %s", step->text);
    }
    return strbuf_take(&out);
}

/* "|2 a=b c=d ": the args that a RUN had. */
static void history_args(const struct build_scope *scope, const struct container_config *config, struct strbuf *out)
{
    CLEANUP_STRV struct strv environment = STRV_INIT, args = STRV_INIT;
    build_scope_environment(scope, config, &environment, NULL);
    if (environment.count == config->env.count)
        return;
    build_scope_key_args(scope, config, &args);
    strbuf_addf(out, "|%zu ", args.count);
    for (size_t i = 0; i < args.count; i++)
        strbuf_addf(out, "%s ", args.items[i]);
}

void build_step_history(const struct build_step *step, const struct build_scope *scope,
                        const struct container_config *config, const char *content, struct strbuf *out)
{
    CLEANUP_STRV struct strv shell = STRV_INIT;
    CLEANUP_FREE char *joined = NULL;
    if (step->kind == INSTRUCTION_RUN) {
        joined = strv_join(&step->run.shown, " ");
        history_args(scope, config, out);
        strbuf_adds(out, joined);
        return;
    }
    if (step->kind == INSTRUCTION_SHELL)
        strv_copy(&shell, &step->list);
    else
        step_shell(config, &shell);
    joined = strv_join(&shell, " ");
    strbuf_addf(out, "%s #(nop) ", joined);
    if (step->kind == INSTRUCTION_COPY || step->kind == INSTRUCTION_ADD) /* no blank behind the owner, as docker */
        strbuf_addf(out, "%s %s%s%s in %s ", instruction_kind_name(step->kind),
                    step->copy.chown != NULL ? "--chown=" : "", step->copy.chown != NULL ? step->copy.chown : "",
                    content != NULL ? content : "", step->copy.destination);
    else
        strbuf_addf(out, "%s%s", step->kind == INSTRUCTION_WORKDIR ? "" : " ", step->shown);
}
