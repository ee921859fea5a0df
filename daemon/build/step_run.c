/* RUN: its command, heredocs, mounts and options. */
#include <errno.h>
#include <string.h>

#include "daemon/build/run_mount.h"
#include "daemon/build/step_internal.h"

#define MOUNTS_MAX 200
#define PIPES "/dev/pipes/"

static int expand_value(const char *text, char **ret, void *data, struct error *err)
{
    return step_expand(data, text, ret, err);
}

static int add_mount(const struct step_context *c, const char *text, struct step_run *run, size_t *capacity,
                     struct error *err)
{
    const char *directory = c->config->working_dir != NULL ? c->config->working_dir : "/";
    struct run_mount mount;
    if (run->mount_count >= MOUNTS_MAX)
        return error_set(err, ERROR_INVALID, E2BIG, "more than %d mounts", MOUNTS_MAX);
    int r = run_mount_parse(text, directory, expand_value, (void *)c, &mount, err);
    if (r < 0)
        return r;
    xgrow((void **)&run->mounts, run->mount_count, capacity, sizeof(mount));
    run->mounts[run->mount_count++] = mount;
    return 0;
}

static int find_option(const char *value, const char *const *names, const char *what, unsigned *ret, struct error *err)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], value) == 0) {
            *ret = i;
            return 0;
        }
    }
    const char *meant = suggest_word(value, names);
    return error_set(err, ERROR_INVALID, EINVAL, "%s \"%s\" is not valid%s%s%s", what, value,
                     meant ? " (did you mean " : "", meant ? meant : "", meant ? "?)" : "");
}

static int set_options(const struct step_context *c, struct step_run *run, struct error *err)
{
    static const char *const networks[] = {"default", "none", "host", NULL};
    static const char *const securities[] = {"sandbox", "insecure", NULL};
    const char *network = instruction_flag(c->instruction, "network");
    const char *security = instruction_flag(c->instruction, "security");
    size_t capacity = 0;
    unsigned value = 0;
    int r = network != NULL ? find_option(network, networks, "network mode", &value, err) : 0;
    run->network = value;
    run->network_set = network != NULL;
    value = 0;
    if (r == 0 && security != NULL)
        r = find_option(security, securities, "security mode", &value, err);
    run->security = value;
    for (size_t i = 0; r == 0 && i < c->instruction->flag_count; i++)
        if (strcmp(c->instruction->flags[i].name, "mount") == 0)
            r = add_mount(c, c->instruction->flags[i].value, run, &capacity, err);
    return r;
}

/* What the shell gets: the line as it is; the contents of the one heredoc that is the whole line; or the line with its
 * heredocs for the shell to read. */
static void shell_command(const struct instruction *in, struct step_run *run, struct strbuf *text)
{
    const struct heredoc *only = in->heredoc_count == 1 ? instruction_heredoc(in, in->rest) : NULL;
    if (only != NULL) {
        CLEANUP_FREE char *content = heredoc_text(only);
        if (strncmp(content, "#!", 2) == 0)
            run->script = TAKE_PTR(content);
        else
            strbuf_adds(text, content);
        return;
    }
    strbuf_adds(text, in->rest);
    for (size_t i = 0; i < in->heredoc_count; i++)
        strbuf_addf(text, "\n%s%s", in->heredocs[i].content, in->heredocs[i].name);
}

int step_run_evaluate(const struct step_context *c, struct step_run *ret, struct error *err)
{
    const struct instruction *in = c->instruction;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    if (in->words.count == 0)
        return step_needs_arguments(c, err);
    if (in->json && in->heredoc_count > 0)
        return error_set(err, ERROR_INVALID, EINVAL, "RUN cannot accept a heredoc as an argument in JSON form");
    int r = set_options(c, ret, err);
    if (r < 0)
        return r;
    ret->shell_form = !in->json;
    if (in->json) {
        strv_copy(&ret->argv, &in->words);
        strv_copy(&ret->shown, &in->words);
        return 0;
    }
    shell_command(in, ret, &text);
    step_shell(c->config, &ret->shown);
    if (ret->script != NULL) {
        if (strchr(in->heredocs[0].name, '/') != NULL)
            return error_set(err, ERROR_INVALID, EINVAL, "heredoc name \"%s\" has a slash in it", in->heredocs[0].name);
        strv_addf(&ret->argv, PIPES "%s", in->heredocs[0].name);
        strv_addf(&ret->shown, "%s\n%s%s", in->rest, in->heredocs[0].content, in->heredocs[0].name);
        return 0;
    }
    strv_copy(&ret->argv, &ret->shown);
    strv_add(&ret->argv, strbuf_str(&text));
    strv_add(&ret->shown, strbuf_str(&text));
    return 0;
}

void step_run_release(struct step_run *run)
{
    strv_release(&run->argv);
    strv_release(&run->shown);
    free(run->script);
    for (size_t i = 0; i < run->mount_count; i++)
        run_mount_release(&run->mounts[i]);
    free(run->mounts);
}
