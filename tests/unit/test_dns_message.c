/* DNS messages: what is read, what is refused, what is written. */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/memory.h"
#include "daemon/network/dns_message.h"

/* "web" type A, id 0x1234, recursion desired, one additional record announced */
static const uint8_t query[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0,  0,  0, 0, 1, 3, 'W', 'e', 'b',
                                0,    0,    1, 0, 1, 0, 0, 41, 16, 0, 0, 0, 0, 0,   0,   0};
enum { QUESTION_END = 21 };

static void a_question_is_read_in_lower_case(void **state)
{
    (void)state;
    struct dns_question q;
    assert_int_equal(dns_question_parse(query, sizeof(query), &q), 0);
    assert_int_equal(q.id, 0x1234);
    assert_int_equal(q.type, DNS_A);
    assert_int_equal(q.class, 1);
    assert_int_equal(q.end, QUESTION_END);
    assert_true(q.recursion && q.plain && q.edns);
    assert_int_equal(q.udp_size, 4096);
    assert_string_equal(q.name, "web");
}

static void cut_off_and_foreign_messages_are_refused(void **state)
{
    (void)state;
    struct dns_question q;
    uint8_t copy[sizeof(query)];
    for (size_t size = 0; size < QUESTION_END; size++) {
        assert_int_equal(dns_question_parse(query, size, &q), -EBADMSG);
    }
    memcpy(copy, query, sizeof(copy));
    copy[2] = 0x81; /* an answer */
    assert_int_equal(dns_question_parse(copy, sizeof(copy), &q), -EBADMSG);
    copy[2] = 0x29; /* an update */
    assert_int_equal(dns_question_parse(copy, sizeof(copy), &q), -ENOTSUP);
    assert_int_equal(q.id, 0x1234);
    memcpy(copy, query, sizeof(copy));
    copy[5] = 2; /* two questions */
    assert_int_equal(dns_question_parse(copy, sizeof(copy), &q), -ENOTSUP);
    memcpy(copy, query, sizeof(copy));
    copy[12] = 0xc0; /* a pointer in a question */
    assert_int_equal(dns_question_parse(copy, sizeof(copy), &q), -EBADMSG);
    memcpy(copy, query, sizeof(copy));
    copy[14] = 0; /* a NUL in a label: not plain */
    assert_int_equal(dns_question_parse(copy, sizeof(copy), &q), 0);
    assert_false(q.plain);
}

static void a_name_that_is_too_long_is_refused(void **state)
{
    (void)state;
    uint8_t message[400] = {0, 1, 1, 0, 0, 1};
    struct dns_question q;
    size_t at = DNS_HEADER_SIZE;
    for (int label = 0; label < 4; label++) {
        message[at++] = 63;
        memset(message + at, 'a', 63);
        at += 63;
    }
    at += 1 + 4;
    assert_int_equal(dns_question_parse(message, at, &q), -EBADMSG);
    message[DNS_HEADER_SIZE + 3 * 64] = 0; /* three labels are fine */
    assert_int_equal(dns_question_parse(message, at, &q), 0);
    assert_int_equal(strlen(q.name), 3 * 64 - 1);
}

static void an_answer_has_the_question_and_the_addresses(void **state)
{
    (void)state;
    static const uint8_t expected[] = {0x12, 0x34, 0x81, 0x80, 0, 1,    0,  1,  0,  0, 0, 1, 3, 'W', 'e',  'b',
                                       0,    0,    1,    0,    1, 0xc0, 12, 0,  1,  0, 1, 0, 0, 2,   0x58, 0,
                                       4,    10,   0,    0,    9, 0,    0,  41, 16, 0, 0, 0, 0, 0,   0,    0};
    struct dns_question q;
    struct dns_reply reply;
    uint8_t out[DNS_UDP_SIZE];
    assert_int_equal(dns_question_parse(query, sizeof(query), &q), 0);
    dns_reply_begin(&reply, out, sizeof(out), query, &q, DNS_NOERROR);
    dns_reply_add_a(&reply, 0x0a000009);
    assert_int_equal(dns_reply_end(&reply), sizeof(expected));
    assert_memory_equal(out, expected, sizeof(expected));
}

static void what_does_not_fit_is_told(void **state)
{
    (void)state;
    struct dns_question q;
    struct dns_reply reply;
    uint8_t out[DNS_UDP_SIZE];
    assert_int_equal(dns_question_parse(query, sizeof(query), &q), 0);
    dns_reply_begin(&reply, out, sizeof(out), query, &q, DNS_NOERROR);
    for (uint32_t i = 0; i < 100; i++) {
        dns_reply_add_a(&reply, i);
    }
    dns_reply_add_ptr(&reply, "a..b"); /* no name */
    size_t size = dns_reply_end(&reply);
    assert_true(size <= sizeof(out));
    assert_int_equal(out[2] & 2, 2);
    assert_int_equal(out[7], (512 - 11 - QUESTION_END) / 16);
}

static void names_of_addresses_are_read_backwards(void **state)
{
    (void)state;
    uint32_t address = 0;
    struct in6_addr address6, expected;
    assert_int_equal(dns_reverse_parse("4.3.2.1.in-addr.arpa", &address, &address6), AF_INET);
    assert_int_equal(address, 0x01020304);
    assert_int_equal(dns_reverse_parse("3.2.1.in-addr.arpa", &address, &address6), 0);
    assert_int_equal(dns_reverse_parse(".in-addr.arpa", &address, &address6), 0);
    assert_int_equal(dns_reverse_parse("web", &address, &address6), 0);
    inet_pton(AF_INET6, "fd00:1::2a", &expected);
    assert_int_equal(dns_reverse_parse("a.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
                                       &address, &address6),
                     AF_INET6);
    assert_memory_equal(&address6, &expected, sizeof(expected));
    assert_int_equal(dns_reverse_parse("x.2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.d.f.ip6.arpa",
                                       &address, &address6),
                     0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_question_is_read_in_lower_case),
        cmocka_unit_test(cut_off_and_foreign_messages_are_refused),
        cmocka_unit_test(a_name_that_is_too_long_is_refused),
        cmocka_unit_test(an_answer_has_the_question_and_the_addresses),
        cmocka_unit_test(what_does_not_fit_is_told),
        cmocka_unit_test(names_of_addresses_are_read_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
