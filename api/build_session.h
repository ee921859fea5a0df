/*
 * POST /dory/build: a build by dory's own CLI. The query is that of POST /build; context, secrets, agents and the
 * result travel as frames (client_session.h) on the connection, which is upgraded. Private to api/.
 */
#ifndef DORY_API_BUILD_SESSION_H
#define DORY_API_BUILD_SESSION_H

#include <pthread.h>

#include "api/build_parameters.h"
#include "api/client_session.h"
#include "daemon/build/context.h"
#include "daemon/build/context_sync.h"

/* SESSION_OPTIONS. */
struct session_context {
    char *name;  /* NULL or "": the build's own */
    char *kind;  /* "directory" "tar" "remote" "image" "none" */
    char *value; /* directory: its key; remote: URL; image: reference */
};
struct session_secret {
    char *id;
    char *data; /* base64 */
};
struct session_cache {
    char *type; /* of daemon/build/cache_target.h */
    struct strmap attributes;
};
#define SESSION_PLATFORMS_MAX 64
struct session_options {
    struct json_array contexts; /* struct session_context; the first is the build's own */
    struct json_array secrets;  /* struct session_secret */
    struct strv ssh;            /* ids of agents that the client has */
    struct strv no_cache_filter;
    struct strv platforms;    /* none: the query's */
    struct json_array caches; /* struct session_cache: where the cache is written to */
    bool push;                /* several platforms are pushed under their names */
    bool dockerfile;          /* its text follows */
    bool allow_host, allow_insecure;
    bool check;
    bool tree, no_image;
};
extern const struct json_table session_options_table;

/* One context on the daemon's side. */
struct session_files {
    struct build_files files;
    struct context_sync *sync;
    int fd; /* -1: none */
};

#define SESSION_AGENTS_MAX 64

struct build_session {
    struct engine *engine;
    struct build_parameters *parameters;
    int fd;
    struct session_reader reader;
    pthread_mutex_t send_lock;
    struct session_options options;
    struct session_files *contexts; /* one for each of options.contexts */
    struct tar_writer *tree;        /* options.tree: to the client */
    struct strbuf dockerfile;
    char *dockerfile_name;
    int cancel_fd; /* eventfd: the client has gone */
    /* Of several platforms the one that is built; NULL: there is one. Its steps are numbered behind these. */
    const char *platform;
    int steps_before, steps;
    /* Connections to agents; under agent_lock. */
    pthread_mutex_t agent_lock;
    pthread_cond_t agent_changed;
    struct session_agent {
        unsigned channel;
        int fd; /* ours of the pair; -1: free */
    } agents[SESSION_AGENTS_MAX];
    unsigned next_channel, relays;
};

/* build_session.c */
int build_session_send(struct build_session *session, enum session_type type, unsigned channel, const void *data,
                       size_t size);
/* build_session_run.c: build_run() with all that the options ask for; the parameters' own options are filled in. */
int build_session_run(struct build_session *session, const struct build_events *events, struct build_result *result,
                      struct error *err);
/* build_session_receive.c: everything until the build can begin. */
int build_session_receive(struct build_session *session, struct error *err);
/* build_session_agents.c: a build_suppliers.ssh_agent; frames for them; the end. */
int build_session_agent(const char *id, void *data, struct error *err);
/* As struct build_suppliers has it; data is the session. */
int build_session_secret(const char *id, struct build_secret *ret, void *data, struct error *err);
int build_session_agent_data(struct build_session *session, const struct session_frame *frame);
void build_session_agents_close(struct build_session *session);
/* build_session_events.c */
extern const struct build_events build_session_events;

/* The handler. */
struct api_request;
int build_session_handle(struct api_request *request, struct engine *engine, struct error *err);

#endif
