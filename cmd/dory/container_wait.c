#include "cmd/dory/container_wait.h"

#include <errno.h>
#include <time.h>

#define ANSWER_MAX 65536
#define NEXT_DAEMON_TRIES 200
#define NEXT_DAEMON_PAUSE_NS 100000000

int container_wait_begin(struct client *client, const char *id, const char *condition, struct container_wait *ret,
                         struct error *err)
{
    CLEANUP_STRBUF struct strbuf path = STRBUF_INIT;
    strbuf_adds(&path, "/containers/");
    client_path_escape(&path, id);
    strbuf_adds(&path, "/wait");
    client_query_add(&path, "condition", condition);
    struct client_request request = {.method = "POST", .path = strbuf_str(&path)};
    return client_send(client, &request, &ret->response, err);
}

int container_wait_end(struct container_wait *wait, int *ret_status, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    CLEANUP_JSON struct json *answer = NULL;
    int r = client_read_all(wait->response, ANSWER_MAX, &text, err);
    if (r == 0)
        r = json_parse(strbuf_str(&text), text.size, &answer, err);
    if (r < 0)
        return r;
    const char *message = json_get_string(json_get(answer, "Error"), "Message");
    if (message && *message)
        return error_set(err, ERROR_SYSTEM, EIO, "%s", message);
    *ret_status = (int)json_get_int(answer, "StatusCode", 125);
    return 0;
}

int container_wait_end_session(struct client *client, const char *id, struct container_wait *wait, int *ret_status,
                               struct error *err)
{
    struct error lost = {0};
    int r = container_wait_end(wait, ret_status, &lost);
    for (int i = 0; r < 0 && lost.kind == ERROR_UNAVAILABLE && i < NEXT_DAEMON_TRIES; i++) {
        struct error again = {0};
        container_wait_release(wait);
        r = container_wait_begin(client, id, "not-running", wait, &again);
        if (r == 0)
            r = container_wait_end(wait, ret_status, &again);
        if (r < 0 && again.kind != ERROR_UNAVAILABLE)
            break;
        if (r < 0)
            nanosleep(&(struct timespec){.tv_nsec = NEXT_DAEMON_PAUSE_NS}, NULL);
    }
    return r < 0 ? error_propagate(err, &lost) : 0;
}

void container_wait_release(struct container_wait *wait)
{
    client_response_free(wait->response);
    wait->response = NULL;
}
