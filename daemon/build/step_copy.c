/* COPY and ADD: what from where to where, and how. */
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "archive/ignore.h"
#include "base/path_match.h"
#include "daemon/build/chmod_mode.h"
#include "daemon/build/expand.h"
#include "daemon/build/git.h"
#include "daemon/build/step_internal.h"

static int invalid(struct error *err, const char *message)
{
    return error_set(err, ERROR_INVALID, EINVAL, "%s", message);
}

static const char *lookup(const char *name, void *data)
{
    const struct step_context *c = data;
    return build_scope_get(c->scope, c->config, name);
}

/* ---- heredocs ---- */

static int add_file(const struct step_context *c, const struct heredoc *heredoc, struct step_copy *copy,
                    struct error *err)
{
    const struct expand_options options = {.lookup = lookup, .data = (void *)c, .heredoc = true};
    CLEANUP_FREE char *content = heredoc_text(heredoc);
    struct copy_file file = {.name = xstrdup(heredoc->name)};
    int r = heredoc->expand ? expand_word(content, &options, &file.content, err) : 0;
    if (r < 0) {
        free(file.name);
        return r;
    }
    if (file.content == NULL)
        file.content = TAKE_PTR(content);
    copy->files = xreallocarray(copy->files, copy->file_count + 1, sizeof(file));
    copy->files[copy->file_count++] = file;
    return 0;
}

