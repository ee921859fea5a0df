/* The daemon's events of a project, in a loop. */
#include "cmd/dory/compose/lines.h"
#include "cmd/dory/compose/monitor.h"
#include "tests/unit/client_peer.h"

#define ANSWER "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"

struct heard {
    struct loop *loop;
    struct monitor *monitor;
    struct strbuf told;
    const char *free_at; /* the action at which the monitor is freed */
};

static void on_event(const struct monitor_event *event, const struct error *err, void *data)
{
    struct heard *heard = data;
    if (!event) {
        strbuf_addf(&heard->told, "end: %s", err->message);
        loop_quit(heard->loop, 0);
        return;
    }
    strbuf_addf(&heard->told, "%s %s %s.%lld%s %d\n", event->action, event->name, event->service,
                (long long)event->number, event->oneoff ? " run" : "", event->exit_code);
    if (heard->free_at && strcmp(heard->free_at, event->action) == 0) {
        monitor_free(heard->monitor);
        heard->monitor = NULL;
        loop_quit(heard->loop, 0);
    }
}

static void assert_told(const char *answer, const char *free_at, const char *expected)
{
    const char *const answers[] = {answer, NULL};
    struct peer peer;
    struct client *client = peer_start(&peer, answers);
    struct heard heard = {.free_at = free_at};
    assert_int_equal(loop_new(&heard.loop, NULL), 0);
    assert_int_equal(monitor_new(client, "shop", heard.loop, on_event, &heard, &heard.monitor, NULL), 0);
    loop_run(heard.loop);
    assert_string_equal(strbuf_str(&heard.told), expected);
    monitor_free(heard.monitor);
    loop_free(heard.loop);
    strbuf_release(&heard.told);
    peer_stop(&peer, client);
}

static void add_event(struct strbuf *out, const char *action, const char *attributes)
{
    strbuf_addf(out, "{\"Type\":\"container\",\"Action\":\"%s\",\"Actor\":{\"ID\":\"abc\",\"Attributes\":{%s}}}\n",
                action, attributes);
}

static void events_are_told_to_the_end(void **state)
{
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    (void)state;
    strbuf_adds(&answer, ANSWER "\n[]\n{\"Type\":\"network\"}\nno event\n");
    add_event(&answer, "start",
              "\"name\":\"shop-web-2\",\"com.docker.compose.service\":\"web\","
              "\"com.docker.compose.container-number\":\"2\"");
    add_event(&answer, "die", "\"com.docker.compose.oneoff\":\"True\",\"exitCode\":\"137\"");
    strbuf_adds(&answer, "{\"Type\":");
    assert_told(answer.data, NULL,
                "start shop-web-2 web.2 0\ndie abc .0 run 137\nend: the daemon has ended the stream of events");
    assert_told(answer.data, "start", "start shop-web-2 web.2 0\n");
}

static void an_event_that_is_too_long_ends_with_an_error(void **state)
{
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    (void)state;
    strbuf_adds(&answer, ANSWER);
    add_event(&answer, "start", "");
    strbuf_adds(&answer, "{\"Type\":\"");
    memset(strbuf_reserve(&answer, LINES_MAX), 'x', LINES_MAX);
    answer.size += LINES_MAX;
    strbuf_adds(&answer, "\"}\n");
    add_event(&answer, "stop", "");
    assert_told(answer.data, NULL, "start abc .0 0\nend: the daemon sent an event of more than 1048576 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_told_to_the_end),
        cmocka_unit_test(an_event_that_is_too_long_ends_with_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
