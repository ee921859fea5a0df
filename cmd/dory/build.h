/*
 * `build`: its flags, and the pieces that the command is made of. Where the
 * context comes from is in build_source.h, what is shown in build_display.h.
 */
#ifndef DORY_CMD_DORY_BUILD_H
#define DORY_CMD_DORY_BUILD_H

#include "base/json.h"
#include "base/strbuf.h"
#include "cmd/dory/command.h"

struct build_source; /* build_source.h */

struct build_flags {
    struct strv add_hosts, allow, build_args, build_contexts, cache_from, cache_to, labels, no_cache_filter, outputs,
        secrets, security_options, ssh, tags, ulimits;
    char *call, *cgroup_parent, *cpuset_cpus, *cpuset_mems, *file, *iidfile, *isolation, *metadata_file, *network,
        *platform, *progress, *target;
    int64_t cpu_period, cpu_quota, cpu_shares, memory, memory_swap, shm_size;
    bool check, content_trust, force_remove, load, no_cache, pull, push, quiet, remove, squash;
};

extern const struct option build_options[];
void build_flags_defaults(void *flags);

/* What docker's client refuses before the daemon is asked. */
int build_flags_check(const struct build_flags *flags, struct error *err);
/* --cache-from's values become names of images; what is none is refused by name. */
int build_cache_from_read(struct strv *sources, struct error *err);

/* --cache-to's values for a session: a member "caches". What cannot be read is refused. */
int build_cache_to_write(struct json_writer *w, const struct strv *targets, struct error *err);
/* --platform names several. */
bool build_is_of_several(const struct build_flags *flags);

/* The query of POST /build ("/build?t=...") as docker's API documents it.
 * dockerfile: the file's name within the context, or NULL. */
void build_query(const struct build_flags *flags, const struct build_source *source, const char *dockerfile,
                 struct strbuf *path);
/* Names the first flag that only dory's own daemon understands. */
int build_flags_check_classic(const struct build_flags *flags, struct error *err);

/* The credentials of all registries of config.json as one JSON object, base64:
 * the header X-Registry-Config. NULL: there are none. The caller frees. */
char *registry_config_header(const struct cli *cli);

/* How a build went. */
struct build_outcome {
    char *image_id; /* "sha256:..."; NULL: there is no image */
    int exit_code;  /* of the RUN that failed, else 0 */
    int64_t warnings;
};

/* Has a daemon of another make build it: the context as a whole, docker's stream. */
int build_classic(struct cli *cli, const struct build_flags *flags, const struct build_source *source,
                  struct build_outcome *ret, struct error *err);

/* Where the files of the result go, besides or instead of the image. */
struct build_output {
    enum build_output_kind {
        OUTPUT_IMAGE,   /* the daemon's store, as without --output */
        OUTPUT_LOCAL,   /* a directory gets the files */
        OUTPUT_TAR,     /* a tar of the files */
        OUTPUT_ARCHIVE, /* the image as `save` writes it: docker's and OCI's layout in one */
        OUTPUT_NONE,    /* no image and no files: only the cache gets the results */
    } kind;
    char *destination; /* "-": standard output */
    struct strv names; /* that the image gets besides those of --tag */
    bool push;
};
/* "type=local,dest=out", "type=image,\"name=a,b\",push=true", "out" (a directory) or "-" (a tar). Released by the
 * caller in every case. */
int build_output_parse(const char *text, struct build_output *ret, struct error *err);
void build_output_release(struct build_output *output);

/* Has dory's own daemon build it. output: NULL for the image alone. */
int build_session(struct cli *cli, const struct build_flags *flags, const struct build_source *source,
                  const struct build_output *output, struct build_outcome *ret, struct error *err);

#endif
