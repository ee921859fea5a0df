/* A client with a peer that says what a test wants it to. */
#ifndef DORY_TESTS_UNIT_CLIENT_PEER_H
#define DORY_TESTS_UNIT_CLIENT_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "api/client.h"
#include "base/fd.h"

struct peer {
    char directory[32], host[80];
    int listener;
    const char *const *answers; /* one per connection; NULL ends */
    struct strbuf received;     /* heads of all requests */
    pthread_t thread;
};

static inline void *peer_main(void *data)
{
    struct peer *peer = data;

    for (const char *const *answer = peer->answers; *answer; answer++) {
        int fd = accept4(peer->listener, NULL, NULL, SOCK_CLOEXEC);
        char buffer[65536];
        ssize_t n = recv(fd, buffer, sizeof(buffer), 0);

        if (n > 0)
            strbuf_add(&peer->received, buffer, (size_t)n);
        fd_write_all(fd, *answer, strlen(*answer));
        fd_close(fd);
    }
    return NULL;
}

static inline struct client *peer_start(struct peer *peer, const char *const *answers)
{
    struct client *client = NULL;
    char path[64];

    *peer = (struct peer){.directory = "/tmp/test_client.XXXXXX", .answers = answers};
    signal(SIGPIPE, SIG_IGN); /* not every client reads all */
    assert_non_null(mkdtemp(peer->directory));
    snprintf(path, sizeof(path), "%s/s", peer->directory);
    snprintf(peer->host, sizeof(peer->host), "unix://%s", path);
    peer->listener = fd_listen_unix(AT_FDCWD, path, SOCK_STREAM, 0600);
    assert_true(peer->listener >= 0);
    pthread_create(&peer->thread, NULL, peer_main, peer);
    assert_int_equal(client_new(peer->host, NULL, &client, NULL), 0);
    return client;
}

static inline void peer_stop(struct peer *peer, struct client *client)
{
    char path[64];

    client_free(client);
    pthread_join(peer->thread, NULL);
    fd_close(peer->listener);
    strbuf_release(&peer->received);
    snprintf(path, sizeof(path), "%s/s", peer->directory);
    unlink(path);
    rmdir(peer->directory);
}

#endif
