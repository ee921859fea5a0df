#include "tests/unit/base_test.h"

#include <string.h>

#include "daemon/build/changes.h"
#include "image/container_config.h"

static char *encode(const struct container_config *config)
{
    struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    json_writer_init(&w, &out);
    json_table_encode(&container_config_table, config, &w);
    return strbuf_take(&out);
}

static void decode(const char *text, struct container_config *config)
{
    struct error err = {0};
    if (json_table_decode_text(&container_config_table, text, strlen(text), config, &err) < 0)
        fail_msg("%s", err.message);
}

static void an_empty_config_is_printed_as_docker_prints_it(void **state)
{
    (void)state;
    struct container_config config = {0};
    CLEANUP_FREE char *text = encode(&config);
    assert_string_equal(
        text,
        "{\"Hostname\":\"\",\"Domainname\":\"\",\"User\":\"\",\"AttachStdin\":false,\"AttachStdout\":false,"
        "\"AttachStderr\":false,\"Tty\":false,\"OpenStdin\":false,\"StdinOnce\":false,\"Env\":null,\"Cmd\":null,"
        "\"Image\":\"\",\"Volumes\":null,\"WorkingDir\":\"\",\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{}}");
}

static void a_config_comes_back_as_it_went_in(void **state)
{
    (void)state;
    static const char text[] =
        "{\"Hostname\":\"h\",\"Domainname\":\"\",\"User\":\"1:2\",\"AttachStdin\":true,\"AttachStdout\":false,"
        "\"AttachStderr\":false,\"ExposedPorts\":{\"53/udp\":{},\"80/tcp\":{}},\"Tty\":true,\"OpenStdin\":false,"
        "\"StdinOnce\":false,\"Env\":[\"A=b\"],\"Cmd\":[\"sh\",\"-c\",\"true\"],\"Healthcheck\":{\"Test\":[\"CMD\","
        "\"true\"],\"Interval\":5000000000,\"Retries\":3},\"Image\":\"x\",\"Volumes\":{\"/v\":{}},\"WorkingDir\":\"/"
        "w\","
        "\"Entrypoint\":[],\"OnBuild\":[\"RUN "
        "x\"],\"Labels\":{\"a\":\"b\"},\"StopSignal\":\"SIGINT\",\"StopTimeout\":0,"
        "\"Shell\":[\"/bin/ash\",\"-c\"]}";
    struct container_config config = {0};
    decode(text, &config);
    CLEANUP_FREE char *again = encode(&config);
    assert_string_equal(again, text);
    assert_int_equal(config.healthcheck->retries, 3);
    assert_non_null(config.stop_timeout);
    container_config_release(&config);
}

static void absent_null_and_empty_commands_differ(void **state)
{
    (void)state;
    struct container_config config = {0};
    decode("{}", &config);
    assert_false(config.cmd_set);
    decode("{\"Cmd\":[],\"Entrypoint\":null}", &config);
    assert_true(config.cmd_set);
    assert_false(config.entrypoint_set);
    decode("{\"Cmd\":null}", &config);
    assert_false(config.cmd_set);
    container_config_release(&config);
}

static void a_command_may_be_one_string(void **state)
{
    (void)state;
    struct container_config config = {0};
    decode("{\"Cmd\":\"sh\",\"Entrypoint\":\"/init\"}", &config);
    assert_int_equal(config.cmd.count, 1);
    assert_string_equal(config.cmd.items[0], "sh");
    assert_string_equal(config.entrypoint.items[0], "/init");
    container_config_release(&config);
}

static void wrong_types_are_refused_with_their_path(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"{\"Cmd\":5}", "Cmd"},
        {"{\"Cmd\":[5]}", "Cmd"},
        {"{\"ExposedPorts\":[\"80\"]}", "ExposedPorts"},
        {"{\"Volumes\":{\"/v\":1}}", "Volumes"},
        {"{\"Healthcheck\":{\"Retries\":\"x\"}}", "Healthcheck.Retries"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct container_config config = {0};
        struct error err = {0};
        assert_true(
            json_table_decode_text(&container_config_table, cases[i].text, strlen(cases[i].text), &config, &err) < 0);
        assert_int_equal(err.kind, ERROR_INVALID);
        if (!strstr(err.message, cases[i].message))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].message, err.message);
        container_config_release(&config);
    }
}

static void change(struct container_config *config, const char *instruction)
{
    struct error err = {0};
    if (container_config_change(config, instruction, &err) < 0)
        fail_msg("%s: %s", instruction, err.message);
}

