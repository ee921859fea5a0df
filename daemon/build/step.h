/*
 * One instruction, evaluated: variables put in, options checked, defaults filled in. What is not understood is an error
 * and never ignored. Pure.
 */
#ifndef DORY_DAEMON_BUILD_STEP_H
#define DORY_DAEMON_BUILD_STEP_H

#include "daemon/build/dockerfile.h"
#include "daemon/build/scope.h"

/* ---- RUN ---- */

enum run_mount_kind { RUN_MOUNT_BIND, RUN_MOUNT_CACHE, RUN_MOUNT_TMPFS, RUN_MOUNT_SECRET, RUN_MOUNT_SSH };
enum cache_sharing { CACHE_SHARED, CACHE_PRIVATE, CACHE_LOCKED };
enum run_network { RUN_NETWORK_DEFAULT, RUN_NETWORK_NONE, RUN_NETWORK_HOST };
enum run_security { RUN_SECURITY_SANDBOX, RUN_SECURITY_INSECURE };

struct run_mount {
    enum run_mount_kind kind;
    char *target;  /* absolute and cleaned; NULL: a secret that is only a variable, an ssh agent in its default place */
    char *source;  /* bind and cache: path in `from`, cleaned, absolute ("/": all of it) */
    char *from;    /* bind and cache: stage, image or named context; NULL: the build context (bind), nothing (cache) */
    char *id;      /* cache, secret, ssh: never NULL there */
    char *env;     /* secret: name of the variable that holds it; NULL: none */
    bool writable; /* bind: writes are allowed, and discarded. cache: the default */
    bool required; /* secret, ssh: absence is an error; otherwise the mount is left out */
    enum cache_sharing sharing;
    uint32_t mode, uid, gid; /* cache 0755, secret 0400, ssh 0600; 0, 0 */
    int64_t size;            /* tmpfs: bytes, 0: no limit */
};

struct step_run {
    struct strv argv; /* complete: the shell is in it */
    bool shell_form;
    struct strv shown; /* for history: argv, heredocs shown as they were written */
    char *script; /* a heredoc that starts with #!: contents of the file that argv[0] (/dev/pipes/NAME) names; NULL */
    struct run_mount *mounts;
    size_t mount_count;
    enum run_network network;
    bool network_set; /* --network was given */
    enum run_security security;
};

/* ---- COPY and ADD ---- */

struct copy_file { /* a heredoc */
    char *name, *content;
};

struct step_copy {
    bool add;
    struct strv sources;     /* expanded; patterns of path_match.h, URLs and git references (ADD) among them */
    char *destination;       /* as it was written, expanded; relative to the working directory; may end in '/' */
    char *absolute;          /* the destination beneath the working directory; a slash at its end is kept */
    struct copy_file *files; /* go to destination/name, or destination when it is the only source and no directory */
    size_t file_count;
    char *from;  /* COPY: stage, image or named context; NULL: the build context */
    char *chown; /* "user[:group]", expanded; NULL: 0:0 */
    char *chmod; /* octal, or symbolic as chmod(1) has it: chmod_mode.h; NULL: as they are */
    bool link, parents;
    struct strv excludes; /* patterns of archive/ignore.h, relative to each source */
    char *checksum;       /* ADD: "sha256:..." of an URL or a git commit; NULL */
    bool keep_git_dir;
    bool unpack, unpack_set; /* ADD --unpack=true|false; not set: local archives are unpacked, downloads are not */
};

bool copy_source_is_url(const char *source); /* http:// or https:// */
/* git://, ssh://, git@host:path, or a URL whose path ends in .git (a ?query or #ref:subdir may follow). */
bool copy_source_is_git(const char *source);
/* --parents: how many bytes at the front of the source are not made beneath the destination ("a/./b/c": 4). 0: none. */
size_t copy_source_pivot(const char *source);

/* ---- the rest ---- */

struct build_step {
    enum instruction_kind kind;
    const struct instruction *instruction; /* where it comes from */
    union {
        struct step_run run;
        struct step_copy copy;
        struct strmap pairs; /* ENV, LABEL; ARG (those with a value) */
        struct strv list;    /* EXPOSE ("80/tcp", ranges spread out, sorted), VOLUME, SHELL */
        struct {
            struct strv argv; /* CMD, ENTRYPOINT: complete; the shell is in it */
            bool shell_form;
        } command;
        char *text;                  /* USER, STOPSIGNAL, MAINTAINER, ONBUILD (the trigger's text); WORKDIR: absolute */
        struct health_config health; /* HEALTHCHECK; NONE is test {"NONE"} */
    };
    struct strv names; /* ARG: all names, in order */
    char *shown;       /* "ENV a=b": the instruction with its variables put in, as docker's history has it */
};

/*
 * `config` is the stage's config so far (Env, Shell, WorkingDir). FROM has no step (ERROR_INVALID). On success the
 * caller releases. warnings (may be NULL) receives sentences.
 */
int build_step_evaluate(const struct instruction *instruction, const struct build_scope *scope,
                        const struct container_config *config, struct build_step *ret, struct strv *warnings,
                        struct error *err);
void build_step_release(struct build_step *step);
#define CLEANUP_BUILD_STEP CLEANUP(build_step_release)

/* RUN, COPY, ADD, and a WORKDIR that may have to make its directory. */
bool build_step_makes_layer(const struct build_step *step);

/*
 * The step's effect on the config (CMD clears nothing, ENTRYPOINT clears a Cmd that this stage did not set, as docker
 * does: *cmd_set says whether it did, and is updated) and on the scope (ARG). RUN, COPY and ADD change nothing.
 */
int build_config_apply(const struct build_step *step, struct build_scope *scope, struct container_config *config,
                       bool *cmd_set, struct error *err);

/*
 * `created_by` of the image's history, in the words of docker's classic builder: "/bin/sh -c #(nop)  CMD [\"sh\"]",
 * "|1 a=b /bin/sh -c make". content: what was copied, "file:HEX", "dir:HEX" or "multi:HEX" (COPY and ADD; else NULL).
 */
void build_step_history(const struct build_step *step, const struct build_scope *scope,
                        const struct container_config *config, const char *content, struct strbuf *out);

#endif
