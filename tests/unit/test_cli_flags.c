#include "base/json.h"
#include "cmd/dory/container_flags.h"
#include "cmd/dory/ports_format.h"
#include "tests/unit/base_test.h"

/* Parses a command line (blank separated) with run's flags; the error's text, or NULL. The caller frees. */
static char *parse(const char *line, struct container_flags *flags, struct strv *arguments)
{
    CLEANUP_STRV struct strv words = STRV_INIT;
    struct option_parse how = {.options = run_options, .stop_at_argument = true};
    struct error err = {0};
    bool help = false;
    strv_split(&words, line, ' ');
    container_flags_defaults(flags);
    int r = options_parse(&how, (int)words.count, words.items, flags, arguments, &help, &err);
    return r < 0 ? xstrdup(err.message) : help ? xstrdup("help") : NULL;
}

static void assert_line_fails(const char *line, const char *message)
{
    struct container_flags flags = {0};
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    CLEANUP_FREE char *got = parse(line, &flags, &arguments);
    assert_non_null(got);
    assert_string_equal(got, message);
    options_release(run_options, &flags);
}

static void flags_are_read_in_every_form(void **state)
{
    (void)state;
    struct container_flags flags = {0};
    CLEANUP_STRV struct strv arguments = STRV_INIT;
    CLEANUP_FREE char *got =
        parse("-dit --name=x -eA=1 -e B=2 --memory 64m -p 80 --rm=false --init image -x --name y", &flags, &arguments);
    assert_null(got);
    assert_true(flags.detach && flags.interactive && flags.tty && flags.init && flags.init_given);
    assert_false(flags.remove);
    assert_string_equal(flags.name, "x");
    assert_int_equal(flags.env.count, 2);
    assert_string_equal(flags.env.items[1], "B=2");
    assert_int_equal(flags.memory, 64 << 20);
    assert_int_equal(arguments.count, 4);
    assert_string_equal(arguments.items[1], "-x");
    options_release(run_options, &flags);
}

static void bad_flags_are_refused_in_dockers_words(void **state)
{
    (void)state;
    assert_line_fails("--nope x", "unknown flag: --nope");
    assert_line_fails("-dZ x", "unknown shorthand flag: 'Z' in -Z");
    assert_line_fails("-m", "flag needs an argument: 'm' in -m");
    assert_line_fails("--name", "flag needs an argument: --name");
    assert_line_fails("-m 12pot x", "invalid argument \"12pot\" for \"-m, --memory\" flag: invalid suffix: 'pot'");
    assert_line_fails("--cpus abc x",
                      "invalid argument \"abc\" for \"--cpus\" flag: failed to parse abc as a rational number");
    assert_line_fails("--ulimit foo x", "invalid argument \"foo\" for \"--ulimit\" flag: invalid ulimit argument: foo");
    assert_line_fails("--ulimit nofile=5:3 x",
                      "invalid argument \"nofile=5:3\" for \"--ulimit\" flag: ulimit soft limit "
                      "must be less than or equal to hard limit: 5 > 3");
    assert_line_fails("--rm=maybe x",
                      "invalid argument \"maybe\" for \"--rm\" flag: strconv.ParseBool: parsing \"maybe\": "
                      "invalid syntax");
    assert_line_fails("--gpus all x", "--gpus is not supported");
}

/* "IP|HOST|CONTAINER" of every mapping, or "!error". The caller frees. */
static char *ports(const char *spec)
{
    __attribute__((cleanup(port_mappings_release))) struct port_mappings list = {0};
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    struct error err = {0};
    if (port_mappings_parse(&list, spec, &err) < 0)
        return xasprintf("!%s", err.message);
    for (size_t i = 0; i < list.count; i++)
        strbuf_addf(&out, "%s%s|%s|%s", i ? " " : "", list.items[i].host_ip, list.items[i].host_port,
                    list.items[i].container);
    return strbuf_take(&out);
}

