/* WebSocket frames. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "api/websocket_frame.h"
#include "base/memory.h"

static void the_accept_value_is_that_of_the_rfc(void **state)
{
    (void)state;
    CLEANUP_FREE char *accept = websocket_accept("dGhlIHNhbXBsZSBub25jZQ==");
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_null(websocket_accept("c2hvcnQ="));
    assert_null(websocket_accept("!"));
    assert_null(websocket_accept(NULL));
}

/* The RFC's masked "Hello", fed in pieces of every size. */
static void frames_come_in_any_pieces(void **state)
{
    (void)state;
    static const unsigned char hello[] = {0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58};
    for (size_t step = 1; step <= sizeof(hello); step++) {
        struct websocket_decoder decoder = {0};
        CLEANUP_STRBUF struct strbuf got = STRBUF_INIT;
        for (size_t at = 0; at < sizeof(hello); at += step) {
            size_t piece = sizeof(hello) - at < step ? sizeof(hello) - at : step;
            unsigned char copy[sizeof(hello)];
            memcpy(copy, hello + at, piece);
            for (size_t done = 0; done < piece;) {
                struct websocket_event event;
                size_t consumed;
                int r = websocket_decode(&decoder, copy + done, piece - done, &consumed, &event);
                assert_true(r >= 0);
                if (r > 0)
                    strbuf_add(&got, event.data, event.size);
                done += consumed;
            }
        }
        assert_string_equal(strbuf_str(&got), "Hello");
    }
}

static void what_clients_may_not_send_is_an_error(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[14];
        size_t size;
    } rows[] = {
        {{0x81, 0x05}, 2},                                         /* not masked */
        {{0xc1, 0x80, 0, 0, 0, 0}, 6},                             /* reserved bit */
        {{0x83, 0x80, 0, 0, 0, 0}, 6},                             /* unknown opcode */
        {{0x09, 0x80, 0, 0, 0, 0}, 6},                             /* a ping in parts */
        {{0x89, 0xfe, 0, 200, 0, 0, 0, 0}, 8},                     /* a long ping */
        {{0x82, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}, 14}, /* longer than there is */
    };
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct websocket_decoder decoder = {0};
        struct websocket_event event;
        unsigned char copy[14];
        size_t consumed;
        memcpy(copy, rows[i].bytes, sizeof(copy));
        if (websocket_decode(&decoder, copy, rows[i].size, &consumed, &event) != -EPROTO)
            fail_msg("row %zu was accepted", i);
    }
}

static void headers_have_the_shortest_length(void **state)
{
    (void)state;
    static const struct {
        size_t size, header;
    } rows[] = {{0, 2}, {125, 2}, {126, 4}, {65535, 4}, {65536, 10}};
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        CLEANUP_STRBUF struct strbuf out = STRBUF_INIT;
        websocket_header(&out, WEBSOCKET_BINARY, rows[i].size);
        assert_int_equal(out.size, rows[i].header);
        assert_int_equal((unsigned char)out.data[0], 0x82);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_value_is_that_of_the_rfc),
        cmocka_unit_test(frames_come_in_any_pieces),
        cmocka_unit_test(what_clients_may_not_send_is_an_error),
        cmocka_unit_test(headers_have_the_shortest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
