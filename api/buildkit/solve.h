/*
 * One build that a client has asked for (Control/Solve), from its request to its response. Three callers meet here: the
 * one who waits for the response, the one who has the frontend run (the gateway, or the first itself), and those who
 * listen to what happens (Control/Status). Private to api/buildkit/.
 */
#ifndef DORY_API_BUILDKIT_SOLVE_H
#define DORY_API_BUILDKIT_SOLVE_H

#include "api/buildkit/buildkit.pb-c.h"
#include "api/buildkit/session.h"
#include "base/strmap.h"

/* What a build tells before anybody listens is kept up to so many bytes; what is beyond, but for steps that begin and
 * end, is dropped. All ended builds together keep so much, too. */
#define SOLVE_MESSAGES_MAX ((size_t)64 << 20)
#define SOLVE_HISTORY_MAX 50

/* What of a provenance is asked for. */
struct solve_provenance {
    bool max;
    char *builder_id;  /* NULL: none */
    char *file, *text; /* the Dockerfile */
};
/* One of the platforms that a build is of. */
struct solve_platform {
    char *name;      /* as it was asked for; "": this machine's */
    char *directory; /* of its files */
    struct build_result result;
    int64_t started, ended; /* ns */
};

struct solve {
    int references; /* under the list's lock */
    char *ref;
    char *build_id; /* what POST /build/cancel knows it by; NULL */
    Bk__SolveRequest *request;
    struct session_list *sessions;
    struct engine *engine;
    struct solve *next;
    int64_t created, completed; /* ns; completed, 0 before: set under both locks, read under either */

    /* What comes with a POST /build, of the thread that runs the build, which sets it. */
    int body_fd; /* its context is what this has, a tar or a Dockerfile; -1 */
    bool squash;
    struct build_suppliers suppliers; /* where the request names no session */

    int cancel_fd; /* eventfd: nobody waits for the response any more */
    int return_fd; /* eventfd: the gateway's client has returned */
    struct error returned;

    pthread_mutex_t lock; /* of what follows */
    pthread_cond_t changed;
    struct solve_message {
        uint8_t *data; /* a packed StatusResponse */
        size_t size;
    } * messages;
    size_t message_count, message_capacity, message_bytes;
    bool ended;    /* there will be no more */
    bool running;  /* between solve_enter() and solve_leave() */
    bool closed;   /* after solve_close() */
    bool answered; /* the gateway's client has returned */
    bool clipped;  /* output was dropped, and that was told */

    /* The result, of the thread that has entered, and after solve_close() of its caller. */
    bool built;
    struct build_result result; /* of the first platform */
    struct solve_platform *platforms;
    size_t platform_count;
    struct solve_provenance *provenance; /* NULL: none is wanted */
    struct strmap arguments;             /* for it: the frontend's */
    struct strv bases;                   /* for it: images that FROM named */
    struct cache_set *used;              /* what caches that are written to are made of; NULL: none is */
    int tree_fd;                         /* a file with the resulting files as a tar; -1 */
    struct tar_writer *tree;             /* into it */
    struct strmap response;              /* exporter_response */
    struct strmap metadata;              /* of a subrequest: result.json ... */
    unsigned steps, cached;              /* that are done */
    unsigned total, warnings;
    bool failed, cancelled; /* cancelled: failed for this */
    char *failure;          /* its message */
};

/* Builds that begin, end and are forgotten, as somebody (history.c) is told of them. */
enum solve_event_kind { SOLVE_STARTED, SOLVE_ENDED, SOLVE_FORGOTTEN };
struct solve_event {
    enum solve_event_kind kind;
    struct solve *solve; /* solve_put() when done with it */
};
#define SOLVE_EVENTS_MAX 200
struct solve_watch {
    int fd; /* eventfd: written to for each event; also others may write to it to wake the watcher */
    struct solve_event *events;
    size_t count, capacity;
    bool overrun; /* nobody has taken SOLVE_EVENTS_MAX events; there are no more */
    struct solve_watch *next;
};

struct solve_list {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct solve *first;         /* running and ended, newest first */
    struct solve_watch *watches; /* that are open */
};
void solve_list_init(struct solve_list *list);
void solve_list_release(struct solve_list *list);
/* Takes request over; build_id may be NULL. ERROR_CONFLICT: there is one of this ref. */
int solve_add(struct solve_list *list, struct engine *engine, struct session_list *sessions, Bk__SolveRequest *request,
              const char *build_id, struct solve **ret, struct error *err);
