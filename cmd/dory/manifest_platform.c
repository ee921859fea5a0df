#include "cmd/dory/manifest_platform.h"

#include <string.h>

#include "base/json_edit.h"

static const char *or_former(const char *given, const struct json *former, const char *key)
{
    return given && *given ? given : json_get_string(former, key);
}

static void add_feature(struct strv *features, const char *feature)
{
    if (*feature && !strv_contains(features, feature))
        strv_add(features, feature);
}

static void collect_features(const struct json *former, const struct strv *given, struct strv *ret)
{
    for (size_t i = 0; i < json_count(former); i++) {
        const char *feature = json_string(json_at(former, i));
        add_feature(ret, feature ? feature : "");
    }
    for (size_t i = 0; i < given->count; i++) {
        CLEANUP_STRV struct strv parts = STRV_INIT;
        strv_split(&parts, given->items[i], ',');
        for (size_t k = 0; k < parts.count; k++)
            add_feature(ret, parts.items[k]);
    }
}

void manifest_platform_set(struct json *entry, const struct manifest_platform *platform)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_STRV struct strv features = STRV_INIT;
    CLEANUP_JSON struct json *descriptor = json_copy(json_get(entry, "Descriptor"));
    const struct json *former = json_get(descriptor, "platform");
    const char *version = or_former(platform->version, former, "os.version");
    const char *variant = or_former(platform->variant, former, "variant");
    struct json *made = NULL;
    struct json_writer w;
    collect_features(json_get(former, "os.features"), platform->features, &features);
    json_writer_init(&w, &text);
    json_begin_object(&w);
    json_member_string(&w, "architecture", or_former(platform->architecture, former, "architecture"));
    json_member_string(&w, "os", or_former(platform->os, former, "os"));
    if (version && *version)
        json_member_string(&w, "os.version", version);
    if (features.count > 0) {
        json_key(&w, "os.features");
        json_begin_array(&w);
        for (size_t i = 0; i < features.count; i++)
            json_put_string(&w, features.items[i]);
        json_end_array(&w);
    }
    if (variant && *variant)
        json_member_string(&w, "variant", variant);
    json_end_object(&w);
    if (json_parse(text.data, text.size, &made, NULL) < 0)
        return; /* cannot be: it was written just now */
    json_set(descriptor, "platform", made);
    json_set(entry, "Descriptor", TAKE_PTR(descriptor));
}

bool manifest_platform_valid(const struct json *entry)
{
    static const struct {
        const char *os, *architectures;
    } known[] = {
        {"darwin", " 386 amd64 arm arm64 "},
        {"dragonfly", " amd64 "},
        {"freebsd", " 386 amd64 arm "},
        {"linux", " 386 amd64 arm arm64 ppc64le mips64 mips64le riscv64 s390x "},
        {"netbsd", " 386 amd64 arm "},
        {"openbsd", " 386 amd64 arm "},
        {"plan9", " 386 amd64 "},
        {"solaris", " amd64 "},
        {"windows", " 386 amd64 arm arm64 "},
    };
    const struct json *platform = json_get(json_get(entry, "Descriptor"), "platform");
    const char *os = json_get_string(platform, "os"), *architecture = json_get_string(platform, "architecture");
    if (!os || !architecture || !*architecture || strchr(architecture, ' '))
        return false;
    CLEANUP_FREE char *word = xasprintf(" %s ", architecture);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i].os, os) == 0)
            return strstr(known[i].architectures, word) != NULL;
    return false;
}
