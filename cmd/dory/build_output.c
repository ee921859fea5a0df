/* --output. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/parse.h"
#include "base/strmap.h"
#include "base/strv.h"
#include "cmd/dory/build.h"
#include "cmd/dory/csv_fields.h"

void build_output_release(struct build_output *output)
{
    free(output->destination);
    strv_release(&output->names);
    *output = (struct build_output){0};
}

/* a=1,"b=2,3"; false: there is something else in it. */
static bool split_pairs(const char *text, struct strmap *ret)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    csv_fields_split(text, &words);
    for (size_t i = 0; i < words.count; i++) {
        char *equals = strchr(words.items[i], '=');
        if (!equals)
            return false;
        *equals = '\0';
        strmap_set(ret, words.items[i], equals + 1);
    }
    return true;
}

static int check_keys(const struct strmap *pairs, const char *text, struct error *err)
{
    for (size_t i = 0; i < pairs->count; i++) {
        const char *key = pairs->items[i].key;
        if (strcmp(key, "type") != 0 && strcmp(key, "dest") != 0 && strcmp(key, "name") != 0 &&
            strcmp(key, "push") != 0)
            return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--output %s: %s is not supported", text, key);
    }
    return 0;
}

/* A kind that writes somewhere needs to know where. */
static int need_destination(const struct build_output *output, const char *text, struct error *err)
{
    if (!output->destination)
        return error_set(err, ERROR_INVALID, 0, "--output %s: dest is required for %s", text,
                         output->kind == OUTPUT_LOCAL ? "local output" : "this type");
    if (strcmp(output->destination, "-") == 0 && output->kind == OUTPUT_LOCAL)
        return error_set(err, ERROR_INVALID, 0, "--output %s: a directory cannot be written to standard output", text);
    if (strcmp(output->destination, "-") == 0 && isatty(STDOUT_FILENO))
        return error_set(err, ERROR_INVALID, 0,
                         "dest file is required for this output, refusing to write it to a terminal");
    return 0;
}

/* What a kind has no use for is not passed over. */
static int check_use(const struct build_output *output, const char *text, const char *type, struct error *err)
{
    bool image = output->kind == OUTPUT_IMAGE || output->kind == OUTPUT_ARCHIVE;
    bool files = output->kind == OUTPUT_LOCAL || output->kind == OUTPUT_TAR || output->kind == OUTPUT_ARCHIVE;
    const char *key = !image && output->names.count > 0 ? "name"
                      : !image && output->push          ? "push"
                      : !files && output->destination   ? "dest"
                                                        : NULL;
    return key ? error_set(err, ERROR_INVALID, 0, "--output %s: %s is not for type %s", text, key, type) : 0;
}

static int read_kind(struct build_output *output, const char *text, const char *type, struct error *err)
{
    if (strcmp(type, "local") == 0)
        output->kind = OUTPUT_LOCAL;
    else if (strcmp(type, "tar") == 0)
        output->kind = OUTPUT_TAR;
    else if (strcmp(type, "oci") == 0 || (strcmp(type, "docker") == 0 && output->destination))
        output->kind = OUTPUT_ARCHIVE;
    else if (strcmp(type, "cacheonly") == 0)
        output->kind = OUTPUT_NONE;
    else if (strcmp(type, "image") != 0 && strcmp(type, "docker") != 0 && strcmp(type, "registry") != 0)
        return error_set(err, ERROR_NOT_IMPLEMENTED, 0, "--output %s: type %s is not supported", text, type);
    return output->kind == OUTPUT_IMAGE || output->kind == OUTPUT_NONE ? 0 : need_destination(output, text, err);
}

int build_output_parse(const char *text, struct build_output *ret, struct error *err)
{
    CLEANUP_STRMAP struct strmap pairs = STRMAP_INIT;
    *ret = (struct build_output){0};
    if (!strchr(text, '=') && !strchr(text, ',')) {
        ret->kind = strcmp(text, "-") == 0 ? OUTPUT_TAR : OUTPUT_LOCAL;
        ret->destination = xstrdup(text);
        return need_destination(ret, text, err);
    }
    if (!split_pairs(text, &pairs))
        return error_set(err, ERROR_INVALID, 0, "invalid value %s for --output: name=value is expected", text);
    int r = check_keys(&pairs, text, err);
    if (r < 0)
        return r;
    const char *type = strmap_get(&pairs, "type"), *push = strmap_get(&pairs, "push"),
               *names = strmap_get(&pairs, "name");
    ret->destination = xstrdup(strmap_get(&pairs, "dest"));
    if (names && *names)
        strv_split(&ret->names, names, ',');
    if (push && parse_bool(push, &ret->push) < 0)
        return error_set(err, ERROR_INVALID, 0, "--output %s: push is neither true nor false", text);
    if (!type || !*type)
        return error_set(err, ERROR_INVALID, 0, "type is required for output");
    r = read_kind(ret, text, type, err);
    if (r == 0)
        r = check_use(ret, text, type, err);
    ret->push = ret->push || strcmp(type, "registry") == 0;
    return r;
}
