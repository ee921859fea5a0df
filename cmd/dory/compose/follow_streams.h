/* The output of the containers that `up` shows: a connection each in the caller's loop. */
#ifndef DORY_CMD_DORY_COMPOSE_FOLLOW_STREAMS_H
#define DORY_CMD_DORY_COMPOSE_FOLLOW_STREAMS_H

#include "api/client.h"
#include "base/loop.h"
#include "cmd/dory/command.h"
#include "cmd/dory/compose/frame_lines.h"
#include "cmd/dory/compose/log_printer.h"

#define FOLLOW_WORKS_MAX 2

struct work; /* work.h */
struct follow_stream;

struct follow_streams {
    struct cli *cli;
    struct loop *loop;
    struct log_printer *printer;
    struct follow_stream **items;
    size_t count, capacity;
    void (*ended)(void *data); /* a stream has ended */
    void *data;
    struct work *works[FOLLOW_WORKS_MAX]; /* of the caller: to be freed when the loop has ended */
    size_t work_count;
};

void follow_streams_init(struct follow_streams *streams, struct cli *cli, struct loop *loop, void (*ended)(void *data),
                         void *data);
void follow_streams_release(struct follow_streams *streams);
/* Shows what a container writes from now on, also one that was not started yet. tty: it has a terminal. */
int follow_streams_attach(struct follow_streams *streams, const char *id, const char *name, bool tty,
                          struct error *err);
/* The same for one that was started by somebody: from its log since that. Failures are told as lines. */
void follow_streams_logs(struct follow_streams *streams, const char *id, const char *name);
bool follow_streams_knows(const struct follow_streams *streams, const char *id);
/* Those that may still yield something. */
size_t follow_streams_open(const struct follow_streams *streams);
/* The container has ended: `status` is printed behind the last of its output. */
void follow_streams_end(struct follow_streams *streams, const char *id, const char *name, const char *status);
/* One line of a container, shown at once. */
void follow_print_line(struct log_printer *printer, const char *name, bool is_stderr, const char *line, size_t size);

#endif
