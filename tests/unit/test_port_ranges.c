/* Ports of containers as ranges. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/host_config.h"
#include "daemon/network/network_ports.h"
#include "daemon/port_ranges.h"

static void a_range_has_its_numbers_and_its_protocol(void **state)
{
    (void)state;
    struct port_range r;
    struct error err = {0};
    assert_int_equal(port_range_parse("80", &r, &err), 0);
    assert_int_equal(r.first, 80);
    assert_int_equal(r.last, 80);
    assert_string_equal(r.protocol, "tcp");
    assert_int_equal(port_range_parse("8000-65535/sctp", &r, &err), 0);
    assert_int_equal(r.last, 65535);
    assert_string_equal(r.protocol, "sctp");
    assert_int_equal(port_range_parse("53/UDP", &r, &err), 0);
    assert_string_equal(r.protocol, "udp");
    assert_int_equal(port_range_parse("53/", &r, &err), 0);
    assert_string_equal(r.protocol, "tcp");
    static const char *const wrong[] = {"",          "/tcp",
                                        "0/tcp",     "65536/tcp",
                                        "80-79/tcp", "80/icmp",
                                        "80/tcp ",   "-80/tcp",
                                        "80-/udp",   "a",
                                        "1-2-3/tcp", " 80/tcp",
                                        "+80/tcp",   "000000000000000000000000000000000000000080/tcp"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        if (port_range_parse(wrong[i], &r, &err) == 0) {
            fail_msg("\"%s\" was taken", wrong[i]);
        }
        error_clear(&err);
    }
}

static void names_that_follow_each_other_are_one(void **state)
{
    (void)state;
    static const char *const names[] = {"82/tcp", "80/tcp", "81/tcp", "81/udp",
                                        "abc",    "90/tcp", "80/tcp", "8000-8002/sctp"};
    static const char *const all[] = {"abc",    "80/tcp",    "81/tcp",    "82/tcp",   "90/tcp",
                                      "81/udp", "8000/sctp", "8001/sctp", "8002/sctp"};
    struct strv v = STRV_INIT, back = STRV_INIT;
    for (size_t i = 0; i < 8; i++) {
        strv_add(&v, names[i]);
    }
    port_names_compact(&v);
    char *text = strv_join(&v, " ");
    assert_string_equal(text, "abc 80-82/tcp 90/tcp 81/udp 8000-8002/sctp");
    free(text);
    port_names_expand(&v, &back);
    assert_int_equal(back.count, 9);
    for (size_t i = 0; i < back.count; i++) {
        assert_string_equal(back.items[i], all[i]);
    }
    strv_release(&v);
    strv_release(&back);
}

static const struct json_field *bindings_field(void)
{
    return json_table_find(&host_config_table, "PortBindings");
}

/* Decodes, and tells how many entries there are and what they are written as. */
static char *through(const char *text, size_t *ret_count, bool expand)
{
    struct host_config host = {0};
    struct error err = {0};
    struct strbuf out = STRBUF_INIT;
    struct json_writer w;
    char *whole = xasprintf("{\"PortBindings\":%s}", text);
    assert_int_equal(json_table_decode_text(&host_config_table, whole, strlen(whole), &host, &err), 0);
    free(whole);
    if (expand) {
        port_bindings_expand(&host.port_bindings);
    }
    *ret_count = host.port_bindings.count;
    if (expand) {
        port_bindings_compact(&host.port_bindings);
    }
    json_writer_init(&w, &out);
    bindings_field()->custom->encode(&host.port_bindings, &w);
    json_table_release(&host_config_table, &host);
    return strbuf_take(&out);
}