static void instructions_change_the_config(void **state)
{
    (void)state;
    struct container_config c = {0};
    change(&c, "ENV A=b Q=\"two words\" E=a\\ b");
    change(&c, "env OLD the whole $A rest");
    change(&c, "ENV A=${A}c D=${NONE:-dflt} P=${A:+set} S='$A'");
    assert_string_equal(strv_env_get(&c.env, "Q"), "two words");
    assert_string_equal(strv_env_get(&c.env, "E"), "a b");
    assert_string_equal(strv_env_get(&c.env, "OLD"), "the whole b rest");
    assert_string_equal(strv_env_get(&c.env, "A"), "bc");
    assert_string_equal(strv_env_get(&c.env, "D"), "dflt");
    assert_string_equal(strv_env_get(&c.env, "P"), "set");
    assert_string_equal(strv_env_get(&c.env, "S"), "$A");
    change(&c, "CMD [\"a\", \"b\"]");
    assert_int_equal(c.cmd.count, 2);
    change(&c, "ENTRYPOINT run it");
    assert_string_equal(c.entrypoint.items[0], "/bin/sh");
    assert_string_equal(c.entrypoint.items[2], "run it");
    change(&c, "EXPOSE 80 8000-8001/udp");
    assert_int_equal(c.exposed_ports.count, 3);
    assert_string_equal(c.exposed_ports.items[2], "8001/udp");
    change(&c, "WORKDIR /a/../b");
    change(&c, "WORKDIR c");
    assert_string_equal(c.working_dir, "/b/c");
    change(&c, "VOLUME [\"/v\"]");
    change(&c, "VOLUME /w /v");
    assert_int_equal(c.volumes.count, 2);
    change(&c, "LABEL a=b \"c d\"=\"e f\"");
    assert_string_equal(strmap_get(&c.labels, "c d"), "e f");
    change(&c, "USER 1000:1000");
    assert_string_equal(c.user, "1000:1000");
    change(&c, "STOPSIGNAL SIGINT");
    change(&c, "ONBUILD RUN make");
    change(&c, "HEALTHCHECK --interval=5s --retries=2 CMD curl -f x");
    assert_string_equal(c.healthcheck->test.items[0], "CMD-SHELL");
    assert_int_equal(c.healthcheck->interval, 5000000000);
    change(&c, "HEALTHCHECK NONE");
    change(&c, "LABEL one=1\nENV TWO=2\nLABEL three=");
    assert_string_equal(strmap_get(&c.labels, "one"), "1");
    assert_string_equal(strv_env_get(&c.env, "TWO"), "2");
    assert_string_equal(strmap_get(&c.labels, "three"), "");
    assert_string_equal(c.healthcheck->test.items[0], "NONE");
    container_config_release(&c);
}

static void bad_instructions_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *instruction, *message;
    } cases[] = {
        {"RUN x", "RUN is not a valid change command"},
        {"LABEL a=b\nRUN x", "RUN is not a valid change command"},
        {"LABEL a=b\nENV", "ENV requires at least one argument"},
        {"ENV", "ENV requires at least one argument"},
        {"ENV A=b C", "can't find = in \"C\""},
        {"ENV A=\"b", "failed to process"},
        {"ENV A=${B", "failed to process"},
        {"EXPOSE 70000", "invalid containerPort: 70000"},
        {"EXPOSE 80/foo", "invalid proto: foo"},
        {"SHELL sh", "SHELL requires"},
        {"ONBUILD FROM x", "isn't allowed as an ONBUILD trigger"},
        {"HEALTHCHECK --bogus=1 CMD x", "unknown flag: --bogus"},
        {"HEALTHCHECK sh", "Unknown type \"sh\" in HEALTHCHECK"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct container_config c = {0};
        struct error err = {0};
        assert_true(container_config_change(&c, cases[i].instruction, &err) < 0);
        if (!strstr(err.message, cases[i].message))
            fail_msg("\"%s\" is not in \"%s\"", cases[i].message, err.message);
        assert_int_equal(err.kind, ERROR_INVALID);
        container_config_release(&c);
    }
}

static char *show(const char *text, int version, bool image)
{
    struct container_config config = {0};
    struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    decode(text, &config);
    json_writer_init(&w, &out);
    (image ? container_config_show_image : container_config_show)(&config, version, &w);
    container_config_release(&config);
    return strbuf_take(&out);
}

static void each_version_of_the_api_shows_its_members(void **state)
{
    (void)state;
    static const char few[] = "\"User\":\"\",\"Env\":null,\"Cmd\":null,\"Volumes\":null,\"WorkingDir\":\"\","
                              "\"Entrypoint\":null,\"OnBuild\":null,\"Labels\":{}";
    static const struct {
        const char *text;
        int version;
        bool image;
        const char *expected;
    } rows[] = {
        {"{}", 50, true, few},
        {"{\"Hostname\":\"h\",\"MacAddress\":\"m\",\"StopTimeout\":1,\"Image\":\"i\"}", 51, true, few},
        {"{}", 52, true, ""},
        {"{}", 0, true, ""},
        {"{\"Cmd\":[],\"Entrypoint\":[],\"Tty\":true,\"Shell\":[\"sh\"]}", 52, true, "\"Shell\":[\"sh\"]"},
        {"{\"Env\":[\"A=b\"],\"Cmd\":[\"c\"]}", 56, true, "\"Env\":[\"A=b\"],\"Cmd\":[\"c\"]"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *shown = show(rows[i].text, rows[i].version, rows[i].image);
        CLEANUP_FREE char *expected = xasprintf("{%s}", rows[i].expected);
        assert_string_equal(shown, expected);
    }
    struct container_config empty = {0};
    CLEANUP_FREE char *whole = encode(&empty), *old = show("{}", 49, true), *of_container = show("{}", 51, false);
    assert_string_equal(old, whole);
    assert_string_equal(of_container, whole);
    CLEANUP_FREE char *mac = show("{\"MacAddress\":\"m\",\"OnBuild\":[\"x\"]}", 52, false);
    assert_null(strstr(mac, "MacAddress"));
    assert_non_null(strstr(mac, "\"OnBuild\":[\"x\"]"));
    CLEANUP_FREE char *without = show("{}", 52, false);
    assert_null(strstr(without, "OnBuild"));
    assert_non_null(strstr(without, "\"Hostname\":\"\""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_config_is_printed_as_docker_prints_it),
        cmocka_unit_test(a_config_comes_back_as_it_went_in),
        cmocka_unit_test(absent_null_and_empty_commands_differ),
        cmocka_unit_test(a_command_may_be_one_string),
        cmocka_unit_test(wrong_types_are_refused_with_their_path),
        cmocka_unit_test(instructions_change_the_config),
        cmocka_unit_test(bad_instructions_are_refused),
        cmocka_unit_test(each_version_of_the_api_shows_its_members),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
