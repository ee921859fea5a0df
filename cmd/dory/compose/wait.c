/* compose wait: until the containers of services have ended. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>

#include "cmd/dory/command_call.h"
#include "cmd/dory/compose/containers.h"
#include "cmd/dory/compose/lookup.h"
#include "cmd/dory/container_wait.h"

struct wait_flags {
    bool down;
};

static const struct option wait_options[] = {
    {"down-project", 0, OPTION_BOOL, offsetof(struct wait_flags, down), NULL,
     "Drops project when the first container stops", 0, 0, NULL},
    {0},
};

/* All waits are registered with the daemon before the first one is looked at. */
static int begin(struct cli *cli, const struct compose_containers *containers, struct container_wait *waits,
                 struct error *err)
{
    int r = 0;
    for (size_t i = 0; i < containers->count && r == 0; i++)
        r = container_wait_begin(cli_client(cli), containers->items[i].id, "not-running", &waits[i], err);
    return r;
}

static int end(const struct compose_container *container, struct container_wait *wait, int *ret_status,
               struct error *err)
{
    int r = container_wait_end(wait, ret_status, err);
    container_wait_release(wait);
    if (r < 0)
        return r;
    printf("container \"%s\" exited with status code %d\n", container->id, *ret_status);
    return fflush(stdout) != 0 ? error_errno(err, errno, "write") : 0;
}

/* Tells of each as it ends. *ret_status is that of the last one; with `first` it is enough that one has ended. */
static int wait_all(const struct compose_containers *containers, struct container_wait *waits, bool first,
                    int *ret_status, struct error *err)
{
    size_t left = containers->count;
    CLEANUP_FREE struct pollfd *fds = xcalloc(containers->count, sizeof(*fds));
    for (size_t i = 0; i < containers->count; i++)
        fds[i] = (struct pollfd){client_response_fd(waits[i].response), POLLIN, 0};
    while (left > 0) {
        bool buffered = false;
        for (size_t i = 0; i < containers->count; i++)
            buffered = buffered || (fds[i].fd >= 0 && client_buffered(waits[i].response));
        if (poll(fds, containers->count, buffered ? 0 : -1) < 0) {
            if (errno == EINTR)
                continue;
            return error_errno(err, errno, "poll");
        }
        for (size_t i = 0; i < containers->count; i++) {
            if (fds[i].fd < 0 || (fds[i].revents == 0 && !client_buffered(waits[i].response)))
                continue;
            int r = end(&containers->items[i], &waits[i], ret_status, err);
            if (r < 0)
                return r;
            fds[i].fd = -1;
            left = first ? 0 : left - 1;
        }
    }
    return 0;
}

static int run_wait(struct cli *cli, void *data, const struct strv *arguments, struct error *err)
{
    const struct wait_flags *flags = data;
    CLEANUP_COMPOSE_LOOKUP struct compose_lookup lookup = {0};
    CLEANUP_COMPOSE_CONTAINERS struct compose_containers containers = {0};
    struct compose_query query = {.oneoff = COMPOSE_ONEOFF_INCLUDE, .services = arguments};
    int status = 0, r = compose_lookup(cli, NULL, &lookup, err);
    if (r == 0)
        r = compose_containers_list(cli_client(cli), lookup.name, &query, &containers, err);
    if (r < 0)
        return r;
    if (containers.count == 0)
        return error_set(err, ERROR_NOT_FOUND, 0, "no containers for project \"%s\"", lookup.name);
    CLEANUP_FREE struct container_wait *waits = xcalloc(containers.count, sizeof(*waits));
    r = begin(cli, &containers, waits, err);
    if (r == 0)
        r = wait_all(&containers, waits, flags->down, &status, err);
    for (size_t i = 0; i < containers.count; i++)
        container_wait_release(&waits[i]);
    if (r == 0 && flags->down) {
        CLEANUP_STRV struct strv words = STRV_INIT;
        strv_add(&words, "--remove-orphans");
        r = command_call(cli, "compose down", &words, err);
    }
    return r < 0 ? r : status;
}

const struct command command_compose_wait = {
    .name = "compose wait",
    .usage = "SERVICE [SERVICE...] [OPTIONS]",
    .summary = "Block until containers of all (or specified) services stop.",
    .options = wait_options,
    .flags_size = sizeof(struct wait_flags),
    .min_arguments = 1,
    .max_arguments = -1,
    .run = run_wait,
};
