#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "daemon/container_filters.h"
#include "daemon/events.h"

static struct json *parse(const char *text)
{
    struct json *tree = NULL;
    assert_int_equal(json_parse(text, strlen(text), &tree, NULL), 0);
    return tree;
}

static bool container_matches(const char *filters)
{
    CLEANUP_JSON struct json *tree = parse(filters);
    CLEANUP_STRMAP struct strmap labels = STRMAP_INIT;
    CLEANUP_STRV struct strv ancestors = STRV_INIT;
    CLEANUP_STRV struct strv ports = STRV_INIT;
    CLEANUP_STRV struct strv published = STRV_INIT;
    CLEANUP_STRV struct strv exposed = STRV_INIT;
    strmap_set(&labels, "app", "web");
    strv_add(&ancestors, "busybox");
    strv_add(&ports, "80/tcp");
    strv_add(&published, "8080/tcp");
    strv_add(&exposed, "53/udp");
    struct mount_point mounts[] = {{.type = MOUNT_VOLUME, .name = (char *)"data", .destination = (char *)"/srv"}};
    static struct endpoint_settings network = {.name = (char *)"bridge", .network_id = (char *)"0123"};
    struct container_facts facts = {.id = "abcdef0123456789",
                                    .name = "web_1",
                                    .labels = &labels,
                                    .state = CONTAINER_EXITED,
                                    .exit_code = 3,
                                    .created = 100,
                                    .ancestors = &ancestors,
                                    .mounts = mounts,
                                    .mount_count = 1,
                                    .networks = &network,
                                    .network_count = 1,
                                    .ports = &ports,
                                    .published = &published,
                                    .exposed = &exposed,
                                    .before = strstr(filters, "before") ? 150 : 0,
                                    .since = strstr(filters, "since") ? 50 : 0};
    struct error err = {0};
    assert_int_equal(container_filters_check(tree, &err), 0);
    return container_filters_match(tree, &facts);
}

static void values_of_one_name_are_alternatives_and_names_add_up(void **state)
{
    (void)state;
    assert_true(container_matches("{}"));
    assert_true(container_matches("{\"status\":[\"running\",\"exited\"]}"));
    assert_false(container_matches("{\"status\":[\"running\"]}"));
    assert_true(container_matches("{\"status\":[\"exited\"],\"name\":[\"web\"]}"));
    assert_false(container_matches("{\"status\":[\"exited\"],\"name\":[\"db\"]}"));
}

static void every_filter_of_docker_ps(void **state)
{
    (void)state;
    assert_true(container_matches("{\"id\":[\"abcd\"]}"));
    assert_false(container_matches("{\"id\":[\"bbbb\"]}"));
    assert_true(container_matches("{\"name\":[\"^/web_1$\"]}"));
    assert_true(container_matches("{\"name\":[\"^web_1$\"]}"));
    assert_false(container_matches("{\"name\":[\"^eb\"]}"));
    assert_true(container_matches("{\"label\":[\"app\"]}"));
    assert_true(container_matches("{\"label\":[\"app=web\"]}"));
    assert_false(container_matches("{\"label\":[\"app\",\"app=db\"]}")); /* labels must all be there */
    assert_true(container_matches("{\"exited\":[\"3\"]}"));
    assert_false(container_matches("{\"exited\":[\"0\"]}"));
    assert_true(container_matches("{\"ancestor\":[\"busybox\"]}"));
    assert_true(container_matches("{\"volume\":[\"data\"]}"));
    assert_true(container_matches("{\"volume\":[\"/srv\"]}"));
    assert_false(container_matches("{\"volume\":[\"other\"]}"));
    assert_true(container_matches("{\"network\":[\"bridge\"]}"));
    assert_false(container_matches("{\"network\":[\"host\"]}"));
    assert_true(container_matches("{\"publish\":[\"8080\"]}"));
    assert_true(container_matches("{\"publish\":[\"8079-8081/tcp\"]}"));
    assert_false(container_matches("{\"publish\":[\"8080/udp\"]}"));
    assert_false(container_matches("{\"publish\":[\"80\"]}"));
    assert_true(container_matches("{\"expose\":[\"80\"]}"));
    assert_true(container_matches("{\"expose\":[\"53/udp\"]}"));
    assert_true(container_matches("{\"before\":[\"x\"]}"));
    assert_true(container_matches("{\"since\":[\"x\"]}"));
    assert_true(container_matches("{\"is-task\":[\"false\"]}"));
    assert_true(container_matches("{\"health\":[\"none\"]}"));
    assert_false(container_matches("{\"health\":[\"healthy\"]}"));
}

static void values_that_mean_nothing_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"{\"status\":[\"nosuch\"]}", "{\"exited\":[\"x\"]}", "{\"health\":[\"x\"]}"};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        CLEANUP_JSON struct json *tree = parse(rows[i]);
        struct error err = {0};
        assert_true(container_filters_check(tree, &err) < 0);
        assert_int_equal(err.kind, ERROR_INVALID);
    }
}

static bool event_passes(const char *filters)
{
    CLEANUP_JSON struct json *tree = parse(filters);
    struct event e = {.type = "container", .action = (char *)"exec_create: sh", .id = (char *)"abcdef0123"};
    strmap_set(&e.attributes, "name", "web");
    strmap_set(&e.attributes, "image", "busybox:latest");
    strmap_set(&e.attributes, "app", "x");
    bool match = event_matches(&e, tree);
    strmap_release(&e.attributes);
    return match;
}

static void events_are_filtered(void **state)
{
    (void)state;
    assert_true(event_passes("{}"));
    assert_true(event_passes("{\"type\":[\"container\",\"image\"]}"));
    assert_false(event_passes("{\"type\":[\"volume\"]}"));
    assert_true(event_passes("{\"event\":[\"exec_create\"]}"));
    assert_false(event_passes("{\"event\":[\"exec\"]}"));
    assert_true(event_passes("{\"container\":[\"web\"]}"));
    assert_true(event_passes("{\"container\":[\"abcdef\"]}"));
    assert_false(event_passes("{\"container\":[\"db\"]}"));
    assert_true(event_passes("{\"image\":[\"busybox\"]}"));
    assert_true(event_passes("{\"label\":[\"app=x\"]}"));
    assert_false(event_passes("{\"label\":[\"app=y\"]}"));
    assert_false(event_passes("{\"volume\":[\"web\"]}"));
}

static void a_subscriber_gets_history_and_what_follows(void **state)
{
    (void)state;
    struct events *events = events_new();
    for (int i = 0; i < EVENTS_KEPT + 10; i++)
        events_publish(events, "volume", "create", "old", NULL);
    struct events_subscription *s = events_subscribe(events, 1, 0, NULL);
    events_publish(events, "volume", "destroy", "new", NULL);
    CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
    for (int i = 0; i < EVENTS_KEPT + 1; i++) {
        strbuf_clear(&out);
        assert_int_equal(events_next(s, -1, 0, &out), 1);
    }
    assert_non_null(strstr(strbuf_str(&out), "\"Action\":\"destroy\""));
    events_unsubscribe(s);
    s = events_subscribe(events, 1, 2, NULL); /* an end in the past: nothing is that old */
    strbuf_clear(&out);
    assert_int_equal(events_next(s, -1, 0, &out), 0);
    events_unsubscribe(s);
    events_free(events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_of_one_name_are_alternatives_and_names_add_up),
        cmocka_unit_test(every_filter_of_docker_ps),
        cmocka_unit_test(values_that_mean_nothing_are_refused),
        cmocka_unit_test(events_are_filtered),
        cmocka_unit_test(a_subscriber_gets_history_and_what_follows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
