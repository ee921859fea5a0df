/* What the files of the executor share: one build under way, its stages, and the state that a step starts from. */
#ifndef DORY_DAEMON_BUILD_EXECUTE_H
#define DORY_DAEMON_BUILD_EXECUTE_H

#include <pthread.h>

#include "daemon/build/build.h"
#include "daemon/build/progress.h"
#include "daemon/build/scope.h"
#include "daemon/build/service.h"
#include "daemon/build/stages.h"
#include "daemon/build/step.h"

struct engine;
struct build;
struct cache_candidate;
struct cache_import;

/* One line of the image's history. */
struct build_line {
    char *created_by, *comment, *author;
    int64_t created;           /* ns */
    struct build_layer *layer; /* a reference; NULL: the step has none */
};

/* Files and config behind a step: what the next one starts from. Plain storage; layers and image are references. */
struct build_state {
    struct image *base;          /* NULL: FROM scratch */
    struct image_store *store;   /* in which the layers of base are pinned; NULL: they are not */
    char *base_name;             /* as FROM names it, for the containers */
    char *platform;              /* "linux/amd64" */
    struct build_layer *init;    /* places of mounts where no image is beneath; NULL until a RUN needs them */
    struct build_layer **layers; /* above the base, lowest first */
    size_t layer_count, layer_capacity;
    char key[DIGEST_HEX_MAX];    /* of the files */
    char record[DIGEST_HEX_MAX]; /* key of the cache's record of them; of the base's the hex of its id; scratch: "" */
    char config_key[DIGEST_HEX_MAX]; /* of the steps that only change the config, since the last that changed files */
    struct container_config config;
    bool cmd_set;
    char *author;
    struct build_line *lines;
    size_t line_count, line_capacity;
    bool reused; /* everything so far came from the cache */
};
void build_state_copy(struct build_state *to, const struct build_state *from);
void build_state_release(struct build_state *state);
/* The layers stay, whoever removes the image. ERROR_NOT_FOUND: they have gone already. */
int build_image_pin(struct image_store *store, const struct image *image, struct error *err);
void build_image_unpin(struct image_store *store, const struct image *image);
/* The base's layers stay, whoever removes the image. ERROR_NOT_FOUND: they have gone already. */
int build_state_pin(struct build_state *state, struct image_store *store, struct error *err);
/* Takes the layer. */
void build_state_add_layer(struct build_state *state, struct build_layer *layer);
/* created_by is taken; layer (may be NULL) is not. */
void build_state_add_line(struct build_state *state, char *created_by, int64_t created, struct build_layer *layer);
/* The directories of its own layers, top first, as draft_base wants them. The caller frees. */
char *build_state_above(const struct build_state *state);
/* A read-only mount of the files, or -errno. mapped: with the ids that they have for a RUN in a user namespace. */
int build_state_view(struct build *build, const struct build_state *state, bool mapped, struct error *err);

enum stage_status { STAGE_WAITING, STAGE_DONE, STAGE_FAILED };

/* A stage that is built, in a thread of its own. */
struct stage_run {
    struct build *build;
    const struct stage *stage;
    int number;                    /* of its FROM among all steps */
    struct build_step_info *infos; /* FROM's and one of each instruction; labels of the command line last */
    struct instruction *labels;    /* LABEL of the command line, on the target; NULL */
    bool no_cache;
    struct build_scope scope;
    struct build_state state;
    struct cache_candidate *candidates; /* images of --cache-from that go on as this stage does (cache_from.h) */
    size_t candidate_count, candidate_capacity;
    struct strv keys;         /* of the cache's records that its steps have used and made */
    enum stage_status status; /* under the build's lock */
    pthread_t thread;
    bool threaded;
};

struct build {
    struct engine *engine;
    struct build_service *service;
    const struct build_options *options;
    const struct build_events *events;
    struct build_result *result;
    struct build_step_info *globals; /* of ARGs before the first FROM */
    struct dockerfile file;
    struct stages stages;
    struct stage_run *runs; /* one of each stage; stage NULL: not needed */
    struct build_progress progress;
    struct strv texts; /* of steps that are in no file */
    pthread_mutex_t lock;
    pthread_cond_t changed;
    /* Under the lock: */
    bool failed;
    struct error error;            /* the first one */
    unsigned working, working_max; /* steps that do something */
    struct strv touched;           /* cache keys that were used */
    struct build_step_info **triggers;
    size_t trigger_count, trigger_capacity;
    struct strv resolved;        /* image names and the ids that they stand for in this build, by turns */
    struct cache_row **new_rows; /* of steps without files, written when the build has succeeded */
    size_t new_row_count, new_row_capacity;
    struct cache_import **imports; /* caches that are kept elsewhere (cache_import.h) */
    size_t import_count;
    struct strv images; /* those of options->cache_from that are images */
    struct build *next; /* of the service's; under its lock */
    int stop_fd;        /* readable once the build has failed: what runs is to end */
    int watch_fd;       /* readable once nobody needs to look at the client any more */
};

