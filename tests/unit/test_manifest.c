/* Manifests: what is accepted, what is refused and how, and which platform is chosen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "base/strbuf.h"
#include "image/manifest.h"

#define D1 "sha256:1111111111111111111111111111111111111111111111111111111111111111"
#define D2 "sha256:2222222222222222222222222222222222222222222222222222222222222222"
#define D3 "sha256:3333333333333333333333333333333333333333333333333333333333333333"
#define DESCRIPTOR(type, digest) "{\"mediaType\":\"" type "\",\"size\":7,\"digest\":\"" digest "\"}"
#define DOCKER_CONFIG DESCRIPTOR("application/vnd.docker.container.image.v1+json", D1)
#define DOCKER_LAYER DESCRIPTOR("application/vnd.docker.image.rootfs.diff.tar.gzip", D2)
#define OCI_CONFIG DESCRIPTOR("application/vnd.oci.image.config.v1+json", D1)
#define OCI_LAYER DESCRIPTOR("application/vnd.oci.image.layer.v1.tar+zstd", D2)
#define DOCKER_IMAGE                                                                                                   \
    "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST "\",\"config\":" DOCKER_CONFIG                       \
    ",\"layers\":[" DOCKER_LAYER "]}"
#define OCI_IMAGE "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[" OCI_LAYER "," OCI_LAYER "]}"
#define PLATFORM(digest, platform)                                                                                     \
    "{\"mediaType\":\"" MEDIA_OCI_MANIFEST "\",\"size\":7,\"digest\":\"" digest "\",\"platform\":" platform "}"
#define OCI_LIST(items) "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_OCI_INDEX "\",\"manifests\":[" items "]}"

static int parse(const char *type, const char *text, struct manifest *ret, struct error *err)
{
    *ret = (struct manifest){0};
    return manifest_parse(type, text, strlen(text), ret, err);
}

static void docker_and_oci_images_are_read(void **state)
{
    (void)state;
    struct manifest m;
    struct error err = {0};
    if (parse(MEDIA_DOCKER_MANIFEST "; charset=utf-8", DOCKER_IMAGE, &m, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(m.kind, MANIFEST_IMAGE);
    assert_int_equal(m.count, 1);
    assert_string_equal(m.config.digest, D1);
    assert_string_equal(m.items[0].digest, D2);
    assert_int_equal(m.items[0].size, 7);
    manifest_release(&m);
    if (parse(MEDIA_OCI_MANIFEST, OCI_IMAGE, &m, &err) < 0)
        fail_msg("%s", err.message);
    assert_int_equal(m.count, 2);
    manifest_release(&m);
}

static void the_document_names_its_type_when_the_server_does_not(void **state)
{
    (void)state;
    struct manifest m;
    assert_int_equal(parse("application/json", DOCKER_IMAGE, &m, NULL), 0);
    manifest_release(&m);
    assert_int_equal(parse(NULL, DOCKER_IMAGE, &m, NULL), 0);
    manifest_release(&m);
    assert_true(parse(NULL, OCI_IMAGE, &m, NULL) < 0);
}

static void the_urls_of_foreign_layers_are_kept(void **state)
{
    (void)state;
    struct manifest m;
    assert_int_equal(
        parse(MEDIA_OCI_MANIFEST,
              "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[{\"mediaType\":"
              "\"application/vnd.oci.image.layer.nondistributable.v1.tar+gzip\",\"size\":1,\"digest\":\"" D2
              "\",\"urls\":[\"https://a/b\",\"https://c/d\"]}," OCI_LAYER "]}",
              &m, NULL),
        0);
    assert_true(descriptor_is_foreign(&m.items[0]));
    assert_false(descriptor_is_foreign(&m.items[1]));
    assert_int_equal(m.items[0].urls.count, 2);
    manifest_release(&m);
}

static const struct {
    const char *type, *text, *message;
} refused[] = {
    {MEDIA_OCI_MANIFEST, "", "invalid manifest"},
    {MEDIA_OCI_MANIFEST, "[]", "not a JSON object"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2", "invalid manifest"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":3}", "unrecognized manifest schema version 3"},
    {MEDIA_DOCKER_SCHEMA1_SIGNED, "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1 is not supported"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":1,\"fsLayers\":[]}", "schema 1 is not supported"},
    {"text/html", DOCKER_IMAGE, "mediaType in manifest should be 'text/html' not '" MEDIA_DOCKER_MANIFEST "'"},
    {MEDIA_OCI_MANIFEST, DOCKER_IMAGE, "mediaType in manifest should be '" MEDIA_OCI_MANIFEST "'"},
    {MEDIA_DOCKER_MANIFEST, OCI_IMAGE, "mediaType in manifest should be '" MEDIA_DOCKER_MANIFEST "' not ''"},
    {MEDIA_OCI_INDEX, OCI_IMAGE, "expected index but found image"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"manifests\":[]}", "expected a manifest but found 'manifests'"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[],\"manifests\":[]}",
     "expected a manifest but found 'manifests'"},
    {MEDIA_OCI_INDEX, "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[],\"manifests\":[]}",
     "expected index but found image"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"layers\":[]}", "the config has no valid digest"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"config\":" OCI_CONFIG "}", "\"layers\" is missing"},
    {MEDIA_OCI_MANIFEST, "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[{}]}",
     "a layer has no valid digest"},
    {MEDIA_OCI_MANIFEST,
     "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[{\"digest\":\"" D1 "\",\"size\":-1}]}",
     "a layer has no valid size"},
    {MEDIA_OCI_MANIFEST,
     "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[" DESCRIPTOR("application/x-tar", D2) "]}",
     "unsupported media type application/x-tar"},
    {MEDIA_OCI_MANIFEST,
     "{\"schemaVersion\":2,\"config\":" DESCRIPTOR("application/vnd.cncf.helm.config.v1+json", D1) ",\"layers\":[]}",
     "unsupported media type application/vnd.cncf.helm.config.v1+json"},
    {MEDIA_OCI_MANIFEST,
     "{\"schemaVersion\":2,\"artifactType\":\"application/x\",\"config\":" OCI_CONFIG ",\"layers\":[]}",
     "unsupported media type application/x"},
    {MEDIA_DOCKER_MANIFEST,
     "{\"schemaVersion\":2,\"mediaType\":\"" MEDIA_DOCKER_MANIFEST
     "\",\"config\":" DESCRIPTOR("application/vnd.docker.plugin.v1+json", D1) ",\"layers\":[]}",
     "Encountered remote \"application/vnd.docker.plugin.v1+json\"(plugin) when fetching"},
};

static void what_is_no_image_or_could_be_two_things_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        struct manifest m;
        struct error err = {0};
        if (parse(refused[i].type, refused[i].text, &m, &err) == 0)
            fail_msg("accepted as %s: %s", refused[i].type, refused[i].text);
        if (!strstr(err.message, refused[i].message))
            fail_msg("\"%s\" does not say \"%s\"", err.message, refused[i].message);
    }
}

static void the_number_of_layers_is_bounded(void **state)
{
    (void)state;
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    strbuf_adds(&text, "{\"schemaVersion\":2,\"config\":" OCI_CONFIG ",\"layers\":[");
    for (int i = 0; i <= MANIFEST_LAYERS_MAX; i++)
        strbuf_addf(&text, "%s" OCI_LAYER, i ? "," : "");
    strbuf_adds(&text, "]}");
    struct manifest m;
    struct error err = {0};
    assert_true(parse(MEDIA_OCI_MANIFEST, strbuf_str(&text), &m, &err) < 0);
    assert_non_null(strstr(err.message, "at most 512 are allowed"));
}

static const char *choose(const char *list, const char *platform)
{
    static char digest[200];
    struct manifest m;
    struct platform p;
    struct error err = {0};
    assert_int_equal(platform_parse(platform, &p, &err), 0);
    if (parse(MEDIA_OCI_INDEX, list, &m, &err) < 0)
        fail_msg("%s", err.message);
    const struct descriptor *chosen;
    if (manifest_choose(&m, &p, &chosen, &err) < 0)
        snprintf(digest, sizeof digest, "%.150s", err.message);
    else
        snprintf(digest, sizeof digest, "%s", chosen->digest);
    manifest_release(&m);
    return digest;
}

static void the_best_platform_is_chosen(void **state)
{
    (void)state;
#define LINUX(arch) "{\"os\":\"linux\",\"architecture\":\"" arch "\"}"
#define VARIANT(arch, v) "{\"os\":\"linux\",\"architecture\":\"" arch "\",\"variant\":\"" v "\"}"
    const char *arms = OCI_LIST(PLATFORM(D1, VARIANT("arm", "v6")) "," PLATFORM(D2, VARIANT("arm", "v7")) "," PLATFORM(
        D3, VARIANT("arm64", "v8")));
    assert_string_equal(choose(arms, "linux/arm64"), D3);
    assert_string_equal(choose(arms, "linux/arm64/v8"), D3);
    assert_string_equal(choose(arms, "linux/arm"), D2);
    assert_string_equal(choose(arms, "linux/arm/v6"), D1);
    assert_string_equal(choose(arms, "linux/arm/v8"), D2);
    assert_string_equal(choose(arms, "linux/amd64"),
                        "no matching manifest for linux/amd64 in the manifest list entries");
    const char *intel = OCI_LIST(PLATFORM(D1, "{\"os\":\"windows\",\"architecture\":\"amd64\"}") "," PLATFORM(
        D2, VARIANT("amd64", "v3")) "," PLATFORM(D3, LINUX("amd64")));
    assert_string_equal(choose(intel, "linux/amd64"), D3);
    assert_string_equal(choose(intel, "linux/amd64/v4"), D2);
    assert_string_equal(choose(intel, "linux/amd64/v2"), D3);
    assert_string_equal(choose(intel, "linux/x86_64"), D3);
    const char *attested =
        OCI_LIST(PLATFORM(D1, "{\"os\":\"unknown\",\"architecture\":\"unknown\"}") "," PLATFORM(D2, LINUX("386")));
    assert_string_equal(choose(attested, "linux/amd64"), D2);
    const char *bare = OCI_LIST(DESCRIPTOR(MEDIA_OCI_MANIFEST, D1) "," PLATFORM(D2, LINUX("s390x")));
    assert_string_equal(choose(bare, "linux/amd64"), D1);
    assert_string_equal(choose(bare, "linux/s390x"), D2);
}

static void platforms_are_parsed_as_docker_does(void **state)
{
    (void)state;
    static const struct {
        const char *text, *formatted;
    } rows[] = {{"linux/amd64", "linux/amd64"},      {"linux/aarch64", "linux/arm64"},
                {"linux/arm64/v8", "linux/arm64"},   {"arm64", "linux/arm64"},
                {"linux/armhf", "linux/arm/v7"},     {"linux/arm/6", "linux/arm/v6"},
                {"Linux/AMD64", "linux/amd64"},      {"s390x", "linux/s390x"},
                {"windows/amd64", "windows/amd64"},  {"linux/amd64/v1", "linux/amd64"},
                {"linux/amd64/v3", "linux/amd64/v3"}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct platform p;
        char text[PLATFORM_TEXT_MAX];
        assert_int_equal(platform_parse(rows[i].text, &p, NULL), 0);
        platform_format(&p, text);
        assert_string_equal(text, rows[i].formatted);
    }
    static const char *const bad[] = {"", "/", "linux/", "linux/amd64/v8/x", "bogus", "linux/am d64", "a\tb"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct platform p;
        struct error err = {0};
        assert_true(platform_parse(bad[i], &p, &err) < 0);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(docker_and_oci_images_are_read),
        cmocka_unit_test(the_document_names_its_type_when_the_server_does_not),
        cmocka_unit_test(the_urls_of_foreign_layers_are_kept),
        cmocka_unit_test(what_is_no_image_or_could_be_two_things_is_refused),
        cmocka_unit_test(the_number_of_layers_is_bounded),
        cmocka_unit_test(the_best_platform_is_chosen),
        cmocka_unit_test(platforms_are_parsed_as_docker_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