static void bindings_come_back_as_they_were_given(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t entries, ports;
    } rows[] = {
        {"{}", 0, 0},
        {"{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8080\"}]}", 1, 1},
        /* Both families in turns, and another one in the middle. */
        {"{\"80/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8080\"},{\"HostIp\":\"::\",\"HostPort\":\"8080\"}],"
         "\"81/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8081\"},{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"9\"},"
         "{\"HostIp\":\"::\",\"HostPort\":\"8081\"}],"
         "\"82/tcp\":[{\"HostIp\":\"0.0.0.0\",\"HostPort\":\"8082\"},{\"HostIp\":\"::\",\"HostPort\":\"8082\"}]}",
         4, 7},
        /* The other order is another list. */
        {"{\"80/tcp\":[{\"HostIp\":\"a\",\"HostPort\":\"1\"},{\"HostIp\":\"b\",\"HostPort\":\"1\"}],"
         "\"81/tcp\":[{\"HostIp\":\"b\",\"HostPort\":\"2\"},{\"HostIp\":\"a\",\"HostPort\":\"2\"}]}",
         3, 4},
        /* Random ones; not the same protocol; not the next host port. */
        {"{\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}],\"81/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"\"}],"
         "\"82/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"5\"}],\"83/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"5\"}],"
         "\"84/udp\":[{\"HostIp\":\"\",\"HostPort\":\"6\"}]}",
         4, 5},
        /* Ranges to choose from, zeros in front and nonsense are nobody's beginning. */
        {"{\"x/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"1\"},{\"HostIp\":\"\",\"HostPort\":\"2\"}],"
         "\"80/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8000-8010\"}],"
         "\"81/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8000-8010\"}],"
         "\"82/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"08001\"}],\"83/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"8002\"}],"
         "\"84/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"0\"}],\"85/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"1\"}],"
         "\"86/tcp\":[{\"HostIp\":\"\",\"HostPort\":\"x\"}]}",
         9, 9},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        for (int expand = 0; expand <= 1; expand++) {
            size_t count;
            char *text = through(rows[i].text, &count, expand);
            assert_int_equal(count, expand ? rows[i].ports : rows[i].entries);
            assert_string_equal(text, rows[i].text);
            free(text);
        }
    }
}

static void ten_thousand_bindings_are_one_entry(void **state)
{
    (void)state;
    struct strbuf body = STRBUF_INIT;
    for (unsigned port = 20000; port < 30000; port++) {
        strbuf_addf(&body, "%s\"%u/udp\":[{\"HostIp\":\"\",\"HostPort\":\"%u\"}]", port == 20000 ? "{" : ",", port,
                    port + 7);
    }
    strbuf_adds(&body, "}");
    size_t count;
    char *text = through(strbuf_str(&body), &count, false);
    assert_int_equal(count, 1);
    assert_string_equal(text, strbuf_str(&body));
    free(text);
    strbuf_release(&body);
}

static void a_set_knows_each_protocol(void **state)
{
    (void)state;
    static struct port_set set;
    port_set_add(&set, 65535, "tcp");
    port_set_add(&set, 1, "sctp");
    assert_true(port_set_has(&set, 65535, "tcp"));
    assert_false(port_set_has(&set, 65535, "udp"));
    assert_false(port_set_has(&set, 65534, "tcp"));
    assert_true(port_set_has(&set, 1, "sctp"));
    assert_false(port_set_has(&set, 1, "udp"));
}

static void published_ports_join_and_part(void **state)
{
    (void)state;
    struct network_port *ports = NULL, *all;
    size_t count = 0, total;
    for (uint16_t i = 0; i < 100; i++) { /* both families in turns */
        struct network_port p = {
            .container_port = 80 + i, .host_port = 8080 + i, .protocol = "tcp", .host_address = "0.0.0.0"};
        network_ports_add(&ports, &count, &p);
        snprintf(p.host_address, sizeof(p.host_address), "::");
        network_ports_add(&ports, &count, &p);
    }
    struct network_port random = {.container_port = 180, .protocol = "tcp", .host_address = "::"};
    network_ports_add(&ports, &count, &random); /* its host port is not the next one, but any */
    random.container_port++;
    network_ports_add(&ports, &count, &random);
    assert_int_equal(count, 3);
    assert_int_equal(network_ports_total(ports, count), 202);
    all = network_ports_expand(ports, count, &total);
    assert_int_equal(total, 202);
    assert_int_equal(all[99].host_port, 8179);
    assert_string_equal(all[100].host_address, "::");
    assert_int_equal(all[201].host_port, 0);
    assert_int_equal(all[201].container_port, 181);
    assert_int_equal(all[201].more, 0);
    free(all);
    free(ports);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_range_has_its_numbers_and_its_protocol),
        cmocka_unit_test(names_that_follow_each_other_are_one),
        cmocka_unit_test(bindings_come_back_as_they_were_given),
        cmocka_unit_test(ten_thousand_bindings_are_one_entry),
        cmocka_unit_test(a_set_knows_each_protocol),
        cmocka_unit_test(published_ports_join_and_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
