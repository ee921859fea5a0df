/* The pure parts of the loader of Compose files: variables, files of variables, short forms, merging, YAML. */
#include <errno.h>
#include <string.h>

#include "base/json_edit.h"
#include "cmd/dory/compose/dotenv.h"
#include "cmd/dory/compose/merge.h"
#include "cmd/dory/compose/normalize.h"
#include "cmd/dory/compose/render.h"
#include "tests/unit/base_test.h"

static const char *interpolated(const char *text, char **keep, struct strv *warnings)
{
    struct strv environment = STRV_INIT;
    struct interpolation how = {interpolate_from_list, &environment, warnings};
    struct error err = {0};
    strv_add(&environment, "SET=value");
    strv_add(&environment, "EMPTY=");
    strv_add(&environment, "OTHER=o$SET");
    free(*keep);
    *keep = NULL;
    if (interpolate_text(&how, text, keep, &err) < 0)
        *keep = xasprintf("error: %s", err.message);
    strv_release(&environment);
    return *keep;
}

static void test_interpolation(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"plain", "plain"},
        {"$SET", "value"},
        {"${SET}", "value"},
        {"a$SET-b${SET}c", "avalue-bvaluec"},
        {"$$SET $${SET} $$$SET", "$SET ${SET} $value"},
        {"$ $1 a$", "$ $1 a$"},
        {"$OTHER", "o$SET"}, /* values are not read again */
        {"${NONE-default}", "default"},
        {"${EMPTY-default}", ""},
        {"${EMPTY:-default}", "default"},
        {"${SET:-default}", "value"},
        {"${SET:+other}", "other"},
        {"${EMPTY:+other}", ""},
        {"${EMPTY+other}", "other"},
        {"${NONE+other}", ""},
        {"${NONE:-a-b:c?d+e}", "a-b:c?d+e"},
        {"${NONE:-${EMPTY:-${SET}}}x}", "valuex}"},
        {"${NONE:-{\"a\":1}}", "{\"a\":1}"},
        {"${SET:?why}", "value"},
        {"${NONE:?say $SET}", "error: required variable NONE is missing a value: say value"},
        {"${NONE?}", "error: required variable NONE is missing a value"},
        {"${EMPTY?}", ""},
        {"${EMPTY:?}", "error: required variable EMPTY is missing a value"},
    };
    static const char *const wrong[] = {"${}", "${SET", "${1}", "${SET!x}", "${ SET}", "${NONE:-${}}"};
    CLEANUP_FREE char *keep = NULL;
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_string_equal(interpolated(rows[i][0], &keep, NULL), rows[i][1]);
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++)
        assert_non_null(strstr(interpolated(wrong[i], &keep, NULL), "error: invalid interpolation format"));
}

static void test_interpolation_warns(void **state)
{
    CLEANUP_STRV struct strv warnings = STRV_INIT;
    CLEANUP_FREE char *keep = NULL;
    (void)state;
    assert_string_equal(interpolated("[$NONE${NONE2:-}]", &keep, &warnings), "[]");
    assert_int_equal(warnings.count, 1);
    assert_string_equal(warnings.items[0], "The \"NONE\" variable is not set. Defaulting to a blank string.");
}

static void test_interpolation_is_bounded(void **state)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_FREE char *keep = NULL;
    (void)state;
    for (int i = 0; i < 1000; i++)
        strbuf_adds(&text, "${NONE:-");
    for (int i = 0; i < 1000; i++)
        strbuf_addc(&text, '}');
    assert_non_null(strstr(interpolated(strbuf_str(&text), &keep, NULL), "nested more than"));
}

static char *variables_of(const char *text, enum dotenv_format format)
{
    struct strv outer = STRV_INIT, found = STRV_INIT;
    struct interpolation outside = {interpolate_from_list, &outer, NULL};
    struct error err = {0};
    strv_add(&outer, "OUT=outer");
    char *joined = dotenv_parse(text, format, &outside, &found, &err) < 0 ? xasprintf("error: %s", err.message)
                                                                          : strv_join(&found, "|");
    strv_release(&outer);
    strv_release(&found);
    return joined ? joined : xstrdup("");
}

