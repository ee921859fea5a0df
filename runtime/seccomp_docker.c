/* Docker's form of a profile: the OCI form with conditions, which are decided here. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/memory.h"
#include "runtime/defaults.h"
#include "runtime/seccomp.h"

#define PROFILE_MAX (4u << 20)

/* As Go names architectures, and as libseccomp does. */
#if defined(__x86_64__)
static const char go_arch[] = "amd64", scmp_arch[] = "SCMP_ARCH_X86_64";
#elif defined(__aarch64__)
static const char go_arch[] = "arm64", scmp_arch[] = "SCMP_ARCH_AARCH64";
#elif defined(__riscv)
static const char go_arch[] = "riscv64", scmp_arch[] = "SCMP_ARCH_RISCV64";
#else
static const char go_arch[] = "unknown", scmp_arch[] = "SCMP_ARCH_NATIVE";
#endif

static bool lists(const struct json *array, const char *text)
{
    for (size_t i = 0; i < json_count(array); i++) {
        const char *item = json_string(json_at(array, i));
        if (item != NULL && strcmp(item, text) == 0)
            return true;
    }
    return false;
}

static bool has_capability(const struct json *names, size_t i, uint64_t capabilities)
{
    const char *name = json_string(json_at(names, i));
    int number = name != NULL ? runtime_capability_number(name) : -1;
    return number >= 0 && (capabilities >> number & 1);
}

/* "4.8" against the running kernel. */
static bool kernel_is_at_least(const char *text)
{
    struct utsname name;
    unsigned want[2] = {0}, have[2] = {0};
    if (uname(&name) < 0 || sscanf(text, "%u.%u", &want[0], &want[1]) < 1 ||
        sscanf(name.release, "%u.%u", &have[0], &have[1]) < 1)
        return false;
    return have[0] > want[0] || (have[0] == want[0] && have[1] >= want[1]);
}

/* All of `includes` hold (every capability of it), and nothing of `excludes` (any capability of it). */
static bool applies(const struct json *rule, uint64_t capabilities)
{
    const struct json *includes = json_get(rule, "includes"), *excludes = json_get(rule, "excludes");
    const struct json *caps = json_get(includes, "caps"), *arches = json_get(includes, "arches");
    for (size_t i = 0; i < json_count(caps); i++)
        if (!has_capability(caps, i, capabilities))
            return false;
    if (json_count(arches) > 0 && !lists(arches, go_arch))
        return false;
    const char *kernel = json_get_string(includes, "minKernel");
    if (kernel != NULL && !kernel_is_at_least(kernel))
        return false;
    caps = json_get(excludes, "caps");
    for (size_t i = 0; i < json_count(caps); i++)
        if (has_capability(caps, i, capabilities))
            return false;
    kernel = json_get_string(excludes, "minKernel");
    return !lists(json_get(excludes, "arches"), go_arch) && !(kernel != NULL && kernel_is_at_least(kernel));
}

static int choose_architectures(const struct json *profile, struct oci_seccomp *out, struct error *err)
{
    const struct json *map = json_get(profile, "archMap");
    if (json_count(map) > 0 && out->architectures.count > 0)
        return error_set(err, ERROR_INVALID, 0,
                         "both 'architectures' and 'archMap' are specified in the seccomp profile, use either one");
    for (size_t i = 0; i < json_count(map); i++) {
        const struct json *entry = json_at(map, i), *sub = json_get(entry, "subArchitectures");
        const char *name = json_get_string(entry, "architecture");
        if (name == NULL || strcmp(name, scmp_arch) != 0)
            continue;
        strv_add(&out->architectures, name);
        for (size_t k = 0; k < json_count(sub); k++)
            if (json_string(json_at(sub, k)) != NULL)
                strv_add(&out->architectures, json_string(json_at(sub, k)));
        break;
    }
    return 0;
}

static struct json *member(struct json *object, const char *key)
{
    for (size_t i = 0; object->kind == JSON_OBJECT && i < object->object.count; i++)
        if (strcmp(object->object.keys[i], key) == 0)
            return &object->object.values[i];
    return NULL;
}

/* {"name": "x"}, as profiles were written once, becomes {"names": ["x"]}. */
static int widen_name(struct json *rule, size_t i, struct error *err)
{
    struct json *name = member(rule, "name"), *names = member(rule, "names");
    if (name == NULL || name->kind != JSON_STRING || name->string.size == 0)
        return 0;
    if (names != NULL && names->kind != JSON_NULL && !(names->kind == JSON_ARRAY && names->array.count == 0))
        return error_set(err, ERROR_INVALID, 0, "syscalls[%zu]: both 'name' and 'names' are specified, use either one",
                         i);
    if (names == NULL)
        xstrset(&rule->object.keys[name - rule->object.values], "names");
    struct json *items = xmalloc(sizeof(*items));
    *items = *name;
    *name = (struct json){.kind = JSON_NULL};
    names = names != NULL ? names : name;
    if (names->kind == JSON_ARRAY)
        free(names->array.items);
    *names = (struct json){.kind = JSON_ARRAY, .array = {.items = items, .count = 1}};
    return 0;
}

static int widen_names(struct json *profile, struct error *err)
{
    struct json *rules = member(profile, "syscalls");
    int r = 0;
    for (size_t i = 0; r == 0 && rules != NULL && rules->kind == JSON_ARRAY && i < rules->array.count; i++)
        r = widen_name(&rules->array.items[i], i, err);
    return r;
}

/* Takes out the rules whose conditions fail; the profile is the tree that `out` was decoded from. */
static void choose_rules(const struct json *profile, uint64_t capabilities, struct oci_seccomp *out)
{
    const struct json_table *table = NULL;
    for (size_t i = 0; i < oci_seccomp_table.count; i++)
        if (strcmp(oci_seccomp_table.fields[i].name, "syscalls") == 0)
            table = oci_seccomp_table.fields[i].table;
    struct oci_seccomp_rule *rules = out->syscalls.items;
    const struct json *tree = json_get(profile, "syscalls");
    size_t kept = 0;
    for (size_t i = 0; i < out->syscalls.count; i++) {
        if (applies(json_at(tree, i), capabilities))
            rules[kept++] = rules[i];
        else
            json_table_release(table, &rules[i]);
    }
    out->syscalls.count = kept;
}

int runtime_seccomp_parse_docker(const char *text, size_t size, uint64_t capabilities, struct oci_seccomp *ret,
                                 struct error *err)
{
    if (size > PROFILE_MAX)
        return error_set(err, ERROR_INVALID, EFBIG, "the seccomp profile is larger than %u bytes", PROFILE_MAX);
    json_table_release(&oci_seccomp_table, ret);
    CLEANUP_JSON struct json *profile = NULL;
    int r = json_parse(text, size, &profile, err);
    r = r < 0 ? r : widen_names(profile, err);
    r = r < 0 ? r : json_table_decode(&oci_seccomp_table, profile, ret, err);
    r = r < 0 ? r : choose_architectures(profile, ret, err);
    if (r < 0) {
        json_table_release(&oci_seccomp_table, ret);
        return error_context(err, "Decoding seccomp profile failed");
    }
    choose_rules(profile, capabilities, ret);
    return 0;
}