static void port_specifications(void **state)
{
    (void)state;
    static const struct {
        const char *spec, *expected;
    } cases[] = {
        {"80", "||80/tcp"},
        {"8080:80", "|8080|80/tcp"},
        {"8080:80/udp", "|8080|80/udp"},
        {"127.0.0.1:8080:80", "127.0.0.1|8080|80/tcp"},
        {"127.0.0.1::80/TCP", "127.0.0.1||80/tcp"},
        {"[::1]:8080:80", "::1|8080|80/tcp"},
        {"8000-8001:80-81", "|8000|80/tcp |8001|81/tcp"},
        {"8000-8010:80", "|8000-8010|80/tcp"},
        {"80-81", "||80/tcp ||81/tcp"},
        {"99999:80", "!invalid hostPort: 99999"},
        {"80:99999", "!invalid containerPort: 99999"},
        {"80:", "!no port specified: 80:<empty>"},
        {"", "!no port specified: <empty>"},
        {"80/icmp", "!invalid proto: icmp"},
        {"8000-8002:80-81", "!invalid ranges specified for container and host Ports: 80-81 and 8000-8002"},
        {"90-80:1-2", "!invalid hostPort: 90-80"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_FREE char *got = ports(cases[i].spec);
        assert_string_equal(got, cases[i].expected);
    }
}

static void mounts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"type=bind,src=/a,dst=/b,readonly",
         "{\"Type\":\"bind\",\"Source\":\"/a\",\"Target\":\"/b\",\"ReadOnly\":true}"},
        {"target=/x", "{\"Type\":\"volume\",\"Target\":\"/x\"}"},
        {"type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770",
         "{\"Type\":\"tmpfs\",\"Target\":\"/t\",\"TmpfsOptions\":{\"SizeBytes\":1048576,\"Mode\":1016}}"},
        {"\"src=a,b\",dst=/c", "{\"Type\":\"volume\",\"Source\":\"a,b\",\"Target\":\"/c\"}"},
        {"type=bind,src=/a", "!invalid argument \"type=bind,src=/a\" for \"--mount\" flag: target is required"},
        {"dst=/a,nope=1",
         "!invalid argument \"dst=/a,nope=1\" for \"--mount\" flag: unexpected key 'nope' in 'nope=1'"},
        {"type=bind,dst=/a,volume-nocopy", "!invalid argument \"type=bind,dst=/a,volume-nocopy\" for \"--mount\" flag: "
                                           "cannot mix 'volume-*' options with "
                                           "mount type 'bind'"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
        struct json_writer w;
        struct error err = {0};
        json_writer_init(&w, &out);
        if (mount_option_write(cases[i].text, &w, &err) < 0) {
            strbuf_clear(&out);
            strbuf_addf(&out, "!%s", err.message);
        }
        assert_string_equal(strbuf_str(&out), cases[i].expected);
    }
}

static void ports_are_grouped_as_docker_groups_them(void **state)
{
    (void)state;
    static const struct {
        const char *json, *expected;
    } cases[] = {
        {"[]", ""},
        {"[{\"PrivatePort\":443,\"Type\":\"tcp\"}]", "443/tcp"},
        {"[{\"PrivatePort\":81,\"Type\":\"tcp\"},{\"PrivatePort\":80,\"Type\":\"tcp\"}]", "80-81/tcp"},
        {"[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":8080,\"Type\":\"tcp\"}]", "0.0.0.0:8080->80/tcp"},
        {"[{\"IP\":\"0.0.0.0\",\"PrivatePort\":80,\"PublicPort\":80,\"Type\":\"tcp\"},"
         "{\"IP\":\"0.0.0.0\",\"PrivatePort\":81,\"PublicPort\":81,\"Type\":\"tcp\"}]",
         "0.0.0.0:80-81->80-81/tcp"},
        {"[{\"IP\":\"::\",\"PrivatePort\":80,\"PublicPort\":80,\"Type\":\"tcp\"}]", "[::]:80->80/tcp"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        CLEANUP_JSON struct json *list = NULL;
        struct error err = {0};
        assert_int_equal(json_parse(cases[i].json, strlen(cases[i].json), &list, &err), 0);
        CLEANUP_FREE char *got = ports_format(list);
        assert_string_equal(got, cases[i].expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flags_are_read_in_every_form),
        cmocka_unit_test(bad_flags_are_refused_in_dockers_words),
        cmocka_unit_test(port_specifications),
        cmocka_unit_test(mounts),
        cmocka_unit_test(ports_are_grouped_as_docker_groups_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