static int check_file_name(const char *name, struct error *err)
{
    if (*name == '\0' || strchr(name, '/') != NULL || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return error_set(err, ERROR_INVALID, EINVAL, "heredoc name \"%s\" is no name of a file", name);
    return 0;
}

/* ---- words ---- */

static int add_sources(const struct step_context *c, struct step_copy *copy, struct error *err)
{
    const struct instruction *in = c->instruction;
    const char *name = instruction_kind_name(in->kind);
    size_t count = in->words.count;
    if (count < 2)
        return error_set(err, ERROR_INVALID, EINVAL,
                         count == 1 ? "%s requires at least two arguments, but only one was provided. Destination "
                                      "could not be determined"
                                    : "%s requires at least two arguments",
                         name);
    if (!in->json && instruction_heredoc(in, in->words.items[count - 1]) != NULL)
        return error_set(err, ERROR_INVALID, EINVAL, "%s cannot accept a heredoc as a destination", name);
    int r = step_expand(c, in->words.items[count - 1], &copy->destination, err);
    for (size_t i = 0; r == 0 && i + 1 < count; i++) {
        const struct heredoc *heredoc = in->json ? NULL : instruction_heredoc(in, in->words.items[i]);
        char *source = NULL;
        if (heredoc != NULL) {
            r = check_file_name(heredoc->name, err);
            if (r == 0)
                r = add_file(c, heredoc, copy, err);
            continue;
        }
        r = step_expand(c, in->words.items[i], &source, err);
        strv_add_take(&copy->sources, source);
    }
    if (r == 0 && *copy->destination == '\0')
        return error_set(err, ERROR_INVALID, EINVAL, "%s: the destination is empty", name);
    size_t size = r == 0 ? strlen(copy->destination) : 0;
    bool directory = size > 0 && (copy->destination[size - 1] == '/' || strcmp(copy->destination, ".") == 0 ||
                                  (size > 1 && strcmp(copy->destination + size - 2, "/.") == 0));
    if (r == 0 && copy->sources.count + copy->file_count > 1 && !directory)
        return error_set(err, ERROR_INVALID, EINVAL,
                         "When using %s with more than one source file, the destination must be a directory and end "
                         "with a /",
                         name);
    return r;
}

/* ---- flags ---- */

static int expand_flag(const struct step_context *c, const char *name, char **ret, struct error *err)
{
    const char *value = instruction_flag(c->instruction, name);
    if (value == NULL)
        return 0;
    int r = step_expand(c, value, ret, err);
    if (r == 0 && **ret == '\0') { /* --chown=$unset is as if it were not there */
        free(*ret);
        *ret = NULL;
    }
    return r;
}

static bool is_on(const struct step_context *c, const char *name)
{
    const char *value = instruction_flag(c->instruction, name);
    return value != NULL && strcasecmp(value, "false") != 0;
}

static int add_excludes(const struct step_context *c, struct step_copy *copy, struct error *err)
{
    CLEANUP_IGNORE struct ignore checked = {0};
    for (size_t i = 0; i < c->instruction->flag_count; i++) {
        char *pattern = NULL;
        if (strcmp(c->instruction->flags[i].name, "exclude") != 0)
            continue;
        int r = step_expand(c, c->instruction->flags[i].value, &pattern, err);
        if (r < 0)
            return r;
        strv_add_take(&copy->excludes, pattern);
        r = ignore_add(&checked, pattern, err);
        if (r < 0)
            return error_context(err, "--exclude=%s", pattern);
    }
    return 0;
}

bool copy_source_is_url(const char *source)
{
    return strncmp(source, "http://", 7) == 0 || strncmp(source, "https://", 8) == 0;
}

bool copy_source_is_git(const char *source)
{
    /* github.com/... is a path here */
    return git_is_url(source) && strncmp(source, "github.com/", strlen("github.com/")) != 0;
}

size_t copy_source_pivot(const char *source)
{
    const char *found = strstr(source, "/./");
    if (found != NULL)
        return (size_t)(found - source) + 3;
    return strncmp(source, "./", 2) == 0 ? 2 : 0;
}

static int check_checksum(const struct step_copy *copy, struct error *err)
{
    const char *sum = copy->checksum;
    if (sum == NULL)
        return 0;
    if (copy->sources.count != 1 || copy->file_count > 0)
        return invalid(err, "checksum can't be specified for multiple sources");
    bool git = copy_source_is_git(copy->sources.items[0]);
    if (!git && !copy_source_is_url(copy->sources.items[0]))
        return invalid(err, "checksum requires HTTP(S) or Git sources");
    size_t digits = strspn(git ? sum : strncmp(sum, "sha256:", 7) == 0 ? sum + 7 : "", "0123456789abcdef");
    bool good = git ? sum[digits] == '\0' && digits >= 1 && digits <= 64 : digits == 64 && strlen(sum) == 71;
    return good ? 0 : error_set(err, ERROR_INVALID, EINVAL, "invalid checksum \"%s\"", sum);
}

static int set_flags(const struct step_context *c, struct step_copy *copy, struct error *err)
{
    const char *from = instruction_flag(c->instruction, "from");
    struct chmod_mode mode;
    int r = expand_flag(c, "chown", &copy->chown, err);
    if (r == 0)
        r = expand_flag(c, "chmod", &copy->chmod, err);
    if (r == 0)
        r = expand_flag(c, "checksum", &copy->checksum, err);
    if (r == 0 && copy->chmod != NULL)
        r = chmod_mode_parse(copy->chmod, &mode, err);
    if (r == 0)
        r = add_excludes(c, copy, err);
    if (r < 0)
        return r;
    if (from != NULL && *from == '\0')
        return invalid(err, "COPY --from: the name is empty");
    if (from != NULL && strchr(from, '$') != NULL)
        return invalid(err, "variable expansion is not supported for --from, define a new stage with FROM using ARG "
                            "from global scope as a workaround");
    copy->from = xstrdup(from);
    copy->link = is_on(c, "link");
    copy->parents = is_on(c, "parents");
    copy->keep_git_dir = is_on(c, "keep-git-dir");
    copy->unpack = is_on(c, "unpack");
    copy->unpack_set = instruction_flag(c->instruction, "unpack") != NULL;
    return check_checksum(copy, err);
}

static void set_absolute(const struct step_context *c, struct step_copy *copy)
{
    const char *directory = c->config->working_dir != NULL ? c->config->working_dir : "";
    size_t size = strlen(copy->destination);
    if (*copy->destination == '/') {
        copy->absolute = xstrdup(copy->destination);
        return;
    }
    CLEANUP_FREE char *joined = xasprintf("/%s/%s", directory, copy->destination);
    CLEANUP_FREE char *clean = path_clean(joined);
    bool slash = copy->destination[size - 1] == '/' && strcmp(clean, "/") != 0;
    copy->absolute = xasprintf("%s%s", clean, slash ? "/" : "");
}

int step_copy_evaluate(const struct step_context *c, struct step_copy *ret, struct error *err)
{
    ret->add = c->instruction->kind == INSTRUCTION_ADD;
    int r = add_sources(c, ret, err);
    if (r == 0)
        set_absolute(c, ret);
    return r == 0 ? set_flags(c, ret, err) : r;
}

void step_copy_release(struct step_copy *copy)
{
    strv_release(&copy->sources);
    free(copy->destination);
    free(copy->absolute);
    for (size_t i = 0; i < copy->file_count; i++) {
        free(copy->files[i].name);
        free(copy->files[i].content);
    }
    free(copy->files);
    free(copy->from);
    free(copy->chown);
    free(copy->chmod);
    strv_release(&copy->excludes);
    free(copy->checksum);
}
