/* Secrets, credentials and ssh agents of a client. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/session.h"
#include "api/server_private.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/memory.h"
#include "image/image.h"

#define SECRET_MAX ((size_t)500 * 1024) /* as BuildKit */
#define CREDENTIALS_MAX ((size_t)64 * 1024)
#define AGENT_PIECE 32768

int session_secret(const char *id, struct build_secret *ret, void *data, struct error *err)
{
    const struct session_supply *supply = data;
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    Bk__SecretRequest request = BK__SECRET_REQUEST__INIT;
    unsigned char packed[4096];
    request.id = (char *)id;
    if (bk__secret_request__get_packed_size(&request) > sizeof(packed))
        return error_set(err, ERROR_INVALID, 0, "secret %.100s: the id is too long", id);
    size_t size = bk__secret_request__pack(&request, packed);
    int r = grpc_unary(supply->session->connection, "/moby.buildkit.secrets.v1.Secrets/GetSecret", supply->cancel_fd,
                       packed, size, &answer, err);
    if (r < 0 && err && (err->kind == ERROR_NOT_FOUND || err->kind == ERROR_NOT_IMPLEMENTED))
        return error_set(err, ERROR_NOT_FOUND, 0, "secret %s: not found", id);
    if (r < 0)
        return r;
    Bk__Bytes *value = bk__bytes__unpack(NULL, answer.size, (const uint8_t *)strbuf_str(&answer));
    if (!value || value->data.len > SECRET_MAX) {
        r = error_set(err, ERROR_INVALID, 0,
                      value ? "secret %s is larger than %zu bytes" : "secret %s: malformed answer", id, SECRET_MAX);
    } else {
        ret->size = value->data.len;
        ret->data = xmemdup(value->data.data, value->data.len);
        explicit_bzero(value->data.data, value->data.len);
    }
    if (answer.data)
        explicit_bzero(answer.data, answer.capacity);
    if (value)
        bk__bytes__free_unpacked(value, NULL);
    return r;
}

/* ---- credentials ---- */

static struct registry_auth *make_login(const Bk__CredentialsResponse *response)
{
    struct registry_auth *login = xcalloc(1, sizeof(*login));
    if (*response->username) {
        login->username = xstrdup(response->username);
        login->password = xstrdup(response->secret);
    } else {
        login->identity_token = xstrdup(response->secret);
    }
    return login;
}

/* *ret NULL: the client has none, or none that can be used. Fails only where the build is cancelled. */
static int ask(const struct session_supply *supply, const char *registry, struct registry_auth **ret)
{
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    struct error error = {0};
    Bk__CredentialsRequest request = BK__CREDENTIALS_REQUEST__INIT;
    unsigned char packed[1024];
    *ret = NULL;
    request.host = (char *)(strcmp(registry, "docker.io") == 0 ? "registry-1.docker.io" : registry);
    if (bk__credentials_request__get_packed_size(&request) > sizeof(packed))
        return 0;
    size_t size = bk__credentials_request__pack(&request, packed);
    int r = grpc_unary(supply->session->connection, "/moby.filesync.v1.Auth/Credentials", supply->cancel_fd, packed,
                       size, &answer, &error);
    if (r < 0) {
        log_debug("build: credentials for %s: %s", registry, error.message);
        return error.kind == ERROR_CANCELLED ? r : 0;
    }
    Bk__CredentialsResponse *response =
        bk__credentials_response__unpack(NULL, answer.size, (const uint8_t *)strbuf_str(&answer));
    if (!response || answer.size > CREDENTIALS_MAX)
        log_warn("build: credentials for %s: the client's answer %s", registry,
                 response ? "is too large" : "is malformed");
    else if (*response->secret)
        *ret = make_login(response);
    if (response) {
        explicit_bzero(response->secret, strlen(response->secret));
        bk__credentials_response__free_unpacked(response, NULL);
    }
    if (answer.data)
        explicit_bzero(answer.data, answer.capacity);
    return 0;
}

const struct registry_auth *session_credentials(const char *registry, void *data)
{
    const struct session_supply *supply = data;
    struct session *session = supply->session;
    struct registry_auth *login = NULL;
    pthread_mutex_lock(&session->lock);
    size_t i = 0;
    while (i < session->registries.count && strcmp(session->registries.items[i], registry) != 0)
        i++;
    if (i < session->registries.count) {
        login = session->logins[i];
    } else if (ask(supply, registry, &login) == 0) {
        session->logins = xrealloc(session->logins, (i + 1) * sizeof(*session->logins));
        session->logins[i] = login;
        strv_add(&session->registries, registry);
    }
    pthread_mutex_unlock(&session->lock);
    return login;
}

