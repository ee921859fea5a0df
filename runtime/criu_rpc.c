#include "runtime/criu_rpc.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/fd.h"
#include "base/memory.h"
#include "base/process.h"
#include "runtime/protobuf.h"

#define MESSAGE_MAX (64u << 10)
#define FDS_MAX 8

/* criu_req, criu_resp and criu_notify of rpc.proto */
enum { REQUEST_TYPE = 1, REQUEST_OPTS = 2, REQUEST_NOTIFY_SUCCESS = 3 };
enum {
    RESPONSE_TYPE = 1,
    RESPONSE_SUCCESS = 2,
    RESPONSE_RESTORE = 4,
    RESPONSE_NOTIFY = 5,
    RESPONSE_ERRNO = 7,
    RESPONSE_MESSAGE = 9
};
enum { NOTIFY_SCRIPT = 1, NOTIFY_PID = 2 };
enum { RESTORE_PID = 1 };

struct response {
    unsigned type;
    bool success;
    int errnum;
    pid_t pid; /* of a restore or a notification */
    char step[64];
    char message[512];
};

static void copy_text(char *to, size_t size, const struct protobuf_field *field)
{
    size_t n = field->size < size - 1 ? field->size : size - 1;
    memcpy(to, field->data, n);
    to[n] = '\0';
    for (char *p = to; *p != '\0'; p++)
        *p = *p == '\n' ? ' ' : *p; /* one message, one line */
    while (n > 0 && to[n - 1] == ' ')
        to[--n] = '\0';
}

static int parse_inner(const struct protobuf_field *outer, struct response *ret)
{
    struct protobuf_reader reader = {.data = outer->data, .size = outer->size};
    struct protobuf_field field;
    int r;
    while ((r = protobuf_next(&reader, &field)) > 0) {
        bool notify = outer->number == RESPONSE_NOTIFY;
        if (notify && field.number == NOTIFY_SCRIPT && field.is_bytes)
            copy_text(ret->step, sizeof(ret->step), &field);
        else if (field.number == (notify ? (unsigned)NOTIFY_PID : (unsigned)RESTORE_PID) && !field.is_bytes)
            ret->pid = (pid_t)field.value;
    }
    return r;
}

static int parse_response(const char *data, size_t size, struct response *ret)
{
    struct protobuf_reader reader = {.data = (const unsigned char *)data, .size = size};
    struct protobuf_field field;
    int r;
    *ret = (struct response){0};
    while ((r = protobuf_next(&reader, &field)) > 0) {
        if ((field.number == RESPONSE_RESTORE || field.number == RESPONSE_NOTIFY) && field.is_bytes)
            r = parse_inner(&field, ret);
        else if (field.number == RESPONSE_MESSAGE && field.is_bytes)
            copy_text(ret->message, sizeof(ret->message), &field);
        else if (field.number == RESPONSE_TYPE)
            ret->type = (unsigned)field.value;
        else if (field.number == RESPONSE_SUCCESS)
            ret->success = field.value != 0;
        else if (field.number == RESPONSE_ERRNO)
            ret->errnum = (int)(uint32_t)field.value;
        if (r < 0)
            return r;
    }
    return r;
}

int criu_start(const char *program, const int *fds, size_t count, struct criu_process *ret, struct error *err)
{
    int pair[2], all[4 + FDS_MAX] = {-1, -1, -1};
    if (count > FDS_MAX)
        return error_set(err, ERROR_INVALID, 0, "too many descriptors for criu");
    int r = fd_socketpair(SOCK_SEQPACKET, pair);
    if (r < 0)
        return error_errno(err, r, "socketpair");
    all[3] = pair[1];
    for (size_t i = 0; i < count; i++)
        all[4 + i] = fds[i];
    char mode[] = "swrk", socket[] = "3";
    char *argv[] = {(char *)(program != NULL ? program : "criu"), mode, socket, NULL};
    struct process_options options = {.path = argv[0], .argv = argv, .env = environ, .fds = all, .fd_count = 4 + count};
    pid_t pid = 0;
    r = process_spawn(&options, &pid, err);
    fd_close(pair[1]);
    if (r < 0) {
        fd_close(pair[0]);
        if (r == -ENOENT)
            return error_set(err, ERROR_NOT_FOUND, ENOENT,
                             "checkpoint and restore need criu: %s: not found (package criu, or --criu PATH)", argv[0]);
        return error_context(err, "checkpoint and restore need criu");
    }
    *ret = (struct criu_process){.socket_fd = pair[0], .pid = pid};
    return 0;
}

static int send_request(struct criu_process *criu, enum criu_request type, const struct strbuf *opts,
                        const bool *success, struct error *err)
{
    CLEANUP_STRBUF struct strbuf text = STRBUF_INIT;
    protobuf_add_int(&text, REQUEST_TYPE, type);
    if (opts != NULL)
        protobuf_add_message(&text, REQUEST_OPTS, opts);
    if (success != NULL)
        protobuf_add_int(&text, REQUEST_NOTIFY_SUCCESS, *success);
    int r = fd_send_message(criu->socket_fd, text.data, text.size, NULL, 0);
    return r < 0 ? error_errno(err, r, "cannot speak to criu") : 0;
}

static int receive(struct criu_process *criu, struct response *ret, int *ret_fd, struct error *err)
{
    CLEANUP_FREE char *buf = xmalloc(MESSAGE_MAX);
    int fds[FD_PASS_MAX];
    size_t count = 0;
    ssize_t n = fd_recv_message(criu->socket_fd, buf, MESSAGE_MAX, fds, &count);
    for (size_t i = 0; n >= 0 && i < count; i++) {
        if (i == 0)
            *ret_fd = fds[i];
        else
            fd_close(fds[i]);
    }
    if (n < 0)
        return error_errno(err, (int)n, "cannot hear from criu");
    if (n == 0)
        return error_set(err, ERROR_SYSTEM, EIO, "criu ended without an answer");
    return parse_response(buf, (size_t)n, ret) < 0 ? error_set(err, ERROR_SYSTEM, EBADMSG, "criu's answer is malformed")
                                                   : 0;
}

static int refused(const struct response *response, struct error *err)
{
    int errnum = response->errnum > 0 && response->errnum < 4096 ? response->errnum : EIO;
    return error_set(err, ERROR_SYSTEM, errnum, "criu failed: %s%s%s", strerror(errnum),
                     response->message[0] != '\0' ? ": " : "", response->message);
}

int criu_ask(struct criu_process *criu, enum criu_request request, const struct strbuf *opts, criu_notify *notify,
             void *context, struct criu_answer *ret, struct error *err)
{
    int r = send_request(criu, request, opts, NULL, err);
    while (r == 0) {
        struct response response;
        int fd = -1;
        r = receive(criu, &response, &fd, err);
        if (r < 0)
            break;
        if (response.type == CRIU_NOTIFY && response.success) {
            r = notify(context, response.step, response.pid, fd, err);
            bool success = r == 0;
            int sent = send_request(criu, CRIU_NOTIFY, NULL, &success, r == 0 ? err : NULL);
            r = r < 0 ? r : sent;
            continue;
        }
        fd_close(fd);
        if (!response.success || response.type != request)
            return refused(&response, err);
        *ret = (struct criu_answer){.pid = response.pid};
        return 0;
    }
    return r;
}

void criu_end(struct criu_process *criu)
{
    if (criu->pid <= 0)
        return;
    criu->socket_fd = fd_close(criu->socket_fd); /* what ends it in order */
    int status;
    process_wait(criu->pid, &status);
    criu->pid = 0;
}