/* build.c */
/* The Dockerfile and its stages. What is in them is released in every case. */
int build_read_dockerfile(const struct build_options *options, struct dockerfile *file, struct stages *stages,
                          struct error *err);
/* Has it failed or been cancelled? data is the build. */
bool build_given_up(void *build);
/* Ends all of it; the first error is kept. Returns -errno of that one. */
int build_fail(struct build *build, const struct error *error);
/* The daemon ends: all builds of the service are given up. With the service's lock held. */
void build_give_up_all(struct build_service *service);
void build_work_begin(struct build *build);
void build_work_end(struct build *build);
void build_touch(struct build *build, const char *key);
/* The time of what is made now: SOURCE_DATE_EPOCH, where it is set. ns */
int64_t build_time(const struct build *build);

/* Starts a stage that nothing in the Dockerfile needs: a trigger of the base takes from it. Its steps are told as part
 * of the FROM that brought the trigger. Nothing is done where it runs already. */
void build_need_stage(struct stage_run *by, size_t index);

/* The text and place of a step that ONBUILD brought; the build keeps it. */
struct build_step_info *build_trigger_info(struct stage_run *run, const char *text);
/* An instruction that a step of its own shows, but for FROM: it makes files. */
bool build_makes_files(enum instruction_kind kind);

/* stage.c */
int stage_run_build(struct stage_run *run, struct error *err);
/* Waits for the end of an earlier stage, or of the build. Its state stays as it is from then on. */
int stage_wait(struct stage_run *by, size_t index, const struct build_state **ret, struct error *err);

/* base.c */
/* The state of FROM. */
int build_base(struct stage_run *run, struct error *err);
/* The image that a name means in this build, always the same one: looked up, and pulled when it is not here (or when
 * `pull` says so). */
int build_image(struct build *build, const struct build_step_info *info, const char *name, const char *platform,
                bool pull, struct image **ret, struct error *err);
/* The named context that FROM or --from means; NULL: there is none of that name. */
const struct build_context *build_context_find(const struct build_options *options, const char *name);
/* Before the build: the config of an image that FROM names, into *ret, which is empty. 1; 0: the image is not here, or
 * is to be pulled anew. */
int build_config_here(struct engine *engine, const struct build_options *options, const char *name,
                      const char *platform, struct container_config *ret, struct error *err);
/* The same from the image's registry; nothing is stored. */
int build_config_ask(struct engine *engine, const struct build_options *options, const char *name, const char *platform,
                     struct container_config *ret, struct error *err);

/* What a step that makes files needs to know. */
struct step_context {
    struct stage_run *run;
    const struct build_step_info *info;
    const struct build_step *step;
    struct build_state *state;
    bool no_cache;
};
/* The result of a key: from the cache, from another build or by `make`, which fills a new layer and does not wait for
 * its digest. *ret_content may become NULL. */
struct step_maker {
    int (*make)(const struct step_context *step, struct build_layer **ret, void *data, struct error *err);
    void *data;
    const char *key;
    const char *second_key; /* "" or NULL: none. Another key for the same result, which is quicker to compute */
    const char *place_key;  /* looked at when it is made; "" or NULL: none. Where the next one finds this result,
                               whatever  it is made from */
    const char *chain_key;  /* what the state is called behind the step; NULL: `key` */
    bool differs;           /* made twice, the result may be another one: the state is called after this one */
    const char *content;    /* for the history; may be NULL */
};
/* Adds layer and line to the state, and makes the key its key. */
int step_result(const struct step_context *step, const struct step_maker *maker, struct error *err);
/* Does the cache know the result of a second key? Then ret_key is its key, and *ret_content (the caller frees) what
 * goes into the history. */
int step_second(const struct step_context *step, const char *second_key, char ret_key[DIGEST_HEX_MAX],
                char **ret_content, bool *ret_known, struct error *err);

/* run.c */
int step_run(const struct step_context *step, struct error *err);
/* copy.c */
int step_copy(const struct step_context *step, struct error *err);
/* workdir.c: makes the directory when it is not there. */
int step_workdir(const struct step_context *step, struct error *err);

/* sources.c: where files come from. */
struct build_source {
    int fd;                   /* the root */
    char key[DIGEST_HEX_MAX]; /* of all its files; "": not known without reading them */
    bool keeps_owner;         /* owners mean something: not for contexts */
    struct image *image;      /* whose files they are: its layers stay while it is open; NULL: of none */
    struct image_store *store;
};
/* name NULL: the context of the build. */
int build_source_open(const struct step_context *step, const char *name, struct build_source *ret, struct error *err);
/* The same for RUN: where that is in a user namespace, owners are what is there what they are in the source; the
 * descriptor is a mount then. */
int build_source_open_for_run(const struct step_context *step, const char *name, struct build_source *ret,
                              struct error *err);
void build_source_close(struct build_source *source);

#endif