/* Waits for it, a few seconds at most. solve_put() when done with it. */
int solve_get(struct solve_list *list, const char *ref, struct solve **ret, struct error *err);
void solve_put(struct solve_list *list, struct solve *solve);
/* No more messages, and nothing but them is held; it stays as history until SOLVE_HISTORY_MAX, or SOLVE_MESSAGES_MAX
 * bytes, of newer ones have ended. */
void solve_end(struct solve_list *list, struct solve *solve);
/* Opens a watch (zero-initialised) in the same moment in which the builds that are there are given to `each`, newest
 * first, under the list's lock. solve_watch_release() in every case. */
int solve_watch_open(struct solve_list *list, struct solve_watch *watch, void (*each)(struct solve *solve, void *data),
                     void *data, struct error *err);
void solve_watch_release(struct solve_list *list, struct solve_watch *watch);
/* The oldest event that was not taken. Does not wait. False: there is none. */
bool solve_watch_next(struct solve_list *list, struct solve_watch *watch, struct solve_event *ret);

/* Cancels what is under way of this build_id. */
void solve_cancel(struct solve_list *list, const char *build_id);
/* Cancels this one, if it has not ended. */
void solve_give_up(struct solve *solve);
/* False: there is no such ended build. */
bool solve_forget(struct solve_list *list, const char *ref);

/* One frontend at a time works on a build's result: waits until no other does. ERROR_NOT_FOUND: it is closed. */
int solve_enter(struct solve *solve, struct error *err);
void solve_leave(struct solve *solve);
/* Nobody enters any more; who is in is cancelled, and waited for. */
void solve_close(struct solve *solve);

/* Tells those who listen. */
void solve_tell(struct solve *solve, const Bk__StatusResponse *message);
/* Gives all messages to the sink, waiting for them, up to the end. The sink is given packed StatusResponses. */
typedef int (*solve_sink)(const void *message, size_t size, void *data, struct error *err);
int solve_listen(struct solve *solve, solve_sink sink, void *data, struct error *err);
/* The value of a list of entries; NULL: not there. */
const char *solve_entry(Bk__Entry *const *entries, size_t count, const char *key);
/* The map as entries, which point into it; for free(). */
Bk__Entry **solve_entries(const struct strmap *map);

/* ns since the epoch as a message. */
Bk__Timestamp solve_timestamp(int64_t ns);

/* solve_progress.c: a build's events as messages; the internal steps (files that travel, exporting). */
struct solve_progress;
/* file: name of the Dockerfile. platform: of several, the one with this number (from 0); NULL: there is one. */
struct solve_progress *solve_progress_new(struct solve *solve, const char *file, const char *platform, unsigned number);
void solve_progress_free(struct solve_progress *progress);
extern const struct build_events solve_events; /* data is the progress */
/* A step that is no instruction. The Dockerfile's own is number 0: warnings belong to it. */
struct solve_step {
    struct solve *solve;
    unsigned number;
    const char *name; /* the caller's */
    int64_t started;
};
void solve_step_begin(struct solve_step *step, struct solve *solve, unsigned number, const char *name);
void solve_step_status(const struct solve_step *step, const char *id, int64_t current, int64_t total, bool done);
void solve_step_end(const struct solve_step *step, const struct error *error); /* NULL: it succeeded */

/* A build's failure as BuildKit's clients show it: `process "/bin/sh -c false" did not complete successfully: exit
 * code: 1`, and without a status of gRPC's own, which they would put in front. */
void solve_explain(struct error *err);
/* Its text; the caller's. */
char *solve_explain_text(const char *message);

/* solve_run.c: the Dockerfile frontend with these options. Fills in the result; blocks as long as it takes. */
int solve_run(struct solve *solve, Bk__Entry *const *options, size_t count, struct error *err);
/* solve_run.c: of a solve that ends. */
void solve_release_platforms(struct solve *solve);
/* solve_export.c: what the exporters of the request want, before and after the build. */
int solve_export_check(struct solve *solve, struct error *err);
/* Can they have what the build is of: solve->platforms and provenance? */
int solve_export_check_result(struct solve *solve, struct error *err);
/* Before the build of platform number i; fills in what they want of it. */
int solve_export_prepare(struct solve *solve, size_t i, struct build_options *options, struct error *err);
int solve_export(struct solve *solve, struct error *err);

#endif
