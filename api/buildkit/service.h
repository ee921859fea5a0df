/* The services that the daemon offers on a connection of POST /grpc. Private to api/buildkit/. */
#ifndef DORY_API_BUILDKIT_SERVICE_H
#define DORY_API_BUILDKIT_SERVICE_H

#include "api/buildkit/buildkit.h"
#include "api/buildkit/grpc.h"
#include "api/buildkit/solve.h"
#include "api/buildkit/upload.h"

struct buildkit {
    struct session_list sessions;
    struct solve_list solves;
    struct upload_list uploads;
    pthread_mutex_t lock;
    struct buildkit_connection *connections; /* that are open */
    bool stopping;
};

/* data of all handlers. */
struct service {
    struct buildkit *buildkit;
    struct engine *engine;
};

/* Receives the only message of a call and unpacks it: a macro, because the types differ. */
#define SERVICE_RECEIVE(call, type, ret, err)                                                                          \
    service_receive((call), (void *(*)(ProtobufCAllocator *, size_t, const uint8_t *))bk__##type##__unpack,            \
                    (void **)(ret), (err))
int service_receive(struct grpc_call *call, void *(*unpack)(ProtobufCAllocator *, size_t, const uint8_t *), void **ret,
                    struct error *err);
/* Packs and sends. */
int service_reply(struct grpc_call *call, const ProtobufCMessage *message, struct error *err);

/* One worker, this machine: fills record, whose members stay the callee's (static or in storage). */
struct service_worker {
    Bk__WorkerRecord record;
    Bk__Platform platform, *platforms[1];
    Bk__Version version;
    Bk__Entry labels[2], *label_list[2];
    char os[64], architecture[64], variant[64];
};
void service_worker_fill(struct service_worker *worker);

/* control.c: a build that was added, from its request to its end. */
int control_run(struct solve_list *list, struct solve *solve, struct error *err);

/* control.c, gateway.c: rows for grpc_serve(). */
int control_info(struct grpc_call *call, void *data, struct error *err);
int control_list_workers(struct grpc_call *call, void *data, struct error *err);
int control_solve(struct grpc_call *call, void *data, struct error *err);
int control_status(struct grpc_call *call, void *data, struct error *err);
int control_session(struct grpc_call *call, void *data, struct error *err); /* session_tunnel.c */
int control_disk_usage(struct grpc_call *call, void *data, struct error *err);
int control_prune(struct grpc_call *call, void *data, struct error *err);
int control_listen_history(struct grpc_call *call, void *data, struct error *err);
int control_update_history(struct grpc_call *call, void *data, struct error *err);
int gateway_ping(struct grpc_call *call, void *data, struct error *err);
int gateway_solve(struct grpc_call *call, void *data, struct error *err);
int gateway_evaluate(struct grpc_call *call, void *data, struct error *err);
int gateway_return(struct grpc_call *call, void *data, struct error *err);

#endif