static void test_dotenv(void **state)
{
    static const char *const rows[][2] = {
        {"", ""},
        {"# only\n\n", ""},
        {"A=1\nB = 2 \nexport C=3\nD: 4", "A=1|B=2|C=3|D=4"},
        {"\xef\xbb\xbf"
         "A=bom",
         "A=bom"},
        {"A=x # gone\nB=x#kept\n", "A=x|B=x#kept"},
        {"A='$OUT \\n'\nB=\"$OUT\\n\\\"q\\\" \\$OUT\"", "A=$OUT \\n|B=outer\n\"q\" $OUT"},
        {"A=\"two\nlines\"\nB='it\\'s'", "A=two\nlines|B=it's"},
        {"A=1\nB=$A${OUT}${NO:-d}$$x", "A=1|B=1outerd$x"},
        {"OUT\nNONE\n", "OUT=outer"},
        {"A=1\nA=2", "A=2"},
        {"A=\r\nB=1\r\n", "A=|B=1"},
        {"A=\"open\nB=1", "error: line 2: unterminated quoted value \"open"},
        {"A B=1", "error: line 1: key cannot contain a space"},
        {"ok=1\nA!=1", "error: line 2: unexpected character \"!\" in variable name \"A!=1\""},
        {"A=${NO:?why}", "error: line 1: required variable NO is missing a value: why"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *found = variables_of(rows[i][0], DOTENV_DEFAULT);
        assert_string_equal(found, rows[i][1]);
    }
    CLEANUP_FREE char *raw = variables_of("# c\nA=\"$OUT\" #x\n  B='y'\nOUT\n", DOTENV_RAW);
    assert_string_equal(raw, "A=\"$OUT\" #x|B='y'|OUT=outer");
}

/* One document, canonical. */
static struct yaml *document(struct yaml_pool *pool, const char *text)
{
    struct yaml **documents;
    size_t count;
    struct error err = {0};
    struct schema_walk walk = {pool, NULL, false};
    if (yaml_parse(pool, "f", text, strlen(text), &documents, &count, &err) < 0 ||
        schema_apply(&walk, documents[0], &err) < 0)
        fail_msg("%s: %s", text, err.message);
    return documents[0];
}

static void assert_model(struct yaml *root, const char *expected)
{
    CLEANUP_JSON struct json *json = render_raw(root);
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    json_print(json, "", 0, &text);
    assert_string_equal(strbuf_str(&text), expected);
}

static void assert_service(const char *service, const char *key, const char *expected)
{
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    CLEANUP_FREE char *text = xasprintf("services: {a: {%s}}", service);
    assert_model(yaml_get(yaml_get(yaml_get(document(&pool, text), "services"), "a"), key), expected);
}

static void test_short_forms(void **state)
{
    (void)state;
    assert_service("ports: [80]", "ports", "[{\"mode\":\"ingress\",\"protocol\":\"tcp\",\"target\":80}]");
    assert_service(
        "ports: ['1.2.3.4:8-9:80-81/udp']", "ports",
        "[{\"host_ip\":\"1.2.3.4\",\"mode\":\"ingress\",\"protocol\":\"udp\",\"published\":\"8\",\"target\":80},"
        "{\"host_ip\":\"1.2.3.4\",\"mode\":\"ingress\",\"protocol\":\"udp\",\"published\":\"9\",\"target\":81}]");
    assert_service("volumes: ['/a']", "volumes", "[{\"target\":\"/a\",\"type\":\"volume\"}]");
    assert_service(
        "volumes: ['vol:/a/../b:ro,nocopy']", "volumes",
        "[{\"read_only\":true,\"source\":\"vol\",\"target\":\"/b\",\"type\":\"volume\",\"volume\":{\"nocopy\":true}}]");
    assert_service("volumes: ['./x:/a:z']", "volumes",
                   "[{\"bind\":{\"create_host_path\":true,\"selinux\":\"z\"},\"source\":\"./x\",\"target\":\"/a\","
                   "\"type\":\"bind\"}]");
    assert_service(
        "volumes: ['C:\\x:/a']", "volumes",
        "[{\"bind\":{\"create_host_path\":true},\"source\":\"C:\\\\x\",\"target\":\"/a\",\"type\":\"bind\"}]");
    assert_service("command: \"a 'b c' d\\\\ e ; no more\"", "command", "[\"a\",\"b c\",\"d e\"]");
    assert_service("environment: [A=1, B, 'C=']", "environment", "{\"A\":\"1\",\"B\":null,\"C\":\"\"}");
    assert_service("labels: {a: 1.50, b: , c: true}", "labels", "{\"a\":\"1.5\",\"b\":\"\",\"c\":\"true\"}");
    assert_service("depends_on: [b]", "depends_on", "{\"b\":{\"condition\":\"service_started\",\"required\":true}}");
    assert_service("build: .", "build", "{\"context\":\".\"}");
    assert_service("env_file: x", "env_file", "[{\"path\":\"x\",\"required\":true}]");
    assert_service("devices: ['/a:/b:r']", "devices", "[{\"permissions\":\"r\",\"source\":\"/a\",\"target\":\"/b\"}]");
    assert_service("extra_hosts: {h: [1.1.1.1, '[::1]']}", "extra_hosts", "[\"h=1.1.1.1\",\"h=::1\"]");
    assert_service("mem_limit: 1.5g", "mem_limit", "\"1610612736\"");
    assert_service("stop_grace_period: 1d1h", "stop_grace_period", "\"25h0m0s\"");
    assert_service("secrets: [{source: s, mode: 0440}]", "secrets", "[{\"mode\":\"0440\",\"source\":\"s\"}]");
}

static void assert_merged(const char *base, const char *over, const char *expected)
{
    CLEANUP_YAML_POOL struct yaml_pool pool = {0};
    CLEANUP_FREE char *first = xasprintf("services: {a: {%s}}", base);
    CLEANUP_FREE char *second = xasprintf("services: {a: {%s}}", over);
    struct yaml *root = document(&pool, first);
    struct error err = {0};
    if (merge_documents(&pool, root, document(&pool, second), &err) < 0)
        fail_msg("%s", err.message);
    merge_finish(root);
    assert_model(yaml_get(yaml_get(root, "services"), "a"), expected);
}

static void test_merge(void **state)
{
    (void)state;
    assert_merged("image: a", "image: b", "{\"image\":\"b\"}");
    assert_merged("image: a", "hostname: h", "{\"hostname\":\"h\",\"image\":\"a\"}");
    assert_merged("command: [a]", "command: b c", "{\"command\":[\"b\",\"c\"]}");
    assert_merged("command: [a]", "command: ", "{\"command\":null}");
    assert_merged("environment: {A: 1, B: 1}", "environment: [B=2, A]", "{\"environment\":{\"A\":null,\"B\":\"2\"}}");
    assert_merged("labels: [a=1, b=1]", "labels: {b: 2}", "{\"labels\":{\"a\":\"1\",\"b\":\"2\"}}");
    assert_merged("cap_add: [A, B]", "cap_add: [B, C]", "{\"cap_add\":[\"A\",\"B\",\"C\"]}");
    assert_merged("expose: [1]", "expose: ['1', 2]", "{\"expose\":[\"1\",\"2\"]}");
    assert_merged(
        "volumes: ['aa:/x', 'bb:/y']", "volumes: ['cc:/x:ro']",
        "{\"volumes\":[{\"read_only\":true,\"source\":\"cc\",\"target\":\"/x\",\"type\":\"volume\",\"volume\":{}},"
        "{\"source\":\"bb\",\"target\":\"/y\",\"type\":\"volume\",\"volume\":{}}]}");
    assert_merged("ports: ['1:1']", "ports: [{target: 1, published: 1}]",
                  "{\"ports\":[{\"published\":\"1\",\"target\":1}]}");
    assert_merged("ulimits: {n: {soft: 1, hard: 2}}", "ulimits: {n: 3}", "{\"ulimits\":{\"n\":3}}");
    assert_merged("logging: {driver: a, options: {x: 1}}", "logging: {driver: b}", "{\"logging\":{\"driver\":\"b\"}}");
    assert_merged("logging: {driver: a, options: {x: 1}}", "logging: {options: {y: 2}}",
                  "{\"logging\":{\"driver\":\"a\",\"options\":{\"x\":\"1\",\"y\":\"2\"}}}");
    assert_merged("depends_on: [b]", "depends_on: {b: {condition: service_healthy}}",
                  "{\"depends_on\":{\"b\":{\"condition\":\"service_healthy\",\"required\":true}}}");
    assert_merged("cap_add: [A]", "cap_add: !override [B]", "{\"cap_add\":[\"B\"]}");
    assert_merged("cap_add: [A], image: x", "cap_add: !reset []", "{\"image\":\"x\"}");
    assert_merged("labels: {a: 1, b: 2}", "labels: {a: !reset , c: 3}", "{\"labels\":{\"b\":\"2\",\"c\":\"3\"}}");
}

static void test_yaml_round_trip(void **state)
{
    static const char *const texts[] = {
        "",    " x",   "x ", "a: b",     "a #b",       "- x",  "123",      "0x1f",     "1e3",    "true",
        "No",  "null", "~",  "12:30:45", "2024-01-01", "a\nb", "a\nb\n\n", "\na",      "tab\tx", "\x1b[0m",
        "'q'", "\"",   "%x", "@",        "{",          "[",    "*a",       "&a",       "!t",     "|",
        ">",   "?",    "-",  "\xc3\xa9", "a \nb",      ".5",   "=",        "key=value"};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        CLEANUP_YAML_POOL struct yaml_pool pool = {0};
        CLEANUP_JSON struct json *json = json_new_object();
        CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
        struct yaml **documents;
        size_t count;
        struct error err = {0};
        json_set(json, "k", json_new_string(texts[i]));
        render_yaml_text(json, &text);
        if (yaml_parse(&pool, "f", strbuf_str(&text), text.size, &documents, &count, &err) < 0)
            fail_msg("%s: %s", strbuf_str(&text), err.message);
        assert_true(yaml_is(yaml_get(documents[0], "k"), YAML_STRING));
        assert_string_equal(yaml_get_text(documents[0], "k"), texts[i]);
    }
}

static void test_names(void **state)
{
    static const char *const rows[][2] = {{"shop", "shop"}, {"My Shop_1", "myshop_1"}, {"_-x", "x"}, {"...", ""}};
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *name = normalize_project_name(rows[i][0]);
        assert_string_equal(name, rows[i][1]);
    }
    assert_true(render_compare_natural("a9", "a10") < 0);
    assert_true(render_compare_natural("a10", "b1") < 0);
    assert_int_equal(render_compare_natural("a1", "a1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interpolation),
        cmocka_unit_test(test_interpolation_warns),
        cmocka_unit_test(test_interpolation_is_bounded),
        cmocka_unit_test(test_dotenv),
        cmocka_unit_test(test_short_forms),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_yaml_round_trip),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
