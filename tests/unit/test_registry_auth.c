/* What registries say: challenges, tokens, errors; and whom to trust and through which proxy to go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/memory.h"
#include "image/http.h"
#include "image/http_proxy.h"
#include "image/registry_auth.h"
#include "image/registry_endpoint.h"

static const struct {
    const char *header;
    enum challenge_scheme scheme;
    const char *realm, *service, *scope;
} challenges[] = {
    {"Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\"", CHALLENGE_BEARER,
     "https://auth.docker.io/token", "registry.docker.io", NULL},
    {"Bearer realm=\"https://a/t\", service=\"s\", scope=\"repository:x/y:pull,push\"", CHALLENGE_BEARER, "https://a/t",
     "s", "repository:x/y:pull,push"},
    {"bearer Realm=https:", CHALLENGE_BEARER, "https", NULL, NULL},
    {"Basic realm=\"Registry Realm\"", CHALLENGE_BASIC, "Registry Realm", NULL, NULL},
    {"Basic", CHALLENGE_BASIC, NULL, NULL, NULL},
    {"Basic realm=\"x\", Bearer realm=\"y\"", CHALLENGE_BEARER, "y", NULL, NULL},
    {"Bearer realm=\"y\", Basic realm=\"x\"", CHALLENGE_BEARER, "y", NULL, NULL},
    {"Negotiate, Basic realm=\"x\"", CHALLENGE_BASIC, "x", NULL, NULL},
    {"Digest realm=\"d\", nonce=\"n\", Basic realm=\"x\"", CHALLENGE_BASIC, "x", NULL, NULL},
    {"Bearer realm=\"with \\\"quotes\\\", and commas\",service=s", CHALLENGE_BEARER, "with \"quotes\", and commas", "s",
     NULL},
    {"Bearer", CHALLENGE_NONE, NULL, NULL, NULL},
    {"Bearer service=\"s\"", CHALLENGE_NONE, NULL, NULL, NULL},
    {"Bearer realm=\"unterminated", CHALLENGE_NONE, NULL, NULL, NULL},
    {"", CHALLENGE_NONE, NULL, NULL, NULL},
    {" , ,", CHALLENGE_NONE, NULL, NULL, NULL},
    {"=\"\"", CHALLENGE_NONE, NULL, NULL, NULL},
};

static void challenges_are_understood(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(challenges); i++) {
        CLEANUP_STRV struct strv headers = STRV_INIT;
        strv_add(&headers, challenges[i].header);
        struct registry_challenge c;
        registry_challenge_parse(&headers, &c);
        if (c.scheme != challenges[i].scheme)
            fail_msg("%s: scheme %d", challenges[i].header, c.scheme);
        assert_string_equal(c.realm ? c.realm : "-", challenges[i].realm ? challenges[i].realm : "-");
        assert_string_equal(c.service ? c.service : "-", challenges[i].service ? challenges[i].service : "-");
        assert_string_equal(c.scope ? c.scope : "-", challenges[i].scope ? challenges[i].scope : "-");
        registry_challenge_release(&c);
    }
}

static void both_spellings_of_a_token_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text, *token;
        int64_t expires;
        const char *refresh;
    } rows[] = {
        {"{\"token\":\"a.b-c\"}", "a.b-c", 1055, NULL},
        {"{\"access_token\":\"x\",\"expires_in\":300,\"refresh_token\":\"keep me\"}", "x", 1295, "keep me"},
        {"{\"token\":\"t\",\"refresh_token\":\"\"}", "t", 1055, NULL},
        {"{\"token\":\"t\",\"access_token\":\"a\",\"expires_in\":1}", "t", 1055, NULL},
        {"{\"token\":\"t\",\"expires_in\":99999999999}", "t", 1000 + 86400 - 5, NULL},
        {"{}", NULL, 0, NULL},
        {"{\"token\":\"\"}", NULL, 0, NULL},
        {"{\"token\":5}", NULL, 0, NULL},
        {"{\"token\":\"a\\r\\nHost: evil\"}", NULL, 0, NULL},
        {"<html>", NULL, 0, NULL},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct registry_token token = {0};
        int rc = registry_token_parse(rows[i].text, strlen(rows[i].text), 1000, &token, NULL);
        assert_int_equal(rc == 0, rows[i].token != NULL);
        assert_string_equal(token.text ? token.text : "-", rows[i].token ? rows[i].token : "-");
        assert_int_equal(token.expires, rows[i].expires);
        assert_string_equal(token.refresh ? token.refresh : "-", rows[i].refresh ? rows[i].refresh : "-");
        registry_token_release(&token);
    }
}

static void errors_get_dockers_wording(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body, *code, *message;
    } rows[] = {
        {404, "{\"errors\":[{\"code\":\"MANIFEST_UNKNOWN\",\"message\":\"manifest unknown\"}]}", "MANIFEST_UNKNOWN",
         "manifest unknown: manifest unknown"},
        {429, "{\"errors\":[{\"code\":\"TOOMANYREQUESTS\",\"message\":\"You have reached your pull rate limit.\"}]}",
         "TOOMANYREQUESTS", "toomanyrequests: You have reached your pull rate limit."},
        {429, "", "TOOMANYREQUESTS", "toomanyrequests: toomanyrequests"},
        {401, "", "UNAUTHORIZED", "unauthorized: authentication required"},
        {401, "{\"details\":\"incorrect username or password\"}", "UNAUTHORIZED",
         "unauthorized: incorrect username or password"},
        {403, "<html>", "DENIED", "denied: requested access to the resource is denied"},
        {500, "oops", NULL, "received unexpected HTTP status: 500 Internal Server Error"},
        {404, "{\"errors\":[{\"code\":\"A\\u001b[31m\",\"message\":\"x\"}]}", NULL,
         "received unexpected HTTP status: 404 Not Found"},
        {404, "{\"errors\":[{\"code\":\"NAME_UNKNOWN\",\"message\":\"a\\nb\\u001b[31m\"}]}", "NAME_UNKNOWN",
         "name unknown: a b [31m"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct registry_failure failure;
        registry_failure_parse(rows[i].status, NULL, rows[i].body, strlen(rows[i].body), &failure);
        assert_string_equal(failure.message, rows[i].message);
        assert_string_equal(failure.code ? failure.code : "-", rows[i].code ? rows[i].code : "-");
        registry_failure_release(&failure);
    }
}

static void a_token_that_does_not_do_is_a_denial(void **state)
{
    (void)state;
    static const char body[] = "{\"errors\":[{\"code\":\"UNAUTHORIZED\",\"message\":\"authentication required\"}]}";
    static const struct {
        int status;
        const char *challenge, *code;
    } rows[] = {
        {401, "Bearer realm=\"https://a/t\",service=\"s\",scope=\"repository:x:pull\",error=\"insufficient_scope\"",
         "DENIED"},
        {401, "Bearer realm=\"https://a/t\",error=\"invalid_token\"", "UNAUTHORIZED"},
        {401, "Bearer realm=\"https://a/t\",scope=\"insufficient_scope\"", "UNAUTHORIZED"},
        {500, "Bearer realm=\"https://a/t\",error=\"insufficient_scope\"", "UNAUTHORIZED"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct registry_failure failure;
        CLEANUP_STRV struct strv challenges = STRV_INIT;
        strv_add(&challenges, rows[i].challenge);
        registry_failure_parse(rows[i].status, &challenges, body, strlen(body), &failure);
        assert_string_equal(failure.code, rows[i].code);
        assert_string_equal(failure.message, strcmp(rows[i].code, "DENIED") == 0
                                                 ? "denied: requested access to the resource is denied"
                                                 : "unauthorized: authentication required");
        registry_failure_release(&failure);
    }
}

static void passwords_are_encoded_for_basic(void **state)
{
    (void)state;
    static const struct {
        const char *user, *password, *header;
    } rows[] = {{"Aladdin", "open sesame", "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="},
                {"a", "", "Basic YTo="},
                {"ab", NULL, "Basic YWI6"},
                {"test", "123\xc2\xa3", "Basic dGVzdDoxMjPCow=="}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_FREE char *header = http_basic(rows[i].user, rows[i].password);
        assert_string_equal(header, rows[i].header);
    }
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    http_add_parameter(&out, '?', "scope", "repository:a/b:pull");
    http_add_parameter(&out, '&', "x", "a b&c=d");
    assert_string_equal(strbuf_str(&out), "?scope=repository%3Aa%2Fb%3Apull&x=a%20b%26c%3Dd");
}

static void only_loopback_and_what_was_configured_is_insecure(void **state)
{
    (void)state;
    struct registry_config config = {0};
    strv_add(&config.insecure, "plain.example:5000");
    strv_add(&config.insecure, "10.1.0.0/16");
    strv_add(&config.insecure, "fd00::/8");
    static const struct {
        const char *domain;
        bool insecure;
    } rows[] = {
        {"localhost", true},
        {"localhost:5000", true},
        {"127.0.0.1:5000", true},
        {"127.9.9.9", true},
        {"[::1]:5000", true},
        {"plain.example:5000", true},
        {"plain.example", false},
        {"10.1.2.3:5000", true},
        {"10.2.2.3:5000", false},
        {"[fd00::5]:80", true},
        {"[2001:db8::1]:80", false},
        {"docker.io", false},
        {"localhost.evil.example.invalid", false},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        if (registry_is_insecure(rows[i].domain, &config) != rows[i].insecure)
            fail_msg("%s", rows[i].domain);
    assert_true(registry_is_insecure("127.0.0.1", NULL));
    assert_false(registry_is_insecure("128.0.0.1", NULL));
    strv_release(&config.insecure);
}

static void endpoints_are_tried_in_dockers_order(void **state)
{
    (void)state;
    struct registry_config config = {0};
    strv_add(&config.mirrors, "https://mirror.example/");
    strv_add(&config.certs_dirs, "/nonexistent");
    struct registry_endpoints list = {0};
    assert_int_equal(registry_endpoints_find("docker.io", &config, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].url, "https://mirror.example");
    assert_true(list.items[0].mirror);
    assert_string_equal(list.items[1].url, "https://registry-1.docker.io");
    assert_false(list.items[1].trust.insecure);
    registry_endpoints_release(&list);
    assert_int_equal(registry_endpoints_find("127.0.0.1:5000", &config, &list, NULL), 0);
    assert_int_equal(list.count, 2);
    assert_string_equal(list.items[0].url, "https://127.0.0.1:5000");
    assert_string_equal(list.items[1].url, "http://127.0.0.1:5000");
    registry_endpoints_release(&list);
    assert_int_equal(registry_endpoints_find("quay.io", &config, &list, NULL), 0);
    assert_int_equal(list.count, 1);
    registry_endpoints_release(&list);
    assert_string_equal(registry_index_key("docker.io"), "https://index.docker.io/v1/");
    assert_string_equal(registry_index_key("quay.io"), "quay.io");
    strv_release(&config.mirrors);
    strv_release(&config.certs_dirs);
}

static void proxies_follow_gos_rules(void **state)
{
    (void)state;
    struct http_proxy_settings s = {
        "http://p:1", "http://q:2",
        "direct.example, .sub.example,10.0.0.0/8,192.168.1.1,port.example:8080,*.star.example"};
    static const struct {
        bool https;
        const char *host;
        int port;
        const char *proxy;
    } rows[] = {
        {false, "x.example", 80, "http://p:1"},
        {true, "x.example", 443, "http://q:2"},
        {false, "localhost", 80, NULL},
        {false, "127.0.0.1", 5000, NULL},
        {false, "::1", 5000, NULL},
        {true, "direct.example", 443, NULL},
        {true, "a.direct.example", 443, NULL},
        {true, "notdirect.example", 443, "http://q:2"},
        {true, "sub.example", 443, "http://q:2"},
        {true, "a.sub.example", 443, NULL},
        {true, "a.star.example", 443, NULL},
        {true, "10.200.0.1", 443, NULL},
        {true, "11.0.0.1", 443, "http://q:2"},
        {true, "192.168.1.1", 443, NULL},
        {true, "192.168.1.2", 443, "http://q:2"},
        {true, "port.example", 8080, NULL},
        {true, "port.example", 443, "http://q:2"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        const char *proxy = http_proxy_for(&s, rows[i].https, rows[i].host, rows[i].port);
        if ((proxy == NULL) != (rows[i].proxy == NULL) || (proxy && strcmp(proxy, rows[i].proxy) != 0))
            fail_msg("%s:%d got %s", rows[i].host, rows[i].port, proxy ? proxy : "none");
    }
    s.no_proxy = "*";
    assert_null(http_proxy_for(&s, true, "x.example", 443));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(challenges_are_understood),
        cmocka_unit_test(both_spellings_of_a_token_are_understood),
        cmocka_unit_test(errors_get_dockers_wording),
        cmocka_unit_test(a_token_that_does_not_do_is_a_denial),
        cmocka_unit_test(passwords_are_encoded_for_basic),
        cmocka_unit_test(only_loopback_and_what_was_configured_is_insecure),
        cmocka_unit_test(endpoints_are_tried_in_dockers_order),
        cmocka_unit_test(proxies_follow_gos_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