/* ---- agents ---- */

/* One connection to an agent: a thread for each way. */
struct agent {
    int references; /* atomic */
    int fd;
    struct grpc_call call;
};

static void agent_unref(struct agent *agent)
{
    if (__atomic_sub_fetch(&agent->references, 1, __ATOMIC_ACQ_REL) > 0)
        return;
    grpc_call_release(&agent->call);
    fd_close(agent->fd);
    free(agent);
}

static void *agent_to_step(void *data)
{
    struct agent *agent = data;
    CLEANUP_STRBUF struct strbuf message = STRBUF_INIT;
    while (grpc_receive(&agent->call, &message, NULL) > 0) {
        Bk__Bytes *bytes = bk__bytes__unpack(NULL, message.size, (const uint8_t *)message.data);
        bool fine = bytes && fd_write_all(agent->fd, bytes->data.data, bytes->data.len) == 0;
        if (bytes)
            bk__bytes__free_unpacked(bytes, NULL);
        if (!fine)
            break;
    }
    shutdown(agent->fd, SHUT_RDWR);
    agent_unref(agent);
    return NULL;
}

static void *step_to_agent(void *data)
{
    struct agent *agent = data;
    unsigned char piece[AGENT_PIECE], packed[AGENT_PIECE + 16];
    ssize_t n;
    while ((n = recv(agent->fd, piece, sizeof(piece), 0)) > 0) {
        Bk__Bytes bytes = BK__BYTES__INIT;
        bytes.data = (ProtobufCBinaryData){.len = (size_t)n, .data = piece};
        if (grpc_send(&agent->call, packed, bk__bytes__pack(&bytes, packed), NULL) < 0)
            break;
    }
    grpc_send_end(&agent->call);
    agent_unref(agent);
    return NULL;
}

static int start_agent(struct session *session, const char *id, int fd, struct error *err)
{
    CLEANUP_STRV struct strv headers = STRV_INIT;
    struct agent *agent = xcalloc(1, sizeof(*agent));
    agent->fd = fd;
    agent->references = 2;
    strv_add(&headers, "buildkit.ssh.id");
    strv_add(&headers, id);
    int r = grpc_call(session->connection, "/moby.sshforward.v1.SSH/ForwardAgent", &headers, -1, &agent->call, err);
    if (r < 0) {
        agent->references = 1;
        agent_unref(agent);
        return r;
    }
    void *(*const ways[])(void *) = {agent_to_step, step_to_agent};
    for (size_t i = 0; i < ARRAY_SIZE(ways); i++) {
        int failed = api_thread_start(ways[i], agent);
        if (failed == 0)
            continue;
        shutdown(agent->fd, SHUT_RDWR); /* ends the other one */
        for (; i < ARRAY_SIZE(ways); i++)
            agent_unref(agent);
        r = error_errno(err, failed, "start a thread");
    }
    return r;
}

int session_ssh_agent(const char *id, void *data, struct error *err)
{
    const struct session_supply *supply = data;
    CLEANUP_STRBUF struct strbuf answer = STRBUF_INIT;
    Bk__CheckAgentRequest request = BK__CHECK_AGENT_REQUEST__INIT;
    unsigned char packed[1024];
    int pair[2];
    request.id = (char *)id;
    if (bk__check_agent_request__get_packed_size(&request) > sizeof(packed))
        return error_set(err, ERROR_INVALID, 0, "ssh agent %.100s: the id is too long", id);
    size_t size = bk__check_agent_request__pack(&request, packed);
    int r = grpc_unary(supply->session->connection, "/moby.sshforward.v1.SSH/CheckAgent", supply->cancel_fd, packed,
                       size, &answer, err);
    if (r < 0 && err && err->kind != ERROR_CANCELLED)
        return error_set(err, ERROR_NOT_FOUND, 0, "no SSH key \"%s\" forwarded from the client", id);
    if (r < 0)
        return r;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
        return error_errno(err, errno, "socketpair");
    r = start_agent(supply->session, id, pair[1], err);
    if (r < 0) {
        fd_close(pair[0]);
        return r;
    }
    return pair[0];
}
